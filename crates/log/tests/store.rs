//! One suite for every store, and what only stores on disks have to survive.

mod common;

use std::path::PathBuf;

use common::{CONTRACT, World, history, world};
use cosmosmesh_log::store::{
    Access, Disk as _, FORMAT_VERSION, FaultyDisk, MemoryStore, RealDisk, SegmentStore, Store,
    StoreError, repair,
};
use cosmosmesh_log::{Entry, Log, Stored};
use cosmosmesh_mission::{ContractHash, MessageId};

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn open(disk: &FaultyDisk) -> Result<SegmentStore<FaultyDisk>, StoreError> {
    SegmentStore::open_with(disk.clone(), CONTRACT, Access::Write, 4096)
}

fn ids(store: &dyn Store) -> Vec<MessageId> {
    let mut ids = Vec::new();
    let each = &mut |stored: Stored| {
        ids.push(stored.id());
        Ok(())
    };
    store.replay(each).expect("readable");
    ids
}

/// What holds of every store.
fn conforms(store: &mut dyn Store, world: &World, entries: &[Entry]) {
    assert!(store.is_empty());
    assert_eq!(store.commit().expect("nothing to do"), 0);
    for (at, entry) in entries.iter().enumerate() {
        store.append(entry).expect("added");
        if at % 7 == 6 {
            assert_eq!(store.commit().expect("durable"), at as u64 + 1);
        } else {
            assert!(store.len() <= at as u64, "durable before it is committed");
        }
    }
    let durable = entries.len() as u64 / 7 * 7;
    assert_eq!(store.len(), durable);
    assert_eq!(
        store
            .get(&entries[entries.len() - 1].id())
            .expect("readable"),
        None
    );
    store.commit().expect("durable");
    assert_eq!(store.len(), entries.len() as u64);
    for entry in entries {
        assert_eq!(
            store.get(&entry.id()).expect("readable").as_ref(),
            Some(entry)
        );
    }
    assert_eq!(store.get(&MessageId([7; 32])).expect("readable"), None);
    let expected: Vec<_> = entries.iter().map(Entry::id).collect();
    assert_eq!(ids(store), expected);
    let mut log = Log::new(world.terms.clone());
    log.load(store, false).expect("a whole log");
    assert_eq!(log.len(), entries.len());
}

#[test]
fn every_store_passes_one_suite() {
    let world = world(4);
    let entries = history(&world, 5, 52, true);
    conforms(&mut MemoryStore::new(), &world, &entries);
    let disk = FaultyDisk::new();
    conforms(&mut open(&disk).expect("opened"), &world, &entries);
    assert!(open(&disk).expect("opened").opened().segments > 3);
    let real = RealDisk::create(&folder("suite")).expect("a folder");
    let mut store = SegmentStore::open_with(real, CONTRACT, Access::Write, 4096).expect("opened");
    conforms(&mut store, &world, &entries);
}

#[test]
fn a_real_folder_is_locked_reopened_and_its_index_made_again() {
    let world = world(3);
    let entries = history(&world, 8, 40, false);
    let folder = folder("real");
    let disk = || RealDisk::create(&folder).expect("a folder");
    let open = |access| SegmentStore::open(disk(), CONTRACT, access);
    let mut store = open(Access::Write).expect("opened");
    assert!(matches!(open(Access::Write), Err(StoreError::Locked)));
    for entry in &entries {
        store.append(entry).expect("added");
    }
    store.commit().expect("durable");
    assert!(store.get(&entries[3].id()).expect("readable").is_some());
    let mut reader = open(Access::Read).expect("opened beside the writer");
    assert_eq!(reader.len(), 40);
    assert!(matches!(
        reader.append(&entries[0]),
        Err(StoreError::ReadOnly)
    ));
    assert!(reader.get(&entries[39].id()).expect("readable").is_some());
    drop(store);
    // An index that is garbage, one that is gone, and one of another log.
    let index = folder.join("index.redb");
    assert!(index.exists());
    std::fs::remove_file(&index).expect("removed");
    let mut store = open(Access::Write).expect("opened");
    assert!(store.get(&entries[20].id()).expect("readable").is_some());
    drop(store);
    std::fs::write(&index, vec![0x55; 4096]).expect("written");
    let mut store = open(Access::Write).expect("opened");
    assert!(store.get(&entries[20].id()).expect("readable").is_some());
}

