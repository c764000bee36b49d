//! The fold of `admm`: exchange ADMM as in the textbook (Boyd, Parikh, Chu,
//! Peleato & Eckstein, 2011, §7.3.2), with limits projected onto.
//!
//! ```text
//!     sᵢ ← argmin fᵢ + λᵀs + ½ρ|s − zᵢ|²
//!     λ⁺ ← λ + ρ (Σ s − c) / N      (at least 0 on limits)
//!     zᵢ ← sᵢ + (λ − λ⁺)/ρ
//! ```
//!
//! The penalty `ρⱼ = N / Σ Sⱼⱼ` comes from the sensitivities of round 1, one a
//! row in that row's units, and stays.

use crate::coupled::RowKind;
use crate::method::fold::{Next, RoundSums, Step, penalty, touching};
use crate::method::frame::Frame;
use crate::method::{Call, Point, Recipe};

/// The state of the method.
#[derive(Debug, Clone, Default)]
pub(crate) struct Admm {
    penalty: Vec<f64>,
}

impl Step for Admm {
    fn next(&mut self, frame: &Frame, call: &Call, round: RoundSums<'_>) -> Next {
        let registers = &round.at_point[0];
        let m = frame.rows.len();
        if self.penalty.is_empty() {
            let sums = registers.sums(frame, &call.points[0].price);
            self.penalty = penalty(frame, &sums.weight(frame));
        }
        let price = &call.points[0].price;
        let imbalance = registers.sums(frame, price).imbalance(frame);
        let members = touching(frame);
        let mut new = Vec::with_capacity(m);
        for j in 0..m {
            let quantum = frame.rows[j].price_quantum();
            let v = price[j] + self.penalty[j] * imbalance[j] / members[j];
            let v = (v / quantum).round() * quantum;
            new.push(if frame.rows[j].kind == RowKind::AtMost {
                v.max(0.0)
            } else {
                v
            });
        }
        let share: Vec<f64> = (0..m)
            .map(|j| (new[j] - price[j]) / self.penalty[j])
            .collect::<Vec<_>>();
        // Allotments must sum to the capacity to the last digit, also where
        // the price was rounded.
        let share: Vec<f64> = (0..m)
            .map(|j| {
                let needed = (imbalance[j] + frame.rows[j].room()) / members[j];
                if frame.rows[j].kind == RowKind::Equal {
                    needed
                } else {
                    share[j].max(needed)
                }
            })
            .collect();
        let spare = (0..m)
            .map(|j| {
                let needed = (imbalance[j] + frame.rows[j].room()) / members[j];
                (share[j] - needed).max(0.0)
            })
            .collect();
        Next {
            base: registers.clone(),
            points: vec![Point {
                price: new,
                mu: 1.0,
                share,
                spare,
            }],
            full: 1,
            restore: None,
            candidates: vec![
                Recipe::Predicted { point: 0 },
                Recipe::Mixed {
                    point: 0,
                    theta: 0.1,
                },
                Recipe::Mixed {
                    point: 0,
                    theta: 0.5,
                },
            ],
            penalty: self.penalty.clone(),
        }
    }

    fn boxed_clone(&self) -> Box<dyn Step> {
        Box::new(self.clone())
    }
}
