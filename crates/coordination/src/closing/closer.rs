//! One closer: a state machine without clock or network.
//!
//! It is told what came into its member's log and which timers have passed, and says
//! what is to be sent, asked and waited for. Timers only prompt it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use cosmosmesh_log::{AuthorIx, Entry, EntryIx, Log, Status, Verified, Vote};
use cosmosmesh_mission::{Attempt, MessageId, Payload, PricesId, Round, UtcSeconds};
use cosmosmesh_optimize::method::Reply;

use super::ask::{Ask, bounded};
use super::book::{Book, Certificate, last_of_each, round_of};
use super::choice::Choice;
use crate::contract::Contract;
use crate::member::{Member, MemberError, Voice};
use crate::progress::{Phase, Progress, Said, read};

/// The most entries that a proposal names, and of one author: what one author says too
/// often must not keep others from being named. The rest is for later rounds.
const MOST_NAMED: usize = 1 << 14;
const MOST_OF_AUTHOR: usize = 256;
/// Books that are kept: what comes late is judged with them.
const BOOKS: usize = 4;

/// What a closer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The answers to what opened the round, as far as the contact plan lets them come.
    Answers {
        /// The round.
        round: u32,
    },
    /// A certificate. Wait twice as long with each attempt.
    Certificate {
        /// The round that is to open.
        round: u32,
        /// The attempt.
        attempt: u32,
    },
    /// What the others have said, before it is asked for. Wait for a trip to another
    /// closer and back, or if answers are due before for these as well; and twice as long
    /// with each repetition.
    Repair {
        /// The number of this timer.
        number: u64,
        /// Whether answers are due before.
        after_answers: bool,
        /// How often it was asked for already.
        tries: u32,
    },
}

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Action {
    /// Send entries to a member.
    Send {
        /// To whom.
        to: usize,
        /// What.
        entries: Vec<Verified>,
    },
    /// Ask another closer.
    Ask {
        /// Whom.
        to: usize,
        /// For what.
        ask: Ask,
    },
    /// Come back when the time has passed.
    Wait(Timer),
}

/// An answer as it came in.
type Answer = Option<(usize, Reply, Option<PricesId>)>;

/// A closer.
#[derive(Debug, Clone)]
pub struct Closer {
    contract: Arc<Contract>,
    me: usize,
    /// Of the last rounds; the last is the one to open.
    books: VecDeque<Book>,
    /// What opened the rounds.
    opened: BTreeMap<u32, Certificate>,
    /// How many entries of its member's log it has looked at.
    seen: usize,
    /// What closers have said about rounds that are not to be opened yet.
    early: BTreeMap<u32, Vec<(EntryIx, usize, Said)>>,
    /// What was attached and no closing has counted, and what it answers, if it fits the
    /// contract.
    inbox: BTreeMap<EntryIx, Answer>,
    /// The attempt that it has come to.
    attempt: u32,
    /// Its last vote to open the present round.
    voted: Option<(u32, MessageId)>,
    proposed: BTreeSet<u32>,
    /// The last round whose answers it waits for, and the last for which it has waited.
    awaited: u32,
    waited: u32,
    /// The last round of whose prices each member is known to know.
    knows: Vec<u32>,
    answer_bytes: Vec<u64>,
    repairs: u64,
    has_gaps: bool,
    actions: Vec<Action>,
    outbox: BTreeMap<usize, Vec<Verified>>,
}

impl Closer {
    /// The closer that member `me` is, before the first round.
    ///
    /// # Panics
    ///
    /// If the contract does not name it as a closer.
    pub fn new(contract: Arc<Contract>, me: usize) -> Self {
        assert!(contract.closers().contains(&me), "the member is no closer");
        Self {
            me,
            books: VecDeque::from([Book::first(contract.clone())]),
            opened: BTreeMap::new(),
            seen: 0,
            early: BTreeMap::new(),
            inbox: BTreeMap::new(),
            attempt: 0,
            voted: None,
            proposed: BTreeSet::new(),
            awaited: 0,
            waited: 0,
            knows: vec![0; contract.members().len()],
            answer_bytes: vec![0; contract.members().len()],
            repairs: 0,
            has_gaps: false,
            actions: Vec::new(),
            outbox: BTreeMap::new(),
            contract,
        }
    }

    /// What is valid of what was said about the round to open.
    pub fn book(&self) -> &Book {
        self.books.back().expect("there is always one")
    }

    fn book_mut(&mut self) -> &mut Book {
        self.books.back_mut().expect("there is always one")
    }

