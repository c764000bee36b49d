//! A pruned store is a smaller form of the same log: after any crash, and to whatever
//! comes later.

mod common;

use std::collections::BTreeSet;

use common::{CONTRACT, Rng, World, history, seal, world};
use cosmosmesh_log::store::{
    Access, Disk as _, FaultyDisk, MemoryStore, RealDisk, SegmentStore, Store, StoreError, repair,
};
use cosmosmesh_log::{Entry, Log, PruneError, Stored};
use cosmosmesh_mission::{Canonical as _, MessageId};

fn open(disk: &FaultyDisk) -> Result<SegmentStore<FaultyDisk>, StoreError> {
    SegmentStore::open_with(disk.clone(), CONTRACT, Access::Write, 4096)
}

fn load(world: &World, store: &dyn Store) -> Log {
    let mut log = Log::new(world.terms.clone());
    log.load(store, false).expect("a whole log");
    log
}

fn state(log: &Log) -> Vec<u8> {
    log.state().to_cbor().expect("encodable")
}

fn all(store: &dyn Store) -> Vec<Stored> {
    let mut all = Vec::new();
    let each = &mut |stored| {
        all.push(stored);
        Ok(())
    };
    store.replay(each).expect("readable");
    all
}

fn ids(store: &dyn Store) -> Vec<MessageId> {
    all(store).iter().map(Stored::id).collect()
}

/// A log with a sealed checkpoint behind it, in a store; entries that come later; and
/// what pruning lets go of.
struct Case {
    world: World,
    full: Log,
    disk: FaultyDisk,
    late: Vec<Entry>,
    gone: BTreeSet<MessageId>,
}

fn case(seed: u64, mischief: bool) -> Option<Case> {
    let world = world(4);
    let entries = history(&world, seed, 80, mischief);
    let (early, late) = entries.split_at(60);
    let mut full = Log::new(world.terms.clone());
    for entry in early {
        world.take(&mut full, entry);
    }
    let (checkpoint, _) = seal(&world, &mut full, &[0, 1, 2])?;
    let disk = FaultyDisk::new();
    let mut store = open(&disk).expect("opened");
    for ix in full.attached_since(0) {
        full.save([ix], &mut store).expect("added");
        store.commit().expect("durable");
    }
    let mut pruned = full.clone();
    let gone = pruned.prune(&checkpoint, &BTreeSet::new()).expect("pruned");
    assert_eq!(gone.len(), pruned.pruned());
    Some(Case {
        late: late.to_vec(),
        disk: disk.crash(0),
        world,
        full,
        gone,
    })
}

