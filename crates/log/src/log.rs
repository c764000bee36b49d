//! The causal graph: entries whose whole past is there.
//!
//! Three rules make the state a function of the set of entries alone:
//!
//! 1. *Validity follows from the causal past.* An entry is attached when its
//!    parents are, and whether it may be is decided by them. Until then it
//!    waits, outside the state.
//! 2. *What counts follows from the set.* Of an author that forks, what comes
//!    before the fork counts; of one that is revoked, what comes before the head.
//! 3. *The canonical order is (depth, id)*, where the depth of an entry is one
//!    more than the greatest of its parents'. Time plays no part.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_mission::{AuthorId, BootEpoch, Canonical as _, MessageId, Seq, UtcSeconds};

use crate::chain::{Chain, Place};
use crate::entry::{Entry, Header, Kind};
use crate::id_map::IdMap;
use crate::limits::MAX_DEPTH;
use crate::pending::Pending;
use crate::statement::{Checkpoint, Revocation};
use crate::stub::Stub;
use crate::terms::{AuthorIx, Refused, Terms, Verified};

/// An entry's place in one [`Log`], in the order of attaching. It means nothing
/// elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryIx(pub(crate) u32);

impl EntryIx {
    /// How many entries were attached before it.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

/// What is kept of an attached entry, also when the entry itself is pruned.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) id: MessageId,
    pub(crate) author: AuthorIx,
    pub(crate) boot: u64,
    pub(crate) seq: u64,
    pub(crate) depth: u32,
    pub(crate) counted: bool,
    /// Whether any entry follows from it.
    pub(crate) followed: bool,
    pub(crate) time_s: i64,
    pub(crate) kind: Kind,
    pub(crate) back: Option<EntryIx>,
    pub(crate) deps: Box<[EntryIx]>,
    /// The first entry of the same author that follows it.
    pub(crate) next: Option<EntryIx>,
    /// How many entries its author's chain has up to here, and their bytes.
    pub(crate) share: Share,
    pub(crate) held: Held,
}

/// How much of an author's quota is used up by a chain.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Share {
    entries: u64,
    bytes: u64,
}

/// What is there of an attached entry besides its place.
#[derive(Debug, Clone)]
pub(crate) enum Held {
    Whole(Arc<Entry>),
    Pruned(Box<Body>),
}

/// What the header of an entry says of its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body {
    bytes: u32,
    hash: [u8; 32],
}

impl Body {
    fn of(header: &Header) -> Self {
        Self {
            bytes: header.body_bytes,
            hash: header.body_hash,
        }
    }
}

impl Node {
    pub(crate) fn is_pruned(&self) -> bool {
        matches!(self.held, Held::Pruned(_))
    }

    /// Lets go of the body; says whether it was there.
    pub(crate) fn prune(&mut self) -> bool {
        let Held::Whole(entry) = &self.held else {
            return false;
        };
        self.held = Held::Pruned(Box::new(Body::of(entry.header())));
        true
    }

    pub(crate) fn place(&self) -> Place {
        (self.boot, self.seq)
    }

    pub(crate) fn parents(&self) -> impl Iterator<Item = EntryIx> {
        self.back.into_iter().chain(self.deps.iter().copied())
    }
}

/// What became of an entry.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The entries that are attached now, parents first: this one, and those
    /// that waited for it. Write them to the store in this order.
    pub attached: Vec<EntryIx>,
    /// Entries that waited for it and turned out to break a rule.
    pub refused: Vec<(MessageId, Refused)>,
    /// It waits for a parent that is not there.
    pub waits: bool,
}

/// Two entries of one author with one back link: proof that it said different
/// things to different peers. Whoever has both can check it alone.
#[derive(Clone, Debug)]
pub struct ForkProof {
    /// Who forked.
    pub author: AuthorId,
    /// The two ids, the lesser first.
    pub ids: [MessageId; 2],
    /// The entries, unless one was pruned before the other came.
    pub entries: Option<[Arc<Entry>; 2]>,
}

