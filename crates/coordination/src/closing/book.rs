//! What is valid of what is said about the opening of one round, and its certificate.
//!
//! Whether a statement is valid follows from its past, and from the rounds that were
//! opened before; hence all that have it agree on that, whenever they get it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_log::{Entry, EntryIx, Log};
use cosmosmesh_mission::{DualVariables, MemberId, MessageId, PricesId};

use super::choice::{Choice, Report, choice};
use super::roster::order;
use crate::contract::Contract;
use crate::progress::{Phase, Progress, Said};

/// A closer that said what does not follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Who.
    pub author: MemberId,
    /// What is wrong with it.
    pub why: String,
}

/// A valid proposal.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Who proposes.
    pub closer: usize,
    /// The attempt.
    pub attempt: u32,
    /// What it proposes: the same for the same cohort.
    pub prices: PricesId,
    /// What it says.
    pub dual: Arc<DualVariables>,
}

/// A valid vote.
#[derive(Debug, Clone, Copy)]
pub struct Ballot {
    /// Who votes.
    pub closer: usize,
    /// The attempt.
    pub attempt: u32,
    /// For what.
    pub proposal: MessageId,
}

/// A quorum's votes for one proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The attempt.
    pub attempt: u32,
    /// The proposal.
    pub proposal: MessageId,
    /// Its prices, which commit to the cohort that they follow from.
    pub prices: PricesId,
    /// The votes: the least of each closer, as many as it takes.
    pub votes: Vec<MessageId>,
}

/// A valid status.
#[derive(Debug, Clone, Copy)]
struct Word {
    attempt: u32,
    report: Report<PricesId>,
}

/// All that is valid about the opening of one round.
#[derive(Debug, Clone)]
pub struct Book {
    contract: Arc<Contract>,
    round: u32,
    /// What follows from the rounds opened before; nothing before the first.
    before: Option<Arc<Progress>>,
    order: Vec<usize>,
    proposals: BTreeMap<MessageId, Proposal>,
    votes: BTreeMap<MessageId, Ballot>,
    statuses: BTreeMap<MessageId, Word>,
    /// What follows from each value.
    afters: BTreeMap<PricesId, Arc<Progress>>,
    faults: BTreeMap<MessageId, Fault>,
    certificate: Option<Certificate>,
}

impl Book {
    /// Of the first round.
    pub fn first(contract: Arc<Contract>) -> Self {
        Self::new(contract, 1, None)
    }

    fn new(contract: Arc<Contract>, round: u32, before: Option<Arc<Progress>>) -> Self {
        let heard = before.as_ref().filter(|_| round > 2);
        let heard = heard.map(|before| before.heard_of());
        Self {
            order: order(contract.closers(), round, heard),
            contract,
            round,
            before,
            proposals: BTreeMap::new(),
            votes: BTreeMap::new(),
            statuses: BTreeMap::new(),
            afters: BTreeMap::new(),
            faults: BTreeMap::new(),
            certificate: None,
        }
    }

    /// Of the round after this one, if this one is open and there is another.
    pub fn next(&self) -> Option<Self> {
        let after = self.after()?;
        let goes_on = after.phase() != Phase::Agreed;
        goes_on.then(|| Self::new(self.contract.clone(), self.round + 1, Some(after.clone())))
    }

    /// The round that opens.
    pub fn round(&self) -> u32 {
        self.round
    }

    /// What follows from the rounds opened before, if there are any.
    pub fn before(&self) -> Option<&Arc<Progress>> {
        self.before.as_ref()
    }

    /// What follows once this one is open.
    pub fn after(&self) -> Option<&Arc<Progress>> {
        let certificate = self.certificate.as_ref()?;
        let opened = self.proposals.get(&certificate.proposal)?;
        self.afters.get(&opened.prices)
    }

    /// Whose turn an attempt is.
    pub fn proposer(&self, attempt: u32) -> usize {
        self.order[attempt as usize % self.order.len()]
    }

    /// The valid proposals.
    pub fn proposals(&self) -> &BTreeMap<MessageId, Proposal> {
        &self.proposals
    }

