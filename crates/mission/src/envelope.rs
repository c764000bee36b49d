//! The one envelope that every message travels in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cbor::{Canonical, DecodeError, EncodeError, Reader, Refusal, Writer};
use crate::dual_variables::DualVariables;
use crate::error::Invalid;
use crate::governance::{AuditLog, PolicyBlock, PrivacyBudget, RegistryEntry};
use crate::hash::{ContractHash, MessageId};
use crate::ids::AuthorId;
use crate::numbers::{BootEpoch, Seq, UtcSeconds};
use crate::plan_delta::PlanDelta;
use crate::shared_variables::SharedVariables;

/// The version of the vocabulary and its encoding.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Version {
    /// The first.
    #[serde(rename = "1")]
    V1,
}

crate::canonical_enum!(Version { V1 = 1 });

/// A message with what detects replays and drift: the version, the contract's
/// hash, and the author's chain.
///
/// On the wire it is `[version, contract_hash, author, boot_epoch, seq,
/// backlink, time, kind, body]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The version of the vocabulary.
    pub version: Version,
    /// The hash of the contract that the author holds.
    pub contract_hash: ContractHash,
    /// Who sends it.
    pub author: AuthorId,
    /// How often the author has started afresh.
    pub boot_epoch: BootEpoch,
    /// The position in the author's chain since then.
    pub seq: Seq,
    /// The author's message before this one; absent in its first only.
    pub backlink: Option<MessageId>,
    /// When it was sent. Advisory: skew is a finding, nothing is decided by it.
    pub time: UtcSeconds,
    /// What it says.
    pub payload: Payload,
}

/// What a message says. It cannot hold a
/// [`LocalProblem`](crate::LocalProblem): that never leaves its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Payload {
    /// A member's answer in a round.
    SharedVariables(SharedVariables),
    /// The prices that a round ended with.
    DualVariables(DualVariables),
    /// A change of the plan.
    PlanDelta(PlanDelta),
    /// How much of a signal may be released.
    PrivacyBudget(PrivacyBudget),
    /// One line of the audit.
    AuditLog(AuditLog),
    /// Safety limits and exposure rules.
    PolicyBlock(PolicyBlock),
    /// What an adapter can do.
    RegistryEntry(RegistryEntry),
}

/// Declares the number of each payload on the wire, once for all its uses.
macro_rules! payloads {
    ($($variant:ident = $kind:literal),+ $(,)?) => {
        impl Payload {
            /// The number that stands for this variant on the wire.
            pub fn kind(&self) -> u64 {
                match self { $( Self::$variant(_) => $kind ),+ }
            }

            /// The one encoding of what is inside, without its kind.
            ///
            /// # Errors
            /// What breaks a rule of its type has no encoding.
            pub fn to_body(&self) -> Result<Vec<u8>, EncodeError> {
                match self { $( Self::$variant(body) => body.to_cbor() ),+ }
            }

            /// The payload of a kind that `bytes` encode; nothing if the kind is
            /// none of the vocabulary's.
            ///
            /// # Errors
            /// Refuses what [`Canonical::from_cbor`] of that kind refuses.
            pub fn from_body(kind: u64, bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
                Ok(Some(match kind {
                    $( $kind => Self::$variant(Canonical::from_cbor(bytes)?), )+
                    _ => return Ok(None),
                }))
            }

            fn write_inside(&self, writer: &mut Writer) {
                match self { $( Self::$variant(body) => body.write(writer) ),+ }
            }

            fn read_inside(kind: u64, reader: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
                Ok(Some(match kind {
                    $( $kind => Self::$variant(Canonical::read(reader)?), )+
                    _ => return Ok(None),
                }))
            }
        }
    };
}

payloads! {
    SharedVariables = 0,
    DualVariables = 1,
    PlanDelta = 2,
    PrivacyBudget = 3,
    AuditLog = 4,
    PolicyBlock = 5,
    RegistryEntry = 6,
}

impl Envelope {
    /// The identity of this message: the hash of its one encoding.
    ///
    /// # Errors
    /// A message that breaks a rule has none.
    pub fn id(&self) -> Result<MessageId, EncodeError> {
        MessageId::of(self)
    }

    /// Checks that a message with predecessors names the last of them, and that
    /// its payload does not speak in another's name.
    ///
    /// # Errors
    /// Names the rule that is broken.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.seq > Seq(0) && self.backlink.is_none() {
            return Err(Invalid::Missing { what: "backlink" });
        }
        let named = match &self.payload {
            Payload::PlanDelta(plan) => Some(("plan delta author", &plan.author)),
            Payload::AuditLog(audit) => Some(("audit signer", &audit.signer)),
            _ => None,
        };
        match named {
            Some((left, named)) if *named != self.author => Err(Invalid::Disagree {
                left,
                right: "envelope author",
            }),
            _ => Ok(()),
        }
    }
}

const FIELDS: usize = 9;

impl Canonical for Envelope {
    fn write(&self, writer: &mut Writer) {
        writer.check(self.check());
        writer.array(FIELDS, |writer| {
            self.version.write(writer);
            self.contract_hash.write(writer);
            self.author.write(writer);
            self.boot_epoch.write(writer);
            self.seq.write(writer);
            self.backlink.write(writer);
            self.time.write(writer);
            writer.unsigned(self.payload.kind());
            self.payload.write_inside(writer);
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        let envelope = reader.array(FIELDS, |reader| {
            Ok(Self {
                version: Canonical::read(reader)?,
                contract_hash: Canonical::read(reader)?,
                author: Canonical::read(reader)?,
                boot_epoch: Canonical::read(reader)?,
                seq: Canonical::read(reader)?,
                backlink: Canonical::read(reader)?,
                time: Canonical::read(reader)?,
                payload: read_payload(reader)?,
            })
        })?;
        reader.check(at, envelope.check())?;
        Ok(envelope)
    }
}

fn read_payload(reader: &mut Reader<'_>) -> Result<Payload, DecodeError> {
    let at = reader.offset();
    let code = reader.unsigned()?;
    Payload::read_inside(code, reader)?.ok_or_else(|| {
        reader.refuse(
            at,
            Refusal::UnknownCode {
                kind: "Payload",
                code,
            },
        )
    })
}
