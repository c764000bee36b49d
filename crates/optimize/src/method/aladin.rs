//! The fold of `aladin`: one second-order step on the prices, then the
//! barrier is lowered as far as the model can be trusted.
//!
//! Every member linearises its exchange about its own point `(sᵢ, yᵢ)`, with
//! `yᵢ = λ + Rᵢ(sᵢ − aᵢ)` its own price:
//!
//! ```text
//!     sᵢ(λ⁺, μ⁺) ≈ sᵢ + tᵢ (μ⁺ − μᵢ) − Sᵢ (λ⁺ − yᵢ)
//! ```
//!
//! so that `Σ sᵢ = c` is a linear system in `λ⁺` whose matrix and right-hand
//! side are sums. On limits the prices stay non-negative: [`crate::method`]'s
//! capped quadratic problem. How far the members' points are from one price
//! is measured by the spread
//!
//! ```text
//!     q(λ) = ½ Σ (yᵢ − λ)ᵀ Sᵢ (yᵢ − λ),     δ = √(2 q / (μ Σ wᵢ))
//! ```
//!
//! in which `δ` plays the part of the Newton decrement of a self-concordant
//! barrier (Nesterov & Nemirovskii, 1994): below about 1 the linear model is
//! inside its region of trust. `μ` is lowered as far as the predicted `δ`
//! allows; a round whose measured `δ` says that the step was too bold is
//! undone, and the next is more careful; if that does not help either, `μ`
//! goes up again first.

use crate::coupled::RowKind;
use crate::dense;
use crate::method::fold::{Next, Registers, RoundSums, Step, penalty, touching};
use crate::method::frame::Frame;
use crate::method::qp;
use crate::method::{Call, Point, Recipe, Restore};

/// Factors by which `μ` may change, boldest first.
const LADDER: [f64; 11] = [0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 1.0, 3.0, 10.0, 30.0];
/// Predicted decrement up to which a step is taken.
const TRUST: f64 = 4.0;
/// Measured decrement above which the barrier is not lowered, and a bold step
/// is undone.
const LOST: f64 = 10.0;
/// So many steps in a row are undone before one is kept after all.
const PATIENCE: i32 = 5;
/// What may be left of an equation, of the row's scale: settlement gives it to
/// the slack member.
const CLOSED: f64 = 1e-9;
/// `μ` never falls below: the local solves are no more exact than that.
const LEAST_MU: f64 = 1e-9;

/// The allotments whose cost each round asks for: predictions for four
/// barriers, the restored present, and mixtures of the boldest with what is
/// known to be feasible.
const CANDIDATES: [Recipe; 10] = [
    Recipe::Predicted { point: 0 },
    Recipe::Predicted { point: 1 },
    Recipe::Predicted { point: 3 },
    Recipe::Restored {
        point: 0,
        theta: 1.0,
    },
    Recipe::Restored {
        point: 0,
        theta: 0.5,
    },
    Recipe::Restored {
        point: 0,
        theta: 0.1,
    },
    Recipe::Mixed {
        point: 0,
        theta: 0.02,
    },
    Recipe::Mixed {
        point: 0,
        theta: 0.1,
    },
    Recipe::Mixed {
        point: 0,
        theta: 0.25,
    },
    Recipe::Mixed {
        point: 0,
        theta: 0.5,
    },
];

/// The state of the method.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aladin {
    base: Option<Base>,
    boldest: Option<f64>,
    undone: i32,
    /// The steps that led to the points of the present call.
    steps: Vec<f64>,
}

/// A round that was accepted.
#[derive(Debug, Clone)]
struct Base {
    registers: Registers,
    model: Model,
    mu: f64,
    step: f64,
    decrement: f64,
    merit: f64,
}

/// The sums of a round as numbers.
#[derive(Debug, Clone)]
struct Model {
    price: Vec<f64>,
    limit: Vec<bool>,
    /// `Σ S` as the messages have it: what the members will do.
    exact: Vec<f64>,
    /// The same with a raised diagonal: what the step is computed with.
    s: Vec<f64>,
    weight: Vec<f64>,
    imbalance: Vec<f64>,
    gap: Vec<f64>,
    rate: Vec<f64>,
    offset: Vec<f64>,
    spread: f64,
}

