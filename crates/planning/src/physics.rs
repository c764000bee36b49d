//! Independent re-simulation of schedules: what would really happen.
//!
//! Nothing here reads a problem, its rows or its variables. The series of a
//! schedule are taken as commands and run through the devices as the scenario
//! describes them, second by second where that matters; what the schedule says
//! of states, limits and sums is held against it. A mistake in a formulation
//! and a mistake here would have to agree to go unseen.

use serde::Serialize;

use crate::mission::{AssetModel, Mission};
use crate::model::Measure;
use crate::scenario::{CouplingKind, MinutesOf, Resource};
use crate::schedule::{Report, Schedule};
use crate::time::Span;

/// How far a plan is from what would happen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Residual {
    /// The worst residual, relative to the size of what it is a residual of:
    /// a capacity, a limit, the largest flow.
    pub max: f64,
    /// Where: asset, device, what was checked, step.
    pub at: Option<Place>,
}

/// Where a residual was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Place {
    /// The asset or contract.
    pub of: String,
    /// What was checked.
    pub check: &'static str,
    /// The step.
    pub step: usize,
}

struct Worst<'a> {
    of: &'a str,
    residual: &'a mut Residual,
}

impl Worst<'_> {
    /// `error` of something whose size is `scale`.
    fn note(&mut self, check: &'static str, step: usize, error: f64, scale: f64) {
        let relative = error.max(0.0) / scale.abs().max(1e-6);
        let relative = if error.is_nan() {
            f64::INFINITY
        } else {
            relative
        };
        if relative > self.residual.max {
            self.residual.max = relative;
            self.residual.at = Some(Place {
                of: self.of.to_owned(),
                check,
                step,
            });
        }
    }

    /// Each value lies within `0..=limit(t)`.
    fn within(&mut self, check: &'static str, values: &[f64], limit: impl Fn(usize) -> f64) {
        let scale = (0..values.len()).map(&limit).fold(0.0, f64::max);
        for (t, &v) in values.iter().enumerate() {
            self.note(check, t, (v - limit(t)).max(-v), scale);
        }
    }
}

impl Mission {
    /// Re-simulates every schedule of a report and every contract between
    /// them.
    pub fn physical_residual(&self, report: &Report) -> Residual {
        let mut residual = Residual { max: 0.0, at: None };
        for (asset, schedule) in self.assets.iter().zip(&report.schedules) {
            let mut worst = Worst {
                of: asset.id.as_str(),
                residual: &mut residual,
            };
            simulate(self, asset, schedule, &mut worst);
        }
        for contract in &self.contracts {
            let mut worst = Worst {
                of: contract.id.as_str(),
                residual: &mut residual,
            };
            for t in 0..self.steps.len() {
                let mut drawn = 0.0;
                let mut size: f64 = contract.capacity[t].abs();
                for s in report
                    .schedules
                    .iter()
                    .filter(|s| contract.members.contains(&s.asset))
                {
                    let v = self.exchange(s, contract.resource, t);
                    drawn += v;
                    size = size.max(v.abs());
                }
                let excess = drawn - contract.capacity[t];
                let error = match contract.kind {
                    CouplingKind::Balance => excess.abs(),
                    CouplingKind::Capacity => excess,
                };
                worst.note("contract", t, error, size.max(1e-3));
            }
        }
        residual
    }

    /// What a schedule takes from a resource in a step, in the resource's
    /// unit.
    fn exchange(&self, schedule: &Schedule, resource: Resource, t: usize) -> f64 {
        let Some(asset) = self.asset(&schedule.asset) else {
            return 0.0;
        };
        let value = |device: &str, measure| schedule.values(device, measure).map_or(0.0, |v| v[t]);
        let minutes = |of: MinutesOf| -> f64 {
            let downlinks = asset.asset.downlink.iter().filter(|d| d.minutes == of);
            downlinks
                .map(|d| value(d.name.as_str(), Measure::Minutes))
                .sum()
        };
        match resource {
            Resource::Power => value("bus", Measure::Import),
            Resource::Relay => minutes(MinutesOf::Relay) + value("relay", Measure::Kept),
            Resource::Antenna => minutes(MinutesOf::Antenna),
        }
    }
}

/// Seconds that a step and the spans have in common.
fn overlap_s(spans: &[Span], from_s: i64, to_s: i64) -> f64 {
    let mut covered = 0;
    let mut at = from_s;
    for s in spans {
        let (a, b) = (s.from_s.max(at), s.to_s.min(to_s));
        if b > a {
            covered += b - a;
            at = b;
        }
    }
    covered as f64
}

