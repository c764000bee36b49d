//! The past of a checkpoint, for whom it cannot be told in full any more.
//!
//! A peer that pruned has only headers of what somebody behind the checkpoint lacks.
//! It sends the closers' votes, and then what it has of the checkpoint's past,
//! children before parents: the votes name the frontier, and each header names its
//! parents by their hashes, so that every piece is known to belong there when it
//! comes, and nothing is taken that a quorum did not sign for. When nothing is missing
//! the state is computed and compared with the signed root.
//!
//! The order, by depth and id from the deepest on, is the same at everybody, so that
//! what was broken off is resumed with whoever comes next.

use std::collections::BTreeSet;

use blake3::hazmat::HasherExt as _;
use cosmosmesh_mission::{Canonical as _, MessageId};

use super::message::{MAX_ENTRIES_BYTES, Message, Progress};
use super::session::{Session, SyncError};
use super::vector::{Found, compare};
use crate::entry::{Entry, Kind, hasher};
use crate::log::{EntryIx, Log};
use crate::statement::Checkpoint;
use crate::stub::Stored;
use crate::terms::{AuthorIx, Terms};

/// What has come of the past of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intake {
    checkpoint: Checkpoint,
    /// Named by the votes or by what has come, and not here yet.
    expected: BTreeSet<MessageId>,
    seen: BTreeSet<MessageId>,
    /// Children before parents.
    taken: Vec<Stored>,
    last: Option<MessageId>,
}

fn digest(checkpoint: &Checkpoint) -> [u8; 8] {
    let mut hasher = hasher!("cosmosmesh v1 sync checkpoint");
    // What has no encoding was never voted for.
    hasher.update(&checkpoint.to_cbor().unwrap_or_default());
    let bytes = hasher.finalize();
    std::array::from_fn(|at| bytes.as_bytes()[at])
}

/// The checkpoint that these votes of a quorum are for.
fn voted(terms: &Terms, votes: &[Vec<u8>]) -> Result<Checkpoint, SyncError> {
    let no = SyncError::Unexpected("votes that seal no checkpoint");
    let (mut voters, mut voted) = (BTreeSet::new(), None);
    for bytes in votes {
        let verified = terms.verify(Entry::from_bytes(bytes)?);
        let verified = verified.map_err(|_| no.clone())?;
        let header = verified.entry().header();
        let said = Checkpoint::from_cbor(verified.entry().body()).map_err(|_| no.clone())?;
        let parents: BTreeSet<_> = header.parents().collect();
        let fits = header.kind == Kind::CHECKPOINT
            && terms.is_closer(verified.author)
            && said.frontier.iter().all(|id| parents.contains(id))
            && voted.get_or_insert_with(|| said.clone()) == &said;
        if !fits {
            return Err(no);
        }
        voters.insert(verified.author);
    }
    voted
        .filter(|_| voters.len() >= terms.quorum().max(1))
        .ok_or(no)
}

