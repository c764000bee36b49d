//! An oxygen plant: the reactor's power `p_t` fills a tank `o_t` from which
//! the crew draws and from which the rest is sold at `v_t`,
//!
//! ```text
//!     o_t = o_{t−1} + h_t p_t / energy_per_kg − (h_t/24) (demand + v_t),   0 ≤ o_t ≤ tank
//!     |p_t − p_{t−1}| ≤ ramp · (h_{t−1} + h_t)/2
//! ```
//!
//! What is sold over the plan is worth ever less by the kilogram.

use crate::device::KILO;
use crate::model::{Flows, Measure, Model};
use crate::scenario::Oxygen;
use crate::time::Steps;

pub(crate) fn add(model: &mut Model, flows: &mut Flows, steps: &Steps, o: &Oxygen) {
    let n = steps.len();
    let limit = o.power_limit_w.get() / KILO;
    let per_kwh = KILO / o.energy_wh_per_kg.get();
    let sale_limit = o.sale_limit_kg_per_day.get();
    let days = steps.horizon_s() as f64 / 86_400.0;
    let total = model.variable(
        "oxygen",
        Measure::OxygenTotal,
        None,
        (0.0, sale_limit * days),
    );
    if let Some(total) = total {
        let (first, last) = (o.value_per_kg.get(), o.value_per_kg_at_limit.get());
        model.value(total, first, last, sale_limit * days);
    }
    let mut sold = Vec::new();
    let mut before: Option<(crate::model::Var, crate::model::Var)> = None;
    for t in 0..n {
        let h = steps.hours(t);
        let least = if t + 1 == n { o.final_kg.get() } else { 0.0 };
        let power = model.variable("oxygen", Measure::Reactor, Some(t), (0.0, limit));
        let tank = model.variable("oxygen", Measure::Oxygen, Some(t), (least, o.tank_kg.get()));
        let sale = model.variable("oxygen", Measure::OxygenSale, Some(t), (0.0, sale_limit));
        let (Some(power), Some(tank)) = (power, tank) else {
            continue;
        };
        let mut terms = vec![(tank, 1.0), (power, -h * per_kwh)];
        if let Some(sale) = sale {
            terms.push((sale, h / 24.0));
            sold.push((sale, h / 24.0));
        }
        let mut side = -h / 24.0 * o.demand_kg_per_day.get();
        match before {
            None => side += o.initial_kg.get(),
            Some((_, tank)) => terms.push((tank, -1.0)),
        }
        model.row((side, side), &terms);
        if let (Some(ramp), Some((earlier, _))) = (o.ramp_w_per_h, before) {
            let most = ramp.get() / KILO * (steps.hours(t - 1) + h) / 2.0;
            // A step so long that the reactor can go all the way needs no row.
            if most < limit {
                model.row((-most, most), &[(power, 1.0), (earlier, -1.0)]);
            }
        }
        before = Some((power, tank));
        flows.power[t].terms.push((power, 1.0));
        model.square(power, h * o.heat_value_per_kw2_h.get());
    }
    if let Some(total) = total {
        sold.push((total, -1.0));
        model.row((0.0, 0.0), &sold);
    }
}
