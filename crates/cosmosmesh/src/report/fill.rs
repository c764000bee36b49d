//! Fills parts of a report from a mission and a solution of it.

use std::collections::BTreeMap;

use cosmosmesh_optimize::coupled::Coupled;
use cosmosmesh_planning::mission::{AssetModel, Mission};
use cosmosmesh_planning::model::Measure;
use cosmosmesh_planning::scenario::Resource;
use cosmosmesh_planning::schedule::{Report, Series};

use super::{
    Allocation, Alone, AssetGain, AssetReport, ContactWindows, CouplingReport, OwnerReport,
    ScenarioInfo, SeriesReport,
};
use cosmosmesh_planning::alone::Settlement;

/// What "alone" means when every asset is asked by itself.
pub const ALONE_BY_ASSET: &str = "Alone means: the asset by itself, also without the other assets \
     of its owner. No power comes or goes over the bus, no minutes of relay or antennas are used; \
     a relay keeps all of its minutes to itself.";

/// Which mission, and when.
pub fn scenario(mission: &Mission) -> ScenarioInfo {
    ScenarioInfo {
        name: mission.name.to_string(),
        description: mission.description.clone(),
        value_unit: mission.value_unit.clone(),
        start_unix_s: mission.start_unix_s,
    }
}

/// Every asset's timeline, in the order of the mission's assets.
///
/// # Panics
///
/// If `report` is of another mission.
pub fn assets(mission: &Mission, report: &Report) -> Vec<AssetReport> {
    assert_eq!(
        report.schedules.len(),
        mission.assets.len(),
        "one schedule an asset"
    );
    mission
        .assets
        .iter()
        .zip(&report.schedules)
        .zip(&report.kpis)
        .map(|((asset, schedule), (id, kpis))| {
            assert_eq!(asset.id, *id, "schedules in the order of the assets");
            AssetReport {
                name: asset.id.to_string(),
                kind: asset.kind,
                owner: asset.owner.clone(),
                series: schedule.series.iter().map(|s| series(asset, s)).collect(),
                dark: schedule.dark.clone(),
                contacts: windows(mission, asset),
                kpis: kpis.clone(),
            }
        })
        .collect()
}

fn series(asset: &AssetModel, s: &Series) -> SeriesReport {
    let a = &asset.asset;
    // Initial state, what must be left, what fits.
    let (initial, floor, ceiling) = match s.measure {
        Measure::Stored => a.battery.as_ref().map_or((None, None, None), |b| {
            (
                Some(b.initial_wh.get() / 1e3),
                Some(b.reserve_wh.get() / 1e3),
                Some(b.capacity_wh.get() / 1e3),
            )
        }),
        Measure::Oxygen => a.oxygen.as_ref().map_or((None, None, None), |o| {
            (Some(o.initial_kg.get()), None, Some(o.tank_kg.get()))
        }),
        Measure::Recorded => a.recorder.as_ref().map_or((None, None, None), |r| {
            (
                Some(r.initial_bit.get() / 1e9),
                None,
                Some(r.capacity_bit.get() / 1e9),
            )
        }),
        _ => (None, None, None),
    };
    SeriesReport {
        device: s.device.clone(),
        measure: s.measure,
        unit: s.unit.clone(),
        initial,
        floor,
        ceiling,
        values: s.values.clone(),
    }
}

/// The links of an asset; it is also found by its place.
fn windows(mission: &Mission, asset: &AssetModel) -> Vec<ContactWindows> {
    let place = asset.asset.place.as_ref().map(|p| p.to_string());
    let mine = |end: &str| end == asset.id.as_str() || place.as_deref() == Some(end);
    mission
        .contacts
        .iter()
        .filter_map(|c| {
            let peer = match (mine(&c.from), mine(&c.to)) {
                (true, false) => &c.to,
                (false, true) => &c.from,
                _ => return None,
            };
            Some(ContactWindows {
                peer: peer.clone(),
                spans: c.spans.clone(),
                delay_s: c.delay_s,
                rate_bit_per_s: c.rate_bit_per_s,
            })
        })
        .collect()
}

/// Every contract with its allocations and prices.
///
/// `exchange` has one vector a member of `coupled`: what it draws of each of
/// its rows (`B x`, or what it was granted). `price` has one value a row.
///
/// # Panics
///
/// If they do not fit.
pub fn couplings(
    mission: &Mission,
    coupled: &Coupled,
    exchange: &[Vec<f64>],
    price: &[f64],
) -> Vec<CouplingReport> {
    assert_eq!(
        exchange.len(),
        coupled.members.len(),
        "one exchange a member"
    );
    assert_eq!(price.len(), coupled.rows.len(), "one price a row");
    let n = mission.steps.len();
    mission
        .contracts
        .iter()
        .map(|contract| {
            let is_power = contract.resource == Resource::Power;
            let mut prices = vec![None; n];
            for (row, &price) in coupled.rows.iter().zip(price) {
                if row.coupling == contract.id {
                    let t = row.step as usize;
                    // The price of a mean power holds for the whole step.
                    let amount = if is_power {
                        mission.steps.hours(t)
                    } else {
                        1.0
                    };
                    prices[t] = Some(price / amount);
                }
            }
            let members = coupled
                .members
                .iter()
                .zip(exchange)
                .filter(|(m, _)| contract.members.contains(m.problem.id()))
                .map(|(m, drawn)| {
                    assert_eq!(drawn.len(), m.rows.len(), "one value a row of the member");
                    let mut values = vec![0.0; n];
                    for (&row, &drawn) in m.rows.iter().zip(drawn) {
                        if coupled.rows[row].coupling == contract.id {
                            values[coupled.rows[row].step as usize] += drawn;
                        }
                    }
                    Allocation {
                        member: m.problem.id().to_string(),
                        values,
                    }
                })
                .collect();
            let per = if is_power {
                "kWh"
            } else {
                contract.resource.unit()
            };
            CouplingReport {
                name: contract.id.to_string(),
                resource: contract.resource,
                kind: contract.kind,
                unit: contract.resource.unit().to_owned(),
                capacity: match contract.kind {
                    cosmosmesh_planning::scenario::CouplingKind::Balance => None,
                    cosmosmesh_planning::scenario::CouplingKind::Capacity => {
                        Some(contract.capacity.clone())
                    }
                },
                price_unit: format!("{} per {per}", mission.value_unit),
                price: prices,
                members,
            }
        })
        .collect()
}

/// What each owner gains, by name; `alone` has one entry a settlement.
///
/// # Panics
///
/// If their numbers differ.
pub fn owners(settlements: &[Settlement], alone: &[Alone]) -> Vec<OwnerReport> {
    assert_eq!(settlements.len(), alone.len(), "one entry a settlement");
    let mut owners: BTreeMap<&str, Vec<AssetGain>> = BTreeMap::new();
    for (s, alone) in settlements.iter().zip(alone) {
        owners.entry(&s.owner).or_default().push(AssetGain {
            asset: s.asset.to_string(),
            alone: alone.clone(),
            cost_value: s.cost_value,
            payment_value: s.payment_value,
        });
    }
    owners
        .into_iter()
        .map(|(name, assets)| OwnerReport {
            name: name.to_owned(),
            assets,
        })
        .collect()
}