#[test]
fn a_pruned_store_and_a_full_one_take_and_refuse_the_same() {
    let mut cases = 0;
    for seed in 0..60 {
        let Some(case) = case(seed, seed % 2 == 1) else {
            continue;
        };
        cases += 1;
        let world = &case.world;
        let mut store = open(&case.disk).expect("opened");
        // The index is made, and has to be made again.
        let some = *case.gone.first().expect("something was let go of");
        assert!(store.get(&some).expect("readable").is_some());
        let before = ids(&store);
        let freed = store.prune(&case.gone).expect("pruned");
        assert_eq!(freed.entries as usize, case.gone.len(), "seed {seed}");
        assert!(freed.bytes_after < freed.bytes_before, "{freed:?}");
        assert_eq!(freed.bytes_after, store.bytes());
        assert_eq!(ids(&store), before);
        assert_eq!(store.len() as usize, before.len());
        drop(store);
        let mut store = open(&case.disk.crash(0)).expect("opened");
        assert_eq!(ids(&store), before);
        for (id, ix) in before.iter().zip(case.full.attached_since(0)) {
            let got = store.get(id).expect("readable");
            let whole = case.full.entry(ix).filter(|_| !case.gone.contains(id));
            assert_eq!(got.as_ref(), whole.map(|entry| &**entry), "seed {seed}");
        }
        let mut pruned = load(world, &store);
        let mut full = case.full.clone();
        assert_eq!(pruned.pruned(), case.gone.len());
        assert_eq!(state(&pruned), state(&full), "seed {seed}");
        // What comes later, in any order, with what breaks rules among it.
        let mut rng = Rng(seed);
        let mut late = case.late.clone();
        let old = all(&store);
        for _ in 0..20 {
            let after = old[rng.below(old.len())].header();
            let author = world.names.iter().position(|name| *name == after.author);
            let mut draft = world.draft(author.expect("known"), None, vec![]);
            let skip = rng.below(3) as u64;
            draft.boot_epoch = after.boot_epoch;
            draft.seq.0 = after.seq.0 + skip;
            let back = old.iter().find(|one| one.header() == after);
            draft.backlink = back.map(Stored::id);
            draft.deps = vec![old[rng.below(old.len())].id()];
            let entry = draft.sign(&world.keys[author.expect("known")]);
            late.extend(entry.ok());
        }
        rng.shuffle(&mut late);
        for entry in &late {
            let take = |log: &mut Log| {
                let verified = world.terms.verify(entry.clone()).expect("signed");
                log.insert(verified).map(|taken| taken.attached.len())
            };
            assert_eq!(take(&mut pruned), take(&mut full), "seed {seed}");
        }
        assert_eq!(state(&pruned), state(&full), "seed {seed}");
        let counted = |log: &Log| log.counted().map(|ix| log.id(ix)).collect::<Vec<_>>();
        assert_eq!(counted(&pruned), counted(&full), "seed {seed}");
        for (at, _) in world.terms.authors() {
            let fork = |log: &Log| log.fork_proof(at).map(|proof| proof.ids);
            assert_eq!(fork(&pruned), fork(&full), "seed {seed}");
        }
    }
    assert!(cases > 40, "{cases}");
}

#[test]
fn a_crash_at_any_moment_of_pruning_leaves_all_of_the_old_or_of_the_new() {
    let case = case(4, false).expect("sealed");
    let world = &case.world;
    let expected = ids(&open(&case.disk.crash(0)).expect("opened"));
    let trial = case.disk.crash(0);
    let mut store = open(&trial).expect("opened");
    let before = trial.operations();
    store.prune(&case.gone).expect("pruned");
    let operations = trial.operations() - before;
    let (mut crashes, mut old, mut new) = (0, 0, 0);
    for stop in 0..operations {
        for seed in 0..12 {
            let disk = case.disk.crash(0);
            let mut store = open(&disk).expect("opened");
            disk.stop_after(stop);
            assert!(store.prune(&case.gone).is_err(), "stop {stop}");
            assert!(matches!(store.commit(), Err(StoreError::Failed)));
            drop(store);
            // What ends it may be stopped as well.
            for again in [0, 2, 5, 50] {
                let disk = disk.crash(seed);
                disk.stop_after(again);
                drop(open(&disk));
                let disk = disk.crash(seed ^ 0x5a5a);
                let at = format!("stop {stop}, again {again}, seed {seed}");
                let reading = SegmentStore::open(disk.clone(), CONTRACT, Access::Read);
                assert!(
                    matches!(reading, Ok(_) | Err(StoreError::HalfSwapped)),
                    "{at}"
                );
                let mut store = open(&disk).unwrap_or_else(|error| panic!("{at}: {error}"));
                assert_eq!(ids(&store), expected, "{at}");
                let log = load(world, &store);
                match log.pruned() {
                    0 => old += 1,
                    some => {
                        assert_eq!(some, case.gone.len(), "{at}");
                        new += 1;
                    }
                }
                crashes += 1;
                if seed % 4 == 2 && again == 50 {
                    assert_eq!(state(&log), state(&case.full), "{at}");
                    for entry in &case.late {
                        store.append(entry).expect("added");
                    }
                    store.commit().expect("durable");
                    store.prune(&case.gone).expect("pruned");
                    drop(store);
                    let store = open(&disk.crash(0)).expect("opened");
                    assert_eq!(store.len() as usize, expected.len() + case.late.len());
                    let log = load(world, &store);
                    assert_eq!(log.pruned(), case.gone.len(), "{at}");
                }
            }
        }
    }
    println!("{operations} crash points, {crashes} crashes, {old} old, {new} new");
    assert!(old > 100 && new > 100);
}

