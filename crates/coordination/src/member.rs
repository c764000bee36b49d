//! One member of an agreement: a state machine without clock or network.
//!
//! It takes signed entries and returns signed entries. Its problem stays inside
//! its [`Agent`], and so does its key; what leaves it is an [`Envelope`], as an
//! entry of the log.
//!
//! A member follows prices as soon as it has seen whose signature they bear, also
//! while its log does not hold yet what they follow from.

pub mod granting;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use cosmosmesh_identity::SecretKey;
use cosmosmesh_log::store::{Store, StoreError};
use cosmosmesh_log::{Draft, Entry, Kind, Log, Refused as NotTaken, Status, Taken, Verified, Vote};
use cosmosmesh_mission::{
    AuthorId, BootEpoch, Commitment, CouplingId, Delta, DualVariables, EncodeError, Envelope,
    MessageId, Payload, PlanDelta, PricesId, Seq, UtcSeconds, Version,
};
use cosmosmesh_optimize::coupled::CoupledMember;
use cosmosmesh_optimize::local::SolverName;
use cosmosmesh_optimize::method::{
    Agent, AgentError, AllotmentCost, Aside, Candidate, Exchange, Reply, fixed,
};

use crate::calls::{Calls, HeardCall};
use crate::closing::ask::Ask;
use crate::contract::Contract;
use crate::progress::{Misfit, SETTLED, Said, asked, read};
use crate::wire::{ReplyHead, WireError, shared_from_reply};

/// Rounds before its last answer of which a member that starts again asks for the calls:
/// those that its agent works with.
const REMEMBERED: u32 = 20;

/// What becomes of a payload on its way to being said: for a member that says
/// what it means, itself; in tests whatever a liar puts in its place.
pub type Voice<'v> = dyn FnMut(Payload) -> Vec<Payload> + 'v;

/// A member.
pub struct Member {
    contract: Arc<Contract>,
    author: AuthorId,
    key: SecretKey,
    log: Log,
    /// Its entries that no closing is known to name: what it says again until one
    /// does.
    unheard: VecDeque<Verified>,
    /// What a call has named that may not open its round, with that round.
    named: Vec<(u32, Verified)>,
    /// How many statements had no encoding and were never made.
    unsaid: u64,
    agent: Agent,
    problem: Commitment,
    boot: BootEpoch,
    seq: u64,
    last: Option<MessageId>,
    /// Its last message that carried sensitivities.
    base: Option<MessageId>,
    prices: Option<PricesId>,
    newest: u32,
    calls: Calls,
    /// What was set aside, by the prices that it answers.
    aside: BTreeMap<PricesId, Aside>,
    /// The settlement that was asked for last, until it was answered.
    settle: Option<(u32, Candidate)>,
    /// The candidate that `others` belong to.
    settling: Option<Candidate>,
    answered: BTreeMap<Candidate, Vec<Verified>>,
    /// What it answered before it was restarted, until it hears the calls again.
    recalled: BTreeMap<PricesId, Reply>,
    /// The same of settlements, by the round that asked for them.
    recalled_settled: BTreeMap<u32, Vec<Verified>>,
    /// Others' allocations of couplings whose rounding this member takes.
    others: BTreeMap<(usize, CouplingId), Box<[i64]>>,
    exchange: Option<Exchange>,
    /// The agreement whose grants it has signed.
    granted: Option<MessageId>,
}

/// Why a member could not act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MemberError {
    /// Its agent could not.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The log does not take an entry, for ever.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    /// An entry is not of the contract, or does not fit it.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// A message does not fit the contract.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A message has no encoding.
    #[error(transparent)]
    Encoding(#[from] EncodeError),
    /// The contract names another key.
    #[error("the key is not the one that the contract names for {0}")]
    Key(AuthorId),
}

