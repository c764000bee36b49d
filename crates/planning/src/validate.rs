//! What concerns several fields of a scenario at once.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::error::{ScenarioError, Source};
use crate::number::{At, NonNegative};
use crate::scenario::{
    Asset, Coupling, CouplingKind, File, HourWindow, Id, Link, MinutesOf, Resource,
};

/// Most steps that a plan may have.
pub const MAX_STEPS: usize = 400;
/// Most assets that a scenario may have.
pub const MAX_ASSETS: usize = 200;
/// Most links, sites, orbiters or couplings that a scenario may have.
pub const MAX_LINKS: usize = 1000;
/// Most loads, tasks or downlinks that an asset may have.
pub const MAX_DEVICES: usize = 40;
/// Longest horizon, in hours: two years.
pub const MAX_HORIZON_H: f64 = 17_568.0;

type Check = Result<(), ScenarioError>;

/// What a name stands for.
#[derive(Clone, Copy, PartialEq)]
enum Node {
    Place,
    Asset,
}

pub(crate) fn check(source: &Source, file: &File) -> Check {
    let steps = grid(source, file)?;
    let start = 0..0;
    let count = |span: &Range<usize>, what: &str, found: usize, most: usize| {
        require(source, span, found <= most, || {
            (
                format!("{found} {what} are too many"),
                format!("declare at most {most}"),
            )
        })
    };
    count(&start, "links", file.link.len(), MAX_LINKS)?;
    count(&start, "sites", file.site.len(), MAX_LINKS)?;
    count(&start, "orbiters", file.orbiter.len(), MAX_LINKS)?;
    count(&start, "networks", file.network.len(), MAX_LINKS)?;
    count(&start, "couplings", file.coupling.len(), MAX_LINKS)?;
    for asset in &file.asset {
        let span = asset.id.span();
        count(span, "loads", asset.load.len(), MAX_DEVICES)?;
        count(span, "tasks", asset.task.len(), MAX_DEVICES)?;
        count(span, "downlinks", asset.downlink.len(), MAX_DEVICES)?;
    }
    let nodes = nodes(source, file)?;
    for orbiter in &file.orbiter {
        require(
            source,
            orbiter.eccentricity.span(),
            orbiter.eccentricity.get() < 1.0,
            || {
                (
                    "this orbit is not closed".to_owned(),
                    "give an eccentricity below 1".to_owned(),
                )
            },
        )?;
    }
    for site in &file.site {
        for (value, limit) in [
            (&site.latitude_deg, 90.0),
            (&site.longitude_deg, 360.0),
            (&site.mask_deg, 89.0),
        ] {
            require(source, value.span(), value.get().abs() <= limit, || {
                (
                    "this angle is out of range".to_owned(),
                    format!("give degrees from -{limit} to {limit}"),
                )
            })?;
        }
    }
    let masks = file.network.iter().map(|n| &n.mask_deg);
    let masks = masks.chain(file.link.iter().filter_map(|l| l.mask_deg.as_ref()));
    for mask in masks {
        require(source, mask.span(), mask.get().abs() <= 89.0, || {
            (
                "this angle is out of range".to_owned(),
                "give degrees from -89 to 89".to_owned(),
            )
        })?;
    }
    for each in &file.link {
        link(source, file, &nodes, each)?;
    }
    couplings(source, file, steps)?;
    for each in &file.asset {
        asset(source, file, &nodes, steps, each)?;
    }
    closers(source, file)
}

fn require(
    source: &Source,
    span: &Range<usize>,
    ok: bool,
    say: impl FnOnce() -> (String, String),
) -> Check {
    if ok {
        return Ok(());
    }
    let (message, remedy) = say();
    Err(source.error(span, message, remedy))
}