/// A set of entries that is closed under parents, and what waits to join it.
#[derive(Debug, Clone)]
pub struct Log {
    pub(crate) terms: Arc<Terms>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) by_id: IdMap<EntryIx>,
    pub(crate) chains: Vec<Chain>,
    pub(crate) heads: BTreeSet<MessageId>,
    pub(crate) votes: BTreeMap<EntryIx, Checkpoint>,
    pub(crate) revocations: BTreeMap<EntryIx, (AuthorIx, Option<EntryIx>)>,
    pending: Pending,
}

impl Log {
    /// Nothing yet.
    pub fn new(terms: Arc<Terms>) -> Self {
        Self {
            chains: vec![Chain::default(); terms.len()],
            terms,
            nodes: Vec::new(),
            by_id: IdMap::default(),
            heads: BTreeSet::new(),
            votes: BTreeMap::new(),
            revocations: BTreeMap::new(),
            pending: Pending::default(),
        }
    }

    /// Makes room for so many more entries.
    pub(crate) fn reserve(&mut self, entries: usize) {
        self.nodes.reserve(entries);
        self.by_id.reserve(entries);
    }

    /// What the contract fixes.
    pub fn terms(&self) -> &Arc<Terms> {
        &self.terms
    }

    /// Takes an entry, in any order and as often as it comes.
    ///
    /// # Errors
    /// The entry breaks a rule that its causal past decides: nobody will ever
    /// take it.
    pub fn insert(&mut self, verified: Verified) -> Result<Taken, Refused> {
        let mut taken = Taken::default();
        if self.by_id.contains_key(&verified.entry.id()) {
            return Ok(taken);
        }
        let parents = match self.attached_parents(verified.entry.header()) {
            Ok(parents) => parents,
            Err(missing) => {
                self.pending.wait(verified, missing);
                taken.waits = true;
                return Ok(taken);
            }
        };
        let Verified { entry, author } = verified;
        let new = self.attach(Piece::Whole(entry), author, parents)?;
        taken.attached.push(new);
        self.release(&mut taken);
        Ok(taken)
    }

    /// Takes what is left of an entry on trust: that it counts as said is for the
    /// caller to know. A stub does not wait; `waits` says that a parent is missing.
    ///
    /// # Errors
    /// As [`insert`](Self::insert), or it had a body that the log needs.
    pub(crate) fn insert_stub(&mut self, stub: Stub) -> Result<Taken, Refused> {
        let mut taken = Taken::default();
        if self.by_id.contains_key(&stub.id) {
            return Ok(taken);
        }
        let author = self.terms.admit(&stub.header)?;
        let Ok(parents) = self.attached_parents(&stub.header) else {
            taken.waits = true;
            return Ok(taken);
        };
        let new = self.attach(Piece::Stub(stub), author, parents)?;
        taken.attached.push(new);
        self.release(&mut taken);
        Ok(taken)
    }

    /// Attaches what waited for those that are attached now.
    pub(crate) fn release(&mut self, taken: &mut Taken) {
        let mut done = 0;
        while !self.pending.is_empty()
            && let Some(parent) = taken.attached.get(done)
        {
            done += 1;
            let id = self.nodes[parent.at()].id;
            for verified in self.pending.release(&id) {
                // It may have come another way, in headers.
                if self.by_id.contains_key(&verified.entry.id()) {
                    continue;
                }
                let parents = match self.attached_parents(verified.entry.header()) {
                    Ok(parents) => parents,
                    Err(missing) => {
                        self.pending.wait(verified, missing);
                        continue;
                    }
                };
                let Verified { entry, author } = verified;
                let id = entry.id();
                match self.attach(Piece::Whole(entry), author, parents) {
                    Ok(ix) => taken.attached.push(ix),
                    Err(refused) => taken.refused.push((id, refused)),
                }
            }
        }
    }

    /// The parents, or the first that is not there.
    fn attached_parents(&self, header: &Header) -> Result<Parents, MessageId> {
        let find = |id: &MessageId| self.by_id.get(id).copied().ok_or(*id);
        Ok(Parents {
            back: header.backlink.as_ref().map(find).transpose()?,
            deps: header.deps.iter().map(find).collect::<Result<_, _>>()?,
        })
    }