    /// Where the agreement stands: what follows from the rounds that a certificate has
    /// opened. Nothing before the first.
    pub fn progress(&self) -> Option<&Arc<Progress>> {
        self.book().after().or(self.book().before())
    }

    /// What opened each round, as this closer has it.
    pub fn opened(&self) -> &BTreeMap<u32, Certificate> {
        &self.opened
    }

    /// The round that it is about to open; none once a plan is agreed.
    pub fn opening(&self) -> Option<u32> {
        let open = self.book().certificate().is_none();
        open.then(|| self.book().round())
    }

    /// The members that have answered what opened the last round.
    pub fn answered(&self) -> Vec<bool> {
        let mut out = vec![false; self.contract.members().len()];
        if let Some(progress) = self.book().before() {
            for (i, reply, prices) in self.inbox.values().flatten() {
                out[*i] |= progress.answers_now(reply, *prices);
            }
        }
        out
    }

    /// Takes up where its member's log leaves off, before it begins: it opens the rounds
    /// that are certified there, and remembers what it voted and gave up itself.
    pub fn resume(&mut self, log: &Log) {
        self.look(log);
        // What was due then has been said, or is asked for.
        self.actions.clear();
        self.outbox.clear();
    }

    /// About how many bytes the last answer of a member had, if there is one.
    pub fn answer_bytes(&self, i: usize) -> u64 {
        self.answer_bytes[i]
    }

    /// Begins.
    ///
    /// # Errors
    ///
    /// As [`Self::heard`].
    pub fn start(
        &mut self,
        member: &mut Member,
        now: UtcSeconds,
        voice: &mut Voice<'_>,
    ) -> Result<Vec<Action>, MemberError> {
        if self.awaited > self.waited {
            let round = self.awaited;
            self.actions.push(Action::Wait(Timer::Answers { round }));
        }
        self.await_opening();
        self.heard(member, now, voice)
    }

    /// Looks at what is new in its member's log, and acts on it. An entry that does not
    /// fit the contract is taken too, so that the closing names it and everybody sees
    /// that it is left out; it counts as no answer. One that waits for its parents is not
    /// in the log yet.
    ///
    /// # Errors
    ///
    /// When the prices that follow are beyond what messages can carry.
    pub fn heard(
        &mut self,
        member: &mut Member,
        now: UtcSeconds,
        voice: &mut Voice<'_>,
    ) -> Result<Vec<Action>, MemberError> {
        self.look(member.log());
        while self.opening().is_some() && self.speak(member, now, voice)? {
            self.look(member.log());
        }
        let gaps = !member.log().missing().is_empty();
        if gaps && !self.has_gaps && self.opening().is_some() {
            self.await_repair(false);
        }
        self.has_gaps = gaps;
        Ok(self.done())
    }

    /// Acts on a timer that has passed. One that was overtaken says nothing.
    ///
    /// # Errors
    ///
    /// As [`Self::heard`].
    pub fn passed(
        &mut self,
        timer: Timer,
        member: &mut Member,
        now: UtcSeconds,
        voice: &mut Voice<'_>,
    ) -> Result<Vec<Action>, MemberError> {
        match timer {
            Timer::Answers { round } => self.waited = self.waited.max(round),
            Timer::Certificate { round, attempt } => {
                if self.opening() == Some(round) && self.attempt == attempt {
                    self.give_up(attempt.saturating_add(1), member, now)?;
                }
            }
            Timer::Repair { number, tries, .. } => {
                if self.opening().is_some() && number == self.repairs {
                    self.ask_others(member.log(), tries);
                    self.actions.push(Action::Wait(Timer::Repair {
                        number,
                        after_answers: false,
                        tries: tries + 1,
                    }));
                }
            }
        }
        self.heard(member, now, voice)
    }

    /// What it answers to an ask: to a closer what it has said and what it was asked
    /// for, to a member the calls that it lacks.
    pub fn answer(&self, from: usize, ask: &Ask, log: &Log) -> Vec<Verified> {
        if !self.contract.closers().contains(&from) {
            return bounded(self.calls(log, ask.round));
        }
        let me = self.contract.author(self.me);
        let held = ask.have.get(me.0 as usize).copied().unwrap_or(0);
        let mut entries = ask.answer(log, []);
        let mut also: Vec<EntryIx> = log.chain(me).skip(held as usize).collect();
        let newest = self.opened.last_key_value();
        if let Some((_, certificate)) = newest.filter(|(round, _)| **round >= ask.round) {
            also.extend(certificate.votes.iter().filter_map(|id| log.find(id)));
        }
        let here: BTreeSet<MessageId> = entries.iter().map(|e| e.entry().id()).collect();
        let also = also.into_iter().filter(|ix| !here.contains(&log.id(*ix)));
        entries.extend(also.filter_map(|ix| log.verified(ix)));
        bounded(entries)
    }

