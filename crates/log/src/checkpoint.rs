//! Checkpoints that a quorum has sealed, and pruning behind them.
//!
//! Pruning lets go of bodies, not of headers: a [`Stub`](crate::Stub) of every entry
//! is kept (about 150 bytes in memory), so that a pruned log and a full one take the
//! same entries, find the same forks, and have the same state. An absentee whose
//! entries follow from old ones is understood by both. Nobody has to have
//! acknowledged anything: a quorum's votes are enough.
//!
//! What is pruned is believed on the word of that quorum: the ids of the frontier are
//! signed, and each stub is what an id says. Whether those votes *count* can change
//! when a closer is found to have forked; that it signed them cannot.

use std::collections::{BTreeMap, BTreeSet};

use cosmosmesh_mission::{EncodeError, MessageId};
use thiserror::Error;

use crate::entry::Kind;
use crate::log::{EntryIx, Log};
use crate::state::Past;
use crate::statement::Checkpoint;
use crate::terms::AuthorIx;

/// Why nothing is pruned.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PruneError {
    /// Too few closers have voted for it.
    #[error("{votes} votes, the quorum is {quorum}")]
    NotSealed {
        /// The votes that count.
        votes: usize,
        /// The votes it takes.
        quorum: usize,
    },
    /// Not all of its frontier is here.
    #[error("entry {0} of its frontier is not here")]
    Unknown(MessageId),
    /// It is not what follows from its frontier: whoever voted for it is at
    /// fault, or this node is.
    #[error("its roots do not follow from its frontier")]
    Roots,
    /// Something was pruned that is not in its past.
    #[error("entry {0} was pruned behind another checkpoint and is not in the past of this one")]
    Beside(MessageId),
    /// The state has no encoding.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// A pruned entry that no quorum has vouched for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "of entry {0} only the header is here, and it is in the past of no checkpoint that a quorum \
     signed and that follows from these entries"
)]
pub struct Unsealed(pub MessageId);

impl Log {
    /// The checkpoint of the past of `frontier`, for a closer to vote for.
    /// `fold_root` is the caller's digest of what it folds from that past.
    ///
    /// # Errors
    /// The state has no encoding.
    pub fn checkpoint(
        &self,
        frontier: &[EntryIx],
        fold_root: [u8; 32],
    ) -> Result<Checkpoint, EncodeError> {
        let then = self.at(frontier);
        let state = then.state();
        Ok(Checkpoint {
            log_root: state.digest()?,
            entries: state.entries,
            frontier: state.frontier,
            fold_root,
        })
    }

    /// The votes for each checkpoint, of closers whose votes count.
    pub fn votes(&self) -> BTreeMap<&Checkpoint, BTreeSet<AuthorIx>> {
        let mut votes: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (ix, checkpoint) in &self.votes {
            if self.is_counted(*ix) {
                votes
                    .entry(checkpoint)
                    .or_default()
                    .insert(self.author(*ix));
            }
        }
        votes
    }

    /// The checkpoints that a quorum has sealed, the longest first.
    pub fn sealed(&self) -> Vec<&Checkpoint> {
        let quorum = self.terms.quorum().max(1);
        let votes = self.votes().into_iter();
        let mut sealed: Vec<_> = votes
            .filter(|(_, voters)| voters.len() >= quorum)
            .map(|(checkpoint, _)| checkpoint)
            .collect();
        sealed.sort_by_key(|checkpoint| (std::cmp::Reverse(checkpoint.entries), *checkpoint));
        sealed
    }

    /// The checkpoints that a quorum has signed, whether the votes count or not, the
    /// longest first.
    fn signed(&self) -> Vec<&Checkpoint> {
        let mut voters: BTreeMap<&Checkpoint, BTreeSet<AuthorIx>> = BTreeMap::new();
        for (ix, checkpoint) in &self.votes {
            let of = voters.entry(checkpoint).or_default();
            of.insert(self.author(*ix));
        }
        let quorum = self.terms.quorum().max(1);
        let mut signed: Vec<_> = voters
            .into_iter()
            .filter(|(_, voters)| voters.len() >= quorum)
            .map(|(checkpoint, _)| checkpoint)
            .collect();
        signed.sort_by_key(|checkpoint| (std::cmp::Reverse(checkpoint.entries), *checkpoint));
        signed
    }

