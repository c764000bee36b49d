//! From a mission file to open problems and their wiring; from a solution to
//! schedules and key figures.
//!
//! [`Scenario::parse`](scenario::Scenario::parse) reads a file into valid
//! types, [`Mission::build`](mission::Mission::build) computes what the
//! scenario leaves to nature and writes one problem for each asset. Nothing
//! here does input or output.

mod device;
mod geometry;

pub mod alone;
pub mod contacts;
pub mod error;
pub mod light;
pub mod local_problem;
pub mod mission;
pub mod model;
pub mod number;
pub mod physics;
pub mod scenario;
pub mod schedule;
pub mod shipped;
pub mod time;
pub mod validate;
pub mod wiring;
