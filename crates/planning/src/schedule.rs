//! From a solution to schedules and key figures.

use std::collections::BTreeMap;

use cosmosmesh_optimize::problem::Name;
use serde::{Deserialize, Serialize};

use crate::mission::{AssetModel, Mission};
use crate::model::Measure;
use crate::scenario::{Kind, TaskKind};
use crate::time::{Span, Steps};

/// One quantity of one device over the steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The device, as the scenario names it.
    pub device: String,
    /// What is measured.
    pub measure: Measure,
    /// The unit of the values.
    pub unit: String,
    /// One value a step: the mean of a power, the sum of minutes or losses,
    /// the state at the end.
    pub values: Vec<f64>,
}

/// What one asset does, step by step. Its owner's own business, except what it
/// chooses to show.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Schedule {
    /// The asset.
    pub asset: Name,
    /// What it is.
    pub kind: Kind,
    /// Who owns it.
    pub owner: String,
    /// Its series, by device and measure.
    pub series: Vec<Series>,
    /// Night, eclipse and shadow.
    pub dark: Vec<Span>,
    /// The spans of contact, by downlink.
    pub contact: Vec<(String, Vec<Span>)>,
}

impl Schedule {
    /// The values of one series, if there is one.
    pub fn values(&self, device: &str, measure: Measure) -> Option<&[f64]> {
        self.series
            .iter()
            .find(|s| s.device == device && s.measure == measure)
            .map(|s| s.values.as_slice())
    }
}

/// Key figures of one asset, or of all together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Kpis {
    /// The cost of the plan: what it spends less what it is worth, in the
    /// mission's value unit.
    pub cost_value: f64,
    /// Energy that loads and work got, kWh.
    pub served_kwh: f64,
    /// Energy of loads that was shed, kWh.
    pub unserved_kwh: f64,
    /// Energy of driving, kWh.
    pub driving_kwh: f64,
    /// Energy of science, kWh.
    pub science_kwh: f64,
    /// Solar energy that was used, kWh.
    pub generated_kwh: f64,
    /// Solar energy that was not used, kWh.
    pub curtailed_kwh: f64,
    /// Energy that batteries lost, kWh.
    pub battery_loss_kwh: f64,
    /// Energy that went into a battery while it was being drawn, kWh: 0 where
    /// the relaxation of the battery is exact.
    pub burnt_kwh: f64,
    /// Energy drawn from the bus less what was given to it, kWh.
    pub net_import_kwh: f64,
    /// Least share of its capacity that a battery held, from 0 to 1; none
    /// without a battery.
    pub least_charge: Option<f64>,
    /// Oxygen sold, kg.
    pub oxygen_kg: f64,
    /// Data returned, Gbit. A relay's returns count its own, not its clients'.
    pub returned_gbit: f64,
    /// Data lost by overwriting, Gbit.
    pub lost_gbit: f64,
    /// Minutes of relays used, min.
    pub relay_min: f64,
    /// Minutes of antennas used, min.
    pub antenna_min: f64,
}

impl Kpis {
    /// Adds another asset's figures.
    pub fn add(&mut self, other: &Self) {
        self.cost_value += other.cost_value;
        self.served_kwh += other.served_kwh;
        self.unserved_kwh += other.unserved_kwh;
        self.driving_kwh += other.driving_kwh;
        self.science_kwh += other.science_kwh;
        self.generated_kwh += other.generated_kwh;
        self.curtailed_kwh += other.curtailed_kwh;
        self.battery_loss_kwh += other.battery_loss_kwh;
        self.burnt_kwh += other.burnt_kwh;
        self.net_import_kwh += other.net_import_kwh;
        self.least_charge = match (self.least_charge, other.least_charge) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.oxygen_kg += other.oxygen_kg;
        self.returned_gbit += other.returned_gbit;
        self.lost_gbit += other.lost_gbit;
        self.relay_min += other.relay_min;
        self.antenna_min += other.antenna_min;
    }
}

