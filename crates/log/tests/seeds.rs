//! The seeds of the fuzz targets: made anew with `SEEDS=write`, and checked to be
//! of use otherwise.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::{CONTRACT, history, seal, world};
use cosmosmesh_log::store::{Access, FaultyDisk, SegmentStore, Store as _, scan_segment};
use cosmosmesh_log::sync::sketch::Salt;
use cosmosmesh_log::sync::{Message, Options, PeerRecord, Session};
use cosmosmesh_log::{Entry, Log};
use cosmosmesh_mission::Canonical as _;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/seeds")
        .join(target)
}

fn write(target: &str, name: &str, bytes: &[u8]) {
    fs::create_dir_all(folder(target)).expect("a folder");
    fs::write(folder(target).join(name), bytes).expect("written");
}

fn read(target: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder(target)).expect("seeds");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read(path).expect("read"))
        .collect()
}

/// Two logs that differ in branches of a fork, and all that they say.
fn meeting(seed: u64) -> Vec<u8> {
    let world = world(3);
    let entries = history(&world, seed, 12, false);
    let last = entries
        .iter()
        .rfind(|e| e.header().author == world.names[2]);
    let mut logs = [0, 1].map(|_| Log::new(world.terms.clone()));
    for (side, log) in logs.iter_mut().enumerate() {
        for entry in &entries {
            world.take(log, entry);
        }
        for body in 0..2 {
            let body = 10 * side as u64 + body;
            world.take(log, &world.say(2, last, vec![], body));
        }
    }
    let options = Options::new(Salt([5; 16]));
    let [mut a, mut b] = logs;
    let mut sides = [
        Session::open(&a, PeerRecord::default(), options),
        Session::answer(PeerRecord::default(), options),
    ];
    let mut said = Vec::new();
    for turn in [0, 1, 0, 1, 0, 1] {
        while let Some(bytes) = sides[turn].poll() {
            said.extend((bytes.len() as u16).to_le_bytes());
            said.extend(&bytes);
            let other = 1 - turn;
            let log = if other == 0 { &mut a } else { &mut b };
            for entry in sides[other].receive(&bytes).expect("understood") {
                world.take(log, &entry);
            }
            sides[other].advance(log).expect("goes on");
        }
    }
    said
}

/// What one that pruned says to one that has nothing.
fn resumed() -> Vec<u8> {
    let world = world(3);
    let mut log = Log::new(world.terms.clone());
    for entry in history(&world, 5, 12, false) {
        world.take(&mut log, &entry);
    }
    let (checkpoint, _) = seal(&world, &mut log, &[0, 1]).expect("sealed");
    log.prune(&checkpoint, &BTreeSet::new()).expect("pruned");
    let fresh = Log::new(world.terms.clone());
    let options = Options::new(Salt([5; 16]));
    let mut sides = [
        Session::open(&fresh, PeerRecord::default(), options),
        Session::answer(PeerRecord::default(), options),
    ];
    let mut said = Vec::new();
    for turn in [0, 1] {
        while let Some(bytes) = sides[turn].poll() {
            said.extend((bytes.len() as u16).to_le_bytes());
            said.extend(&bytes);
            if turn == 0 {
                sides[1].receive(&bytes).expect("understood");
                sides[1].advance(&log).expect("goes on");
            }
        }
    }
    said
}

#[test]
fn seeds_are_current() {
    if std::env::var("SEEDS").is_ok_and(|what| what == "write") {
        let world = world(3);
        let entries = history(&world, 1, 40, true);
        for (at, entry) in entries.iter().take(6).enumerate() {
            write("log_entry", &format!("entry{at}"), &entry.to_bytes());
        }
        for entry in &entries {
            let kind = entry.header().kind.0;
            if kind > 2 {
                write("log_entry", &format!("body{kind}"), entry.body());
            }
        }
        let disk = FaultyDisk::new();
        let mut store = SegmentStore::open(disk.clone(), CONTRACT, Access::Write).expect("opened");
        for (at, entry) in entries.iter().take(10).enumerate() {
            store.append(entry).expect("added");
            if at % 3 == 2 {
                store.commit().expect("durable");
            }
        }
        write(
            "log_segment",
            "ten",
            &disk.bytes("00000000.seg").expect("there"),
        );
        write("log_sync", "meeting", &meeting(3));
        write("log_sync", "resumed", &resumed());
        let mut log = Log::new(world.terms.clone());
        world.take(&mut log, &entries[0]);
        let ix = log.find(&entries[0].id()).expect("attached");
        write("log_entry", "stub", &log.stub(ix).to_bytes());
    }
    let entries = read("log_entry");
    assert!(
        entries
            .iter()
            .filter(|bytes| Entry::from_bytes(bytes).is_ok())
            .count()
            >= 6
    );
    for bytes in read("log_segment") {
        assert!(!scan_segment(&bytes, 0).good.is_empty());
    }
    for bytes in read("log_sync") {
        let (mut rest, mut kinds) = (&bytes[..], std::collections::BTreeSet::new());
        while let [low, high, behind @ ..] = rest {
            let (message, behind) = behind.split_at(usize::from(u16::from_le_bytes([*low, *high])));
            rest = behind;
            let decoded = Message::from_cbor(message).expect("a message");
            kinds.insert(format!("{:?}", std::mem::discriminant(&decoded)));
        }
        assert!(kinds.len() >= 3, "{kinds:?}");
    }
}
