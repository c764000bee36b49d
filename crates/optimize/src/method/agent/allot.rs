//! From the fold's recipes to the member's own numbers: what it would exchange at a
//! point, and the allotment of a candidate in whole quanta.

use super::{Agent, AgentError};
use crate::coupled::RowKind;
use crate::dense;
use crate::method::fixed::{self, Round, to_quanta};
use crate::method::{Call, Recipe};

impl Agent {
    /// The exchange that the member's counted reply predicts at a point: the
    /// predictions of all members sum to the capacity, or less on limits. It is
    /// the centre of the proximal term.
    pub(super) fn predicted(&self, call: &Call, point: usize) -> Option<Vec<f64>> {
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

    pub(super) fn make_allotment(
        &self,
        call: &Call,
        recipe: Recipe,
    ) -> Result<Option<Vec<i64>>, AgentError> {
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
}