fn grid(source: &Source, file: &File) -> Result<usize, ScenarioError> {
    let mission = &file.mission;
    let at = mission.grid.span();
    let fail = |message: String, remedy: String| Err(source.error(at, message, remedy));
    let mut steps: u64 = 0;
    let mut seconds: u64 = 0;
    for run in mission.grid.iter() {
        if run.count == 0 || !(60..=604_800).contains(&run.step_s) {
            return fail(
                format!("a run of {} steps of {} s", run.count, run.step_s),
                "give at least one step, of 60 s to 604800 s".to_owned(),
            );
        }
        steps += u64::from(run.count);
        seconds += u64::from(run.count) * u64::from(run.step_s);
    }
    if steps == 0 || steps > MAX_STEPS as u64 {
        return fail(
            format!("the grid has {steps} steps"),
            format!("use 1 to {MAX_STEPS} steps: fine ones first, coarse ones later"),
        );
    }
    let horizon_h = mission.horizon_h.get();
    require(
        source,
        mission.horizon_h.span(),
        horizon_h <= MAX_HORIZON_H,
        || {
            (
                "the horizon is too long".to_owned(),
                format!("plan at most {MAX_HORIZON_H} h at once"),
            )
        },
    )?;
    let sum_h = seconds as f64 / 3600.0;
    require(
        source,
        mission.horizon_h.span(),
        (sum_h - horizon_h).abs() < 1e-9,
        || {
            (
                format!("the steps of the grid add up to {sum_h} h, not to {horizon_h} h"),
                format!("change the grid, or the horizon to {sum_h}"),
            )
        },
    )?;
    Ok(steps as usize)
}

fn nodes<'a>(source: &Source, file: &'a File) -> Result<BTreeMap<&'a Id, Node>, ScenarioError> {
    let places = file.site.iter().map(|s| &s.id);
    let places = places.chain(file.orbiter.iter().map(|o| &o.id));
    let places = places.chain(file.network.iter().map(|n| &n.id));
    let all = places
        .map(|id| (id, Node::Place))
        .chain(file.asset.iter().map(|a| (&a.id, Node::Asset)));
    let mut nodes = BTreeMap::new();
    for (id, node) in all {
        let id: &'a At<Id> = id;
        let known = nodes.insert(&**id, node).is_some();
        require(source, id.span(), !known, || {
            (
                format!("`{}` is declared twice", &**id),
                "give every site, orbiter and asset a name of its own".to_owned(),
            )
        })?;
    }
    if file.asset.is_empty() || file.asset.len() > MAX_ASSETS {
        return Err(source.error(
            &(0..0),
            format!("the scenario has {} assets", file.asset.len()),
            format!("declare 1 to {MAX_ASSETS}"),
        ));
    }
    Ok(nodes)
}

fn known(source: &Source, nodes: &BTreeMap<&Id, Node>, id: &At<Id>, of: &[Node]) -> Check {
    let ok = nodes.get(&**id).is_some_and(|n| of.contains(n));
    require(source, id.span(), ok, || {
        let what: Vec<&str> = nodes
            .iter()
            .filter(|(_, n)| of.contains(n))
            .map(|(id, _)| id.as_str())
            .collect();
        (
            format!("nothing here is called `{}`", &**id),
            format!("use one of: {}", what.join(", ")),
        )
    })
}

