//! Units of measure, quantities and fixed-point scales.
//!
//! Two units are compatible if and only if they measure the same [`Dimension`];
//! the factor between them is then an exact fraction.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Invalid;
use crate::numbers::Finite;
use crate::text::text_form;

/// What a unit measures.
///
/// The mass of a substance that is accounted for by itself is a dimension of
/// its own: oxygen cannot be balanced against water.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Dimension {
    /// A pure number.
    One,
    /// Energy per time.
    Power,
    /// Energy.
    Energy,
    /// Time.
    Time,
    /// Information.
    Data,
    /// Information per time.
    DataRate,
    /// Length.
    Length,
    /// Length per time.
    Speed,
    /// Mass of anything.
    Mass,
    /// Mass of oxygen.
    Oxygen,
    /// Mass of oxygen per time.
    OxygenRate,
    /// Mass of water.
    Water,
    /// Mass of water per time.
    WaterRate,
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::One => "a pure number",
            Self::Power => "power",
            Self::Energy => "energy",
            Self::Time => "time",
            Self::Data => "data volume",
            Self::DataRate => "data rate",
            Self::Length => "length",
            Self::Speed => "speed",
            Self::Mass => "mass",
            Self::Oxygen => "mass of oxygen",
            Self::OxygenRate => "oxygen rate",
            Self::Water => "mass of water",
            Self::WaterRate => "water rate",
        })
    }
}

/// A positive fraction in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ratio {
    numerator: u64,
    denominator: u64,
}

impl Ratio {
    /// Reduces `numerator / denominator`; both fit 64 bits for all pairs of
    /// units, as a test shows.
    fn reduce(numerator: u128, denominator: u128) -> Self {
        let (mut a, mut b) = (numerator, denominator);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self {
            numerator: (numerator / a) as u64,
            denominator: (denominator / a) as u64,
        }
    }

    /// The number above the line.
    pub const fn numerator(self) -> u64 {
        self.numerator
    }

    /// The number below the line.
    pub const fn denominator(self) -> u64 {
        self.denominator
    }

    /// `value` times this fraction, if that is an integer of 64 bits.
    pub fn scale_exactly(self, value: i64) -> Option<i64> {
        let product = i128::from(value) * i128::from(self.numerator);
        let denominator = i128::from(self.denominator);
        (product % denominator == 0)
            .then(|| i64::try_from(product / denominator).ok())
            .flatten()
    }

    /// `value` times this fraction, in two rounded operations at most.
    pub fn scale(self, value: f64) -> f64 {
        value * self.numerator as f64 / self.denominator as f64
    }
}

