//! From a scenario to the problems of its assets and the contracts between
//! them.

use std::collections::BTreeSet;

use cosmosmesh_contact::ContactPlan;
use cosmosmesh_optimize::problem::{Name, OpenProblem};
use serde::Serialize;

use crate::contacts::{Contacts, contacts, link_index};
use crate::device;
use crate::error::ScenarioError;
use crate::lease::{self, LeaseShares};
use crate::light::{Light, light, seconds};
use crate::model::{Flows, Label, Model};
use crate::number::At;
use crate::scenario::{
    self, Asset, CouplingKind, HourWindow, Kind, MinutesOf, Resource, Scenario, Sync, Task,
};
use crate::time::{Span, Steps, complement};

/// A scenario with everything computed: what the agreement works on.
#[derive(Debug, Clone)]
pub struct Mission {
    /// The scenario's name.
    pub name: Name,
    /// Its description.
    pub description: String,
    /// What costs are counted in.
    pub value_unit: String,
    /// Start of the first step, in seconds since 1970, leap seconds not
    /// counted.
    pub start_unix_s: i64,
    /// The steps.
    pub steps: Steps,
    /// The assets, by name.
    pub assets: Vec<AssetModel>,
    /// The contracts, in the order of the file.
    pub contracts: Vec<Contract>,
    /// Who can talk to whom, and when: one for each link of the scenario.
    pub contacts: Vec<Contacts>,
    /// The same as a contact plan in POSIX seconds, for messages. Its first
    /// nodes are the assets, by name; others are places.
    pub contact_plan: ContactPlan,
    /// How the assets talk while they agree.
    pub sync: Sync,
    /// Who closes the rounds of the agreement, in the order of their turns.
    pub closers: Vec<Name>,
}

/// One asset: its problem, and what is needed to read a solution of it. All of
/// it is the owner's own business.
#[derive(Debug, Clone)]
pub struct AssetModel {
    /// Its name.
    pub id: Name,
    /// What it is.
    pub kind: Kind,
    /// Who owns it.
    pub owner: String,
    /// The problem, with the ports that the contracts tie.
    pub problem: OpenProblem,
    /// What each variable stands for.
    pub labels: Vec<Label>,
    /// What the devices meet from outside.
    pub facts: Facts,
    /// The asset as the scenario has it.
    pub asset: Asset,
}

/// What the devices of an asset meet from outside.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// When it has light.
    pub light: Light,
    /// What its array could give, in kW; empty without one.
    pub available_kw: Vec<f64>,
    /// What each load asks for, in kW.
    pub demand_kw: Vec<Vec<f64>>,
    /// Most power of each task, in kW.
    pub task_limit_kw: Vec<Vec<f64>>,
    /// The share of each step in which it is on the bus; empty without one.
    pub connected: Vec<f64>,
    /// Minutes of contact of each downlink in each step.
    pub contact_min: Vec<Vec<f64>>,
    /// The spans of contact of each downlink.
    pub contact: Vec<Vec<Span>>,
    /// The capacity of the relay's contract, in minutes; empty without one.
    pub relay_min: Vec<f64>,
}

/// What ties assets together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contract {
    /// Its name: also that of the coupling in the wiring.
    pub id: Name,
    /// What it is about; names the ports.
    pub resource: Resource,
    /// Balance or capacity.
    pub kind: CouplingKind,
    /// The smallest amount that is leased, in the ports' unit.
    pub quantum: f64,
    /// The members, by name.
    pub members: Vec<Name>,
    /// Who takes what rounding leaves over: it has room both ways in every
    /// step in which anything can move.
    pub slack: Name,
    /// Who holds a capacity at first; `None` for a balance, or where it comes
    /// from outside.
    pub holder: Option<Name>,
    /// What is shared out in each step, in the ports' unit, the reserve aside; 0 for a
    /// balance.
    pub capacity: Vec<f64>,
    /// Who holds what before anything is agreed.
    pub lease: LeaseShares,
}

impl Mission {
    /// Computes windows and light, and builds every asset's problem.
    ///
    /// # Errors
    ///
    /// What cannot be computed or built, with its place in the scenario.
    pub fn build(scenario: &Scenario) -> Result<Self, ScenarioError> {
        let (source, file) = (&scenario.source, &scenario.file);
        let lengths: Vec<u32> = file
            .mission
            .grid
            .iter()
            .flat_map(|run| std::iter::repeat_n(run.step_s, run.count as usize))
            .collect();
        let steps = Steps::new(&lengths);
        let (contacts, contact_plan) = contacts(source, file, steps.horizon_s())?;
        let contracts: Vec<Contract> = file
            .coupling
            .iter()
            .map(|c| contract(scenario, &steps, &contacts, c))
            .collect();
        let mut assets = Vec::new();
        for asset in &file.asset {
            let light = light(source, file, &steps, asset)?;
            assets.push(model(
                scenario, &steps, &contacts, &contracts, asset, light,
            )?);
        }
        assets.sort_by(|a, b| a.id.cmp(&b.id));
        let mut closers: Vec<Name> = file.sync.closers.iter().map(|id| id.to_name()).collect();
        if closers.is_empty() {
            let members: BTreeSet<&Name> = contracts.iter().flat_map(|c| &c.members).collect();
            closers = members.into_iter().take(CLOSERS).cloned().collect();
        }
        Ok(Self {
            closers,
            name: file.mission.name.to_name(),
            description: file.mission.description.clone(),
            value_unit: file.mission.value_unit.clone(),
            start_unix_s: file.mission.start_utc.unix_s(),
            steps,
            assets,
            contracts,
            contacts,
            contact_plan,
            sync: file.sync.clone(),
        })
    }

