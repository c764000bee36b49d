//! A member: its problem, its memory, its answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::coupled::{CoupledMember, RowKind};
use crate::kernel::{Ask, Kernel, PortSide, Proximal, Solved};
use crate::local::{LocalSolver, SolverName, local_solver};
use crate::method::fixed::{self, COST, Round, to_quanta};
use crate::method::fold::touching;
use crate::method::frame::Frame;
use crate::method::{AllotmentCost, Call, Candidate, Counted, DualValue, MethodName, Reply, Terms};

mod allot;
mod aside;
mod first;
mod pack;
mod recall;

pub use aside::Aside;
use pack::{Packing, Record};

/// Rounds whose calls a member keeps and whose values it sends again.
pub(super) const BACKLOG: u32 = 10;
/// Calls after the first at whose prices a member weighs its exchange.
const WEIGHED: u32 = 2;
/// How often a barrier is raised for terms that no message could carry.
const STEADY: u32 = 3;
/// The most that a determined equation may be missed by, of the row's scale:
/// coarser quanta cannot be kept to.
const FUZZ: f64 = 1e-6;
/// Relative violation up to which an allotment counts as feasible.
const FEASIBLE: f64 = 1e-8;
/// Relative violation above which a solve that stopped short is of no use.
const LOOSE: f64 = 1e-4;

/// What a member knows that others must not: its problem and its solvers.
///
/// The fields are private and the type hands out only what §5 of the design
/// lets a member say; a fold cannot see into it.
pub struct Agent {
    frame: Arc<Frame>,
    index: usize,
    method: MethodName,
    /// For smoothed answers; only the barrier kernel has those.
    kernel: Kernel,
    /// For answers to prices alone.
    at_price: Box<dyn LocalSolver>,
    /// For the cost of allotments.
    at_allotment: Box<dyn LocalSolver>,
    kinds: Vec<RowKind>,
    own_weight: f64,
    packing: Packing,
    weighed: u32,
    calls: BTreeMap<u32, Call>,
    records: BTreeMap<Counted, Record>,
    allotments: BTreeMap<Candidate, Option<Vec<i64>>>,
    duals: BTreeMap<(u32, u32), Option<i64>>,
    costs: BTreeMap<Candidate, Option<i64>>,
    replied: Option<u32>,
}

/// The exchanges of a member's final plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// The variables of its problem.
    pub x: Vec<f64>,
    /// Its cost, rounded up to whole quanta.
    pub cost: i64,
}

/// Why a member could not answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// No call was heard yet.
    #[error("no call was heard")]
    NoCall,
    /// A value does not fit its quantum.
    #[error("the exchange does not fit the frame: {0}")]
    Range(#[from] fixed::OutOfRange),
    /// The member's own problem has no feasible point.
    #[error("the member's own problem is infeasible by {violation:e} of its range")]
    Infeasible {
        /// The relative violation that could not be removed.
        violation: f64,
    },
    /// An allotment that was agreed cannot be kept.
    #[error("the allotment violates the member's constraints by {violation:e} of their range")]
    Unkept {
        /// The relative violation.
        violation: f64,
    },
}

/// Says who it is and nothing of its problem.
impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

