//! `cosmosmesh bench rounds`: rounds to a certified gap, from cold, nothing
//! tuned per instance.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use cosmosmesh::optimize::families::Family;
use cosmosmesh::optimize::method::MethodName;
use cosmosmesh::optimize::rounds::{RoundsRow, measure};
use cosmosmesh::run::{Options, RunError, run as run_scenario, shipped_scenario};
use serde::Serialize;

const GAPS: [f64; 3] = [1e-2, 1e-4, 1e-6];
const SCENARIOS: [&str; 2] = ["energy_balance", "shackleton_relay"];

/// Rounds to a certified gap of 1e-2, 1e-4 and 1e-6, from cold.
///
/// Both methods run on the same instances in one run. What remains
/// uncertified is printed with the seeds that repeat it.
#[derive(Debug, Args)]
pub(crate) struct RoundsArgs {
    /// Instances of each family and size.
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// Numbers of members.
    #[arg(long, value_delimiter = ',', default_value = "6,20,40")]
    members: Vec<usize>,
    /// Steps of the time grid.
    #[arg(long, default_value_t = 24)]
    steps: usize,
    /// Few seeds, six members, `energy_balance` only: about half a minute.
    #[arg(long)]
    quick: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Measured {
    gaps: [f64; 3],
    scenarios: Vec<ScenarioRow>,
    loss: Vec<LossRow>,
    families: Vec<RoundsRow>,
}

/// One scenario and method: rounds to each gap, none where it was not reached.
#[derive(Debug, Serialize)]
struct ScenarioRow {
    scenario: &'static str,
    method: &'static str,
    rounds: [Option<u32>; 3],
    agreed: bool,
}

/// `aladin` with 30 % of messages lost, to a certified gap of 1e-3.
#[derive(Debug, Serialize)]
struct LossRow {
    scenario: &'static str,
    seed: u64,
    rounds: Option<u32>,
    agreed: bool,
}

pub(crate) fn run(a: &RoundsArgs) -> ExitCode {
    match attempt(a) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("cosmosmesh: {e}");
            ExitCode::from(1)
        }
    }
}

fn attempt(a: &RoundsArgs) -> Result<(), RunError> {
    let (seeds, members) = if a.quick {
        (3, vec![6])
    } else {
        (a.seeds, a.members.clone())
    };
    let names = if a.quick {
        &SCENARIOS[..1]
    } else {
        &SCENARIOS[..]
    };
    let mut m = Measured {
        gaps: GAPS,
        scenarios: Vec::new(),
        loss: Vec::new(),
        families: Vec::new(),
    };
    for &scenario in names {
        for method in MethodName::ALL {
            let row = scenario_row(scenario, method)?;
            if !a.json {
                crate::print(&format!(
                    "{:<18} {:<7} {:>6} {:>6} {:>6}{}\n",
                    row.scenario,
                    row.method,
                    shown(row.rounds[0]),
                    shown(row.rounds[1]),
                    shown(row.rounds[2]),
                    if row.agreed {
                        ""
                    } else {
                        "  not agreed at 1e-6"
                    }
                ));
            }
            m.scenarios.push(row);
        }
        for seed in 0..if a.quick { 2 } else { 5 } {
            let row = loss_row(scenario, seed)?;
            if !a.json {
                crate::print(&format!(
                    "{:<18} 30 % lost, seed {}: 1e-3 after {} rounds{}\n",
                    row.scenario,
                    row.seed,
                    shown(row.rounds),
                    if row.agreed { "" } else { ", not agreed" }
                ));
            }
            m.loss.push(row);
        }
    }
    for &n in &members {
        for family in Family::ALL {
            let rows = measure(family, 0..seeds, n, a.steps, &MethodName::ALL, &GAPS, 40);
            if !a.json {
                for row in &rows {
                    crate::print(&format!("{row}\n"));
                }
            }
            m.families.extend(rows);
        }
    }
    if a.json {
        crate::print(&format!("{:#}\n", serde_json::json!(m)));
    }
    Ok(())
}

fn shown(rounds: Option<u32>) -> String {
    rounds.map_or_else(|| "-".to_owned(), |r| r.to_string())
}

/// The first round at which each gap was certified.
fn rounds_to(
    scenario: &str,
    options: &Options,
    gaps: &[f64],
) -> Result<(Vec<Option<u32>>, bool), RunError> {
    let mut seen: BTreeMap<usize, u32> = BTreeMap::new();
    let text = shipped_scenario(scenario)?;
    let run = run_scenario(scenario, text, options, &mut |r| {
        for (k, gap) in gaps.iter().enumerate() {
            if r.closed.gap.is_some_and(|g| g <= *gap) {
                seen.entry(k).or_insert(r.closed.round);
            }
        }
    })?;
    Ok((
        (0..gaps.len()).map(|k| seen.get(&k).copied()).collect(),
        run.figures.agreed,
    ))
}

fn scenario_row(scenario: &'static str, method: MethodName) -> Result<ScenarioRow, RunError> {
    let options = Options {
        method,
        gap: GAPS[2],
        most_rounds: 40,
        ..Options::default()
    };
    let (rounds, agreed) = rounds_to(scenario, &options, &GAPS)?;
    Ok(ScenarioRow {
        scenario,
        method: method.name(),
        rounds: [rounds[0], rounds[1], rounds[2]],
        agreed,
    })
}

fn loss_row(scenario: &'static str, seed: u64) -> Result<LossRow, RunError> {
    let options = Options {
        gap: 1e-3,
        loss: 0.3,
        seed,
        most_rounds: 60,
        ..Options::default()
    };
    let (rounds, agreed) = rounds_to(scenario, &options, &[1e-3])?;
    Ok(LossRow {
        scenario,
        seed,
        rounds: rounds[0],
        agreed,
    })
}
