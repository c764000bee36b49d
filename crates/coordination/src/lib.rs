//! The fold from a set of messages to prices, rounds and plans.
//!
//! A [`contract::Contract`] says what is shared, by whom and how rounds are
//! closed. A [`member::Member`] owns its problem and turns messages into
//! messages. A [`ledger::Ledger`] is a set of messages; the state of the
//! agreement, [`ledger::State`], is a pure function of that set: a signed log
//! can take its place.
//!
//! No clock, no randomness, no I/O: time is an argument.

pub mod closer;
pub mod contract;
pub mod ledger;
pub mod member;
pub mod progress;
pub mod wire;
