//! An agreement in virtual time.
//!
//! Closers and members are the state machines of `coordination`; here their messages
//! take their time over the contact plan, their timers run, and links are cut. How long
//! a timer runs comes from the contact plan: an answer that it lets arrive within the
//! round's limit is waited for, and none beyond.

mod granting;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use cosmosmesh_contact::ContactPlan;
use cosmosmesh_coordination::closing::ask::Ask;
use cosmosmesh_coordination::closing::closer::{Action, Closer, Timer};
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
    /// The log of each member, after all that are in reach have met until they hold the
    /// same.
    pub logs: Vec<Log>,
    /// Members that nobody can reach in the end.
    pub gone: Vec<usize>,
    /// Who holds a certificate that all have signed off the plan.
    pub finals: Vec<bool>,
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

/// Whether one member's messages get through to another at a time, in seconds since the
/// start; what the contact plan and chance have to say comes on top.
pub type Reach<'a> = dyn Fn(usize, usize, f64) -> bool + 'a;

/// What goes wrong in an agreement.
pub struct Mischief<'a> {
    /// What becomes of statements.
    pub tamper: &'a mut Tamper<'a>,
    /// Which links are cut.
    pub reach: &'a Reach<'a>,
}

impl std::fmt::Debug for Mischief<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mischief").finish_non_exhaustive()
    }
}

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
    /// Somebody asks a member.
    Asked(usize, usize, Ask),
    /// A member has finished thinking.
    Act(usize),
    /// A closer's timer has passed.
    Passed(usize, Timer),
    /// A member has heard nothing new since it knew of that round, so often already.
    Silence(usize, u32, u32),
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
    let none = Mischief {
        tamper: &mut |_, payload| vec![payload],
        reach: &|_, _, _| true,
    };
    run_with(contract, members, plan, terms, none, watch)
}

/// The same with members that do not say what they should, and links that are cut.
///
/// # Errors
///
/// As [`run`].
pub fn run_with(
    contract: &Arc<Contract>,
    members: Vec<Member>,
    plan: &ContactPlan,
    terms: Terms,
    mischief: Mischief<'_>,
    watch: &mut dyn FnMut(&TimedRound) -> bool,
) -> Result<Ended, UnknownNode> {
    let names: Vec<String> = contract.members().iter().map(ToString::to_string).collect();
    let network = Network::new(plan, &names, terms.overhead_bytes, terms.loss, terms.seed)?;
    let closers = contract.closers().iter();
    let mut run = Run {
        closers: closers
            .map(|c| (*c, Closer::new(contract.clone(), *c)))
            .collect(),
        contract: contract.clone(),
        names,
        network,
        terms,
        queue: BinaryHeap::new(),
        order: 0,
        now_s: terms.start_s,
        call_bytes: 0,
        reply_bytes: vec![0; members.len()],
        thinking: vec![false; members.len()],
        members,
        mischief,
        rounds: Vec::new(),
    };
    let stopped = run.until_ended(watch).err();
    Ok(run.finish(stopped))
}

/// What an entry takes on a link, overheads aside.
fn bytes(e: &Verified) -> u64 {
    e.entry().to_bytes().len() as u64
}

struct Run<'t> {
    contract: Arc<Contract>,
    names: Vec<String>,
    closers: BTreeMap<usize, Closer>,
    network: Network,
    terms: Terms,
    queue: BinaryHeap<Reverse<Event>>,
    order: u64,
    now_s: f64,
    members: Vec<Member>,
    mischief: Mischief<'t>,
    /// Size of the last call.
    call_bytes: u64,
    /// Size of each member's last answer.
    reply_bytes: Vec<u64>,
    thinking: Vec<bool>,
    rounds: Vec<TimedRound>,
}

