//! What is measured with: random numbers, and entries of our own log.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_identity::SecretKey;
use cosmosmesh_log::{Draft, Entry, Kind, Terms};
use cosmosmesh_mission::{AuthorId, BootEpoch, ContractHash, MessageId, Seq, UtcSeconds};

/// Splitmix64.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
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

    /// The items in a random order, a third of them twice, cut into pieces of one to
    /// five.
    pub fn delivery<T: Clone>(&mut self, items: &[T]) -> Vec<Vec<T>> {
        let mut all = items.to_vec();
        for item in items {
            if self.below(3) == 0 {
                all.push(item.clone());
            }
        }
        self.shuffle(&mut all);
        let mut pieces = Vec::new();
        while !all.is_empty() {
            let piece = (1 + self.below(5)).min(all.len());
            pieces.push(all.split_off(all.len() - piece));
        }
        pieces
    }
}

const CONTRACT: ContractHash = ContractHash([0x11; 32]);

/// Authors with keys that follow from their number.
pub struct Cast {
    pub terms: Arc<Terms>,
    keys: Vec<SecretKey>,
    names: Vec<AuthorId>,
    last: Vec<Option<(MessageId, u64)>>,
    recent: Vec<MessageId>,
    rng: Rng,
}

impl Cast {
    pub fn new(authors: usize, seed: u64) -> Self {
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

    /// The next entry of one author: a body of 100 bytes, after its own last and two
    /// recent ones of anybody.
    pub fn say(&mut self, author: usize) -> Entry {
        let last = self.last[author];
        let mut deps = Vec::new();
        for _ in 0..2_usize.min(self.recent.len()) {
            deps.push(self.recent[self.rng.below(self.recent.len())]);
        }
        let mut body = vec![0; 100];
        body[..8].copy_from_slice(&self.rng.next().to_le_bytes());
        let seq = last.map_or(0, |(_, seq)| seq + 1);
        let draft = Draft {
            author: self.names[author].clone(),
            boot_epoch: BootEpoch(0),
            seq: Seq(seq),
            backlink: last.map(|(id, _)| id),
            deps,
            time: UtcSeconds(1_800_000_000),
            contract_hash: CONTRACT,
            kind: Kind(0),
            body,
        };
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

    pub fn history(&mut self, count: usize) -> Vec<Entry> {
        let authors = self.names.len();
        (0..count)
            .map(|_| {
                let author = self.rng.below(authors);
                self.say(author)
            })
            .collect()
    }
}