fn link(source: &Source, file: &File, nodes: &BTreeMap<&Id, Node>, link: &Link) -> Check {
    for end in [&link.from, &link.to] {
        known(source, nodes, end, &[Node::Place, Node::Asset])?;
    }
    require(source, link.to.span(), *link.from != *link.to, || {
        (
            "this link leads nowhere".to_owned(),
            "name two different ends".to_owned(),
        )
    })?;
    let modes = usize::from(link.computed)
        + usize::from(link.window.is_some())
        + usize::from(link.delay_s.is_some() && link.window.is_none());
    require(source, link.from.span(), modes == 1, || {
        (
            "a link is always on, has windows, or is computed".to_owned(),
            "give exactly one of `delay_s`, `window` (with `delay_s`) and `computed = true`"
                .to_owned(),
        )
    })?;
    if link.computed {
        for end in [&link.from, &link.to] {
            let placed = nodes.get(&**end) == Some(&Node::Place)
                || file
                    .asset
                    .iter()
                    .any(|a| *a.id == **end && a.place.is_some());
            require(source, end.span(), placed, || {
                (
                    format!("`{}` has no place to compute windows from", &**end),
                    "give the asset a `place`".to_owned(),
                )
            })?;
        }
    }
    let Some(windows) = &link.window else {
        return Ok(());
    };
    require(source, link.from.span(), link.delay_s.is_some(), || {
        (
            "listed windows need a delay".to_owned(),
            "add `delay_s`".to_owned(),
        )
    })?;
    let mut last = i64::MIN;
    for w in windows {
        require(source, w.span(), w.to_s > w.from_s, || {
            (
                format!(
                    "this window runs backwards, from {} s to {} s",
                    w.from_s, w.to_s
                ),
                "let it end after it begins".to_owned(),
            )
        })?;
        require(source, w.span(), w.from_s >= last, || {
            (
                format!(
                    "this window begins at {} s, before the one above ends at {last} s",
                    w.from_s
                ),
                "list the windows in order and without overlaps; join those that overlap"
                    .to_owned(),
            )
        })?;
        last = w.to_s;
    }
    Ok(())
}

fn hours(source: &Source, windows: &[At<HourWindow>]) -> Check {
    let mut last = 0.0;
    for w in windows {
        let (from, to) = (w.from_h.get(), w.to_h.get());
        require(source, w.span(), to > from, || {
            (
                format!("this span runs backwards, from {from} h to {to} h"),
                "let it end after it begins".to_owned(),
            )
        })?;
        require(source, w.span(), from >= last, || {
            (
                format!("this span begins at {from} h, before the one above ends at {last} h"),
                "list the spans in order and without overlaps".to_owned(),
            )
        })?;
        last = to;
    }
    Ok(())
}

fn at_most(source: &Source, value: &At<NonNegative>, limit: f64, of: &str) -> Check {
    require(source, value.span(), value.get() <= limit, || {
        (
            format!("{} is more than {of}, {limit}", value.get()),
            format!("give at most {limit}"),
        )
    })
}

