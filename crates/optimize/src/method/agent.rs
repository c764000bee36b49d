//! A member: its problem, its memory, its answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::coupled::{CoupledMember, RowKind};
use crate::dense;
use crate::kernel::{Ask, Kernel, PortSide, Proximal, Solved};
use crate::local::{LocalSolver, SolverName, local_solver};
use crate::method::fixed::{self, COST, EXCHANGE, Round, SENSITIVITY, SPREAD, to_quanta};
use crate::method::fold::touching;
use crate::method::frame::Frame;
use crate::method::{
    AllotmentCost, Call, Candidate, Counted, DualValue, MethodName, Recipe, Reply, Terms,
};

/// Rounds whose calls a member keeps and whose values it sends again.
pub(super) const BACKLOG: u32 = 10;
/// Calls after the first at whose prices a member weighs its exchange.
const WEIGHED: u32 = 2;
/// How far the first answer is drawn, in lengths of the barrier's metric.
const REACH: f64 = 2.0;
/// How often a barrier is raised for terms that no message could carry.
const STEADY: u32 = 3;
/// The most that a determined equation may be missed by, of the row's scale:
/// coarser quanta cannot be kept to.
const FUZZ: f64 = 1e-6;
/// The largest exponent of a sensitivity's row.
const MOST_EXPONENT: u8 = 34;
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
    /// Bits of a sensitivity in messages.
    mantissa_bits: u32,
    weighed: u32,
    calls: BTreeMap<u32, Call>,
    records: BTreeMap<Counted, Record>,
    allotments: BTreeMap<Candidate, Option<Vec<i64>>>,
    duals: BTreeMap<(u32, u32), Option<i64>>,
    costs: BTreeMap<Candidate, Option<i64>>,
    replied: Option<u32>,
}

/// A call and what was answered to it, out of use.
pub struct Aside {
    call: Call,
    replied: bool,
    records: BTreeMap<Counted, Record>,
    allotments: BTreeMap<Candidate, Option<Vec<i64>>>,
    duals: BTreeMap<(u32, u32), Option<i64>>,
    costs: BTreeMap<Candidate, Option<i64>>,
}

/// Takes the items of a map whose key is of a kind.
fn take<K: Ord + Copy, V>(map: &mut BTreeMap<K, V>, of: impl Fn(&K) -> bool) -> BTreeMap<K, V> {
    let keys: Vec<K> = map.keys().copied().filter(|key| of(key)).collect();
    let pairs = keys
        .into_iter()
        .filter_map(|key| Some((key, map.remove(&key)?)));
    pairs.collect()
}

/// What the member sent at one point, as the fold understood it.
#[derive(Debug, Clone)]
struct Record {
    price: Vec<f64>,
    exchange: Vec<f64>,
    sensitivity: Vec<f64>,
    sensitivity_gap: Vec<f64>,
    barrier_rate: Vec<f64>,
    barrier_offset: Vec<f64>,
}

