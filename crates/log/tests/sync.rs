//! Two nodes that meet have the same afterwards, whatever happens on the way.

mod common;

use common::{Rng, World, history, world};
use cosmosmesh_log::sync::sketch::{self, Salt, ShortId, Shortener};
use cosmosmesh_log::sync::{Message, Options, Outcome, PeerRecord, Session, SyncError, estimate};
use cosmosmesh_log::{Entry, Kind, Log, Revocation};
use cosmosmesh_mission::{Canonical as _, MessageId};

struct Node {
    log: Log,
    record: PeerRecord,
}

impl Node {
    fn new(world: &World) -> Self {
        Self {
            log: Log::new(world.terms.clone()),
            record: PeerRecord::default(),
        }
    }

    fn take(&mut self, world: &World, entries: Vec<Entry>) {
        for entry in entries {
            let verified = world.terms.trust(entry).expect("of this contract");
            self.log.insert(verified).expect("valid");
        }
    }
}

#[derive(Default, Debug)]
struct Trace {
    /// Turns of one side: two are a round trip.
    turns: u32,
    /// All bytes but those of the entries themselves.
    overhead: usize,
    entries: usize,
    outcomes: Vec<Outcome>,
    kinds: Vec<&'static str>,
}

fn options(seed: u64) -> Options {
    let mut salt = [0; 16];
    salt[..8].copy_from_slice(&seed.to_le_bytes());
    Options::new(Salt(salt))
}

/// Lets two nodes meet; `lose` says which messages do not arrive.
fn meet(
    world: &World,
    nodes: &mut [Node; 2],
    options: Options,
    mut lose: impl FnMut() -> bool,
) -> Trace {
    let mut sides = [
        Session::open(&nodes[0].log, nodes[0].record.clone(), options),
        Session::answer(nodes[1].record.clone(), options),
    ];
    let mut trace = Trace::default();
    let mut turn = 0;
    let mut quiet = 0;
    while quiet < 2 {
        let mut sent = Vec::new();
        while let Some(bytes) = sides[turn].poll() {
            sent.push(bytes);
        }
        quiet = if sent.is_empty() { quiet + 1 } else { 0 };
        trace.turns += u32::from(!sent.is_empty());
        let other = 1 - turn;
        for bytes in sent {
            let message = Message::from_cbor(&bytes).expect("canonical");
            assert_eq!(message.to_cbor().as_deref(), Ok(&*bytes));
            trace.overhead += bytes.len();
            trace.kinds.push(match &message {
                Message::Hello(_) => "hello",
                Message::Entries(_) => "entries",
                Message::Estimate(..) => "estimate",
                Message::Sketch(..) => "sketch",
                Message::More(..) => "more",
                Message::Want(..) => "want",
                Message::Checkpoint(_) => "checkpoint",
                Message::Outline(..) => "outline",
            });
            if let Message::Entries(entries) = &message {
                trace.entries += entries.len();
                trace.overhead -= entries.iter().map(Vec::len).sum::<usize>();
            }
            if lose() {
                continue;
            }
            let entries = sides[other].receive(&bytes).expect("understood");
            nodes[other].take(world, entries);
            sides[other].advance(&nodes[other].log).expect("goes on");
        }
        turn = other;
    }
    for (node, side) in nodes.iter_mut().zip(&sides) {
        node.record = side.record().clone();
        trace.outcomes.push(side.outcome());
    }
    trace
}

/// A random part that is closed under parents.
fn part(world: &World, entries: &[Entry], rng: &mut Rng) -> Node {
    let mut node = Node::new(world);
    let (skip, end) = (1 + rng.below(8), rng.below(entries.len() + 1));
    for (at, entry) in entries.iter().enumerate() {
        let known = entry
            .header()
            .parents()
            .all(|id| node.log.find(id).is_some());
        if known && (at < end || rng.below(skip) == 0) {
            node.take(world, vec![entry.clone()]);
        }
    }
    node
}

