//! The devices of an asset, one formulation a file.
//!
//! Powers are in kW, energies in kWh, data in Gbit, contact time in minutes,
//! oxygen in kg, so that variables stay between about 1e-2 and 1e2. A running
//! cost is multiplied by the length `h` of its step in hours.

pub(crate) mod battery;
pub(crate) mod bus;
pub(crate) mod downlink;
pub(crate) mod load;
pub(crate) mod oxygen;
pub(crate) mod recorder;
pub(crate) mod relay;
pub(crate) mod shunt;
pub(crate) mod solar;
pub(crate) mod task;

/// Watts in a kilowatt, and watt-hours in a kilowatt-hour.
pub(crate) const KILO: f64 = 1e3;
/// Bits in a gigabit.
pub(crate) const GIGA: f64 = 1e9;
