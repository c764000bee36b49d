//! `cosmosmesh-peers [--quick] [--only bytes|sync|replay] [--json FILE]`: what other
//! libraries do with the same work, measured beside our own in one run.
//!
//! Not in the main workspace, so that nobody builds what is only measured beside.

mod history;
mod replay;
mod same_bytes;
mod sync;

use std::process::ExitCode;
use std::time::Instant;

use serde::Serialize;

fn clock() -> Instant {
    Instant::now()
}

#[derive(Debug, Serialize)]
struct Measured {
    versions: [&'static str; 4],
    same_bytes: Vec<same_bytes::Row>,
    replay: Vec<replay::Row>,
    sync: Vec<sync::Row>,
    load_before: String,
    load_after: String,
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn main() -> ExitCode {
    let (mut quick, mut only, mut json) = (false, None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--quick" => quick = true,
            "--only" => only = arguments.next(),
            "--json" => json = arguments.next(),
            other => {
                eprintln!(
                    "cosmosmesh-peers: {other}: expected --quick, --only WHAT or --json FILE"
                );
                return ExitCode::from(2);
            }
        }
    }
    let wants = |what: &str| only.as_deref().is_none_or(|only| only == what);
    let mut measured = Measured {
        versions: [
            "automerge 0.12",
            "loro 1.17",
            "negentropy 0.5",
            "p2panda-core 0.6.1",
        ],
        same_bytes: Vec::new(),
        replay: Vec::new(),
        sync: Vec::new(),
        load_before: load(),
        load_after: String::new(),
    };
    if wants("replay") {
        measured.replay = replay::rows(if quick { 10_000 } else { 100_000 });
        println!("{:<14} {:>8} {:>12}  replay", "", "entries", "per second");
        for row in &measured.replay {
            println!(
                "{:<14} {:>8} {:>12.0}  {}",
                row.of, row.entries, row.per_s, row.what
            );
        }
    }
    if wants("bytes") {
        measured.same_bytes = same_bytes::rows(if quick { 200 } else { 10_000 });
        println!(
            "\n{:<14} {:>10} {:>8} {:>10} {:>10}",
            "", "deliveries", "nodes", "differing", "values"
        );
        for row in &measured.same_bytes {
            println!(
                "{:<14} {:>10} {:>8} {:>10} {:>10}",
                row.of, row.deliveries, row.nodes, row.differing_bytes, row.differing_values
            );
        }
    }
    if wants("sync") {
        let sizes: &[usize] = if quick {
            &[10_000]
        } else {
            &[100_000, 1_000_000]
        };
        measured.sync = sync::rows(sizes);
        println!(
            "\n{:<18} {:<27} {:>8} {:>6} {:>9} {:>8} {:>6} {:>7}",
            "", "sets", "n", "d", "bytes", "each", "trips", "s"
        );
        for r in &measured.sync {
            println!(
                "{:<18} {:<27} {:>8} {:>6} {:>9.0} {:>8.1} {:>6.1} {:>7.3}",
                r.of, r.sets, r.n, r.d, r.bytes, r.bytes_per_difference, r.round_trips, r.s
            );
        }
    }
    measured.load_after = load();
    println!(
        "\nload before {}, after {}",
        measured.load_before, measured.load_after
    );
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&measured).expect("it has a JSON form");
        if let Err(error) = std::fs::write(&path, text + "\n") {
            eprintln!("cosmosmesh-peers: {path}: {error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