fn same(nodes: &[Node; 2], seed: u64) {
    assert_eq!(nodes[0].log.digest(), nodes[1].log.digest(), "seed {seed}");
    let bytes = |node: &Node| node.log.state().to_cbor();
    assert_eq!(bytes(&nodes[0]), bytes(&nodes[1]), "seed {seed}");
}

#[test]
fn any_two_parts_meet_and_are_the_same() {
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let world = world(2 + rng.below(5));
        let entries = history(&world, seed, 10 + rng.below(70), seed % 2 == 1);
        let mut nodes = [
            part(&world, &entries, &mut rng),
            part(&world, &entries, &mut rng),
        ];
        let trace = meet(&world, &mut nodes, options(seed), || false);
        same(&nodes, seed);
        assert_eq!(trace.outcomes, [Outcome::Same; 2], "seed {seed}: {trace:?}");
        if seed % 2 == 0 {
            // Hello, reply, close: one round trip and its acknowledgement.
            assert!(trace.turns <= 3, "seed {seed}: {trace:?}");
        }
    }
}

#[test]
fn those_who_know_each_other_converge_in_one_round_trip() {
    let world = world(6);
    let entries = history(&world, 77, 200, false);
    let mut nodes = [Node::new(&world), Node::new(&world)];
    for node in &mut nodes {
        node.take(&world, entries.clone());
    }
    meet(&world, &mut nodes, options(1), || false);
    let tip = |node: &Node, author: usize| {
        let place = world.terms.place(&world.names[author]).expect("known");
        let ix = node.log.tip(place).expect("it has said something");
        node.log.entry(ix).cloned().expect("not pruned")
    };
    // Both go on by themselves.
    for (side, author) in [(0, 1), (1, 2)] {
        for body in 0..5 {
            let after = tip(&nodes[side], author);
            let entry = world.say(author, Some(&after), vec![], body);
            nodes[side].take(&world, vec![entry]);
        }
    }
    let mut sides = [
        Session::open(&nodes[0].log, nodes[0].record.clone(), options(2)),
        Session::answer(nodes[1].record.clone(), options(2)),
    ];
    for (from, to) in [(0, 1), (1, 0)] {
        while let Some(bytes) = sides[from].poll() {
            let entries = sides[to].receive(&bytes).expect("understood");
            nodes[to].take(&world, entries);
            sides[to].advance(&nodes[to].log).expect("goes on");
        }
        if from == 0 {
            assert_eq!(
                nodes[1].log.len(),
                210,
                "half a round trip brings all one way"
            );
        }
    }
    same(&nodes, 77);
    let close = sides[0].poll().expect("an acknowledgement");
    sides[1].receive(&close).expect("understood");
    sides[1].advance(&nodes[1].log).expect("goes on");
    for (node, side) in nodes.iter_mut().zip(&sides) {
        assert_eq!(side.outcome(), Outcome::Same);
        node.record = side.record().clone();
    }
    let mut idle = meet(&world, &mut nodes, options(3), || false);
    assert!(idle.overhead < 300, "{idle:?}");
    idle.kinds.dedup();
    assert_eq!((idle.turns, idle.entries), (3, 0), "{idle:?}");
}

#[test]
fn loss_only_delays() {
    for seed in 0..60 {
        let mut rng = Rng(seed);
        let world = world(4);
        let entries = history(&world, seed, 80, seed % 2 == 1);
        let mut nodes = [
            part(&world, &entries, &mut rng),
            part(&world, &entries, &mut rng),
        ];
        let mut meetings = 0;
        while nodes[0].log.digest() != nodes[1].log.digest() {
            let mut small = options(seed * 1000 + meetings);
            small.message_bytes = 1500;
            nodes.swap(0, 1);
            meet(&world, &mut nodes, small, || rng.below(3) == 0);
            meetings += 1;
            assert!(meetings < 200, "seed {seed}");
        }
        same(&nodes, seed);
    }
}

