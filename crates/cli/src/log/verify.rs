//! `cosmosmesh log verify`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cosmosmesh_log::store::Store as _;
use serde_json::json;

use super::{Failure, hex, load};

/// Check every frame, hash, signature and parent; find forks and clock skews.
///
/// Of pruned entries the hash is checked, and that a quorum signed a checkpoint that
/// follows from them; their own signatures are gone.
///
/// Exits with 1 if an author forked: the log is sound, that author is not.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The folder.
    dir: PathBuf,
    /// By how many seconds clocks may disagree.
    #[arg(long, default_value_t = 60)]
    skew_s: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(a: &VerifyArgs) -> Result<ExitCode, Failure> {
    let (log, store) = load(&a.dir, true)?;
    let state = log.state();
    let digest = state.digest().map_err(|error| Failure::at(&a.dir, error))?;
    let skews = log.skews(a.skew_s);
    let authors = log.terms().authors();
    let forks: Vec<_> = authors.filter_map(|(at, _)| log.fork_proof(at)).collect();
    let counted = log.counted().count();
    let sealed = log.sealed().first().map(|checkpoint| checkpoint.entries);
    if a.json {
        let report = json!({
            "entries": state.entries,
            "counted": counted,
            "pruned": log.pruned(),
            "segments": store.opened().segments,
            "bytes": store.bytes(),
            "log_digest": hex(&digest),
            "heads": state.frontier,
            "sealed_entries": sealed,
            "forks": forks.iter().map(|f| json!({ "author": f.author, "entries": f.ids })).collect::<Vec<_>>(),
            "skews": skews.iter().map(|s| json!({
                "entry": s.id,
                "parent": s.parent,
                "behind_s": s.behind_s,
            })).collect::<Vec<_>>(),
        });
        crate::print(&format!("{report}\n"));
    } else {
        crate::print(&format!(
            "{} entries in {} segments, {} count; every hash and signature is right\n\
             log digest {}\n",
            store.len(),
            store.opened().segments,
            counted,
            hex(&digest)
        ));
        if log.pruned() > 0 {
            crate::print(&format!(
                "of {} of them the header alone is kept, and a quorum signed what they lead to\n",
                log.pruned()
            ));
        }
        if let Some(entries) = sealed {
            crate::print(&format!("a quorum has sealed {entries} of them\n"));
        }
        for fork in &forks {
            crate::print(&format!(
                "{} forked: {} and {} have one back link; nothing from there on counts\n",
                fork.author, fork.ids[0], fork.ids[1]
            ));
        }
        for skew in skews.iter().take(20) {
            crate::print(&format!(
                "{} claims to be {} s older than {}, which it follows from\n",
                skew.id, skew.behind_s, skew.parent
            ));
        }
        if skews.len() > 20 {
            crate::print(&format!("and {} more clock skews\n", skews.len() - 20));
        }
    }
    Ok(if forks.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}
