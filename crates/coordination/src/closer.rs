//! The member that closes rounds: it names the messages that count.
//!
//! A deadline only prompts it; whatever it closes with, every other member
//! can check that the prices follow from the messages it names
//! ([`crate::ledger::Ledger::state`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use cosmosmesh_mission::{Envelope, MessageId, Payload, UtcSeconds};

use crate::contract::Contract;
use crate::member::{Member, MemberError};
use crate::progress::{Phase, Progress};

/// The closer's part of a contract.
#[derive(Debug, Clone)]
pub struct Closer {
    contract: Arc<Contract>,
    progress: Progress,
    /// What came in since the present question was first asked.
    inbox: BTreeMap<MessageId, Envelope>,
}

impl Closer {
    /// Before the first round.
    pub fn new(contract: Arc<Contract>) -> Self {
        Self {
            progress: Progress::new(contract.clone()),
            contract,
            inbox: BTreeMap::new(),
        }
    }

    /// Where the agreement stands.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The message that opens the first round.
    ///
    /// # Errors
    ///
    /// When it has no encoding.
    pub fn open(&self, member: &mut Member, now: UtcSeconds) -> Result<Envelope, MemberError> {
        let dual = self.progress.opening(std::collections::BTreeSet::new())?;
        member.envelope(Payload::DualVariables(dual), now)
    }

    /// Takes a message.
    ///
    /// # Errors
    ///
    /// When it has no identity.
    pub fn take(&mut self, envelope: &Envelope) -> Result<(), MemberError> {
        if matches!(
            envelope.payload,
            Payload::SharedVariables(_) | Payload::PlanDelta(_)
        ) {
            self.inbox.insert(envelope.id()?, envelope.clone());
        }
        Ok(())
    }

    /// The members that have answered the present question.
    pub fn answered(&self) -> Vec<bool> {
        let mut out = vec![false; self.contract.members().len()];
        let wanted = self.progress.call().round;
        for envelope in self.inbox.values() {
            let Some(i) = self.contract.place(envelope.author.as_str()) else {
                continue;
            };
            if let Payload::SharedVariables(s) = &envelope.payload {
                out[i] |=
                    match self.progress.phase() {
                        Phase::Settling(at) => s.priors.allotment_costs.iter().any(|c| {
                            c.round.0 == at.round && c.candidate == crate::progress::SETTLED
                        }),
                        Phase::Rounds | Phase::Agreed => s.round.0 == wanted,
                    };
            }
        }
        out
    }

    /// Closes the present question with what came in, and returns the message
    /// that opens the next.
    ///
    /// # Errors
    ///
    /// When a message that came in does not fit the contract.
    pub fn close(&mut self, member: &mut Member, now: UtcSeconds) -> Result<Envelope, MemberError> {
        let cohort: BTreeMap<MessageId, &Envelope> =
            self.inbox.iter().map(|(id, e)| (*id, e)).collect();
        let ids = cohort.keys().copied().collect();
        let before = self.progress.phase();
        self.progress.close(&cohort)?;
        let same_question = matches!(before, Phase::Settling(_)) && before == self.progress.phase();
        if !same_question {
            self.inbox.clear();
        }
        let dual = self.progress.opening(ids)?;
        member.envelope(Payload::DualVariables(dual), now)
    }
}
