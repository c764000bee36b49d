//! Relay service. A relay's contract shares out the minutes in which it can be
//! reached; the relay keeps `w_t` of them, the others have the right to
//! `r_t = capacity_t − w_t`. It must be ready for all of these: its receiver
//! runs for `r_t` and its recorder takes what comes in. Keeping minutes has a
//! value that falls as more are kept, because they let it do work of its own.

use crate::device::{GIGA, KILO};
use crate::model::{Flows, Measure, Model};
use crate::scenario::Relay;
use crate::time::Steps;

/// Power of the receiver, in kW over the step, for each minute served.
pub(crate) fn kw_per_min(steps: &Steps, t: usize, power_w: f64) -> f64 {
    power_w / KILO / steps.minutes(t)
}

/// Gigabits in a minute at this rate.
pub(crate) fn gbit_per_min(rate_bit_per_s: f64) -> f64 {
    rate_bit_per_s * 60.0 / GIGA
}

pub(crate) fn add(
    model: &mut Model,
    flows: &mut Flows,
    steps: &Steps,
    relay: &Relay,
    capacity_min: &[f64],
) {
    let data = gbit_per_min(relay.rate_bit_per_s.get());
    for (t, &capacity) in capacity_min.iter().enumerate() {
        let Some(kept) = model.variable("relay", Measure::Kept, Some(t), (0.0, capacity)) else {
            continue;
        };
        flows.relay[t].push((kept, 1.0));
        let power = kw_per_min(steps, t, relay.power_w.get());
        flows.power[t].constant += power * capacity;
        flows.power[t].terms.push((kept, -power));
        flows.data[t].constant += data * capacity;
        flows.data[t].terms.push((kept, -data));
        flows.most_data_gbit += data * capacity;
        let (first, last) = (
            relay.keep_value_per_min.get(),
            relay.keep_value_per_min_at_all.get(),
        );
        model.value(kept, first, last, capacity);
    }
}
