//! The fold: from the replies counted in each round to the next call.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::coupled::RowKind;
use crate::method::admm::Admm;
use crate::method::aladin::Aladin;
use crate::method::bounds::{Bounds, Candidate};
use crate::method::fixed::{self, COST};
use crate::method::frame::Frame;
use crate::method::sums::{Held, Sums};
use crate::method::{Call, Counted, MethodName, Point, Recipe, Reply, Restore, Terms};

/// A method's own part of the fold: from sums to the next points.
///
/// Two implementations, one conformance suite (`tests/methods.rs`).
pub(crate) trait Step: std::fmt::Debug + Send {
    /// Takes the registers of the round for each full point of `call` and
    /// says what to ask next.
    fn next(&mut self, frame: &Frame, call: &Call, round: RoundSums<'_>) -> Next;
    /// A copy, so that a fold can be replayed from a past state.
    fn boxed_clone(&self) -> Box<dyn Step>;
}

/// The sums of one round, one for each full point of the call.
pub(crate) struct RoundSums<'a> {
    /// The registers if point `p` is accepted.
    pub(crate) at_point: &'a [Registers],
    /// Whether every member answered this very call.
    pub(crate) all_present: bool,
    /// `Σ` barrier weights.
    pub(crate) weight: f64,
    /// `Σ` barrier weight times barrier terms.
    pub(crate) total: f64,
}

/// What to ask next.
pub(crate) struct Next {
    /// The registers that the next round builds on.
    pub(crate) base: Registers,
    pub(crate) points: Vec<Point>,
    pub(crate) full: usize,
    pub(crate) candidates: Vec<Recipe>,
    pub(crate) restore: Option<Restore>,
    pub(crate) penalty: Vec<f64>,
}

/// What is held of every member: its last counted terms.
#[derive(Debug, Clone)]
pub(crate) struct Registers {
    held: Vec<Option<Held>>,
}

impl Registers {
    /// Their sums, centred on `price`.
    pub(crate) fn sums(&self, frame: &Frame, price: &[f64]) -> Sums {
        Sums::new(frame, &self.held, price)
    }

    fn counted(&self) -> Vec<Option<Counted>> {
        self.held.iter().map(|h| h.as_ref().map(|h| h.at)).collect()
    }

    fn complete(&self) -> bool {
        self.held.iter().all(Option::is_some)
    }
}

/// What a reply answers.
#[derive(Debug, Clone)]
struct Asked {
    price: Arc<Vec<f64>>,
    mu: f64,
}

/// Where an agreement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Some member has not been heard of yet.
    Gathering,
    /// Rounds are under way.
    Rounds,
}

/// The state of an agreement that anybody can compute who has the replies.
#[derive(Debug)]
pub struct Fold {
    frame: Arc<Frame>,
    call: Call,
    registers: Registers,
    bounds: Bounds,
    weights: Vec<Option<(i64, i64)>>,
    /// Prices and barrier parameters of the last calls, by round: what late
    /// replies answer.
    asked: BTreeMap<u32, Vec<Asked>>,
    step: Box<dyn Step>,
}

impl Clone for Fold {
    fn clone(&self) -> Self {
        Self {
            frame: self.frame.clone(),
            call: self.call.clone(),
            registers: self.registers.clone(),
            bounds: self.bounds.clone(),
            weights: self.weights.clone(),
            asked: self.asked.clone(),
            step: self.step.boxed_clone(),
        }
    }
}

impl Fold {
    /// The state before any reply: the first call asks at price 0.
    pub fn new(frame: Arc<Frame>, method: MethodName) -> Self {
        let m = frame.rows.len();
        let call = Call {
            round: 1,
            points: vec![Point {
                price: vec![0.0; m],
                mu: 1.0,
                share: vec![0.0; m],
                spare: vec![0.0; m],
            }],
            full: 1,
            candidates: alone(&frame),
            counted: vec![None; frame.members.len()],
            best: None,
            restore: None,
            mean_weight: 0.0,
            penalty: vec![0.0; m],
        };
        let bounds = Bounds::new(&frame);
        let step: Box<dyn Step> = match method {
            MethodName::Aladin => Box::new(Aladin::default()),
            MethodName::Admm => Box::new(Admm::default()),
        };
        let mut fold = Self {
            registers: Registers {
                held: vec![None; frame.members.len()],
            },
            weights: vec![None; frame.members.len()],
            frame,
            call,
            bounds,
            asked: BTreeMap::new(),
            step,
        };
        fold.publish();
        fold
    }

    fn publish(&mut self) {
        self.bounds.called(&self.frame, &self.call);
        let prices = self.call.points[..self.call.full]
            .iter()
            .map(|p| Asked {
                price: Arc::new(p.price.clone()),
                mu: p.mu,
            })
            .collect();
        self.asked.insert(self.call.round, prices);
        let oldest = self.call.round.saturating_sub(2 * super::agent::BACKLOG);
        self.asked.retain(|r, _| *r >= oldest);
    }

    /// What every member is asked now.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// What is known of the optimum.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The terms of the agreement.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Whether every member has been heard of.
    pub fn phase(&self) -> Phase {
        if self.registers.complete() {
            Phase::Rounds
        } else {
            Phase::Gathering
        }
    }

