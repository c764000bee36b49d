//! A recorder: what comes in less what goes out stays,
//!
//! ```text
//!     b_t = b_{t−1} + in_t − returned_t − lost_t,   0 ≤ b_t ≤ capacity,   b_T ≤ final
//! ```
//!
//! all in Gbit. What is lost by overwriting is a variable with a price, so
//! that a full recorder never makes a plan infeasible. What is returned over
//! the plan is worth ever less by the gigabit.

use crate::device::GIGA;
use crate::model::{Flows, Measure, Model};
use crate::scenario::Recorder;
use crate::time::Steps;

pub(crate) fn add(model: &mut Model, flows: &mut Flows, steps: &Steps, r: &Recorder) {
    let n = steps.len();
    let capacity = r.capacity_bit.get() / GIGA;
    let last = r.final_bit.get() / GIGA;
    let housekeeping = r.housekeeping_bit_per_s.get() / GIGA;
    for t in 0..n {
        flows.data[t].constant += housekeeping * steps.seconds(t);
    }
    let initial = r.initial_bit.get() / GIGA;
    let all = initial + flows.most_data_gbit + housekeeping * steps.horizon_s() as f64;
    let total = model.variable("recorder", Measure::ReturnedTotal, None, (0.0, all));
    if let Some(total) = total {
        let (first, at_all) = (r.value_per_gbit.get(), r.value_per_gbit_at_all.get());
        model.value(total, first, at_all, all);
        let mut sum = vec![(total, -1.0)];
        for t in 0..n {
            sum.extend_from_slice(&flows.returned[t].terms);
        }
        model.row((0.0, 0.0), &sum);
    }
    let mut before = None;
    for t in 0..n {
        let most = if t + 1 == n {
            last.min(capacity)
        } else {
            capacity
        };
        let held = model.variable("recorder", Measure::Recorded, Some(t), (0.0, most));
        let mut sum = std::mem::take(&mut flows.data[t]);
        let held_before = if t + 1 == n { capacity - most } else { 0.0 };
        let most_lost = model.largest(&sum) + held_before;
        let lost = model.variable("recorder", Measure::Lost, Some(t), (0.0, most_lost));
        if let Some(held) = held {
            sum.terms.push((held, -1.0));
            model.cost(
                held,
                r.wait_value_per_gbit_day.get() * steps.hours(t) / 24.0,
            );
        }
        match before {
            None if t == 0 => sum.constant += initial,
            None => {}
            Some(earlier) => sum.terms.push((earlier, 1.0)),
        }
        if let Some(lost) = lost {
            sum.terms.push((lost, -1.0));
            model.cost(lost, r.loss_value_per_gbit.get());
        }
        model.zero(&sum);
        before = held;
    }
}