impl Run<'_> {
    fn until_ended(&mut self, watch: &mut dyn FnMut(&TimedRound) -> bool) -> Result<(), Stopped> {
        for c in self.contract.closers().to_vec() {
            self.prompt(c, None)?;
        }
        for i in 0..self.members.len() {
            self.await_calls(i, 0);
        }
        let last_s = self.terms.start_s
            + self.terms.round_limit_s * f64::from(self.terms.most_rounds) * PATIENCE;
        while let Some(Reverse(event)) = self.queue.pop() {
            if event.at_s > last_s {
                break;
            }
            self.now_s = event.at_s;
            self.handle(event.what)?;
            if !self.report(watch) || self.is_over() {
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

    fn clock(&self) -> UtcSeconds {
        UtcSeconds(self.now_s.floor() as i64)
    }

    fn since_start_s(&self) -> f64 {
        self.now_s - self.terms.start_s
    }

    /// Whether messages get through both ways.
    fn meets(&self, a: usize, b: usize) -> bool {
        let (reach, at_s) = (self.mischief.reach, self.since_start_s());
        a == b || reach(a, b, at_s) && reach(b, a, at_s)
    }

    /// The closer that has come furthest, of those that reach most others.
    fn hub(&self) -> usize {
        let reached = |c: usize| {
            let all = 0..self.members.len();
            all.filter(|i| self.meets(c, *i)).count()
        };
        let round = |c: &Closer| c.progress().map_or(0, |p| p.round());
        let best = self
            .closers
            .iter()
            .max_by_key(|(c, closer)| (reached(**c), round(closer), Reverse(**c)));
        *best.expect("a contract has a closer").0
    }

    /// Tells of the rounds that are closed for the closer that has come furthest.
    fn report(&mut self, watch: &mut dyn FnMut(&TimedRound) -> bool) -> bool {
        let closers = self.closers.values();
        let rounds = closers.filter_map(|c| Some(c.progress()?.rounds()));
        let most = rounds.max_by_key(|rounds| rounds.len());
        let closed: Vec<_> = most.map_or(Vec::new(), |all| all[self.rounds.len()..].to_vec());
        for closed in closed {
            let round = TimedRound {
                closed,
                at_s: self.since_start_s(),
            };
            let go_on = watch(&round);
            self.rounds.push(round);
            if !go_on {
                return false;
            }
        }
        true
    }

    /// Whether all that can be reached hold the certificate of a plan, or the rounds are
    /// used up.
    fn is_over(&self) -> bool {
        let most = self.terms.most_rounds;
        let used_up = self.closers.values().filter_map(|c| c.progress()).any(|p| {
            let in_rounds = p.phase() == Phase::Rounds;
            p.round() > 2 * most || in_rounds && p.rounds().len() as u32 >= most
        });
        if used_up {
            return true;
        }
        if !self.members.iter().any(Member::is_final) {
            return false;
        }
        let hub = self.hub();
        let mut there = (0..self.members.len()).filter(|i| self.meets(hub, *i));
        there.all(|i| self.members[i].is_final())
    }

    fn handle(&mut self, what: What) -> Result<(), Stopped> {
        match what {
            What::Arrive(i, entries) => {
                let before = self.members[i].newest();
                for e in &entries {
                    // A member passes over what does not fit. It is among what the
                    // ledger leaves out.
                    let _ = self.members[i].hear(e);
                }
                if self.members[i].newest() > before {
                    self.await_calls(i, 0);
                }
                self.prompt(i, None)?;
                self.think(i);
            }
            What::Asked(i, from, ask) => {
                if let Some(closer) = self.closers.get(&i) {
                    let entries = closer.answer(from, &ask, self.members[i].log());
                    self.send(i, from, entries);
                }
            }
            What::Act(i) => {
                self.thinking[i] = false;
                let now = self.clock();
                let tamper = &mut *self.mischief.tamper;
                let mut voice = |payload| tamper(i, payload);
                let said = self.members[i].act_in(now, &mut voice);
                let said = said.map_err(self.at(i))?;
                self.send_out(i, &said);
                self.prompt(i, None)?;
            }
            What::Passed(c, timer) => self.prompt(c, Some(timer))?,
            What::Silence(i, round, tries) => {
                let member = &self.members[i];
                if member.newest() == round && !member.is_final() {
                    let ask = member.ask();
                    let closers = self.contract.closers();
                    let to = closers[(i + tries as usize) % closers.len()];
                    self.ask(i, to, ask);
                    self.await_calls(i, tries + 1);
                }
            }
        }
        Ok(())
    }

    /// A member that is a closer looks at what is new, or at a timer that has passed.
    fn prompt(&mut self, c: usize, timer: Option<Timer>) -> Result<(), Stopped> {
        let now = self.clock();
        let tamper = &mut *self.mischief.tamper;
        let mut voice = |payload| tamper(c, payload);
        let Some(closer) = self.closers.get_mut(&c) else {
            return Ok(());
        };
        let member = &mut self.members[c];
        let actions = match timer {
            Some(timer) => closer.passed(timer, member, now, &mut voice),
            None if !closer.has_begun() => closer.start(member, now, &mut voice),
            None => closer.heard(member, now, &mut voice),
        };
        let actions = actions.map_err(self.at(c))?;
        for action in actions {
            match action {
                Action::Send { to, entries } => self.send(c, to, entries),
                Action::Ask { to, ask } => self.ask(c, to, ask),
                Action::Wait(timer) => {
                    let wait_s = self.wait_s(c, timer);
                    self.plan(self.now_s + wait_s, What::Passed(c, timer));
                }
            }
        }
        // What it says itself it may have to answer.
        self.think(c);
        Ok(())
    }

    fn think(&mut self, i: usize) {
        if !self.thinking[i] {
            self.thinking[i] = true;
            self.plan(self.now_s + self.terms.compute_s, What::Act(i));
        }
    }

    fn send(&mut self, from: usize, to: usize, entries: Vec<Verified>) {
        if entries.is_empty() {
            return;
        }
        let size = entries.iter().map(bytes).sum();
        if let Some(arrival) = self.carry(from, to, size) {
            self.plan(arrival, What::Arrive(to, entries));
        }
    }

    fn ask(&mut self, from: usize, to: usize, ask: Ask) {
        if let Some(arrival) = self.carry(from, to, ask.bytes()) {
            self.plan(arrival, What::Asked(to, from, ask));
        }
    }

    /// When bytes arrive, if they do.
    fn carry(&mut self, from: usize, to: usize, size: u64) -> Option<f64> {
        let arrival = self.network.send(from, to, size, self.now_s)?;
        let reach = self.mischief.reach;
        reach(from, to, self.since_start_s()).then_some(arrival)
    }

    /// How long a closer's timer runs.
    fn wait_s(&self, c: usize, timer: Timer) -> f64 {
        let limit_s = self.terms.round_limit_s;
        let wait_s = match timer {
            Timer::Answers { .. } => self.answers_s(c),
            Timer::Certificate { attempt, .. } => {
                let once = self.answers_s(c) + 4.0 * self.trip_s(c);
                return once * f64::from(1 << attempt.min(MOST_DOUBLINGS));
            }
            Timer::Repair {
                after_answers,
                tries,
                ..
            } => {
                let answers = if after_answers {
                    self.answers_s(c)
                } else {
                    0.0
                };
                let trip = 2.0 * self.trip_s(c) + self.terms.clock_bound_s;
                answers + trip * f64::from(1 << tries.min(MOST_DOUBLINGS))
            }
        };
        wait_s.min(limit_s)
    }

    /// How long a call to another closer takes at most, as far as it arrives within the
    /// round's limit.
    fn trip_s(&self, c: usize) -> f64 {
        let others = self.contract.closers().iter().filter(|to| **to != c);
        let trips = others.filter_map(|to| {
            let there = self.network.expect(c, *to, self.call_bytes, self.now_s);
            there.map(|t| t - self.now_s)
        });
        let limit_s = self.terms.round_limit_s;
        trips.filter(|t| *t <= limit_s).fold(0.0, f64::max)
    }

    /// How long it takes until all answers are there that the plan lets arrive within the
    /// round's limit.
    fn answers_s(&self, c: usize) -> f64 {
        let limit_s = self.now_s + self.terms.round_limit_s;
        let mut deadline_s = self.now_s;
        for i in (0..self.members.len()).filter(|i| *i != c) {
            // What the plan promises, whether or not it is lost.
            let there = self.network.expect(c, i, self.call_bytes, self.now_s);
            let estimate = self.reply_bytes[i].max(self.guess_bytes(i));
            let back = there.and_then(|t| {
                self.network
                    .expect(i, c, estimate, t + self.terms.compute_s)
            });
            if let Some(back) = back.filter(|b| *b <= limit_s) {
                deadline_s = deadline_s.max(back);
            }
        }
        let progress = self.closers[&c].progress();
        let settling = progress.is_some_and(|p| matches!(p.phase(), Phase::Settling(_)));
        // The slack members of a settlement answer after the others.
        let trips = if settling { 2.0 } else { 1.0 };
        let wait = (deadline_s - self.now_s) * trips
            + self.terms.clock_bound_s
            + self.terms.compute_s * trips
            + 0.25 * (deadline_s - self.now_s);
        wait.min(self.terms.round_limit_s)
    }

    /// About how large the first answer of a member will be.
    fn guess_bytes(&self, i: usize) -> u64 {
        let m = self.contract.frame().members[i].rows.len() as u64;
        5 * m * (m + 1) / 2 + 200
    }

    /// A member that is no closer asks when it hears nothing new for long: two rounds,
    /// and twice as long each time.
    fn await_calls(&mut self, i: usize, tries: u32) {
        if self.closers.contains_key(&i) || self.members[i].is_final() {
            return;
        }
        let first = self.contract.closers()[0];
        let twice = 2.0 * self.answers_s(first);
        let wait_s = twice * f64::from(1 << tries.min(MOST_DOUBLINGS));
        let newest = self.members[i].newest();
        self.plan(self.now_s + wait_s, What::Silence(i, newest, tries));
    }

    /// Sends what a member says, and what it said and nobody has closed with yet.
    fn send_out(&mut self, from: usize, said: &[Verified]) {
        if said.is_empty() {
            return;
        }
        // Everything goes to the closers; allocations to all members of the
        // coupling as well. Messages for one receiver travel together.
        let mut bundles: BTreeMap<usize, Vec<Verified>> = BTreeMap::new();
        let unheard: Vec<Verified> = self.members[from].unheard().cloned().collect();
        for e in said {
            let Ok(envelope) = e.entry().envelope() else {
                continue;
            };
            match &envelope.payload {
                Payload::PlanDelta(d) => {
                    let Delta::Allocation { coupling, .. } = &d.delta else {
                        continue;
                    };
                    for to in self.touching(coupling.as_str()) {
                        bundles.entry(to).or_default().push(e.clone());
                    }
                }
                _ => self.reply_bytes[from] = bytes(e),
            }
        }
        for c in self.contract.closers() {
            let bundle = bundles.entry(*c).or_default();
            let again = unheard.iter().map(|e| e.entry().id());
            let again: BTreeSet<_> = again.collect();
            bundle.retain(|e| !again.contains(&e.entry().id()));
            bundle.splice(..0, unheard.iter().cloned());
        }
        bundles.remove(&from);
        for (to, bundle) in bundles {
            self.send(from, to, bundle);
        }
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

    /// Lets every member that can be reached meet one closer, until all hold the same.
    fn drain(&mut self, hub: usize) -> u64 {
        let there: Vec<usize> = (0..self.members.len())
            .filter(|i| self.meets(hub, *i))
            .collect();
        let mut bytes = 0;
        for pass in 0..MOST_PASSES {
            let digest = self.members[hub].log().digest();
            if there
                .iter()
                .all(|i| self.members[*i].log().digest() == digest)
            {
                break;
            }
            for i in there.iter().copied().filter(|i| *i != hub) {
                if let Some(mut pair) = pair(&mut self.members, hub, i) {
                    let mut salt = [0; 16];
                    salt[..8].copy_from_slice(&self.terms.seed.to_be_bytes());
                    salt[8..].copy_from_slice(&((pass << 32) | i as u64).to_be_bytes());
                    let free = &mut |_, _| true;
                    bytes += meet(&mut pair, Salt(salt), &mut Default::default(), free);
                }
            }
        }
        bytes
    }

    fn finish(mut self, mut stopped: Option<Stopped>) -> Ended {
        let hub = self.hub();
        if self.members[hub].is_final()
            && let Err(stop) = self.grant_all(hub)
        {
            stopped.get_or_insert(stop);
        }
        let drained_bytes = self.drain(hub);
        let progress = self.closers[&hub].progress().cloned();
        let gone = (0..self.members.len()).filter(|i| !self.meets(hub, *i));
        Ended {
            plan: progress.as_ref().and_then(|p| p.plan().cloned()),
            gone: gone.collect(),
            finals: self.members.iter().map(Member::is_final).collect(),
            stopped,
            refused: self.members.iter().map(Member::unsaid).collect(),
            lower: progress.as_ref().and_then(|p| p.bounds().lower()),
            price: progress.map_or(Vec::new(), |p| p.call().points[0].price.clone()),
            x: self
                .members
                .iter()
                .map(|m| m.exchange().map(|e| e.x.clone()))
                .collect(),
            sent: self.network.sent(),
            carried: self.network.carried().clone(),
            virtual_time_s: self.now_s - self.terms.start_s,
            rounds: self.rounds,
            ledger: Ledger::of(self.contract, self.members[hub].log().clone()),
            logs: self.members.iter().map(|m| m.log().clone()).collect(),
            drained_bytes,
        }
    }
}

/// How often all meet the closer at most. Twice is enough: once to bring it all, once
/// to take it home.
const MOST_PASSES: u64 = 4;
/// How often a wait is doubled at most.
const MOST_DOUBLINGS: u32 = 6;
/// How many times the limits of all rounds an agreement may take before it is given up.
const PATIENCE: f64 = 4.0;

/// Two of the members, the one of the lower number first.
fn pair(members: &mut [Member], one: usize, other: usize) -> Option<[&mut Member; 2]> {
    let mut both = members.iter_mut().enumerate();
    let mut both = both.by_ref().filter(|(k, _)| *k == one || *k == other);
    Some([both.next()?.1, both.next()?.1])
}

/// Two members exchange what their logs do not share; says how many bytes it took.
/// `carry` is told which side sends how much, and says whether it arrives.
fn meet(
    members: &mut [&mut Member; 2],
    salt: Salt,
    records: &mut [PeerRecord; 2],
    carry: &mut dyn FnMut(usize, u64) -> bool,
) -> u64 {
    let options = Options {
        budget_bytes: usize::MAX / 2,
        ..Options::new(salt)
    };
    let [one, other] = records.clone();
    let mut sides = [
        Session::open(members[0].log(), one, options),
        Session::answer(other, options),
    ];
    let mut bytes = 0;
    let _ = talk(members, &mut sides, &mut |side, size| {
        bytes += size;
        carry(side, size)
    });
    *records = sides.each_ref().map(|side| side.record().clone());
    bytes
}

/// Carries messages to and fro until both sides are silent; nothing if that ends early.
fn talk(
    members: &mut [&mut Member; 2],
    sides: &mut [Session; 2],
    carry: &mut dyn FnMut(usize, u64) -> bool,
) -> Option<()> {
    let (mut turn, mut quiet) = (0, 0);
    while quiet < 2 {
        let other = 1 - turn;
        quiet += 1;
        while let Some(message) = sides[turn].poll() {
            quiet = 0;
            if !carry(turn, message.len() as u64) {
                return None;
            }
            // Both run this very code: what one says the other understands. Where
            // not, their logs differ in the end, and that is found.
            let entries = sides[other].receive(&message).ok()?;
            let log_terms = members[other].log().terms().clone();
            for verified in entries.into_iter().filter_map(|e| log_terms.verify(e).ok()) {
                let _ = members[other].hear(&verified);
            }
            sides[other].advance(members[other].log()).ok()?;
        }
        turn = other;
    }
    Some(())
}