    /// Attaches an entry whose parents are there.
    fn attach(
        &mut self,
        piece: Piece,
        author: AuthorIx,
        parents: Parents,
    ) -> Result<EntryIx, Refused> {
        let Parents { back, deps } = parents;
        let (id, header) = (piece.id(), piece.header());
        self.check_place(header, author, back)?;
        let share = self.share(header, back)?;
        let parents = back.iter().chain(&deps);
        let depth = parents.map(|ix| self.nodes[ix.at()].depth).max();
        let depth = depth.map_or(0, |depth| depth) + 1;
        if depth > MAX_DEPTH || self.nodes.len() >= u32::MAX as usize {
            return Err(Refused::TooDeep(MAX_DEPTH));
        }
        let statement = self.statement(&piece, author)?;
        let new = EntryIx(self.nodes.len() as u32);
        for parent in back.iter().chain(&deps) {
            let node = &mut self.nodes[parent.at()];
            if !std::mem::replace(&mut node.followed, true) {
                self.heads.remove(&node.id);
            }
        }
        self.heads.insert(id);
        self.by_id.insert(id, new);
        self.nodes.push(Node {
            id,
            author,
            boot: header.boot_epoch.0,
            seq: header.seq.0,
            depth,
            counted: false,
            followed: false,
            time_s: header.time.0,
            kind: header.kind,
            back,
            deps,
            next: None,
            share,
            held: match piece {
                Piece::Whole(entry) => Held::Whole(entry),
                Piece::Stub(stub) => Held::Pruned(Box::new(Body::of(&stub.header))),
            },
        });
        self.chains[author.0 as usize].add(&mut self.nodes, new, back);
        match statement {
            Statement::Other => {}
            Statement::Revoke(whom, head) => {
                self.revocations.insert(new, (whom, head));
                self.chains[whom.0 as usize].limit(&mut self.nodes, head);
            }
            Statement::Vote(checkpoint) => drop(self.votes.insert(new, checkpoint)),
        }
        Ok(new)
    }

    /// What is used up of the author's quota. It follows from the chain behind the
    /// entry alone, so that everybody finds the same.
    fn share(&self, header: &Header, back: Option<EntryIx>) -> Result<Share, Refused> {
        let before = back.map_or(Share::default(), |back| self.nodes[back.at()].share);
        let share = Share {
            entries: before.entries + 1,
            bytes: before.bytes + header.weight() as u64,
        };
        let quota = self.terms.quota();
        let over = |what, limit| Refused::Quota {
            author: header.author.clone(),
            what,
            limit,
        };
        if share.entries > quota.entries {
            return Err(over("entries", quota.entries));
        }
        if share.bytes > quota.bytes {
            return Err(over("bytes", quota.bytes));
        }
        Ok(share)
    }

    fn check_place(
        &self,
        header: &Header,
        author: AuthorIx,
        back: Option<EntryIx>,
    ) -> Result<(), Refused> {
        let Some(back) = back else { return Ok(()) };
        let before = &self.nodes[back.at()];
        if before.author != author {
            let other = self.terms.author(before.author);
            return Err(Refused::ForeignBacklink(
                header.author.clone(),
                other.expect("an attached entry has an author").clone(),
            ));
        }
        let (boot, seq) = (header.boot_epoch.0, header.seq.0);
        let follows = boot == before.boot && before.seq.checked_add(1) == Some(seq);
        let restarts = boot > before.boot && seq == 0;
        if follows || restarts {
            return Ok(());
        }
        Err(Refused::Place {
            boot,
            seq,
            before_boot: before.boot,
            before_seq: before.seq,
        })
    }