#[test]
fn a_full_disk_stops_pruning_and_nothing_else() {
    let case = case(6, false).expect("sealed");
    let expected = ids(&open(&case.disk.crash(0)).expect("opened"));
    let size = open(&case.disk.crash(0)).expect("opened").bytes() as usize;
    let mut full = 0;
    for room in (0..size).step_by(211) {
        let disk = case.disk.crash(0);
        let mut store = open(&disk).expect("opened");
        disk.limit(Some(size + room));
        full += u32::from(store.prune(&case.gone).is_err());
        drop(store);
        disk.limit(None);
        let store = open(&disk.crash(1)).expect("opened");
        assert_eq!(ids(&store), expected, "room {room}");
        load(&case.world, &store);
    }
    assert!(full > 5, "{full}");
}

#[test]
fn headers_without_a_quorum_behind_them_are_refused() {
    let case = case(2, false).expect("sealed");
    let mut store = open(&case.disk).expect("opened");
    store.prune(&case.gone).expect("pruned");
    let stored = all(&store);
    let refused = |some: Vec<Stored>| {
        let store: MemoryStore = some.into_iter().collect();
        let mut log = Log::new(case.world.terms.clone());
        log.load(&store, false).expect_err("refused")
    };
    // Two votes are a quorum; with one of the three there is none.
    let votes = |one: &Stored| one.header().kind == cosmosmesh_log::Kind::CHECKPOINT;
    let last = stored.iter().rposition(votes).expect("a vote");
    let bare: Vec<_> = stored[..last - 1].to_vec();
    assert!(matches!(refused(bare), StoreError::Unsealed(_)));
    // A vote of which only the header is left says nothing.
    let mut mute = stored.clone();
    let Stored::Whole(vote) = &mute[last] else {
        panic!("votes are kept")
    };
    let author = case.world.terms.place(&vote.header().author);
    let tip = case.full.tip(author.expect("known")).expect("the vote");
    mute[last] = Stored::Stub(case.full.stub(tip));
    assert!(matches!(refused(mute), StoreError::Refused { .. }));
    // One header too many: nobody voted for it.
    let mut more = stored;
    let mut stranger = Log::new(case.world.terms.clone());
    let said = case.world.say(3, None, vec![], 77);
    case.world.take(&mut stranger, &said);
    let ix = stranger.find(&said.id()).expect("attached");
    more.push(Stored::Stub(stranger.stub(ix)));
    assert!(matches!(refused(more), StoreError::Unsealed(_)));
}

#[test]
fn pruning_goes_on_and_keeps_what_is_live() {
    let world = world(4);
    let mut rng = Rng(11);
    let mut log = Log::new(world.terms.clone());
    let disk = FaultyDisk::new();
    let mut store = open(&disk).expect("opened");
    let (mut live, mut checkpoints) = (BTreeSet::new(), Vec::new());
    let mut stored = 0;
    for part in 0..2 {
        for body in 0..60 {
            let author = rng.below(4);
            let place = world.terms.place(&world.names[author]).expect("known");
            let tip = log.tip(place).and_then(|ix| log.entry(ix)).cloned();
            let deps = log.heads().iter().copied().take(2).collect();
            let entry = world.say(author, tip.as_deref(), deps, body);
            world.take(&mut log, &entry);
            if body == 20 + part {
                live.insert(entry.id());
            }
        }
        let (checkpoint, _) = seal(&world, &mut log, &[1, 2]).expect("sealed");
        log.save(log.attached_since(stored), &mut store)
            .expect("added");
        stored = log.len();
        let gone = log.prune(&checkpoint, &live).expect("pruned");
        assert!(gone.is_disjoint(&live));
        let freed = store.prune(&gone).expect("pruned");
        assert_eq!(freed.entries as usize, gone.len());
        checkpoints.push(checkpoint);
    }
    let pruned = load(&world, &open(&disk.crash(0)).expect("opened"));
    assert_eq!(state(&pruned), state(&log));
    for id in &live {
        let ix = pruned.find(id).expect("attached");
        assert!(!pruned.is_pruned(ix));
    }
    // Back behind the later one there is no way.
    let back = log.prune(&checkpoints[0], &live);
    assert!(matches!(back, Err(PruneError::Beside(_))), "{back:?}");
    // Damage in a pruned store is mended as in any other.
    drop(store);
    let disk = disk.crash(0);
    let mut bytes = disk.bytes("00000000.seg").expect("there");
    bytes[200] ^= 4;
    disk.plant("00000000.seg", bytes);
    assert!(matches!(open(&disk), Err(StoreError::Damaged(_))));
    let repaired = repair(&disk, Some(CONTRACT)).expect("repaired");
    assert_eq!(open(&disk).expect("opened").len(), repaired.kept);
}

