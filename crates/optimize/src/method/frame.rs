//! What every party to an agreement knows: rows, quanta, who touches what.

use crate::coupled::{Coupled, RowKind};
use crate::kernel::{Kernel, PortSide};
use crate::method::fixed;
use crate::problem::Name;

/// The quantum of allotments that a contract leaves open, of a row's scale:
/// coarse enough that double precision keeps sums of them.
const FINEST: f64 = 1.0 / (1_u64 << 42) as f64;

/// The narrowest that limits implied by the others make a member's exchange,
/// of its own limits.
const NARROWEST: f64 = 0.01;

/// One coupling row as the contract has it.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameRow {
    /// The coupling.
    pub coupling: Name,
    /// The step (see [`crate::coupled::CouplingRow`]).
    pub step: u32,
    /// Equation or limit.
    pub kind: RowKind,
    /// The quantum of allotments, in the coupling's unit.
    pub quantum: f64,
    /// The right-hand side in quanta.
    pub rhs: i64,
    /// A power of two above what the row can carry, in the coupling's unit.
    pub scale: f64,
    /// The member that takes the rounding of an equation.
    pub slack: usize,
}

impl FrameRow {
    /// The right-hand side in the coupling's unit.
    pub fn rhs_value(&self) -> f64 {
        fixed::from_quanta(self.rhs, self.quantum)
    }

    /// What allotments leave free of a limit, so that the rounding of the
    /// arithmetic cannot exceed it: one quantum.
    pub(crate) fn room(&self) -> f64 {
        if self.kind == RowKind::AtMost {
            self.quantum
        } else {
            0.0
        }
    }

    /// The quantum of exchanges in messages.
    pub fn exchange_quantum(&self) -> f64 {
        self.scale * fixed::EXCHANGE
    }

    /// The quantum of prices.
    pub fn price_quantum(&self) -> f64 {
        fixed::PRICE / self.scale
    }
}

/// One member as the contract has it.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameMember {
    /// Its name.
    pub name: Name,
    /// The rows that it touches, ascending.
    pub rows: Vec<usize>,
    /// The least that it can exchange on each of them: its declared limits.
    pub least: Vec<f64>,
    /// The most that it can exchange on each of them.
    pub most: Vec<f64>,
}

/// The terms of an agreement.
///
/// The limits that members declare serve three ends: they give the rows their
/// fixed-point scale, they tell each member what the others can take at all,
/// so that boxes far larger than anything can move do not spoil its metric,
/// and they are what a contract names anyway (the rating of a connection).
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The members, in the order of the coupled problem.
    pub members: Vec<FrameMember>,
    /// The coupling rows.
    pub rows: Vec<FrameRow>,
}

/// Why there is no frame.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A member's exchange has no limit, so that no scale fits it.
    #[error(
        "member {member} has no limit on coupling {coupling}, step {step}: bound every variable of its port"
    )]
    Unlimited {
        /// The member.
        member: Name,
        /// The coupling.
        coupling: Name,
        /// The step.
        step: u32,
    },
    /// A quantum is not a positive number.
    #[error("the quantum of coupling {coupling} is {quantum}; it must be positive")]
    Quantum {
        /// The coupling.
        coupling: Name,
        /// What was given.
        quantum: f64,
    },
    /// The right-hand side does not fit its quantum.
    #[error("coupling {coupling}, step {step}: {source}")]
    Rhs {
        /// The coupling.
        coupling: Name,
        /// The step.
        step: u32,
        /// What does not fit.
        source: fixed::OutOfRange,
    },
}