fn simulate(mission: &Mission, model: &AssetModel, schedule: &Schedule, worst: &mut Worst<'_>) {
    let edges = mission.steps.edges_s();
    let n = edges.len() - 1;
    let a = &model.asset;
    let none = vec![0.0; n];
    let get = |device: &str, measure| schedule.values(device, measure).unwrap_or(&none);
    let hours = |t: usize| (edges[t + 1] - edges[t]) as f64 / 3600.0;
    let mut balance = vec![0.0; n];
    let mut largest = vec![1e-3_f64; n];
    let mut draw = |values: &[f64], sign: f64| {
        for t in 0..n {
            balance[t] += sign * values[t];
            largest[t] = largest[t].max(values[t].abs());
        }
    };

    if let Some(b) = &a.battery {
        let (charge, discharge) = (
            get("battery", Measure::Charge),
            get("battery", Measure::Discharge),
        );
        let stored = get("battery", Measure::Stored);
        draw(charge, 1.0);
        draw(discharge, -1.0);
        worst.within("charge limit", charge, |_| b.charge_limit_w.get() / 1e3);
        worst.within("discharge limit", discharge, |_| {
            b.discharge_limit_w.get() / 1e3
        });
        let capacity = b.capacity_wh.get() / 1e3;
        let mut energy = b.initial_wh.get() / 1e3;
        for t in 0..n {
            energy += charge[t] * b.charge_efficiency.get() * hours(t);
            energy -= discharge[t] / b.discharge_efficiency.get() * hours(t);
            worst.note("state of charge", t, (energy - stored[t]).abs(), capacity);
            worst.note("battery full", t, energy - capacity, capacity);
            worst.note(
                "battery reserve",
                t,
                b.reserve_wh.get() / 1e3 - energy,
                capacity,
            );
        }
        worst.note(
            "final charge",
            n - 1,
            b.final_wh.get() / 1e3 - energy,
            capacity,
        );
    }
    if let Some(s) = &a.solar {
        let used = get("solar", Measure::Generation);
        draw(used, -1.0);
        worst.within("sunlight", used, |t| {
            let share = match a.light.as_ref().and_then(|l| l.profile.as_ref()) {
                Some(_) => model.facts.light.share[t],
                None => {
                    1.0 - overlap_s(&schedule.dark, edges[t], edges[t + 1]) / (hours(t) * 3600.0)
                }
            };
            let days = (edges[t] as f64 + edges[t + 1] as f64) / 172_800.0;
            let dust = (days * (1.0 - s.dust_loss_per_day.get()).ln()).exp();
            s.power_w.get() / 1e3 * share * dust
        });
    }
    if let Some(s) = &a.shunt {
        let heat = get("shunt", Measure::Shunt);
        draw(heat, 1.0);
        worst.within("shunt limit", heat, |_| s.power_limit_w.get() / 1e3);
    }
    for load in &a.load {
        let served = get(load.name.as_str(), Measure::Load);
        draw(served, 1.0);
        for t in 0..n {
            let dark = 1.0 - model.facts.light.share[t];
            let asked = (load.power_w.get() + load.dark_extra_w.get() * dark) / 1e3;
            let kept = asked * (1.0 - load.shed_share.get());
            worst.note("load kept", t, kept - served[t], asked.max(1e-3));
            worst.note("load served", t, served[t] - asked, asked.max(1e-3));
            let shed = get(load.name.as_str(), Measure::Shed)[t];
            worst.note(
                "load shed",
                t,
                (asked - shed - served[t]).abs(),
                asked.max(1e-3),
            );
        }
    }
    let mut data = vec![0.0; n];
    for task in &a.task {
        let power = get(task.name.as_str(), Measure::Task);
        draw(power, 1.0);
        let mut total = 0.0;
        for t in 0..n {
            let second = |h: f64| (h * 3600.0).round() as i64;
            let open: Vec<Span> = if task.window.is_empty() {
                vec![Span {
                    from_s: edges[0],
                    to_s: edges[n],
                }]
            } else {
                let span = |w: &crate::scenario::HourWindow| Span {
                    from_s: second(w.from_h.get()),
                    to_s: second(w.to_h.get()),
                };
                task.window.iter().map(|w| span(w)).collect()
            };
            let mut share = overlap_s(&open, edges[t], edges[t + 1]) / (hours(t) * 3600.0);
            if task.in_light_only {
                share = share.min(model.facts.light.share[t]);
            }
            let limit = task.power_limit_w.get() / 1e3;
            worst.note(
                "task limit",
                t,
                (power[t] - limit * share).max(-power[t]),
                limit,
            );
            total += power[t] * hours(t);
            data[t] += power[t] * hours(t) * 1e3 * task.data_bit_per_wh.get();
        }
        let most = task.maximum_wh.get() / 1e3;
        worst.note("task total", n - 1, total - most, most);
        worst.note(
            "task minimum",
            n - 1,
            task.minimum_wh.get() / 1e3 - total,
            most,
        );
    }
    if let Some(o) = &a.oxygen {
        let (power, sale) = (
            get("oxygen", Measure::Reactor),
            get("oxygen", Measure::OxygenSale),
        );
        let held = get("oxygen", Measure::Oxygen);
        draw(power, 1.0);
        worst.within("reactor limit", power, |_| o.power_limit_w.get() / 1e3);
        worst.within("sale limit", sale, |_| o.sale_limit_kg_per_day.get());
        let tank = o.tank_kg.get();
        let mut kg = o.initial_kg.get();
        for t in 0..n {
            kg += power[t] * 1e3 * hours(t) / o.energy_wh_per_kg.get();
            kg -= (sale[t] + o.demand_kg_per_day.get()) * hours(t) / 24.0;
            worst.note("oxygen stock", t, (kg - held[t]).abs(), tank);
            worst.note("oxygen tank", t, (kg - tank).max(-kg), tank);
            if let (Some(ramp), true) = (o.ramp_w_per_h, t > 0) {
                let most = ramp.get() / 1e3 * (hours(t) + hours(t - 1)) / 2.0;
                let step = (power[t] - power[t - 1]).abs();
                worst.note("reactor ramp", t, step - most, o.power_limit_w.get() / 1e3);
            }
        }
        worst.note("oxygen at the end", n - 1, o.final_kg.get() - kg, tank);
    }
    for (k, d) in a.downlink.iter().enumerate() {
        let minutes = get(d.name.as_str(), Measure::Minutes);
        for t in 0..n {
            let contact = overlap_s(&schedule.contact[k].1, edges[t], edges[t + 1]) / 60.0;
            let over = (minutes[t] - contact).max(-minutes[t]);
            worst.note("contact window", t, over, hours(t) * 60.0);
            data[t] -= minutes[t] * 60.0 * d.rate_bit_per_s.get();
        }
        let power: Vec<f64> = (0..n)
            .map(|t| minutes[t] / 60.0 * d.power_w.get() / 1e3 / hours(t))
            .collect();
        draw(&power, 1.0);
    }
    if let Some(r) = &a.relay {
        let served = get("relay", Measure::Served);
        let power: Vec<f64> = (0..n)
            .map(|t| served[t] / 60.0 * r.power_w.get() / 1e3 / hours(t))
            .collect();
        draw(&power, 1.0);
        for t in 0..n {
            data[t] += served[t] * 60.0 * r.rate_bit_per_s.get();
            worst.note("relay service", t, -served[t], hours(t) * 60.0);
            let kept = get("relay", Measure::Kept)[t];
            let all = model.facts.relay_min[t];
            worst.note(
                "relay minutes",
                t,
                (kept + served[t] - all).abs(),
                hours(t) * 60.0,
            );
        }
    }
    if let Some(r) = &a.recorder {
        let (held, lost) = (
            get("recorder", Measure::Recorded),
            get("recorder", Measure::Lost),
        );
        let capacity = r.capacity_bit.get();
        let mut bits = r.initial_bit.get();
        for t in 0..n {
            bits += data[t] + r.housekeeping_bit_per_s.get() * hours(t) * 3600.0 - lost[t] * 1e9;
            worst.note("recorder", t, (bits - held[t] * 1e9).abs(), capacity);
            worst.note("recorder full", t, (bits - capacity).max(-bits), capacity);
            worst.note("negative loss", t, -lost[t] * 1e9, capacity);
        }
        worst.note(
            "recorder at the end",
            n - 1,
            bits - r.final_bit.get(),
            capacity,
        );
    }
    if let Some(bus) = &a.bus {
        let import = get("bus", Measure::Import);
        draw(import, -1.0);
        let (most, least) = (
            bus.import_limit_w.get() / 1e3,
            -bus.export_limit_w.get() / 1e3,
        );
        for t in 0..n {
            let over = (import[t] - most).max(least - import[t]);
            worst.note("bus limit", t, over, most.max(-least));
        }
    }
    for t in 0..n {
        worst.note("power balance", t, balance[t].abs(), largest[t]);
    }
}