    /// The calls after a round, with the certificates from that round on: whoever has
    /// them knows which prices opened each, and what is proposed next.
    fn calls(&self, log: &Log, after: u32) -> Vec<Verified> {
        let entry = |id: &MessageId| log.verified(log.find(id)?);
        let mut calls = Vec::new();
        // Of the round itself as well: what was heard of it may not be what opened it.
        for certificate in self.opened.range(after..).map(|(_, c)| c) {
            calls.extend(entry(&certificate.proposal));
            calls.extend(certificate.votes.iter().filter_map(entry));
        }
        let open = self.book().certificate().is_none();
        if let Some((_, vote)) = self.voted.filter(|_| open) {
            calls.extend(
                self.book()
                    .votes()
                    .get(&vote)
                    .and_then(|b| entry(&b.proposal)),
            );
        }
        calls
    }

    fn look(&mut self, log: &Log) {
        for ix in log.attached_since(self.seen) {
            let Some(entry) = log.entry(ix) else { continue };
            match read(&self.contract, entry) {
                Ok((i, said)) if round_of(&said).is_some() => self.consider(log, ix, i, said),
                Ok((i, Said::Reply(reply, prices))) => {
                    if let Some(progress) = self.progress()
                        && progress.knows(&reply, prices)
                    {
                        self.knows[i] = self.knows[i].max(reply.round);
                    }
                    self.answer_bytes[i] = entry.to_bytes().len() as u64;
                    self.inbox.insert(ix, Some((i, reply, prices)));
                }
                _ => {
                    self.inbox.insert(ix, None);
                }
            }
        }
        self.seen = log.len();
    }

    /// Takes what a closer says, and goes on if that opens the round.
    fn consider(&mut self, log: &Log, ix: EntryIx, closer: usize, said: Said) {
        let Some(round) = round_of(&said) else { return };
        let at = self.books.iter().position(|book| book.round() == round);
        let Some(at) = at else {
            // A proposal has the certificate of the round before in its past, and a vote
            // the proposal. A status need not.
            if round > self.book().round() && matches!(said, Said::Status(_)) {
                self.early
                    .entry(round)
                    .or_default()
                    .push((ix, closer, said));
            }
            return;
        };
        if closer == self.me && round == self.book().round() {
            self.remember(log.id(ix), &said);
        }
        let (before, from) = self.books.make_contiguous().split_at_mut(at);
        from[0].take(log, before.last(), ix, (closer, &said));
        while self.book().certificate().is_none() && self.book_mut().certify() {
            self.go_on(log);
        }
    }

    /// What it said itself about the round to open, perhaps in an earlier life.
    fn remember(&mut self, id: MessageId, said: &Said) {
        let attempt = match said {
            Said::Opening(dual) => {
                self.proposed.insert(dual.attempt.0);
                return;
            }
            Said::Vote(vote) => {
                self.voted = self.voted.max(Some((vote.attempt.0, id)));
                vote.attempt.0
            }
            Said::Status(status) => status.attempt.0,
            _ => return,
        };
        self.attempt = self.attempt.max(attempt);
    }

    /// The round is open.
    fn go_on(&mut self, log: &Log) {
        let book = self.book();
        let (round, next) = (book.round(), book.next());
        let certificate = book.certificate().expect("it is open").clone();
        let by_me = book.proposals()[&certificate.proposal].closer == self.me;
        self.opened.insert(round, certificate);
        let Some(next) = next else {
            // A plan is agreed: the members are told by whoever proposed it.
            if by_me {
                self.tell_members(log);
            }
            return;
        };
        self.books.push_back(next);
        if self.books.len() > BOOKS {
            self.books.pop_front();
        }
        (self.attempt, self.voted) = (0, None);
        self.proposed.clear();
        self.await_answers(round);
        self.await_opening();
        let progress = self.book().before().expect("a round is open").clone();
        self.inbox
            .retain(|ix, _| !progress.has_counted(&log.id(*ix)));
        for (ix, closer, said) in self.early.remove(&(round + 1)).unwrap_or_default() {
            self.consider(log, ix, closer, said);
        }
        self.early = self.early.split_off(&(round + 1));
    }

