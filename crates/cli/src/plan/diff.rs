//! `cosmosmesh plan diff`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cosmosmesh_mission::CouplingId;
use serde_json::{Value, json};

use super::{Opened, amount};
use crate::log::Failure;

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The folder of the plan before.
    before: PathBuf,
    /// The folder of the plan after; without it, the same.
    after: Option<PathBuf>,
    /// Take the plan before as it follows from the past of one entry: its id, or how it
    /// begins.
    #[arg(long)]
    at: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What changed of one member in one coupling, in its unit, summed over the steps.
struct Change {
    coupling: CouplingId,
    member: String,
    /// How much of its allotments moved, and at how many steps.
    allotted: (f64, usize),
    /// The same of what it holds less what it supplies.
    held: (f64, usize),
    /// What it was allotted before, taken or supplied.
    before: f64,
}

pub(super) fn run(a: &DiffArgs) -> Result<ExitCode, Failure> {
    if a.after.is_none() && a.at.is_none() {
        let problem = "one folder and no `--at` are one plan; name a second folder or an entry";
        return Err(Failure::at(&a.before, problem));
    }
    let before = Opened::read(&a.before, a.at.as_deref())?;
    let after = Opened::read(a.after.as_ref().unwrap_or(&a.before), None)?;
    let changes = changes(&before, &after);
    let moved: f64 = changes.iter().map(|c| c.allotted.0).sum();
    let all: f64 = changes.iter().map(|c| c.before).sum();
    // Everything that moves is moved from somebody to somebody.
    let churn = (all > 0.0).then_some(moved / all);
    let changed = |c: &&Change| c.allotted.1 + c.held.1 > 0;
    if a.json {
        let changes: Vec<Value> = changes
            .iter()
            .filter(changed)
            .map(|c| {
                json!({
                    "coupling": c.coupling,
                    "member": c.member,
                    "allotted_moved": c.allotted.0,
                    "allotted_steps": c.allotted.1,
                    "held_moved": c.held.0,
                    "held_steps": c.held.1,
                })
            })
            .collect();
        let report = json!({
            "before": before.standing(),
            "after": after.standing(),
            "churn": churn,
            "changes": changes,
        });
        crate::print(&format!("{report}\n"));
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!(
        "before: {}; after: {}\n",
        before.standing(),
        after.standing()
    );
    // Writing to a string does not fail.
    let _ = match churn {
        Some(churn) => writeln!(
            text,
            "{:.4} % of what was allotted has moved",
            100.0 * churn
        ),
        None => writeln!(text, "nothing was allotted before"),
    };
    for c in changes.iter().filter(changed) {
        let _ = writeln!(
            text,
            "{:<18} {:<16} allotments moved by {} at {} steps, leases by {} at {}",
            c.coupling.as_str(),
            c.member,
            round(c.allotted.0),
            c.allotted.1,
            round(c.held.0),
            c.held.1
        );
    }
    crate::print(&text);
    Ok(ExitCode::SUCCESS)
}

fn round(v: f64) -> String {
    amount((v * 1e6).round() as i64, 1e-6)
}

/// By coupling and member of either plan.
fn changes(before: &Opened, after: &Opened) -> Vec<Change> {
    let ids = |opened: &Opened| -> BTreeSet<CouplingId> {
        let terms = opened.leases.terms();
        terms.couplings().map(|c| c.id.clone()).collect()
    };
    let mut all = Vec::new();
    for id in ids(before).union(&ids(after)) {
        let held = [before, after].map(|opened| opened.held(id));
        let members: BTreeSet<_> = held.iter().flat_map(|held| held.keys()).collect();
        for member in members {
            let series = |opened: &Opened, quanta: &[i64]| -> Vec<f64> {
                let quantum = opened.quantum(id).unwrap_or(0.0);
                quanta.iter().map(|v| *v as f64 * quantum).collect()
            };
            let allotted = [before, after].map(|opened| {
                let target = opened.targets.get(id).and_then(|t| t.get(member));
                series(opened, target.map_or(&[][..], Vec::as_slice))
            });
            let net = [(before, &held[0]), (after, &held[1])].map(|(opened, held)| {
                let Some((held, committed)) = held.get(member) else {
                    return Vec::new();
                };
                let net = held.iter().zip(committed).map(|(h, c)| h - c);
                series(opened, &net.collect::<Vec<i64>>())
            });
            all.push(Change {
                coupling: id.clone(),
                member: member.to_string(),
                before: allotted[0].iter().map(|v| v.abs()).sum(),
                allotted: moved(&allotted),
                held: moved(&net),
            });
        }
    }
    all
}

/// How much two series are apart, and at how many steps; what is missing counts as 0.
fn moved([one, other]: &[Vec<f64>; 2]) -> (f64, usize) {
    let at = |series: &[f64], step: usize| series.get(step).copied().unwrap_or(0.0);
    let steps = 0..one.len().max(other.len());
    let apart = steps.map(|step| (at(one, step) - at(other, step)).abs());
    apart
        .filter(|v| *v > 0.0)
        .fold((0.0, 0), |(sum, count), v| (sum + v, count + 1))
}
