//! The same set of entries has the same state, in whatever order it came.

mod common;

use common::{Rng, history, world};
use cosmosmesh_log::{Log, LogState, Verified};
use cosmosmesh_mission::Canonical as _;
use proptest::prelude::*;

fn deliver(log: &mut Log, entries: &[Verified]) {
    for entry in entries {
        log.insert(entry.clone()).expect("valid");
    }
}

fn bytes(log: &Log) -> Vec<u8> {
    let bytes = log.state().to_cbor().expect("encodable");
    assert_eq!(LogState::from_cbor(&bytes).as_ref(), Ok(&log.state()));
    bytes
}

/// One case: shuffled, doubled, split among nodes that meet pairwise.
fn one_state(seed: u64, mischief: bool) {
    let mut rng = Rng(seed ^ 0x5eed);
    let world = world(2 + rng.below(6));
    let entries = history(&world, seed, 20 + rng.below(80), mischief);
    let verified = world.verified(&entries);
    let mut whole = Log::new(world.terms.clone());
    deliver(&mut whole, &verified);
    assert_eq!(whole.len(), entries.len(), "seed {seed}");
    let expected = bytes(&whole);
    // Anything goes in any order, and twice.
    for _ in 0..4 {
        let mut order = verified.clone();
        order.extend(verified.iter().filter(|_| rng.below(4) == 0).cloned());
        rng.shuffle(&mut order);
        let mut log = Log::new(world.terms.clone());
        deliver(&mut log, &order);
        assert_eq!(log.pending().0, 0, "seed {seed}");
        assert_eq!(bytes(&log), expected, "seed {seed}");
        assert_eq!(log.digest(), whole.digest(), "seed {seed}");
        let ids = |log: &Log| log.counted().map(|ix| log.id(ix)).collect::<Vec<_>>();
        assert_eq!(ids(&log), ids(&whole), "seed {seed}");
    }
    // A past is what it was when nothing else was there.
    let cut = rng.below(entries.len());
    let ix = whole.find(&entries[cut].id()).expect("attached");
    let past = whole.past(&[ix]);
    let mut then = Log::new(world.terms.clone());
    for (entry, ix) in verified.iter().zip(0..) {
        let at = whole.find(&entries[ix].id()).expect("attached");
        if past.contains(at) {
            then.insert(entry.clone()).expect("valid");
        }
    }
    assert_eq!(bytes(&whole.at(&[ix])), bytes(&then), "seed {seed}");
}

#[test]
fn honest_histories_have_one_state() {
    for seed in 0..150 {
        one_state(seed, false);
    }
}

#[test]
fn forks_and_revocations_have_one_state() {
    for seed in 0..300 {
        one_state(seed, true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_seed_has_one_state(seed in any::<u64>()) {
        one_state(seed, true);
    }

    #[test]
    fn entries_survive_their_bytes(seed in any::<u64>()) {
        let world = world(3);
        for entry in history(&world, seed, 12, true) {
            let bytes = entry.to_bytes();
            let again = cosmosmesh_log::Entry::from_bytes(&bytes).expect("an entry");
            prop_assert_eq!(again.to_bytes(), bytes);
            prop_assert_eq!(again, entry);
        }
    }
}

/// So many deliveries of histories, shuffled, doubled, and split among nodes that pass
/// on what they have: `DELIVERIES` says how many, and 10 000 takes a minute.
#[test]
fn shuffled_doubled_and_split_deliveries_have_one_state() {
    let wished = std::env::var("DELIVERIES").ok();
    let wished: u64 = wished.map_or(400, |text| text.parse().expect("a number"));
    for seed in 0..wished {
        let mut rng = Rng(seed ^ 0xde11);
        let nodes = 3 + rng.below(14);
        let world = world(2 + rng.below(6));
        let entries = world.verified(&history(&world, seed, 20 + rng.below(60), seed % 2 == 1));
        let mut logs = vec![Log::new(world.terms.clone()); nodes];
        let mut parts = vec![Vec::new(); nodes];
        for entry in &entries {
            for _ in 0..=rng.below(2) {
                parts[rng.below(nodes)].push(entry.clone());
            }
        }
        for (log, part) in logs.iter_mut().zip(&mut parts) {
            rng.shuffle(part);
            deliver(log, part);
        }
        // Around once and once more: everything has come to everybody.
        for at in 0..2 * nodes - 1 {
            let mut passed = parts[at % nodes].clone();
            rng.shuffle(&mut passed);
            deliver(&mut logs[(at + 1) % nodes], &passed);
            parts[(at + 1) % nodes].extend(passed);
        }
        let expected = bytes(&logs[0]);
        assert_eq!(logs[0].len(), entries.len(), "seed {seed}");
        for log in &logs {
            assert_eq!(bytes(log), expected, "seed {seed}");
        }
    }
}
