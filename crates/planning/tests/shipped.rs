//! The shipped scenarios load, build, and have an optimum that is worth an
//! agreement; what its schedules say would really happen.

mod common;

use std::collections::BTreeSet;

use common::build;
use cosmosmesh_mission as record;
use cosmosmesh_optimize::central;
use cosmosmesh_optimize::coupled::{Coupled, CoupledMember};
use cosmosmesh_optimize::local::SolverName;
use cosmosmesh_optimize::problem::{OpenProblem, Parts};
use cosmosmesh_optimize::sparse::Sparse;
use cosmosmesh_planning::local_problem::{Heading, from_record, solver, to_record};
use cosmosmesh_planning::mission::Mission;
use cosmosmesh_planning::model::Measure;
use cosmosmesh_planning::scenario::Scenario;
use cosmosmesh_planning::shipped::{SHIPPED, shipped};

#[test]
fn texts_are_found_by_name() {
    for (name, text) in SHIPPED {
        assert_eq!(shipped(name), Some(*text));
        let scenario = Scenario::parse(name, text).unwrap();
        assert_eq!(scenario.file().mission.name.as_str(), *name);
    }
    assert_eq!(shipped("none_such"), None);
}

#[test]
fn every_variable_has_a_finite_box() {
    for (name, _) in SHIPPED {
        for asset in &build(name).assets {
            let p = asset.problem.parts();
            let mut bounded = vec![false; asset.problem.n()];
            for r in 0..p.l.len() {
                let row: Vec<_> = p.a.row(r).collect();
                assert!(!row.is_empty(), "{name} {}: row {r} is empty", asset.id);
                if let [(c, v)] = row[..] {
                    assert_eq!(v, 1.0);
                    assert!(p.l[r].is_finite() && p.u[r].is_finite() && p.l[r] < p.u[r]);
                    assert!(
                        p.u[r].abs().max(p.l[r].abs()) < 2e3,
                        "{:?}",
                        asset.labels[c]
                    );
                    bounded[c] = true;
                }
            }
            assert!(bounded.iter().all(|&b| b), "{name} {}", asset.id);
        }
    }
}

#[test]
fn optimum_prices_and_physics() {
    for (name, _) in SHIPPED {
        let mission = build(name);
        let coupled = mission.normal_form().unwrap();
        let best = central::solve(&coupled).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(
            best.value.is_finite() && best.value < 0.0,
            "{name}: {}",
            best.value
        );
        for contract in &mission.contracts {
            let prices: Vec<f64> = coupled
                .rows
                .iter()
                .zip(&best.price)
                .filter(|(row, _)| row.coupling == contract.id)
                .map(|(_, &price)| price)
                .collect();
            let (low, high) = prices
                .iter()
                .fold((f64::MAX, f64::MIN), |(l, h), &p| (l.min(p), h.max(p)));
            println!("{name} {}: prices {low:.4} to {high:.4}", contract.id);
            assert!(
                high > 0.01 && high - low > 0.01 * high,
                "{name} {}",
                contract.id
            );
            assert!(high < 1e3, "{name} {}: a price of {high}", contract.id);
        }

        let report = mission.report(&best.x);
        let residual = mission.physical_residual(&report);
        println!("{name}: {residual:?}");
        assert!(residual.max < 1e-6, "{name}: {residual:?}");
        assert!((report.total.cost_value - best.value).abs() < 1e-6 * best.value.abs());
        assert!(report.total.served_kwh > 1.0);
        assert!(report.total.burnt_kwh < 1e-3, "{}", report.total.burnt_kwh);
        println!("{name}: {:#?}", report.total);
    }
}

#[test]
fn a_corrupted_schedule_is_seen() {
    for (name, _) in SHIPPED {
        let mission = build(name);
        let best = central::solve(&mission.normal_form().unwrap()).unwrap();
        let report = mission.report(&best.x);
        let sound = mission.physical_residual(&report).max;
        let mut seen = BTreeSet::new();
        for a in 0..report.schedules.len() {
            for s in 0..report.schedules[a].series.len() {
                let mut bad = report.clone();
                let series = &mut bad.schedules[a].series[s];
                // What others follow from is not a command of its own.
                if matches!(series.measure, Measure::Available | Measure::Radio) {
                    continue;
                }
                let t = series.values.len() / 2;
                series.values[t] += 0.01 * series.values[t].abs().max(1.0);
                let residual = mission.physical_residual(&bad);
                assert!(
                    residual.max > 1e3 * sound.max(1e-9),
                    "{name} {} {} {:?}: {residual:?}",
                    mission.assets[a].id,
                    report.schedules[a].series[s].device,
                    report.schedules[a].series[s].measure
                );
                seen.insert(residual.at.unwrap().check);
            }
        }
        println!("{name}: found by {seen:?}");
        assert!(seen.len() >= 3, "{seen:?}");
    }
}

