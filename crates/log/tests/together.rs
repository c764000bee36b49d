//! Nodes that are cut off from each other, crash, lose messages, have full disks
//! and wrong clocks, and among which one lies, meet again and hold the same bytes.

mod common;

use std::collections::BTreeMap;

use common::{CONTRACT, Rng, World, world};
use cosmosmesh_log::store::{Access, FaultyDisk, SegmentStore, Store as _};
use cosmosmesh_log::sync::sketch::Salt;
use cosmosmesh_log::sync::{Options, PeerRecord, Session};
use cosmosmesh_log::{Entry, Log, LogState};
use cosmosmesh_mission::{BootEpoch, Canonical as _, MessageId, Seq, UtcSeconds};

struct Node {
    author: usize,
    boot: u64,
    clock_s: i64,
    disk: FaultyDisk,
    store: Option<SegmentStore<FaultyDisk>>,
    log: Log,
    records: BTreeMap<usize, PeerRecord>,
    /// What it told others that it holds.
    acknowledged: Vec<MessageId>,
}

impl Node {
    fn new(world: &World, author: usize, clock_s: i64) -> Self {
        let mut node = Self {
            author,
            boot: 0,
            clock_s,
            disk: FaultyDisk::new(),
            store: None,
            log: Log::new(world.terms.clone()),
            records: BTreeMap::new(),
            acknowledged: Vec::new(),
        };
        node.start(world, 0);
        node
    }

    fn start(&mut self, world: &World, seed: u64) {
        let disk = self.disk.clone();
        let opened = SegmentStore::open_with(disk, CONTRACT, Access::Write, 8192);
        let store = opened.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        self.log = Log::new(world.terms.clone());
        self.log
            .load(&store, false)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        for id in &self.acknowledged {
            assert!(
                self.log.find(id).is_some(),
                "seed {seed}: {id} was acknowledged"
            );
        }
        self.store = Some(store);
    }

    fn crash(&mut self, world: &World, rng: &mut Rng, seed: u64) {
        self.store = None;
        self.disk = self.disk.crash(rng.next());
        self.boot += 1;
        if rng.below(2) == 0 {
            self.records.clear();
        }
        self.start(world, seed);
    }

    /// Attaches and stores; says whether the disk went along.
    fn take(&mut self, world: &World, entries: Vec<Entry>) -> bool {
        let mut attached = Vec::new();
        for entry in entries {
            let verified = world.terms.verify(entry).expect("signed");
            attached.extend(self.log.insert(verified).expect("valid").attached);
        }
        let store = self.store.as_mut().expect("it runs");
        let added = attached.iter().all(|ix| {
            let entry = self.log.entry(*ix).expect("not pruned");
            store.append(entry).is_ok()
        });
        let durable = added && store.commit().is_ok();
        if durable {
            self.acknowledged
                .extend(attached.iter().map(|ix| self.log.id(*ix)));
        }
        durable
    }

    fn say(&mut self, world: &World, rng: &mut Rng) -> Entry {
        let place = world.terms.place(&world.names[self.author]).expect("known");
        let tip = self
            .log
            .tip(place)
            .map(|ix| self.log.entry(ix).expect("not pruned").clone());
        let heads: Vec<_> = self.log.heads().iter().copied().take(5).collect();
        let mut draft = world.draft(self.author, tip.as_deref(), heads);
        if draft.boot_epoch.0 < self.boot {
            (draft.boot_epoch, draft.seq) = (BootEpoch(self.boot), Seq(0));
        }
        draft.time = UtcSeconds(self.clock_s);
        draft.body.extend(rng.next().to_le_bytes());
        draft.sign(&world.keys[self.author]).expect("an entry")
    }
}