#[test]
fn a_lost_record_costs_bytes_and_nothing_else() {
    let world = world(3);
    let entries = history(&world, 5, 60, false);
    let mut nodes = [Node::new(&world), Node::new(&world)];
    nodes[0].take(&world, entries[..50].to_vec());
    nodes[1].take(&world, entries[..40].to_vec());
    meet(&world, &mut nodes, options(1), || false);
    // Restored from backup: an old log, no memory of the peer.
    nodes[1] = Node::new(&world);
    nodes[1].take(&world, entries[..20].to_vec());
    nodes[0].take(&world, entries[50..].to_vec());
    let trace = meet(&world, &mut nodes, options(2), || false);
    same(&nodes, 0);
    assert_eq!(nodes[1].log.len(), 60, "{trace:?}");
}

#[test]
fn a_short_pass_sends_what_matters_most_first() {
    let world = world(5);
    let mut entries = history(&world, 31, 150, false);
    let own = |name| move |e: &&Entry| e.header().author == name;
    let head = entries
        .iter()
        .find(own(world.names[4].clone()))
        .expect("said")
        .id();
    let after = entries.iter().rfind(own(world.names[0].clone())).cloned();
    let mut draft = world.draft(0, after.as_ref(), vec![]);
    let said = Revocation {
        author: world.names[4].clone(),
        head: Some(head),
    };
    said.say(&mut draft).expect("said");
    let revocation = draft.sign(&world.keys[0]).expect("signed");
    entries.push(revocation.clone());
    let mut nodes = [Node::new(&world), Node::new(&world)];
    nodes[0].take(&world, entries.clone());
    let place = nodes[0].log.find(&revocation.id()).expect("attached");
    let needed: Vec<_> = nodes[0].log.past(&[place]).entries().collect();
    let bytes: usize = needed
        .iter()
        .map(|ix| nodes[0].log.entry(*ix).expect("held").to_bytes().len())
        .sum();
    let mut pass = options(1);
    pass.budget_bytes = bytes;
    pass.message_bytes = 2000;
    let trace = meet(&world, &mut nodes, pass, || false);
    assert!(trace.outcomes.contains(&Outcome::Cut), "{trace:?}");
    assert!(nodes[1].log.find(&revocation.id()).is_some(), "{trace:?}");
    assert_eq!(
        nodes[1]
            .log
            .kind(nodes[1].log.find(&revocation.id()).expect("it is there")),
        Kind::REVOCATION
    );
    assert!(nodes[1].log.len() < entries.len());
    assert_eq!(
        nodes[1].log.pending().0,
        0,
        "every part is closed under parents"
    );
    for seed in 2..50 {
        pass.salt = options(seed).salt;
        meet(&world, &mut nodes, pass, || false);
    }
    same(&nodes, 31);
}

#[test]
fn branches_that_neither_side_knows_both_of_are_found_by_a_sketch() {
    let world = world(3);
    let base = history(&world, 12, 40, false);
    let own = |e: &&Entry| e.header().author == world.names[1];
    let forked = base.iter().rfind(own).cloned().expect("said");
    let branch = |body| world.say(1, Some(&forked), vec![], body);
    // Two branches here, two there, one in common.
    let common = branch(0);
    let mut nodes = [Node::new(&world), Node::new(&world)];
    for (node, mine) in nodes.iter_mut().zip([1_u64, 100]) {
        node.take(&world, base.clone());
        node.take(&world, vec![common.clone()]);
        for body in mine..mine + 30 {
            node.take(&world, vec![branch(body)]);
        }
    }
    let trace = meet(&world, &mut nodes, options(9), || false);
    same(&nodes, 12);
    assert!(
        trace.kinds.contains(&"sketch") && !trace.kinds.contains(&"more"),
        "{trace:?}"
    );
    assert_eq!(trace.entries, 60, "{trace:?}");
    assert_eq!(nodes[0].log.len(), base.len() + 61);
}

