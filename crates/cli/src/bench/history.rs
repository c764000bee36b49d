//! A history to measure with: many authors, each entry after two others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_identity::SecretKey;
use cosmosmesh_log::{Draft, Entry, Kind, Terms};
use cosmosmesh_mission::{AuthorId, BootEpoch, ContractHash, MessageId, Seq, UtcSeconds};

/// Splitmix64.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

pub(crate) const CONTRACT: ContractHash = ContractHash([0x11; 32]);

/// Authors with keys that follow from their number. For measuring only.
pub(crate) struct Cast {
    pub(crate) terms: Arc<Terms>,
    keys: Vec<SecretKey>,
    names: Vec<AuthorId>,
    /// The last entry of each: id and position.
    last: Vec<Option<(MessageId, u64)>>,
    recent: Vec<MessageId>,
    rng: Rng,
}

impl Cast {
    pub(crate) fn new(authors: usize, seed: u64) -> Self {
        let key = |at: usize| {
            let mut bytes = [0x77; 32];
            bytes[..8].copy_from_slice(&(at as u64).to_le_bytes());
            SecretKey::from_seed(bytes)
        };
        let keys: Vec<SecretKey> = (0..authors).map(key).collect();
        let name = |at| AuthorId::new(&format!("asset{at:04}")).expect("a name");
        let names: Vec<AuthorId> = (0..authors).map(name).collect();
        let public = keys.iter().map(SecretKey::public);
        let by_name: BTreeMap<_, _> = names.iter().cloned().zip(public).collect();
        let none = BTreeSet::new();
        let terms = Terms::new(CONTRACT, by_name, &none, &none, 0).expect("distinct keys");
        Self {
            terms: Arc::new(terms),
            keys,
            names,
            last: vec![None; authors],
            recent: Vec::new(),
            rng: Rng(seed),
        }
    }

    /// The next entry of one author: a body of 100 bytes, after its own last and
    /// one or two recent ones of others.
    pub(crate) fn say(&mut self, author: usize) -> Entry {
        let last = self.last[author];
        let mut deps = Vec::new();
        for _ in 0..2_usize.min(self.recent.len()) {
            deps.push(self.recent[self.rng.below(self.recent.len())]);
        }
        let mut body = vec![0; 100];
        body[..8].copy_from_slice(&self.rng.next().to_le_bytes());
        let draft = Draft {
            author: self.names[author].clone(),
            boot_epoch: BootEpoch(0),
            seq: Seq(last.map_or(0, |(_, seq)| seq + 1)),
            backlink: last.map(|(id, _)| id),
            deps,
            time: UtcSeconds(1_800_000_000),
            contract_hash: CONTRACT,
            kind: Kind(0),
            body,
        };
        let seq = draft.seq.0;
        let entry = draft.sign(&self.keys[author]).expect("within the limits");
        self.last[author] = Some((entry.id(), seq));
        if self.recent.len() < 64 {
            self.recent.push(entry.id());
        } else {
            let at = self.rng.below(64);
            self.recent[at] = entry.id();
        }
        entry
    }

    /// `count` entries of random authors.
    pub(crate) fn history(&mut self, count: usize) -> Vec<Entry> {
        (0..count)
            .map(|_| {
                let author = self.rng.below(self.names.len());
                self.say(author)
            })
            .collect()
    }
}
