//! JSON: the same values as the CBOR, for people and other languages.
//!
//! Field names are spelt out and unknown ones refused. An integer is a JSON
//! number up to 2^53 - 1 in magnitude and a decimal string beyond, because
//! many readers hold numbers in 64-bit floats (RFC 7493 §2.2); each integer has
//! one of the two forms only. Bytes are lowercase hexadecimal. JSON text has no
//! canonical form here: hash and sign the CBOR.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::cbor::{Canonical, EncodeError, MAX_BYTES};

/// The most bytes that a JSON text may have.
pub const MAX_JSON_BYTES: usize = 4 * MAX_BYTES;

/// The largest integer that is a JSON number here.
pub(crate) const MAX_NUMBER: i128 = (1 << 53) - 1;

/// Why a JSON text was refused, or a value has none.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is too big.
    #[error("{actual} bytes exceed the limit {limit}")]
    TooLarge {
        /// The most bytes that are allowed.
        limit: usize,
        /// The bytes it has.
        actual: usize,
    },
    /// The text is not JSON, or not of the type asked for.
    #[error(transparent)]
    Text(#[from] serde_json::Error),
    /// The value breaks a limit or a rule of its type.
    #[error(transparent)]
    Value(#[from] EncodeError),
}

/// The value that a JSON text holds; it accepts the values that have a CBOR
/// encoding and no others.
///
/// # Errors
/// Refuses text that is too big, not JSON, or no valid value of the type.
pub fn from_json<T: Canonical + DeserializeOwned>(text: &str) -> Result<T, JsonError> {
    if text.len() > MAX_JSON_BYTES {
        return Err(JsonError::TooLarge {
            limit: MAX_JSON_BYTES,
            actual: text.len(),
        });
    }
    let value: T = serde_json::from_str(text)?;
    value.to_cbor()?;
    Ok(value)
}

/// The JSON text of a value, indented, with a final line break.
///
/// # Errors
/// A value that breaks a limit or a rule of its type has no text.
pub fn to_json<T: Canonical + Serialize>(value: &T) -> Result<String, JsonError> {
    value.to_cbor()?;
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text)
}

/// Writes an integer in its one JSON form.
pub(crate) fn write_integer<S: Serializer>(value: i128, serializer: S) -> Result<S::Ok, S::Error> {
    if (-MAX_NUMBER..=MAX_NUMBER).contains(&value) {
        serializer.serialize_i64(value as i64)
    } else {
        serializer.collect_str(&value)
    }
}

/// Reads an integer from its one JSON form, into a type that may be narrower.
pub(crate) fn read_integer<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: TryFrom<i128>,
    D: Deserializer<'de>,
{
    let value = deserializer.deserialize_any(Integer)?;
    T::try_from(value).map_err(|_| D::Error::custom(format_args!("{value} is out of range")))
}

struct Integer;

impl Visitor<'_> for Integer {
    type Value = i128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer: a number up to 2^53 - 1, a decimal string beyond")
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<i128, E> {
        let value = i128::from(value);
        if (-MAX_NUMBER..=MAX_NUMBER).contains(&value) {
            Ok(value)
        } else {
            Err(E::custom(format_args!("{value} must be a string")))
        }
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<i128, E> {
        i64::try_from(value)
            .map_err(|_| E::custom(format_args!("{value} must be a string")))
            .and_then(|value| self.visit_i64(value))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<i128, E> {
        match text.parse::<i128>() {
            Ok(value) if value.to_string() == text && value.abs_diff(0) > MAX_NUMBER as u128 => {
                Ok(value)
            }
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        }
    }
}

/// The schema of an integer in its one JSON form.
pub(crate) fn integer_schema(least: i128, most: i128) -> schemars::Schema {
    let number = serde_json::json!({
        "type": "integer",
        "minimum": (least.max(-MAX_NUMBER)) as i64,
        "maximum": (most.min(MAX_NUMBER)) as i64,
    });
    let schema = if least < -MAX_NUMBER || most > MAX_NUMBER {
        let sign = if least < 0 { "-?" } else { "" };
        serde_json::json!({ "anyOf": [
            number,
            { "type": "string", "pattern": format!("^{sign}[1-9][0-9]{{15,38}}$") },
        ] })
    } else {
        number
    };
    schemars::Schema::try_from(schema).expect("an object is a schema")
}

/// Reads a map, refusing a key that stands twice.
pub(crate) fn unique_map<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Map<K, V>(PhantomData<(K, V)>);

    impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for Map<K, V> {
        type Value = BTreeMap<K, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map without duplicate keys")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut entries = BTreeMap::new();
            while let Some((key, value)) = access.next_entry()? {
                if entries.insert(key, value).is_some() {
                    return Err(A::Error::custom("duplicate key"));
                }
            }
            Ok(entries)
        }
    }

    deserializer.deserialize_map(Map(PhantomData))
}

/// Reads a set, refusing an item that stands twice.
pub(crate) fn unique_set<'de, T, D>(deserializer: D) -> Result<BTreeSet<T>, D::Error>
where
    T: Deserialize<'de> + Ord,
    D: Deserializer<'de>,
{
    struct Set<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + Ord> Visitor<'de> for Set<T> {
        type Value = BTreeSet<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list without duplicates")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut items = BTreeSet::new();
            while let Some(item) = access.next_element()? {
                if !items.insert(item) {
                    return Err(A::Error::custom("duplicate item"));
                }
            }
            Ok(items)
        }
    }

    deserializer.deserialize_seq(Set(PhantomData))
}