impl Frame {
    /// The frame of a coupled problem.
    ///
    /// `quantum` gives the quantum of a row's allotments, or `None` for the
    /// finest that fits; `slack` gives the member that takes the rounding of
    /// a row, or `None` for the one with the widest limits.
    ///
    /// # Errors
    ///
    /// When a limit is missing or a quantum does not fit.
    pub fn new(
        problem: &Coupled,
        quantum: impl Fn(&Name) -> Option<f64>,
        slack: impl Fn(&Name) -> Option<Name>,
    ) -> Result<Self, FrameError> {
        let mut reach = vec![0.0_f64; problem.rows.len()];
        // By default the member with the widest limits takes the rounding.
        let mut widest = vec![(0.0_f64, 0_usize); problem.rows.len()];
        let mut members = Vec::new();
        for (i, m) in problem.members.iter().enumerate() {
            let sides = vec![PortSide::Between; m.rows.len()];
            let (least, most) = Kernel::new(&m.problem, &m.b, &sides).port_range();
            for (k, &r) in m.rows.iter().enumerate() {
                if !least[k].is_finite() || !most[k].is_finite() {
                    return Err(FrameError::Unlimited {
                        member: m.problem.id().clone(),
                        coupling: problem.rows[r].coupling.clone(),
                        step: problem.rows[r].step,
                    });
                }
                reach[r] = reach[r].max(least[k].abs()).max(most[k].abs());
                if most[k] - least[k] > widest[r].0 {
                    widest[r] = (most[k] - least[k], i);
                }
            }
            members.push(FrameMember {
                name: m.problem.id().clone(),
                rows: m.rows.clone(),
                least,
                most,
            });
        }
        let mut rows = Vec::new();
        for (r, row) in problem.rows.iter().enumerate() {
            // One scale a coupling keeps the rows of a step grid comparable.
            let scale = problem
                .rows
                .iter()
                .zip(&reach)
                .filter(|(o, _)| o.coupling == row.coupling)
                .fold(0.0_f64, |a, (o, v)| {
                    a.max(*v).max(if o.kind == RowKind::Equal {
                        o.rhs.abs()
                    } else {
                        0.0
                    })
                });
            let scale = fixed::power_of_two_above(scale);
            let quantum = quantum(&row.coupling).unwrap_or(scale * FINEST);
            if !(quantum > 0.0 && quantum.is_finite()) {
                return Err(FrameError::Quantum {
                    coupling: row.coupling.clone(),
                    quantum,
                });
            }
            let round = match row.kind {
                RowKind::Equal => fixed::Round::Nearest,
                RowKind::AtMost => fixed::Round::Down,
            };
            let rhs = fixed::to_quanta("the right-hand side", row.rhs, quantum, round).map_err(
                |source| FrameError::Rhs {
                    coupling: row.coupling.clone(),
                    step: row.step,
                    source,
                },
            )?;
            let slack = slack(&row.coupling)
                .and_then(|name| members.iter().position(|m| m.name == name))
                .filter(|&i| members[i].rows.contains(&r))
                .unwrap_or(widest[r].1);
            rows.push(FrameRow {
                coupling: row.coupling.clone(),
                step: row.step,
                kind: row.kind,
                quantum,
                rhs,
                scale,
                slack,
            });
        }
        Ok(Self { members, rows })
    }

    /// The exchange limits of member `i` that the other members' limits imply
    /// beyond its own; infinite where they imply nothing.
    pub fn implied_limits(&self, i: usize) -> (Vec<f64>, Vec<f64>) {
        let mut least = vec![0.0; self.rows.len()];
        let mut most = vec![0.0; self.rows.len()];
        for (k, m) in self.members.iter().enumerate() {
            if k != i {
                for (at, &r) in m.rows.iter().enumerate() {
                    least[r] += m.least[at];
                    most[r] += m.most[at];
                }
            }
        }
        let own = &self.members[i];
        own.rows
            .iter()
            .enumerate()
            .map(|(at, &r)| {
                let row = &self.rows[r];
                // Sums were added in floating point, and the right-hand side was
                // rounded: leave them a little room.
                let room = 1e-9 * row.scale + row.quantum;
                let mut upper = row.rhs_value() - least[r] + room;
                let mut lower = match row.kind {
                    RowKind::Equal => row.rhs_value() - most[r] - room,
                    RowKind::AtMost => f64::NEG_INFINITY,
                };
                // What is all but determined must answer to prices as well.
                let own_width = own.most[at] - own.least[at];
                let narrow =
                    NARROWEST * own_width - (upper.min(own.most[at]) - lower.max(own.least[at]));
                if narrow > 0.0 {
                    upper += 0.5 * narrow;
                    lower -= 0.5 * narrow;
                }
                (
                    if lower > own.least[at] {
                        lower
                    } else {
                        f64::NEG_INFINITY
                    },
                    if upper < own.most[at] {
                        upper
                    } else {
                        f64::INFINITY
                    },
                )
            })
            .unzip()
    }
}
