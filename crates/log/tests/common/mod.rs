//! A small world to test in: authors with keys, and entries from one seed.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_identity::SecretKey;
use cosmosmesh_log::{Checkpoint, Draft, Entry, Kind, Log, Revocation, Terms, Verified};
use cosmosmesh_mission::{AuthorId, BootEpoch, ContractHash, MessageId, Seq, UtcSeconds};

/// Splitmix64: enough to shuffle with.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

pub const CONTRACT: ContractHash = ContractHash([9; 32]);

pub struct World {
    pub terms: Arc<Terms>,
    pub keys: Vec<SecretKey>,
    pub names: Vec<AuthorId>,
}

pub fn world(authors: usize) -> World {
    let names: Vec<AuthorId> = (0..authors)
        .map(|i| AuthorId::new(&format!("asset{i:04}")).expect("a name"))
        .collect();
    let seed = |i: usize| {
        let mut seed = [3; 32];
        seed[..8].copy_from_slice(&(i as u64).to_le_bytes());
        seed
    };
    let keys: Vec<SecretKey> = (0..authors)
        .map(|i| SecretKey::from_seed(seed(i)))
        .collect();
    let with_keys: BTreeMap<_, _> = names
        .iter()
        .cloned()
        .zip(keys.iter().map(SecretKey::public))
        .collect();
    let closers: BTreeSet<_> = names.iter().take(3).cloned().collect();
    let authorities: BTreeSet<_> = names.iter().take(1).cloned().collect();
    let quorum = closers.len() / 2 + 1;
    let terms = Terms::new(CONTRACT, with_keys, &authorities, &closers, quorum);
    World {
        terms: Arc::new(terms.expect("terms")),
        keys,
        names,
    }
}

impl World {
    pub fn draft(&self, author: usize, after: Option<&Entry>, deps: Vec<MessageId>) -> Draft {
        let header = after.map(Entry::header);
        Draft {
            author: self.names[author].clone(),
            boot_epoch: header.map_or(BootEpoch(0), |h| h.boot_epoch),
            seq: Seq(header.map_or(0, |h| h.seq.0 + 1)),
            backlink: after.map(Entry::id),
            deps,
            time: UtcSeconds(1_800_000_000),
            contract_hash: CONTRACT,
            kind: Kind(2),
            body: vec![author as u8; 20],
        }
    }

    pub fn say(
        &self,
        author: usize,
        after: Option<&Entry>,
        deps: Vec<MessageId>,
        body: u64,
    ) -> Entry {
        let mut draft = self.draft(author, after, deps);
        draft.body.extend(body.to_le_bytes());
        draft.sign(&self.keys[author]).expect("an entry")
    }

    pub fn take(&self, log: &mut Log, entry: &Entry) {
        let verified = self.terms.verify(entry.clone()).expect("verified");
        log.insert(verified).expect("taken");
    }

    pub fn verified(&self, entries: &[Entry]) -> Vec<Verified> {
        entries
            .iter()
            .map(|e| self.terms.trust(e.clone()).expect("trusted"))
            .collect()
    }
}

/// A random history: chains with dependencies, restarts, and, if asked for,
/// forks, revocations and votes.
pub fn history(world: &World, seed: u64, count: usize, mischief: bool) -> Vec<Entry> {
    let mut rng = Rng(seed);
    let mut all: Vec<Entry> = Vec::new();
    let mut log = Log::new(world.terms.clone());
    let authors = world.names.len();
    while all.len() < count {
        let author = rng.below(authors);
        let own: Vec<&Entry> = all
            .iter()
            .filter(|e| e.header().author == world.names[author])
            .collect();
        let mut after = own.last().copied();
        if mischief && rng.below(25) == 0 && author != 0 {
            after = (rng.below(4) > 0 && !own.is_empty()).then(|| own[rng.below(own.len())]);
        }
        let deps = (0..rng.below(4))
            .filter(|_| !all.is_empty())
            .map(|_| all[all.len() - 1 - rng.below(all.len().min(12))].id())
            .collect();
        let mut draft = world.draft(author, after, deps);
        draft.body.extend(rng.next().to_le_bytes());
        draft.time = UtcSeconds(1_800_000_000 + all.len() as i64);
        if rng.below(20) == 0 && after.is_some() {
            draft.boot_epoch = BootEpoch(draft.boot_epoch.0 + 1 + rng.below(2) as u64);
            draft.seq = Seq(0);
        }
        if mischief && author == 0 && rng.below(8) == 0 {
            let whom = rng.below(authors);
            let theirs: Vec<&Entry> = all
                .iter()
                .filter(|e| e.header().author == world.names[whom])
                .collect();
            let head = (!theirs.is_empty()).then(|| theirs[rng.below(theirs.len())].id());
            let author = world.names[whom].clone();
            Revocation { author, head }.say(&mut draft).expect("said");
        } else if author < 3 && rng.below(10) == 0 && log.heads().len() < 100 {
            let heads: Vec<_> = log
                .heads()
                .iter()
                .map(|id| log.find(id).expect("a head"))
                .collect();
            let said: Checkpoint = log.checkpoint(&heads, [1; 32]).expect("a checkpoint");
            said.say(&mut draft).expect("said");
        }
        let entry = draft.sign(&world.keys[author]).expect("an entry");
        if all.iter().any(|e| e.id() == entry.id()) {
            continue;
        }
        world.take(&mut log, &entry);
        all.push(entry);
    }
    all
}

/// Votes of the first closers for what `log` holds, taken by it; nothing if they do not
/// count.
pub fn seal(world: &World, log: &mut Log, voters: &[usize]) -> Option<(Checkpoint, Vec<Entry>)> {
    let heads = log.heads().iter();
    let heads: Vec<_> = heads.map(|id| log.find(id).expect("a head")).collect();
    let checkpoint = log.checkpoint(&heads, [7; 32]).expect("a checkpoint");
    let mut votes = Vec::new();
    for closer in voters {
        let author = world.terms.place(&world.names[*closer]).expect("known");
        let tip = log.tip(author).and_then(|ix| log.entry(ix)).cloned();
        let mut vote = world.draft(*closer, tip.as_deref(), vec![]);
        checkpoint.say(&mut vote).expect("said");
        let vote = vote.sign(&world.keys[*closer]).expect("signed");
        world.take(log, &vote);
        votes.push(vote);
    }
    log.sealed()
        .contains(&&checkpoint)
        .then_some((checkpoint, votes))
}
