//! The fixed-point numbers that cross between members.
//!
//! A quantity is a whole number of quanta. Each row `j` of the frame has a
//! scale `gⱼ`, a power of two that its exchanges stay within; the quanta
//! follow from it:
//!
//! | quantity | quantum |
//! |---|---|
//! | exchange, `S(y−λ)`, `μt` | `gⱼ · 2⁻⁴⁴` |
//! | sensitivity `Sⱼₖ` | `gⱼ gₖ · 2⁻⁷²` per cost unit, in 128 bits |
//! | barrier rate `t` at a point with parameter `μ` | `gⱼ · 2⁻⁴⁴⁺ᵉ`, `2ᵉ ≤ 1/μ` |
//! | price | `2⁻⁴⁰ / gⱼ` cost units |
//! | cost, dual value, weight | `2⁻³⁰` cost units |
//! | spread | `2⁻⁴⁰` cost units, in 128 bits |
//!
//! Sensitivities of one agreement may lie twenty decades apart: a member that
//! can move a thousandth of what another can, at a barrier near zero. A
//! message therefore carries their leading 32 bits and an exponent `eⱼ` a row:
//! entry `jk` is a multiple of `2^(eⱼ+eₖ)` quanta.
//!
//! Powers of two make the conversions exact.

/// A value was too large for its quantum, or no number at all.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{what} is {value:e}, outside the fixed-point range of ±{limit:e}")]
pub struct OutOfRange {
    /// The quantity.
    pub what: &'static str,
    /// Its value.
    pub value: f64,
    /// The largest that fits.
    pub limit: f64,
}

/// `2⁻⁴⁴`.
pub const EXCHANGE: f64 = 1.0 / (1_u64 << 44) as f64;
/// `2⁻⁷²`.
pub const SENSITIVITY: f64 = 1.0 / (1_u128 << 72) as f64;
/// `2⁻⁴⁰`.
pub const PRICE: f64 = 1.0 / (1_u64 << 40) as f64;
/// `2⁻⁴⁰`.
pub const SPREAD: f64 = 1.0 / (1_u64 << 40) as f64;
/// `2⁻³⁰`.
pub const COST: f64 = 1.0 / (1_u64 << 30) as f64;

/// The exponent `e` of barrier rates at a point with parameter `mu`: the
/// largest with `2ᵉ ≤ 1/mu`, at least 0 and at most 40.
pub fn rate_exponent(mu: f64) -> u8 {
    let mut exponent = 0;
    let mut reached = 2.0 * mu;
    while reached <= 1.0 && exponent < 40 {
        reached *= 2.0;
        exponent += 1;
    }
    exponent
}

/// How to round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// To the nearest, ties away from zero.
    Nearest,
    /// Down.
    Down,
    /// Up.
    Up,
}

/// `value` in whole quanta.
///
/// # Errors
///
/// When it is not finite or does not fit 62 bits, so that sums of several
/// such numbers stay far from the ends of `i128` and of `f64`'s exactness.
pub fn to_quanta(
    what: &'static str,
    value: f64,
    quantum: f64,
    round: Round,
) -> Result<i64, OutOfRange> {
    let limit = (1_u64 << 62) as f64;
    let q = value / quantum;
    let q = match round {
        Round::Nearest => q.round(),
        Round::Down => q.floor(),
        Round::Up => q.ceil(),
    };
    if q.abs() < limit {
        Ok(q as i64)
    } else {
        Err(OutOfRange {
            what,
            value,
            limit: limit * quantum,
        })
    }
}

/// `value` in whole quanta of 128 bits.
///
/// # Errors
///
/// As [`to_quanta`], beyond 100 bits.
pub fn to_wide(what: &'static str, value: f64, quantum: f64) -> Result<i128, OutOfRange> {
    let limit = (1_u128 << 100) as f64;
    let q = (value / quantum).round();
    if q.abs() < limit {
        Ok(q as i128)
    } else {
        Err(OutOfRange {
            what,
            value,
            limit: limit * quantum,
        })
    }
}

/// Whole quanta as a value.
pub fn from_quanta(q: i64, quantum: f64) -> f64 {
    q as f64 * quantum
}

/// Whole quanta of a sum as a value.
pub fn from_sum(q: i128, quantum: f64) -> f64 {
    q as f64 * quantum
}

/// The least power of two that is not below `v` (1 for zero or no number).
pub fn power_of_two_above(v: f64) -> f64 {
    if !(v > 0.0 && v.is_finite()) {
        return 1.0;
    }
    let mut p = 1.0;
    while p < v {
        p *= 2.0;
    }
    while p * 0.5 >= v {
        p *= 0.5;
    }
    p
}
