//! Local solvers: one member's problem at fixed prices, allotments and
//! proximal terms.
//!
//! # The seam
//!
//! [`LocalSolver`] has one reason to be swapped: a member may trust, or have,
//! another solver for its own problem. What it answers enters certificates, so
//! the contract is about what an answer *proves*, not about how near it is.
//! Two implementations stand behind it, and `tests/local_solvers.rs` runs both:
//!
//! - the barrier [`Kernel`]: one analysis of the pattern, factored again for
//!   each answer, the same bits on every machine;
//! - [`Clarabel`], the reference.
//!
//! # What is not behind it
//!
//! Smoothed problems (`mu > 0`) and the sensitivities `S = ds/dλ`, `t = ds/dμ`.
//! They are the barrier's own: a solver of the problem itself has neither. They
//! are asked of [`Kernel::solve`], whichever solver a member chose, and so the
//! trait has no way to ask for them.

mod clarabel;

pub use self::clarabel::Clarabel;

use crate::kernel::{Ask, Kernel, PortSide, Proximal, Solved};
use crate::problem::OpenProblem;
use crate::sparse::Sparse;

/// Largest relative violation of an answer that calls itself converged.
pub const FEASIBLE: f64 = 1e-8;

/// A solver of one member's problem,
///
/// ```text
///     minimise    ½xᵀPx + qᵀx + λᵀs + ½|s − a|²_R
///     subject to  l ≤ Ax ≤ u,   s = Bx,   s held between or at its sides
/// ```
///
/// analysed once for its problem and its port map `B`. Everything is in the
/// problem's own units: prices and `ν` in cost a unit of their port row, `M =
/// R⁻¹` in the units of the two rows over cost.
///
/// # What an answer guarantees
///
/// With `F = ½xᵀPx + qᵀx + λᵀs` and `F*` its least value over the constraints
/// (`+∞` where there is no feasible point):
///
/// - `lower ≤ F*`, always: converged or not, feasible or not, whatever the
///   proximal term (with one the bound is true but loose). It follows from
///   weak duality at the multipliers that were found, with their residuals
///   charged over the boxes and rounding allowed for. It is `-∞` where a
///   variable without a side leaves a residual.
/// - `cost_up + λᵀs ≥ F*` up to second order: every violation is charged at its
///   multiplier. It is a bound where `infeasibility` is small, and none for an
///   infeasible problem, whose `F*` it cannot reach.
/// - `infeasibility` is measured at `x`, whatever the solver says of itself:
///   the largest violation of a constraint or of `Bx − Mν = a`, relative to the
///   width of its two sides, or where there is one side or value, to what the
///   row can move by and its value.
/// - `converged` implies `infeasibility ≤` [`FEASIBLE`] and that the tolerances
///   of the solver were met. An infeasible problem never converges, unless it
///   is so by less than that tolerance. What did not converge is still a point
///   with a true `lower`.
/// - `x`, `s` and `nu` have as many entries as there are variables and port
///   rows; `nu` is zero without a proximal term. `sensitivity` and `rate` are
///   empty.
///
/// An answer depends on the problem, the sides held last and the arguments
/// alone: not on earlier answers, and not on time.
///
/// # What is not checked
///
/// That lengths agree (a mistake of the caller: implementations panic), and
/// that prices, centres and metrics are finite and the metric positive
/// semidefinite (then nothing converges, but the bound still holds).
pub trait LocalSolver: Send {
    /// Holds port row `j` between `l` and `u`, either of which may be infinite
    /// and which must not be equal, or at `l` where [`PortSide::At`] was
    /// declared. At first rows are free, or held at 0.
    fn hold(&mut self, j: usize, l: f64, u: f64);

    /// Lets the value of port row `j` miss its sides by `fuzz` where the other
    /// equations determine it: they were rounded, and so were the sides. At first
    /// by nothing. A solver that does not tell such rows apart allows nothing.
    fn allow(&mut self, _j: usize, _fuzz: f64) {}

    /// Solves at prices `λ`, one a port row or none at all, and with a proximal
    /// term, if any.
    fn minimise(&mut self, price: &[f64], proximal: Option<Proximal<'_>>) -> Solved;
}

impl LocalSolver for Kernel {
    fn hold(&mut self, j: usize, l: f64, u: f64) {
        Kernel::hold(self, j, l, u);
    }

    fn allow(&mut self, j: usize, fuzz: f64) {
        Kernel::allow(self, j, fuzz);
    }

    fn minimise(&mut self, price: &[f64], proximal: Option<Proximal<'_>>) -> Solved {
        self.solve(Ask {
            price,
            proximal,
            mu: 0.0,
            sensitivity: false,
        })
    }
}

/// Which local solver a member uses, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SolverName {
    /// Whichever suits the method: at present the barrier kernel for all.
    #[default]
    Auto,
    /// The barrier kernel.
    Barrier,
    /// Clarabel, the reference.
    Clarabel,
}

impl SolverName {
    /// All names, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Barrier, Self::Clarabel];

    /// The word that a hint spells it with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Barrier => "barrier",
            Self::Clarabel => "clarabel",
        }
    }
}

impl std::fmt::Display for SolverName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A solver hint that names no solver.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{hint}` is no local solver; known are {}", known())]
pub struct UnknownSolver {
    /// What the hint says.
    pub hint: String,
}

/// The known names as a list.
fn known() -> String {
    let names: Vec<String> = SolverName::ALL.iter().map(|n| format!("`{n}`")).collect();
    names.join(", ")
}

impl std::str::FromStr for SolverName {
    type Err = UnknownSolver;

    /// Reads a hint; names are spelt in lower case, without spaces.
    fn from_str(hint: &str) -> Result<Self, UnknownSolver> {
        Self::ALL
            .into_iter()
            .find(|n| n.name() == hint)
            .ok_or_else(|| UnknownSolver {
                hint: hint.chars().take(60).collect(),
            })
    }
}

/// The solver of that name for a problem with the port map `b`, whose rows can
/// be held as `sides` says.
///
/// # Panics
///
/// If `b` has not one column a variable, or `sides` not one entry a row of `b`.
pub fn local_solver(
    name: SolverName,
    problem: &OpenProblem,
    b: &Sparse,
    sides: &[PortSide],
) -> Box<dyn LocalSolver> {
    assert_eq!(b.cols(), problem.n(), "the port map is another problem's");
    assert_eq!(b.rows(), sides.len(), "a side for each port row");
    match name {
        SolverName::Auto | SolverName::Barrier => Box::new(Kernel::new(problem, b, sides)),
        SolverName::Clarabel => Box::new(Clarabel::new(problem, b, sides)),
    }
}