    fn tell_members(&mut self, log: &Log) {
        for to in (0..self.knows.len()).filter(|to| *to != self.me) {
            let calls = self.calls(log, self.knows[to]);
            self.outbox.entry(to).or_default().extend(calls);
        }
    }

    /// Says one thing that is due, if anything is.
    fn speak(
        &mut self,
        member: &mut Member,
        now: UtcSeconds,
        voice: &mut Voice<'_>,
    ) -> Result<bool, MemberError> {
        Ok(self.join(member, now)?
            || self.vote(member, now)?
            || self.propose(member, now, voice)?)
    }

    /// Gives up earlier attempts with others, if one of them at least is sound.
    fn join(&mut self, member: &mut Member, now: UtcSeconds) -> Result<bool, MemberError> {
        let mut of_closer: BTreeMap<usize, u32> = BTreeMap::new();
        for (closer, attempt, _) in self.book().statuses() {
            let highest = of_closer.entry(closer).or_default();
            *highest = attempt.max(*highest);
        }
        let mut attempts: Vec<u32> = of_closer.into_values().collect();
        attempts.sort_unstable_by(|a, b| b.cmp(a));
        let sound = self.contract.rules().some_sound();
        let Some(&attempt) = attempts.get(sound - 1) else {
            return Ok(false);
        };
        if attempt <= self.attempt {
            return Ok(false);
        }
        self.give_up(attempt, member, now)?;
        Ok(true)
    }

    /// Comes to an attempt, and says so.
    fn give_up(
        &mut self,
        attempt: u32,
        member: &mut Member,
        now: UtcSeconds,
    ) -> Result<(), MemberError> {
        let round = self.book().round();
        let status = Status {
            epoch: self.contract.epoch(),
            round: Round(round),
            attempt: Attempt(attempt),
            vote: self.voted.map(|(_, vote)| vote),
        };
        let said = member.say_status(&status, now)?;
        self.attempt = attempt;
        self.tell_closers(&said);
        self.actions
            .push(Action::Wait(Timer::Certificate { round, attempt }));
        self.await_repair(false);
        Ok(())
    }

    /// Votes for the proposal of the highest attempt that it may still vote in.
    fn vote(&mut self, member: &mut Member, now: UtcSeconds) -> Result<bool, MemberError> {
        let least = self
            .voted
            .map_or(0, |(voted, _)| voted + 1)
            .max(self.attempt);
        let book = self.book();
        let found = book.proposals().iter().filter(|(_, p)| p.attempt >= least);
        let found = found.max_by_key(|(id, p)| (p.attempt, std::cmp::Reverse(**id)));
        let Some((&proposal, found)) = found else {
            return Ok(false);
        };
        let (round, attempt) = (book.round(), found.attempt);
        let vote = Vote {
            epoch: self.contract.epoch(),
            round: Round(round),
            attempt: Attempt(attempt),
            proposal,
        };
        let said = member.say_vote(&vote, now)?;
        self.voted = Some((attempt, said.entry().id()));
        self.tell_closers(&said);
        if attempt > self.attempt {
            self.attempt = attempt;
            self.actions
                .push(Action::Wait(Timer::Certificate { round, attempt }));
        }
        self.await_answers(round);
        self.await_repair(false);
        Ok(true)
    }

