//! From a mission file to open problems and their wiring; from a solution to
//! schedules and key figures.
//!
//! [`Scenario::parse`](scenario::Scenario::parse) reads a file into valid
//! types, [`Mission::build`](mission::Mission::build) computes what the
//! scenario leaves to nature and writes one problem for each asset,
//! [`Mission::report`](mission::Mission::report) reads a solution as schedules
//! and key figures, and
//! [`Mission::physical_residual`](mission::Mission::physical_residual) runs
//! them through the devices again. Nothing here does input or output.
//!
//! # What a problem looks like
//!
//! Every asset's problem is a convex quadratic one. Powers are in kW, energies
//! in kWh, data in Gbit, contact time in minutes, oxygen in kg; costs in the
//! scenario's value unit. Steps have unequal lengths: a running cost is
//! multiplied by its step's hours, so that the price of a row of a power
//! balance, divided by the hours of its step, is value per kWh.
//!
//! # Room to agree
//!
//! Every variable has a finite box with an interior, as a row with one entry;
//! what cannot move is no variable. What would make a plan impossible for want
//! of others has a way out at a price: loads that may be shed, data that may
//! be overwritten, surplus that a shunt takes or an array leaves. Loads that
//! are kept always are the exception, and an infeasible plan is then the
//! truthful answer. Each contract names a slack member that has room both ways
//! in every step in which anything can move. The tests of this crate show a
//! strictly interior point of each shipped scenario, a thousandth of every
//! width away from every limit and capacity.

mod device;
mod geometry;

pub mod alone;
pub mod contacts;
pub mod error;
pub mod lease;
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
