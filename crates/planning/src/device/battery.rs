//! A battery with losses and a reserve.
//!
//! With `c ≥ 0` going in, `d ≥ 0` coming out (kW) and `e` held at the end of a
//! step (kWh),
//!
//! ```text
//!     e_t = e_{t−1} + h_t (η_c c_t − d_t / η_d),   reserve ≤ e_t ≤ capacity,   e_T ≥ final
//! ```
//!
//! Nothing forbids `c_t > 0` and `d_t > 0` at once: that would need an
//! integer. It is never worth while where power has a price `λ ≥ 0`: taking
//! `δ` off `d` and `η_c η_d δ` off `c` leaves `e` as it is, saves the wear and
//! the cycling cost, and the bus loses only `(1 − η_c η_d) δ` of what was
//! burnt, worth `λ (1 − η_c η_d) δ ≥ 0` to nobody but the heater that the
//! battery was used as. Where a price falls below zero (a surplus that no
//! shunt takes) the relaxation may burn power in the battery; the schedule
//! shows it as `burnt_kwh`.

use crate::device::KILO;
use crate::model::{Flows, Measure, Model};
use crate::scenario::Battery;
use crate::time::Steps;

pub(crate) fn add(model: &mut Model, flows: &mut Flows, steps: &Steps, b: &Battery) {
    let capacity = b.capacity_wh.get() / KILO;
    let reserve = b.reserve_wh.get() / KILO;
    let initial = b.initial_wh.get() / KILO;
    let last = b.final_wh.get() / KILO;
    let (into, out) = (b.charge_efficiency.get(), b.discharge_efficiency.get());
    let mut before = None;
    for t in 0..steps.len() {
        let h = steps.hours(t);
        // What a step of this length can move at most keeps the boxes tight.
        let room = capacity - reserve;
        let charge_limit = (b.charge_limit_w.get() / KILO).min(room / (h * into));
        let discharge_limit = (b.discharge_limit_w.get() / KILO).min(room * out / h);
        let least = if t + 1 == steps.len() { last } else { reserve };
        let charge = model.variable("battery", Measure::Charge, Some(t), (0.0, charge_limit));
        let discharge = model.variable(
            "battery",
            Measure::Discharge,
            Some(t),
            (0.0, discharge_limit),
        );
        let stored = model.variable("battery", Measure::Stored, Some(t), (least, capacity));
        let (Some(charge), Some(discharge), Some(stored)) = (charge, discharge, stored) else {
            continue;
        };
        let mut terms = vec![(stored, 1.0), (charge, -h * into), (discharge, h / out)];
        let side = match before {
            None => initial,
            Some(earlier) => {
                terms.push((earlier, -1.0));
                0.0
            }
        };
        model.row((side, side), &terms);
        before = Some(stored);
        flows.power[t]
            .terms
            .extend([(charge, 1.0), (discharge, -1.0)]);
        model.cost(discharge, h * b.wear_value_per_kwh.get());
        let cycling = h * b.cycling_value_per_kw2_h.get();
        model.square(charge, cycling);
        model.square(discharge, cycling);
    }
}
