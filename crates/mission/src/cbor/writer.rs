//! Writing canonical tokens.

use std::convert::Infallible;

use minicbor::Encoder;
use minicbor::data::Tag;
use thiserror::Error;

use super::{Canonical, MAX_BYTES, MAX_DEPTH, MAX_ENTRIES, MAX_ITEMS, MAX_STRING};
use crate::error::Invalid;

/// Why a value has no encoding.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A list, map or string is longer than the limit.
    #[error("length {actual} exceeds the limit {limit}")]
    TooLong {
        /// The most that is allowed.
        limit: usize,
        /// What was met.
        actual: usize,
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
        /// The bytes it would have.
        actual: usize,
    },
    /// The value breaks a rule of its type.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// Appends canonical tokens; remembers the first breach of a limit or a rule
/// and reports it at the end.
#[derive(Debug)]
pub struct Writer {
    tokens: Encoder<Vec<u8>>,
    depth: usize,
    breach: Option<EncodeError>,
}

impl Writer {
    /// An empty message.
    pub(crate) fn new() -> Self {
        Self {
            tokens: Encoder::new(Vec::new()),
            depth: 0,
            breach: None,
        }
    }

    /// The bytes, unless a limit or a rule was broken on the way.
    pub(crate) fn finish(self) -> Result<Vec<u8>, EncodeError> {
        if let Some(breach) = self.breach {
            return Err(breach);
        }
        let bytes = self.tokens.into_writer();
        if bytes.len() > MAX_BYTES {
            return Err(EncodeError::TooLarge {
                limit: MAX_BYTES,
                actual: bytes.len(),
            });
        }
        Ok(bytes)
    }

    /// Notes the outcome of a rule of the value being written.
    pub fn check(&mut self, outcome: Result<(), Invalid>) {
        if let Err(invalid) = outcome {
            self.note(EncodeError::Invalid(invalid));
        }
    }

    /// An unsigned integer.
    pub fn unsigned(&mut self, value: u64) {
        self.put(|tokens| tokens.u64(value).map(drop));
    }

    /// A signed integer of 64 bits.
    pub fn signed(&mut self, value: i64) {
        self.put(|tokens| tokens.i64(value).map(drop));
    }

    /// A wide integer: 64 bits where they do, a bignum otherwise.
    pub fn wide(&mut self, value: i128) {
        // CBOR writes a negative n as -1 - n.
        let argument = if value < 0 { !value } else { value } as u128;
        if let Ok(argument) = u64::try_from(argument) {
            if value < 0 {
                let int = minicbor::data::Int::try_from(-1 - i128::from(argument));
                let int = int.expect("an argument of 64 bits fits a CBOR integer");
                self.put(|tokens| tokens.int(int).map(drop));
            } else {
                self.unsigned(argument);
            }
            return;
        }
        let bytes = argument.to_be_bytes();
        let zeros = (argument.leading_zeros() / 8) as usize;
        let tag = if value < 0 { 3 } else { 2 };
        self.put(|tokens| tokens.tag(Tag::new(tag))?.bytes(&bytes[zeros..]).map(drop));
    }

    /// A 64-bit float. The caller has excluded NaN, infinities and -0.
    pub(crate) fn float(&mut self, value: f64) {
        self.put(|tokens| tokens.f64(value).map(drop));
    }

    /// A text string.
    pub fn text(&mut self, text: &str) {
        self.limit(MAX_STRING, text.len());
        self.put(|tokens| tokens.str(text).map(drop));
    }

    /// A byte string.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.limit(MAX_STRING, bytes.len());
        self.put(|tokens| tokens.bytes(bytes).map(drop));
    }

    /// A byte string of at most `limit` bytes, for what is too long for
    /// [`bytes`](Self::bytes).
    pub fn blob(&mut self, limit: usize, bytes: &[u8]) {
        self.limit(limit, bytes.len());
        self.put(|tokens| tokens.bytes(bytes).map(drop));
    }

    /// The absence of an optional field.
    pub fn null(&mut self) {
        self.put(|tokens| tokens.null().map(drop));
    }

    /// An array whose `length` items are written by `items`.
    pub fn array(&mut self, length: usize, items: impl FnOnce(&mut Self)) {
        self.limit(MAX_ITEMS, length);
        self.put(|tokens| tokens.array(length as u64).map(drop));
        self.nested(items);
    }

    /// A map, its entries sorted by the encodings of their keys.
    pub fn map<'a, K, V>(&mut self, entries: impl IntoIterator<Item = (&'a K, &'a V)>)
    where
        K: Canonical + 'a,
        V: Canonical + 'a,
    {
        let mut sorted = Vec::new();
        for (key, value) in entries {
            match key.to_cbor() {
                Ok(bytes) => sorted.push((bytes, value)),
                Err(breach) => self.note(breach),
            }
        }
        sorted.sort_by(|left, right| left.0.cmp(&right.0));
        self.limit(MAX_ENTRIES, sorted.len());
        self.put(|tokens| tokens.map(sorted.len() as u64).map(drop));
        self.nested(|writer| {
            for (key, value) in sorted {
                writer.tokens.writer_mut().extend_from_slice(&key);
                value.write(writer);
            }
        });
    }

    fn nested(&mut self, items: impl FnOnce(&mut Self)) {
        if self.depth == MAX_DEPTH {
            self.note(EncodeError::TooDeep { limit: MAX_DEPTH });
            return;
        }
        self.depth += 1;
        items(self);
        self.depth -= 1;
    }

    fn limit(&mut self, limit: usize, actual: usize) {
        if actual > limit {
            self.note(EncodeError::TooLong { limit, actual });
        }
    }

    fn note(&mut self, breach: EncodeError) {
        self.breach.get_or_insert(breach);
    }

    fn put(
        &mut self,
        token: impl FnOnce(&mut Encoder<Vec<u8>>) -> Result<(), minicbor::encode::Error<Infallible>>,
    ) {
        token(&mut self.tokens).expect("a vector takes every byte");
    }
}
