//! An agreement in virtual time.
//!
//! Whoever takes part is a [`Node`], with a disk in memory; here frames take their time
//! over the contact plan, timers run, and things go wrong ([`Mischief`]). How long a timer
//! runs comes from the contact plan: an answer that it lets arrive within the round's limit
//! is waited for, and none beyond.

mod granting;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use cosmosmesh_contact::ContactPlan;
use cosmosmesh_coordination::closing::closer;
use cosmosmesh_coordination::contract::Contract;
use cosmosmesh_coordination::ledger::Ledger;
use cosmosmesh_coordination::member::{Member, MemberError};
use cosmosmesh_coordination::progress::{ClosedRound, Phase, Plan};
use cosmosmesh_log::Log;
use cosmosmesh_log::store::FaultyDisk;
use cosmosmesh_log::sync::sketch::Salt;
use cosmosmesh_mission::{Payload, UtcSeconds};
use cosmosmesh_node::meeting::meet;
use cosmosmesh_node::node::{Action, Event as Happening, Halted, Life, Node, Timer};
use cosmosmesh_optimize::seeded::Seeded;

use crate::network::{Carried, Network, UnknownNode};
use crate::upset::{Noise, Upset, Upsetting};

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
    pub source: Box<Halted>,
}

/// What becomes of a statement before the member of that number signs it:
/// nothing, itself, or whatever a test puts in its place.
pub type Tamper<'a> = dyn FnMut(usize, Payload) -> Vec<Payload> + 'a;

/// Whether one member's messages get through to another at a time, in seconds since the
/// start; what the contact plan and chance have to say comes on top.
pub type Reach<'a> = dyn Fn(usize, usize, f64) -> bool + 'a;

/// Makes the member of a number anew: its problem and its key outlive its node.
pub type Maker<'a> = dyn Fn(usize) -> Result<Member, MemberError> + 'a;

/// What goes wrong in an agreement.
pub struct Mischief<'a> {
    /// What becomes of statements.
    pub tamper: &'a mut Tamper<'a>,
    /// Which links are cut.
    pub reach: &'a Reach<'a>,
    /// What else becomes of frames on their way.
    pub noise: Noise,
    /// What befalls nodes, and when.
    pub upsets: &'a [Upset],
}

impl std::fmt::Debug for Mischief<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mischief").finish_non_exhaustive()
    }
}

/// Why an agreement cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A member has no node in the contact plan.
    #[error(transparent)]
    Unknown(#[from] UnknownNode),
    /// A member cannot be made.
    #[error(transparent)]
    Member(#[from] MemberError),
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
    /// A frame arrives, from somebody.
    Arrive(usize, usize, Vec<u8>),
    /// A timer of a node has passed, set in which of its lives.
    Passed(usize, u32, Timer),
    /// Something befalls a node: of that number in the list.
    Upset(usize),
    /// A node comes back.
    Rise(usize),
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
/// When a member has no node in the contact plan, or cannot be made. Running out of
/// rounds is no error, nor is a member that cannot go on: the outcome then has no plan.
pub fn run<'t>(
    contract: &Arc<Contract>,
    make: &'t Maker<'t>,
    plan: &ContactPlan,
    terms: Terms,
    mischief: Mischief<'t>,
    watch: &mut dyn FnMut(&TimedRound) -> bool,
) -> Result<Ended, RunError> {
    let names: Vec<String> = contract.members().iter().map(ToString::to_string).collect();
    let network = Network::new(plan, &names, terms.overhead_bytes, terms.loss, terms.seed)?;
    let count = names.len();
    let mut run = Run {
        contract: contract.clone(),
        make,
        noise: Seeded::new(mischief.noise.seed),
        names,
        network,
        terms,
        queue: BinaryHeap::new(),
        order: 0,
        now_s: terms.start_s,
        disks: (0..count).map(|_| FaultyDisk::new()).collect(),
        backups: vec![None; count],
        nodes: (0..count).map(|_| None).collect(),
        lives: vec![0; count],
        skew_s: vec![0; count],
        mischief,
        rounds: Vec::new(),
    };
    for i in 0..count {
        run.open(i, Life::First)?;
    }
    let stopped = run.until_ended(watch).err();
    Ok(run.finish(stopped)?)
}

struct Run<'t> {
    contract: Arc<Contract>,
    make: &'t Maker<'t>,
    names: Vec<String>,
    network: Network,
    terms: Terms,
    noise: Seeded,
    queue: BinaryHeap<Reverse<Event>>,
    order: u64,
    now_s: f64,
    disks: Vec<FaultyDisk>,
    /// What a disk held when its backup was made.
    backups: Vec<Option<FaultyDisk>>,
    /// The nodes that are up.
    nodes: Vec<Option<Node<FaultyDisk>>>,
    /// How often each has come back.
    lives: Vec<u32>,
    /// By how much its clock is wrong.
    skew_s: Vec<i64>,
    mischief: Mischief<'t>,
    rounds: Vec<TimedRound>,
}

