//! BLAKE3 hashes with a domain tag, and signatures.

use std::fmt;
use std::str::FromStr;

use crate::cbor::{Canonical, DecodeError, EncodeError, Reader, Refusal, Writer};
use crate::error::Invalid;

/// Writes bytes as lowercase hexadecimal digits.
fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads exactly `N` bytes of lowercase hexadecimal digits.
fn read_hex<const N: usize>(kind: &'static str, text: &str) -> Result<[u8; N], Invalid> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let refused = Invalid::Hex {
        kind,
        digits: 2 * N,
    };
    if text.len() != 2 * N {
        return Err(refused);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        match (digit(pair[0]), digit(pair[1])) {
            (Some(high), Some(low)) => *byte = (high << 4) | low,
            _ => return Err(refused),
        }
    }
    Ok(bytes)
}

/// Declares types that are a fixed number of bytes.
macro_rules! byte_strings {
    ($($(#[$doc:meta])+ $name:ident[$length:literal];)+) => { $(
        $(#[$doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                read_hex(stringify!($name), text).map(Self)
            }
        }

        impl Canonical for $name {
            fn write(&self, writer: &mut Writer) {
                writer.bytes(&self.0);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let at = reader.offset();
                let bytes = reader.bytes()?;
                bytes.try_into().map(Self).map_err(|_| {
                    reader.refuse(at, Refusal::WrongLength {
                        expected: $length,
                        actual: bytes.len() as u64,
                    })
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": format!("^[0-9a-f]{{{}}}$", 2 * $length),
                })
            }
        }
    )+ };
}

byte_strings! {
    /// The hash of a contract: its terms, not its id.
    ContractHash[32];
    /// The identity of a message: the hash of its envelope.
    MessageId[32];
    /// The hash of the prices that a round ended with.
    PricesId[32];
    /// A member's binding, hiding commitment to its local problem.
    Commitment[32];
    /// A signature over a message id.
    Signature[64];
}

/// Hashes the one encoding of `value` for one purpose.
///
/// BLAKE3 in its key-derivation mode, whose context is the domain tag: equal
/// bytes hashed for different purposes have unrelated hashes.
fn tagged<T: Canonical>(tag: &str, salt: &[u8], value: &T) -> Result<[u8; 32], EncodeError> {
    let mut hasher = blake3::Hasher::new_derive_key(tag);
    hasher.update(salt);
    hasher.update(&value.to_cbor()?);
    Ok(*hasher.finalize().as_bytes())
}

impl ContractHash {
    /// The hash of a contract's terms.
    ///
    /// # Errors
    /// A contract that breaks a rule of its type has no hash.
    pub fn of<T: Canonical>(contract: &T) -> Result<Self, EncodeError> {
        tagged("cosmosmesh v1 contract", &[], contract).map(Self)
    }
}

impl MessageId {
    /// The identity of the message in `envelope`.
    pub(crate) fn of<T: Canonical>(envelope: &T) -> Result<Self, EncodeError> {
        tagged("cosmosmesh v1 message", &[], envelope).map(Self)
    }
}

impl PricesId {
    /// The identity of `prices`.
    pub(crate) fn of<T: Canonical>(prices: &T) -> Result<Self, EncodeError> {
        tagged("cosmosmesh v1 prices", &[], prices).map(Self)
    }
}

impl Commitment {
    /// Commits to `value`. The salt keeps a guess of the value from being
    /// checked; it is drawn at random by the owner and opened with the value.
    pub(crate) fn to<T: Canonical>(value: &T, salt: &[u8; 32]) -> Result<Self, EncodeError> {
        tagged("cosmosmesh v1 commitment", salt, value).map(Self)
    }
}
