//! The fold of a log: from a set of signed entries to the state of the agreement.
//!
//! The state is a pure function of the set: the order in which entries came,
//! and how often, does not matter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_log::{Entry, EntryIx, ForkProof, Log, Refused, Taken, Verified};
use cosmosmesh_mission::{DualVariables, MemberId, MessageId};

use crate::contract::Contract;
use crate::progress::{LeftOut, Progress, Said, left_out, read};

/// The log of one agreement, and how to read it.
#[derive(Debug, Clone)]
pub struct Ledger {
    contract: Arc<Contract>,
    log: Log,
}

/// What a set of entries amounts to.
#[derive(Debug, Clone)]
pub struct State {
    /// Rounds, bounds and the plan.
    pub progress: Progress,
    /// A closing that does not follow from the entries it names, with the
    /// reason: its author is at fault.
    pub fault: Option<(MessageId, String)>,
    /// Entries that do not fit the contract, whether or not a closing names
    /// them: each is the fault of its author, and plays no part.
    pub left_out: BTreeMap<MessageId, LeftOut>,
    /// Members that said two things at one place: the two entries.
    pub forks: BTreeMap<MemberId, [MessageId; 2]>,
    /// Entries that others wait for and that are not in the log.
    pub missing: BTreeSet<MessageId>,
    /// A digest of the set and of everything above: equal sets have equal
    /// digests.
    pub digest: [u8; 32],
}

/// A closing: what it says, and where it stands.
struct Closing {
    dual: DualVariables,
    ix: EntryIx,
}

impl Ledger {
    /// Nothing yet.
    pub fn new(contract: Arc<Contract>) -> Self {
        let log = Log::new(contract.terms().clone());
        Self { contract, log }
    }

    /// The state that can be read from a log.
    ///
    /// # Panics
    ///
    /// If the log is of another contract.
    pub fn of(contract: Arc<Contract>, log: Log) -> Self {
        assert_eq!(log.terms().contract_hash(), contract.hash());
        Self { contract, log }
    }

    /// A ledger of the same contract with nothing in it.
    #[must_use]
    pub fn clone_empty(&self) -> Self {
        Self::new(self.contract.clone())
    }

    /// The contract.
    pub fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The entries in canonical order, also those that do not count.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        let order = self.log.canonical().into_iter();
        order.filter_map(|ix| self.log.entry(ix))
    }

    /// Takes an entry, in any order and as often as it comes.
    ///
    /// # Errors
    ///
    /// When its causal past forbids it.
    pub fn insert(&mut self, verified: Verified) -> Result<Taken, Refused> {
        self.log.insert(verified)
    }

    /// What is final: the past of the last closing. Nothing that comes later
    /// changes it. All else is provisional: said, and part of nothing yet.
    #[must_use]
    pub fn settled(&self) -> Self {
        let last = self.closings().pop().map(|closing| closing.ix);
        Self::of(self.contract.clone(), self.log.at(last.as_slice()))
    }

    /// The state that follows from the entries.
    pub fn state(&self) -> State {
        let mut progress = Progress::new(self.contract.clone());
        let mut digest = blake3::Hasher::new_derive_key("cosmosmesh 2026 agreement state v2");
        digest.update(&self.contract.hash().0);
        digest.update(&self.log.digest());
        let mut fault = None;
        for (expected_round, closing) in (1..).zip(self.closings()) {
            let id = self.log.id(closing.ix);
            if let Err(why) = self.follow(&mut progress, expected_round, &closing) {
                fault = Some((id, why));
                break;
            }
            digest.update(&id.0);
        }
        let forks = self.forks();
        let closer = &self.contract.members()[self.contract.closer()];
        if let (None, Some(ids)) = (&fault, forks.get(closer)) {
            let why = format!("{closer} said another thing at the same place");
            fault = Some((ids[1], why));
        }
        if let Some(plan) = progress.plan() {
            for own in &plan.allotments {
                for v in own {
                    digest.update(&v.to_be_bytes());
                }
            }
        }
        let missing = self.log.missing();
        digest.update(&[u8::from(fault.is_some()), u8::from(missing.is_empty())]);
        let mut all_left_out = progress.left_out().clone();
        for entry in self.entries() {
            if let Err(reason) = read(&self.contract, entry) {
                all_left_out.extend(left_out(&self.contract, entry, reason));
            }
        }
        for id in all_left_out.keys() {
            digest.update(&id.0);
        }
        State {
            progress,
            fault,
            left_out: all_left_out,
            forks,
            missing,
            digest: *digest.finalize().as_bytes(),
        }
    }

    /// The closings that count, in canonical order.
    fn closings(&self) -> Vec<Closing> {
        let closer = self.contract.author(self.contract.closer());
        let counted = self.log.counted();
        counted
            .filter(|ix| self.log.author(*ix) == closer)
            .filter_map(|ix| match read(&self.contract, self.log.entry(ix)?) {
                Ok((_, Said::Opening(dual))) => Some(Closing { dual: *dual, ix }),
                _ => None,
            })
            .collect()
    }

    /// Takes the step of one closing, if it follows from what it names.
    fn follow(
        &self,
        progress: &mut Progress,
        expected_round: u32,
        Closing { dual, ix }: &Closing,
    ) -> Result<(), String> {
        let round = dual.round.0;
        if round < expected_round {
            return Err(format!("round {round} is opened twice"));
        }
        if round > expected_round {
            return Err(format!("round {round} is opened before {expected_round}"));
        }
        if expected_round > 1 {
            let cohort = self.cohort(dual, *ix)?;
            progress.close(&cohort);
        }
        match progress.opening(dual.cohort.clone()) {
            Ok(opening) if opening == *dual => Ok(()),
            Ok(_) => Err("the prices do not follow from the messages it names".to_owned()),
            Err(e) => Err(format!("no prices follow from the messages it names: {e}")),
        }
    }

    /// The entries that a closing names. All must be in its past, and count
    /// there: what becomes known later changes no closed round.
    fn cohort(
        &self,
        dual: &DualVariables,
        closing: EntryIx,
    ) -> Result<BTreeMap<MessageId, &Entry>, String> {
        let past = self.log.past(&[closing]);
        let mut then: Option<Log> = None;
        let mut cohort = BTreeMap::new();
        for id in &dual.cohort {
            let ix = self.log.find(id).filter(|ix| past.contains(*ix));
            let Some(ix) = ix else {
                return Err(format!("it names {id}, which it does not follow from"));
            };
            if !self.log.is_counted(ix) {
                let then = then.get_or_insert_with(|| self.log.at(&[closing]));
                if !then.find(id).is_some_and(|ix| then.is_counted(ix)) {
                    return Err(format!("it names {id}, which it knew not to count"));
                }
            }
            if let Some(entry) = self.log.entry(ix) {
                cohort.insert(*id, &**entry);
            }
        }
        Ok(cohort)
    }

    fn forks(&self) -> BTreeMap<MemberId, [MessageId; 2]> {
        let members = self.contract.members().iter().enumerate();
        let proof = |i| self.log.fork_proof(self.contract.author(i));
        members
            .filter_map(|(i, member)| {
                let ForkProof { ids, .. } = proof(i)?;
                Some((member.clone(), ids))
            })
            .collect()
    }
}