impl fmt::Debug for Member {
    /// Its name and how much it has said: nothing of its problem or its key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Member");
        shown.field("author", &self.author).field("seq", &self.seq);
        shown.finish_non_exhaustive()
    }
}

impl Member {
    /// Member `index` of a contract, with its problem, the commitment to it, and
    /// the key that it signs with.
    ///
    /// # Errors
    ///
    /// When the key is not the contract's.
    ///
    /// # Panics
    ///
    /// If the contract has no member of that number, or the problem is of other
    /// rows than the contract's frame has for it.
    pub fn new(
        contract: Arc<Contract>,
        index: usize,
        member: &CoupledMember,
        problem: Commitment,
        solver: SolverName,
        key: SecretKey,
    ) -> Result<Self, MemberError> {
        let (terms, at) = (contract.terms(), contract.author(index));
        let author = terms.author(at).expect("a member is an author").clone();
        if terms.key(at) != Some(&key.public()) {
            return Err(MemberError::Key(author));
        }
        let frame = contract.frame().clone();
        let agent = Agent::new(frame, index, member, contract.method(), solver);
        Ok(Self {
            log: Log::new(contract.terms().clone()),
            author,
            key,
            unheard: VecDeque::new(),
            named: Vec::new(),
            unsaid: 0,
            agent,
            problem,
            boot: BootEpoch(0),
            seq: 0,
            last: None,
            base: None,
            prices: None,
            newest: 0,
            calls: Calls::new(&contract),
            aside: BTreeMap::new(),
            settle: None,
            settling: None,
            answered: BTreeMap::new(),
            recalled: BTreeMap::new(),
            recalled_settled: BTreeMap::new(),
            others: BTreeMap::new(),
            exchange: None,
            granted: None,
            contract,
        })
    }

    /// Its place in the contract.
    pub fn index(&self) -> usize {
        self.agent.index()
    }

    /// The plan that it signed off last.
    pub fn exchange(&self) -> Option<&Exchange> {
        self.exchange.as_ref()
    }

    /// Its log: what it said, and what it heard of whose past it has all.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Its entries that no closing is known to name, in order. It says them again
    /// until one does, because none after them can be taken without them.
    pub fn unheard(&self) -> impl Iterator<Item = &Verified> {
        self.unheard.iter()
    }

    /// How many of its statements had no encoding and were never made.
    pub fn unsaid(&self) -> u64 {
        self.unsaid
    }

    /// The newest prices that it has heard of.
    pub fn newest(&self) -> u32 {
        self.newest
    }

    /// Takes all that its own store holds into its log, and does nothing about it.
    ///
    /// # Errors
    ///
    /// When the store cannot be read, or holds what no log takes.
    pub fn load(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        self.log.load(store, true)
    }

    /// Takes an entry into its log, and does nothing about it.
    ///
    /// # Errors
    ///
    /// When the log does not take it.
    pub fn hold(&mut self, verified: Verified) -> Result<Taken, NotTaken> {
        self.log.insert(verified)
    }

    /// Takes an entry.
    ///
    /// # Errors
    ///
    /// When the log does not take it; then nothing has changed. When it does not
    /// fit the contract; then it is in the log, and nothing else has changed.
    pub fn hear(&mut self, verified: &Verified) -> Result<(), MemberError> {
        self.log.insert(verified.clone())?;
        self.attend(verified.entry())
    }