impl AssetModel {
    /// What the variables of a solution say, as series: those of the problem,
    /// those that could not move (all 0), and those that follow from them.
    ///
    /// # Panics
    ///
    /// If `x` is not as long as the problem has variables.
    pub fn schedule(&self, steps: &Steps, x: &[f64]) -> Schedule {
        assert_eq!(x.len(), self.labels.len(), "one value a variable");
        let n = steps.len();
        let mut series: BTreeMap<(String, Measure), Vec<f64>> = BTreeMap::new();
        for (device, measure) in self.expected() {
            series.insert((device, measure), vec![0.0; n]);
        }
        for (label, &value) in self.labels.iter().zip(x) {
            let key = (label.device.clone(), label.measure);
            if let Some(t) = label.step {
                series.entry(key).or_insert_with(|| vec![0.0; n])[t as usize] = value;
            }
        }
        self.derive(steps, &mut series);
        Schedule {
            asset: self.id.clone(),
            kind: self.kind,
            owner: self.owner.clone(),
            series: series
                .into_iter()
                .map(|((device, measure), values)| Series {
                    device,
                    measure,
                    unit: measure.unit().to_owned(),
                    values,
                })
                .collect(),
            dark: self.facts.light.dark.clone(),
            contact: self
                .asset
                .downlink
                .iter()
                .zip(&self.facts.contact)
                .map(|(d, spans)| (d.name.to_string(), spans.clone()))
                .collect(),
        }
    }

    /// The series that the asset's devices have even where nothing can move.
    fn expected(&self) -> Vec<(String, Measure)> {
        let a = &self.asset;
        let mut all = Vec::new();
        let mut add = |device: &str, measures: &[Measure]| {
            all.extend(measures.iter().map(|&m| (device.to_owned(), m)));
        };
        if a.battery.is_some() {
            add(
                "battery",
                &[Measure::Charge, Measure::Discharge, Measure::Stored],
            );
        }
        if a.solar.is_some() {
            add("solar", &[Measure::Generation, Measure::Available]);
        }
        if a.shunt.is_some() {
            add("shunt", &[Measure::Shunt]);
        }
        for load in &a.load {
            add(load.name.as_str(), &[Measure::Load, Measure::Shed]);
        }
        for task in &a.task {
            add(task.name.as_str(), &[Measure::Task]);
        }
        if a.oxygen.is_some() {
            add(
                "oxygen",
                &[Measure::Reactor, Measure::Oxygen, Measure::OxygenSale],
            );
        }
        if a.recorder.is_some() {
            add("recorder", &[Measure::Recorded, Measure::Lost]);
        }
        for d in &a.downlink {
            add(d.name.as_str(), &[Measure::Minutes, Measure::Radio]);
        }
        if a.relay.is_some() {
            add("relay", &[Measure::Kept, Measure::Served, Measure::Radio]);
        }
        if a.bus.is_some() {
            add("bus", &[Measure::Import]);
        }
        all
    }

    fn derive(&self, steps: &Steps, series: &mut BTreeMap<(String, Measure), Vec<f64>>) {
        let a = &self.asset;
        let key = |device: &str, measure| (device.to_owned(), measure);
        if a.solar.is_some() {
            series.insert(
                key("solar", Measure::Available),
                self.facts.available_kw.clone(),
            );
        }
        for (load, demand) in a.load.iter().zip(&self.facts.demand_kw) {
            let shed = &series[&key(load.name.as_str(), Measure::Shed)];
            let served = demand.iter().zip(shed).map(|(d, s)| d - s).collect();
            series.insert(key(load.name.as_str(), Measure::Load), served);
        }
        for d in &a.downlink {
            let minutes = &series[&key(d.name.as_str(), Measure::Minutes)];
            let power = (0..steps.len())
                .map(|t| d.power_w.get() / 1e3 * minutes[t] / steps.minutes(t))
                .collect();
            series.insert(key(d.name.as_str(), Measure::Radio), power);
        }
        if let Some(relay) = &a.relay {
            let kept = &series[&key("relay", Measure::Kept)];
            let served: Vec<f64> = self
                .facts
                .relay_min
                .iter()
                .zip(kept)
                .map(|(c, k)| c - k)
                .collect();
            let power = (0..steps.len())
                .map(|t| relay.power_w.get() / 1e3 * served[t] / steps.minutes(t))
                .collect();
            series.insert(key("relay", Measure::Served), served);
            series.insert(key("relay", Measure::Radio), power);
        }
        if let Some(export) = series.remove(&key("bus", Measure::Export)) {
            let import = export.iter().map(|e| 0.0 - e).collect();
            series.insert(key("bus", Measure::Import), import);
        }
    }

