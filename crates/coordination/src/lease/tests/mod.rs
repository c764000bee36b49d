//! Properties of leases, on random histories; what they catch; and a model check.

mod cases;
mod history;
mod model;
mod mutants;
mod speed;
mod world;