    /// Starts again from its log, in a new boot epoch: what it said before it has said,
    /// and answers the same prices no second time. To be called before anything else than
    /// [`Self::load`] and [`Self::hold`].
    pub fn resume(&mut self) {
        let me = self.contract.author(self.index());
        let (mut settlement, mut plan) = (None, BTreeMap::new());
        for ix in self.log.chain(me).collect::<Vec<_>>() {
            let Some(verified) = self.log.verified(ix) else {
                continue;
            };
            let header = verified.entry().header();
            self.last = Some(verified.entry().id());
            self.boot = BootEpoch(header.boot_epoch.0 + 1);
            match read(&self.contract, verified.entry()) {
                Ok((_, Said::Reply(reply, Some(prices)))) if !reply.terms.is_empty() => {
                    self.base = self.last;
                    self.newest = reply.round.saturating_sub(REMEMBERED);
                    self.recalled.insert(prices, reply);
                }
                Ok((_, Said::Reply(reply, _))) => {
                    settlement = Some(reply.round);
                    plan.clear();
                    self.recalled_settled.insert(reply.round, vec![verified]);
                }
                Ok((_, Said::Allocation(coupling, quanta))) => {
                    plan.insert(coupling, quanta);
                    let said = settlement.and_then(|at| self.recalled_settled.get_mut(&at));
                    if let Some(said) = said {
                        said.push(verified);
                    }
                }
                _ => {}
            }
        }
        self.calls.resume(self.newest);
        for ix in self.log.attached_since(0) {
            let Some(verified) = self.log.verified(ix) else {
                continue;
            };
            if self.log.author(ix) == me {
                self.unheard.push_back(verified.clone());
            }
            // What does not fit was passed over before, too.
            let _ = self.attend(verified.entry());
        }
        self.exchange = self.plan_of(&plan);
    }

    /// Its plan, by what it said that it takes of each coupling, if that is all.
    fn plan_of(&mut self, said: &BTreeMap<CouplingId, Box<[i64]>>) -> Option<Exchange> {
        let contract = self.contract.clone();
        let own = &contract.frame().members[self.index()];
        let mut allotment = vec![0; own.rows.len()];
        for (coupling, places) in contract.names().places(&own.rows).ok()? {
            let quanta = said.get(coupling)?;
            for (place, v) in places.into_iter().zip(quanta.iter()) {
                allotment[place] = *v;
            }
        }
        self.agent.settle(&allotment).ok()
    }

