//! Convex problems, their composition, local solvers, distributed methods and
//! certificates. No mission words.
//!
//! # The problem
//!
//! A member `i` owns a private convex quadratic problem
//!
//! ```text
//!     minimise    ½ xᵀ P x + qᵀ x
//!     subject to  l ≤ A x ≤ u
//! ```
//!
//! with `P` symmetric positive semidefinite. What the others may see of it are
//! its *ports*: linear images `s = C x`, one value a step of a time grid. A
//! *coupling* ties ports of several members: a balance (the sum is a
//! constant), a capacity (the sum is at most a constant) or an agreement (all
//! are equal). With the couplings written as rows, the whole problem is
//!
//! ```text
//!     minimise    Σᵢ fᵢ(xᵢ)
//!     subject to  xᵢ ∈ Xᵢ,   Σᵢ Bᵢ xᵢ = c   (or ≤ c, row by row)
//! ```
//!
//! and its multipliers `λ` are the prices.

pub mod central;
mod certify;
pub mod compose;
pub mod coupled;
mod dense;
pub mod families;
pub mod kernel;
pub mod laws;
mod ldl;
pub mod local;
pub mod method;
pub mod problem;
pub mod rounds;
pub mod seeded;
pub mod sparse;
pub mod wiring;