/// Two meet; gives whether a disk failed, and whose.
fn meet(
    world: &World,
    nodes: &mut [Node],
    pair: [usize; 2],
    rng: &mut Rng,
    loss: bool,
) -> Option<usize> {
    let mut salt = [0; 16];
    salt[..8].copy_from_slice(&rng.next().to_le_bytes());
    let mut options = Options::new(Salt(salt));
    options.message_bytes = 1000;
    if loss {
        options.budget_bytes = 500 + rng.below(20_000);
    }
    let record = |nodes: &[Node], at: usize| {
        nodes[pair[at]]
            .records
            .get(&pair[1 - at])
            .cloned()
            .unwrap_or_default()
    };
    let mut sides = [
        Session::open(&nodes[pair[0]].log, record(nodes, 0), options),
        Session::answer(record(nodes, 1), options),
    ];
    let (mut turn, mut quiet) = (0, 0);
    while quiet < 2 {
        quiet += 1;
        let other = 1 - turn;
        while let Some(bytes) = sides[turn].poll() {
            quiet = 0;
            let times = if loss {
                [1, 1, 1, 0, 2][rng.below(5)]
            } else {
                1
            };
            for _ in 0..times {
                // A message that comes twice can break the protocol, not the log.
                let Ok(entries) = sides[other].receive(&bytes) else {
                    continue;
                };
                if !nodes[pair[other]].take(world, entries) {
                    return Some(pair[other]);
                }
                let _ = sides[other].advance(&nodes[pair[other]].log);
            }
        }
        turn = other;
    }
    for at in [0, 1] {
        let record = sides[at].record().clone();
        nodes[pair[at]].records.insert(pair[1 - at], record);
    }
    None
}

fn life(seed: u64) -> LogState {
    let mut rng = Rng(seed ^ 0x11fe);
    let count = 3 + rng.below(4);
    let world = world(count);
    let clock = |rng: &mut Rng| match rng.below(4) {
        0 => i64::MAX,
        1 => 0,
        _ => 1_800_000_000,
    };
    let mut nodes: Vec<Node> = (0..count)
        .map(|author| Node::new(&world, author, clock(&mut rng)))
        .collect();
    for _ in 0..150 {
        let at = rng.below(count);
        match rng.below(10) {
            0..5 => {
                let entry = nodes[at].say(&world, &mut rng);
                if !nodes[at].take(&world, vec![entry]) {
                    nodes[at].crash(&world, &mut rng, seed);
                }
            }
            // The last author says something else to each.
            5 => {
                let liar = count - 1;
                let place = world.terms.place(&world.names[liar]).expect("known");
                let mut draft = world.draft(liar, None, vec![]);
                if let Some(back) = nodes[at].log.tip(place).filter(|_| rng.below(2) == 0) {
                    let back = nodes[at].log.entry(back).expect("not pruned");
                    draft = world.draft(liar, Some(back), vec![]);
                }
                draft.body.extend(rng.next().to_le_bytes());
                let entry = draft.sign(&world.keys[liar]).expect("an entry");
                if !nodes[at].take(&world, vec![entry]) {
                    nodes[at].crash(&world, &mut rng, seed);
                }
            }
            6 => nodes[at].disk.stop_after(rng.below(12) as u64),
            7 => nodes[at]
                .disk
                .limit((rng.below(3) == 0).then(|| rng.below(20_000))),
            8 => nodes[at].crash(&world, &mut rng, seed),
            _ => {
                let other = (at + 1 + rng.below(count - 1)) % count;
                if let Some(failed) = meet(&world, &mut nodes, [at, other], &mut rng, true) {
                    nodes[failed].crash(&world, &mut rng, seed);
                }
            }
        }
    }
    // Good disks and links from now on.
    for node in &mut nodes {
        node.crash(&world, &mut rng, seed);
    }
    for _ in 0..2 {
        for other in 1..count {
            let failed = meet(&world, &mut nodes, [0, other], &mut rng, false);
            assert_eq!(failed, None, "seed {seed}");
        }
    }
    let state = nodes[0].log.state();
    for node in &mut nodes {
        assert_eq!(node.log.state().to_cbor(), state.to_cbor(), "seed {seed}");
        assert_eq!(node.log.pending().0, 0, "seed {seed}");
        node.crash(&world, &mut rng, seed);
        assert_eq!(node.log.state().to_cbor(), state.to_cbor(), "seed {seed}");
    }
    state
}

#[test]
fn they_meet_again_and_hold_the_same_bytes() {
    let (mut entries, mut forks) = (0, 0);
    for seed in 0..60 {
        let state = life(seed);
        entries += state.entries;
        let honest = &state.authors[..state.authors.len() - 1];
        assert!(
            honest.iter().all(|author| author.fork.is_empty()),
            "seed {seed}"
        );
        forks += state
            .authors
            .iter()
            .filter(|author| !author.fork.is_empty())
            .count();
    }
    println!("{entries} entries in 60 lives, {forks} of them with a fork");
    assert!(forks > 30);
}