    /// Acts on an entry that is in its log, or waits there.
    fn attend(&mut self, entry: &Entry) -> Result<(), MemberError> {
        match read(&self.contract, entry)? {
            (closer, Said::Opening(dual)) => {
                let heard = self.hear_call(entry, closer, &dual);
                self.follow();
                heard
            }
            (closer, Said::Vote(vote)) => {
                self.calls.vote(closer, vote.round.0, vote.proposal);
                self.follow();
                Ok(())
            }
            (i, Said::Allocation(coupling, quanta)) => {
                self.others.insert((i, coupling), quanta);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn hear_call(
        &mut self,
        entry: &Entry,
        closer: usize,
        dual: &DualVariables,
    ) -> Result<(), MemberError> {
        let (call, settle) = asked(&self.contract, dual)?;
        let named = |v: &Verified| {
            let id = v.entry().id();
            dual.cohort.contains(&id) || entry.header().deps.contains(&id)
        };
        if let Some(last) = self.unheard.iter().rposition(named) {
            let named = self.unheard.drain(..=last);
            self.named.extend(named.map(|v| (call.round, v)));
        }
        let agreed = dual.agreed.is_some();
        self.calls.hear(HeardCall {
            id: entry.id(),
            closer,
            prices: dual.id()?,
            // A settlement repeats the call of its round.
            answered: settle.is_some() || agreed,
            call,
            settle,
            agreed,
        });
        Ok(())
    }

    /// Follows the calls that opened their rounds, and the newest that may open one.
    fn follow(&mut self) {
        let owed = self.prices.filter(|_| self.agent.owes());
        for step in self.calls.steps(owed) {
            if let Some(old) = step.leave {
                if let Some(aside) = self.agent.set_aside(step.round) {
                    self.aside.insert(old, aside);
                }
                self.say_again(step.round);
            }
            let Some(new) = step.take else { continue };
            let round = step.round;
            if round >= self.newest {
                self.newest = round;
                self.prices = Some(new.prices);
                if let Some(at) = new.settle {
                    if self.settling != Some(at) {
                        self.others.clear();
                        self.settling = Some(at);
                    }
                    if let Some(said) = self.recalled_settled.remove(&round) {
                        self.answered.insert(at, said);
                    }
                }
                self.settle = new.settle.map(|at| (round, at));
            }
            // A settlement repeats the call of its round; it asks for nothing new, and
            // what says that all is agreed does not either.
            if new.settle.is_none() && !new.agreed {
                match self.aside.remove(&new.prices) {
                    Some(aside) => self.agent.take_back(aside),
                    None => match self.recalled.remove(&new.prices) {
                        Some(reply) => self.agent.recall(&new.call, &reply),
                        None => self.agent.hear(&new.call),
                    },
                }
            }
        }
        self.aside.retain(|prices, _| self.calls.keeps(prices));
        let open = self.calls.open();
        self.named.retain(|(round, _)| *round > open);
    }

    /// What a call named that it follows no more is to be said again: nobody else may
    /// have it.
    fn say_again(&mut self, round: u32) {
        let of_round = |(at, _): &(u32, Verified)| *at >= round;
        let Some(first) = self.named.iter().position(of_round) else {
            return;
        };
        for (_, entry) in self.named.split_off(first).into_iter().rev() {
            self.unheard.push_front(entry);
        }
    }

    /// Whether it holds a certificate that all have signed off one plan: its own part of
    /// it, [`Self::exchange`], is final.
    pub fn is_final(&self) -> bool {
        self.calls.agreed().is_some()
    }

    /// What it asks a closer for, when it has waited for long: the calls after the last
    /// that it knows.
    pub fn ask(&self) -> Ask {
        Ask {
            round: self.newest,
            ..Ask::default()
        }
    }

    /// What it has to say now, given the time on its clock.
    ///
    /// # Errors
    ///
    /// When it cannot answer.
    pub fn act(&mut self, now: UtcSeconds) -> Result<Vec<Verified>, MemberError> {
        self.act_in(now, &mut |payload| vec![payload])
    }

    /// The same in another voice: for members that do not say what they should.
    ///
    /// # Errors
    ///
    /// As [`Self::act`].
    pub fn act_in(
        &mut self,
        now: UtcSeconds,
        voice: &mut Voice<'_>,
    ) -> Result<Vec<Verified>, MemberError> {
        if let Some((round, at)) = self.settle {
            // What a closing has named already was not counted, or this would not be asked
            // again, or others are waited for: then it costs little to say it anew.
            let again = self.answered.get(&at);
            if let Some(said) = again.filter(|said| self.all_unheard(said)) {
                self.settle = None;
                return Ok(said.clone());
            }
            let Some(allotment) = self.settled_allotment(at) else {
                return Ok(Vec::new());
            };
            self.settle = None;
            let payloads = self.answer_settlement(round, at, &allotment, now)?;
            let said = self.say_all(payloads, now, voice)?;
            self.answered.insert(at, said.clone());
            return Ok(said);
        }
        if !self.agent.owes() {
            return Ok(Vec::new());
        }
        let mut said = Vec::new();
        // More than one call where several would open the round.
        while self.agent.owes() {
            let reply = self.agent.reply()?;
            let payload = self.reply(&reply)?;
            said.extend(self.say_all(vec![payload], now, voice)?);
            self.base = self.last;
            if let Some(prices) = self.prices {
                self.calls.answered(&prices);
            }
            self.follow();
        }
        Ok(said)
    }

    fn all_unheard(&self, said: &[Verified]) -> bool {
        let unheard = |e: &Verified| {
            let mut all = self.unheard.iter();
            all.any(|other| other.entry().id() == e.entry().id())
        };
        said.iter().all(unheard)
    }

    fn say_all(
        &mut self,
        payloads: Vec<Payload>,
        now: UtcSeconds,
        voice: &mut Voice<'_>,
    ) -> Result<Vec<Verified>, MemberError> {
        let mut said = Vec::new();
        for payload in payloads.into_iter().flat_map(voice) {
            match self.say(payload, Vec::new(), now) {
                Ok(entry) => {
                    self.unheard.push_back(entry.clone());
                    said.push(entry);
                }
                Err(MemberError::Encoding(_)) => self.unsaid += 1,
                Err(other) => return Err(other),
            }
        }
        Ok(said)
    }

    /// The allotment to settle on. A member that takes the rounding of a
    /// coupling waits for the allocations of the others there.
    fn settled_allotment(&self, at: Candidate) -> Option<Vec<i64>> {
        let me = self.index();
        let frame = self.contract.frame();
        let own = &frame.members[me];
        let mut allotment = self.agent.allotment(at)?.to_vec();
        for (coupling, rows) in &self.contract.names().couplings {
            let takes = |r: &usize| {
                frame.rows[*r].slack == me
                    && frame.rows[*r].kind == cosmosmesh_optimize::coupled::RowKind::Equal
            };
            if !rows.iter().any(takes) {
                continue;
            }
            let mut left: BTreeMap<usize, i128> = rows
                .iter()
                .filter(|r| takes(r))
                .map(|r| (*r, frame.rows[*r].rhs.into()))
                .collect();
            for (i, m) in frame.members.iter().enumerate() {
                let theirs: Vec<usize> = rows
                    .iter()
                    .copied()
                    .filter(|r| m.rows.binary_search(r).is_ok())
                    .collect();
                if i == me || theirs.is_empty() {
                    continue;
                }
                let quanta = self.others.get(&(i, coupling.clone()))?;
                for (r, v) in theirs.iter().zip(quanta) {
                    if let Some(left) = left.get_mut(r) {
                        *left -= i128::from(*v);
                    }
                }
            }
            for (r, v) in left {
                if let Ok(place) = own.rows.binary_search(&r) {
                    // What does not fit cannot be kept to either.
                    let end = if v < 0 { i64::MIN } else { i64::MAX };
                    allotment[place] = i64::try_from(v).unwrap_or(end);
                }
            }
        }
        Some(allotment)
    }

    fn answer_settlement(
        &mut self,
        round: u32,
        at: Candidate,
        allotment: &[i64],
        now: UtcSeconds,
    ) -> Result<Vec<Payload>, MemberError> {
        let (exchange, value) = match self.agent.settle(allotment) {
            Ok(e) => {
                let cost = e.cost;
                (Some(e), Some(cost))
            }
            Err(AgentError::Unkept { .. }) => (None, None),
            Err(other) => return Err(other.into()),
        };
        let reply = Reply {
            round,
            terms: Vec::new(),
            duals: Vec::new(),
            costs: vec![AllotmentCost {
                round: at.round,
                candidate: SETTLED,
                value,
            }],
            barrier_weight: 0,
            barrier_total: 0,
        };
        let mut said = vec![self.reply(&reply)?];
        if exchange.is_some() {
            let frame = self.contract.frame().clone();
            let own = &frame.members[self.index()];
            let contract = self.contract.clone();
            for (coupling, places) in contract.names().places(&own.rows)? {
                let quanta: Vec<i64> = places.iter().map(|&place| allotment[place]).collect();
                let delta = Delta::Allocation {
                    coupling: coupling.clone(),
                    epoch: self.contract.epoch(),
                    quanta: quanta.into(),
                };
                let payload = Payload::PlanDelta(PlanDelta {
                    delta,
                    timestamp: now,
                    author: self.author.clone(),
                    contract_id: self.contract.id().clone(),
                    signature: None,
                });
                said.push(payload);
            }
            self.exchange = exchange;
        }
        Ok(said)
    }

    fn reply(&self, reply: &Reply) -> Result<Payload, MemberError> {
        let head = ReplyHead {
            contract_id: self.contract.id().clone(),
            epoch: self.contract.epoch(),
            base: self.base,
            prices: self.prices,
            problem: self.problem,
        };
        let c = self.contract.clone();
        let shared = shared_from_reply(c.names(), c.frame(), self.index(), reply, &head)?;
        Ok(Payload::SharedVariables(shared))
    }

    /// Proposes what opens a round, and follows it.
    ///
    /// # Errors
    ///
    /// As [`Self::say`].
    pub(crate) fn propose(
        &mut self,
        payload: Payload,
        deps: &[MessageId],
        now: UtcSeconds,
        voice: &mut Voice<'_>,
    ) -> Result<Vec<Verified>, MemberError> {
        let mut said = Vec::new();
        for payload in voice(payload) {
            let entry = self.say(payload, deps.to_vec(), now)?;
            said.push(self.repeat(entry));
        }
        Ok(said)
    }

    /// Votes, and says it again until it is named.
    ///
    /// # Errors
    ///
    /// As [`Self::say`].
    pub(crate) fn say_vote(
        &mut self,
        vote: &Vote,
        now: UtcSeconds,
    ) -> Result<Verified, MemberError> {
        let mut draft = self.draft(now);
        vote.say(&mut draft)?;
        let entry = self.sign(draft)?;
        Ok(self.repeat(entry))
    }

    /// Says that it has given up an attempt, and again until it is named.
    ///
    /// # Errors
    ///
    /// As [`Self::say`].
    pub(crate) fn say_status(
        &mut self,
        status: &Status,
        now: UtcSeconds,
    ) -> Result<Verified, MemberError> {
        let mut draft = self.draft(now);
        status.say(&mut draft)?;
        let entry = self.sign(draft)?;
        Ok(self.repeat(entry))
    }

    /// Attends to what it says itself as others do, and keeps it to be said again.
    fn repeat(&mut self, entry: Verified) -> Verified {
        self.unheard.push_back(entry.clone());
        // What does not fit is in the log, as it is in that of others.
        let _ = self.attend(entry.entry());
        entry
    }

    pub(crate) fn draft(&self, now: UtcSeconds) -> Draft {
        Draft {
            author: self.author.clone(),
            boot_epoch: self.boot,
            seq: Seq(self.seq),
            backlink: self.last,
            deps: Vec::new(),
            time: now,
            contract_hash: self.contract.hash(),
            kind: Kind(0),
            body: Vec::new(),
        }
    }

    pub(crate) fn sign(&mut self, draft: Draft) -> Result<Verified, MemberError> {
        let entry = draft.sign(&self.key)?;
        let id = entry.id();
        let verified = self.contract.terms().trust(entry)?;
        self.log.insert(verified.clone())?;
        self.last = Some(id);
        self.seq += 1;
        Ok(verified)
    }

    /// Signs a statement that follows from its last and from `deps`, and takes it
    /// into its log.
    ///
    /// An answer has no `deps`. It names the prices that it answers by their own
    /// hash, so that a member can write without holding all that they follow from.
    ///
    /// # Errors
    ///
    /// When the payload breaks a rule. Then nothing was said.
    pub fn say(
        &mut self,
        payload: Payload,
        deps: Vec<MessageId>,
        now: UtcSeconds,
    ) -> Result<Verified, MemberError> {
        let envelope = Envelope {
            version: Version::V1,
            contract_hash: self.contract.hash(),
            author: self.author.clone(),
            boot_epoch: self.boot,
            seq: Seq(self.seq),
            backlink: self.last,
            time: now,
            payload,
        };
        self.sign(Draft::of_envelope(&envelope, deps)?)
    }

    /// The cost of the plan that it signed off, in cost units.
    pub fn cost(&self) -> Option<f64> {
        self.exchange
            .as_ref()
            .map(|e| fixed::from_quanta(e.cost, fixed::COST))
    }
}