    /// The asset of that name.
    pub fn asset(&self, id: &Name) -> Option<&AssetModel> {
        self.assets.iter().find(|a| a.id == *id)
    }
}

/// How many close rounds where the scenario names none.
const CLOSERS: usize = 4;

/// Minutes of contact in each step; remainders below the mission's minimum
/// are not used.
fn usable_min(scenario: &Scenario, steps: &Steps, spans: &[Span], share: f64) -> Vec<f64> {
    let least = f64::from(*scenario.file.mission.minimum_contact_s);
    steps
        .covered_s(spans)
        .into_iter()
        .map(|s| if s < least { 0.0 } else { s / 60.0 * share })
        .collect()
}

fn contract(
    scenario: &Scenario,
    steps: &Steps,
    contacts: &[Contacts],
    c: &scenario::Coupling,
) -> Contract {
    let mut capacity = vec![0.0; steps.len()];
    if let Some(given) = &c.capacity {
        if let Some(constant) = given.constant {
            capacity.fill(constant.get());
        } else if let Some(series) = &given.series {
            capacity = series.iter().map(|v| v.get()).collect();
        } else if let Some(share) = given.share_of_step {
            capacity = (0..steps.len())
                .map(|t| steps.minutes(t) * share.get())
                .collect();
        } else if let Some([from, to]) = &given.contact
            && let Some(k) = link_index(&scenario.file, from, to)
        {
            let share = scenario.file.link[k].share.get();
            capacity = usable_min(scenario, steps, &contacts[k].spans, share);
        }
    }
    let names = |ids: &[At<scenario::Id>]| {
        let mut names: Vec<Name> = ids.iter().map(|id| id.to_name()).collect();
        names.sort();
        names
    };
    let members = names(&c.members);
    let lease = lease::shares(&scenario.file, c, &mut capacity);
    Contract {
        lease,
        id: c.id.to_name(),
        resource: c.resource,
        kind: *c.kind,
        quantum: c.quantum.get(),
        members,
        slack: c.slack.to_name(),
        holder: c.holder.as_ref().map(|h| h.to_name()),
        capacity,
    }
}

/// What windows in hours leave closed; without any, nothing.
fn closed(steps: &Steps, windows: &[At<HourWindow>]) -> Vec<Span> {
    if windows.is_empty() {
        return Vec::new();
    }
    let open: Vec<Span> = windows
        .iter()
        .map(|w| seconds(w.from_h.get(), w.to_h.get()))
        .collect();
    complement(&open, steps.horizon_s())
}

/// The share of each step in which a task may run.
fn open_share(steps: &Steps, task: &Task, light: &Light) -> Vec<f64> {
    let mut closed = closed(steps, &task.window);
    if task.in_light_only {
        closed.extend_from_slice(&light.dark);
    }
    uncovered(steps, &closed)
}

/// The share of each step that the spans leave free.
fn uncovered(steps: &Steps, closed: &[Span]) -> Vec<f64> {
    let covered = steps.covered_s(closed);
    (0..steps.len())
        .map(|t| 1.0 - covered[t] / steps.seconds(t))
        .collect()
}

