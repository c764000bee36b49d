//! Names of things, one type for each kind.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::Invalid;

/// The most bytes that a name may have.
pub const MAX_NAME: usize = 128;

/// What a name may be, as a regular expression.
pub(crate) const NAME_PATTERN: &str =
    "^[a-z0-9]([a-z0-9_.-]*[a-z0-9])?(/[a-z0-9]([a-z0-9_.-]*[a-z0-9])?)*$";

/// Checks the grammar that all names share.
pub(crate) fn check_name(kind: &'static str, text: &str) -> Result<(), Invalid> {
    if text.is_empty() || text.len() > MAX_NAME {
        return Err(Invalid::NameLength {
            kind,
            limit: MAX_NAME,
            actual: text.len(),
        });
    }
    let is_end = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let is_segment = |segment: &[u8]| {
        is_end(segment.first())
            && is_end(segment.last())
            && segment
                .iter()
                .all(|byte| is_end(Some(byte)) || b"_.-".contains(byte))
    };
    if text.as_bytes().split(|byte| *byte == b'/').all(is_segment) {
        Ok(())
    } else {
        Err(Invalid::NameGrammar {
            kind,
            text: text.to_owned(),
        })
    }
}

/// Declares name types: validated when made, cheap to clone, ordered bytewise.
macro_rules! names {
    ($($(#[$doc:meta])+ $name:ident;)+) => { $(
        $(#[$doc])+
        ///
        /// One to 128 bytes: segments of `[a-z0-9_.-]` that begin and end with a
        /// letter or digit, joined by `/`.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// Says which rule of the grammar the text breaks.
            pub fn new(text: &str) -> Result<Self, Invalid> {
                check_name(stringify!($name), text)?;
                Ok(Self(text.into()))
            }

            /// The text of the name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = Invalid;

            fn try_from(text: &str) -> Result<Self, Invalid> {
                Self::new(text)
            }
        }

        $crate::text::text_form!(
            $name,
            schemars::json_schema!({
                "type": "string",
                "pattern": $crate::ids::NAME_PATTERN,
                "maxLength": $crate::ids::MAX_NAME,
            })
        );
    )+ };
}
pub(crate) use names;

names! {
    /// A contract: the terms of one or more couplings.
    ContractId;
    /// A coupling: one resource that members share.
    CouplingId;
    /// A member of a contract: who owns a local problem.
    MemberId;
    /// A physical asset: a rover, a habitat, an orbiter.
    AssetId;
    /// An operator: the agency or vendor that answers for assets.
    OperatorId;
    /// A box of a wiring diagram: one open problem, or a composite.
    BoxId;
    /// A port of an open problem.
    PortId;
    /// The author of a message. Until there are keys it is a name.
    AuthorId;
    /// An adapter: the program that ties an asset's own planner to the mesh.
    AdapterId;
    /// A planning domain, such as `power` or `mobility`.
    DomainId;
    /// A signal about an asset that a policy may hide.
    SignalId;
}