fn asset(
    source: &Source,
    file: &File,
    nodes: &BTreeMap<&Id, Node>,
    steps: usize,
    asset: &Asset,
) -> Check {
    if let Some(place) = &asset.place {
        known(source, nodes, place, &[Node::Place])?;
    }
    if let Some(place) = &asset.place {
        let ground = file.network.iter().any(|n| *n.id == **place);
        require(source, place.span(), !ground, || {
            (
                "a network is no place for an asset".to_owned(),
                "name a site or an orbiter".to_owned(),
            )
        })?;
    }
    if let Some(light) = &asset.light {
        hours(source, &light.shadow)?;
        match &light.profile {
            Some(profile) => require(source, profile.span(), profile.len() == steps, || {
                (
                    format!("the profile has {} values for {steps} steps", profile.len()),
                    "give one value a step".to_owned(),
                )
            })?,
            None => require(source, asset.id.span(), asset.place.is_some(), || {
                (
                    format!("`{}` has no place to compute its light from", &*asset.id),
                    "give it a `place` or a `light.profile`".to_owned(),
                )
            })?,
        }
    }
    if let Some(b) = &asset.battery {
        let full = b.capacity_wh.get();
        require(
            source,
            b.reserve_wh.span(),
            b.reserve_wh.get() < full,
            || {
                (
                    "the reserve leaves nothing of the battery".to_owned(),
                    format!("keep it below the capacity of {full}"),
                )
            },
        )?;
        for value in [&b.initial_wh, &b.final_wh] {
            at_most(source, value, full, "the capacity")?;
            require(
                source,
                value.span(),
                value.get() >= b.reserve_wh.get(),
                || {
                    (
                        format!("{} is below the reserve", value.get()),
                        format!("give at least {}", b.reserve_wh.get()),
                    )
                },
            )?;
        }
        require(source, b.final_wh.span(), b.final_wh.get() < full, || {
            (
                "the battery must be exactly full at the end".to_owned(),
                "ask for less than the capacity: a plan needs some room".to_owned(),
            )
        })?;
    }
    tasks(source, asset)?;
    if let Some(o) = &asset.oxygen {
        let tank = o.tank_kg.get();
        at_most(source, &o.initial_kg, tank, "the tank holds")?;
        require(source, o.final_kg.span(), o.final_kg.get() < tank, || {
            (
                "the tank must be full at the end".to_owned(),
                format!("ask for less than {tank}"),
            )
        })?;
        at_most(
            source,
            &o.value_per_kg_at_limit,
            o.value_per_kg.get(),
            "the value of the first",
        )?;
    }
    if let Some(r) = &asset.recorder {
        let all = r.capacity_bit.get();
        at_most(source, &r.initial_bit, all, "the capacity")?;
        at_most(source, &r.final_bit, all, "the capacity")?;
        at_most(
            source,
            &r.value_per_gbit_at_all,
            r.value_per_gbit.get(),
            "the value of the first",
        )?;
    }
    if let Some(r) = &asset.relay {
        at_most(
            source,
            &r.keep_value_per_min_at_all,
            r.keep_value_per_min.get(),
            "the value of the first",
        )?;
        require(source, r.span(), asset.recorder.is_some(), || {
            (
                "a relay needs a recorder".to_owned(),
                "add an `asset.recorder`".to_owned(),
            )
        })?;
    }
    for d in &asset.downlink {
        known(source, nodes, &d.to, &[Node::Place, Node::Asset])?;
        require(source, d.name.span(), asset.recorder.is_some(), || {
            (
                "a downlink needs a recorder".to_owned(),
                "add an `asset.recorder`".to_owned(),
            )
        })?;
        let linked = crate::contacts::link_between(file, &asset.id, &d.to).is_some();
        require(source, d.to.span(), linked, || {
            (
                format!("there is no link between `{}` and `{}`", &*asset.id, &*d.to),
                "add a [[link]] between them".to_owned(),
            )
        })?;
        let resource = match d.minutes {
            MinutesOf::Relay => Resource::Relay,
            MinutesOf::Antenna => Resource::Antenna,
        };
        ported(source, file, asset, resource, d.name.span())?;
    }
    if let Some(bus) = &asset.bus {
        hours(source, &bus.window)?;
        ported(source, file, asset, Resource::Power, bus.span())?;
        require(
            source,
            bus.span(),
            bus.import_limit_w.get() + bus.export_limit_w.get() > 0.0,
            || {
                (
                    "this connection carries nothing".to_owned(),
                    "give it a limit above 0".to_owned(),
                )
            },
        )?;
    }
    if let Some(relay) = &asset.relay {
        ported(source, file, asset, Resource::Relay, relay.span())?;
    }
    Ok(())
}

fn tasks(source: &Source, asset: &Asset) -> Check {
    let mut names: Vec<&Id> = Vec::new();
    for task in &asset.task {
        require(
            source,
            task.name.span(),
            !names.contains(&&*task.name),
            || {
                (
                    format!("`{}` has two tasks of this name", &*asset.id),
                    "give every task a name of its own".to_owned(),
                )
            },
        )?;
        names.push(&task.name);
        hours(source, &task.window)?;
        require(
            source,
            task.minimum_wh.span(),
            task.minimum_wh.get() < task.maximum_wh.get(),
            || {
                (
                    "the least energy is not below the most".to_owned(),
                    format!("give less than {}", task.maximum_wh.get()),
                )
            },
        )?;
        at_most(
            source,
            &task.value_per_kwh_at_maximum,
            task.value_per_kwh.get(),
            "the value of the first",
        )?;
        require(
            source,
            task.name.span(),
            task.data_bit_per_wh.get() == 0.0 || asset.recorder.is_some(),
            || {
                (
                    "a task that makes data needs a recorder".to_owned(),
                    "add an `asset.recorder`".to_owned(),
                )
            },
        )?;
    }
    Ok(())
}

