//! `cosmosmesh log replay`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use cosmosmesh::coordination::ledger::{Ledger, State};
use cosmosmesh::coordination::progress::Phase;
use cosmosmesh::optimize::seeded::Seeded;
use cosmosmesh_log::Log;
use serde_json::json;

use super::{Failure, contract, hex, load, past, whole};

/// Compute the state of the agreement from its log, in any order of entries.
///
/// The folder holds, beside the log, the contract (`contract.cbor`), as `run --out`
/// writes them. Exits with 1 if a closer is at fault or two orders lead to
/// different states.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The folder.
    dir: PathBuf,
    /// Take the entries in so many random orders as well, and compare.
    #[arg(long, default_value_t = 0)]
    shuffle: u32,
    /// Decides the orders.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The state as it follows from the past of one entry: its id, or how it begins.
    #[arg(long)]
    at: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(a: &ReplayArgs) -> Result<ExitCode, Failure> {
    let (mut log, _) = load(&a.dir, true)?;
    whole(&a.dir, &log)?;
    let contract = contract(&a.dir, &log)?;
    if let Some(start) = &a.at {
        log = past(&a.dir, &log, start)?;
    }
    let ledger = Ledger::of(contract.clone(), log);
    let state = ledger.state();
    let entries = ledger.log().len();
    let settled = ledger.settled(&state).log().len();
    let mut random = Seeded::new(a.seed);
    let mut digests = BTreeSet::from([state.digest]);
    for _ in 0..a.shuffle {
        let shuffled = shuffled(&a.dir, ledger.log(), &mut random)?;
        digests.insert(Ledger::of(contract.clone(), shuffled).state().digest);
    }
    // What one entry follows from is asked for as it is; of a whole log, what is
    // final.
    let digest = if a.at.is_some() {
        state.digest
    } else {
        state.final_digest
    };
    let attempts = state.opened.iter().map(|opened| opened.attempt);
    let later = attempts.filter(|attempt| *attempt > 0).count();
    let faults: Vec<String> = state
        .faults
        .iter()
        .map(|(id, fault)| format!("{id} of closer {}: {}", fault.author, fault.why))
        .collect();
    let absent: Vec<_> = state.absent(&contract).into_iter().cloned().collect();
    if a.json {
        let report = json!({
            "state_digest": hex(&digest),
            "entries": entries,
            "final_entries": settled,
            "provisional_entries": entries - settled,
            "rounds": state.progress.rounds().len(),
            "agreed": state.progress.phase() == Phase::Agreed,
            "certified_relative_gap": state.progress.plan().and_then(|p| p.gap),
            "opened": state.opened.len(),
            "opened_in_a_later_attempt": later,
            "absent": absent,
            "faults": faults,
            "left_out": state.left_out.keys().collect::<Vec<_>>(),
            "orders": u64::from(a.shuffle) + 1,
            "digests": digests.len(),
        });
        crate::print(&format!("{report}\n"));
    } else {
        crate::print(&format!(
            "{} final entries, {} provisional; {} rounds closed, {}\n\
             state digest {}\n",
            settled,
            entries - settled,
            state.progress.rounds().len(),
            standing(&state),
            hex(&digest),
        ));
        if a.shuffle > 0 {
            let orders = u64::from(a.shuffle) + 1;
            let found = digests.len();
            crate::print(&format!(
                "{orders} orders of entries lead to {found} state(s)\n"
            ));
        }
        for fault in &faults {
            crate::print(&format!("{fault}\n"));
        }
    }
    Ok(if faults.is_empty() && digests.len() == 1 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

fn standing(state: &State) -> String {
    match (state.progress.phase(), state.progress.plan()) {
        (Phase::Agreed, Some(plan)) => match plan.gap {
            Some(gap) => format!("a plan agreed within {gap:.1e} of the best"),
            None => "a plan agreed without a bound".to_owned(),
        },
        (Phase::Settling(_), _) => "settling on a plan".to_owned(),
        _ => "no plan agreed".to_owned(),
    }
}

/// The same entries, taken in another order.
fn shuffled(dir: &Path, log: &Log, random: &mut Seeded) -> Result<Log, Failure> {
    let mut entries: Vec<_> = log
        .attached_since(0)
        .filter_map(|ix| log.entry(ix))
        .collect();
    for k in (1..entries.len()).rev() {
        entries.swap(k, random.below(k as u64 + 1) as usize);
    }
    let mut other = Log::new(log.terms().clone());
    for entry in entries {
        // Its signature was checked when the log was loaded.
        let taken = log.terms().trust((**entry).clone());
        let taken = taken.and_then(|verified| other.insert(verified));
        taken.map_err(|e| Failure::at(dir, e))?;
    }
    Ok(other)
}
