//! A downlink: `0 ≤ m_t ≤` minutes of contact in the step. A minute carries
//! `60 · rate` bits out of the recorder, costs the transmitter's power and
//! counts against the coupling that the minutes belong to.

use crate::device::relay::{gbit_per_min, kw_per_min};
use crate::model::{Flows, Measure, Model};
use crate::scenario::{Downlink, MinutesOf};
use crate::time::Steps;

pub(crate) fn add(
    model: &mut Model,
    flows: &mut Flows,
    steps: &Steps,
    d: &Downlink,
    contact_min: &[f64],
) {
    let data = gbit_per_min(d.rate_bit_per_s.get());
    for (t, &most) in contact_min.iter().enumerate() {
        let name = d.name.as_str();
        let Some(m) = model.variable(name, Measure::Minutes, Some(t), (0.0, most)) else {
            continue;
        };
        match d.minutes {
            MinutesOf::Relay => flows.relay[t].push((m, 1.0)),
            MinutesOf::Antenna => flows.antenna[t].push((m, 1.0)),
        }
        let power = kw_per_min(steps, t, d.power_w.get());
        if power > 0.0 {
            flows.power[t].terms.push((m, power));
        }
        let whole = steps.minutes(t);
        let price = d.duty_value_per_h.get() * steps.hours(t);
        model.square(m, price / (whole * whole));
        flows.data[t].terms.push((m, -data));
        flows.returned[t].terms.push((m, data));
    }
}
