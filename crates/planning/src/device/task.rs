//! Work that can move in time: driving and science.
//!
//! `0 ≤ p_t ≤ limit · (share of the step in which it may run)`, with the total
//! `E = Σ h_t p_t` between its minimum and maximum. Its value grows with `E`
//! by ever less (see [`Model::value`]); haste costs with the square of `p_t`,
//! because motors and warm instruments lose more when they are driven hard.

use crate::device::{GIGA, KILO};
use crate::model::{Flows, Measure, Model};
use crate::scenario::Task;
use crate::time::Steps;

/// Most power in each step, in kW: the limit times the open share.
pub(crate) fn limit_kw(task: &Task, open: &[f64]) -> Vec<f64> {
    open.iter()
        .map(|o| o * task.power_limit_w.get() / KILO)
        .collect()
}

pub(crate) fn add(
    model: &mut Model,
    flows: &mut Flows,
    steps: &Steps,
    task: &Task,
    limit_kw: &[f64],
) {
    let name = task.name.as_str();
    let reach: f64 = (0..steps.len()).map(|t| limit_kw[t] * steps.hours(t)).sum();
    let (least, most) = (task.minimum_wh.get() / KILO, task.maximum_wh.get() / KILO);
    let Some(total) = model.variable(name, Measure::TaskTotal, None, (least, most)) else {
        return;
    };
    model.value(
        total,
        task.value_per_kwh.get(),
        task.value_per_kwh_at_maximum.get(),
        most,
    );
    let gbit_per_kwh = task.data_bit_per_wh.get() * KILO / GIGA;
    flows.most_data_gbit += gbit_per_kwh * reach.min(most);
    let mut sum = vec![(total, -1.0)];
    for (t, &limit) in limit_kw.iter().enumerate() {
        let h = steps.hours(t);
        let limit = limit.min(most / h);
        if let Some(p) = model.variable(name, Measure::Task, Some(t), (0.0, limit)) {
            sum.push((p, h));
            flows.power[t].terms.push((p, 1.0));
            if gbit_per_kwh > 0.0 {
                flows.data[t].terms.push((p, h * gbit_per_kwh));
            }
            model.square(p, h * task.haste_value_per_kw2_h.get());
        }
    }
    model.row((0.0, 0.0), &sum);
}
