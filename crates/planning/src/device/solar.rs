//! A solar array: `0 ≤ g_t ≤ P · light_t · (1 − dust)^day`, the rest is
//! curtailed at no cost. `light_t` is the share of full sun in the step: night,
//! eclipse and terrain take theirs.

use crate::device::KILO;
use crate::model::{Flows, Measure, Model};
use crate::scenario::Solar;
use crate::time::Steps;

/// What the array can give in each step, in kW.
pub(crate) fn available_kw(steps: &Steps, light: &[f64], s: &Solar) -> Vec<f64> {
    let clean = 1.0 - s.dust_loss_per_day.get();
    (0..steps.len())
        .map(|t| s.power_w.get() / KILO * light[t] * clean.powf(steps.middle_day(t)))
        .collect()
}

pub(crate) fn add(model: &mut Model, flows: &mut Flows, available_kw: &[f64]) {
    for (t, &available) in available_kw.iter().enumerate() {
        if let Some(g) = model.variable("solar", Measure::Generation, Some(t), (0.0, available)) {
            flows.power[t].terms.push((g, -1.0));
        }
    }
}
