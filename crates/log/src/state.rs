//! The canonical order, the state that follows from a set, and pasts.

use cosmosmesh_mission::{
    AuthorId, Canonical as _, ContractHash, EncodeError, MessageId, canonical_record,
};

use crate::entry::hasher;
use crate::log::{EntryIx, Log, Taken};
use crate::terms::AuthorIx;
use blake3::hazmat::HasherExt as _;

/// What a set of entries amounts to. Equal sets have equal bytes, whatever the
/// order in which they came, and different sets have different ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogState {
    /// The contract.
    pub contract_hash: ContractHash,
    /// How many entries there are.
    pub entries: u64,
    /// The entries that no other follows from, sorted.
    pub frontier: Vec<MessageId>,
    /// Each author's chain, sorted by name.
    pub authors: Vec<AuthorState>,
    /// The hash of the canonical order, with what counts in it.
    pub order: MessageId,
}

/// What there is of one author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorState {
    /// Who.
    pub author: AuthorId,
    /// The last entry that counts.
    pub tip: Option<MessageId>,
    /// How many count.
    pub counted: u64,
    /// How many there are.
    pub held: u64,
    /// The two entries of the earliest fork.
    pub fork: Vec<MessageId>,
    /// The heads that revocations name, sorted.
    pub revoked: Vec<Option<MessageId>>,
}

canonical_record!(LogState {
    contract_hash,
    entries,
    frontier,
    authors,
    order
});
canonical_record!(AuthorState {
    author,
    tip,
    counted,
    held,
    fork,
    revoked
});

impl LogState {
    /// The hash of its one encoding.
    ///
    /// # Errors
    /// A state beyond the limits of the encoding has none.
    pub fn digest(&self) -> Result<[u8; 32], EncodeError> {
        let mut hasher = hasher!("cosmosmesh v1 log state");
        Ok(*hasher.update(&self.to_cbor()?).finalize().as_bytes())
    }
}

/// A set of entries of one log that is closed under parents.
#[derive(Clone, Debug)]
pub struct Past {
    inside: Vec<bool>,
}

impl Past {
    /// Whether the entry is in it.
    pub fn contains(&self, ix: EntryIx) -> bool {
        self.inside.get(ix.at()).copied().unwrap_or(false)
    }

    /// Its entries, parents first.
    pub fn entries(&self) -> impl Iterator<Item = EntryIx> {
        let inside = self.inside.iter().zip(0..);
        inside
            .filter(|(inside, _)| **inside)
            .map(|(_, ix)| EntryIx(ix))
    }
}

