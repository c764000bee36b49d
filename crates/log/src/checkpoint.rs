//! Checkpoints that a quorum has sealed, and pruning behind them.
//!
//! Pruning lets go of entries, not of their places: id, author, position, depth
//! and parents of every entry are kept (about 150 bytes each), so that a pruned
//! log and a full one take the same entries, find the same forks, and have the
//! same state. An absentee whose entries follow from old ones is understood by
//! both. Nobody has to have acknowledged anything: a quorum's votes are enough.

use std::collections::{BTreeMap, BTreeSet};

use cosmosmesh_mission::{EncodeError, MessageId};
use thiserror::Error;

use crate::entry::Kind;
use crate::log::{EntryIx, Log};
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
    /// The state has no encoding.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

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

    /// Lets go of the entries behind a sealed checkpoint, except the last of each
    /// author, the frontier, fork proofs, revocations and votes. Says which.
    ///
    /// # Errors
    /// It is not sealed, or not what this log finds itself.
    pub fn prune(&mut self, checkpoint: &Checkpoint) -> Result<Vec<MessageId>, PruneError> {
        let votes = self.votes().get(checkpoint).map_or(0, BTreeSet::len);
        let quorum = self.terms.quorum();
        if quorum == 0 || votes < quorum {
            return Err(PruneError::NotSealed { votes, quorum });
        }
        let find = |id: &MessageId| self.find(id).ok_or(PruneError::Unknown(*id));
        let frontier: Vec<_> = checkpoint
            .frontier
            .iter()
            .map(find)
            .collect::<Result<_, _>>()?;
        if self.checkpoint(&frontier, checkpoint.fold_root)? != *checkpoint {
            return Err(PruneError::Roots);
        }
        let mut kept: BTreeSet<EntryIx> = frontier.iter().copied().collect();
        for chain in &self.chains {
            kept.extend(chain.trunk.last());
            if let Some((a, b)) = chain.fork(&self.nodes) {
                kept.extend([a, b]);
            }
        }
        let past = self.past(&frontier);
        let mut pruned = Vec::new();
        for ix in past.entries() {
            let node = &mut self.nodes[ix.at()];
            let stays = matches!(node.kind, Kind::CHECKPOINT | Kind::REVOCATION);
            if !stays && !kept.contains(&ix) && node.entry.take().is_some() {
                pruned.push(node.id);
            }
        }
        Ok(pruned)
    }
}