/// A device that uses a resource needs exactly one contract about it.
fn ported(
    source: &Source,
    file: &File,
    asset: &Asset,
    resource: Resource,
    span: &Range<usize>,
) -> Check {
    let count = file
        .coupling
        .iter()
        .filter(|c| c.resource == resource && c.members.iter().any(|m| **m == *asset.id))
        .count();
    require(source, span, count == 1, || {
        (
            format!(
                "`{}` uses {} and is a member of {count} couplings about it",
                &*asset.id,
                resource.port()
            ),
            "make it a member of exactly one".to_owned(),
        )
    })
}

/// Whether the asset has something that uses the resource.
fn uses(asset: &Asset, resource: Resource) -> bool {
    let down = |m| asset.downlink.iter().any(|d| d.minutes == m);
    match resource {
        Resource::Power => asset.bus.is_some(),
        Resource::Relay => asset.relay.is_some() || down(MinutesOf::Relay),
        Resource::Antenna => down(MinutesOf::Antenna),
    }
}

fn couplings(source: &Source, file: &File, steps: usize) -> Check {
    let mut ids: Vec<&Id> = Vec::new();
    for c in &file.coupling {
        require(source, c.id.span(), !ids.contains(&&*c.id), || {
            (
                format!("`{}` is declared twice", &*c.id),
                "give every coupling a name of its own".to_owned(),
            )
        })?;
        ids.push(&c.id);
        let unit = c.resource.unit();
        require(source, c.unit.span(), *c.unit == unit, || {
            (
                format!(
                    "unit clash: the {} ports of the members are in {unit}, this coupling is in {}",
                    c.resource.port(),
                    *c.unit
                ),
                format!("write unit = \"{unit}\" and give its numbers in {unit}"),
            )
        })?;
        let expected = match c.resource {
            Resource::Power => CouplingKind::Balance,
            Resource::Relay | Resource::Antenna => CouplingKind::Capacity,
        };
        require(source, c.kind.span(), *c.kind == expected, || {
            (
                format!("a coupling about {} is a {expected:?}", c.resource.port()),
                "power is a balance, minutes are a capacity".to_owned(),
            )
        })?;
        members(source, file, c)?;
        if c.resource == Resource::Power {
            two_sided(source, file, c)?;
        }
        capacity(source, file, steps, c)?;
        crate::lease::check(source, file, c)?;
    }
    Ok(())
}

fn members(source: &Source, file: &File, c: &Coupling) -> Check {
    require(source, c.members.span(), c.members.len() >= 2, || {
        (
            "a coupling ties at least two members".to_owned(),
            "name two or more".to_owned(),
        )
    })?;
    for (k, m) in c.members.iter().enumerate() {
        let asset = file.asset.iter().find(|a| *a.id == **m);
        let Some(asset) = asset else {
            return Err(source.error(
                m.span(),
                format!("unknown member: no asset is called `{}`", &**m),
                "name an asset of this scenario",
            ));
        };
        require(
            source,
            m.span(),
            c.members[..k].iter().all(|o| **o != **m),
            || {
                (
                    format!("`{}` is a member twice", &**m),
                    "name it once".to_owned(),
                )
            },
        )?;
        require(source, m.span(), uses(asset, c.resource), || {
            let remedy = match c.resource {
                Resource::Power => "give it a `bus`",
                Resource::Relay => "give it a `relay` or a downlink with minutes = \"relay\"",
                Resource::Antenna => "give it a downlink with minutes = \"antenna\"",
            };
            (
                format!("`{}` has no device that uses {}", &**m, c.resource.port()),
                format!("{remedy}, or take it out of the members"),
            )
        })?;
    }
    if let (Some(holder), CouplingKind::Balance) = (&c.holder, *c.kind) {
        return Err(source.error(
            holder.span(),
            "a balance has no holder: nothing is there to hold",
            "remove `holder`",
        ));
    }
    for each in std::iter::once(&c.slack).chain(&c.holder) {
        require(
            source,
            each.span(),
            c.members.iter().any(|m| **m == **each),
            || {
                (
                    format!("`{}` is not a member of `{}`", &**each, &*c.id),
                    "name one of the members".to_owned(),
                )
            },
        )?;
    }
    Ok(())
}