impl Agent {
    /// The agent of member `index` of the frame. `solver` answers prices and
    /// allotments; what is smoothed by a barrier is the kernel's in any case.
    ///
    /// # Panics
    ///
    /// If the member's rows are not those of the frame.
    pub fn new(
        frame: Arc<Frame>,
        index: usize,
        member: &CoupledMember,
        method: MethodName,
        solver: SolverName,
    ) -> Self {
        assert_eq!(
            frame.members[index].rows, member.rows,
            "the frame is another problem's"
        );
        let kinds: Vec<RowKind> = member.rows.iter().map(|&r| frame.rows[r].kind).collect();
        let free = vec![PortSide::Between; kinds.len()];
        let held: Vec<PortSide> = kinds
            .iter()
            .map(|k| {
                if *k == RowKind::Equal {
                    PortSide::At
                } else {
                    PortSide::Between
                }
            })
            .collect();
        let mut kernel = Kernel::new(&member.problem, &member.b, &free);
        let mut at_price = local_solver(solver, &member.problem, &member.b, &free);
        let (least, most) = frame.implied_limits(index);
        for (j, (l, u)) in least.into_iter().zip(most).enumerate() {
            kernel.hold(j, l, u);
            at_price.hold(j, l, u);
        }
        // Of two couplings that see one variable each rounds by itself, and
        // settlement gives the slack member what all roundings leave over.
        let count = touching(&frame);
        let mut at_allotment = local_solver(solver, &member.problem, &member.b, &held);
        for (j, &r) in member.rows.iter().enumerate() {
            if kinds[j] == RowKind::Equal {
                let row = &frame.rows[r];
                at_allotment.allow(j, ((count[r] + 1.0) * row.quantum).min(FUZZ * row.scale));
            }
        }
        let scale = member.rows.iter().map(|&r| frame.rows[r].scale).collect();
        let own_weight = kernel.cost_scale(&[]);
        Self {
            frame,
            index,
            method,
            own_weight,
            packing: Packing::new(scale, &member.b),
            weighed: 0,
            kernel,
            at_price,
            at_allotment,
            kinds,
            calls: BTreeMap::new(),
            records: BTreeMap::new(),
            allotments: BTreeMap::new(),
            duals: BTreeMap::new(),
            costs: BTreeMap::new(),
            replied: None,
        }
    }

    /// Its place in the frame.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Takes a call. Calls may come late, twice, or out of order.
    pub fn hear(&mut self, call: &Call) {
        self.calls.entry(call.round).or_insert_with(|| call.clone());
    }

    /// The newest round that was heard of.
    pub fn heard(&self) -> Option<u32> {
        self.calls.keys().next_back().copied()
    }

    /// Whether the newest call has not been answered yet.
    pub fn owes(&self) -> bool {
        self.heard() > self.replied
    }

    /// Answers the newest call, and values of missed ones.
    ///
    /// # Errors
    ///
    /// See [`AgentError`].
    pub fn reply(&mut self) -> Result<Reply, AgentError> {
        let (&round, call) = self.calls.last_key_value().ok_or(AgentError::NoCall)?;
        let call = call.clone();
        let recent: Vec<u32> = self
            .calls
            .range(round.saturating_sub(BACKLOG)..)
            .map(|(r, _)| *r)
            .collect();
        for r in recent {
            self.answer_values(r)?;
        }
        self.weigh(&call);
        let weight = match self.own_weight.max(0.1 * call.mean_weight) {
            v if v > 0.0 => v,
            // No cost at all: any weight will do until there are prices.
            _ => 1.0,
        };
        let mut terms = Vec::new();
        for p in 0..call.full {
            terms.push(self.steady_terms(&call, p, weight)?);
        }
        self.replied = Some(round);
        self.forget(round);
        let floor = round.saturating_sub(BACKLOG);
        Ok(Reply {
            round,
            terms,
            duals: self
                .duals
                .range((floor, 0)..)
                .map(|(&(round, point), &value)| DualValue {
                    round,
                    point,
                    value,
                })
                .collect(),
            costs: self
                .costs
                .range(
                    Candidate {
                        round: floor,
                        index: 0,
                    }..,
                )
                .map(|(at, &value)| AllotmentCost {
                    round: at.round,
                    candidate: at.index,
                    value,
                })
                .collect(),
            barrier_weight: weight_quanta(self.own_weight),
            barrier_total: weight_quanta(self.own_weight * self.kernel.barriers() as f64),
        })
    }

    /// The allotment of a candidate in whole quanta on the member's own rows,
    /// if the member knows it.
    pub fn allotment(&self, at: Candidate) -> Option<&[i64]> {
        self.allotments.get(&at)?.as_deref()
    }

