//! What is said about the log: revocations, votes for checkpoints, and what closers
//! say to close a round.

use cosmosmesh_mission::{Attempt, AuthorId, Epoch, MessageId, Round, canonical_record};

use crate::entry::{Draft, Kind};

/// An authority's word that of `author` only the entries up to `head` count.
///
/// It must name `head` among its dependencies, so that whoever has the
/// revocation has the head. It is never taken back; of several the shortest
/// holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Whose entries.
    pub author: AuthorId,
    /// The last that counts; none if nothing does.
    pub head: Option<MessageId>,
}

canonical_record!(Revocation { author, head });

/// A past that a quorum of closers agrees on.
///
/// A vote must name the whole frontier among its parents. The log takes the two
/// roots on trust when it takes the vote in; [`Log::prune`](crate::Log::prune)
/// checks its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Checkpoint {
    /// The last entries of that past, strictly increasing.
    pub frontier: Vec<MessageId>,
    /// How many entries it has.
    pub entries: u64,
    /// The digest of the [`LogState`](crate::LogState) of that past.
    pub log_root: [u8; 32],
    /// The digest of what is folded from it, such as the leases in force. The
    /// log only compares it between votes.
    pub fold_root: [u8; 32],
}

/// A closer's vote that a round opens with what `proposal` says.
///
/// It must name the proposal among its parents, so that whoever has the vote can
/// judge it. What votes and statuses amount to is not the log's business: it keeps
/// and passes them on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vote {
    /// The epoch.
    pub epoch: Epoch,
    /// The round that opens.
    pub round: Round,
    /// The attempt that the proposal is of.
    pub attempt: Attempt,
    /// The proposal.
    pub proposal: MessageId,
}

canonical_record!(Vote {
    epoch,
    round,
    attempt,
    proposal
});

/// A closer's word that it votes in no attempt before `attempt` any more, and for
/// what it has voted last.
///
/// It must name that vote among its parents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The epoch.
    pub epoch: Epoch,
    /// The round that is to be opened.
    pub round: Round,
    /// The first attempt in which it may still vote.
    pub attempt: Attempt,
    /// Its last vote in this round, if it has voted.
    pub vote: Option<MessageId>,
}

canonical_record!(Status {
    epoch,
    round,
    attempt,
    vote
});

/// Bytes of a root, in a type that has an encoding.
fn root(bytes: [u8; 32]) -> MessageId {
    MessageId(bytes)
}

impl cosmosmesh_mission::Canonical for Checkpoint {
    fn write(&self, writer: &mut cosmosmesh_mission::cbor::Writer) {
        let increasing = self.frontier.windows(2).position(|two| two[0] >= two[1]);
        writer.check(match increasing {
            Some(index) => Err(cosmosmesh_mission::Invalid::Order {
                what: "frontier",
                index: index + 1,
            }),
            None => Ok(()),
        });
        writer.array(4, |writer| {
            self.frontier.write(writer);
            self.entries.write(writer);
            root(self.log_root).write(writer);
            root(self.fold_root).write(writer);
        });
    }

    fn read(
        reader: &mut cosmosmesh_mission::cbor::Reader<'_>,
    ) -> Result<Self, cosmosmesh_mission::DecodeError> {
        reader.array(4, |reader| {
            let frontier = std::collections::BTreeSet::<MessageId>::read(reader)?;
            Ok(Self {
                frontier: frontier.into_iter().collect(),
                entries: u64::read(reader)?,
                log_root: MessageId::read(reader)?.0,
                fold_root: MessageId::read(reader)?.0,
            })
        })
    }
}

impl Revocation {
    /// Puts it into a draft: kind, body, and the head among the dependencies.
    ///
    /// # Errors
    /// What has no encoding is not said.
    pub fn say(&self, draft: &mut Draft) -> Result<(), cosmosmesh_mission::EncodeError> {
        draft.kind = Kind::REVOCATION;
        draft.body = cosmosmesh_mission::Canonical::to_cbor(self)?;
        draft.deps.extend(self.head);
        Ok(())
    }
}

impl Checkpoint {
    /// Puts a vote into a draft: kind, body, and the frontier among the
    /// dependencies.
    ///
    /// # Errors
    /// What has no encoding is not said.
    pub fn say(&self, draft: &mut Draft) -> Result<(), cosmosmesh_mission::EncodeError> {
        draft.kind = Kind::CHECKPOINT;
        draft.body = cosmosmesh_mission::Canonical::to_cbor(self)?;
        draft.deps.extend(&self.frontier);
        Ok(())
    }
}

impl Vote {
    /// Puts it into a draft: kind, body, and the proposal among the dependencies.
    ///
    /// # Errors
    /// What has no encoding is not said.
    pub fn say(&self, draft: &mut Draft) -> Result<(), cosmosmesh_mission::EncodeError> {
        draft.kind = Kind::VOTE;
        draft.body = cosmosmesh_mission::Canonical::to_cbor(self)?;
        draft.deps.push(self.proposal);
        Ok(())
    }
}

impl Status {
    /// Puts it into a draft: kind, body, and the vote among the dependencies.
    ///
    /// # Errors
    /// What has no encoding is not said.
    pub fn say(&self, draft: &mut Draft) -> Result<(), cosmosmesh_mission::EncodeError> {
        draft.kind = Kind::STATUS;
        draft.body = cosmosmesh_mission::Canonical::to_cbor(self)?;
        draft.deps.extend(self.vote);
        Ok(())
    }
}
