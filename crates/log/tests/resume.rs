//! Who is behind a checkpoint, or has nothing, goes on from a peer that pruned.

mod common;

use std::collections::BTreeSet;

use common::{CONTRACT, Rng, World, seal, world};
use cosmosmesh_log::store::{Access, FaultyDisk, SegmentStore, Store as _};
use cosmosmesh_log::sync::sketch::Salt;
use cosmosmesh_log::sync::{Message, Options, Outcome, PeerRecord, Session};
use cosmosmesh_log::{Checkpoint, Entry, Log};
use cosmosmesh_mission::{Canonical as _, MessageId};

struct Node {
    log: Log,
    disk: FaultyDisk,
    store: Option<SegmentStore<FaultyDisk>>,
}

fn open(disk: &FaultyDisk) -> SegmentStore<FaultyDisk> {
    SegmentStore::open_with(disk.clone(), CONTRACT, Access::Write, 8192).expect("opened")
}

impl Node {
    fn new(world: &World) -> Self {
        let disk = FaultyDisk::new();
        Self {
            log: Log::new(world.terms.clone()),
            store: Some(open(&disk)),
            disk,
        }
    }

    fn store(&mut self) -> &mut SegmentStore<FaultyDisk> {
        self.store.as_mut().expect("it runs")
    }

    fn take(&mut self, world: &World, entries: Vec<Entry>) {
        for entry in entries {
            let verified = world.terms.verify(entry).expect("signed");
            let taken = self.log.insert(verified).expect("valid");
            let store = self.store.as_mut().expect("it runs");
            self.log.save(taken.attached, store).expect("added");
        }
        self.store().commit().expect("durable");
    }

    fn resume(&mut self, grown: &Log) {
        let taken = self.log.absorb(grown);
        let store = self.store.as_mut().expect("it runs");
        self.log.save(taken.attached, store).expect("added");
        self.store().commit().expect("durable");
    }

    /// The power fails.
    fn restart(&mut self, world: &World) {
        self.store = None;
        self.disk = self.disk.crash(0);
        self.store = Some(open(&self.disk));
        let before = self.state();
        self.log = Log::new(world.terms.clone());
        let store = self.store.as_ref().expect("it runs");
        self.log.load(store, false).expect("a whole log");
        assert_eq!(self.state(), before);
    }

    fn say(&mut self, world: &World, author: usize, body: u64) {
        let place = world.terms.place(&world.names[author]).expect("known");
        let tip = self.log.tip(place).and_then(|ix| self.log.entry(ix));
        let tip = tip.cloned();
        let heads = self.log.heads().iter().copied().take(3).collect();
        let entry = world.say(author, tip.as_deref(), heads, body);
        self.take(world, vec![entry]);
    }

    fn prune(&mut self, checkpoint: &Checkpoint) {
        let gone = self.log.prune(checkpoint, &BTreeSet::new());
        let gone = gone.expect("pruned");
        assert!(gone.len() > 10);
        self.store().prune(&gone).expect("pruned");
    }

    fn state(&self) -> Vec<u8> {
        self.log.state().to_cbor().expect("encodable")
    }
}

fn options(seed: u64, budget: usize) -> Options {
    let mut salt = [0; 16];
    salt[..8].copy_from_slice(&seed.to_le_bytes());
    let mut options = Options::new(Salt(salt));
    options.message_bytes = 1500;
    options.budget_bytes = budget;
    options
}

type Records = [PeerRecord; 2];

/// Two meet; says how it went for each, and how many turns it took.
#[allow(clippy::needless_pass_by_value)] // What is lent is changed.
fn meet(
    world: &World,
    pair: [&mut Node; 2],
    records: &mut Records,
    options: Options,
    mut lose: impl FnMut() -> bool,
) -> ([Outcome; 2], u32) {
    let mut sides = [
        Session::open(&pair[0].log, records[0].clone(), options),
        Session::answer(records[1].clone(), options),
    ];
    let (mut turn, mut quiet, mut turns) = (0, 0, 0);
    while quiet < 2 {
        let other = 1 - turn;
        quiet += 1;
        while let Some(bytes) = sides[turn].poll() {
            turns += u32::from(quiet > 0);
            quiet = 0;
            let message = Message::from_cbor(&bytes).expect("canonical");
            assert_eq!(message.to_cbor().as_deref(), Ok(&*bytes));
            if lose() {
                continue;
            }
            let entries = sides[other].receive(&bytes).expect("understood");
            pair[other].take(world, entries);
            sides[other].advance(&pair[other].log).expect("goes on");
            if let Some(grown) = sides[other].resumed() {
                pair[other].resume(&grown);
                sides[other].advance(&pair[other].log).expect("goes on");
            }
        }
        turn = other;
    }
    *records = sides.each_ref().map(|side| side.record().clone());
    (sides.map(|side| side.outcome()), turns)
}

