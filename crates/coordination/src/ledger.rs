//! A set of messages, and the state that follows from it.
//!
//! The state is a pure function of the set: the order in which messages came,
//! and how often, does not matter. A signed log can take the place of this
//! set.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_mission::{DualVariables, Envelope, MessageId, Payload};

use crate::contract::Contract;
use crate::progress::Progress;
use crate::wire::WireError;

/// Every valid message of one agreement.
#[derive(Debug, Clone)]
pub struct Ledger {
    contract: Arc<Contract>,
    messages: BTreeMap<MessageId, Envelope>,
}

/// Why a message is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It breaks a rule of its own.
    #[error("the message breaks a rule: {0}")]
    Invalid(#[from] cosmosmesh_mission::EncodeError),
    /// It is of another contract.
    #[error("the message is of another contract")]
    Contract,
    /// Its author is no member.
    #[error("the author {0} is no member of the contract")]
    Author(String),
    /// Its author may not say this.
    #[error("{0} closes no rounds of this contract")]
    Role(String),
}

/// What a set of messages amounts to.
#[derive(Debug, Clone)]
pub struct State {
    /// Rounds, bounds and the plan.
    pub progress: Progress,
    /// A closing that does not follow from the messages it names, with the
    /// reason: its author is at fault.
    pub fault: Option<(MessageId, String)>,
    /// Messages that a closing names and that are not there.
    pub missing: BTreeSet<MessageId>,
    /// A digest of everything above: equal states have equal digests.
    pub digest: [u8; 32],
}

impl Ledger {
    /// Nothing yet.
    pub fn new(contract: Arc<Contract>) -> Self {
        Self {
            contract,
            messages: BTreeMap::new(),
        }
    }

    /// A ledger of the same contract with nothing in it.
    #[must_use]
    pub fn clone_empty(&self) -> Self {
        Self::new(self.contract.clone())
    }

    /// The messages by their identity.
    pub fn messages(&self) -> &BTreeMap<MessageId, Envelope> {
        &self.messages
    }

    /// Takes a message; says whether it was new.
    ///
    /// # Errors
    ///
    /// When it does not belong here.
    pub fn insert(&mut self, envelope: Envelope) -> Result<bool, Refused> {
        let id = envelope.id()?;
        if envelope.contract_hash != self.contract.hash() {
            return Err(Refused::Contract);
        }
        let place = self.contract.place(envelope.author.as_str());
        let place = place.ok_or_else(|| Refused::Author(envelope.author.to_string()))?;
        if matches!(envelope.payload, Payload::DualVariables(_)) && place != self.contract.closer()
        {
            return Err(Refused::Role(envelope.author.to_string()));
        }
        Ok(self.messages.insert(id, envelope).is_none())
    }

    /// The state that follows from the messages.
    ///
    /// # Errors
    ///
    /// When a counted message does not fit the contract.
    pub fn state(&self) -> Result<State, WireError> {
        let mut closings: Vec<(&DualVariables, MessageId)> = self
            .messages
            .iter()
            .filter_map(|(id, e)| match &e.payload {
                Payload::DualVariables(d) => Some((d, *id)),
                _ => None,
            })
            .collect();
        closings.sort_by_key(|(d, id)| (d.round, *id));
        let mut progress = Progress::new(self.contract.clone());
        let mut digest = blake3::Hasher::new_derive_key("cosmosmesh 2026 agreement state v1");
        digest.update(&self.contract.hash().0);
        let (mut fault, mut missing) = (None, BTreeSet::new());
        for (expected_round, (dual, id)) in (1..).zip(closings) {
            if dual.round.0 != expected_round {
                if dual.round.0 < expected_round {
                    fault = Some((id, format!("round {} is opened twice", dual.round.0)));
                }
                break;
            }
            if expected_round > 1 {
                let mut cohort = BTreeMap::new();
                for m in &dual.cohort {
                    match self.messages.get(m) {
                        Some(e) => {
                            cohort.insert(*m, e);
                        }
                        None => {
                            missing.insert(*m);
                        }
                    }
                }
                if !missing.is_empty() {
                    break;
                }
                progress.close(&cohort)?;
            }
            if progress.opening(dual.cohort.clone())? != *dual {
                fault = Some((
                    id,
                    "the prices do not follow from the messages it names".to_owned(),
                ));
                break;
            }
            digest.update(&id.0);
        }
        if let Some(plan) = progress.plan() {
            for own in &plan.allotments {
                for v in own {
                    digest.update(&v.to_be_bytes());
                }
            }
        }
        digest.update(&[u8::from(fault.is_some()), u8::from(missing.is_empty())]);
        Ok(State {
            progress,
            fault,
            missing,
            digest: *digest.finalize().as_bytes(),
        })
    }
}