/// Commits of several entries each, until the disk stops.
fn work(disk: &FaultyDisk, commits: &[&[Entry]]) -> usize {
    let mut acknowledged = 0;
    let Ok(mut store) = open(disk) else { return 0 };
    for entries in commits {
        for entry in *entries {
            if store.append(entry).is_err() {
                return acknowledged;
            }
        }
        let Ok(durable) = store.commit() else {
            assert!(matches!(store.commit(), Err(StoreError::Failed)));
            return acknowledged;
        };
        acknowledged = durable as usize;
    }
    acknowledged
}

fn commits(entries: &[Entry]) -> Vec<&[Entry]> {
    let (mut commits, mut rest, mut size) = (Vec::new(), entries, 0);
    while !rest.is_empty() {
        size = size % 5 + 1;
        let (commit, behind) = rest.split_at(size.min(rest.len()));
        commits.push(commit);
        rest = behind;
    }
    commits
}

#[test]
fn nothing_acknowledged_is_lost_at_any_crash_point() {
    let world = world(3);
    let entries = history(&world, 21, 60, false);
    let commits = commits(&entries);
    let whole = FaultyDisk::new();
    assert_eq!(work(&whole, &commits), entries.len());
    let expected: Vec<_> = entries.iter().map(Entry::id).collect();
    let mut cases = 0;
    for stop in 0..whole.operations() {
        let disk = FaultyDisk::new();
        disk.stop_after(stop);
        let acknowledged = work(&disk, &commits);
        for seed in 0..60 {
            let found = disk.crash(seed);
            // Recovery may be stopped as well, at each of its operations.
            for again in 0..4 {
                let found = found.crash(1);
                found.stop_after(again);
                drop(open(&found));
                let found = found.crash(seed ^ 0xa5a5);
                let mut store = open(&found)
                    .unwrap_or_else(|error| panic!("stop {stop}, seed {seed}: {error}"));
                let kept = ids(&store);
                assert!(kept.len() >= acknowledged, "stop {stop}, seed {seed}");
                assert_eq!(kept, expected[..kept.len()], "stop {stop}, seed {seed}");
                cases += 1;
                if seed % 10 == 2 {
                    for entry in &entries[kept.len()..] {
                        store.append(entry).expect("added");
                    }
                    store.commit().expect("durable");
                    drop(store);
                    let store = open(&found.crash(0)).expect("opened");
                    assert_eq!(ids(&store), expected, "stop {stop}, seed {seed}");
                }
            }
        }
    }
    println!("{} crash points, {cases} crashes", whole.operations());
}

#[test]
fn a_full_disk_loses_nothing_acknowledged() {
    let world = world(2);
    let entries = history(&world, 3, 40, false);
    let commits = commits(&entries);
    for room in (0..12_000).step_by(97) {
        let disk = FaultyDisk::new();
        disk.limit(Some(room));
        let acknowledged = work(&disk, &commits);
        disk.limit(None);
        let store = open(&disk.crash(1)).expect("opened");
        assert!(ids(&store).len() >= acknowledged, "room {room}");
        let store = open(&disk.crash(0)).expect("opened");
        assert_eq!(ids(&store).len(), acknowledged, "room {room}");
    }
}

fn filled(entries: &[Entry]) -> FaultyDisk {
    let disk = FaultyDisk::new();
    assert_eq!(work(&disk, &commits(entries)), entries.len());
    disk.crash(0)
}

