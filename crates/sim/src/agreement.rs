//! An agreement in virtual time.
//!
//! The closer opens a round; each member answers when the prices have reached
//! it; the round closes when all answers are in, or when those that the
//! contact plan lets arrive within the round's limit must have come. Who is
//! not there is carried forward.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use cosmosmesh_contact::ContactPlan;
use cosmosmesh_coordination::closer::Closer;
use cosmosmesh_coordination::contract::Contract;
use cosmosmesh_coordination::ledger::Ledger;
use cosmosmesh_coordination::member::{Member, MemberError};
use cosmosmesh_coordination::progress::{ClosedRound, Phase, Plan};
use cosmosmesh_log::sync::sketch::Salt;
use cosmosmesh_log::sync::{Options, PeerRecord, Session};
use cosmosmesh_log::{Log, Verified};
use cosmosmesh_mission::{Delta, Payload, UtcSeconds};

use crate::network::{Carried, Network, UnknownNode};

/// How messages travel and rounds are timed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// When the agreement begins, in seconds of the plan's time base.
    pub start_s: f64,
    /// Longest time that a round waits, in seconds.
    pub round_limit_s: f64,
    /// What a message needs besides its body, in bytes.
    pub overhead_bytes: u64,
    /// How long a member takes to answer, in seconds.
    pub compute_s: f64,
    /// How far clocks may differ, in seconds.
    pub clock_bound_s: f64,
    /// Each message is lost with this probability.
    pub loss: f64,
    /// Decides which.
    pub seed: u64,
    /// Rounds after which the agreement is given up.
    pub most_rounds: u32,
}

/// One closed round with its times.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedRound {
    /// What it found.
    pub closed: ClosedRound,
    /// When it closed, in seconds since the start.
    pub at_s: f64,
}

/// How an agreement ended.
#[derive(Debug)]
pub struct Ended {
    /// Every entry.
    pub ledger: Ledger,
    /// The log of each member, after all have met until they hold the same.
    pub logs: Vec<Log>,
    /// What those meetings after the end sent, in bytes; they take no virtual
    /// time, lose nothing, and are not part of `sent`.
    pub drained_bytes: u64,
    /// The rounds.
    pub rounds: Vec<TimedRound>,
    /// The plan, if the members agreed.
    pub plan: Option<Plan>,
    /// Who could not go on, and why, if that ended the agreement.
    pub stopped: Option<Stopped>,
    /// How many statements of each member were never made, because they have no
    /// encoding. Those that were left out are in the ledger's state.
    pub refused: Vec<u64>,
    /// The last lower bound, cost units.
    pub lower: Option<f64>,
    /// Prices by frame row: those of the main point that the next round would
    /// ask at, as they follow from the last closed round.
    pub price: Vec<f64>,
    /// Variables of each member's plan, if it signed one off.
    pub x: Vec<Option<Vec<f64>>>,
    /// What was sent, end to end.
    pub sent: Carried,
    /// What each contact of the plan carried.
    pub carried: BTreeMap<usize, Carried>,
    /// How long it took, in seconds.
    pub virtual_time_s: f64,
}

/// A member that could not go on.
#[derive(Debug, thiserror::Error)]
#[error("member {member}: {source}")]
pub struct Stopped {
    /// Its name.
    pub member: String,
    /// Why.
    pub source: Box<MemberError>,
}

/// What becomes of a statement before the member of that number signs it:
/// nothing, itself, or whatever a test puts in its place.
pub type Tamper<'a> = dyn FnMut(usize, Payload) -> Vec<Payload> + 'a;

/// An event, ordered by time and then by when it was planned.
#[derive(Debug)]
struct Event {
    at_s: f64,
    order: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Entries arrive at a member, each checked by whoever sent it into the
    /// network: all members hold the same keys.
    Arrive(usize, Vec<Verified>),
    /// A member has finished thinking.
    Act(usize),
    /// The round must close; of which closing it is.
    Deadline(u32),
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Event {}
impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Event {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at_s
            .total_cmp(&other.at_s)
            .then(self.order.cmp(&other.order))
    }
}

/// Runs the agreement; `watch` is told of every closed round and says whether
/// to go on.
///
/// # Errors
///
/// When a member has no node. Running out of rounds is no error, nor is a member
/// that cannot go on: the outcome then has no plan.
pub fn run(
    contract: &Arc<Contract>,
    members: Vec<Member>,
    plan: &ContactPlan,
    terms: Terms,
    watch: &mut dyn FnMut(&TimedRound) -> bool,
) -> Result<Ended, UnknownNode> {
    let honest = &mut |_, payload| vec![payload];
    run_tampered(contract, members, plan, terms, honest, watch)
}