    /// Proposes, if it is its turn and there is what it takes.
    fn propose(
        &mut self,
        member: &mut Member,
        now: UtcSeconds,
        voice: &mut Voice<'_>,
    ) -> Result<bool, MemberError> {
        let (book, attempt) = (self.book(), self.attempt);
        let round = book.round();
        if book.proposer(attempt) != self.me || self.proposed.contains(&attempt) {
            return Ok(false);
        }
        let mut deps = Vec::new();
        let mut choice = Choice::Free;
        if attempt > 0 {
            let Some((found, statuses)) = book.justification(attempt) else {
                return Ok(false);
            };
            choice = found;
            deps.extend(statuses);
        } else if round > 1 && self.waited < round - 1 && self.answered().contains(&false) {
            return Ok(false);
        }
        if let Some(certificate) = self.opened.get(&(round - 1)) {
            deps.extend(&certificate.votes);
        }
        let mut dual = match choice {
            Choice::Wait { .. } => return Ok(false),
            Choice::Bound(value) => {
                let mut known = book.proposals().values();
                let known = known.find(|p| p.prices == value);
                (*known.expect("it was voted for").dual).clone()
            }
            Choice::Free => {
                let log = member.log();
                let counted = self.inbox.keys().filter(|ix| log.is_counted(**ix));
                // In the order of attaching, so that of each chain it is a beginning.
                let mut of_author: BTreeMap<AuthorIx, usize> = BTreeMap::new();
                let most = (MOST_NAMED / self.contract.members().len()).clamp(1, MOST_OF_AUTHOR);
                let counted = counted.filter(|ix| {
                    let named = of_author.entry(log.author(**ix)).or_default();
                    *named += 1;
                    *named <= most
                });
                let entries = counted.filter_map(|ix| log.entry(*ix)).map(|e| &**e);
                let cohort: BTreeMap<MessageId, &Entry> = entries.map(|e| (e.id(), e)).collect();
                let cohort = if round > 1 { cohort } else { BTreeMap::new() };
                deps.extend(last_of_each(cohort.values().copied()));
                let after = book.close_with(&cohort);
                let dual = (**after.opening()?).clone();
                self.book_mut().keep(dual.id()?, after);
                dual
            }
        };
        self.proposed.insert(attempt);
        dual.attempt = Attempt(attempt);
        let payload = Payload::DualVariables(dual);
        for said in member.propose(payload, &deps, now, voice)? {
            for to in (0..self.knows.len()).filter(|to| *to != self.me) {
                let mut calls = self.calls_before(member.log(), to, round);
                calls.push(said.clone());
                self.outbox.entry(to).or_default().extend(calls);
            }
        }
        Ok(true)
    }

    /// The calls before a round that a member is not known to know, and to one that is no
    /// closer the certificates.
    fn calls_before(&self, log: &Log, to: usize, round: u32) -> Vec<Verified> {
        let entry = |id: &MessageId| log.verified(log.find(id)?);
        let is_closer = self.contract.closers().contains(&to);
        let mut calls = Vec::new();
        for (at, certificate) in self.opened.range(self.knows[to]..round) {
            if *at > self.knows[to] {
                calls.extend(entry(&certificate.proposal));
            }
            if !is_closer {
                calls.extend(certificate.votes.iter().filter_map(entry));
            }
        }
        calls
    }

    fn tell_closers(&mut self, said: &Verified) {
        for to in self.contract.closers().iter().filter(|to| **to != self.me) {
            self.outbox.entry(*to).or_default().push(said.clone());
        }
    }

    /// Asks the others for what they have said, those that it has heard of this attempt
    /// aside, and one of them for what is missing.
    fn ask_others(&mut self, log: &Log, tries: u32) {
        let book = self.book();
        let votes = book.votes().values();
        let heard: BTreeSet<usize> = votes
            .filter(|v| v.attempt == self.attempt)
            .map(|v| v.closer)
            .collect();
        let first = self
            .contract
            .closers()
            .iter()
            .position(|c| *c == book.proposer(self.attempt));
        let mut others = self.contract.closers().to_vec();
        others.rotate_left(first.unwrap_or(0));
        others.retain(|c| *c != self.me);
        let one = others.get(tries as usize % others.len().max(1)).copied();
        let round = book.round();
        for to in others {
            if heard.contains(&to) && one != Some(to) {
                continue;
            }
            let ask = Ask::of(log, round, one == Some(to));
            self.actions.push(Action::Ask { to, ask });
        }
    }

    fn await_answers(&mut self, round: u32) {
        if self.awaited < round {
            self.awaited = round;
            self.actions.push(Action::Wait(Timer::Answers { round }));
        }
    }

    fn await_opening(&mut self) {
        let (round, attempt) = (self.book().round(), self.attempt);
        self.actions
            .push(Action::Wait(Timer::Certificate { round, attempt }));
        self.await_repair(true);
    }

    fn await_repair(&mut self, after_answers: bool) {
        self.repairs += 1;
        self.actions.push(Action::Wait(Timer::Repair {
            number: self.repairs,
            after_answers,
            tries: 0,
        }));
    }

    fn done(&mut self) -> Vec<Action> {
        for (to, mut entries) in std::mem::take(&mut self.outbox) {
            let mut here = BTreeSet::new();
            entries.retain(|e| here.insert(e.entry().id()));
            self.actions.push(Action::Send { to, entries });
        }
        std::mem::take(&mut self.actions)
    }

    /// Whether a plan is agreed.
    pub fn agreed(&self) -> bool {
        self.progress().is_some_and(|p| p.phase() == Phase::Agreed)
    }
}
