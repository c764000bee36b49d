//! A change of the plan.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cbor::{Canonical, DecodeError, Reader, Refusal, Writer};
use crate::hash::{MessageId, Signature};
use crate::ids::{AuthorId, ContractId, CouplingId, MemberId};
use crate::numbers::{Epoch, FixedVec, UtcSeconds};

/// A change of the plan, by the one who has the right to make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanDelta {
    /// What changes.
    pub delta: Delta,
    /// When it was made. Advisory: nothing is decided by it.
    pub timestamp: UtcSeconds,
    /// Who makes it.
    pub author: AuthorId,
    /// The contract that gives the right.
    pub contract_id: ContractId,
    /// The author's signature; absent until there are keys.
    pub signature: Option<Signature>,
}

crate::canonical_record!(PlanDelta {
    delta,
    timestamp,
    author,
    contract_id,
    signature
});

/// What changes in a plan.
///
/// Steps are those of the contract's grid of leases, counted from 0; they keep
/// their numbers as horizons move. `quanta` are the contract's, the first of them
/// for step `start`. Sources are the coupling's capacity, or what a named
/// member has committed itself to supply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Delta {
    /// The author takes these quanta of a coupling; negative ones it supplies.
    Allocation {
        /// The coupling.
        coupling: CouplingId,
        /// The epoch whose grid the steps are of.
        epoch: Epoch,
        /// How many of the contract's quanta at each step.
        quanta: FixedVec,
    },
    /// The author gives rights that it holds to another member.
    Transfer {
        /// The coupling.
        coupling: CouplingId,
        /// The epoch whose targets it serves.
        epoch: Epoch,
        /// Whose commitment the rights are on; the coupling's capacity if absent.
        source: Option<MemberId>,
        /// Who holds them from now on.
        to: MemberId,
        /// The step of the first of `quanta`.
        start: u32,
        /// How many at each step.
        quanta: FixedVec,
    },
    /// The author commits itself to supply so much, in place of what it had
    /// committed itself to at these steps. It holds the rights on what is new.
    Commit {
        /// The coupling.
        coupling: CouplingId,
        /// The epoch whose targets it serves.
        epoch: Epoch,
        /// The step of the first of `quanta`.
        start: u32,
        /// How many at each step, in all.
        quanta: FixedVec,
    },
    /// The author promises rights that it holds to another member, who can claim
    /// those of steps that begin well behind `after`. It is not taken back.
    Reversion {
        /// The coupling.
        coupling: CouplingId,
        /// Whose commitment the rights are on; the coupling's capacity if absent.
        source: Option<MemberId>,
        /// Who can claim them.
        to: MemberId,
        /// The step of the first of `quanta`.
        start: u32,
        /// How many at each step.
        quanta: FixedVec,
        /// The holder keeps steps that end well before it.
        after: UtcSeconds,
    },
    /// The member that a reversion names puts it off.
    Renewal {
        /// The entry of the reversion.
        reversion: MessageId,
        /// The later time.
        after: UtcSeconds,
    },
    /// The member that a reversion names takes what it can of it. That ends it.
    Claim {
        /// The entry of the reversion.
        reversion: MessageId,
    },
    /// The author has so much less than its capacity, or its commitment, in place
    /// of what it had said of these steps.
    Derate {
        /// The coupling.
        coupling: CouplingId,
        /// Whose commitment; the coupling's capacity if absent.
        source: Option<MemberId>,
        /// The step of the first of `quanta`.
        start: u32,
        /// How many are missing at each step.
        quanta: FixedVec,
    },
    /// The author asks for an indivisible thing at some steps.
    Request {
        /// The coupling.
        coupling: CouplingId,
        /// The first step.
        start: u32,
        /// How many steps.
        count: u32,
    },
    /// The owner of an agreement moves its values, within what is safe in any
    /// mixture of old and new.
    Move {
        /// The coupling.
        coupling: CouplingId,
        /// The step of the first of `quanta`.
        start: u32,
        /// The value at each step.
        quanta: FixedVec,
    },
    /// The owner of an agreement proposes values that are not safe beside the old.
    Proposal {
        /// The coupling.
        coupling: CouplingId,
        /// The step of the first of `quanta`.
        start: u32,
        /// The value at each step.
        quanta: FixedVec,
    },
    /// The author uses the old values of a proposal's steps no more, and the new
    /// ones not before it holds the switch.
    Consent {
        /// The entry of the proposal.
        proposal: MessageId,
    },
    /// All have consented: the proposal's values hold.
    Switch {
        /// The entry of the proposal.
        proposal: MessageId,
    },
    /// The author takes its request or its proposal back.
    Withdrawal {
        /// The entry of the request or proposal.
        entry: MessageId,
    },
}

/// Declares the code of each variant on the wire, once for both ways.
macro_rules! deltas {
    ($($variant:ident = $code:literal { $($field:ident),+ })+) => {
        impl Canonical for Delta {
            fn write(&self, writer: &mut Writer) {
                match self { $(
                    Self::$variant { $($field),+ } => {
                        const FIELDS: usize = [$(stringify!($field)),+].len();
                        writer.array(FIELDS + 1, |writer| {
                            writer.unsigned($code);
                            $( $field.write(writer); )+
                        });
                    }
                )+ }
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let at = reader.offset();
                reader.variant(|reader, code, fields| {
                    $(
                        if (code, fields) == ($code, [$(stringify!($field)),+].len()) {
                            return Ok(Self::$variant { $($field: Canonical::read(reader)?),+ });
                        }
                    )+
                    Err(reader.refuse(at, Refusal::UnknownCode { kind: "Delta", code }))
                })
            }
        }
    };
}

deltas! {
    Allocation = 0 { coupling, epoch, quanta }
    Transfer = 1 { coupling, epoch, source, to, start, quanta }
    Commit = 2 { coupling, epoch, start, quanta }
    Reversion = 3 { coupling, source, to, start, quanta, after }
    Renewal = 4 { reversion, after }
    Claim = 5 { reversion }
    Derate = 6 { coupling, source, start, quanta }
    Request = 7 { coupling, start, count }
    Move = 8 { coupling, start, quanta }
    Proposal = 9 { coupling, start, quanta }
    Consent = 10 { proposal }
    Switch = 11 { proposal }
    Withdrawal = 12 { entry }
}
