//! What was said against the rules, and why it changes nothing.

use cosmosmesh_mission::{CouplingId, DecodeError, MemberId, MessageId};

/// An entry that changes nothing, and whose fault that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The entry.
    pub entry: MessageId,
    /// Its author.
    pub author: MemberId,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with an entry. It follows from the entry's past alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(DecodeError),
    /// It names another contract or author than its entry does.
    #[error("it names another contract or another author than the entry that it is in")]
    Foreign,
    /// The contract has no such coupling.
    #[error("the contract has no terms for coupling {0}")]
    Coupling(CouplingId),
    /// The coupling is of another kind.
    #[error("coupling {0} is not of a kind for which this can be said")]
    Kind(CouplingId),
    /// Somebody that it concerns is no member of the coupling.
    #[error("{member} is no member of coupling {coupling}")]
    NoMember {
        /// The coupling.
        coupling: CouplingId,
        /// Who.
        member: MemberId,
    },
    /// The coupling has no such source.
    #[error("coupling {coupling} has no source {}", .named.as_ref().map_or("of its own", |s| s.as_str()))]
    Source {
        /// The coupling.
        coupling: CouplingId,
        /// The source.
        named: Option<MemberId>,
    },
    /// The author gives to itself.
    #[error("it gives to its own author")]
    Self_,
    /// Steps that there are not.
    #[error("{count} steps from {start}; there are {steps}, and it takes at least one")]
    Steps {
        /// The first.
        start: u32,
        /// How many.
        count: usize,
        /// How many there are.
        steps: usize,
    },
    /// A number out of range.
    #[error("{actual} quanta at step {step}, expected {least} to {most}")]
    Quanta {
        /// The step.
        step: usize,
        /// What was met.
        actual: i64,
        /// The least.
        least: i64,
        /// The most.
        most: i64,
    },
    /// More than the author can give.
    #[error(
        "{asked} quanta of step {step}; its author can give {free}, its floor and promises aside"
    )]
    NotHeld {
        /// The step.
        step: usize,
        /// What it takes.
        asked: i64,
        /// What the author could give.
        free: i128,
    },
    /// Only the owner may say this.
    #[error("only {0} may say this")]
    NotOwner(MemberId),
    /// The entry that it refers to is not in its past, breaks a rule, or is no
    /// such thing.
    #[error("it refers to {0}, which is no valid entry of the right kind in its past")]
    Refers(MessageId),
    /// The reversion is to somebody else.
    #[error("the reversion is to {0}")]
    NotNamed(MemberId),
    /// The reversion was claimed already.
    #[error("its author has claimed the reversion")]
    Claimed,
    /// The later time is not later.
    #[error("{actual} is not later than {expected}, to which it was put off")]
    NotLater {
        /// The time before, in seconds since 1970.
        expected: i64,
        /// What was met.
        actual: i64,
    },
    /// Values that may be in use would be too far apart.
    #[error("values {spread} apart may be in use at step {step}; the tolerance is {tolerance}")]
    Tolerance {
        /// The step.
        step: usize,
        /// How far apart.
        spread: i128,
        /// The tolerance.
        tolerance: i64,
    },
    /// A proposal for these steps is open.
    #[error("the proposal {0} for these steps is open: conclude it first")]
    Open(MessageId),
    /// It has been concluded.
    #[error("the proposal {0} is concluded")]
    Concluded(MessageId),
    /// Somebody has not consented.
    #[error("{0} has not consented in its past")]
    NoConsent(MemberId),
    /// The owner of the agreement forked.
    #[error("{0} has forked: its proposals bind nobody")]
    Forked(MemberId),
}
