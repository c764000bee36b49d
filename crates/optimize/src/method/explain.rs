//! Why an agreement is impossible: which couplings, at which steps, how much
//! is missing.
//!
//! Members keep to their own constraints but forget their costs; one more
//! member, the *relaxation*, lends every row what it lacks, at a price of one
//! per unit of the row's scale:
//!
//! ```text
//!     minimise    Σⱼ (r⁺ⱼ + r⁻ⱼ) / gⱼ
//!     subject to  xᵢ ∈ Xᵢ,   Σᵢ Bᵢxᵢ − r⁺ + r⁻ = c   (limits: ≤, without r⁻)
//! ```
//!
//! This is a coupled problem like any other, so the members agree on it by
//! the same method and show no more of themselves than they do otherwise. It
//! always has a solution, the smallest relaxation that would do. Its lower
//! bound is the proof: for prices with `|λⱼ| ≤ 1/gⱼ` weak duality says that
//! `Σᵢ min λᵀBᵢxᵢ − λᵀc` is at most the optimum, and where that is positive
//! no plan exists (Farkas).

use std::collections::BTreeMap;

use crate::coupled::{Coupled, CoupledMember, RowKind};
use crate::method::drive::{self, Drive, DriveError};
use crate::method::fixed;
use crate::method::frame::{Frame, FrameError};
use crate::problem::{Name, OpenProblem, Parts, ProblemError};
use crate::sparse::Sparse;

/// Up to this much of a row's scale, summed over the rows, counts as nothing.
const NOTHING: f64 = 1e-6;
/// Steps with less than this part of the largest lack are left out.
const VISIBLE: f64 = 1e-3;

/// What an agreement lacks.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Infeasibility {
    /// The couplings that cannot be met, in the order of the rows.
    pub couplings: Vec<Missing>,
    /// The smallest relaxation that would do, each row in units of its scale,
    /// summed.
    pub total: f64,
    /// A proven lower bound of that sum: positive, hence no plan exists.
    pub proof: f64,
    /// How many rounds it took to find out.
    pub rounds: u32,
}

/// What one coupling lacks.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Missing {
    /// The coupling.
    pub coupling: Name,
    /// The steps and by how much the right-hand side would have to move
    /// there, in the coupling's unit: positive upwards.
    pub steps: Vec<(u32, f64)>,
}

