//! Quantities whose unit differs between dialects, and so must be in the type.

use serde::Serialize;

/// A data rate. Held in bit/s; ION's bytes/s are converted where they are read.
///
/// Law: `from_byte_per_s(x).byte_per_s() == x` for every finite `x` whose
/// eightfold is finite, because scaling by eight is exact in binary floating point.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct BitRate(f64);

impl BitRate {
    /// From bit/s. `None` unless finite and not negative.
    pub fn from_bit_per_s(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 0.0).then_some(Self(value))
    }

    /// From bytes/s, ION's unit. `None` unless finite and not negative.
    pub fn from_byte_per_s(value: f64) -> Option<Self> {
        Self::from_bit_per_s(value * 8.0)
    }

    /// In bit/s.
    pub fn bit_per_s(self) -> f64 {
        self.0
    }

    /// In bytes/s.
    pub fn byte_per_s(self) -> f64 {
        self.0 / 8.0
    }
}

/// A one-way light time, in seconds; finite and not negative.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Seconds(f64);

impl Seconds {
    /// From seconds. `None` unless finite and not negative.
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 0.0).then_some(Self(value))
    }

    /// In seconds.
    pub fn get(self) -> f64 {
        self.0
    }
}
