//! The reference: the whole problem in one place, solved by Clarabel.
//!
//! Nobody in a mission can do this, since nobody has all models; tests,
//! benchmarks and `--check-central` do, to see what the agreement is worth.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{
    DefaultSettingsBuilder, DefaultSolver, IPSolver, SolverStatus, SupportedConeT,
};

use crate::coupled::{Coupled, RowKind};
use crate::problem::OpenProblem;
use crate::sparse::Sparse;

/// A central solution.
#[derive(Debug, Clone)]
pub struct Central {
    /// The optimal cost.
    pub value: f64,
    /// The variables of each member, in the order of the members.
    pub x: Vec<Vec<f64>>,
    /// The price of each coupling row.
    pub price: Vec<f64>,
}

/// Why there is no central solution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CentralError {
    /// No point satisfies the constraints.
    #[error("the problem is infeasible")]
    Infeasible,
    /// The cost falls without end.
    #[error("the problem is unbounded")]
    Unbounded,
    /// Clarabel stopped for another reason.
    #[error("the reference solver stopped: {0}")]
    Stopped(String),
}

/// Solves a coupled problem in one place.
///
/// # Errors
///
/// When there is no optimum, or Clarabel does not find it.
pub fn solve(problem: &Coupled) -> Result<Central, CentralError> {
    let mut offset = Vec::new();
    let mut n = 0;
    for m in &problem.members {
        offset.push(n);
        n += m.problem.n();
    }
    let (mut p, mut q) = (Vec::new(), Vec::new());
    let mut stack = Stack::default();
    let mut coupling: Vec<Vec<(usize, f64)>> = vec![Vec::new(); problem.rows.len()];
    for (m, &o) in problem.members.iter().zip(&offset) {
        p.extend(
            m.problem
                .parts()
                .p
                .triplets()
                .map(|(r, c, v)| (o + r, o + c, v)),
        );
        q.extend_from_slice(&m.problem.parts().q);
        for (local, &row) in m.rows.iter().enumerate() {
            coupling[row].extend(m.b.row(local).map(|(c, v)| (o + c, v)));
        }
    }
    let mut place = Vec::new();
    for (row, entries) in problem.rows.iter().zip(&coupling) {
        let l = if row.kind == RowKind::Equal {
            row.rhs
        } else {
            f64::NEG_INFINITY
        };
        place.push(stack.push(entries, l, row.rhs));
    }
    for (m, &o) in problem.members.iter().zip(&offset) {
        stack.push_all(&m.problem, o);
    }
    let (value, x, z) = stack.solve(n, &p, &q)?;
    let price = place.iter().map(|at| stack.multiplier(*at, &z)).collect();
    let x = problem
        .members
        .iter()
        .zip(&offset)
        .map(|(m, &o)| x[o..o + m.problem.n()].to_vec())
        .collect();
    Ok(Central { value, x, price })
}

/// Solves one problem, its ports left free.
///
/// # Errors
///
/// As [`solve`].
pub fn solve_one(problem: &OpenProblem) -> Result<(f64, Vec<f64>), CentralError> {
    let mut stack = Stack::default();
    stack.push_all(problem, 0);
    let p: Vec<_> = problem.parts().p.triplets().collect();
    let (value, x, _) = stack.solve(problem.n(), &p, &problem.parts().q)?;
    Ok((value, x))
}

/// Where the sides of a row stand among Clarabel's rows.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Equal(usize),
    Sides {
        lower: Option<usize>,
        upper: Option<usize>,
    },
}

/// One row `Σ vⱼ xⱼ (= | ≤) b`.
type Row = (Vec<(usize, f64)>, f64);

/// Rows in Clarabel's order: equations first, then `≤`.
#[derive(Default)]
pub(crate) struct Stack {
    equal: Vec<Row>,
    upper: Vec<Row>,
}

/// How Clarabel stopped, and where.
pub(crate) struct Stop {
    pub(crate) status: SolverStatus,
    pub(crate) value: f64,
    pub(crate) x: Vec<f64>,
    /// Multipliers of all rows, in Clarabel's order: see [`Stack::multiplier`].
    pub(crate) z: Vec<f64>,
    pub(crate) iterations: u32,
}

impl Stack {
    pub(crate) fn push(&mut self, entries: &[(usize, f64)], l: f64, u: f64) -> Place {
        if l == u {
            self.equal.push((entries.to_vec(), u));
            return Place::Equal(self.equal.len() - 1);
        }
        let lower = l.is_finite().then(|| {
            self.upper
                .push((entries.iter().map(|&(c, v)| (c, -v)).collect(), -l));
            self.upper.len() - 1
        });
        let upper = u.is_finite().then(|| {
            self.upper.push((entries.to_vec(), u));
            self.upper.len() - 1
        });
        Place::Sides { lower, upper }
    }

    /// The multiplier `w` of a row `l ≤ aᵀx ≤ u`: positive at its upper side,
    /// negative at its lower one, so that `Px + q + Σ w a = 0`.
    pub(crate) fn multiplier(&self, at: Place, z: &[f64]) -> f64 {
        let side = |k: Option<usize>| k.map_or(0.0, |k| z[self.equal.len() + k]);
        match at {
            Place::Equal(k) => z[k],
            Place::Sides { lower, upper } => side(upper) - side(lower),
        }
    }

