//! The fold of a log: from a set of signed entries to the state of the agreement.
//!
//! The state is a pure function of the set: the order in which entries came,
//! and how often, does not matter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_log::{Entry, EntryIx, ForkProof, Log, Refused, Taken, Verified};
use cosmosmesh_mission::{MemberId, MessageId};

use crate::closing::book::{Book, Certificate, Fault, round_of};
use crate::contract::Contract;
use crate::lease::Leases;
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
    /// What opened the rounds, from the first on.
    pub opened: Vec<Certificate>,
    /// Rounds for whose opening two cohorts are certified: more closers lied than may.
    /// That of the lowest attempt is taken.
    pub conflicts: Vec<u32>,
    /// What closers said and does not follow: proposals, votes and statuses. Each is the
    /// fault of its author, and ends nothing.
    pub faults: BTreeMap<MessageId, Fault>,
    /// Entries that do not fit the contract, whether or not a closing names
    /// them: each is the fault of its author, and plays no part.
    pub left_out: BTreeMap<MessageId, LeftOut>,
    /// Members that said two things at one place: the two entries.
    pub forks: BTreeMap<MemberId, [MessageId; 2]>,
    /// Entries that others wait for and that are not in the log.
    pub missing: BTreeSet<MessageId>,
    /// A digest of what is final: the past of the last opening that is certified, what
    /// follows from it, and the valid statements about leases. Nothing that comes later
    /// changes what follows, or what is valid.
    pub final_digest: [u8; 32],
    /// A digest of the set and of everything above: equal sets have equal
    /// digests.
    pub digest: [u8; 32],
}

impl State {
    /// Members of whom the last closing names nothing: who is missing, as far as the
    /// closed rounds say.
    pub fn absent<'c>(&self, contract: &'c Contract) -> Vec<&'c MemberId> {
        let members = contract.members().iter().enumerate();
        let heard = self.progress.heard_of();
        let absent = members.filter(|(i, _)| self.progress.round() > 1 && !heard.contains(i));
        absent.map(|(_, member)| member).collect()
    }
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

    /// The leases that follow from the entries.
    pub fn leases(&self) -> Leases {
        Leases::of(&self.contract, &self.log)
    }

    /// What is final: the past of the last opening that is certified, with its
    /// certificate, and of the valid statements about leases. All else is provisional:
    /// said, and part of nothing yet.
    #[must_use]
    pub fn settled(&self, state: &State) -> Self {
        let last = state.opened.last();
        let ids = last
            .iter()
            .flat_map(|c| c.votes.iter().chain([&c.proposal]));
        let mut heads: Vec<EntryIx> = ids.filter_map(|id| self.log.find(id)).collect();
        let rights = self.leases().valid(&self.log);
        heads.extend(rights.iter().filter_map(|id| self.log.find(id)));
        Self::of(self.contract.clone(), self.log.at(&heads))
    }

    /// The state that follows from the entries.
    pub fn state(&self) -> State {
        let mut left_out_all = BTreeMap::new();
        // What closers say, by round, in canonical order.
        let mut by_round: BTreeMap<u32, Vec<(EntryIx, usize, Said)>> = BTreeMap::new();
        for ix in self.log.canonical() {
            let Some(entry) = self.log.entry(ix) else {
                continue;
            };
            match read(&self.contract, entry) {
                Err(reason) => left_out_all.extend(left_out(&self.contract, entry, reason)),
                Ok((i, said)) => {
                    if let Some(round) = round_of(&said) {
                        by_round.entry(round).or_default().push((ix, i, said));
                    }
                }
            }
        }
        let mut faults = BTreeMap::new();
        let (mut opened, mut conflicts) = (Vec::new(), Vec::new());
        let mut previous: Option<Book> = None;
        let mut progress = None;
        let mut next = Some(Book::first(self.contract.clone()));
        while let Some(mut book) = next.take() {
            for (ix, closer, said) in by_round.remove(&book.round()).unwrap_or_default() {
                book.take(&self.log, previous.as_ref(), ix, (closer, &said));
            }
            faults.extend(book.faults().clone());
            if !book.certify() {
                break;
            }
            if book.certified_cohorts() > 1 {
                conflicts.push(book.round());
            }
            opened.extend(book.certificate().cloned());
            progress = book.after().cloned();
            next = book.next();
            previous = Some(book);
        }
        let progress = progress.map_or_else(
            || Progress::new(self.contract.clone()),
            |after| Progress::clone(&after),
        );
        for (ix, closer, said) in by_round.into_values().flatten() {
            faults.extend(self.for_nothing(ix, closer, &said));
        }
        left_out_all.extend(progress.left_out().clone());
        let mut state = State {
            opened,
            conflicts,
            faults,
            left_out: left_out_all,
            forks: self.forks(),
            missing: self.log.missing(),
            final_digest: [0; 32],
            digest: [0; 32],
            progress,
        };
        state.final_digest = self.final_digest(&state);
        state.digest = self.digest(&state);
        state
    }

    /// What is wrong with a statement about a round whose time has not come. A status may
    /// be there before what it follows from; it counts when that comes.
    fn for_nothing(&self, ix: EntryIx, closer: usize, said: &Said) -> Option<(MessageId, Fault)> {
        let why = match said {
            Said::Opening(dual) => format!(
                "it would open round {}, and round {} is not open or there is none after it",
                dual.round.0,
                dual.round.0.saturating_sub(1)
            ),
            Said::Vote(vote) => format!("it votes to open round {}, which cannot be", vote.round.0),
            _ => return None,
        };
        let author = self.contract.members()[closer].clone();
        Some((self.log.id(ix), Fault { author, why }))
    }

    fn final_digest(&self, state: &State) -> [u8; 32] {
        let mut digest = blake3::Hasher::new_derive_key("cosmosmesh v1 final agreement");
        digest.update(&self.contract.hash().0);
        // Not what certified them: a certificate of another attempt may come later.
        for opened in &state.opened {
            digest.update(&opened.prices.0);
        }
        for id in self.leases().valid(&self.log) {
            digest.update(&id.0);
        }
        follows(&mut digest, &state.progress);
        *digest.finalize().as_bytes()
    }

    fn digest(&self, state: &State) -> [u8; 32] {
        let mut digest = blake3::Hasher::new_derive_key("cosmosmesh v1 agreement state");
        digest.update(&state.final_digest);
        digest.update(&self.log.digest());
        for opened in &state.opened {
            digest.update(&opened.proposal.0);
        }
        digest.update(&[u8::from(state.missing.is_empty())]);
        for id in state.faults.keys().chain(state.left_out.keys()) {
            digest.update(&id.0);
        }
        *digest.finalize().as_bytes()
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

/// What follows from closed rounds: how many there are, the plan, and what was left out.
fn follows(digest: &mut blake3::Hasher, progress: &Progress) {
    digest.update(&progress.round().to_be_bytes());
    let allotments = progress.plan().map(|plan| &plan.allotments);
    for v in allotments.into_iter().flatten().flatten() {
        digest.update(&v.to_be_bytes());
    }
    for id in progress.left_out().keys() {
        digest.update(&id.0);
    }
}