impl Record {
    /// What the member gives up for a share: `S share`, so that it stays within
    /// its range; in ADMM, which has no `S`, the share itself.
    fn share_of(&self, share: Vec<f64>) -> Vec<f64> {
        if self.sensitivity.is_empty() {
            share
        } else {
            dense::mul(&self.sensitivity, &share)
        }
    }
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

/// Says which round it is of and nothing else.
impl std::fmt::Debug for Aside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aside")
            .field("round", &self.call.round)
            .finish_non_exhaustive()
    }
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
        let own_weight = kernel.cost_scale(&[]);
        Self {
            frame,
            index,
            method,
            own_weight,
            mantissa_bits: mantissa_bits(&member.b),
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

    /// Whether rows of a port map depend on each other.
    pub fn dependent(b: &crate::sparse::Sparse) -> bool {
        let m = b.rows();
        let mut gram = vec![0.0; m * m];
        let mut dense_row = vec![0.0; b.cols()];
        for i in 0..m {
            for (c, v) in b.row(i) {
                dense_row[c] = v;
            }
            for j in 0..=i {
                gram[i * m + j] = b.row_dot(j, &dense_row);
            }
            for (c, _) in b.row(i) {
                dense_row[c] = 0.0;
            }
        }
        for i in 0..m {
            let diagonal = gram[i * m + i];
            for j in 0..i {
                let other = gram[j * m + j];
                let mut v = gram[i * m + j];
                for k in 0..j {
                    v -= gram[i * m + k] * gram[j * m + k];
                }
                gram[i * m + j] = v / other;
            }
            let left = diagonal - dense::dot(&gram[i * m..i * m + i], &gram[i * m..i * m + i]);
            if left <= 1e-10 * diagonal {
                return true;
            }
            gram[i * m + i] = left.sqrt();
        }
        false
    }

    /// Its place in the frame.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Takes a call. Calls may come late, twice, or out of order.
    pub fn hear(&mut self, call: &Call) {
        self.calls.entry(call.round).or_insert_with(|| call.clone());
    }

    /// Sets the call of a round aside, and all that was answered to it: another call
    /// opened that round, as far as is known. [`Self::take_back`] undoes it.
    pub fn set_aside(&mut self, round: u32) -> Option<Aside> {
        let call = self.calls.remove(&round)?;
        let replied = self.replied == Some(round);
        if replied {
            self.replied = self.calls.range(..round).next_back().map(|(r, _)| *r);
        }
        Some(Aside {
            call,
            replied,
            records: take(&mut self.records, |at| at.round == round),
            allotments: take(&mut self.allotments, |at| at.round == round),
            duals: take(&mut self.duals, |at| at.0 == round),
            costs: take(&mut self.costs, |at| at.round == round),
        })
    }

    /// Takes back what was set aside; what there is for the round now must have been
    /// set aside itself.
    pub fn take_back(&mut self, aside: Aside) {
        if aside.replied {
            self.replied = self.replied.max(Some(aside.call.round));
        }
        self.calls.insert(aside.call.round, aside.call);
        self.records.extend(aside.records);
        self.allotments.extend(aside.allotments);
        self.duals.extend(aside.duals);
        self.costs.extend(aside.costs);
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

    fn scale(&self, j: usize) -> f64 {
        self.frame.rows[self.frame.members[self.index].rows[j]].scale
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

    /// The exchange that the member's counted reply predicts at a point: the
    /// predictions of all members sum to the capacity, or less on limits. It is
    /// the centre of the proximal term.
    fn predicted(&self, call: &Call, point: usize) -> Option<Vec<f64>> {
        let record = self.records.get(&call.counted[self.index]?)?;
        let p = &call.points[point];
        let (price, share) = (self.local(&p.price), self.local(&p.share));
        let by_price = if record.sensitivity.is_empty() {
            vec![0.0; price.len()]
        } else {
            let change: Vec<f64> = price
                .iter()
                .zip(&record.price)
                .map(|(n, o)| n - o)
                .collect();
            dense::mul(&record.sensitivity, &change)
        };
        let by_share = record.share_of(share);
        Some(
            (0..price.len())
                .map(|j| {
                    record.exchange[j] + (p.mu * record.barrier_rate[j] - record.barrier_offset[j])
                        - (by_price[j] - record.sensitivity_gap[j])
                        - by_share[j]
                })
                .collect(),
        )
    }

    /// The prediction, and what limits have to spare.
    fn offered(&self, call: &Call, point: usize) -> Option<Vec<f64>> {
        let mut offered = self.predicted(call, point)?;
        for (v, spare) in offered
            .iter_mut()
            .zip(self.local(&call.points[point].spare))
        {
            *v += spare;
        }
        Some(offered)
    }

    /// The member's last exchange, brought back to the couplings, and what limits
    /// have to spare.
    fn restored(&self, call: &Call) -> Option<Vec<f64>> {
        let record = self.records.get(&call.counted[self.index]?)?;
        let restore = call.restore.as_ref()?;
        let (step, share) = (self.local(&restore.step), self.local(&restore.share));
        let spare = self.local(&restore.spare);
        let by_step = dense::mul(&record.sensitivity, &step);
        let by_share = record.share_of(share);
        Some(
            (0..step.len())
                .map(|j| record.exchange[j] - by_step[j] - by_share[j] + spare[j])
                .collect(),
        )
    }

    fn make_allotment(&self, call: &Call, recipe: Recipe) -> Result<Option<Vec<i64>>, AgentError> {
        let rows = &self.frame.members[self.index].rows;
        let value = match recipe {
            Recipe::Alone => vec![0.0; rows.len()],
            Recipe::Predicted { point } => match self.offered(call, point) {
                Some(a) => a,
                None => return Ok(None),
            },
            Recipe::Restored { point, theta } => {
                let (Some(a), Some(b)) = (self.offered(call, point), self.restored(call)) else {
                    return Ok(None);
                };
                a.iter()
                    .zip(&b)
                    .map(|(a, b)| (1.0 - theta) * a + theta * b)
                    .collect()
            }
            Recipe::Mixed { point, theta } => {
                let best = call
                    .best
                    .and_then(|at| self.allotments.get(&at))
                    .and_then(Option::as_ref);
                let (Some(a), Some(b)) = (self.offered(call, point), best) else {
                    return Ok(None);
                };
                (0..a.len())
                    .map(|j| {
                        let held = fixed::from_quanta(b[j], self.frame.rows[rows[j]].quantum);
                        (1.0 - theta) * a[j] + theta * held
                    })
                    .collect()
            }
        };
        let mut out = Vec::with_capacity(value.len());
        for (j, v) in value.iter().enumerate() {
            let round = match self.kinds[j] {
                RowKind::Equal => Round::Nearest,
                RowKind::AtMost => Round::Down,
            };
            out.push(to_quanta(
                "the allotment",
                *v,
                self.frame.rows[rows[j]].quantum,
                round,
            )?);
        }
        Ok(Some(out))
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
        let exchange = (0..m)
            .map(|j| {
                to_quanta(
                    "the exchange",
                    solved.s[j],
                    EXCHANGE * self.scale(j),
                    Round::Nearest,
                )
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut terms = Terms {
            exchange,
            ..Terms::default()
        };
        if self.method == MethodName::Aladin {
            self.fill_sensitivity(&mut terms, &solved, p.mu, weight)?;
        } else if first {
            terms.exponents = self.exponents(&solved.sensitivity);
            for j in 0..m {
                let v = self.mantissa(&solved.sensitivity, &terms.exponents, j, j)?;
                terms.sensitivity.push(v);
            }
        }
        let record = self.understood(&terms, price, p.mu);
        self.records.insert(
            Counted {
                round: call.round,
                point: point as u32,
            },
            record,
        );
        Ok(terms)
    }

    /// The first answer, before anything is known of the others: drawn
    /// towards an equal part of what each equation leaves, in the member's own
    /// metric. Limits draw nothing: most are not reached.
    fn cold(&mut self, price: &[f64], mu: f64, mut solved: Solved) -> Solved {
        let m = self.kinds.len();
        let members = touching(&self.frame);
        let rows = self.frame.members[self.index].rows.clone();
        let centre: Vec<f64> = rows
            .iter()
            .map(|&r| self.frame.rows[r].rhs_value() / members[r])
            .collect();
        let reach = solved.clone();
        for _ in 0..2 {
            let mut metric = solved.sensitivity.clone();
            for j in 0..m {
                let free = if self.kinds[j] == RowKind::AtMost {
                    1e4
                } else {
                    1.0 + 1e-9
                };
                metric[j * m + j] *= free;
            }
            let within = towards(&reach, &centre, &self.kinds, mu);
            let drawn = self.kernel.solve(Ask {
                price,
                proximal: Some(Proximal {
                    centre: &within,
                    metric_inverse: &metric,
                }),
                mu,
                sensitivity: true,
            });
            if !drawn.converged && drawn.infeasibility > LOOSE {
                break;
            }
            solved = drawn;
        }
        solved
    }

    fn fill_sensitivity(
        &self,
        terms: &mut Terms,
        solved: &Solved,
        mu: f64,
        weight: f64,
    ) -> Result<(), AgentError> {
        // y − λ = ν, the multiplier of the proximal term.
        let (m, nu) = (solved.nu.len(), &solved.nu);
        terms.exponents = self.exponents(&solved.sensitivity);
        for a in 0..m {
            for b in a..m {
                let v = self.mantissa(&solved.sensitivity, &terms.exponents, a, b)?;
                terms.sensitivity.push(v);
            }
        }
        // From here on with the matrix that the fold will see.
        let seen = self.unpacked(terms);
        let rate_quantum = fixed::from_sum(1 << fixed::rate_exponent(mu), EXCHANGE);
        let gap = dense::mul(&seen, nu);
        for j in 0..m {
            let q = EXCHANGE * self.scale(j);
            let rate = solved.rate[j] * weight;
            terms
                .sensitivity_gap
                .push(to_quanta("S(y−λ)", gap[j], q, Round::Nearest)?);
            terms.barrier_rate.push(to_quanta(
                "the barrier rate",
                rate,
                rate_quantum * self.scale(j),
                Round::Nearest,
            )?);
            terms.barrier_offset.push(to_quanta(
                "the barrier offset",
                rate * mu,
                q,
                Round::Nearest,
            )?);
        }
        let spread: f64 = gap.iter().zip(nu).map(|(g, n)| g * n).sum();
        terms.spread = fixed::to_wide("the spread", spread, SPREAD)?;
        Ok(())
    }

    /// The smallest exponents with which the diagonal of `S` fits its mantissas;
    /// the rest then fits as well, since `S` is positive semidefinite.
    fn exponents(&self, s: &[f64]) -> Vec<u8> {
        let m = self.kinds.len();
        let most = SENSITIVITY * (1_u64 << self.mantissa_bits) as f64;
        (0..m)
            .map(|j| {
                let diagonal = s[j * m + j] / (self.scale(j) * self.scale(j));
                let (mut exponent, mut reach) = (0, most);
                while diagonal > reach && exponent < MOST_EXPONENT {
                    reach *= 4.0;
                    exponent += 1;
                }
                exponent
            })
            .collect()
    }

    fn mantissa(&self, s: &[f64], e: &[u8], a: usize, b: usize) -> Result<i64, AgentError> {
        let value = s[a * self.kinds.len() + b] / (self.scale(a) * self.scale(b));
        let quantum = fixed::from_sum(1 << (e[a] + e[b]), SENSITIVITY);
        Ok(to_quanta(
            "the sensitivity",
            value,
            quantum,
            Round::Nearest,
        )?)
    }

    fn unpacked(&self, t: &Terms) -> Vec<f64> {
        let m = self.kinds.len();
        let mut out = vec![0.0; m * m];
        let mut k = 0;
        for a in 0..m {
            for b in a..m {
                let v = fixed::from_sum(
                    t.entry(k, a, b),
                    SENSITIVITY * self.scale(a) * self.scale(b),
                );
                out[a * m + b] = v;
                out[b * m + a] = v;
                k += 1;
            }
        }
        out
    }

    fn understood(&self, t: &Terms, price: Vec<f64>, mu: f64) -> Record {
        let rate_quantum = fixed::from_sum(1 << fixed::rate_exponent(mu), EXCHANGE);
        let m = self.kinds.len();
        let vector = |v: &[i64], quantum: f64| -> Vec<f64> {
            if v.is_empty() {
                return vec![0.0; m];
            }
            (0..m)
                .map(|j| fixed::from_quanta(v[j], quantum * self.scale(j)))
                .collect()
        };
        let sensitivity = if self.method == MethodName::Aladin {
            self.unpacked(t)
        } else {
            Vec::new()
        };
        Record {
            price,
            exchange: vector(&t.exchange, EXCHANGE),
            sensitivity,
            sensitivity_gap: vector(&t.sensitivity_gap, EXCHANGE),
            barrier_rate: vector(&t.barrier_rate, rate_quantum),
            barrier_offset: vector(&t.barrier_offset, EXCHANGE),
        }
    }
}

/// Bits of a sensitivity in messages: 32, or 50 where rows of the port map
/// depend on each other. What rounding adds to `S` then leads out of the
/// member's range of exchanges, and allotments would miss it.
fn mantissa_bits(b: &crate::sparse::Sparse) -> u32 {
    if Agent::dependent(b) { 50 } else { 32 }
}

/// The solved exchange moved by `S w` so that it meets `centre` on equations as
/// nearly as the member can: several rows may see one variable, and no price
/// can draw them apart. Limits follow.
fn towards(solved: &Solved, centre: &[f64], kinds: &[RowKind], mu: f64) -> Vec<f64> {
    let m = centre.len();
    let rows: Vec<usize> = (0..m)
        .filter(|&j| kinds[j] == RowKind::Equal && solved.sensitivity[j * m + j] > 0.0)
        .collect();
    let k = rows.len();
    let scale: Vec<f64> = rows
        .iter()
        .map(|&j| 1.0 / solved.sensitivity[j * m + j].sqrt())
        .collect();
    let mut factor = vec![0.0; k * k];
    for (a, &i) in rows.iter().enumerate() {
        for (b, &j) in rows[..=a].iter().enumerate() {
            factor[a * k + b] = solved.sensitivity[i * m + j] * scale[a] * scale[b];
        }
        factor[a * k + a] += 1e-7;
    }
    dense::cholesky(&mut factor, k, 1e-13);
    let mut left: Vec<f64> = rows
        .iter()
        .zip(&scale)
        .map(|(&j, c)| (centre[j] - solved.s[j]) * c)
        .collect();
    dense::cholesky_solve(&factor, k, &mut left);
    let mut w = vec![0.0; m];
    for ((&j, c), v) in rows.iter().zip(&scale).zip(left) {
        w[j] = v * c;
    }
    let moved = dense::mul(&solved.sensitivity, &w);
    // Beyond a few lengths of the barrier's own metric there is a bound.
    let way: Vec<f64> = rows
        .iter()
        .zip(&scale)
        .map(|(&j, c)| moved[j] * c)
        .collect();
    let mut pull = way.clone();
    dense::cholesky_solve(&factor, k, &mut pull);
    let length = (dense::dot(&way, &pull).max(0.0) / mu).sqrt();
    let part = (REACH / length).min(1.0);
    solved
        .s
        .iter()
        .zip(&moved)
        .map(|(s, m)| s + part * m)
        .collect()
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
