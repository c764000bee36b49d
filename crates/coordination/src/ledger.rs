//! A set of messages, and the state that follows from it.
//!
//! The state is a pure function of the set: the order in which messages came,
//! and how often, does not matter. A signed log can take the place of this
//! set.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_mission::{DualVariables, Envelope, MessageId, Payload};

use crate::contract::{Contract, Refused};
use crate::progress::{LeftOut, Progress, left_out, read};

/// Every valid message of one agreement.
#[derive(Debug, Clone)]
pub struct Ledger {
    contract: Arc<Contract>,
    messages: BTreeMap<MessageId, Envelope>,
}

/// What a set of messages amounts to.
#[derive(Debug, Clone)]
pub struct State {
    /// Rounds, bounds and the plan.
    pub progress: Progress,
    /// A closing that does not follow from the messages it names, with the
    /// reason: its author is at fault.
    pub fault: Option<(MessageId, String)>,
    /// Messages that do not fit the contract, whether or not a closing names
    /// them: each is the fault of its author, and plays no part.
    pub left_out: BTreeMap<MessageId, LeftOut>,
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
    /// When it is not of the contract, or breaks a rule of its own.
    pub fn insert(&mut self, envelope: Envelope) -> Result<bool, Refused> {
        self.contract.admit(&envelope)?;
        let id = envelope.id()?;
        Ok(self.messages.insert(id, envelope).is_none())
    }

    /// The state that follows from the messages.
    pub fn state(&self) -> State {
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
                progress.close(&cohort);
            }
            let wrong = match progress.opening(dual.cohort.clone()) {
                Ok(opening) if opening == *dual => None,
                Ok(_) => Some("the prices do not follow from the messages it names".to_owned()),
                Err(e) => Some(format!("no prices follow from the messages it names: {e}")),
            };
            if let Some(why) = wrong {
                fault = Some((id, why));
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
        let mut all_left_out = progress.left_out().clone();
        for (id, envelope) in &self.messages {
            if let Err(reason) = read(&self.contract, envelope) {
                all_left_out.extend(left_out(&self.contract, *id, envelope, reason));
            }
        }
        for id in all_left_out.keys() {
            digest.update(&id.0);
        }
        State {
            progress,
            fault,
            left_out: all_left_out,
            missing,
            digest: *digest.finalize().as_bytes(),
        }
    }
}
