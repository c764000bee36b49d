//! `cosmosmesh log`: looking at, checking and mending a log in a folder.

mod prune;
mod replay;
mod show;
mod transfer;
mod verify;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use cosmosmesh::coordination::contract::Contract;
use cosmosmesh_log::store::{self, Access, RealDisk, SegmentStore, Store as _};
use cosmosmesh_log::{Log, Terms};

/// Look at, check and mend a log in a folder.
///
/// The folder holds segments and, as `terms.json`, who may write: the contract's
/// hash, the authors' keys, and who may revoke and seal.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the entries in canonical order, or show one.
    Show(show::ShowArgs),
    /// Check every frame, hash, signature and parent; find forks and clock skews.
    Verify(verify::VerifyArgs),
    /// Compute the state of the agreement from its log, in any order of entries.
    Replay(replay::ReplayArgs),
    /// Write all entries to one file, to be carried across.
    Export(transfer::ExportArgs),
    /// Take in the entries of such a file.
    Import(transfer::ImportArgs),
    /// Let go of what stands behind a checkpoint that a quorum sealed.
    Prune(prune::PruneArgs),
    /// Keep what is good of a damaged log. Nothing is removed.
    Repair(RepairArgs),
}

#[derive(Debug, Args)]
struct RepairArgs {
    /// The folder.
    dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// A message for a person: what, and what to do.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl Failure {
    pub(crate) fn at(path: &Path, problem: impl Display) -> Self {
        Self(format!("{}: {problem}", path.display()))
    }
}

const TERMS: &str = "terms.json";
pub(crate) const CONTRACT: &str = "contract.cbor";

/// Whether the folder holds a log of exactly these entries; false if it holds none.
fn holds(dir: &Path, log: &Log) -> Result<bool, Failure> {
    let is_there = std::fs::read_dir(dir).is_ok_and(|mut files| files.next().is_some());
    if !is_there {
        return Ok(false);
    }
    let other = "the folder holds something else than this run's log; remove it, or choose another";
    match load(dir, false) {
        Ok((held, _)) if held.digest() == log.digest() => Ok(true),
        Ok(_) => Err(Failure::at(dir, other)),
        Err(Failure(why)) => Err(Failure::at(dir, format!("{other} ({why})"))),
    }
}

/// Writes the logs of a run to `DIR/MEMBER/`, with what it takes to read them. Where
/// a folder holds the same log it is left as it is; where one holds anything else
/// nothing is written.
pub(crate) fn write_all(dir: &Path, run: &cosmosmesh::run::Run) -> Result<(), String> {
    let text = |Failure(text)| text;
    let contract = run.ledger.contract();
    let bytes = contract.to_bytes();
    let bytes = bytes.map_err(|e| text(Failure::at(dir, e)))?;
    let mut due = Vec::new();
    for (member, log) in &run.logs {
        let dir = dir.join(member.as_str());
        if !holds(&dir, log).map_err(text)? {
            due.push((dir, log));
        }
    }
    for (dir, log) in due {
        let at = |e: &dyn Display| Failure::at(&dir, e).0;
        let disk = RealDisk::create(&dir).map_err(|e| at(&e))?;
        std::fs::write(dir.join(CONTRACT), &bytes).map_err(|e| at(&e))?;
        std::fs::write(dir.join(TERMS), log.terms().to_json()).map_err(|e| at(&e))?;
        let store = SegmentStore::open(disk, contract.hash(), Access::Write);
        let mut store = store.map_err(|e| at(&e))?;
        log.save(log.attached_since(0), &mut store)
            .map_err(|e| at(&e))?;
        store.commit().map_err(|e| at(&e))?;
    }
    Ok(())
}

pub(crate) fn run(a: &LogArgs) -> ExitCode {
    let done = match &a.what {
        What::Show(a) => show::run(a),
        What::Verify(a) => verify::run(a),
        What::Replay(a) => replay::run(a),
        What::Export(a) => transfer::export(a),
        What::Import(a) => transfer::import(a),
        What::Prune(a) => prune::run(a),
        What::Repair(a) => repair(a),
    };
    done.unwrap_or_else(|Failure(text)| {
        eprintln!("cosmosmesh: {text}");
        ExitCode::from(crate::BAD_INPUT)
    })
}

fn terms(dir: &Path) -> Result<Arc<Terms>, Failure> {
    let path = dir.join(TERMS);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::at(
            &path,
            format!("{error}; a log needs its terms: contract hash and authors' keys"),
        )
    })?;
    Terms::from_json(&text)
        .map(Arc::new)
        .map_err(|error| Failure::at(&path, error))
}