    /// Settles on an allotment: the plan and what it costs.
    ///
    /// # Errors
    ///
    /// [`AgentError::Unkept`] when the member cannot keep to it.
    pub fn settle(&mut self, allotment: &[i64]) -> Result<Exchange, AgentError> {
        let solved = self.hold_to(allotment);
        if !keeps(&solved) {
            return Err(AgentError::Unkept {
                violation: solved.infeasibility,
            });
        }
        Ok(Exchange {
            cost: to_quanta("the cost", solved.cost_up, COST, Round::Up).map_err(|_| {
                AgentError::Unkept {
                    violation: solved.infeasibility,
                }
            })?,
            x: solved.x,
        })
    }

    /// Raises the barrier weight to what the exchange is worth at the first
    /// prices that are heard: a member whose own costs are small beside what
    /// it trades would otherwise be at its limits from the start, and answer
    /// no price any more.
    fn weigh(&mut self, call: &Call) {
        if call.round == 1 || self.weighed >= WEIGHED {
            return;
        }
        self.weighed += 1;
        let own = &self.frame.members[self.index];
        let (least, most) = self.frame.implied_limits(self.index);
        let stake: f64 = (0..own.rows.len())
            .map(|j| {
                let width = most[j].min(own.most[j]) - least[j].max(own.least[j]);
                call.points[0].price[own.rows[j]].abs() * width.max(0.0)
            })
            .sum();
        let worth = 0.5 * stake / self.kernel.barriers().max(1) as f64;
        self.own_weight = self.own_weight.max(worth);
    }

    fn forget(&mut self, round: u32) {
        let floor = round.saturating_sub(2 * BACKLOG);
        // What the sums still hold of this member must stay, however old.
        let held: BTreeSet<Counted> = self
            .calls
            .values()
            .filter_map(|c| c.counted[self.index])
            .collect();
        let best: BTreeSet<Candidate> = self.calls.values().filter_map(|c| c.best).collect();
        self.calls.retain(|r, _| *r >= floor);
        self.records
            .retain(|at, _| at.round >= floor || held.contains(at));
        self.allotments
            .retain(|at, _| at.round >= floor || best.contains(at));
        self.duals.retain(|at, _| at.0 >= floor);
        self.costs.retain(|at, _| at.round >= floor);
    }

    fn local(&self, global: &[f64]) -> Vec<f64> {
        self.frame.members[self.index]
            .rows
            .iter()
            .map(|&r| global[r])
            .collect()
    }

    fn answer_values(&mut self, round: u32) -> Result<(), AgentError> {
        let call = self.calls[&round].clone();
        for (p, point) in call.points.iter().enumerate() {
            let key = (round, p as u32);
            if self.duals.contains_key(&key) {
                continue;
            }
            let price = self.local(&point.price);
            let solved = self.at_price.minimise(&price, None);
            if !solved.converged && solved.infeasibility > LOOSE {
                return Err(AgentError::Infeasible {
                    violation: solved.infeasibility,
                });
            }
            // A value beyond the range of messages bounds nothing worth knowing.
            let value = to_quanta("the dual value", solved.lower, COST, Round::Down).ok();
            self.duals.insert(key, value);
        }
        for c in 0..call.candidates.len() {
            let at = Candidate {
                round,
                index: c as u32,
            };
            if self.costs.contains_key(&at) {
                continue;
            }
            // One that is out of range is declined like any other that does not do.
            let allotment = self
                .make_allotment(&call, call.candidates[c])
                .unwrap_or_default();
            let cost = match &allotment {
                Some(a) => {
                    let solved = self.hold_to(a);
                    let cost = to_quanta("the cost", solved.cost_up, COST, Round::Up);
                    cost.ok().filter(|_| keeps(&solved))
                }
                None => None,
            };
            self.allotments.insert(at, allotment);
            self.costs.insert(at, cost);
        }
        Ok(())
    }

    fn hold_to(&mut self, allotment: &[i64]) -> Solved {
        for j in 0..allotment.len() {
            let row = &self.frame.rows[self.frame.members[self.index].rows[j]];
            let value = fixed::from_quanta(allotment[j], row.quantum);
            let least = if self.kinds[j] == RowKind::Equal {
                value
            } else {
                f64::NEG_INFINITY
            };
            self.at_allotment.hold(j, least, value);
        }
        self.at_allotment.minimise(&[], None)
    }