#[test]
fn a_real_folder_shrinks() {
    let case = case(8, false).expect("sealed");
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pruned");
    let _ = std::fs::remove_dir_all(&folder);
    let disk = || RealDisk::create(&folder).expect("a folder");
    let open = || SegmentStore::open_with(disk(), CONTRACT, Access::Write, 4096).expect("opened");
    let mut store = open();
    case.full
        .save(case.full.attached_since(0), &mut store)
        .expect("added");
    store.commit().expect("durable");
    let gone = *case.gone.first().expect("some");
    assert!(store.get(&gone).expect("readable").is_some());
    drop(store);
    let mut store = open();
    let freed = store.prune(&case.gone).expect("pruned");
    assert!(store.get(&gone).expect("readable").is_none());
    drop(store);
    let mut store = open();
    assert_eq!(store.bytes(), freed.bytes_after);
    assert!(store.get(&gone).expect("readable").is_none());
    for entry in &case.late {
        store.append(entry).expect("added");
    }
    store.commit().expect("durable");
    let last = case.late.last().expect("some").id();
    assert!(store.get(&last).expect("readable").is_some());
    load(&case.world, &store);
}

#[test]
fn every_flipped_byte_of_a_pruned_store_is_named_and_repaired() {
    let case = case(10, false).expect("sealed");
    let mut store = open(&case.disk).expect("opened");
    store.prune(&case.gone).expect("pruned");
    let entries = store.len();
    drop(store);
    let whole = case.disk.crash(0);
    for name in whole.list().expect("names") {
        let bytes = whole.bytes(&name).expect("there");
        for at in 0..bytes.len() {
            let disk = whole.crash(0);
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            disk.plant(&name, flipped);
            match open(&disk) {
                // Within the last commit it cannot be told from a torn write.
                Ok(store) => {
                    assert!(store.opened().torn.is_some(), "{name} {at}: unnoticed");
                    assert_eq!(store.len(), entries - 1, "{name} {at}");
                }
                Err(StoreError::Damaged(damage)) => {
                    let good = damage.good_before + damage.good_behind;
                    assert!(good + 1 >= entries, "{name} {at}: {damage}");
                    if at % 37 == 0 {
                        let repaired = repair(&disk, Some(CONTRACT)).expect("repaired");
                        let store = open(&disk.crash(0)).expect("opened");
                        assert_eq!(store.len(), repaired.kept, "{name} {at}");
                    }
                }
                Err(error) => panic!("{name} {at}: {error}"),
            }
        }
    }
}

#[test]
fn a_plan_that_is_none_and_files_left_over_change_nothing() {
    let case = case(12, false).expect("sealed");
    let expected = ids(&open(&case.disk.crash(0)).expect("opened"));
    for plan in [&b""[..], b"mine", &[0; 16], &[0xff; 16], &[7; 4096]] {
        let disk = case.disk.crash(0);
        disk.plant("SWAP", plan.to_vec());
        disk.plant("00000000.seg.new", vec![0x5a; 100]);
        disk.plant("notes.txt", b"mine".to_vec());
        let reading = SegmentStore::open(disk.clone(), CONTRACT, Access::Read);
        assert_eq!(ids(&reading.expect("opened")), expected);
        assert_eq!(ids(&open(&disk).expect("opened")), expected);
        let names = disk.list().expect("names");
        assert!(
            !names
                .iter()
                .any(|name| name == "SWAP" || name.contains(".seg.new"))
        );
        assert!(names.iter().any(|name| name == "notes.txt"));
    }
}
