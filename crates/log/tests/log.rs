//! What the log takes, refuses, freezes and lets wait.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::{Rng, World, history, world};
use cosmosmesh_log::{
    Draft, Entry, Log, MAX_PENDING_BYTES, MAX_PENDING_ENTRIES, PruneError, Quota, Refused,
    Revocation, Stored, Stub, Terms,
};
use cosmosmesh_mission::{
    AuthorId, BootEpoch, Canonical as _, Envelope, MessageId, Payload, RegistryEntry, Seq,
    UtcSeconds, Version,
};

fn log(world: &World) -> Log {
    Log::new(world.terms.clone())
}

fn insert(world: &World, log: &mut Log, entry: &Entry) -> Result<(), Refused> {
    let verified = world.terms.verify(entry.clone())?;
    log.insert(verified).map(drop)
}

#[test]
fn every_flipped_bit_is_refused() {
    let world = world(2);
    let entry = world.say(0, None, vec![], 1);
    let bytes = entry.to_bytes();
    let mut log = log(&world);
    insert(&world, &mut log, &entry).expect("taken");
    let stub = log.stub(log.find(&entry.id()).expect("attached"));
    let header = stub.to_bytes();
    assert_eq!(Stub::from_bytes(&header), Ok(stub.clone()));
    assert_eq!(stub.id(), entry.id());
    for bit in 0..8 * header.len() {
        let mut flipped = header.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let taken = Stub::from_bytes(&flipped).map(|stub| stub.id());
        assert_ne!(taken, Ok(entry.id()), "bit {bit}");
    }
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let taken = Entry::from_bytes(&flipped).map(|entry| world.terms.verify(entry).is_ok());
        assert_ne!(taken, Ok(true), "bit {bit}");
    }
    for kept in 0..bytes.len() {
        assert!(Entry::from_bytes(&bytes[..kept]).is_err());
    }
    let mut more = bytes.clone();
    more.push(0);
    assert!(Entry::from_bytes(&more).is_err());
}

#[test]
fn the_form_of_an_entry_is_what_it_was() {
    let world = world(1);
    let first = world.say(0, None, vec![], 7);
    let next = world.say(0, Some(&first), vec![MessageId([5; 32])], 8);
    assert_eq!(
        first.id().to_string(),
        "d615352a9d7d2129838da2a758398aa212afe130add230cd082e5af47d4f26b1"
    );
    assert_eq!(
        next.id().to_string(),
        "f28e00cad2be2146ff573d95dbfcffab2b4297ec01e90a8ab12c834e81b9e1b9"
    );
    let whole = blake3::hash(&next.to_bytes()).to_hex();
    assert_eq!(
        whole.as_str(),
        "01c60b9c48c1dcce2f328e84acf2e316669c7ef661601a3536ac07f0ec968df7"
    );
}

#[test]
fn huge_lengths_and_deep_nesting_cost_nothing() {
    // A byte string, and an array, that claim 4 GiB.
    for head in [0x5a_u8, 0x9a, 0x7a, 0xba] {
        assert!(Entry::from_bytes(&[head, 0xff, 0xff, 0xff, 0xff]).is_err());
        let mut inside = vec![0x8c, 1];
        inside.extend([head, 0xff, 0xff, 0xff, 0xff]);
        assert!(Entry::from_bytes(&inside).is_err());
        // As a header alone.
        inside[0] = 0x8b;
        assert!(Stored::from_bytes(&inside).is_err());
    }
    let mut nested = vec![0x8b];
    nested.resize(1 << 20, 0x8b);
    assert!(Stored::from_bytes(&nested).is_err());
    assert!(Entry::from_bytes(&vec![0x81; 1 << 20]).is_err());
    assert!(Entry::from_bytes(&vec![0x81; 1 << 24]).is_err());
}

#[test]
fn an_envelope_is_the_view_of_an_entry() {
    let world = world(1);
    let envelope = Envelope {
        version: Version::V1,
        contract_hash: common::CONTRACT,
        author: world.names[0].clone(),
        boot_epoch: BootEpoch(0),
        seq: Seq(0),
        backlink: None,
        time: UtcSeconds(5),
        payload: Payload::RegistryEntry(RegistryEntry {
            adapter_id: "rover".parse().expect("a name"),
            supported_domains: BTreeSet::new(),
            contract_version: cosmosmesh_mission::ContractVersion(1),
        }),
    };
    let draft = Draft::of_envelope(&envelope, vec![]).expect("a draft");
    let entry = draft.sign(&world.keys[0]).expect("signed");
    assert_eq!(entry.envelope(), Ok(envelope));
    let mut unknown = world.draft(0, None, vec![]);
    unknown.kind = cosmosmesh_log::Kind(1000);
    let entry = unknown.sign(&world.keys[0]).expect("signed");
    assert!(entry.envelope().is_err());
    // The log keeps what it does not understand.
    insert(&world, &mut log(&world), &entry).expect("taken");
}