/// The same with members that do not say what they should.
///
/// # Errors
///
/// As [`run`].
pub fn run_tampered(
    contract: &Arc<Contract>,
    members: Vec<Member>,
    plan: &ContactPlan,
    terms: Terms,
    tamper: &mut Tamper<'_>,
    watch: &mut dyn FnMut(&TimedRound) -> bool,
) -> Result<Ended, UnknownNode> {
    let names: Vec<String> = contract.members().iter().map(ToString::to_string).collect();
    let network = Network::new(plan, &names, terms.overhead_bytes, terms.loss, terms.seed)?;
    let mut run = Run {
        contract: contract.clone(),
        names,
        closer: Closer::new(contract.clone()),
        ledger: Ledger::new(contract.clone()),
        network,
        terms,
        queue: BinaryHeap::new(),
        order: 0,
        now_s: terms.start_s,
        openings: Vec::new(),
        acknowledged: vec![0; members.len()],
        reply_bytes: vec![0; members.len()],
        thinking: vec![false; members.len()],
        members,
        tamper,
        rounds: Vec::new(),
        closings: 0,
        ended: false,
    };
    let stopped = run.until_ended(watch).err();
    Ok(run.finish(stopped))
}

/// What an entry takes on a link, overheads aside.
fn bytes(e: &Verified) -> u64 {
    e.entry().to_bytes().len() as u64
}

struct Run<'a, 't> {
    contract: Arc<Contract>,
    names: Vec<String>,
    closer: Closer,
    ledger: Ledger,
    network: Network,
    terms: Terms,
    queue: BinaryHeap<Reverse<Event>>,
    order: u64,
    now_s: f64,
    members: Vec<Member>,
    tamper: &'a mut Tamper<'t>,
    /// Every opening so far, and its size.
    openings: Vec<(Verified, u64)>,
    /// How many openings each member is known to have.
    acknowledged: Vec<usize>,
    /// Size of each member's last answer.
    reply_bytes: Vec<u64>,
    thinking: Vec<bool>,
    rounds: Vec<TimedRound>,
    closings: u32,
    ended: bool,
}

impl Run<'_, '_> {
    fn until_ended(&mut self, watch: &mut dyn FnMut(&TimedRound) -> bool) -> Result<(), Stopped> {
        self.open()?;
        while let Some(Reverse(event)) = self.queue.pop() {
            self.now_s = event.at_s;
            self.handle(event.what, watch)?;
            if self.ended {
                break;
            }
        }
        Ok(())
    }

    fn plan(&mut self, at_s: f64, what: What) {
        self.order += 1;
        self.queue.push(Reverse(Event {
            at_s,
            order: self.order,
            what,
        }));
    }

    fn at<E: Into<MemberError>>(&self, i: usize) -> impl Fn(E) -> Stopped + use<E> {
        let member = self.names[i].clone();
        move |source| Stopped {
            member: member.clone(),
            source: Box::new(source.into()),
        }
    }

    /// What a member has said is part of the agreement at once.
    fn record(&mut self, by: usize, said: &Verified) -> Result<(), Stopped> {
        let taken = self.ledger.insert(said.clone());
        taken.map_err(self.at(by))?;
        Ok(())
    }

    fn clock(&self) -> UtcSeconds {
        UtcSeconds(self.now_s.floor() as i64)
    }

    fn open(&mut self) -> Result<(), Stopped> {
        let c = self.contract.closer();
        let now = self.clock();
        let opening = self
            .closer
            .open(&mut self.members[c], now)
            .map_err(self.at(c))?;
        self.publish(opening)
    }