/// Why nothing could be explained.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// The problem has no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The relaxed problem could not be made.
    #[error(transparent)]
    Problem(#[from] ProblemError),
    /// The members could not agree on the relaxation either.
    #[error(transparent)]
    Drive(#[from] DriveError),
}

/// The relaxed problem: the members without their costs, in their order, and
/// last the relaxation. [`lacks`] reads its answer.
///
/// # Errors
///
/// When there is no frame.
pub fn relaxed(problem: &Coupled) -> Result<Coupled, ExplainError> {
    let frame = Frame::new(problem, |_| None, |_| None)?;
    let m = problem.rows.len();
    let (mut least, mut most) = (vec![0.0; m], vec![0.0; m]);
    for member in &frame.members {
        for (at, &r) in member.rows.iter().enumerate() {
            least[r] += member.least[at];
            most[r] += member.most[at];
        }
    }
    let mut members = Vec::new();
    for member in &problem.members {
        let mut parts = member.problem.parts().clone();
        let n = parts.q.len();
        parts.p = Sparse::from_triplets(n, n, &[]);
        parts.q = vec![0.0; n];
        members.push(CoupledMember {
            problem: OpenProblem::new(parts)?,
            rows: member.rows.clone(),
            b: member.b.clone(),
        });
    }
    let (mut q, mut u, mut b) = (Vec::new(), Vec::new(), Vec::new());
    for (r, row) in frame.rows.iter().enumerate() {
        let mut lend = |sign: f64, reach: f64| {
            b.push((r, q.len(), -sign));
            q.push(1.0 / row.scale);
            u.push(reach.max(0.0) + 1e-3 * row.scale);
        };
        lend(1.0, most[r] - row.rhs_value());
        if row.kind == RowKind::Equal {
            lend(-1.0, row.rhs_value() - least[r]);
        }
    }
    let n = q.len();
    let a: Vec<_> = (0..n).map(|k| (k, k, 1.0)).collect();
    members.push(CoupledMember {
        problem: OpenProblem::new(Parts {
            id: free_name(problem)?,
            p: Sparse::from_triplets(n, n, &[]),
            q,
            a: Sparse::from_triplets(n, n, &a),
            l: vec![0.0; n],
            u,
            ports: Vec::new(),
            integer: Vec::new(),
        })?,
        rows: (0..m).collect(),
        b: Sparse::from_triplets(m, n, &b),
    });
    Ok(Coupled {
        members,
        rows: problem.rows.clone(),
    })
}

/// A name that no member has.
fn free_name(problem: &Coupled) -> Result<Name, ProblemError> {
    let mut name = Name::new("relaxation")?;
    let mut k = 0;
    while problem.members.iter().any(|m| *m.problem.id() == name) {
        k += 1;
        name = Name::new(format!("relaxation-{k}"))?;
    }
    Ok(name)
}

/// What the exchange of the relaxation, in the units of the rows, says of the
/// couplings: by how much each right-hand side would have to move.
pub fn lacks(problem: &Coupled, exchange: &[f64], scale: &[f64]) -> Vec<Missing> {
    let relative = |j: usize| (exchange[j] / scale[j]).abs();
    let largest = (0..exchange.len()).map(relative).fold(0.0, f64::max);
    let mut found: BTreeMap<&Name, (usize, Missing)> = BTreeMap::new();
    for (j, row) in problem.rows.iter().enumerate() {
        if relative(j) > VISIBLE * largest {
            let entry = found.entry(&row.coupling).or_insert_with(|| {
                let missing = Missing {
                    coupling: row.coupling.clone(),
                    steps: Vec::new(),
                };
                (j, missing)
            });
            entry.1.steps.push((row.step, -exchange[j]));
        }
    }
    let mut found: Vec<(usize, Missing)> = found.into_values().collect();
    found.sort_by_key(|f| f.0);
    found.into_iter().map(|f| f.1).collect()
}

/// Finds out whether the couplings can be met at all and, if not, what is
/// missing; none where they can.
///
/// # Errors
///
/// When the relaxed problem cannot be made or agreed on.
pub fn explain(problem: &Coupled) -> Result<Option<Infeasibility>, ExplainError> {
    let relaxed = relaxed(problem)?;
    let drive = Drive {
        gap: 1e-5,
        most_rounds: 40,
        ..Drive::default()
    };
    let frame = Frame::new(&relaxed, |_| None, |_| None)?;
    let outcome = drive::run(&relaxed, drive, |b, _| {
        b.upper().is_some_and(|u| u <= NOTHING)
    })?;
    let proof = outcome.lower.unwrap_or(0.0);
    let (Some(total), Some(allotments)) = (outcome.upper, &outcome.allotments) else {
        return Ok(None);
    };
    if proof <= 0.0 || total <= NOTHING {
        return Ok(None);
    }
    let lent = allotments.last().map_or(&[][..], Vec::as_slice);
    let exchange: Vec<f64> = lent
        .iter()
        .zip(&frame.rows)
        .map(|(v, row)| fixed::from_quanta(*v, row.quantum))
        .collect();
    let scale: Vec<f64> = Frame::new(problem, |_| None, |_| None)?
        .rows
        .iter()
        .map(|r| r.scale)
        .collect();
    Ok(Some(Infeasibility {
        couplings: lacks(problem, &exchange, &scale),
        total,
        proof,
        rounds: outcome.rounds.len() as u32,
    }))
}