    /// The valid votes.
    pub fn votes(&self) -> &BTreeMap<MessageId, Ballot> {
        &self.votes
    }

    /// The highest attempt that each closer has come to, by what it says, and the status.
    pub fn statuses(&self) -> impl Iterator<Item = (usize, u32, &MessageId)> {
        let words = self.statuses.iter();
        words.map(|(id, word)| (word.report.closer, word.attempt, id))
    }

    /// What is at fault.
    pub fn faults(&self) -> &BTreeMap<MessageId, Fault> {
        &self.faults
    }

    /// The certificate, once there is one.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// What may be proposed in an attempt, and the statuses that say so; none while there
    /// are too few.
    pub fn justification(&self, attempt: u32) -> Option<(Choice<PricesId>, Vec<MessageId>)> {
        let of_attempt = self.statuses.iter().filter(|(_, w)| w.attempt == attempt);
        self.justified(of_attempt)
    }

    fn justified<'s>(
        &self,
        statuses: impl Iterator<Item = (&'s MessageId, &'s Word)>,
    ) -> Option<(Choice<PricesId>, Vec<MessageId>)> {
        // One for each closer: of several, that of the least id.
        let mut of_closer = BTreeMap::new();
        for (id, word) in statuses {
            of_closer
                .entry(word.report.closer)
                .or_insert((*id, word.report));
        }
        let rules = self.contract.rules();
        if of_closer.len() < rules.quorum() {
            return None;
        }
        let (ids, reports): (Vec<_>, Vec<_>) = of_closer.into_values().unzip();
        let choice = choice(rules, &reports, |attempt| self.proposer(attempt));
        Some((choice, ids))
    }

    /// What follows from closing the round before with these entries.
    pub fn close_with(&self, cohort: &BTreeMap<MessageId, &Entry>) -> Progress {
        match &self.before {
            None => Progress::new(self.contract.clone()),
            Some(before) => {
                let mut after = Progress::clone(before);
                after.close(cohort);
                after
            }
        }
    }

    /// Remembers what follows, so that it need not be computed again.
    pub fn keep(&mut self, prices: PricesId, after: Progress) {
        self.afters.entry(prices).or_insert_with(|| after.into());
    }

    /// Takes what a closer says about this round; its parents must have been taken, those
    /// of the round before by `previous`. Says whether it is valid.
    pub fn take(
        &mut self,
        log: &Log,
        previous: Option<&Book>,
        ix: EntryIx,
        (closer, said): (usize, &Said),
    ) -> bool {
        let id = log.id(ix);
        let judged = match said {
            Said::Opening(dual) => self.judge_proposal(log, previous, ix, closer, dual),
            Said::Vote(vote) => self.judge_vote(log, ix, closer, vote.attempt.0, vote.proposal),
            Said::Status(status) => {
                self.judge_status(log, ix, closer, status.attempt.0, status.vote)
            }
            _ => return false,
        };
        if let Err(why) = &judged {
            self.blame(id, closer, why.clone());
        }
        judged.is_ok()
    }

    fn blame(&mut self, id: MessageId, closer: usize, why: String) {
        let author = self.contract.members()[closer].clone();
        self.faults.insert(id, Fault { author, why });
    }

    fn judge_proposal(
        &mut self,
        log: &Log,
        previous: Option<&Book>,
        ix: EntryIx,
        closer: usize,
        dual: &DualVariables,
    ) -> Result<(), String> {
        let (round, attempt) = (self.round, dual.attempt.0);
        if self.proposer(attempt) != closer {
            let whose = &self.contract.members()[self.proposer(attempt)];
            return Err(format!(
                "attempt {attempt} to open round {round} is {whose}'s to propose"
            ));
        }
        let Some(entry) = log.entry(ix) else {
            return Err("the proposal is pruned".to_owned());
        };
        let parents: BTreeSet<&MessageId> = entry.header().parents().collect();
        if round > 1 && !previous.is_some_and(|previous| previous.opened_by(&parents)) {
            return Err(format!(
                "it names no certificate of the opening of round {}",
                round - 1
            ));
        }
        let prices = dual
            .id()
            .map_err(|e| format!("the prices break a rule: {e}"))?;
        let bound = if attempt == 0 {
            Choice::Free
        } else {
            let named = self.statuses.iter();
            let named = named.filter(|(id, w)| w.attempt == attempt && parents.contains(id));
            let Some((choice, _)) = self.justified(named) else {
                return Err(format!(
                    "no quorum has given up the attempts before {attempt}"
                ));
            };
            choice
        };
        match bound {
            // It was judged when it was voted for.
            Choice::Bound(value) if value == prices => {}
            Choice::Bound(_) => {
                return Err("another cohort may have been certified before".to_owned());
            }
            Choice::Wait { besides } => {
                let besides = &self.contract.members()[besides];
                return Err(format!(
                    "{besides} proposed two things, and its status counts"
                ));
            }
            Choice::Free => {
                let cohort = self.cohort(log, dual, ix)?;
                if !self.afters.contains_key(&prices) {
                    let after = self.close_with(&cohort);
                    let opening = after.opening();
                    let opening = opening
                        .map_err(|e| format!("no prices follow from the messages it names: {e}"))?;
                    if opening.id() != Ok(prices) {
                        return Err("the prices do not follow from the messages it names".into());
                    }
                    self.keep(prices, after);
                }
            }
        }
        let twice = self
            .proposals
            .values()
            .any(|other| other.closer == closer && other.attempt == attempt);
        let id = log.id(ix);
        let proposal = Proposal {
            closer,
            attempt,
            prices,
            dual: Arc::new(dual.clone()),
        };
        self.proposals.insert(id, proposal);
        if twice {
            // It stands, since closers may have voted for it before the other came.
            let why = format!("it proposes twice in attempt {attempt} to open round {round}");
            self.blame(id, closer, why);
        }
        Ok(())
    }

    /// The entries that a closing names. All must be in its past, and count there: what
    /// becomes known later changes no closed round.
    fn cohort<'l>(
        &self,
        log: &'l Log,
        dual: &DualVariables,
        closing: EntryIx,
    ) -> Result<BTreeMap<MessageId, &'l Entry>, String> {
        if self.before.is_none() && !dual.cohort.is_empty() {
            return Err("nothing can close before the first round".to_owned());
        }
        let past = log.past(&[closing]);
        let mut then: Option<Log> = None;
        let mut cohort = BTreeMap::new();
        for id in &dual.cohort {
            let ix = log.find(id).filter(|ix| past.contains(*ix));
            let Some(ix) = ix else {
                return Err(format!("it names {id}, which it does not follow from"));
            };
            if !log.is_counted(ix) {
                let then = then.get_or_insert_with(|| log.at(&[closing]));
                if !then.find(id).is_some_and(|ix| then.is_counted(ix)) {
                    return Err(format!("it names {id}, which it knew not to count"));
                }
            }
            if let Some(entry) = log.entry(ix) {
                cohort.insert(*id, &**entry);
            }
        }
        Ok(cohort)
    }

    fn judge_vote(
        &mut self,
        log: &Log,
        ix: EntryIx,
        closer: usize,
        attempt: u32,
        proposal: MessageId,
    ) -> Result<(), String> {
        if !names(log, ix, &proposal) {
            return Err("it does not follow from what it votes for".to_owned());
        }
        let found = self.proposals.get(&proposal);
        if found.is_none_or(|p| p.attempt != attempt) {
            return Err(format!(
                "it votes for {proposal}, which is no valid proposal of attempt {attempt} to open round {}",
                self.round
            ));
        }
        let id = log.id(ix);
        let twice = self
            .votes
            .values()
            .any(|v| v.closer == closer && v.attempt == attempt && v.proposal != proposal);
        let ballot = Ballot {
            closer,
            attempt,
            proposal,
        };
        self.votes.insert(id, ballot);
        if twice {
            let why = format!(
                "it votes twice in attempt {attempt} to open round {}",
                self.round
            );
            self.blame(id, closer, why);
        }
        Ok(())
    }

    fn judge_status(
        &mut self,
        log: &Log,
        ix: EntryIx,
        closer: usize,
        attempt: u32,
        vote: Option<MessageId>,
    ) -> Result<(), String> {
        let mut last = None;
        if let Some(vote) = vote {
            let ballot = self.votes.get(&vote).filter(|_| names(log, ix, &vote));
            let own = ballot.filter(|b| b.closer == closer && b.attempt < attempt);
            let Some(ballot) = own else {
                return Err(format!(
                    "it reports {vote}, which is no earlier vote of its own"
                ));
            };
            let proposal = &self.proposals[&ballot.proposal];
            last = Some((ballot.attempt, proposal.prices));
        }
        if attempt == 0 {
            return Err("there is no attempt before the first to give up".to_owned());
        }
        let report = Report { closer, last };
        self.statuses.insert(log.id(ix), Word { attempt, report });
        Ok(())
    }

    /// Whether these entries are or contain a certificate for what opened the round.
    fn opened_by(&self, parents: &BTreeSet<&MessageId>) -> bool {
        let Some(after) = self.certified_prices() else {
            return false;
        };
        let named = self.votes.iter().filter(|(id, _)| parents.contains(id));
        let found = self.quorums(named);
        found
            .iter()
            .any(|c| self.proposals[&c.proposal].prices == after)
    }

    fn certified_prices(&self) -> Option<PricesId> {
        let certificate = self.certificate.as_ref()?;
        Some(self.proposals.get(&certificate.proposal)?.prices)
    }

    /// Every certificate among these votes, the lowest attempt first, then by id.
    fn quorums<'v>(
        &self,
        votes: impl Iterator<Item = (&'v MessageId, &'v Ballot)>,
    ) -> Vec<Certificate> {
        let mut by_proposal: BTreeMap<(u32, MessageId), BTreeMap<usize, MessageId>> =
            BTreeMap::new();
        for (id, ballot) in votes {
            let at = (ballot.attempt, ballot.proposal);
            let of = by_proposal.entry(at).or_default();
            of.entry(ballot.closer).or_insert(*id);
        }
        let quorum = self.contract.rules().quorum();
        let full = by_proposal.into_iter().filter(|(_, of)| of.len() >= quorum);
        full.filter_map(|((attempt, proposal), of)| {
            Some(Certificate {
                attempt,
                proposal,
                prices: self.proposals.get(&proposal)?.prices,
                votes: of.into_values().take(quorum).collect(),
            })
        })
        .collect()
    }

    /// Every certificate that there is, of whatever attempt. They are for one cohort
    /// unless more closers lie than may.
    pub fn certificates(&self) -> Vec<Certificate> {
        self.quorums(self.votes.iter())
    }

    /// Settles on the certificate that the round is opened with, if there is one: that of
    /// the lowest attempt.
    pub fn certify(&mut self) -> bool {
        if self.certificate.is_none() {
            self.certificate = self.certificates().into_iter().next();
        }
        self.certificate.is_some()
    }

    /// How many different cohorts are certified: one at most, unless more closers lie
    /// than may.
    pub fn certified_cohorts(&self) -> usize {
        let certificates = self.certificates();
        let prices = certificates
            .iter()
            .map(|c| self.proposals[&c.proposal].prices);
        prices.collect::<BTreeSet<_>>().len()
    }
}

/// Whether an entry has another among its parents.
fn names(log: &Log, ix: EntryIx, id: &MessageId) -> bool {
    log.entry(ix)
        .is_some_and(|entry| entry.header().parents().any(|parent| parent == id))
}

/// The round that a closer speaks about, if it does.
pub fn round_of(said: &Said) -> Option<u32> {
    match said {
        Said::Opening(dual) => Some(dual.round.0),
        Said::Vote(vote) => Some(vote.round.0),
        Said::Status(status) => Some(status.round.0),
        _ => None,
    }
}

/// The last entry of each author: all others are behind it in its chain.
pub fn last_of_each<'e>(entries: impl Iterator<Item = &'e Entry>) -> Vec<MessageId> {
    let mut last = BTreeMap::new();
    for entry in entries {
        let header = entry.header();
        let place = (header.boot_epoch, header.seq, entry.id());
        let of = last.entry(&header.author).or_insert(place);
        *of = place.max(*of);
    }
    last.into_values().map(|(_, _, id)| id).collect()
}