impl Model {
    fn new(frame: &Frame, registers: &Registers, price: &[f64]) -> Self {
        let sums = registers.sums(frame, price);
        let exact = sums.sensitivity(frame);
        let mut s = exact.clone();
        for (j, r) in sums.rounding(frame).into_iter().enumerate() {
            let d = &mut s[j * price.len() + j];
            if *d > 0.0 {
                *d = *d * (1.0 + 1e-12) + r;
            }
        }
        Self {
            price: price.to_vec(),
            limit: frame
                .rows
                .iter()
                .map(|r| r.kind == RowKind::AtMost)
                .collect(),
            exact,
            s,
            weight: sums.weight(frame),
            imbalance: sums.imbalance(frame),
            gap: sums.sensitivity_gap(frame),
            rate: sums.barrier_rate(frame),
            offset: sums.barrier_offset(frame),
            spread: sums.spread(),
        }
    }

    /// The price step to barrier parameter `mu`, and the spread there.
    fn step(&self, mu: f64) -> (Vec<f64>, f64) {
        let r: Vec<f64> = (0..self.price.len())
            .map(|j| self.imbalance[j] + (mu * self.rate[j] - self.offset[j]) + self.gap[j])
            .collect();
        let d = qp::capped(&self.s, &r, &self.price, &self.limit);
        let moved = dense::mul(&self.s, &d);
        let q = 0.5 * (self.spread - 2.0 * dense::dot(&d, &self.gap) + dense::dot(&d, &moved));
        (d, q.max(0.0))
    }

    /// The way back to the couplings that disturbs the members least, each in
    /// its own metric: `s − Sδ` sums to the capacity. Nothing where there is
    /// none, because nobody can move.
    fn restore(&self, frame: &Frame) -> Option<Restore> {
        let none = vec![0.0; self.price.len()];
        let step = qp::capped(&self.s, &self.imbalance, &none, &self.limit);
        let moved = dense::mul(&self.exact, &step);
        let (share, spare, closed) = self.share(frame, |j| self.imbalance[j] - moved[j]);
        closed.then_some(Restore { step, share, spare })
    }

    /// The further step, in each member's own metric, after which nothing is
    /// left on any row. Through `S` it leaves no member's range of exchanges,
    /// also where several rows see the same variable. Then what limits have to
    /// spare for each member, and whether nothing is left.
    fn share(&self, frame: &Frame, left: impl Fn(usize) -> f64) -> (Vec<f64>, Vec<f64>, bool) {
        let left: Vec<f64> = (0..self.price.len())
            .map(|j| left(j) + frame.rows[j].room())
            .collect();
        let (share, left) = qp::absorb(&self.s, &self.exact, &left, &self.limit);
        let closed = frame
            .rows
            .iter()
            .zip(&left)
            .all(|(row, left)| match row.kind {
                RowKind::Equal => left.abs() <= CLOSED * row.scale,
                RowKind::AtMost => *left <= 0.5 * row.room(),
            });
        let count = touching(frame);
        let spare = (0..left.len())
            .map(|j| match frame.rows[j].kind {
                RowKind::Equal => 0.0,
                RowKind::AtMost => (-left[j] / count[j].max(1.0)).max(0.0),
            })
            .collect();
        (share, spare, closed)
    }

    /// Prices and shares for a change of the barrier parameter to `mu`.
    /// Also says whether the shares close the sums, so that predictions are
    /// allotments.
    fn point(&self, frame: &Frame, mu: f64) -> (Point, bool) {
        let (d, _) = self.step(mu);
        let price: Vec<f64> = (0..d.len())
            .map(|j| {
                let quantum = frame.rows[j].price_quantum();
                let v = ((self.price[j] + d[j]) / quantum).round() * quantum;
                if self.limit[j] { v.max(0.0) } else { v }
            })
            .collect();
        let change: Vec<f64> = price.iter().zip(&self.price).map(|(n, o)| n - o).collect();
        let moved = dense::mul(&self.exact, &change);
        let (share, spare, closed) = self.share(frame, |j| {
            self.imbalance[j] + (mu * self.rate[j] - self.offset[j]) + (self.gap[j] - moved[j])
        });
        let point = Point {
            price,
            mu,
            share,
            spare,
        };
        (point, closed)
    }
}