#[test]
fn strangers_forgers_and_other_contracts_are_refused() {
    let world = world(2);
    let mut draft = world.draft(0, None, vec![]);
    draft.author = "stranger".parse().expect("a name");
    let stranger = draft.sign(&world.keys[0]).expect("signed");
    assert!(matches!(
        world.terms.verify(stranger),
        Err(Refused::Author(_))
    ));
    let forged = world
        .draft(0, None, vec![])
        .sign(&world.keys[1])
        .expect("signed");
    assert!(matches!(
        world.terms.verify(forged),
        Err(Refused::Signature(_))
    ));
    let mut draft = world.draft(0, None, vec![]);
    draft.contract_hash = cosmosmesh_mission::ContractHash([1; 32]);
    let other = draft.sign(&world.keys[0]).expect("signed");
    assert!(matches!(
        world.terms.verify(other),
        Err(Refused::Contract { .. })
    ));
}

#[test]
fn places_follow_from_the_past() {
    let world = world(2);
    let mut log = log(&world);
    let first = world.say(0, None, vec![], 0);
    insert(&world, &mut log, &first).expect("taken");
    let mut skips = world.draft(0, Some(&first), vec![]);
    skips.seq = Seq(2);
    let skips = skips.sign(&world.keys[0]).expect("signed");
    assert!(matches!(
        insert(&world, &mut log, &skips),
        Err(Refused::Place { .. })
    ));
    let mut foreign = world.draft(1, Some(&first), vec![]);
    foreign.author = world.names[1].clone();
    let foreign = foreign.sign(&world.keys[1]).expect("signed");
    let refused = insert(&world, &mut log, &foreign);
    assert!(matches!(refused, Err(Refused::ForeignBacklink(..))));
    // It breaks the rule when its parent comes, too.
    let mut other = Log::new(world.terms.clone());
    insert(&world, &mut other, &skips).expect("waits");
    let taken = other
        .insert(world.terms.verify(first).expect("verified"))
        .expect("taken");
    assert_eq!(taken.attached.len(), 1);
    assert_eq!(taken.refused.len(), 1);
    assert_eq!(log.state(), other.state());
}

#[test]
fn a_fork_freezes_its_author_also_across_restarts() {
    let world = world(2);
    let trunk = world.say(1, None, vec![], 0);
    let left = world.say(1, Some(&trunk), vec![], 1);
    let left2 = world.say(1, Some(&left), vec![], 2);
    // Restored from backup: a new boot epoch, the old back link.
    let mut restored = world.draft(1, Some(&trunk), vec![]);
    (restored.boot_epoch, restored.seq) = (BootEpoch(1), Seq(0));
    let right = restored.sign(&world.keys[1]).expect("signed");
    let witness = world.say(0, None, vec![left.id()], 3);
    let judge = world.say(0, Some(&witness), vec![right.id(), left2.id()], 4);
    let mut log = log(&world);
    for entry in [&trunk, &left, &left2, &witness, &right, &judge] {
        insert(&world, &mut log, entry).expect("taken");
    }
    let author = world.terms.place(&world.names[1]).expect("known");
    let counted: Vec<_> = log.counted().map(|ix| log.id(ix)).collect();
    assert!(counted.contains(&trunk.id()) && counted.contains(&witness.id()));
    assert!(!counted.contains(&left.id()) && !counted.contains(&right.id()));
    assert_eq!(log.tip(author).map(|ix| log.id(ix)), Some(trunk.id()));
    let proof = log.fork_proof(author).expect("a proof");
    assert_eq!(
        BTreeSet::from(proof.ids),
        BTreeSet::from([left.id(), right.id()])
    );
    assert!(proof.entries.is_some());
    let at = |entry: &Entry| log.find(&entry.id()).expect("attached");
    assert!(log.knows_fork(at(&judge), author) && !log.knows_fork(at(&witness), author));
    // Before the proof the left branch counted.
    assert!(log.at(&[at(&witness)]).counted().count() == 3);
}