    /// The terms at a point. Where the barrier is so low that rounding has the
    /// last word, they are those of a higher one: the member's response to price
    /// is then smoother than was asked, and no bound depends on it.
    fn steady_terms(
        &mut self,
        call: &Call,
        point: usize,
        weight: f64,
    ) -> Result<Terms, AgentError> {
        let mut raised = weight;
        for _ in 0..STEADY {
            match self.terms(call, point, raised) {
                Err(AgentError::Range(_)) => raised *= 100.0,
                found => return found,
            }
        }
        self.terms(call, point, raised)
    }

    fn terms(&mut self, call: &Call, point: usize, weight: f64) -> Result<Terms, AgentError> {
        let m = self.kinds.len();
        let p = &call.points[point];
        let price = self.local(&p.price);
        let centre = self.predicted(call, point);
        let base = call.counted[self.index].and_then(|at| self.records.get(&at));
        let metric = match (self.method, base) {
            (MethodName::Aladin, Some(record)) => {
                let mut s = record.sensitivity.clone();
                // Kept definite in the units of each row.
                let penalty = self.local(&call.penalty);
                for j in 0..m {
                    let summed = if penalty[j] > 0.0 {
                        1.0 / penalty[j]
                    } else {
                        0.0
                    };
                    s[j * m + j] += 1e-9 * s[j * m + j] + 1e-12 * summed;
                }
                Some(s)
            }
            (MethodName::Admm, Some(_)) => {
                let penalty = self.local(&call.penalty);
                let mut s = vec![0.0; m * m];
                for j in 0..m {
                    s[j * m + j] = if penalty[j] > 0.0 {
                        1.0 / penalty[j]
                    } else {
                        0.0
                    };
                }
                Some(s)
            }
            (_, None) => None,
        };
        let proximal = match (&centre, &metric) {
            (Some(centre), Some(metric_inverse)) => Some(Proximal {
                centre,
                metric_inverse,
            }),
            _ => None,
        };
        // ADMM is not smoothed; its first round looks at the sensitivities
        // once, to give every row a penalty in its own units.
        let first = proximal.is_none();
        let smoothed = self.method == MethodName::Aladin || first;
        let ask = Ask {
            price: &price,
            proximal,
            mu: if smoothed { p.mu * weight } else { 0.0 },
            sensitivity: smoothed,
        };
        let mut answer = |proximal| {
            if smoothed {
                self.kernel.solve(Ask { proximal, ..ask })
            } else {
                self.at_price.minimise(&price, proximal)
            }
        };
        let mut solved = answer(proximal);
        if proximal.is_some() && !solved.converged && solved.infeasibility > LOOSE {
            // A metric that rounding has spoilt: answer to the price alone.
            solved = answer(None);
        }
        if first && self.method == MethodName::Aladin {
            solved = self.cold(&price, p.mu * weight, solved);
        }
        let aladin = self.method == MethodName::Aladin;
        let terms = if aladin {
            self.packing.smoothed(&solved, p.mu, weight)?
        } else if first {
            self.packing.with_diagonal(&solved)?
        } else {
            self.packing.exchange(&solved)?
        };
        let record = self.packing.understood(&terms, price, p.mu, aladin);
        self.records.insert(
            Counted {
                round: call.round,
                point: point as u32,
            },
            record,
        );
        Ok(terms)
    }
}

/// A weight in cost quanta, or the largest that messages hold: it is a scale, and
/// bounds nothing.
fn weight_quanta(v: f64) -> i64 {
    let most = fixed::from_quanta(i64::MAX >> 2, COST);
    to_quanta("the barrier weight", v.min(most), COST, Round::Nearest).unwrap_or(i64::MAX >> 2)
}

fn keeps(solved: &Solved) -> bool {
    // What the last violation could cost, which is charged, must be little.
    solved.infeasibility <= FEASIBLE
        && solved.cost_up - solved.cost <= 1e-5 * (1e-3 + solved.cost.abs())
}