impl Log {
    /// All entries in canonical order: by depth, then id.
    pub fn canonical(&self) -> Vec<EntryIx> {
        let mut order: Vec<(u32, [u8; 32], u32)> = self
            .nodes
            .iter()
            .zip(0..)
            .map(|(node, ix)| (node.depth, node.id.0, ix))
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, _, ix)| EntryIx(ix)).collect()
    }

    /// The entries that count, in canonical order: what is to be folded.
    pub fn counted(&self) -> impl Iterator<Item = EntryIx> {
        let order = self.canonical().into_iter();
        order.filter(|ix| self.is_counted(*ix))
    }

    /// A digest of the set: it is closed under parents, so its last entries say
    /// which it is. Costs a hash of the heads.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = hasher!("cosmosmesh v1 log frontier");
        for head in &self.heads {
            hasher.update(&head.0);
        }
        *hasher.finalize().as_bytes()
    }

    /// What the set amounts to. Costs a sort of all entries.
    pub fn state(&self) -> LogState {
        let mut order = hasher!("cosmosmesh v1 log order");
        for ix in self.canonical() {
            order.update(&self.id(ix).0);
            order.update(&[u8::from(self.is_counted(ix))]);
        }
        let author = |(ix, name): (AuthorIx, &AuthorId)| {
            let chain = &self.chains[ix.0 as usize];
            let fork = chain.fork(&self.nodes);
            AuthorState {
                author: name.clone(),
                tip: chain.trunk.last().map(|ix| self.id(*ix)),
                counted: chain.trunk.len() as u64,
                held: chain.len() as u64,
                fork: fork.map_or(Vec::new(), |(a, b)| vec![self.id(a), self.id(b)]),
                revoked: chain.limits(&self.nodes).into_iter().collect(),
            }
        };
        LogState {
            contract_hash: self.terms.contract_hash(),
            entries: self.len() as u64,
            frontier: self.heads.iter().copied().collect(),
            authors: self.terms.authors().map(author).collect(),
            order: MessageId(*order.finalize().as_bytes()),
        }
    }

    /// The causal past of `of`, itself included.
    pub fn past(&self, of: &[EntryIx]) -> Past {
        let mut inside = vec![false; self.nodes.len()];
        for ix in of {
            inside[ix.at()] = true;
        }
        // Parents come before their children.
        for at in (0..self.nodes.len()).rev() {
            if inside[at] {
                for parent in self.nodes[at].parents() {
                    inside[parent.at()] = true;
                }
            }
        }
        Past { inside }
    }

    /// The log as it follows from the causal past of `of` alone: what the author
    /// of those entries could know. Nothing that came beside them plays a part.
    ///
    /// The structure of pruned entries is kept, so it works for them too.
    #[must_use]
    pub fn at(&self, of: &[EntryIx]) -> Self {
        let past = self.past(of);
        let mut log = Self::new(self.terms.clone());
        for ix in past.entries() {
            log.copy(self, ix);
        }
        log
    }

    /// Takes over all that another log of the same terms has, pruned entries as they
    /// are there. What is here already stays as it is.
    pub fn absorb(&mut self, other: &Self) -> Taken {
        let mut taken = Taken::default();
        for ix in other.attached_since(0) {
            if self.find(&other.id(ix)).is_none() {
                self.copy(other, ix);
                taken.attached.push(EntryIx(self.nodes.len() as u32 - 1));
            }
        }
        self.release(&mut taken);
        taken
    }

    /// Takes over an attached entry whose parents are here already.
    fn copy(&mut self, from: &Self, ix: EntryIx) {
        let node = &from.nodes[ix.at()];
        let here = |old: EntryIx| self.by_id[&from.id(old)];
        let new = EntryIx(self.nodes.len() as u32);
        let (back, deps): (_, Box<[_]>) = (
            node.back.map(here),
            node.deps.iter().map(|ix| here(*ix)).collect(),
        );
        for parent in back.iter().chain(&deps) {
            let node = &mut self.nodes[parent.at()];
            if !std::mem::replace(&mut node.followed, true) {
                self.heads.remove(&node.id);
            }
        }
        self.heads.insert(node.id);
        self.by_id.insert(node.id, new);
        let mut node = node.clone();
        (node.back, node.deps, node.next) = (back, deps, None);
        (node.counted, node.followed) = (false, false);
        let author = node.author;
        self.nodes.push(node);
        self.chains[author.0 as usize].add(&mut self.nodes, new, back);
        if let Some((whom, head)) = from.revocations.get(&ix) {
            let head = head.map(|head| self.by_id[&from.id(head)]);
            self.revocations.insert(new, (*whom, head));
            self.chains[whom.0 as usize].limit(&mut self.nodes, head);
        }
        if let Some(vote) = from.votes.get(&ix) {
            self.votes.insert(new, vote.clone());
        }
    }

    /// Whether the author of `at` could know that `author` forked: its past holds
    /// two entries of `author` with one back link.
    pub fn knows_fork(&self, at: EntryIx, author: AuthorIx) -> bool {
        let Some(chain) = self.chains.get(author.0 as usize) else {
            return false;
        };
        if !chain.is_forked() {
            return false;
        }
        let past = self.past(&[at]);
        let mut forks = chain.forks();
        forks.any(|siblings| siblings.iter().filter(|ix| past.contains(**ix)).count() > 1)
    }
}
