//! Deterministic CBOR: one value, one byte string.
//!
//! The rules are the core deterministic encoding of RFC 8949 §4.2.1: definite
//! lengths, shortest heads, map keys in bytewise order of their encodings, no
//! duplicate keys. Where that leaves a choice:
//!
//! - a record is an array with fixed positions; a missing optional field is
//!   `null`; an enumeration is the unsigned code of its variant, or
//!   `[code, field, …]` when the variant holds fields;
//! - an integer outside 64 bits is a bignum (tags 2 and 3) without leading
//!   zeros, and only then;
//! - a floating-point number is always 64 bits wide (§4.2.2 lets an
//!   application fix the width), never NaN, infinite or negative zero;
//! - there are no other tags, no booleans, no undefined, no trailing bytes.
//!
//! Two laws hold for every [`Canonical`] type and are tested on random values
//! and on mutated bytes: `decode(encode(v)) == v`, and whenever `decode(b)`
//! accepts, `encode(decode(b)) == b`. So bytes can be hashed and signed without
//! asking who wrote them.
//!
//! Decoding takes memory in proportion to the bytes that are there, whatever
//! lengths they claim.
//!
//! The tokens are read and written by `minicbor`; what is canonical and what is
//! too big is decided here.

mod impls;
mod reader;
mod writer;

pub use reader::{DecodeError, Reader, Refusal};
pub use writer::{EncodeError, Writer};

/// The most bytes that one message may have.
pub const MAX_BYTES: usize = 16 << 20;
/// How deeply arrays and maps may be nested.
pub const MAX_DEPTH: usize = 16;
/// The most items that one array may have.
pub const MAX_ITEMS: usize = 1 << 20;
/// The most entries that one map may have.
pub const MAX_ENTRIES: usize = 4096;
/// The most bytes that one text or byte string may have.
pub const MAX_STRING: usize = 128;

/// A type with exactly one encoding.
///
/// Law: `write` is injective, and `read` accepts nothing but what `write`
/// writes. [`canonical_record!`](crate::canonical_record) keeps it for structs.
pub trait Canonical: Sized {
    /// Appends the encoding of `self`.
    fn write(&self, writer: &mut Writer);

    /// Reads one value, refusing whatever `write` would not have written.
    ///
    /// # Errors
    /// Names the offset and the reason of the first refusal.
    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// The one encoding of `self`.
    ///
    /// # Errors
    /// A value that breaks a limit or a rule of its type has no encoding.
    fn to_cbor(&self) -> Result<Vec<u8>, EncodeError> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    /// The value that `bytes` encode.
    ///
    /// # Errors
    /// Refuses whatever is malformed, not canonical, too big, or followed by
    /// anything; never panics, and never allocates ahead of the bytes it has.
    fn from_cbor(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes)?;
        let value = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}

/// Implements [`Canonical`] for a struct: an array of its fields in the order
/// given, and a rule between the fields if there is one.
///
/// ```
/// use cosmosmesh_mission::{Canonical, Epoch, Round};
/// struct At { epoch: Epoch, round: Round }
/// cosmosmesh_mission::canonical_record!(At { epoch, round });
/// let bytes = At { epoch: Epoch(1), round: Round(2) }.to_cbor().unwrap();
/// assert_eq!(bytes, [0x82, 1, 2]);
/// ```
#[macro_export]
macro_rules! canonical_record {
    ($type:ty { $($field:ident),+ $(,)? } $(check $check:expr)?) => {
        impl $crate::Canonical for $type {
            fn write(&self, writer: &mut $crate::cbor::Writer) {
                const FIELDS: usize = [$(stringify!($field)),+].len();
                $( writer.check($check(self)); )?
                writer.array(FIELDS, |writer| {
                    $( $crate::Canonical::write(&self.$field, writer); )+
                });
            }

            fn read(
                reader: &mut $crate::cbor::Reader<'_>,
            ) -> Result<Self, $crate::cbor::DecodeError> {
                const FIELDS: usize = [$(stringify!($field)),+].len();
                let at = reader.offset();
                let value = reader.array(FIELDS, |reader| {
                    Ok(Self { $( $field: $crate::Canonical::read(reader)? ),+ })
                })?;
                $( reader.check(at, $check(&value))?; )?
                let _ = at;
                Ok(value)
            }
        }
    };
}

/// Implements [`Canonical`] for an enumeration without fields.
#[macro_export]
macro_rules! canonical_enum {
    ($type:ident { $($variant:ident = $code:literal),+ $(,)? }) => {
        impl $crate::Canonical for $type {
            fn write(&self, writer: &mut $crate::cbor::Writer) {
                writer.unsigned(match self { $( Self::$variant => $code ),+ });
            }

            fn read(
                reader: &mut $crate::cbor::Reader<'_>,
            ) -> Result<Self, $crate::cbor::DecodeError> {
                let at = reader.offset();
                match reader.unsigned()? {
                    $( $code => Ok(Self::$variant), )+
                    code => Err($crate::cbor::DecodeError {
                        offset: at,
                        reason: $crate::cbor::Refusal::UnknownCode {
                            kind: stringify!($type),
                            code,
                        },
                    }),
                }
            }
        }
    };
}

/// The bytes of the shortest head that holds `argument`.
pub(crate) const fn head_length(argument: u64) -> usize {
    match argument {
        0..=23 => 1,
        24..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}