    /// `Σ s − c` of the registers, in the units of the rows; on limits only
    /// what is beyond them.
    pub fn imbalance(&self) -> Vec<f64> {
        self.registers
            .sums(&self.frame, &self.call.points[0].price)
            .imbalance(&self.frame)
            .into_iter()
            .zip(&self.frame.rows)
            .map(|(v, r)| {
                if r.kind == RowKind::AtMost {
                    v.max(0.0)
                } else {
                    v
                }
            })
            .collect()
    }

    /// Forgets the best candidate because its members could not settle on it.
    pub fn reject_best(&mut self) {
        if let Some(at) = self.bounds.best() {
            self.bounds.reject(at);
        }
    }

    /// Takes what the members' settlement on a candidate costs.
    pub(crate) fn settled(&mut self, at: Candidate, cost: i128) {
        self.bounds.settled(at, cost);
    }

    /// Asks the present question again under a later round's number, because
    /// rounds in between were used for something else.
    pub fn renumber(&mut self, round: u32) {
        self.call.round = self.call.round.max(round);
        self.publish();
    }

    /// Takes bounds that came in a reply without closing a round.
    pub fn take_values(&mut self, member: usize, reply: &Reply) {
        self.bounds.take(member, &reply.duals, &reply.costs);
    }

    /// Closes the round with the replies that count, by member, and returns
    /// the next call. A reply to an earlier round counts with its values, and
    /// with its terms where nothing newer is held of its member.
    pub fn close(&mut self, replies: &[(usize, &Reply)]) -> &Call {
        let full = self.call.full;
        let mut at_point = vec![self.registers.clone(); full];
        let mut present = 0;
        for &(i, reply) in replies {
            self.bounds.take(i, &reply.duals, &reply.costs);
            self.weights[i] = Some((reply.barrier_weight, reply.barrier_total));
            let held = self.registers.held[i].as_ref().map(|h| h.at.round);
            let Some(prices) = self.asked.get(&reply.round) else {
                continue;
            };
            let fits = reply.terms.len() == prices.len();
            if !fits || held.is_some_and(|h| h >= reply.round) {
                continue;
            }
            let current = reply.round == self.call.round;
            present += usize::from(current);
            let shared: Vec<Arc<Terms>> = reply.terms.iter().cloned().map(Arc::new).collect();
            for (p, registers) in at_point.iter_mut().enumerate() {
                let p = if current { p } else { 0 };
                registers.held[i] = Some(Held {
                    terms: shared[p].clone(),
                    price: prices[p].price.clone(),
                    mu: prices[p].mu,
                    at: Counted {
                        round: reply.round,
                        point: p as u32,
                    },
                });
            }
        }
        let members = self.frame.members.len();
        let (weight, total) = self
            .weights
            .iter()
            .flatten()
            .fold((0_i128, 0_i128), |(a, b), w| {
                (a + i128::from(w.0), b + i128::from(w.1))
            });
        let known = self.weights.iter().flatten().count().max(1);
        let weight = fixed::from_sum(weight, COST).max(1e-300);
        let round = self.call.round + 1;
        if at_point[0].complete() {
            let sums = RoundSums {
                at_point: &at_point,
                all_present: present == members,
                weight,
                total: fixed::from_sum(total, COST).max(1e-300),
            };
            let next = self.step.next(&self.frame, &self.call, sums);
            self.registers = next.base;
            self.call = Call {
                round,
                points: next.points,
                full: next.full,
                candidates: next.candidates,
                counted: self.registers.counted(),
                best: self.bounds.best(),
                restore: next.restore,
                mean_weight: weight / known as f64,
                penalty: next.penalty,
            };
        } else {
            // Without everybody's first word there are no sums: ask again.
            self.registers = at_point.swap_remove(0);
            self.call.round = round;
            self.call.counted = vec![None; members];
        }
        self.publish();
        &self.call
    }
}

/// The candidate of the first call: nothing is exchanged, where that is a plan.
fn alone(frame: &Frame) -> Vec<Recipe> {
    let met = frame.rows.iter().all(|row| match row.kind {
        RowKind::Equal => row.rhs == 0,
        RowKind::AtMost => row.rhs >= 0,
    });
    if met { vec![Recipe::Alone] } else { Vec::new() }
}

/// How many members touch each row.
pub(crate) fn touching(frame: &Frame) -> Vec<f64> {
    let mut count = vec![0.0; frame.rows.len()];
    for m in &frame.members {
        for &r in &m.rows {
            count[r] += 1.0;
        }
    }
    count
}

/// A penalty a row in that row's own units: how many members touch it, over
/// the diagonal of `Σ S`.
pub(crate) fn penalty(frame: &Frame, diagonal: &[f64]) -> Vec<f64> {
    let members = touching(frame);
    // Rows that nothing moves get that of the stiffest row that moves.
    let relative = |j: usize| diagonal[j] / (frame.rows[j].scale * frame.rows[j].scale);
    let least = (0..diagonal.len())
        .map(relative)
        .filter(|v| *v > 0.0)
        .fold(f64::INFINITY, f64::min);
    let least = if least.is_finite() { least } else { 1.0 };
    (0..diagonal.len())
        .map(|j| {
            let scale = frame.rows[j].scale;
            members[j] / (relative(j).max(least) * scale * scale)
        })
        .collect()
}
