//! `cosmosmesh bench log`: what the log costs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use cosmosmesh_log::store::{Access, RealDisk, SegmentStore, Store, StoreError};
use cosmosmesh_log::{Entry, Log, Verified};
use serde::Serialize;

use super::history::{CONTRACT, Cast};
use super::sync::{self, SketchRow, VectorRow};

/// Replay, durable append, opening, and bytes of sync.
///
/// Files are read from the cache of the system: a disk that has to be read costs
/// its own time on top.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Entries to replay and to append, by 64 authors.
    #[arg(long, default_value_t = 100_000)]
    entries: usize,
    /// Entries to open from cold.
    #[arg(long, default_value_t = 1_000_000)]
    open: usize,
    /// Everything a tenth as large.
    #[arg(long)]
    quick: bool,
    /// A folder for the files; it must not be there.
    #[arg(long)]
    dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Measured {
    pub(super) entries: usize,
    /// Entries a second: signing.
    pub(super) sign_per_s: f64,
    /// Decoding the bytes and hashing.
    pub(super) decode_per_s: f64,
    /// Checking signatures, one core.
    pub(super) verify_per_s: f64,
    /// The same on two threads.
    pub(super) verify_two_threads_per_s: f64,
    /// Attaching checked entries, canonical order and state.
    pub(super) fold_per_s: f64,
    /// All of it on one core: decode, verify, attach, order, state.
    pub(super) replay_verified_per_s: f64,
    pub(super) append: Vec<AppendRow>,
    pub(super) open: OpenRow,
    pub(super) vectors: Vec<VectorRow>,
    pub(super) sketches: Vec<SketchRow>,
}