    /// Reads what concerns the log itself; all of it follows from the past.
    fn statement(&self, piece: &Piece, author: AuthorIx) -> Result<Statement, Refused> {
        let header = piece.header();
        let role = |what| Refused::Role {
            author: header.author.clone(),
            what,
        };
        let body = |what: &'static str, reason: String| Refused::Body { what, reason };
        let read = |what| match piece {
            Piece::Whole(entry) => Ok(entry.body()),
            Piece::Stub(_) => Err(body(what, "nothing but its header is there".into())),
        };
        match header.kind {
            Kind::REVOCATION => {
                if !self.terms.is_authority(author) {
                    return Err(role("revoke"));
                }
                let said = Revocation::from_cbor(read("revocation")?)
                    .map_err(|e| body("revocation", e.to_string()))?;
                let whom = self.terms.place(&said.author);
                let whom = whom.ok_or_else(|| Refused::Author(said.author.clone()))?;
                let Some(id) = said.head else {
                    return Ok(Statement::Revoke(whom, None));
                };
                let head = self.by_id.get(&id).copied();
                let head = head.filter(|_| header.parents().any(|parent| *parent == id));
                let head = head.filter(|ix| self.nodes[ix.at()].author == whom);
                if head.is_none() {
                    let reason = "its head is not among its parents, or of another author";
                    return Err(body("revocation", reason.into()));
                }
                Ok(Statement::Revoke(whom, head))
            }
            Kind::CHECKPOINT => {
                if !self.terms.is_closer(author) {
                    return Err(role("vote for checkpoints"));
                }
                let said = Checkpoint::from_cbor(read("checkpoint")?)
                    .map_err(|e| body("checkpoint", e.to_string()))?;
                let parents: BTreeSet<_> = header.parents().collect();
                if !said.frontier.iter().all(|id| parents.contains(id)) {
                    let reason = "its frontier is not among its parents";
                    return Err(body("checkpoint", reason.into()));
                }
                Ok(Statement::Vote(said))
            }
            _ => Ok(Statement::Other),
        }
    }

    /// How many entries are attached.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing is attached.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The entries from the `seen`-th on, in the order of attaching: what is new
    /// to someone who has seen the first `seen`.
    pub fn attached_since(&self, seen: usize) -> impl Iterator<Item = EntryIx> + use<> {
        (seen..self.len()).map(|at| EntryIx(at as u32))
    }

    /// How many entries wait, and roughly the bytes they take.
    pub fn pending(&self) -> (usize, usize) {
        (self.pending.len(), self.pending.bytes())
    }

    /// The parents of entries that wait, as far as nothing is known of them: neither
    /// attached nor waiting themselves.
    pub fn missing(&self) -> BTreeSet<MessageId> {
        let mut missing = self.pending.parents();
        missing.retain(|id| !self.by_id.contains_key(id));
        missing
    }

    /// So many of what is missing at most, in turn of the authors of what waits for it.
    pub fn missing_in_turn(&self, most: usize) -> Vec<MessageId> {
        let here = |id: &MessageId| self.by_id.contains_key(id);
        self.pending.parents_in_turn(most, here)
    }

    /// Where an attached entry is.
    pub fn find(&self, id: &MessageId) -> Option<EntryIx> {
        self.by_id.get(id).copied()
    }

    /// The id at a place.
    pub fn id(&self, ix: EntryIx) -> MessageId {
        self.nodes[ix.at()].id
    }

    /// The entry at a place, unless it is pruned.
    pub fn entry(&self, ix: EntryIx) -> Option<&Arc<Entry>> {
        match &self.nodes[ix.at()].held {
            Held::Whole(entry) => Some(entry),
            Held::Pruned(_) => None,
        }
    }

    /// The header of the entry at a place, which is kept of pruned ones as well.
    pub fn stub(&self, ix: EntryIx) -> Stub {
        let node = &self.nodes[ix.at()];
        let body = match &node.held {
            Held::Whole(entry) => Body::of(entry.header()),
            Held::Pruned(body) => **body,
        };
        let author = self.terms.author(node.author);
        let header = Header {
            author: author.expect("an attached entry has an author").clone(),
            boot_epoch: BootEpoch(node.boot),
            seq: Seq(node.seq),
            backlink: node.back.map(|back| self.id(back)),
            deps: node.deps.iter().map(|dep| self.id(*dep)).collect(),
            time: UtcSeconds(node.time_s),
            contract_hash: self.terms.contract_hash(),
            kind: node.kind,
            body_bytes: body.bytes,
            body_hash: body.hash,
        };
        Stub {
            id: node.id,
            header,
        }
    }

    /// How many entries are pruned.
    pub fn pruned(&self) -> usize {
        self.nodes.iter().filter(|node| node.is_pruned()).count()
    }

    /// The entry at a place as it can be put into another log of these terms, unless
    /// it is pruned.
    pub fn verified(&self, ix: EntryIx) -> Option<Verified> {
        let entry = self.entry(ix)?.clone();
        let author = self.author(ix);
        Some(Verified { entry, author })
    }