fn open(dir: &Path, terms: &Terms, access: Access) -> Result<SegmentStore<RealDisk>, Failure> {
    let disk = RealDisk::open(dir).map_err(|error| Failure::at(dir, error))?;
    let opened = SegmentStore::open(disk, terms.contract_hash(), access);
    let store = opened.map_err(|error| Failure::at(dir, error))?;
    if let Some(torn) = &store.opened().torn {
        let verb = match access {
            Access::Write => "cut",
            Access::Read => "ignored",
        };
        eprintln!(
            "cosmosmesh: {verb} {} bytes at byte {} of {}: a write that was never acknowledged",
            torn.bytes, torn.offset, torn.file
        );
    }
    Ok(store)
}

/// The log in a folder; `checked` verifies every signature.
pub(crate) fn load(dir: &Path, checked: bool) -> Result<(Log, SegmentStore<RealDisk>), Failure> {
    let terms = terms(dir)?;
    let store = open(dir, &terms, Access::Read)?;
    let mut log = Log::new(terms);
    log.load(&store, !checked)
        .map_err(|error| Failure::at(dir, error))?;
    Ok((log, store))
}

/// The largest contract that is read, in bytes.
const MAX_CONTRACT_BYTES: u64 = 64 << 20;

/// Refuses a log of which nothing but headers is left in part.
pub(crate) fn whole(dir: &Path, log: &Log) -> Result<(), Failure> {
    if log.pruned() == 0 {
        return Ok(());
    }
    Err(Failure::at(
        dir,
        format!(
            "of {} entries nothing but the header is here, they were pruned; the agreement \
             follows from all of them: take the log of a member that keeps them",
            log.pruned()
        ),
    ))
}

/// The contract beside a log.
pub(crate) fn contract(dir: &Path, log: &Log) -> Result<Arc<Contract>, Failure> {
    let path = dir.join(CONTRACT);
    let missing = |e| Failure::at(&path, format!("{e}; a replay needs the contract"));
    let size = std::fs::metadata(&path).map_err(missing)?.len();
    if size > MAX_CONTRACT_BYTES {
        let problem = format!("{size} bytes, at most {MAX_CONTRACT_BYTES} are read");
        return Err(Failure::at(&path, problem));
    }
    let bytes = std::fs::read(&path).map_err(missing)?;
    let contract = Contract::from_bytes(&bytes).map_err(|e| Failure::at(&path, e))?;
    let (actual, expected) = (contract.hash(), log.terms().contract_hash());
    if actual != expected {
        let problem = format!("it is contract {actual}, the log is of {expected}");
        return Err(Failure::at(&path, problem));
    }
    Ok(Arc::new(contract))
}

/// The log as it follows from one entry: its id, or how it begins.
pub(crate) fn past(dir: &Path, log: &Log, start: &str) -> Result<Log, Failure> {
    let start = start.to_lowercase();
    let mut found = log.canonical();
    found.retain(|ix| log.id(*ix).to_string().starts_with(&start));
    match found[..] {
        [ix] => Ok(log.at(&[ix])),
        _ => Err(Failure::at(
            dir,
            format!(
                "{} entries begin with {start:?}; `log show` lists all ids",
                found.len()
            ),
        )),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn repair(a: &RepairArgs) -> Result<ExitCode, Failure> {
    // Terms that cannot be read are no reason to leave a log damaged.
    let contract = terms(&a.dir).ok().map(|terms| terms.contract_hash());
    let disk = RealDisk::open(&a.dir).map_err(|error| Failure::at(&a.dir, error))?;
    let done = store::repair(&disk, contract).map_err(|error| Failure::at(&a.dir, error))?;
    if a.json {
        let report = serde_json::json!({
            "kept": done.kept,
            "orphaned": done.orphaned,
            "lost_bytes": done.lost_bytes,
            "set_aside": done.set_aside,
        });
        crate::print(&format!("{report}\n"));
    } else if done.set_aside.is_empty() {
        crate::print(&format!(
            "nothing to repair: {} entries are good\n",
            done.kept
        ));
    } else {
        crate::print(&format!(
            "kept {} entries; left out {} whose parents are lost and {} bytes that are no entry\n\
             the damaged files are kept as {}\nwhat is missing comes back from others by sync\n",
            done.kept,
            done.orphaned,
            done.lost_bytes,
            done.set_aside.join(", ")
        ));
    }
    Ok(ExitCode::SUCCESS)
}
