//! The member that closes rounds: it names the messages that count.
//!
//! A deadline only prompts it; whatever it closes with, every other member
//! can check that the prices follow from the messages it names
//! ([`crate::ledger::Ledger::state`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use cosmosmesh_mission::{Envelope, MessageId, Payload, UtcSeconds};
use cosmosmesh_optimize::method::Reply;

use crate::contract::{Contract, Refused};
use crate::member::{Member, MemberError};
use crate::progress::{Phase, Progress, Said, read};

/// The closer's part of a contract.
#[derive(Debug, Clone)]
pub struct Closer {
    contract: Arc<Contract>,
    progress: Progress,
    /// What came in since the present question was first asked.
    inbox: BTreeMap<MessageId, Noted>,
}

/// A message that came in.
#[derive(Debug, Clone)]
struct Noted {
    envelope: Envelope,
    /// Its author and what it answers, if it fits the contract.
    answer: Option<(usize, Reply)>,
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

    /// Takes a message. One that is of the contract and does not fit it is
    /// taken too, so that the closing names it and everybody sees that it is
    /// left out; it counts as no answer.
    ///
    /// # Errors
    ///
    /// When it is not of the contract.
    pub fn take(&mut self, envelope: &Envelope) -> Result<(), Refused> {
        self.contract.admit(envelope)?;
        if matches!(
            envelope.payload,
            Payload::SharedVariables(_) | Payload::PlanDelta(_)
        ) {
            let id = envelope.id()?;
            let answer = match read(&self.contract, envelope) {
                Ok((i, Said::Reply(reply))) => Some((i, reply)),
                _ => None,
            };
            let envelope = envelope.clone();
            self.inbox.insert(id, Noted { envelope, answer });
        }
        Ok(())
    }

    /// The members that have answered the present question.
    pub fn answered(&self) -> Vec<bool> {
        let mut out = vec![false; self.contract.members().len()];
        for (i, reply) in self.inbox.values().filter_map(|n| n.answer.as_ref()) {
            out[*i] |= self.progress.answers_now(reply);
        }
        out
    }

    /// Closes the present question with what came in, and returns the message
    /// that opens the next.
    ///
    /// # Errors
    ///
    /// When the prices that follow are beyond what messages can carry.
    pub fn close(&mut self, member: &mut Member, now: UtcSeconds) -> Result<Envelope, MemberError> {
        let cohort: BTreeMap<MessageId, &Envelope> = self
            .inbox
            .iter()
            .map(|(id, n)| (*id, &n.envelope))
            .collect();
        let ids = cohort.keys().copied().collect();
        let before = self.progress.phase();
        self.progress.close(&cohort);
        let same_question = matches!(before, Phase::Settling(_)) && before == self.progress.phase();
        if !same_question {
            self.inbox.clear();
        }
        let dual = self.progress.opening(ids)?;
        member.envelope(Payload::DualVariables(dual), now)
    }
}