    /// Whether the entry counts: its author had neither forked before it nor
    /// been revoked.
    pub fn is_counted(&self, ix: EntryIx) -> bool {
        self.nodes[ix.at()].counted
    }

    /// One more than the greatest depth of its parents.
    pub fn depth(&self, ix: EntryIx) -> u32 {
        self.nodes[ix.at()].depth
    }

    /// The author of an attached entry.
    pub fn author(&self, ix: EntryIx) -> AuthorIx {
        self.nodes[ix.at()].author
    }

    /// What kind of thing it says.
    pub fn kind(&self, ix: EntryIx) -> Kind {
        self.nodes[ix.at()].kind
    }

    /// The author's entry before it.
    pub fn before(&self, ix: EntryIx) -> Option<EntryIx> {
        self.nodes[ix.at()].back
    }

    /// The entries that it follows from directly: its author's entry before it, and
    /// those that it names.
    pub fn parents(&self, ix: EntryIx) -> impl Iterator<Item = EntryIx> {
        self.nodes[ix.at()].parents()
    }

    /// The last entries of an author that are not void, one for each revocation
    /// of it; nothing at all is left by one that names no entry.
    pub fn revoked(&self, author: AuthorIx) -> impl Iterator<Item = Option<EntryIx>> {
        let of_author =
            move |(whom, head): &(AuthorIx, Option<EntryIx>)| (*whom == author).then_some(*head);
        self.revocations.values().filter_map(of_author)
    }

    /// The entries that revoke an author.
    pub fn revocations(&self, author: AuthorIx) -> impl Iterator<Item = MessageId> {
        let of_author = self
            .revocations
            .iter()
            .filter(move |(_, (whom, _))| *whom == author);
        of_author.map(|(ix, _)| self.id(*ix))
    }

    /// The last of an author's entries that count: what its next links back to.
    pub fn tip(&self, author: AuthorIx) -> Option<EntryIx> {
        self.chains.get(author.0 as usize)?.trunk.last().copied()
    }

    /// How many entries of an author count.
    pub fn counted_of(&self, author: AuthorIx) -> u64 {
        let chain = self.chains.get(author.0 as usize);
        chain.map_or(0, |chain| chain.trunk.len() as u64)
    }

    /// The entries of an author that count, in order.
    pub fn chain(&self, author: AuthorIx) -> impl Iterator<Item = EntryIx> {
        let chain = self.chains.get(author.0 as usize);
        chain
            .into_iter()
            .flat_map(|chain| chain.trunk.iter().copied())
    }

    /// How many entries of its author are before an entry on its chain.
    pub fn place_in_chain(&self, ix: EntryIx) -> u64 {
        let mut before = 0;
        let mut at = self.nodes[ix.at()].back;
        while let Some(back) = at {
            let node = &self.nodes[back.at()];
            before += 1;
            if node.boot == 0 {
                return before + node.seq;
            }
            at = node.back;
        }
        before
    }

    /// The entries that no other follows from.
    pub fn heads(&self) -> &BTreeSet<MessageId> {
        &self.heads
    }

    /// The proof that an author forked, if it did: its earliest.
    pub fn fork_proof(&self, author: AuthorIx) -> Option<ForkProof> {
        let (a, b) = self.chains.get(author.0 as usize)?.fork(&self.nodes)?;
        let both = self.entry(a).cloned().zip(self.entry(b).cloned());
        Some(ForkProof {
            author: self.terms.author(author)?.clone(),
            ids: [self.id(a), self.id(b)],
            entries: both.map(|(a, b)| [a, b]),
        })
    }
}

/// The parents of an entry, where they are.
struct Parents {
    back: Option<EntryIx>,
    deps: Box<[EntryIx]>,
}

/// What is to be attached.
enum Piece {
    Whole(Arc<Entry>),
    Stub(Stub),
}

impl Piece {
    fn id(&self) -> MessageId {
        match self {
            Self::Whole(entry) => entry.id(),
            Self::Stub(stub) => stub.id,
        }
    }

    fn header(&self) -> &Header {
        match self {
            Self::Whole(entry) => entry.header(),
            Self::Stub(stub) => &stub.header,
        }
    }
}

enum Statement {
    Other,
    Revoke(AuthorIx, Option<EntryIx>),
    Vote(Checkpoint),
}