impl Intake {
    fn new(log: &Log, checkpoint: Checkpoint) -> Self {
        let frontier = checkpoint.frontier.iter().copied();
        Self {
            expected: frontier.filter(|id| log.find(id).is_none()).collect(),
            checkpoint,
            seen: BTreeSet::new(),
            taken: Vec::new(),
            last: None,
        }
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Option<Progress> {
        self.last.map(|after| Progress {
            checkpoint: digest(&self.checkpoint),
            after,
        })
    }

    fn take(&mut self, log: &Log, stored: Stored) -> Result<(), SyncError> {
        let id = stored.id();
        self.last = Some(id);
        let was_expected = self.expected.remove(&id);
        if log.find(&id).is_some() {
            return Ok(());
        }
        if !was_expected {
            return Err(SyncError::Unexpected("nobody voted for this header"));
        }
        let checked = match &stored {
            Stored::Whole(entry) => log.terms().verify(entry.clone()).map(drop),
            Stored::Stub(stub) => log.terms().admit(&stub.header).map(drop),
        };
        checked.map_err(|_| SyncError::Unexpected("the past of a checkpoint breaks a rule"))?;
        for parent in stored.header().parents() {
            if self.seen.contains(parent) {
                return Err(SyncError::Unexpected("a parent came before its child"));
            }
            if log.find(parent).is_none() {
                self.expected.insert(*parent);
            }
        }
        self.seen.insert(id);
        self.taken.push(stored);
        if (self.taken.len() + self.expected.len()) as u64 > self.checkpoint.entries {
            return Err(SyncError::Unexpected("more than the votes say"));
        }
        Ok(())
    }

    /// The log with all that came, if nothing is missing.
    fn grown(&mut self, log: &Log) -> Result<Option<Log>, SyncError> {
        self.expected.retain(|id| log.find(id).is_none());
        if !self.expected.is_empty() {
            return Ok(None);
        }
        let wrong = |_| SyncError::Unexpected("the past of a checkpoint breaks a rule");
        let mut grown = log.clone();
        for stored in std::mem::take(&mut self.taken).into_iter().rev() {
            match stored {
                Stored::Stub(stub) => drop(grown.insert_stub(stub).map_err(wrong)?),
                Stored::Whole(entry) => {
                    let verified = grown.terms().trust(entry).map_err(wrong)?;
                    grown.insert(verified).map_err(wrong)?;
                }
            }
        }
        let root = SyncError::Unexpected("the root that was voted for does not follow");
        let frontier = self.checkpoint.frontier.iter().map(|id| grown.find(id));
        let frontier: Option<Vec<_>> = frontier.collect();
        let again = grown.checkpoint(&frontier.ok_or(root.clone())?, self.checkpoint.fold_root);
        if again.as_ref() != Ok(&self.checkpoint) {
            return Err(root);
        }
        Ok(Some(grown))
    }
}

impl Session {
    /// The past of the checkpoint that this side pruned behind, as far as the peer may
    /// lack it and the budget goes; and what of `lacks` is not in it.
    pub(super) fn outline(
        &mut self,
        log: &Log,
        lacks: &BTreeSet<EntryIx>,
    ) -> (Vec<Message>, BTreeSet<EntryIx>) {
        let Some((checkpoint, past, votes)) = log.sealing() else {
            return (Vec::new(), lacks.clone());
        };
        let conflict = |author: AuthorIx| {
            let theirs = self.record().theirs.as_ref();
            let claim = theirs.and_then(|theirs| theirs.0.get(&author));
            compare(log, author, claim) == Found::Conflict
        };
        let authors = log.terms().authors();
        let unclear: BTreeSet<_> = authors
            .map(|(at, _)| at)
            .filter(|at| conflict(*at))
            .collect();
        let mut order: Vec<EntryIx> = past
            .entries()
            .filter(|ix| lacks.contains(ix) || unclear.contains(&log.author(*ix)))
            .collect();
        order.sort_unstable_by_key(|ix| std::cmp::Reverse((log.depth(*ix), log.id(*ix))));
        let rest = lacks.iter().copied().filter(|ix| !past.contains(*ix));
        let rest = rest.collect();
        let (which, mut after) = (digest(checkpoint), None);
        if let Some(progress) = &self.their_progress
            && progress.checkpoint == which
            && let Some(at) = order.iter().position(|ix| log.id(*ix) == progress.after)
        {
            after = Some(progress.after);
            order.drain(..=at);
        }
        let votes: Vec<Vec<u8>> = votes
            .into_iter()
            .filter_map(|ix| log.entry(ix))
            .map(|entry| entry.to_bytes())
            .collect();
        self.left_bytes = self
            .left_bytes
            .saturating_sub(votes.iter().map(Vec::len).sum());
        let mut messages = vec![Message::Checkpoint(votes)];
        let limit = self.options.message_bytes.clamp(1, MAX_ENTRIES_BYTES);
        let (mut items, mut size, mut last) = (Vec::new(), 0, after);
        for ix in order {
            let bytes = match log.entry(ix) {
                Some(entry) => entry.to_bytes(),
                None => log.stub(ix).to_bytes(),
            };
            if bytes.len() > self.left_bytes {
                self.cut = true;
                break;
            }
            self.left_bytes -= bytes.len();
            if size + bytes.len() > limit && !items.is_empty() {
                messages.push(Message::Outline(which, after, std::mem::take(&mut items)));
                (after, size) = (last, 0);
            }
            size += bytes.len();
            items.push(bytes);
            last = Some(log.id(ix));
        }
        if !items.is_empty() {
            messages.push(Message::Outline(which, after, items));
        }
        (messages, rest)
    }

    pub(super) fn take_votes(&mut self, log: &Log, votes: &[Vec<u8>]) -> Result<(), SyncError> {
        let checkpoint = voted(log.terms(), votes)?;
        let outline = &mut self.record_mut().outline;
        let same = outline.as_ref().map(|intake| &intake.checkpoint) == Some(&checkpoint);
        if !same {
            *outline = Some(Box::new(Intake::new(log, checkpoint)));
        }
        Ok(())
    }

    pub(super) fn take_outline(
        &mut self,
        log: &Log,
        which: [u8; 8],
        after: Option<MessageId>,
        items: &[Vec<u8>],
    ) -> Result<(), SyncError> {
        let outline = &mut self.record_mut().outline;
        // Without its votes, which may have been lost, it says nothing.
        let Some(mut intake) = outline.take_if(|intake| digest(&intake.checkpoint) == which) else {
            return Ok(());
        };
        if after.is_none() && intake.last.is_some() {
            *intake = Intake::new(log, intake.checkpoint);
        }
        if after == intake.last {
            for bytes in items {
                intake.take(log, Stored::from_bytes(bytes)?)?;
            }
            if let Some(grown) = intake.grown(log)? {
                self.resumed = Some(grown);
                return Ok(());
            }
        }
        // Otherwise a message was lost: the next meeting goes on from the last.
        self.record_mut().outline = Some(intake);
        Ok(())
    }

    /// The log with the past of a checkpoint that the peer could tell in headers only,
    /// once: [absorb](Log::absorb) it, [save](Log::save) what that attached, and
    /// [`advance`](Self::advance). Until it is taken the meeting does not go on.
    pub fn resumed(&mut self) -> Option<Log> {
        self.resumed.take()
    }
}