    /// Sends an opening to every member, with all those that it may lack, and
    /// sets the deadline by the contact plan.
    fn publish(&mut self, opening: Verified) -> Result<(), Stopped> {
        let c = self.contract.closer();
        let bytes = bytes(&opening);
        self.record(c, &opening)?;
        self.openings.push((opening, bytes));
        let limit_s = self.now_s + self.terms.round_limit_s;
        let mut deadline_s = self.now_s;
        let waits_for_rounding = matches!(self.closer.progress().phase(), Phase::Settling(_));
        for i in 0..self.members.len() {
            let missing = &self.openings[self.acknowledged[i]..];
            let bundle: Vec<Verified> = missing.iter().map(|(e, _)| e.clone()).collect();
            let size: u64 = missing.iter().map(|(_, b)| b).sum();
            if i == c {
                self.plan(self.now_s, What::Arrive(i, bundle));
                continue;
            }
            // What the plan promises, whether or not this copy is lost.
            let there = self.network.expect(c, i, size, self.now_s);
            let estimate = self.reply_bytes[i].max(self.guess_bytes(i));
            let back = there.and_then(|t| {
                self.network
                    .expect(i, c, estimate, t + self.terms.compute_s)
            });
            if let Some(back) = back.filter(|b| *b <= limit_s) {
                deadline_s = deadline_s.max(back);
            }
            if let Some(arrival) = self.network.send(c, i, size, self.now_s) {
                self.plan(arrival, What::Arrive(i, bundle));
            }
        }
        // The slack members of a settlement answer after the others.
        let trips = if waits_for_rounding { 2.0 } else { 1.0 };
        let wait = (deadline_s - self.now_s) * trips
            + self.terms.clock_bound_s
            + self.terms.compute_s * trips
            + 0.25 * (deadline_s - self.now_s);
        let closing = self.closings;
        self.plan(
            self.now_s + wait.min(self.terms.round_limit_s),
            What::Deadline(closing),
        );
        Ok(())
    }

    /// About how large the first answer of a member will be.
    fn guess_bytes(&self, i: usize) -> u64 {
        let m = self.contract.frame().members[i].rows.len() as u64;
        5 * m * (m + 1) / 2 + 200
    }

    fn handle(
        &mut self,
        what: What,
        watch: &mut dyn FnMut(&TimedRound) -> bool,
    ) -> Result<(), Stopped> {
        match what {
            What::Arrive(i, entries) => {
                for e in &entries {
                    // A member passes over what does not fit. It is among what the
                    // ledger leaves out.
                    let _ = self.members[i].hear(e);
                    if i == self.contract.closer() {
                        self.note_acknowledgement(e);
                    }
                }
                if !self.thinking[i] {
                    self.thinking[i] = true;
                    self.plan(self.now_s + self.terms.compute_s, What::Act(i));
                }
            }
            What::Act(i) => {
                self.thinking[i] = false;
                let now = self.clock();
                let tamper = &mut *self.tamper;
                let mut voice = |payload| tamper(i, payload);
                let said = self.members[i].act_in(now, &mut voice);
                let said = said.map_err(self.at(i))?;
                self.send_out(i, &said)?;
            }
            What::Deadline(closing) => {
                // A deadline only prompts; one that was overtaken says nothing.
                if closing == self.closings {
                    return self.close(watch);
                }
                return Ok(());
            }
        }
        self.closer.look(self.members[self.contract.closer()].log());
        if self.closer.answered().iter().all(|a| *a)
            && self.closer.progress().phase() != Phase::Agreed
        {
            self.close(watch)?;
        }
        Ok(())
    }

    /// The prices that an answer names are there; so are all earlier ones.
    fn note_acknowledgement(&mut self, e: &Verified) {
        let Ok(e) = e.entry().envelope() else { return };
        if let (Payload::SharedVariables(s), Some(i)) =
            (&e.payload, self.contract.place(e.author.as_str()))
        {
            self.acknowledged[i] = self.acknowledged[i]
                .max(s.round.0 as usize)
                .min(self.openings.len());
        }
    }

    /// Sends what a member says, and what it said and nobody has closed with yet.
    fn send_out(&mut self, from: usize, said: &[Verified]) -> Result<(), Stopped> {
        if said.is_empty() {
            return Ok(());
        }
        let c = self.contract.closer();
        // Everything goes to the closer; allocations to all members of the
        // coupling as well. Messages for one receiver travel together.
        let mut bundles: BTreeMap<usize, Vec<Verified>> = BTreeMap::new();
        let unheard: Vec<Verified> = self.members[from].unheard().cloned().collect();
        for e in said {
            self.record(from, e)?;
            let Ok(envelope) = e.entry().envelope() else {
                continue;
            };
            match &envelope.payload {
                Payload::PlanDelta(d) => {
                    let Delta::Allocation { coupling, .. } = &d.delta else {
                        continue;
                    };
                    for to in self.touching(coupling.as_str()) {
                        if to != c {
                            bundles.entry(to).or_default().push(e.clone());
                        }
                    }
                }
                _ => self.reply_bytes[from] = bytes(e),
            }
        }
        if !unheard.is_empty() {
            bundles.insert(c, unheard);
        }
        for (to, bundle) in bundles {
            if to == from {
                self.plan(self.now_s, What::Arrive(to, bundle));
                continue;
            }
            let size = bundle.iter().map(bytes).sum();
            if let Some(arrival) = self.network.send(from, to, size, self.now_s) {
                self.plan(arrival, What::Arrive(to, bundle));
            }
        }
        Ok(())
    }