/// The problem with every limit that has two different sides drawn in by that
/// share of its width.
fn drawn_in(coupled: &Coupled, share: f64) -> Coupled {
    let mut inner = coupled.clone();
    for member in &mut inner.members {
        let mut parts: Parts = member.problem.parts().clone();
        for r in 0..parts.l.len() {
            let width = parts.u[r] - parts.l[r];
            parts.l[r] += share * width;
            parts.u[r] -= share * width;
        }
        member.problem = OpenProblem::new(parts).unwrap();
    }
    for row in &mut inner.rows {
        // For a balance the right-hand side is 0 and stays so.
        row.rhs *= 1.0 - share;
    }
    inner
}

/// A strictly interior point of all members at once, that meets the balances
/// and leaves room in every capacity: agreement can always be recovered.
#[test]
fn there_is_a_slater_point() {
    for (name, _) in SHIPPED {
        let coupled = build(name).normal_form().unwrap();
        let found = central::solve(&drawn_in(&coupled, 1e-3));
        assert!(found.is_ok(), "{name}: {found:?}");
    }
}

/// A hint of the scenario reaches the asset and names a solver.
#[test]
fn a_solver_hint_is_carried() {
    let (_, text) = SHIPPED[0];
    let hinted = text.replacen("owner = ", "solver_hint = \"clarabel\"\nowner = ", 1);
    let solvers = |text: &str| -> Vec<SolverName> {
        let scenario = Scenario::parse("hinted.toml", text).unwrap();
        let mission = Mission::build(&scenario).unwrap();
        let hints = mission.assets.iter().map(|a| a.asset.solver_hint);
        hints.map(solver).collect()
    };
    assert!(solvers(text).iter().all(|s| *s == SolverName::Auto));
    let found = solvers(&hinted);
    let count = found.iter().filter(|s| **s == SolverName::Clarabel).count();
    assert_eq!(count, 1, "{found:?}");
}

fn heading(mission: &Mission, asset: &str) -> Heading {
    Heading {
        domain: record::DomainId::new("power").unwrap(),
        assets: BTreeSet::from([record::AssetId::new(asset).unwrap()]),
        solver_hint: record::SolverHint::Auto,
        version: record::ProblemVersion(1),
        contract_id: record::ContractId::new(mission.name.as_str()).unwrap(),
    }
}

#[test]
fn problems_survive_their_records() {
    for (name, _) in SHIPPED {
        let mission = build(name);
        for asset in &mission.assets {
            let heading = heading(&mission, asset.id.as_str());
            let record = to_record(&asset.problem, heading.clone()).unwrap();
            let back = from_record(&record).unwrap();
            assert_eq!(back, asset.problem, "{name} {}", asset.id);
            assert_eq!(to_record(&back, heading).unwrap(), record);
        }
    }
}

#[test]
fn agreement_beats_going_alone() {
    for (name, _) in SHIPPED {
        let mission = build(name);
        let best = central::solve(&mission.normal_form().unwrap()).unwrap();
        let coupled = mission.normal_form().unwrap();
        let settlements = mission.settlements(&coupled, &best.x, &best.price);
        let mut helpless = 0;
        for (asset, settled) in mission.assets.iter().zip(&settlements) {
            let alone = |problem: OpenProblem| {
                let b = Sparse::zeros(0, problem.n());
                let rows = Vec::new();
                let members = vec![CoupledMember { problem, rows, b }];
                central::solve(&Coupled {
                    members,
                    rows: Vec::new(),
                })
            };
            let (cost, payment) = (settled.cost_value, settled.payment_value);
            match alone(asset.alone().unwrap()) {
                Ok(found) => {
                    let gain = found.value - cost - payment;
                    println!(
                        "{name} {}: cost {cost:.3}, pays {payment:.3}, gains {gain:.3}",
                        asset.id
                    );
                    assert!(
                        gain > -1e-6 * cost.abs().max(1.0),
                        "{name} {}: {gain}",
                        asset.id
                    );
                }
                Err(central::CentralError::Infeasible) => {
                    let problem = asset.shortfall(&mission.steps).unwrap().unwrap();
                    let short = alone(problem).unwrap().value;
                    println!(
                        "{name} {}: cost {cost:.3}, pays {payment:.3}, alone short of {short:.3} kWh",
                        asset.id
                    );
                    assert!(short > 0.1, "{name} {}: {short}", asset.id);
                    helpless += 1;
                }
                Err(e) => panic!("{name} {}: {e}", asset.id),
            }
        }
        assert!(helpless < mission.assets.len());
    }
}

#[test]
fn what_cannot_be_kept_alive_is_infeasible() {
    let text = shipped("energy_balance").unwrap();
    let text = text.replacen("power_w = 2000 ", "power_w = 9000 ", 1);
    let scenario = Scenario::parse("dark.toml", &text).unwrap();
    let mission = Mission::build(&scenario).unwrap();
    let found = central::solve(&mission.normal_form().unwrap());
    assert_eq!(found.unwrap_err(), central::CentralError::Infeasible);
}