    /// The key figures of a schedule that costs `cost_value`.
    pub fn kpis(&self, steps: &Steps, schedule: &Schedule, cost_value: f64) -> Kpis {
        let energy = |measure: Measure| -> f64 {
            let of = schedule.series.iter().filter(|s| s.measure == measure);
            of.map(|s| sum(&s.values, |t| steps.hours(t))).sum()
        };
        let plain = |measure: Measure| -> f64 {
            let of = schedule.series.iter().filter(|s| s.measure == measure);
            of.map(|s| s.values.iter().sum::<f64>()).sum()
        };
        let task = |kind: TaskKind| -> f64 {
            let of = self.asset.task.iter().filter(|t| t.kind == kind);
            of.filter_map(|t| schedule.values(t.name.as_str(), Measure::Task))
                .map(|v| sum(v, |t| steps.hours(t)))
                .sum()
        };
        let minutes = |minutes| -> f64 {
            let of = self.asset.downlink.iter().filter(|d| d.minutes == minutes);
            of.filter_map(|d| schedule.values(d.name.as_str(), Measure::Minutes))
                .map(|v| v.iter().sum::<f64>())
                .sum()
        };
        let returned: f64 = self
            .asset
            .downlink
            .iter()
            .filter_map(|d| {
                let minutes = schedule.values(d.name.as_str(), Measure::Minutes)?;
                Some(minutes.iter().sum::<f64>() * d.rate_bit_per_s.get() * 60.0 / 1e9)
            })
            .sum();
        let for_others = self.asset.relay.as_ref().map_or(0.0, |r| {
            plain(Measure::Served) * r.rate_bit_per_s.get() * 60.0 / 1e9
        });
        let (generated, available) = (energy(Measure::Generation), energy(Measure::Available));
        let mut kpis = Kpis {
            cost_value,
            served_kwh: energy(Measure::Load)
                + energy(Measure::Task)
                + energy(Measure::Reactor)
                + energy(Measure::Radio),
            unserved_kwh: energy(Measure::Shed),
            driving_kwh: task(TaskKind::Driving),
            science_kwh: task(TaskKind::Science),
            generated_kwh: generated,
            curtailed_kwh: available - generated,
            net_import_kwh: energy(Measure::Import),
            oxygen_kg: energy(Measure::OxygenSale) / 24.0,
            returned_gbit: (returned - for_others).max(0.0),
            lost_gbit: plain(Measure::Lost),
            relay_min: minutes(crate::scenario::MinutesOf::Relay),
            antenna_min: minutes(crate::scenario::MinutesOf::Antenna),
            ..Kpis::default()
        };
        self.battery_kpis(steps, schedule, &mut kpis);
        kpis
    }

    fn battery_kpis(&self, steps: &Steps, schedule: &Schedule, kpis: &mut Kpis) {
        let series = |measure| schedule.values("battery", measure);
        if let (Some(b), Some(charge), Some(discharge), Some(stored)) = (
            &self.asset.battery,
            series(Measure::Charge),
            series(Measure::Discharge),
            series(Measure::Stored),
        ) {
            let (into, out) = (b.charge_efficiency.get(), b.discharge_efficiency.get());
            for t in 0..steps.len() {
                let (h, c, d) = (steps.hours(t), charge[t], discharge[t]);
                kpis.battery_loss_kwh += h * (c * (1.0 - into) + d * (1.0 / out - 1.0));
                kpis.burnt_kwh += h * c.min(d).max(0.0);
            }
            let least = stored.iter().fold(f64::INFINITY, |m, &e| m.min(e));
            kpis.least_charge = Some(least * 1e3 / b.capacity_wh.get());
        }
    }
}

fn sum(values: &[f64], weight: impl Fn(usize) -> f64) -> f64 {
    values.iter().enumerate().map(|(t, v)| v * weight(t)).sum()
}

/// What all assets do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What costs are counted in.
    pub value_unit: String,
    /// Edges of the steps in seconds from the start: one more than steps.
    pub edges_s: Vec<i64>,
    /// One for each asset, by name.
    pub schedules: Vec<Schedule>,
    /// The key figures of each asset.
    pub kpis: Vec<(Name, Kpis)>,
    /// Those of all together. Relay minutes are the clients', antenna minutes
    /// everybody's.
    pub total: Kpis,
}

impl Mission {
    /// Schedules and key figures of a solution: the variables of each asset,
    /// in the order of [`Mission::assets`].
    ///
    /// # Panics
    ///
    /// If the solution does not fit the problems.
    pub fn report(&self, solution: &[Vec<f64>]) -> Report {
        assert_eq!(solution.len(), self.assets.len(), "one solution an asset");
        let mut total = Kpis::default();
        let mut schedules = Vec::new();
        let mut kpis = Vec::new();
        for (asset, x) in self.assets.iter().zip(solution) {
            let schedule = asset.schedule(&self.steps, x);
            let cost = asset.problem.cost(x);
            let figures = asset.kpis(&self.steps, &schedule, cost);
            total.add(&figures);
            kpis.push((asset.id.clone(), figures));
            schedules.push(schedule);
        }
        Report {
            value_unit: self.value_unit.clone(),
            edges_s: self.steps.edges_s().to_vec(),
            schedules,
            kpis,
            total,
        }
    }
}