#[test]
fn revocations_are_of_authorities_and_name_a_head_they_have() {
    let world = world(3);
    let mut log = log(&world);
    let first = world.say(2, None, vec![], 0);
    let second = world.say(2, Some(&first), vec![], 1);
    for entry in [&first, &second] {
        insert(&world, &mut log, entry).expect("taken");
    }
    let said = Revocation {
        author: world.names[2].clone(),
        head: Some(first.id()),
    };
    let mut usurped = world.draft(1, None, vec![]);
    said.say(&mut usurped).expect("said");
    let usurped = usurped.sign(&world.keys[1]).expect("signed");
    assert!(matches!(
        insert(&world, &mut log, &usurped),
        Err(Refused::Role { .. })
    ));
    let mut headless = world.draft(0, None, vec![]);
    said.say(&mut headless).expect("said");
    headless.deps.clear();
    let headless = headless.sign(&world.keys[0]).expect("signed");
    assert!(matches!(
        insert(&world, &mut log, &headless),
        Err(Refused::Body { .. })
    ));
    let mut right = world.draft(0, None, vec![]);
    said.say(&mut right).expect("said");
    let right = right.sign(&world.keys[0]).expect("signed");
    insert(&world, &mut log, &right).expect("taken");
    let third = world.say(2, Some(&second), vec![], 2);
    insert(&world, &mut log, &third).expect("attached, though it does not count");
    let counted: Vec<_> = log.counted().map(|ix| log.id(ix)).collect();
    assert_eq!(counted.len(), 2);
    assert!(counted.contains(&first.id()) && counted.contains(&right.id()));
}

#[test]
fn orphans_are_bounded() {
    let world = world(1);
    let mut log = log(&world);
    let mut rng = Rng(1);
    let parent = world.say(0, None, vec![], 0);
    let template = world.say(0, Some(&parent), vec![], 1).to_bytes();
    let at = template
        .windows(32)
        .position(|window| window == parent.id().0)
        .expect("the back link");
    for _ in 0..1_000_000 {
        // Each waits for another parent; trust spares a million signatures.
        let mut bytes = template.clone();
        bytes[at..at + 8].copy_from_slice(&rng.next().to_le_bytes());
        let entry = Entry::from_bytes(&bytes).expect("well formed");
        let verified = world.terms.trust(entry).expect("of this contract");
        log.insert(verified).expect("waits");
    }
    let (entries, bytes) = log.pending();
    assert!(entries <= MAX_PENDING_ENTRIES && bytes <= MAX_PENDING_BYTES);
    assert_eq!(log.missing().len(), entries);
    assert!(log.is_empty());
    insert(&world, &mut log, &parent).expect("the log still works");
    assert_eq!(log.len(), 1);
}

#[test]
fn invented_parents_do_not_keep_others_from_being_asked_for() {
    let world = world(2);
    let mut log = log(&world);
    // Author 0 names parents that nobody has, and their ids come first.
    for n in 0..100_u8 {
        let mut invented = [0; 32];
        invented[1] = n;
        let liar = world.say(0, None, vec![MessageId(invented)], n.into());
        world.take(&mut log, &liar);
    }
    let lost = world.say(1, None, vec![], 0);
    let after = world.say(1, Some(&lost), vec![], 1);
    world.take(&mut log, &after);
    assert_eq!(log.missing().len(), 101);
    let asked = log.missing_in_turn(4);
    assert_eq!(asked.len(), 4);
    assert!(asked.contains(&lost.id()));
    world.take(&mut log, &lost);
    assert!(!log.missing_in_turn(200).contains(&lost.id()));
}