    fn frontier(&self, checkpoint: &Checkpoint) -> Result<Vec<EntryIx>, PruneError> {
        let find = |id: &MessageId| self.find(id).ok_or(PruneError::Unknown(*id));
        checkpoint.frontier.iter().map(find).collect()
    }

    /// The longest checkpoint signed by a quorum that has all pruned entries in its
    /// past, that past, and the votes.
    pub(crate) fn sealing(&self) -> Option<(&Checkpoint, Past, Vec<EntryIx>)> {
        self.signed().into_iter().find_map(|checkpoint| {
            let past = self.past(&self.frontier(checkpoint).ok()?);
            let mut pruned = self.attached_since(0).filter(|ix| self.is_pruned(*ix));
            if !pruned.all(|ix| past.contains(ix)) {
                return None;
            }
            let votes = self.votes.iter().filter(|(_, said)| *said == checkpoint);
            Some((checkpoint, past, votes.map(|(ix, _)| *ix).collect()))
        })
    }

    /// Whether each pruned entry is in the past of a checkpoint that a quorum signed
    /// and that follows from these entries.
    ///
    /// # Errors
    /// Names one that is not.
    pub(crate) fn check_pruned(&self) -> Result<(), Unsealed> {
        let pruned = self.attached_since(0).filter(|ix| self.is_pruned(*ix));
        let mut open: BTreeSet<EntryIx> = pruned.collect();
        for checkpoint in self.signed() {
            if open.is_empty() {
                break;
            }
            let Ok(frontier) = self.frontier(checkpoint) else {
                continue;
            };
            if self.checkpoint(&frontier, checkpoint.fold_root).as_ref() == Ok(checkpoint) {
                let past = self.past(&frontier);
                open.retain(|ix| !past.contains(*ix));
            }
        }
        match open.first() {
            Some(ix) => Err(Unsealed(self.id(*ix))),
            None => Ok(()),
        }
    }

    /// Whether nothing but the header of the entry is here.
    pub fn is_pruned(&self, ix: EntryIx) -> bool {
        self.nodes[ix.at()].is_pruned()
    }

    /// Lets go of the entries behind a sealed checkpoint, except the last of each
    /// author, the frontier, fork proofs, revocations, votes and what the caller says
    /// is `live`, such as leases in force. Says which; a store is pruned of the same
    /// with [`SegmentStore::prune`](crate::store::SegmentStore::prune).
    ///
    /// # Errors
    /// It is not sealed, or not what this log finds itself.
    pub fn prune(
        &mut self,
        checkpoint: &Checkpoint,
        live: &BTreeSet<MessageId>,
    ) -> Result<BTreeSet<MessageId>, PruneError> {
        let votes = self.votes().get(checkpoint).map_or(0, BTreeSet::len);
        let quorum = self.terms.quorum();
        if quorum == 0 || votes < quorum {
            return Err(PruneError::NotSealed { votes, quorum });
        }
        let frontier = self.frontier(checkpoint)?;
        if self.checkpoint(&frontier, checkpoint.fold_root)? != *checkpoint {
            return Err(PruneError::Roots);
        }
        let past = self.past(&frontier);
        let mut before = self.attached_since(0).filter(|ix| self.is_pruned(*ix));
        if let Some(beside) = before.find(|ix| !past.contains(*ix)) {
            return Err(PruneError::Beside(self.id(beside)));
        }
        let mut kept: BTreeSet<EntryIx> = frontier.iter().copied().collect();
        for chain in &self.chains {
            kept.extend(chain.trunk.last());
            if let Some((a, b)) = chain.fork(&self.nodes) {
                kept.extend([a, b]);
            }
        }
        let mut pruned = BTreeSet::new();
        for ix in past.entries() {
            let node = &mut self.nodes[ix.at()];
            let stays = matches!(node.kind, Kind::CHECKPOINT | Kind::REVOCATION)
                || live.contains(&node.id)
                || kept.contains(&ix);
            if !stays && node.prune() {
                pruned.insert(node.id);
            }
        }
        Ok(pruned)
    }
}
