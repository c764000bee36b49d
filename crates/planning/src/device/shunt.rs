//! A resistor that turns surplus power into heat: `0 ≤ z_t ≤ limit`, with a
//! cost that grows with its square, so that a small surplus is spread.

use crate::device::KILO;
use crate::model::{Flows, Measure, Model};
use crate::scenario::Shunt;
use crate::time::Steps;

pub(crate) fn add(model: &mut Model, flows: &mut Flows, steps: &Steps, s: &Shunt) {
    for t in 0..steps.len() {
        let limit = s.power_limit_w.get() / KILO;
        if let Some(z) = model.variable("shunt", Measure::Shunt, Some(t), (0.0, limit)) {
            flows.power[t].terms.push((z, 1.0));
            model.square(z, steps.hours(t) * s.heat_value_per_kw2_h.get());
        }
    }
}