/// Closers are assets that share something, each named once.
fn closers(source: &Source, file: &File) -> Check {
    let all = &file.sync.closers;
    for (k, closer) in all.iter().enumerate() {
        let mut members = file.coupling.iter().flat_map(|c| c.members.iter());
        require(
            source,
            closer.span(),
            members.any(|m| **m == **closer),
            || {
                (
                    format!("`{}` is no member of any coupling", &**closer),
                    "name assets that share something".to_owned(),
                )
            },
        )?;
        let once = all[..k].iter().all(|other| **other != **closer);
        require(source, closer.span(), once, || {
            (
                format!("`{}` closes twice", &**closer),
                "name it once".to_owned(),
            )
        })?;
    }
    Ok(())
}

/// A power balance needs somebody who gives and somebody who draws.
fn two_sided(source: &Source, file: &File, c: &Coupling) -> Check {
    let buses = c.members.iter().filter_map(|m| {
        let asset = file.asset.iter().find(|a| *a.id == **m);
        asset.and_then(|a| a.bus.as_ref())
    });
    let suppliers = buses
        .filter(|b| b.export_limit_w > b.import_limit_w)
        .count();
    let both = suppliers > 0 && suppliers < c.members.len();
    require(source, c.members.span(), both, || {
        let (all, missing) = if suppliers == 0 {
            (
                "draw more than they give",
                "export limit above its import limit",
            )
        } else {
            (
                "give more than they draw",
                "import limit of at least its export limit",
            )
        };
        (
            format!("all members of `{}` can {all}", &*c.id),
            format!("name a member with an {missing}"),
        )
    })
}

fn capacity(source: &Source, file: &File, steps: usize, c: &Coupling) -> Check {
    let Some(capacity) = &c.capacity else {
        return require(
            source,
            c.id.span(),
            *c.kind == CouplingKind::Balance,
            || {
                (
                    "this coupling has no capacity".to_owned(),
                    "add `capacity`".to_owned(),
                )
            },
        );
    };
    require(
        source,
        capacity.span(),
        *c.kind == CouplingKind::Capacity,
        || {
            (
                "a balance has no capacity".to_owned(),
                "remove `capacity`".to_owned(),
            )
        },
    )?;
    let given = usize::from(capacity.constant.is_some())
        + usize::from(capacity.series.is_some())
        + usize::from(capacity.share_of_step.is_some())
        + usize::from(capacity.contact.is_some());
    require(source, capacity.span(), given == 1, || {
        (
            format!("the capacity is given in {given} ways"),
            "give one of `constant`, `series`, `share_of_step`, `contact`".to_owned(),
        )
    })?;
    if let Some(series) = &capacity.series {
        require(source, capacity.span(), series.len() == steps, || {
            (
                format!("the series has {} values for {steps} steps", series.len()),
                "give one value a step".to_owned(),
            )
        })?;
    }
    if let Some([from, to]) = &capacity.contact {
        let linked = crate::contacts::link_between(file, from, to).is_some();
        require(source, to.span(), linked, || {
            (
                format!("there is no link between `{}` and `{}`", &**from, &**to),
                "add a [[link]] between them".to_owned(),
            )
        })?;
    }
    Ok(())
}
