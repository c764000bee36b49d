//! A load that runs at all times: `demand_t = power + extra · dark_t`, of
//! which `0 ≤ s_t ≤ share · demand_t` may be shed at a price. A load with no
//! share to shed is kept whatever it costs: if that cannot be done, the plan
//! is infeasible and says so.

use crate::device::KILO;
use crate::model::{Flows, Measure, Model};
use crate::scenario::Load;
use crate::time::Steps;

/// What the load asks for in each step, in kW.
pub(crate) fn demand_kw(light: &[f64], load: &Load) -> Vec<f64> {
    light
        .iter()
        .map(|lit| (load.power_w.get() + load.dark_extra_w.get() * (1.0 - lit)) / KILO)
        .collect()
}

pub(crate) fn add(
    model: &mut Model,
    flows: &mut Flows,
    steps: &Steps,
    load: &Load,
    demand_kw: &[f64],
) {
    let price = load.shed_value_per_kwh.get();
    for (t, &demand) in demand_kw.iter().enumerate() {
        flows.power[t].constant += demand;
        let most = load.shed_share.get() * demand;
        let shed = model.variable(load.name.as_str(), Measure::Shed, Some(t), (0.0, most));
        if let Some(s) = shed {
            flows.power[t].terms.push((s, -1.0));
            // The last watt that is shed hurts twice as much as the first.
            let h = steps.hours(t);
            model.cost(s, h * price);
            model.square(s, h * price / (2.0 * most));
        }
    }
}