/// Durable append, by how many entries share a sync.
#[derive(Debug, Serialize)]
pub(super) struct AppendRow {
    pub(super) entries_per_commit: usize,
    pub(super) entries_per_s: f64,
    pub(super) commits_per_s: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct OpenRow {
    pub(super) entries: usize,
    pub(super) bytes: u64,
    /// Reading and checking every frame.
    pub(super) open_s: f64,
    /// Building the graph from it, own signatures taken on trust.
    pub(super) load_s: f64,
    /// Making the index from nothing, and finding one entry.
    pub(super) index_s: f64,
    /// Finding one entry when the index is there.
    pub(super) find_s: f64,
}

#[allow(clippy::disallowed_methods)]
pub(crate) fn clock() -> Instant {
    Instant::now()
}

fn rate(count: usize, start: Instant) -> f64 {
    count as f64 / start.elapsed().as_secs_f64()
}

pub(crate) fn run(a: &LogArgs) -> ExitCode {
    match attempt(a) {
        Ok(measured) => {
            if a.json {
                crate::print(&format!("{}\n", serde_json::json!(measured)));
            } else {
                crate::print(&measured.to_string());
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cosmosmesh: {error}");
            ExitCode::from(2)
        }
    }
}

fn attempt(a: &LogArgs) -> Result<Measured, StoreError> {
    let by = if a.quick { 10 } else { 1 };
    let count = (a.entries / by).max(1000);
    let folder = |name: &str| -> Result<RealDisk, StoreError> {
        let path = a.dir.join(name);
        let failed = |source| StoreError::Io {
            what: format!("make {}", path.display()),
            source,
        };
        if path.exists() {
            return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
        }
        RealDisk::create(&path).map_err(failed)
    };
    let mut cast = Cast::new(64, 1);
    let start = clock();
    let entries = cast.history(count);
    let sign_per_s = rate(count, start);
    let encoded: Vec<Vec<u8>> = entries.iter().map(Entry::to_bytes).collect();
    let start = clock();
    let decoded: Vec<Entry> = encoded
        .iter()
        .map(|bytes| Entry::from_bytes(bytes).expect("just written"))
        .collect();
    let decode_per_s = rate(count, start);
    let start = clock();
    let verified: Vec<Verified> = decoded
        .into_iter()
        .map(|entry| cast.terms.verify(entry).expect("signed"))
        .collect();
    let verify_per_s = rate(count, start);
    let start = clock();
    std::thread::scope(|scope| {
        for half in entries.chunks(count.div_ceil(2)) {
            let terms = &cast.terms;
            scope.spawn(move || {
                for entry in half {
                    terms.verify(entry.clone()).expect("signed");
                }
            });
        }
    });
    let verify_two_threads_per_s = rate(count, start);
    let start = clock();
    let mut log = Log::new(cast.terms.clone());
    for entry in verified {
        log.insert(entry).expect("valid");
    }
    let digest = log.state().digest().expect("encodable");
    let fold_per_s = rate(count, start);
    let start = clock();
    let mut again = Log::new(cast.terms.clone());
    for bytes in &encoded {
        let entry = Entry::from_bytes(bytes).expect("just written");
        again
            .insert(cast.terms.verify(entry).expect("signed"))
            .expect("valid");
    }
    assert_eq!(again.state().digest().expect("encodable"), digest);
    let replay_verified_per_s = rate(count, start);
    drop((log, again, encoded));
    let mut append = Vec::new();
    for size in [1, 16, 256, 4096] {
        append.push(append_row(
            folder(&format!("append{size}"))?,
            &entries,
            size,
        )?);
    }
    drop(entries);
    let open = open_row(
        &a.dir.join("open"),
        folder("open")?,
        (a.open / by).max(1000),
    )?;
    let sizes: &[usize] = if a.quick {
        &[10_000]
    } else {
        &[100_000, 1_000_000]
    };
    Ok(Measured {
        entries: count,
        sign_per_s,
        decode_per_s,
        verify_per_s,
        verify_two_threads_per_s,
        fold_per_s,
        replay_verified_per_s,
        append,
        open,
        vectors: sync::vectors(if a.quick { 10_000 } else { 100_000 }),
        sketches: sizes
            .iter()
            .flat_map(|size| sync::sketches(*size, a.quick))
            .collect(),
    })
}

fn append_row(disk: RealDisk, entries: &[Entry], size: usize) -> Result<AppendRow, StoreError> {
    // One sync for each entry takes its time: a part will do.
    let entries = &entries[..entries.len().min(size * 2000)];
    let mut store = SegmentStore::open(disk, CONTRACT, Access::Write)?;
    let start = clock();
    let mut commits = 0;
    for commit in entries.chunks(size) {
        for entry in commit {
            store.append(entry)?;
        }
        store.commit()?;
        commits += 1;
    }
    Ok(AppendRow {
        entries_per_commit: size,
        entries_per_s: rate(entries.len(), start),
        commits_per_s: rate(commits, start),
    })
}

fn open_row(path: &Path, disk: RealDisk, count: usize) -> Result<OpenRow, StoreError> {
    let mut cast = Cast::new(64, 2);
    let failed = |source| StoreError::Io {
        what: format!("write to {}", path.display()),
        source,
    };
    // So that `cosmosmesh log` can be tried on it.
    std::fs::write(path.join("terms.json"), cast.terms.to_json()).map_err(failed)?;
    let mut store = SegmentStore::open(disk, CONTRACT, Access::Write)?;
    let mut some = None;
    for _ in 0..count.div_ceil(4096) {
        for entry in cast.history(4096.min(count)) {
            store.append(&entry)?;
            some = Some(entry.id());
        }
        store.commit()?;
    }
    drop(store);
    let reopen = || {
        let disk = RealDisk::open(path).map_err(|source| StoreError::Io {
            what: format!("open {}", path.display()),
            source,
        })?;
        SegmentStore::open(disk, CONTRACT, Access::Write)
    };
    let start = clock();
    let mut store = reopen()?;
    let open_s = start.elapsed().as_secs_f64();
    let start = clock();
    let mut log = Log::new(cast.terms.clone());
    log.load(&store, true)?;
    let load_s = start.elapsed().as_secs_f64();
    let entries = log.len();
    drop(log);
    let id = some.expect("there are entries");
    let start = clock();
    assert!(store.get(&id)?.is_some());
    let index_s = start.elapsed().as_secs_f64();
    drop(store);
    let mut store = reopen()?;
    let start = clock();
    assert!(store.get(&id)?.is_some());
    Ok(OpenRow {
        entries,
        bytes: store.bytes(),
        open_s,
        load_s,
        index_s,
        find_s: start.elapsed().as_secs_f64(),
    })
}