/// Two that pruned, of three closers of whom one has never been heard; one that was cut
/// off early and went on by itself; and one that has nothing.
fn parted(seed: u64) -> (World, [Node; 4]) {
    let world = world(5);
    let mut rng = Rng(seed);
    let [mut a, mut b, mut behind, fresh] = [0; 4].map(|_| Node::new(&world));
    let mut said = 0;
    let mut both = |a: &mut Node, b: &mut Node, authors: &[usize], rng: &mut Rng| {
        said += 1;
        a.say(&world, authors[rng.below(authors.len())], said);
        let last = a.log.attached_since(a.log.len() - 1).next();
        let entry = a.log.entry(last.expect("said")).cloned();
        b.take(&world, vec![(*entry.expect("whole")).clone()]);
    };
    for _ in 0..30 {
        both(&mut a, &mut b, &[0, 1, 3, 4], &mut rng);
    }
    let all = a.log.attached_since(0).filter_map(|ix| a.log.entry(ix));
    behind.take(&world, all.map(|entry| (**entry).clone()).collect());
    for body in 0..5 {
        behind.say(&world, 4, 1000 + body);
    }
    for _ in 0..60 {
        both(&mut a, &mut b, &[0, 1, 3], &mut rng);
    }
    let (checkpoint, votes) = seal(&world, &mut a.log, &[0, 1]).expect("sealed");
    let store = a.store.as_mut().expect("it runs");
    for vote in &votes {
        store.append(vote).expect("added");
    }
    a.store().commit().expect("durable");
    b.take(&world, votes);
    a.prune(&checkpoint);
    b.prune(&checkpoint);
    for _ in 0..10 {
        both(&mut a, &mut b, &[0, 1, 3], &mut rng);
    }
    (world, [a, b, behind, fresh])
}

#[test]
fn newcomers_and_absentees_resume_from_one_that_pruned() {
    for seed in 0..20 {
        let (world, [mut a, mut b, mut behind, mut fresh]) = parted(seed);
        for node in [&mut behind, &mut fresh] {
            // Whoever opens; each time strangers.
            let mut records = Records::default();
            let free = options(seed, 1 << 24);
            let pair = if seed % 2 == 0 {
                [&mut *node, &mut a]
            } else {
                [&mut a, &mut *node]
            };
            let (outcomes, turns) = meet(&world, pair, &mut records, free, || false);
            assert_eq!(outcomes, [Outcome::Same; 2], "seed {seed}");
            assert!(turns <= 3, "seed {seed}: {turns}");
            assert_eq!(node.state(), a.state(), "seed {seed}");
            assert!(node.log.pruned() > 10);
            assert_eq!(node.log.pending().0, 0, "seed {seed}");
            node.restart(&world);
        }
        a.restart(&world);
        assert_ne!(
            b.state(),
            a.state(),
            "the absentee's own entries came along"
        );
        // One that resumed brings others along, and goes on by itself.
        fresh.say(&world, 2, 5000);
        let mut records = Records::default();
        let pair = [&mut fresh, &mut b];
        meet(&world, pair, &mut records, options(seed, 1 << 24), || false);
        assert_eq!(b.state(), fresh.state(), "seed {seed}");
        let (checkpoint, votes) = seal(&world, &mut fresh.log, &[1, 2]).expect("sealed");
        b.take(&world, votes.clone());
        b.prune(&checkpoint);
        let store = fresh.store.as_mut().expect("it runs");
        for vote in &votes {
            store.append(vote).expect("added");
        }
        fresh.store().commit().expect("durable");
        fresh.restart(&world);
        let mut newest = Node::new(&world);
        let mut records = Records::default();
        let pair = [&mut newest, &mut b];
        meet(&world, pair, &mut records, options(seed, 1 << 24), || false);
        assert_eq!(newest.state(), fresh.state(), "seed {seed}");
    }
}