impl Run<'_> {
    fn until_ended(&mut self, watch: &mut dyn FnMut(&TimedRound) -> bool) -> Result<(), Stopped> {
        for at in 0..self.mischief.upsets.len() {
            let at_s = self.terms.start_s + self.mischief.upsets[at].at_s;
            self.plan(at_s, What::Upset(at));
        }
        // Closers first: who begins decides nothing else.
        let closers = self.contract.closers().to_vec();
        let others = (0..self.nodes.len()).filter(|i| !closers.contains(i));
        for i in closers.iter().copied().chain(others) {
            self.happens(i, Happening::Start)?;
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

    /// Starts a node from what its disk holds.
    fn open(&mut self, i: usize, life: Life) -> Result<(), MemberError> {
        let member = (self.make)(i)?;
        self.lives[i] += 1;
        // A store that cannot be opened is a node that stays away.
        self.nodes[i] = Node::open(self.contract.clone(), member, self.disks[i].clone(), life).ok();
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

    fn clock(&self, i: usize) -> UtcSeconds {
        UtcSeconds(self.now_s.floor() as i64 + self.skew_s[i])
    }

    fn since_start_s(&self) -> f64 {
        self.now_s - self.terms.start_s
    }

    /// Whether messages get through both ways.
    fn meets(&self, a: usize, b: usize) -> bool {
        let (reach, at_s) = (self.mischief.reach, self.since_start_s());
        a == b || reach(a, b, at_s) && reach(b, a, at_s)
    }

    fn member(&self, i: usize) -> Option<&Member> {
        Some(self.nodes[i].as_ref()?.member())
    }

    fn closer(&self, i: usize) -> Option<&closer::Closer> {
        self.nodes[i].as_ref()?.closer()
    }

    /// The closers that are up.
    fn closers(&self) -> impl Iterator<Item = (usize, &closer::Closer)> {
        let closers = self.contract.closers().iter();
        closers.filter_map(|c| Some((*c, self.closer(*c)?)))
    }

    /// The closer that has come furthest, of those that reach most others.
    fn hub(&self) -> usize {
        let reached = |c: usize| {
            let all = 0..self.nodes.len();
            all.filter(|i| self.meets(c, *i)).count()
        };
        let round = |c: &closer::Closer| c.progress().map_or(0, |p| p.round());
        let best = self
            .closers()
            .max_by_key(|(c, closer)| (reached(*c), round(closer), Reverse(*c)));
        best.map_or(self.contract.closers()[0], |(c, _)| c)
    }

    /// Tells of the rounds that are closed for the closer that has come furthest.
    fn report(&mut self, watch: &mut dyn FnMut(&TimedRound) -> bool) -> bool {
        let rounds = self
            .closers()
            .filter_map(|(_, c)| Some(c.progress()?.rounds()));
        let most = rounds.max_by_key(|rounds| rounds.len());
        // One that comes back may be behind what others had closed.
        let new = most.and_then(|all| all.get(self.rounds.len()..));
        for closed in new.map_or(Vec::new(), <[_]>::to_vec) {
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
        let mut known = self.closers().filter_map(|(_, c)| c.progress());
        let used_up = known.any(|p| {
            let in_rounds = p.phase() == Phase::Rounds;
            p.round() > 2 * most || in_rounds && p.rounds().len() as u32 >= most
        });
        if used_up {
            return true;
        }
        let is_final = |i: usize| self.member(i).is_some_and(Member::is_final);
        if !(0..self.nodes.len()).any(is_final) {
            return false;
        }
        let hub = self.hub();
        let mut there = (0..self.nodes.len()).filter(|i| self.meets(hub, *i));
        there.all(is_final)
    }

    fn handle(&mut self, what: What) -> Result<(), Stopped> {
        match what {
            What::Arrive(to, from, frame) => {
                let frame = &frame;
                self.happens(to, Happening::Arrived { from, frame })
            }
            What::Passed(i, life, timer) if self.lives[i] == life => {
                self.happens(i, Happening::Passed(timer))
            }
            What::Passed(..) => Ok(()),
            What::Upset(at) => self.upset(at),
            What::Rise(i) => self.rise(i),
        }
    }

    /// Lets something happen to a node, and does what it says.
    fn happens(&mut self, i: usize, event: Happening<'_>) -> Result<(), Stopped> {
        let now = self.clock(i);
        let tamper = &mut *self.mischief.tamper;
        let mut voice = |payload| tamper(i, payload);
        let Some(node) = &mut self.nodes[i] else {
            return Ok(());
        };
        match node.handle_in(event, now, &mut voice) {
            Ok(actions) => {
                for action in actions {
                    match action {
                        Action::Send { to, frame } => self.send(i, to, frame),
                        Action::Wait(timer) => {
                            let wait_s = self.wait_s(i, timer);
                            let life = self.lives[i];
                            self.plan(self.now_s + wait_s, What::Passed(i, life, timer));
                        }
                    }
                }
                Ok(())
            }
            // It is started again.
            Err(Halted::Store(_) | Halted::Behind(_)) => {
                let seed = self.noise.next_u64();
                self.fall(i, seed, RISE_S);
                Ok(())
            }
            Err(source) => Err(Stopped {
                member: self.names[i].clone(),
                source: Box::new(source),
            }),
        }
    }

    fn upset(&mut self, at: usize) -> Result<(), Stopped> {
        let Upset {
            member: i, what, ..
        } = self.mischief.upsets[at];
        match what {
            Upsetting::Crash { seed, down_s } => self.fall(i, seed, down_s),
            Upsetting::StopDisk { operations } => self.disks[i].stop_after(operations),
            Upsetting::FillDisk { bytes } => self.disks[i].limit(Some(bytes)),
            Upsetting::Clock { skew_s } => self.skew_s[i] = skew_s,
            Upsetting::Backup => self.backups[i] = Some(self.disks[i].crash(0)),
            Upsetting::Restore { down_s } => {
                self.fall(i, 0, down_s);
                if let Some(backup) = &self.backups[i] {
                    self.disks[i] = backup.crash(0);
                }
            }
            Upsetting::LinkUp { with } => {
                self.happens(i, Happening::LinkUp(with))?;
                self.happens(with, Happening::LinkUp(i))?;
            }
        }
        Ok(())
    }

    /// A node goes down, and of what its disk had not been told to keep that is kept which
    /// the seed says.
    fn fall(&mut self, i: usize, seed: u64, down_s: f64) {
        // One that is down already rises when it was to.
        if self.nodes[i].take().is_some() {
            self.disks[i] = self.disks[i].crash(seed);
            self.plan(self.now_s + down_s, What::Rise(i));
        }
    }

    fn rise(&mut self, i: usize) -> Result<(), Stopped> {
        let opened = self.open(i, Life::Again);
        opened.map_err(|source| Stopped {
            member: self.names[i].clone(),
            source: Box::new(source.into()),
        })?;
        self.happens(i, Happening::Start)
    }

    fn send(&mut self, from: usize, to: usize, frame: Vec<u8>) {
        let copies = self.mischief.noise.fate(&mut self.noise, frame);
        for (frame, late_s) in copies {
            if let Some(arrival) = self.carry(from, to, frame.len() as u64) {
                self.plan(arrival + late_s, What::Arrive(to, from, frame));
            }
        }
    }

    /// When bytes arrive, if they do.
    fn carry(&mut self, from: usize, to: usize, size: u64) -> Option<f64> {
        let arrival = self.network.send(from, to, size, self.now_s)?;
        let reach = self.mischief.reach;
        reach(from, to, self.since_start_s()).then_some(arrival)
    }

    /// How long a timer runs.
    fn wait_s(&self, i: usize, timer: Timer) -> f64 {
        let limit_s = self.terms.round_limit_s;
        let there_and_back = || 2.0 * self.trip_s(i) + self.terms.clock_bound_s;
        let wait_s = match timer {
            Timer::Think => return self.terms.compute_s,
            Timer::Silence { tries, .. } => {
                let first = self.contract.closers()[0];
                return 2.0 * self.answers_s(first) * doubled(tries);
            }
            Timer::Heads { tries } => there_and_back() * doubled(tries),
            Timer::Closer(closer::Timer::Answers { .. }) => self.answers_s(i),
            Timer::Closer(closer::Timer::Certificate { attempt, .. }) => {
                let once = self.answers_s(i) + 4.0 * self.trip_s(i);
                return once * doubled(attempt);
            }
            Timer::Closer(closer::Timer::Repair {
                after_answers,
                tries,
                ..
            }) => {
                let answers = if after_answers {
                    self.answers_s(i)
                } else {
                    0.0
                };
                answers + there_and_back() * doubled(tries)
            }
        };
        wait_s.min(limit_s)
    }

    /// How long a call to another closer takes at most, as far as it arrives within the
    /// round's limit.
    fn trip_s(&self, c: usize) -> f64 {
        let others = self.contract.closers().iter().filter(|to| **to != c);
        let trips = others.filter_map(|to| {
            let there = self.network.expect(c, *to, 0, self.now_s);
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
        for i in (0..self.nodes.len()).filter(|i| *i != c) {
            // What the plan promises, whether or not it is lost.
            let there = self.network.expect(c, i, 0, self.now_s);
            let last = self.closer(c).map_or(0, |closer| closer.answer_bytes(i));
            let estimate = last.max(self.guess_bytes(i));
            let back = there.and_then(|t| {
                self.network
                    .expect(i, c, estimate, t + self.terms.compute_s)
            });
            if let Some(back) = back.filter(|b| *b <= limit_s) {
                deadline_s = deadline_s.max(back);
            }
        }
        let progress = self.closer(c).and_then(closer::Closer::progress);
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

    /// Lets every member that can be reached meet one closer, until all hold the same.
    fn drain(&mut self, hub: usize) -> u64 {
        let there: Vec<usize> = (0..self.nodes.len())
            .filter(|i| self.meets(hub, *i))
            .collect();
        let digest = |run: &Self, i| run.member(i).map(|m| m.log().digest());
        let mut bytes = 0;
        for pass in 0..MOST_PASSES {
            let wanted = digest(self, hub);
            if there.iter().all(|i| digest(self, *i) == wanted) {
                break;
            }
            for i in there.iter().copied().filter(|i| *i != hub) {
                let mut pair = self.nodes.iter_mut().enumerate();
                let mut pair = pair.by_ref().filter(|(k, _)| *k == hub || *k == i);
                if let (Some((_, Some(a))), Some((_, Some(b)))) = (pair.next(), pair.next()) {
                    let mut salt = [0; 16];
                    salt[..8].copy_from_slice(&self.terms.seed.to_be_bytes());
                    salt[8..].copy_from_slice(&((pass << 32) | i as u64).to_be_bytes());
                    let free = &mut |_, _| true;
                    // A disk that fails now leaves a log that is not that of the others.
                    let met = meet(&mut [a, b], Salt(salt), &mut Default::default(), free);
                    bytes += met.unwrap_or(0);
                }
            }
        }
        bytes
    }

    fn finish(mut self, mut stopped: Option<Stopped>) -> Result<Ended, MemberError> {
        // Who is down is looked at as it would come back.
        for i in 0..self.nodes.len() {
            self.disks[i].limit(None);
            if self.nodes[i].is_none() {
                self.open(i, Life::Again)?;
            }
        }
        let hub = self.hub();
        if self.member(hub).is_some_and(Member::is_final)
            && let Err(stop) = self.grant_all(hub)
        {
            stopped.get_or_insert(stop);
        }
        let drained_bytes = self.drain(hub);
        let progress = self.closer(hub).and_then(closer::Closer::progress).cloned();
        let gone =
            (0..self.nodes.len()).filter(|i| self.member(*i).is_none() || !self.meets(hub, *i));
        let members = || (0..self.nodes.len()).map(|i| self.member(i));
        let empty = Log::new(self.contract.terms().clone());
        let log = |m: Option<&Member>| m.map_or_else(|| empty.clone(), |m| m.log().clone());
        Ok(Ended {
            plan: progress.as_ref().and_then(|p| p.plan().cloned()),
            gone: gone.collect(),
            finals: members().map(|m| m.is_some_and(Member::is_final)).collect(),
            stopped,
            refused: members().map(|m| m.map_or(0, Member::unsaid)).collect(),
            lower: progress.as_ref().and_then(|p| p.bounds().lower()),
            price: progress.map_or(Vec::new(), |p| p.call().points[0].price.clone()),
            x: members().map(|m| Some(m?.exchange()?.x.clone())).collect(),
            sent: self.network.sent(),
            carried: self.network.carried().clone(),
            virtual_time_s: self.now_s - self.terms.start_s,
            ledger: Ledger::of(self.contract.clone(), log(self.member(hub))),
            logs: members().map(log).collect(),
            rounds: self.rounds,
            drained_bytes,
        })
    }
}

/// How often all meet the closer at most. Twice is enough: once to bring it all, once
/// to take it home.
const MOST_PASSES: u64 = 4;
/// How often a wait is doubled at most.
const MOST_DOUBLINGS: u32 = 6;
/// How many times the limits of all rounds an agreement may take before it is given up.
const PATIENCE: f64 = 4.0;
/// How long a node is down that its disk stopped, in seconds.
const RISE_S: f64 = 5.0;

/// Twice as much with each try.
fn doubled(tries: u32) -> f64 {
    f64::from(1 << tries.min(MOST_DOUBLINGS))
}
