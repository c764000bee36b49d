//! The fold from a set of messages to prices, rounds and plans.

pub mod wire;