#[test]
fn a_sealed_checkpoint_prunes_and_changes_nothing() {
    for seed in 0..30 {
        let world = world(4);
        let entries = history(&world, seed, 60, false);
        let mut log = log(&world);
        for entry in &entries[..50] {
            insert(&world, &mut log, entry).expect("taken");
        }
        let heads: Vec<_> = log
            .heads()
            .iter()
            .map(|id| log.find(id).expect("a head"))
            .collect();
        let checkpoint = log.checkpoint(&heads, [7; 32]).expect("a checkpoint");
        assert!(matches!(
            log.prune(&checkpoint, &BTreeSet::new()),
            Err(PruneError::NotSealed { .. })
        ));
        let mut votes = Vec::new();
        for closer in 0..2 {
            let author = world.terms.place(&world.names[closer]).expect("known");
            let tip = log.tip(author).and_then(|ix| log.entry(ix)).cloned();
            let mut vote = world.draft(closer, tip.as_deref(), vec![]);
            checkpoint.say(&mut vote).expect("said");
            let vote = vote.sign(&world.keys[closer]).expect("signed");
            insert(&world, &mut log, &vote).expect("taken");
            votes.push(vote);
        }
        assert!(log.sealed().contains(&&checkpoint), "seed {seed}");
        let mut pruned = log.clone();
        let gone = pruned.prune(&checkpoint, &BTreeSet::new()).expect("pruned");
        assert!(gone.len() > 25, "seed {seed}: {}", gone.len());
        assert_eq!(pruned.state(), log.state());
        // Late entries of others still attach, in both alike.
        for entry in &entries[50..] {
            let (a, b) = (
                insert(&world, &mut log, entry),
                insert(&world, &mut pruned, entry),
            );
            assert_eq!(a, b, "seed {seed}");
        }
        assert_eq!(
            pruned.state().to_cbor(),
            log.state().to_cbor(),
            "seed {seed}"
        );
        assert_eq!(pruned.checkpoint(&heads, [7; 32]).as_ref(), Ok(&checkpoint));
        let mut wrong = checkpoint.clone();
        wrong.entries += 1;
        assert!(pruned.prune(&wrong, &BTreeSet::new()).is_err());
    }
}

#[test]
fn clocks_that_disagree_are_found_and_decide_nothing() {
    let world = world(2);
    let mut log = log(&world);
    let mut future = world.draft(0, None, vec![]);
    future.time = UtcSeconds(i64::MAX);
    let future = future.sign(&world.keys[0]).expect("signed");
    let mut past = world.draft(1, None, vec![future.id()]);
    past.time = UtcSeconds(i64::MIN);
    let past = past.sign(&world.keys[1]).expect("signed");
    for entry in [&future, &past] {
        insert(&world, &mut log, entry).expect("taken");
    }
    let skews = log.skews(60);
    assert_eq!(skews.len(), 1);
    assert_eq!((skews[0].id, skews[0].behind_s), (past.id(), u64::MAX));
    assert_eq!(log.counted().count(), 2);
    let unknown: Result<AuthorId, _> = "UPPER".parse();
    assert!(unknown.is_err());
}

#[test]
fn a_quota_follows_from_the_chain_alone() {
    let mut world = world(2);
    let quota = Quota {
        entries: 5,
        bytes: 5000,
    };
    let terms = (*world.terms).clone().with_quota(quota);
    assert_eq!(
        Terms::from_json(&terms.to_json())
            .map(|terms| terms.quota())
            .ok(),
        Some(quota)
    );
    world.terms = Arc::new(terms);
    let mut log = log(&world);
    let mut chain = vec![world.say(0, None, vec![], 0)];
    for body in 1..6 {
        chain.push(world.say(0, chain.last(), vec![], body));
    }
    for entry in &chain[..5] {
        insert(&world, &mut log, entry).expect("taken");
    }
    let refused = insert(&world, &mut log, &chain[5]);
    assert!(
        matches!(
            refused,
            Err(Refused::Quota {
                what: "entries",
                limit: 5,
                ..
            })
        ),
        "{refused:?}"
    );
    // A branch from further back has its own count, and an author its own.
    let branch = world.say(0, Some(&chain[1]), vec![], 9);
    insert(&world, &mut log, &branch).expect("taken, as proof of the fork");
    let mut long = world.draft(1, None, vec![]);
    long.body = vec![0; 4000];
    let long = long.sign(&world.keys[1]).expect("signed");
    insert(&world, &mut log, &long).expect("taken");
    let mut more = world.draft(1, Some(&long), vec![]);
    more.body = vec![0; 1000];
    let more = more.sign(&world.keys[1]).expect("signed");
    let refused = insert(&world, &mut log, &more);
    assert!(
        matches!(refused, Err(Refused::Quota { what: "bytes", .. })),
        "{refused:?}"
    );
    // In whatever order it comes.
    let mut other = Log::new(world.terms.clone());
    for entry in chain.iter().rev() {
        insert(&world, &mut other, entry).expect("waits, or falls to its parent");
    }
    assert_eq!(other.len(), 5);
    assert_eq!(other.pending().0, 0);
}