#[test]
fn noise_and_changed_messages_do_no_harm() {
    let world = world(3);
    let entries = history(&world, 2, 40, true);
    let mut rng = Rng(4);
    for seed in 0..3000 {
        let mut nodes = [
            part(&world, &entries, &mut rng),
            part(&world, &entries, &mut rng),
        ];
        let mut sides = [
            Session::open(&nodes[0].log, PeerRecord::default(), options(seed)),
            Session::answer(PeerRecord::default(), options(seed)),
        ];
        for turn in [0, 1, 0, 1, 0, 1] {
            let other = 1 - turn;
            while let Some(mut bytes) = sides[turn].poll() {
                for _ in 0..rng.below(3) {
                    let at = rng.below(bytes.len());
                    match rng.below(3) {
                        0 => bytes[at] ^= 1 << rng.below(8),
                        1 => bytes.truncate(at.max(1)),
                        _ => bytes.insert(at, rng.next() as u8),
                    }
                }
                let Ok(entries) = sides[other].receive(&bytes) else {
                    continue;
                };
                for entry in entries {
                    if let Ok(verified) = world.terms.verify(entry) {
                        let _ = nodes[other].log.insert(verified);
                    }
                }
                let _ = sides[other].advance(&nodes[other].log);
            }
        }
    }
    for head in [0x9b_u8, 0x5b, 0xbb] {
        let mut bytes = vec![0x82, 1, head];
        bytes.extend([0xff; 8]);
        assert!(Message::from_cbor(&bytes).is_err());
    }
    let mut side = Session::answer(PeerRecord::default(), options(0));
    assert!(matches!(
        side.receive(&[0x81; 4096]),
        Err(SyncError::Decode(_))
    ));
}

fn ids(rng: &mut Rng, count: usize) -> Vec<MessageId> {
    let id = |_| {
        let words: [u64; 4] = std::array::from_fn(|_| rng.next());
        MessageId(std::array::from_fn(|at| {
            words[at / 8].to_le_bytes()[at % 8]
        }))
    };
    (0..count).map(id).collect()
}

#[test]
fn sketches_decode_at_the_first_try_within_their_bytes() {
    for (difference, tries, size) in [(10, 400, 400), (100, 400, 1000), (1000, 200, 3000)] {
        let (mut first, mut bytes) = (0, 0);
        for seed in 0..tries {
            let mut rng = Rng(seed ^ 0x7a7a);
            let common = ids(&mut rng, size);
            let apart = ids(&mut rng, difference);
            let cut = rng.below(difference + 1);
            let set = |own: &[MessageId]| [&common[..], own].concat();
            let (ours, theirs) = (set(&apart[..cut]), set(&apart[cut..]));
            let shortener = Shortener::new(options(seed).salt);
            let counters = |set: &[MessageId]| estimate::Counters::of(&shortener, set);
            let (a, b) = (counters(&ours), counters(&theirs));
            assert_eq!(
                estimate::Counters::from_bytes(&a.to_bytes()),
                Some(a.clone())
            );
            let count = estimate::symbols_for(a.difference(&b));
            bytes += a.to_bytes().len() + count * sketch::SYMBOL_BYTES;
            let code = |set: &[MessageId]| {
                let shorts = set.iter().map(|id| shortener.shorten(id));
                sketch::symbols(&shortener, shorts, 0, count)
            };
            let found = sketch::difference(&shortener, &code(&ours), &code(&theirs));
            let Some(found) = found else { continue };
            first += 1;
            let mut expected: Vec<ShortId> = apart.iter().map(|id| shortener.shorten(id)).collect();
            expected.sort_unstable();
            assert!(found.into_iter().eq(expected), "seed {seed}");
        }
        let each = bytes as f64 / (tries as usize * difference) as f64;
        // And what is then asked for: half of them, in four bytes.
        let each = each + 2.0;
        println!("d={difference}: {first} of {tries} at the first try, {each:.1} B each");
        assert!(
            first * 100 >= tries * 99,
            "d={difference}: {first} of {tries}"
        );
        assert!(difference < 100 || each <= 24.0, "d={difference}: {each} B");
    }
}
