//! Reading canonical tokens, and nothing else.

use std::fmt;

use minicbor::Decoder;
use thiserror::Error;

use super::{Canonical, MAX_BYTES, MAX_DEPTH, MAX_ENTRIES, MAX_ITEMS, MAX_STRING, head_length};
use crate::error::Invalid;

/// Where and why bytes were refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct DecodeError {
    /// The offset of the token that was refused.
    pub offset: usize,
    /// What is wrong with it.
    #[source]
    pub reason: Refusal,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.offset, self.reason)
    }
}

/// What is wrong with a token.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The bytes end within a token, or claim more items than bytes remain.
    #[error("the bytes end too early")]
    Truncated,
    /// Another type of token stands where this one must.
    #[error("expected {expected}")]
    Unexpected {
        /// The token that must stand here.
        expected: &'static str,
    },
    /// The head uses additional information 28 to 30.
    #[error("reserved head")]
    ReservedHead,
    /// An array, map or string of indefinite length.
    #[error("indefinite length")]
    IndefiniteLength,
    /// A shorter head, or an integer in place of a bignum, would have done.
    #[error("not the shortest form")]
    NotShortest,
    /// Bytes follow the message.
    #[error("{count} bytes follow the message")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// A record or fixed string of another length.
    #[error("length {actual}, expected {expected}")]
    WrongLength {
        /// The length it must have.
        expected: u64,
        /// The length it claims.
        actual: u64,
    },
    /// A list, map or string longer than the limit.
    #[error("length {actual} exceeds the limit {limit}")]
    TooLong {
        /// The most that is allowed.
        limit: usize,
        /// The length it claims.
        actual: u64,
    },
    /// Arrays are nested too deeply.
    #[error("nested deeper than {limit}")]
    TooDeep {
        /// The deepest that is allowed.
        limit: usize,
    },
    /// The whole message is too big.
    #[error("{actual} bytes exceed the limit {limit}")]
    TooLarge {
        /// The most bytes that are allowed.
        limit: usize,
        /// The bytes it has.
        actual: usize,
    },
    /// A map key is not above its predecessor.
    #[error("map keys are not in strictly increasing bytewise order")]
    KeyOrder,
    /// A text string that is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// An integer outside the range of its field.
    #[error("integer outside {least}..={most}")]
    OutOfRange {
        /// The least that is allowed.
        least: i128,
        /// The most that is allowed.
        most: i128,
    },
    /// A variant that this version does not know.
    #[error("{kind} has no variant {code}")]
    UnknownCode {
        /// Which enumeration.
        kind: &'static str,
        /// The code that was met.
        code: u64,
    },
    /// The tokens are canonical, the value is not valid.
    #[error(transparent)]
    Invalid(Invalid),
}

/// Reads canonical tokens from untrusted bytes.
#[derive(Debug)]
pub struct Reader<'b> {
    tokens: Decoder<'b>,
    depth: usize,
}

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const NULL: u8 = 0xf6;
const FLOAT_64: u8 = 0xfb;

