//! `cosmosmesh plan`: what a log says was agreed, and who may use what.

mod conflicts;
mod diff;
mod leases;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use cosmosmesh::coordination::contract::Contract;
use cosmosmesh::coordination::lease::{Leases, Targets};
use cosmosmesh::coordination::ledger::{Ledger, State};
use cosmosmesh::coordination::member::granting;
use cosmosmesh_mission::{CouplingId, MemberId, MessageId};

use crate::log::{CONTRACT, Failure, contract, load, past, whole};

/// Look at what was agreed: allotments, leases, requests that collide.
///
/// The folder is the log of one member, or what `run --out` wrote: then the longest of the
/// members' logs is read. Everything is computed from the signed entries.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Allotments and leases by coupling, step and member.
    Show(Place),
    /// Who holds, may use, has promised away and lacks what.
    Leases(leases::LeasesArgs),
    /// Requests for one right that collide, the winner first.
    Conflicts(Place),
    /// What changed between two logs, or since an entry of one.
    Diff(diff::DiffArgs),
}

/// Where to look.
#[derive(Debug, Args)]
struct Place {
    /// The folder.
    dir: PathBuf,
    /// As it follows from the past of one entry: its id, or how it begins.
    #[arg(long)]
    at: Option<String>,
    /// This coupling only.
    #[arg(long)]
    coupling: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Place {
    fn shows(&self, coupling: &CouplingId) -> bool {
        let mut only = self.coupling.iter();
        only.all(|only| only == coupling.as_str())
    }

    /// Reads the log; a coupling that is asked for must be there.
    fn read(&self) -> Result<Opened, Failure> {
        let opened = Opened::read(&self.dir, self.at.as_deref())?;
        if let Some(only) = &self.coupling {
            let terms = opened.leases.terms();
            let names: Vec<&str> = terms.couplings().map(|c| c.id.as_str()).collect();
            if !names.contains(&only.as_str()) {
                let problem = format!("no coupling is called `{only}`; use {}", names.join(", "));
                return Err(Failure::at(&self.dir, problem));
            }
        }
        Ok(opened)
    }
}

/// A log with what follows from it.
struct Opened {
    ledger: Ledger,
    state: State,
    leases: Leases,
    /// What members take of each coupling by step; final if `plan_final`.
    targets: Targets,
    plan_final: bool,
}

impl Opened {
    fn read(dir: &Path, at: Option<&str>) -> Result<Self, Failure> {
        let dir = log_folder(dir)?;
        let (mut log, _) = load(&dir, true)?;
        whole(&dir, &log)?;
        let contract: Arc<Contract> = contract(&dir, &log)?;
        if let Some(start) = at {
            log = past(&dir, &log, start)?;
        }
        let ledger = Ledger::of(contract, log);
        let state = ledger.state();
        let leases = ledger.leases();
        let mut targets = cosmosmesh::leases::targets(&ledger, &state);
        let plan_final = !targets.is_empty();
        if !plan_final {
            // What members would settle on, if it comes to that.
            let all: BTreeSet<MessageId> = ledger.entries().map(|e| e.id()).collect();
            targets = granting::targets(ledger.contract(), ledger.log(), &all);
        }
        Ok(Self {
            ledger,
            state,
            leases,
            targets,
            plan_final,
        })
    }

    /// `final`, `provisional` (said, and part of nothing yet), or `none`.
    fn standing(&self) -> &'static str {
        match (self.plan_final, self.targets.is_empty()) {
            (true, _) => "final",
            (false, false) => "provisional",
            (false, true) => "none",
        }
    }

    /// The quantum of a coupling; none if no step of it can be touched.
    fn quantum(&self, coupling: &CouplingId) -> Option<f64> {
        let mut rows = self.ledger.contract().frame().rows.iter();
        let row = rows.find(|row| row.coupling.as_str() == coupling.as_str())?;
        Some(row.quantum)
    }

    /// What each member holds of a coupling at each step, its own commitment aside, and
    /// what it is committed to.
    fn held(&self, coupling: &CouplingId) -> BTreeMap<MemberId, (Vec<i64>, Vec<i64>)> {
        let view = self.leases.view(self.ledger.log());
        let mut all: BTreeMap<MemberId, (Vec<i64>, Vec<i64>)> = BTreeMap::new();
        let steps = self.leases.terms().steps();
        for holding in view.holdings() {
            if holding.coupling != *coupling {
                continue;
            }
            let none = || (vec![0; steps], vec![0; steps]);
            let (held, committed) = all.entry(holding.member.clone()).or_insert_with(none);
            if holding.source.as_ref() == Some(&holding.member) {
                let there = view.available(coupling, holding.source.as_ref());
                *committed = there.unwrap_or_default();
            } else {
                for (sum, own) in held.iter_mut().zip(holding.lease.effective()) {
                    *sum += own;
                }
            }
        }
        all
    }
}

/// The folder of a log: the one that is named, or of several under `logs` the one with the
/// most entries.
fn log_folder(dir: &Path) -> Result<PathBuf, Failure> {
    let logs = dir.join("logs");
    if dir.join(CONTRACT).is_file() || !logs.is_dir() {
        return Ok(dir.to_owned());
    }
    let folders = std::fs::read_dir(&logs).map_err(|e| Failure::at(&logs, e))?;
    let mut folders: Vec<PathBuf> = folders
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join(CONTRACT).is_file())
        .collect();
    folders.sort();
    let mut best: Option<(usize, PathBuf)> = None;
    for folder in folders {
        let entries = load(&folder, false)?.0.len();
        if best.as_ref().is_none_or(|(most, _)| entries > *most) {
            best = Some((entries, folder));
        }
    }
    let missing = "no member's log is in it; name a folder that `run --out` wrote";
    best.map(|(_, folder)| folder)
        .ok_or_else(|| Failure::at(&logs, missing))
}

/// A number of quanta in the coupling's unit.
fn amount(quanta: i64, quantum: f64) -> String {
    let text = format!("{:.6}", quanta as f64 * quantum);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(crate) fn run(a: &PlanArgs) -> ExitCode {
    let done = match &a.what {
        What::Show(a) => show::run(a),
        What::Leases(a) => leases::run(a),
        What::Conflicts(a) => conflicts::run(a),
        What::Diff(a) => diff::run(a),
    };
    done.unwrap_or_else(|Failure(text)| {
        eprintln!("cosmosmesh: {text}");
        ExitCode::from(crate::BAD_INPUT)
    })
}
