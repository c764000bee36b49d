//! The fold from a set of messages to prices, rounds and plans.
//!
//! A [`contract::Contract`] says what is shared, by whom and how rounds are
//! closed. A [`member::Member`] owns its problem and its key, and turns signed
//! entries into signed entries. A [`ledger::Ledger`] reads a log of them; the
//! state of the agreement, [`ledger::State`], is a pure function of that set.
//!
//! [`lease`] says who may use how much of what is shared: rights that pass from holder
//! to holder by entries of the same log.
//!
//! No clock, no randomness, no I/O: time is an argument.

mod calls;
pub mod closing;
pub mod contract;
pub mod lease;
pub mod ledger;
pub mod member;
pub mod progress;
pub mod wire;
