//! `cosmosmesh log show`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use cosmosmesh_log::{EntryIx, Kind, Log};
use cosmosmesh_mission::MessageId;
use serde_json::json;

use super::{Failure, hex, load};

/// List the entries in canonical order, or show one.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The folder.
    dir: PathBuf,
    /// One entry: its id, or how it begins.
    #[arg(long)]
    id: Option<String>,
    /// The last so many only.
    #[arg(long)]
    last: Option<usize>,
    /// Print one JSON object for each entry.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(a: &ShowArgs) -> Result<ExitCode, Failure> {
    let (log, _) = load(&a.dir, false)?;
    let mut order = log.canonical();
    if let Some(start) = &a.id {
        let start = start.to_lowercase();
        order.retain(|ix| log.id(*ix).to_string().starts_with(&start));
        if order.is_empty() {
            let problem = format!("no entry begins with {start:?}; `log show` lists all ids");
            return Err(Failure::at(&a.dir, problem));
        }
    }
    let skip = order.len() - a.last.unwrap_or(order.len()).min(order.len());
    for ix in &order[skip..] {
        if a.json || a.id.is_some() {
            let entry = describe(&log, *ix);
            crate::print(&if a.json {
                format!("{entry}\n")
            } else {
                format!("{entry:#}\n")
            });
        } else {
            crate::print(&line(&log, *ix));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn kind(kind: Kind) -> String {
    const NAMES: [&str; 7] = [
        "shared_variables",
        "dual_variables",
        "plan_delta",
        "privacy_budget",
        "audit_log",
        "policy_block",
        "registry_entry",
    ];
    match kind {
        Kind::CHECKPOINT => "checkpoint".into(),
        Kind::REVOCATION => "revocation".into(),
        Kind::VOTE => "vote".into(),
        Kind::STATUS => "status".into(),
        Kind(number) => NAMES
            .get(usize::try_from(number).unwrap_or(usize::MAX))
            .map_or_else(|| format!("kind {number}"), |name| (*name).into()),
    }
}

fn line(log: &Log, ix: EntryIx) -> String {
    let stub = log.stub(ix);
    let header = stub.header();
    let pruned = if log.is_pruned(ix) { "  pruned" } else { "" };
    format!(
        "{:>8}  {:.12}  {:<20} {:>4}.{:<8} {:<17} {:>7} B{pruned}{}\n",
        log.depth(ix),
        log.id(ix).to_string(),
        header.author,
        header.boot_epoch,
        header.seq,
        kind(header.kind),
        header.body_bytes,
        if log.is_counted(ix) {
            ""
        } else {
            "  does not count"
        }
    )
}

fn describe(log: &Log, ix: EntryIx) -> serde_json::Value {
    let stub = log.stub(ix);
    let header = stub.header();
    // What is of the vocabulary is shown in its terms, all else as bytes.
    let body = log.entry(ix).map(|entry| match entry.envelope() {
        Ok(envelope) => json!(envelope.payload),
        Err(_) => json!(hex(entry.body())),
    });
    json!({
        "id": log.id(ix),
        "depth": log.depth(ix),
        "counted": log.is_counted(ix),
        "author": header.author,
        "boot_epoch": header.boot_epoch,
        "seq": header.seq,
        "backlink": header.backlink,
        "deps": header.deps.iter().map(MessageId::to_string).collect::<Vec<_>>(),
        "time_s": header.time,
        "kind": kind(header.kind),
        "body_bytes": header.body_bytes,
        "pruned": log.is_pruned(ix),
        "body": body,
    })
}
