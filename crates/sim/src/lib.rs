//! Many members, one seed: virtual time, links and loss.
//!
//! Nothing here knows an optimisation problem: members are the state machines
//! of [`cosmosmesh_coordination`], and this crate carries their messages in
//! contact windows, with light time and rate ([`network`]), and lets time pass
//! ([`agreement`]).

pub mod agreement;
pub mod network;