    fn push_all(&mut self, problem: &OpenProblem, offset: usize) {
        let parts = problem.parts();
        for r in 0..parts.l.len() {
            let entries: Vec<_> = parts.a.row(r).map(|(c, v)| (offset + c, v)).collect();
            self.push(&entries, parts.l[r], parts.u[r]);
        }
    }

    /// The width of each variable's box, 1 where it has none: Clarabel's own
    /// equilibration does not see boxes and stops short on badly scaled ones.
    fn widths(&self, n: usize) -> Vec<f64> {
        let (mut l, mut u) = (vec![f64::NEG_INFINITY; n], vec![f64::INFINITY; n]);
        for (entries, b) in &self.upper {
            if let [(c, v)] = entries[..] {
                if v > 0.0 {
                    u[c] = u[c].min(b / v);
                } else if v < 0.0 {
                    l[c] = l[c].max(b / v);
                }
            }
        }
        (0..n)
            .map(|c| u[c] - l[c])
            .map(|w| if w.is_finite() && w > 0.0 { w } else { 1.0 })
            .collect()
    }

    fn solve(
        &self,
        n: usize,
        p: &[(usize, usize, f64)],
        q: &[f64],
    ) -> Result<(f64, Vec<f64>, Vec<f64>), CentralError> {
        let stop = self.run(n, p, q, 1e-10)?;
        match stop.status {
            SolverStatus::Solved | SolverStatus::AlmostSolved => Ok((stop.value, stop.x, stop.z)),
            SolverStatus::PrimalInfeasible | SolverStatus::AlmostPrimalInfeasible => {
                Err(CentralError::Infeasible)
            }
            SolverStatus::DualInfeasible | SolverStatus::AlmostDualInfeasible => {
                Err(CentralError::Unbounded)
            }
            other => Err(CentralError::Stopped(format!("{other:?}"))),
        }
    }

    /// Runs Clarabel to the tolerance, however it ends.
    pub(crate) fn run(
        &self,
        n: usize,
        p: &[(usize, usize, f64)],
        q: &[f64],
        tolerance: f64,
    ) -> Result<Stop, CentralError> {
        let rows: Vec<&Row> = self.equal.iter().chain(&self.upper).collect();
        let d = self.widths(n);
        let row_scale: Vec<f64> = rows
            .iter()
            .map(|row| {
                row.0
                    .iter()
                    .fold(0.0_f64, |a, &(c, v)| a.max((v * d[c]).abs()))
            })
            .map(|s| if s > 0.0 { s } else { 1.0 })
            .collect();
        let b: Vec<f64> = rows.iter().zip(&row_scale).map(|(r, s)| r.1 / s).collect();
        let triplets: Vec<_> = rows
            .iter()
            .zip(&row_scale)
            .enumerate()
            .flat_map(|(r, (row, s))| row.0.iter().map(move |&(c, v)| (r, c, v, s)))
            .map(|(r, c, v, s)| (r, c, v * d[c] / s))
            .collect();
        let p: Vec<_> = p.iter().map(|&(r, c, v)| (r, c, v * d[r] * d[c])).collect();
        let q: Vec<f64> = q.iter().zip(&d).map(|(q, d)| q * d).collect();
        let cones = [
            SupportedConeT::ZeroConeT(self.equal.len()),
            SupportedConeT::NonnegativeConeT(self.upper.len()),
        ];
        let settings = DefaultSettingsBuilder::default()
            .verbose(false)
            .tol_gap_abs(tolerance)
            .tol_gap_rel(tolerance)
            .tol_feas(tolerance)
            .max_iter(200)
            .build()
            .map_err(|e| CentralError::Stopped(e.to_string()))?;
        let mut solver = DefaultSolver::new(
            &columns(n, n, &p),
            &q,
            &columns(rows.len(), n, &triplets),
            &b,
            &cones,
            settings,
        )
        .map_err(|e| CentralError::Stopped(e.to_string()))?;
        solver.solve();
        let s = &solver.solution;
        Ok(Stop {
            status: s.status,
            value: s.obj_val,
            x: s.x.iter().zip(&d).map(|(x, d)| x * d).collect(),
            z: s.z.iter().zip(&row_scale).map(|(z, r)| z / r).collect(),
            iterations: s.iterations,
        })
    }
}

/// Triplets as the compressed columns that Clarabel takes.
fn columns(rows: usize, cols: usize, triplets: &[(usize, usize, f64)]) -> CscMatrix<f64> {
    let turned: Vec<_> = triplets.iter().map(|&(r, c, v)| (c, r, v)).collect();
    let by_column = Sparse::from_triplets(cols, rows, &turned);
    let mut start = vec![0];
    let (mut row, mut val) = (Vec::new(), Vec::new());
    for c in 0..cols {
        for (r, v) in by_column.row(c) {
            row.push(r);
            val.push(v);
        }
        start.push(row.len());
    }
    CscMatrix::new(rows, cols, start, row, val)
}
