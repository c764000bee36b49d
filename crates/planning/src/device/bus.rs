//! The sum of an asset's powers, and its connection to others.
//!
//! With `b_t` drawn from the bus (negative: given to it),
//! `Σ drawn − Σ given = b_t` in every step. An asset that can give
//! more than it can draw has a port with the sign of a supplier and the value
//! `−b_t`.

use cosmosmesh_optimize::problem::Sign;

use crate::device::KILO;
use crate::model::{Flows, Measure, Model};
use crate::scenario::Bus;
use crate::time::Steps;

/// `connected` is the share of each step in which the asset is on the bus.
pub(crate) fn add(
    model: &mut Model,
    flows: &mut Flows,
    steps: &Steps,
    bus: Option<&Bus>,
    connected: &[f64],
) {
    let mut port = Vec::new();
    let supplies = bus.is_some_and(|b| b.export_limit_w.get() > b.import_limit_w.get());
    for t in 0..steps.len() {
        let mut sum = std::mem::take(&mut flows.power[t]);
        if let Some(bus) = bus {
            let (import, export) = (
                bus.import_limit_w.get() / KILO * connected[t],
                bus.export_limit_w.get() / KILO * connected[t],
            );
            let (measure, sides, sign) = if supplies {
                (Measure::Export, (-import, export), 1.0)
            } else {
                (Measure::Import, (-export, import), -1.0)
            };
            let exchange = model.variable("bus", measure, Some(t), sides);
            port.push(exchange.map(|v| (v, 1.0)).into_iter().collect());
            if let Some(v) = exchange {
                sum.terms.push((v, sign));
                model.square(v, steps.hours(t) * bus.loss_value_per_kw2_h.get());
            }
        }
        model.zero(&sum);
    }
    if bus.is_some() {
        let sign = if supplies { Sign::Supply } else { Sign::Draw };
        model.port("power", "kW", sign, port);
    }
}