fn model(
    scenario: &Scenario,
    steps: &Steps,
    contacts: &[Contacts],
    contracts: &[Contract],
    asset: &Asset,
    light: Light,
) -> Result<AssetModel, ScenarioError> {
    let id = asset.id.to_name();
    let about = |resource| {
        contracts
            .iter()
            .find(|c| c.resource == resource && c.members.contains(&id))
    };
    let contact: Vec<Vec<Span>> = asset
        .downlink
        .iter()
        .map(|d| {
            link_index(&scenario.file, &asset.id, &d.to)
                .map_or_else(Vec::new, |k| contacts[k].spans.clone())
        })
        .collect();
    let contact_min = asset
        .downlink
        .iter()
        .zip(&contact)
        .map(|(d, spans)| {
            let share = crate::contacts::link_between(&scenario.file, &asset.id, &d.to)
                .map_or(1.0, |l| l.share.get());
            let mut minutes = usable_min(scenario, steps, spans, share);
            let resource = match d.minutes {
                MinutesOf::Relay => Resource::Relay,
                MinutesOf::Antenna => Resource::Antenna,
            };
            // No one can use more than there is: it keeps the boxes tight.
            if let Some(c) = about(resource) {
                for (m, &all) in minutes.iter_mut().zip(&c.capacity) {
                    *m = m.min(all);
                }
            }
            minutes
        })
        .collect();
    let facts = Facts {
        available_kw: asset.solar.as_ref().map_or_else(Vec::new, |s| {
            device::solar::available_kw(steps, &light.share, s)
        }),
        demand_kw: asset
            .load
            .iter()
            .map(|l| device::load::demand_kw(&light.share, l))
            .collect(),
        task_limit_kw: asset
            .task
            .iter()
            .map(|t| device::task::limit_kw(t, &open_share(steps, t, &light)))
            .collect(),
        connected: asset
            .bus
            .as_ref()
            .map_or_else(Vec::new, |b| uncovered(steps, &closed(steps, &b.window))),
        relay_min: match (&asset.relay, about(Resource::Relay)) {
            (Some(_), Some(c)) => c.capacity.clone(),
            _ => Vec::new(),
        },
        contact_min,
        contact,
        light,
    };
    reachable(scenario, steps, asset, &facts)?;
    let (problem, labels) = assemble(scenario, steps, asset, &facts)?;
    Ok(AssetModel {
        id,
        kind: asset.kind,
        owner: asset.owner.to_string(),
        problem,
        labels,
        facts,
        asset: asset.clone(),
    })
}

/// Refuses a task that asks for more than its windows can give.
fn reachable(
    scenario: &Scenario,
    steps: &Steps,
    asset: &Asset,
    facts: &Facts,
) -> Result<(), ScenarioError> {
    for (task, limit) in asset.task.iter().zip(&facts.task_limit_kw) {
        let most_wh: f64 = (0..steps.len())
            .map(|t| limit[t] * steps.hours(t) * device::KILO)
            .sum();
        if task.minimum_wh.get() >= most_wh {
            return Err(scenario.source.error(
                task.minimum_wh.span(),
                format!(
                    "task `{}` of `{}` needs more than its windows can give, {most_wh:.1} Wh",
                    &*task.name, &*asset.id
                ),
                "ask for less, widen its windows or raise its power limit",
            ));
        }
    }
    Ok(())
}

fn assemble(
    scenario: &Scenario,
    steps: &Steps,
    asset: &Asset,
    facts: &Facts,
) -> Result<(OpenProblem, Vec<Label>), ScenarioError> {
    let mut model = Model::default();
    let mut flows = Flows::new(steps);
    if let Some(battery) = &asset.battery {
        device::battery::add(&mut model, &mut flows, steps, battery);
    }
    if asset.solar.is_some() {
        device::solar::add(&mut model, &mut flows, &facts.available_kw);
    }
    if let Some(shunt) = &asset.shunt {
        device::shunt::add(&mut model, &mut flows, steps, shunt);
    }
    for (load, demand) in asset.load.iter().zip(&facts.demand_kw) {
        device::load::add(&mut model, &mut flows, steps, load, demand);
    }
    for (task, limit) in asset.task.iter().zip(&facts.task_limit_kw) {
        device::task::add(&mut model, &mut flows, steps, task, limit);
    }
    if let Some(oxygen) = &asset.oxygen {
        device::oxygen::add(&mut model, &mut flows, steps, oxygen);
    }
    if let Some(relay) = &asset.relay {
        device::relay::add(&mut model, &mut flows, steps, relay, &facts.relay_min);
    }
    for (downlink, minutes) in asset.downlink.iter().zip(&facts.contact_min) {
        device::downlink::add(&mut model, &mut flows, steps, downlink, minutes);
    }
    if let Some(recorder) = &asset.recorder {
        device::recorder::add(&mut model, &mut flows, steps, recorder);
    }
    device::bus::add(
        &mut model,
        &mut flows,
        steps,
        asset.bus.as_deref(),
        &facts.connected,
    );
    let uses = |m| asset.downlink.iter().any(|d| d.minutes == m);
    if asset.relay.is_some() || uses(MinutesOf::Relay) {
        model.port(
            "relay",
            "min",
            cosmosmesh_optimize::problem::Sign::Draw,
            flows.relay,
        );
    }
    if uses(MinutesOf::Antenna) {
        model.port(
            "antenna",
            "min",
            cosmosmesh_optimize::problem::Sign::Draw,
            flows.antenna,
        );
    }
    let grid = steps.grid(scenario.file.mission.start_utc.unix_s());
    let (problem, labels) = model.finish(asset.id.to_name(), &grid).map_err(|e| {
        scenario.source.error(
            asset.id.span(),
            format!("this asset makes no problem: {e}"),
            "check the sizes of its devices against each other",
        )
    })?;
    Ok((problem, labels))
}