impl Step for Aladin {
    fn next(&mut self, frame: &Frame, call: &Call, round: RoundSums<'_>) -> Next {
        let decrement = |q: f64, mu: f64| (2.0 * q / (mu * round.weight)).sqrt();
        // The best of the points that were asked in full.
        let mut chosen: Option<Base> = None;
        for (p, registers) in round.at_point.iter().enumerate() {
            let point = &call.points[p];
            let model = Model::new(frame, registers, &point.price);
            let (_, q) = model.step(point.mu);
            let delta = decrement(q, point.mu);
            let merit = 0.1 * round.total * point.mu + q * (1.0 + delta.min(100.0));
            let base = Base {
                registers: registers.clone(),
                model,
                mu: point.mu,
                step: self.steps.get(p).copied().unwrap_or(1.0),
                decrement: delta,
                merit,
            };
            if chosen.as_ref().is_none_or(|c| merit < c.merit) {
                chosen = Some(base);
            }
        }
        let Some(chosen) = chosen else {
            unreachable!("a call asks at least one point in full")
        };
        let mut boldest = self.boldest.unwrap_or(0.05);
        let worse = self.base.as_ref().is_some_and(|b| {
            round.all_present && chosen.decrement > LOST && chosen.merit > b.merit
        });
        self.undone = if worse { self.undone + 1 } else { 0 };
        if worse && self.undone < PATIENCE {
            boldest = (boldest.max(chosen.step) * 4.0).min(0.6);
        } else {
            if self.base.is_some() && chosen.decrement < 1.0 {
                boldest = (boldest * 0.3).max(0.003);
            } else if self.base.is_some() && chosen.step < 0.5 {
                if chosen.decrement < 3.0 {
                    boldest = (boldest * 0.4).max(0.003);
                } else if chosen.decrement > 7.0 {
                    boldest = (boldest * 2.0).min(0.4);
                }
            }
            self.base = Some(chosen);
        }
        self.boldest = Some(boldest);
        let Some(base) = &self.base else {
            unreachable!("a base was just kept")
        };
        let mut pick = None;
        for s in LADDER {
            if s < boldest || (s > 1.0 && base.mu * s > 1.0) {
                continue;
            }
            let mu = (base.mu * s).max(LEAST_MU);
            let (_, q) = base.model.step(mu);
            let predicted = decrement(q, mu.max(base.mu));
            let trust = if s < 1.0 { TRUST } else { 2.0 * TRUST };
            if predicted < trust && (base.decrement < LOST || s >= 1.0) {
                pick = Some(s);
                break;
            }
        }
        let mut pick = pick.unwrap_or(1.0);
        if pick == 1.0 && base.decrement < 2.0 * TRUST && self.undone == 0 {
            pick = 0.5;
        }
        if self.undone > 1 {
            // A careful step did not help: back towards the centre first.
            let mut back = 1.0;
            for _ in 1..self.undone {
                back *= 10.0;
            }
            pick = f64::min(back, 1.0 / base.mu).max(1.0);
        }
        let second = if pick < 1.0 { pick.sqrt() } else { 0.3 };
        let steps = [pick, second, 0.1 * pick, 1.0];
        let (points, closed): (Vec<Point>, Vec<bool>) = steps
            .iter()
            .map(|s| base.model.point(frame, (base.mu * s).max(LEAST_MU)))
            .unzip();
        let restore = base.model.restore(frame);
        let usable = |recipe: &Recipe| match *recipe {
            Recipe::Alone => false,
            Recipe::Predicted { point } | Recipe::Mixed { point, .. } => closed[point],
            Recipe::Restored { point, .. } => closed[point] && restore.is_some(),
        };
        self.steps = steps.to_vec();
        Next {
            base: base.registers.clone(),
            full: 2,
            candidates: CANDIDATES.into_iter().filter(usable).collect(),
            restore,
            points,
            penalty: penalty(frame, &base.model.weight),
        }
    }

    fn boxed_clone(&self) -> Box<dyn Step> {
        Box::new(self.clone())
    }
}