impl<'b> Reader<'b> {
    /// Starts at the first of `bytes`.
    pub(crate) fn new(bytes: &'b [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_BYTES {
            return Err(DecodeError {
                offset: 0,
                reason: Refusal::TooLarge {
                    limit: MAX_BYTES,
                    actual: bytes.len(),
                },
            });
        }
        Ok(Self {
            tokens: Decoder::new(bytes),
            depth: 0,
        })
    }

    /// Refuses whatever follows the message.
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            count => Err(self.refuse(self.offset(), Refusal::TrailingBytes { count })),
        }
    }

    /// Where the next token starts.
    pub fn offset(&self) -> usize {
        self.tokens.position()
    }

    /// Turns a broken rule of the value that starts at `offset` into a refusal.
    ///
    /// # Errors
    /// The broken rule.
    pub fn check<T>(&self, offset: usize, outcome: Result<T, Invalid>) -> Result<T, DecodeError> {
        outcome.map_err(|invalid| self.refuse(offset, Refusal::Invalid(invalid)))
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// Refuses any other token and longer forms.
    pub fn unsigned(&mut self) -> Result<u64, DecodeError> {
        let at = self.offset();
        self.expect_major(UNSIGNED, "an unsigned integer")?;
        let value = self.tokens.u64().map_err(|error| lift(at, &error))?;
        self.shortest(at, value, 0)?;
        Ok(value)
    }

    /// A signed integer of 64 bits.
    ///
    /// # Errors
    /// Refuses any other token, longer forms, and what 64 bits do not hold.
    pub fn signed(&mut self) -> Result<i64, DecodeError> {
        let at = self.offset();
        let value = self.integer()?;
        i64::try_from(value).map_err(|_| {
            self.refuse(
                at,
                Refusal::OutOfRange {
                    least: i64::MIN.into(),
                    most: i64::MAX.into(),
                },
            )
        })
    }

    /// A wide integer, as [`Writer::wide`](super::Writer::wide) writes it.
    ///
    /// # Errors
    /// Refuses any other token, longer forms, and what 128 bits do not hold.
    pub fn wide(&mut self) -> Result<i128, DecodeError> {
        let at = self.offset();
        if self.peek()? >> 5 != TAG {
            return self.integer();
        }
        self.expect_major(TAG, "a bignum")?;
        let tag = self.tokens.tag().map_err(|error| lift(at, &error))?;
        self.shortest(at, tag.as_u64(), 0)?;
        let negative = match tag.as_u64() {
            2 => false,
            3 => true,
            _ => {
                return Err(self.refuse(
                    at,
                    Refusal::Unexpected {
                        expected: "a bignum",
                    },
                ));
            }
        };
        let bytes = self.bytes()?;
        if bytes.len() <= 8 || bytes[0] == 0 {
            return Err(self.refuse(at, Refusal::NotShortest));
        }
        let out_of_range = Refusal::OutOfRange {
            least: i128::MIN,
            most: i128::MAX,
        };
        if bytes.len() > 16 || (bytes.len() == 16 && bytes[0] & 0x80 != 0) {
            return Err(self.refuse(at, out_of_range));
        }
        let argument = bytes
            .iter()
            .fold(0_i128, |value, byte| (value << 8) | i128::from(*byte));
        Ok(if negative { !argument } else { argument })
    }

    /// A 64-bit float that is finite and no negative zero.
    ///
    /// # Errors
    /// Refuses any other token and any other width.
    pub(crate) fn float(&mut self) -> Result<f64, DecodeError> {
        let at = self.offset();
        if self.peek()? != FLOAT_64 {
            return Err(self.refuse(
                at,
                Refusal::Unexpected {
                    expected: "a 64-bit float",
                },
            ));
        }
        let value = self.tokens.f64().map_err(|error| lift(at, &error))?;
        if !value.is_finite() || (value == 0.0 && value.is_sign_negative()) {
            return Err(self.refuse(at, Refusal::Invalid(Invalid::NotFinite)));
        }
        Ok(value)
    }

    /// A text string.
    ///
    /// # Errors
    /// Refuses any other token, longer forms, long texts, and bad UTF-8.
    pub fn text(&mut self) -> Result<&'b str, DecodeError> {
        let at = self.offset();
        self.expect_major(TEXT, "a text string")?;
        let text = self.tokens.str().map_err(|error| lift(at, &error))?;
        self.string_length(at, text.len())?;
        Ok(text)
    }

    /// A byte string.
    ///
    /// # Errors
    /// Refuses any other token, longer forms, and long strings.
    pub fn bytes(&mut self) -> Result<&'b [u8], DecodeError> {
        self.blob(MAX_STRING)
    }

    /// A byte string of at most `limit` bytes, for what is too long for
    /// [`bytes`](Self::bytes).
    ///
    /// # Errors
    /// Refuses any other token, longer forms, and longer strings.
    pub fn blob(&mut self, limit: usize) -> Result<&'b [u8], DecodeError> {
        let at = self.offset();
        self.expect_major(BYTES, "a byte string")?;
        let bytes = self.tokens.bytes().map_err(|error| lift(at, &error))?;
        self.shortest(at, bytes.len() as u64, bytes.len())?;
        if bytes.len() > limit {
            return Err(self.refuse(
                at,
                Refusal::TooLong {
                    limit,
                    actual: bytes.len() as u64,
                },
            ));
        }
        Ok(bytes)
    }

    /// Takes a null if one stands here.
    ///
    /// # Errors
    /// The bytes end.
    pub fn take_null(&mut self) -> Result<bool, DecodeError> {
        if self.peek()? != NULL {
            return Ok(false);
        }
        let at = self.offset();
        self.tokens.null().map_err(|error| lift(at, &error))?;
        Ok(true)
    }

    /// An array of exactly `length` items, read by `items`.
    ///
    /// # Errors
    /// Refuses any other token or length, and whatever `items` refuses.
    pub fn array<T>(
        &mut self,
        length: usize,
        items: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let at = self.offset();
        let actual = self.array_head(at)?;
        if actual != length {
            return Err(self.refuse(
                at,
                Refusal::WrongLength {
                    expected: length as u64,
                    actual: actual as u64,
                },
            ));
        }
        self.nested(at, items)
    }

    /// An array whose first item is the code of a variant. `fields` gets the
    /// code and how many items follow it, and must read them all.
    ///
    /// # Errors
    /// Refuses an empty array and whatever `fields` refuses.
    pub fn variant<T>(
        &mut self,
        fields: impl FnOnce(&mut Self, u64, usize) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let at = self.offset();
        let length = self.array_head(at)?;
        self.nested(at, |reader| {
            let Some(rest) = length.checked_sub(1) else {
                return Err(reader.refuse(
                    at,
                    Refusal::Unexpected {
                        expected: "a variant",
                    },
                ));
            };
            let code = reader.unsigned()?;
            fields(reader, code, rest)
        })
    }

    /// An array of any length, each item read by `item`.
    ///
    /// # Errors
    /// Refuses any other token, a length beyond the limit, and whatever `item`
    /// refuses.
    pub fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let at = self.offset();
        let length = self.array_head(at)?;
        self.nested(at, |reader| {
            // Grows with the bytes that are there, not with the length claimed.
            let mut items = Vec::new();
            for _ in 0..length {
                items.push(item(reader)?);
            }
            Ok(items)
        })
    }

    /// A map, its keys strictly increasing by their encodings.
    ///
    /// # Errors
    /// Refuses any other token, a length beyond the limit, keys out of order or
    /// twice, and whatever the keys and values refuse.
    pub fn map<K: Canonical, V: Canonical>(&mut self) -> Result<Vec<(K, V)>, DecodeError> {
        let at = self.offset();
        self.expect_major(MAP, "a map")?;
        let length = self.tokens.map().map_err(|error| lift(at, &error))?;
        let length = self.collection_length(at, length, MAX_ENTRIES)?;
        self.nested(at, |reader| {
            let mut entries = Vec::new();
            let mut previous: &[u8] = &[];
            for _ in 0..length {
                let start = reader.offset();
                let key = K::read(reader)?;
                let encoded = &reader.tokens.input()[start..reader.offset()];
                if encoded <= previous {
                    return Err(reader.refuse(start, Refusal::KeyOrder));
                }
                previous = encoded;
                entries.push((key, V::read(reader)?));
            }
            Ok(entries)
        })
    }

    /// A refusal of the token at `offset`.
    #[allow(clippy::unused_self)]
    pub fn refuse(&self, offset: usize, reason: Refusal) -> DecodeError {
        DecodeError { offset, reason }
    }

    fn array_head(&mut self, at: usize) -> Result<usize, DecodeError> {
        self.expect_major(ARRAY, "an array")?;
        let length = self.tokens.array().map_err(|error| lift(at, &error))?;
        self.collection_length(at, length, MAX_ITEMS)
    }

    fn nested<T>(
        &mut self,
        at: usize,
        items: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.depth == MAX_DEPTH {
            return Err(self.refuse(at, Refusal::TooDeep { limit: MAX_DEPTH }));
        }
        self.depth += 1;
        let value = items(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn integer(&mut self) -> Result<i128, DecodeError> {
        let at = self.offset();
        let major = self.peek()? >> 5;
        if major != UNSIGNED && major != NEGATIVE {
            return Err(self.refuse(
                at,
                Refusal::Unexpected {
                    expected: "an integer",
                },
            ));
        }
        self.expect_major(major, "an integer")?;
        let value: i128 = self.tokens.int().map_err(|error| lift(at, &error))?.into();
        let argument = if value < 0 { !value } else { value };
        self.shortest(at, argument as u64, 0)?;
        Ok(value)
    }

    fn remaining(&self) -> usize {
        self.tokens.input().len().saturating_sub(self.offset())
    }

    fn peek(&self) -> Result<u8, DecodeError> {
        let at = self.offset();
        let byte = self.tokens.input().get(at);
        byte.copied()
            .ok_or_else(|| self.refuse(at, Refusal::Truncated))
    }

    fn expect_major(&self, major: u8, expected: &'static str) -> Result<(), DecodeError> {
        let at = self.offset();
        let head = self.peek()?;
        if head >> 5 != major {
            return Err(self.refuse(at, Refusal::Unexpected { expected }));
        }
        match head & 0x1f {
            28..=30 => Err(self.refuse(at, Refusal::ReservedHead)),
            31 => Err(self.refuse(at, Refusal::IndefiniteLength)),
            _ => Ok(()),
        }
    }

    /// Refuses a token from `at` whose head is longer than its argument needs;
    /// `payload` bytes of it are not head.
    fn shortest(&self, at: usize, argument: u64, payload: usize) -> Result<(), DecodeError> {
        if self.offset() - at - payload == head_length(argument) {
            Ok(())
        } else {
            Err(self.refuse(at, Refusal::NotShortest))
        }
    }

    fn string_length(&self, at: usize, length: usize) -> Result<(), DecodeError> {
        self.shortest(at, length as u64, length)?;
        if length > MAX_STRING {
            return Err(self.refuse(
                at,
                Refusal::TooLong {
                    limit: MAX_STRING,
                    actual: length as u64,
                },
            ));
        }
        Ok(())
    }

    fn collection_length(
        &self,
        at: usize,
        length: Option<u64>,
        limit: usize,
    ) -> Result<usize, DecodeError> {
        let actual = length.ok_or_else(|| self.refuse(at, Refusal::IndefiniteLength))?;
        self.shortest(at, actual, 0)?;
        if actual > limit as u64 {
            return Err(self.refuse(at, Refusal::TooLong { limit, actual }));
        }
        // Every item takes a byte at least.
        if actual > self.remaining() as u64 {
            return Err(self.refuse(at, Refusal::Truncated));
        }
        Ok(actual as usize)
    }
}

/// What `minicbor` found, after the head was seen to be of the right type.
fn lift(offset: usize, error: &minicbor::decode::Error) -> DecodeError {
    let reason = if error.is_end_of_input() {
        Refusal::Truncated
    } else {
        Refusal::NotUtf8
    };
    DecodeError { offset, reason }
}