/// Declares the table of units: symbol, dimension, and size as a fraction of
/// the dimension's base unit.
macro_rules! units {
    ($($(#[$doc:meta])+ $name:ident = $symbol:literal, $dimension:ident, $num:literal / $den:literal;)+) => {
        /// A unit of measure, written by its symbol.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Unit { $( $(#[$doc])+ $name, )+ }

        impl Unit {
            /// All units.
            pub const ALL: &[Self] = &[$( Self::$name ),+];

            /// The symbol, as it is written.
            pub const fn symbol(self) -> &'static str {
                match self { $( Self::$name => $symbol ),+ }
            }

            /// What it measures.
            pub const fn dimension(self) -> Dimension {
                match self { $( Self::$name => Dimension::$dimension ),+ }
            }

            /// Its size in base units of its dimension.
            const fn size(self) -> (u64, u64) {
                match self { $( Self::$name => ($num, $den) ),+ }
            }
        }
    };
}

units! {
    /// A pure number.
    One = "1", One, 1 / 1;
    /// A hundredth.
    Percent = "%", One, 1 / 100;
    /// Milliwatt.
    Milliwatt = "mW", Power, 1 / 1_000;
    /// Watt.
    Watt = "W", Power, 1 / 1;
    /// Kilowatt.
    Kilowatt = "kW", Power, 1_000 / 1;
    /// Megawatt.
    Megawatt = "MW", Power, 1_000_000 / 1;
    /// Joule.
    Joule = "J", Energy, 1 / 1;
    /// Kilojoule.
    Kilojoule = "kJ", Energy, 1_000 / 1;
    /// Megajoule.
    Megajoule = "MJ", Energy, 1_000_000 / 1;
    /// Watt hour.
    WattHour = "Wh", Energy, 3_600 / 1;
    /// Kilowatt hour.
    KilowattHour = "kWh", Energy, 3_600_000 / 1;
    /// Megawatt hour.
    MegawattHour = "MWh", Energy, 3_600_000_000 / 1;
    /// Second.
    Second = "s", Time, 1 / 1;
    /// Minute.
    Minute = "min", Time, 60 / 1;
    /// Hour.
    Hour = "h", Time, 3_600 / 1;
    /// Day of 86400 seconds.
    Day = "d", Time, 86_400 / 1;
    /// Bit.
    Bit = "bit", Data, 1 / 1;
    /// Kilobit: 1000 bits.
    Kilobit = "kbit", Data, 1_000 / 1;
    /// Megabit.
    Megabit = "Mbit", Data, 1_000_000 / 1;
    /// Gigabit.
    Gigabit = "Gbit", Data, 1_000_000_000 / 1;
    /// Byte of 8 bits.
    Byte = "B", Data, 8 / 1;
    /// Kilobyte: 1000 bytes.
    Kilobyte = "kB", Data, 8_000 / 1;
    /// Megabyte.
    Megabyte = "MB", Data, 8_000_000 / 1;
    /// Gigabyte.
    Gigabyte = "GB", Data, 8_000_000_000 / 1;
    /// Bit per second.
    BitPerSecond = "bit/s", DataRate, 1 / 1;
    /// Kilobit per second.
    KilobitPerSecond = "kbit/s", DataRate, 1_000 / 1;
    /// Megabit per second.
    MegabitPerSecond = "Mbit/s", DataRate, 1_000_000 / 1;
    /// Gigabit per second.
    GigabitPerSecond = "Gbit/s", DataRate, 1_000_000_000 / 1;
    /// Byte per second, the unit of ION contact rates.
    BytePerSecond = "B/s", DataRate, 8 / 1;
    /// Metre.
    Metre = "m", Length, 1 / 1;
    /// Kilometre.
    Kilometre = "km", Length, 1_000 / 1;
    /// Metre per second.
    MetrePerSecond = "m/s", Speed, 1 / 1;
    /// Kilometre per hour.
    KilometrePerHour = "km/h", Speed, 5 / 18;
    /// Gram.
    Gram = "g", Mass, 1 / 1;
    /// Kilogram.
    Kilogram = "kg", Mass, 1_000 / 1;
    /// Tonne.
    Tonne = "t", Mass, 1_000_000 / 1;
    /// Gram of oxygen.
    GramOxygen = "g O2", Oxygen, 1 / 1;
    /// Kilogram of oxygen.
    KilogramOxygen = "kg O2", Oxygen, 1_000 / 1;
    /// Gram of oxygen per hour.
    GramOxygenPerHour = "g O2/h", OxygenRate, 1 / 1;
    /// Kilogram of oxygen per hour.
    KilogramOxygenPerHour = "kg O2/h", OxygenRate, 1_000 / 1;
    /// Kilogram of oxygen per day.
    KilogramOxygenPerDay = "kg O2/d", OxygenRate, 125 / 3;
    /// Gram of water.
    GramWater = "g H2O", Water, 1 / 1;
    /// Kilogram of water.
    KilogramWater = "kg H2O", Water, 1_000 / 1;
    /// Gram of water per hour.
    GramWaterPerHour = "g H2O/h", WaterRate, 1 / 1;
    /// Kilogram of water per hour.
    KilogramWaterPerHour = "kg H2O/h", WaterRate, 1_000 / 1;
}

impl Unit {
    /// Whether values in this unit can be given in `other`.
    pub fn is_compatible(self, other: Self) -> bool {
        self.dimension() == other.dimension()
    }

    /// The exact factor from values in this unit to values in `other`.
    ///
    /// # Errors
    /// The units measure different things.
    pub fn factor_to(self, other: Self) -> Result<Ratio, Invalid> {
        if !self.is_compatible(other) {
            return Err(Invalid::UnitClash {
                from: self,
                from_dimension: self.dimension(),
                to: other,
                to_dimension: other.dimension(),
            });
        }
        let (above, below) = self.size();
        let (other_above, other_below) = other.size();
        Ok(Ratio::reduce(
            u128::from(above) * u128::from(other_below),
            u128::from(below) * u128::from(other_above),
        ))
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.symbol())
    }
}

impl FromStr for Unit {
    type Err = Invalid;

    fn from_str(symbol: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.iter().find(|unit| unit.symbol() == symbol);
        found.copied().ok_or_else(|| Invalid::UnknownUnit {
            symbol: symbol.chars().take(32).collect(),
        })
    }
}

text_form!(
    Unit,
    schemars::json_schema!({
        "type": "string",
        "enum": Unit::ALL.iter().map(|unit| unit.symbol()).collect::<Vec<_>>(),
    })
);

/// A number with its unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantity {
    /// How many units.
    pub value: Finite,
    /// Which unit.
    pub unit: Unit,
}

crate::canonical_record!(Quantity { value, unit });

impl Quantity {
    /// A number with its unit.
    ///
    /// # Errors
    /// Refuses NaN and the infinities.
    pub fn new(value: f64, unit: Unit) -> Result<Self, Invalid> {
        Finite::new(value).map(|value| Self { value, unit })
    }

