//! Counters and numbers, one type for each meaning.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::cbor::{Canonical, DecodeError, Reader, Writer};
use crate::error::Invalid;
use crate::json;

/// Declares integer types with one meaning each.
macro_rules! counters {
    ($($(#[$doc:meta])+ $name:ident($inner:ty);)+) => { $(
        $(#[$doc])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl $name {
            /// The next one, unless this is the last.
            pub fn next(self) -> Option<Self> {
                self.0.checked_add(1).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl Canonical for $name {
            fn write(&self, writer: &mut Writer) {
                self.0.write(writer);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Canonical::read(reader).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                json::write_integer(self.0.into(), serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                json::read_integer(deserializer).map(Self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json::integer_schema(<$inner>::MIN.into(), <$inner>::MAX.into())
            }
        }
    )+ };
}

counters! {
    /// A planning epoch of a contract. It ends the validity of things; wall
    /// time never does.
    Epoch(u64);
    /// A round of price agreement within an epoch.
    Round(u32);
    /// A repetition of a round that did not reach its quorum.
    Attempt(u32);
    /// How often an author has started afresh.
    BootEpoch(u64);
    /// The position of a message among its author's, within a boot epoch.
    Seq(u64);
    /// The revision of a contract.
    ContractVersion(u32);
    /// The revision of a local problem.
    ProblemVersion(u32);
    /// A privacy budget in billionths of zero-concentrated differential privacy
    /// (zCDP), rounded up.
    NanoZcdp(u64);
    /// A point in time: seconds since 1970-01-01T00:00:00 UTC, leap seconds not
    /// counted (POSIX). Contact plans use it, so no conversion stands between a
    /// plan and a window. A grid that spans an inserted leap second would be one
    /// second off behind it; none has been inserted since 2017.
    UtcSeconds(i64);
    /// A 64-bit fixed-point number; its unit and scale are in the contract.
    Fixed(i64);
    /// A wide fixed-point number: a sum or a product of [`Fixed`] numbers.
    Wide(i128);
}

impl Canonical for i128 {
    fn write(&self, writer: &mut Writer) {
        writer.wide(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.wide()
    }
}

/// A vector of fixed-point numbers whose unit and scale are in the contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FixedVec(pub Vec<i64>);

impl From<Vec<i64>> for FixedVec {
    fn from(values: Vec<i64>) -> Self {
        Self(values)
    }
}

impl FromIterator<i64> for FixedVec {
    fn from_iter<I: IntoIterator<Item = i64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl Deref for FixedVec {
    type Target = Vec<i64>;

    fn deref(&self) -> &Vec<i64> {
        &self.0
    }
}

impl DerefMut for FixedVec {
    fn deref_mut(&mut self) -> &mut Vec<i64> {
        &mut self.0
    }
}

impl Canonical for FixedVec {
    fn write(&self, writer: &mut Writer) {
        self.0.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Canonical::read(reader).map(Self)
    }
}

impl Serialize for FixedVec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().copied().map(Fixed))
    }
}

impl<'de> Deserialize<'de> for FixedVec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = Vec::<Fixed>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|value| value.0).collect())
    }
}

impl JsonSchema for FixedVec {
    fn schema_name() -> Cow<'static, str> {
        "FixedVec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "array",
            "items": generator.subschema_for::<Fixed>(),
            "maxItems": crate::cbor::MAX_ITEMS,
        })
    }
}

/// A finite floating-point number; zero is positive.
///
/// On the wire it is always 64 bits wide. It appears where its owner keeps it and
/// in what is published once for all; what is added up over members is [`Fixed`].
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Finite(f64);

// There is no NaN.
impl Eq for Finite {}

impl Finite {
    /// Takes a finite number; a negative zero becomes zero.
    ///
    /// # Errors
    /// Refuses NaN and the infinities.
    pub fn new(value: f64) -> Result<Self, Invalid> {
        if value.is_finite() {
            // IEEE 754: -0 + 0 = 0.
            Ok(Self(value + 0.0))
        } else {
            Err(Invalid::NotFinite)
        }
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Finite {
    type Error = Invalid;

    fn try_from(value: f64) -> Result<Self, Invalid> {
        Self::new(value)
    }
}

impl From<Finite> for f64 {
    fn from(value: Finite) -> f64 {
        value.0
    }
}

impl fmt::Display for Finite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Canonical for Finite {
    fn write(&self, writer: &mut Writer) {
        writer.float(self.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.float().map(Self)
    }
}

impl Serialize for Finite {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl<'de> Deserialize<'de> for Finite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(deserializer)?;
        Self::new(value).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Finite {
    fn schema_name() -> Cow<'static, str> {
        "Finite".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "number" })
    }
}