    fn touching(&self, coupling: &str) -> Vec<usize> {
        let frame = self.contract.frame();
        (0..frame.members.len())
            .filter(|&i| {
                frame.members[i]
                    .rows
                    .iter()
                    .any(|&r| frame.rows[r].coupling.as_str() == coupling)
            })
            .collect()
    }

    fn close(&mut self, watch: &mut dyn FnMut(&TimedRound) -> bool) -> Result<(), Stopped> {
        self.closings += 1;
        let c = self.contract.closer();
        let now = self.clock();
        let known = self.closer.progress().rounds().len();
        let opening = self
            .closer
            .close(&mut self.members[c], now)
            .map_err(self.at(c))?;
        let rounds = self.closer.progress().rounds();
        if rounds.len() > known {
            let round = TimedRound {
                closed: rounds[rounds.len() - 1].clone(),
                at_s: self.now_s - self.terms.start_s,
            };
            let go_on = watch(&round);
            self.rounds.push(round);
            if !go_on {
                self.ended = true;
                return self.record(c, &opening);
            }
        }
        let agreed = self.closer.progress().phase() == Phase::Agreed;
        if agreed
            || self.closings >= 2 * self.terms.most_rounds
            || (self.rounds.len() as u32 >= self.terms.most_rounds
                && self.closer.progress().phase() == Phase::Rounds)
        {
            self.ended = true;
            return self.record(c, &opening);
        }
        self.publish(opening)
    }

    /// Lets every member meet the closer, until all hold the same.
    fn drain(&mut self) -> u64 {
        let c = self.contract.closer();
        let mut bytes = 0;
        for pass in 0..MOST_PASSES {
            let digest = self.members[c].log().digest();
            if self.members.iter().all(|m| m.log().digest() == digest) {
                break;
            }
            for i in (0..self.members.len()).filter(|i| *i != c) {
                let mut pair = self.members.iter_mut().enumerate();
                let mut pair = pair.by_ref().filter(|(k, _)| *k == c || *k == i);
                if let (Some((_, a)), Some((_, b))) = (pair.next(), pair.next()) {
                    let mut salt = [0; 16];
                    salt[..8].copy_from_slice(&self.terms.seed.to_be_bytes());
                    salt[8..].copy_from_slice(&((pass << 32) | i as u64).to_be_bytes());
                    bytes += meet(&mut [a, b], Salt(salt));
                }
            }
        }
        bytes
    }

    fn finish(mut self, stopped: Option<Stopped>) -> Ended {
        let drained_bytes = self.drain();
        let progress = self.closer.progress();
        Ended {
            plan: progress.plan().cloned(),
            stopped,
            refused: self.members.iter().map(Member::unsaid).collect(),
            lower: progress.bounds().lower(),
            price: progress.call().points[0].price.clone(),
            x: self
                .members
                .iter()
                .map(|m| m.exchange().map(|e| e.x.clone()))
                .collect(),
            sent: self.network.sent(),
            carried: self.network.carried().clone(),
            virtual_time_s: self.now_s - self.terms.start_s,
            rounds: self.rounds,
            ledger: self.ledger,
            logs: self.members.iter().map(|m| m.log().clone()).collect(),
            drained_bytes,
        }
    }
}

/// How often all meet the closer at most. Twice is enough: once to bring it all, once
/// to take it home.
const MOST_PASSES: u64 = 4;

/// Two members exchange what their logs do not share; says how many bytes it took.
fn meet(members: &mut [&mut Member; 2], salt: Salt) -> u64 {
    let options = Options {
        budget_bytes: usize::MAX / 2,
        ..Options::new(salt)
    };
    let mut sides = [
        Session::open(members[0].log(), PeerRecord::default(), options),
        Session::answer(PeerRecord::default(), options),
    ];
    let (mut bytes, mut turn, mut quiet) = (0, 0, 0);
    while quiet < 2 {
        let other = 1 - turn;
        quiet += 1;
        while let Some(message) = sides[turn].poll() {
            quiet = 0;
            bytes += message.len() as u64;
            // Both run this very code: what one says the other understands. Where
            // not, their logs differ in the end, and that is found.
            let Ok(entries) = sides[other].receive(&message) else {
                return bytes;
            };
            let log_terms = members[other].log().terms().clone();
            for verified in entries.into_iter().filter_map(|e| log_terms.verify(e).ok()) {
                let _ = members[other].hold(verified);
            }
            if sides[other].advance(members[other].log()).is_err() {
                return bytes;
            }
        }
        turn = other;
    }
    bytes
}