    /// How many of `unit` this is.
    ///
    /// # Errors
    /// The units measure different things, or the number overflows.
    pub fn in_unit(self, unit: Unit) -> Result<f64, Invalid> {
        let factor = self.unit.factor_to(unit)?;
        Finite::new(factor.scale(self.value.get())).map(Finite::get)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.value, self.unit)
    }
}

impl FromStr for Quantity {
    type Err = Invalid;

    /// Reads a number, a space and a symbol, such as `1.5 kW`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (value, symbol) = text.split_once(' ').unwrap_or((text, "1"));
        let value = value.parse().map_err(|_| Invalid::NotFinite)?;
        Self::new(value, symbol.trim_start().parse()?)
    }
}

/// The step of a fixed-point number: `10^exponent` of a unit. A contract gives
/// one for each coupling; leases and shared values count such steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantum {
    unit: Unit,
    exponent: i8,
}

/// The largest power of ten in a quantum. Up to here powers of ten are exact in
/// 64-bit floats, so that a conversion rounds once.
const MAX_EXPONENT: i8 = 15;

impl Quantum {
    /// `10^exponent` of `unit`, the exponent from -15 to 15.
    ///
    /// # Errors
    /// Refuses other exponents.
    pub fn new(unit: Unit, exponent: i8) -> Result<Self, Invalid> {
        if (-MAX_EXPONENT..=MAX_EXPONENT).contains(&exponent) {
            Ok(Self { unit, exponent })
        } else {
            Err(Invalid::OutOfRange {
                what: "quantum exponent",
                least: (-MAX_EXPONENT).into(),
                most: MAX_EXPONENT.into(),
                actual: exponent.into(),
            })
        }
    }

    /// The unit.
    pub const fn unit(self) -> Unit {
        self.unit
    }

    /// The power of ten.
    pub const fn exponent(self) -> i8 {
        self.exponent
    }

    /// What `steps` amount to in the unit, rounded once from the exact value
    /// (from the nearest float of `steps` beyond 2^53).
    pub fn to_units(self, steps: i64) -> f64 {
        if self.exponent < 0 {
            steps as f64 / self.power()
        } else {
            steps as f64 * self.power()
        }
    }

    /// The steps nearest to `value` in the unit, halves away from zero.
    ///
    /// # Errors
    /// Refuses what is not finite or beyond 64 bits.
    pub fn nearest(self, value: f64) -> Result<i64, Invalid> {
        self.steps(value, f64::round)
    }

    /// The most steps that do not exceed `value` in the unit, when
    /// [`to_units`](Self::to_units) converts them back.
    ///
    /// # Errors
    /// Refuses what is not finite or beyond 64 bits.
    pub fn floor(self, value: f64) -> Result<i64, Invalid> {
        let steps = self.steps(value, f64::floor)?;
        // The scaling rounds, so the integer below may be one off either way.
        if self.to_units(steps) > value {
            Ok(steps.saturating_sub(1))
        } else if self.to_units(steps.saturating_add(1)) <= value {
            Ok(steps.saturating_add(1))
        } else {
            Ok(steps)
        }
    }

    fn power(self) -> f64 {
        10_u64.pow(self.exponent.unsigned_abs().into()) as f64
    }

    fn steps(self, value: f64, round: fn(f64) -> f64) -> Result<i64, Invalid> {
        let scaled = if self.exponent < 0 {
            value * self.power()
        } else {
            value / self.power()
        };
        let rounded = round(Finite::new(scaled)?.get());
        // 2^63 is the first float that is too large.
        let limit = 9_223_372_036_854_775_808.0;
        if (-limit..limit).contains(&rounded) {
            Ok(rounded as i64)
        } else {
            Err(Invalid::OutOfRange {
                what: "fixed-point value",
                least: i64::MIN.into(),
                most: i64::MAX.into(),
                actual: rounded as i128,
            })
        }
    }
}

impl fmt::Display for Quantum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1e{} {}", self.exponent, self.unit)
    }
}

impl FromStr for Quantum {
    type Err = Invalid;

    /// Reads what [`Display`](fmt::Display) writes, such as `1e-3 W`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refused = || Invalid::UnknownUnit {
            symbol: text.chars().take(32).collect(),
        };
        let (power, symbol) = text.split_once(' ').ok_or_else(refused)?;
        let exponent = power.strip_prefix("1e").ok_or_else(refused)?;
        let exponent = exponent.parse().map_err(|_| refused())?;
        let quantum = Self::new(symbol.parse()?, exponent)?;
        // "+3", "03" and "-0" are other spellings of the same step.
        if quantum.to_string() == text {
            Ok(quantum)
        } else {
            Err(refused())
        }
    }
}

text_form!(
    Quantum,
    schemars::json_schema!({ "type": "string", "pattern": "^1e(0|-?[1-9]|-?1[0-5]) .+$" })
);
