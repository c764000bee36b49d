//! `cosmosmesh log prune`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cosmosmesh_log::Log;
use cosmosmesh_log::store::Access;
use serde_json::json;

use super::{Failure, open, terms};

/// Let go of the bodies of entries behind the last checkpoint that a quorum sealed.
///
/// Of each entry the header stays, so that the log takes, refuses and proves the same
/// as before; and all of the last entries, fork proofs, revocations and votes. It is
/// for good: whoever wants to compute the agreement again needs a log that was not
/// pruned. Every signature is checked before.
#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// The folder.
    dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(a: &PruneArgs) -> Result<ExitCode, Failure> {
    let at_dir = |error: &dyn std::fmt::Display| Failure::at(&a.dir, error);
    let terms = terms(&a.dir)?;
    let mut store = open(&a.dir, &terms, Access::Write)?;
    let mut log = Log::new(terms);
    log.load(&store, false).map_err(|error| at_dir(&error))?;
    let sealed = log.sealed().first().map(|longest| (*longest).clone());
    let Some(checkpoint) = sealed else {
        return Err(at_dir(&format!(
            "no checkpoint is sealed: the best has {} votes of closers, it takes {}; nothing was \
             pruned",
            log.votes().values().map(BTreeSet::len).max().unwrap_or(0),
            log.terms().quorum().max(1),
        )));
    };
    let pruned = log.prune(&checkpoint, &BTreeSet::new());
    let gone = pruned.map_err(|error| at_dir(&format!("{error}; nothing was pruned")))?;
    let freed = store.prune(&gone).map_err(|error| at_dir(&error))?;
    if a.json {
        let report = json!({
            "sealed_entries": checkpoint.entries,
            "entries": log.len(),
            "pruned_now": freed.entries,
            "pruned": log.pruned(),
            "bytes_before": freed.bytes_before,
            "bytes_after": freed.bytes_after,
        });
        crate::print(&format!("{report}\n"));
    } else {
        crate::print(&format!(
            "a quorum has sealed {} of {} entries; of {} that were whole the header is kept\n\
             {} bytes before, {} now: {} freed\n",
            checkpoint.entries,
            log.len(),
            freed.entries,
            freed.bytes_before,
            freed.bytes_after,
            freed.bytes_before.saturating_sub(freed.bytes_after),
        ));
    }
    Ok(ExitCode::SUCCESS)
}