#[test]
fn short_and_lossy_passes_with_one_or_the_other_come_to_the_same() {
    for seed in 0..20 {
        let (world, [mut a, mut b, mut behind, mut fresh]) = parted(seed);
        for node in [&mut behind, &mut fresh] {
            let mut rng = Rng(seed ^ 0x10_55);
            let (mut records, mut with_b) = (Records::default(), Records::default());
            let (mut passes, mut came) = (0, None);
            while node.log.digest() != a.log.digest() {
                passes += 1;
                let all = (node.log.len(), a.log.len());
                assert!(passes < 400, "seed {seed}: {all:?} {came:?}");
                let small = options(seed * 1000 + passes, 4000 + rng.below(4000));
                let (records, peer) = if rng.below(3) == 0 {
                    (&mut with_b, &mut b)
                } else {
                    (&mut records, &mut a)
                };
                // What came of the checkpoint is good with anybody.
                records[1].outline = came.take();
                let mut seen = Rng(rng.next());
                meet(&world, [peer, &mut *node], records, small, || {
                    seen.below(12) == 0
                });
                came = records[1].outline.take();
            }
            assert!(passes > 1, "seed {seed}: {passes}");
            assert_eq!(node.state(), a.state(), "seed {seed}");
            node.restart(&world);
            // What only the absentee had is now with one of them.
            let mut records = Records::default();
            meet(
                &world,
                [&mut a, &mut b],
                &mut records,
                options(seed, 1 << 24),
                || false,
            );
        }
    }
}

/// The whole of what a peer says to one that has nothing.
fn told(a: &Log, fresh: &Log) -> Vec<Message> {
    let free = options(7, 1 << 24);
    let mut opener = Session::open(fresh, PeerRecord::default(), free);
    let mut answer = Session::answer(PeerRecord::default(), free);
    let hello = opener.poll().expect("a hello");
    answer.receive(&hello).expect("understood");
    answer.advance(a).expect("goes on");
    let mut told = Vec::new();
    while let Some(bytes) = answer.poll() {
        told.push(Message::from_cbor(&bytes).expect("canonical"));
    }
    told
}

/// Whether one that has nothing refuses what it is told and stays as it was.
fn refuses(world: &World, told: &[Message]) -> bool {
    let log = Log::new(world.terms.clone());
    let mut side = Session::open(&log, PeerRecord::default(), options(7, 1 << 24));
    while side.poll().is_some() {}
    for message in told {
        let Ok(bytes) = message.to_cbor() else {
            return true;
        };
        if side.receive(&bytes).is_err() || side.advance(&log).is_err() {
            return true;
        }
        if side.resumed().is_some() {
            return false;
        }
    }
    true
}

#[test]
fn nothing_is_believed_that_no_quorum_signed() {
    let (world, [a, _, _, fresh]) = parted(3);
    let told = told(&a.log, &fresh.log);
    assert!(!refuses(&world, &told));
    let votes = told
        .iter()
        .position(|message| matches!(message, Message::Checkpoint(_)))
        .expect("votes");
    let with = |change: &dyn Fn(&mut Vec<Message>)| {
        let mut told = told.clone();
        change(&mut told);
        told
    };
    let edit = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        with(&|told| {
            if let Message::Checkpoint(votes) = &mut told[votes] {
                change(votes);
            }
        })
    };
    assert!(refuses(&world, &edit(&|votes| votes.truncate(1))));
    assert!(refuses(&world, &edit(&|votes| votes[1] = votes[0].clone())));
    assert!(refuses(
        &world,
        &edit(&|votes| {
            let last = votes[0].len() - 1;
            votes[0][last] ^= 1;
        })
    ));
    let other = world.say(0, None, vec![], 1).to_bytes();
    assert!(refuses(&world, &edit(&|votes| votes[0] = other.clone())));
    assert!(refuses(&world, &with(&|told| drop(told.remove(votes)))));
    // Any byte of any header, any header left out, doubled or out of place.
    let mut rng = Rng(5);
    for _ in 0..300 {
        let changed = with(&|told| {
            let outlines = told.iter_mut().filter_map(|message| match message {
                Message::Outline(_, _, items) => Some(items),
                _ => None,
            });
            let mut outlines: Vec<_> = outlines.collect();
            let mut rng = Rng(rng.0);
            let at = rng.below(outlines.len());
            let items = &mut *outlines[at];
            let item = rng.below(items.len());
            match rng.below(4) {
                0 => {
                    let byte = rng.below(items[item].len());
                    items[item][byte] ^= 1 << rng.below(8);
                }
                1 => drop(items.remove(item)),
                2 => {
                    let again = items[item].clone();
                    items.push(again);
                }
                _ => items.insert(item, other.clone()),
            }
        });
        rng.next();
        // A doubled last header comes when nothing is missing any more.
        if !refuses(&world, &changed) {
            let count = |told: &[Message]| {
                let items = told.iter().map(|message| match message {
                    Message::Outline(_, _, items) => items.len(),
                    _ => 0,
                });
                items.sum::<usize>()
            };
            assert!(count(&changed) > count(&told), "seed {}", rng.0);
        }
    }
    let stranger = MessageId([9; 32]);
    let elsewhere = with(&|told| {
        for message in told {
            if let Message::Outline(_, after, _) = message {
                *after = Some(stranger);
            }
        }
    });
    assert!(refuses(&world, &elsewhere));
}
