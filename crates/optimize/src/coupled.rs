//! The normal form that the distributed methods work on: members and rows.

use crate::problem::{Name, OpenProblem};
use crate::sparse::Sparse;

/// Whether a coupling row is an equation or a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// `Σᵢ (Bᵢxᵢ)ⱼ = cⱼ`; the price may have either sign.
    Equal,
    /// `Σᵢ (Bᵢxᵢ)ⱼ ≤ cⱼ`; the price is not negative.
    AtMost,
}

/// One row of the couplings.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CouplingRow {
    /// The coupling that it belongs to.
    pub coupling: Name,
    /// The step of that coupling's grid (for agreements: also which pair).
    pub step: u32,
    /// Equation or limit.
    pub kind: RowKind,
    /// `c`, in the coupling's unit.
    pub rhs: f64,
}

/// One member: its private problem and how it enters the rows.
#[derive(Debug, Clone, PartialEq)]
pub struct CoupledMember {
    /// The private problem. Its ports play no part any more.
    pub problem: OpenProblem,
    /// The coupling rows that this member touches, ascending.
    pub rows: Vec<usize>,
    /// `Bᵢ`: one row for each of `rows`, signs included.
    pub b: Sparse,
}

/// `minimise Σ fᵢ(xᵢ)  subject to  xᵢ ∈ Xᵢ,  Σ Bᵢxᵢ (= | ≤) c`.
#[derive(Debug, Clone, PartialEq)]
pub struct Coupled {
    /// The members, by name.
    pub members: Vec<CoupledMember>,
    /// The coupling rows, by coupling and step.
    pub rows: Vec<CouplingRow>,
}