#[test]
fn every_flipped_byte_is_named_and_repaired() {
    let world = world(2);
    let entries = history(&world, 9, 24, false);
    let whole = filled(&entries);
    let names = whole.list().expect("names");
    assert!(names.len() >= 2);
    let last_commit = commits(&entries).last().expect("some").len();
    for name in &names {
        let bytes = whole.bytes(name).expect("there");
        for at in 0..bytes.len() {
            let disk = whole.crash(0);
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            disk.plant(name, flipped);
            match open(&disk) {
                Ok(store) => {
                    let torn = store.opened().torn.clone();
                    let torn = torn.unwrap_or_else(|| panic!("{name} {at}: unnoticed"));
                    assert_eq!(torn.file, *names.last().expect("some"));
                    assert!(store.len() as usize >= entries.len() - last_commit);
                }
                Err(StoreError::Damaged(damage)) => {
                    let good = damage.good_before + damage.good_behind;
                    assert!(good as usize + 1 >= entries.len(), "{name} {at}: {damage}");
                    assert_eq!(damage.file, *name);
                    if at % 11 == 0 {
                        let done = repair(&disk, Some(CONTRACT)).expect("repaired");
                        assert!(done.kept >= damage.good_before, "{name} {at}: {done:?}");
                        assert!(!done.set_aside.is_empty());
                        let store = open(&disk.crash(0)).expect("opened");
                        assert_eq!(store.len(), done.kept);
                        let mut log = Log::new(world.terms.clone());
                        log.load(&store, false).expect("parents first");
                        // Nothing was removed.
                        let aside = disk.list().expect("names");
                        assert!(aside.iter().any(|other| other.starts_with(name)));
                    }
                }
                Err(error) => panic!("{name} {at}: {error}"),
            }
        }
    }
}

#[test]
fn a_missing_segment_is_damage_and_an_interrupted_repair_is_done_again() {
    let world = world(2);
    let entries = history(&world, 4, 60, false);
    let whole = filled(&entries);
    whole.remove("00000001.seg").expect("removed");
    whole.sync_names().expect("synced");
    assert!(matches!(open(&whole), Err(StoreError::Damaged(_))));
    let trial = whole.crash(0);
    let before = trial.operations();
    let expected = repair(&trial, None).expect("repaired").kept;
    for stop in 0..trial.operations() - before {
        for seed in 0..20 {
            let disk = whole.crash(0);
            disk.stop_after(stop);
            drop(repair(&disk, None));
            let disk = disk.crash(seed);
            repair(&disk, None).unwrap_or_else(|e| panic!("stop {stop}, seed {seed}: {e}"));
            let store = open(&disk).unwrap_or_else(|e| panic!("stop {stop}, seed {seed}: {e}"));
            assert_eq!(store.len(), expected, "stop {stop}, seed {seed}");
        }
    }
}

#[test]
fn foreign_future_and_other_files_are_told_apart() {
    let contract = |disk: &FaultyDisk| SegmentStore::open(disk.clone(), CONTRACT, Access::Write);
    let foreign = FaultyDisk::new();
    foreign.plant("00000000.seg", b"SQLite format 3\0".repeat(8));
    assert!(matches!(
        contract(&foreign),
        Err(StoreError::Foreign { .. })
    ));
    assert!(matches!(
        repair(&foreign, Some(CONTRACT)),
        Err(StoreError::Foreign { .. })
    ));
    let world = world(1);
    let entries = history(&world, 1, 5, false);
    let disk = filled(&entries);
    let other = SegmentStore::open(disk.clone(), ContractHash([1; 32]), Access::Write);
    assert!(matches!(other, Err(StoreError::OtherContract { .. })));
    let mut bytes = disk.bytes("00000000.seg").expect("there");
    bytes[8..12].copy_from_slice(&(FORMAT_VERSION + 1).to_le_bytes());
    let sum = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&sum.to_le_bytes());
    disk.plant("00000000.seg", bytes.clone());
    let later = contract(&disk);
    assert!(matches!(later, Err(StoreError::FutureVersion { actual, .. }) if actual == 2));
    assert_eq!(disk.bytes("00000000.seg"), Some(bytes));
    // A frame that claims 4 GiB, and other files beside the log.
    let disk = filled(&entries);
    let mut bytes = disk.bytes("00000000.seg").expect("there");
    bytes.extend([0xc0, 0x5e, 0xf4, 0xa3, 0xff, 0xff, 0xff, 0xff]);
    bytes.extend([0; 100]);
    disk.plant("00000000.seg", bytes);
    disk.plant("notes.txt", b"mine".to_vec());
    let store = contract(&disk).expect("opened");
    assert_eq!(store.len(), 5);
    assert_eq!(store.opened().torn.as_ref().expect("cut").bytes, 108);
}
