//! Numbers and places of a scenario file, parsed into valid types.

use std::borrow::Cow;
use std::ops::{Deref, Range};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};

use crate::error::REMEDY;

/// Largest magnitude that any number of a scenario may have.
const LARGEST: f64 = 1e15;

fn finite(value: f64) -> Result<f64, String> {
    if !value.is_finite() {
        return Err(format!(
            "{value} is not a finite number{REMEDY}give a finite number"
        ));
    }
    if value.abs() > LARGEST {
        return Err(format!(
            "{value} is beyond any physical size{REMEDY}give a number of magnitude at most {LARGEST:e}"
        ));
    }
    Ok(value)
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $ok:expr, $must:literal, $($bound:tt)*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Deserialize, JsonSchema)]
        #[serde(try_from = "f64")]
        #[schemars(extend($($bound)*))]
        pub struct $name(f64);

        impl $name {
            /// The number.
            pub fn get(self) -> f64 {
                self.0
            }
        }

        impl TryFrom<f64> for $name {
            type Error = String;
            fn try_from(value: f64) -> Result<Self, String> {
                let value = finite(value)?;
                let ok: fn(f64) -> bool = $ok;
                if ok(value) {
                    Ok(Self(value))
                } else {
                    Err(format!("{value} is out of range{REMEDY}give a number {}", $must))
                }
            }
        }
    };
}

number! {
    /// A finite number.
    Real, |_| true, "that is finite", "minimum" = -1e15, "maximum" = 1e15
}
number! {
    /// A number greater than 0.
    Positive, |v| v > 0.0, "greater than 0", "exclusiveMinimum" = 0, "maximum" = 1e15
}
number! {
    /// A number of at least 0.
    NonNegative, |v| v >= 0.0, "of at least 0", "minimum" = 0, "maximum" = 1e15
}
number! {
    /// A number from 0 to 1.
    Fraction, |v| (0.0..=1.0).contains(&v), "from 0 to 1", "minimum" = 0, "maximum" = 1
}
number! {
    /// An efficiency: more than 0, at most 1.
    Efficiency, |v| v > 0.0 && v <= 1.0, "greater than 0 and at most 1", "exclusiveMinimum" = 0, "maximum" = 1
}

/// A value and where it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    span: Range<usize>,
    value: T,
}

impl<T> At<T> {
    /// A value that stands nowhere, because it was left out.
    pub(crate) fn nowhere(value: T) -> Self {
        Self { span: 0..0, value }
    }

    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// Where the value stands, in bytes of the file.
    pub fn span(&self) -> &Range<usize> {
        &self.span
    }
}

impl<T> Deref for At<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Default> Default for At<T> {
    fn default() -> Self {
        Self::nowhere(T::default())
    }
}

impl<'d, T: Deserialize<'d>> Deserialize<'d> for At<T> {
    fn deserialize<D: Deserializer<'d>>(d: D) -> Result<Self, D::Error> {
        let spanned = toml::Spanned::<T>::deserialize(d)?;
        Ok(Self {
            span: spanned.span(),
            value: spanned.into_inner(),
        })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// An instant in UTC, to the second, written `2026-11-01T00:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("format" = "date-time"))]
pub struct Utc(i64);

impl Utc {
    /// Seconds since 1970-01-01T00:00:00Z, leap seconds not counted.
    pub fn unix_s(self) -> i64 {
        self.0
    }
}

impl TryFrom<String> for Utc {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        parse_utc(&text).map(Self).ok_or_else(|| {
            format!("`{text}` is no instant{REMEDY}write it as 2026-11-01T00:00:00Z, in UTC")
        })
    }
}

fn parse_utc(text: &str) -> Option<i64> {
    let b = text.as_bytes();
    if b.len() != 20 || !text.is_ascii() {
        return None;
    }
    for (k, c) in [
        (4, b'-'),
        (7, b'-'),
        (10, b'T'),
        (13, b':'),
        (16, b':'),
        (19, b'Z'),
    ] {
        if b[k] != c {
            return None;
        }
    }
    let number = |r: Range<usize>| -> Option<i64> {
        let part = &text[r];
        part.bytes()
            .all(|c| c.is_ascii_digit())
            .then(|| part.parse().ok())?
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_in_month = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    let ok = (1970..=2200).contains(&year)
        && (1..=days_in_month).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !ok {
        return None;
    }
    // Days from the civil date, counted from 0000-03-01 (H. Hinnant's method).
    let y = if month <= 2 { year - 1 } else { year };
    let era = y / 400;
    let of_era = y - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::parse_utc;

    #[test]
    fn instants() {
        assert_eq!(parse_utc("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse_utc("2000-02-29T12:00:00Z"), Some(951_825_600));
        assert_eq!(parse_utc("2026-11-01T00:00:00Z"), Some(1_793_491_200));
        for bad in [
            "2026-02-29T00:00:00Z",
            "2026-11-01 00:00:00Z",
            "2026-11-01T24:00:00Z",
            "now",
        ] {
            assert_eq!(parse_utc(bad), None, "{bad}");
        }
    }
}
