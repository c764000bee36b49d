//! The closing of rounds alone, under random schedules: loss, duplication, reordering,
//! partitions that heal, closers that stop, and closers that lie. No member answers; what
//! a round is closed with are notes that mean nothing to the fold.
//!
//! Never are two cohorts certified for one round, and every round opens once the links
//! are good. Rules that are broken on purpose are found out.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use cosmosmesh_identity::SecretKey;
use cosmosmesh_log::{Draft, Entry, Kind, Status, Verified, Vote};
use cosmosmesh_mission::{
    Attempt, Canonical as _, Commitment, ContractId, Epoch, MemberId, MessageId, Payload, PricesId,
    UtcSeconds,
};
use cosmosmesh_optimize::families::{self, Family};
use cosmosmesh_optimize::local::SolverName;
use cosmosmesh_optimize::method::{Frame, MethodName};
use cosmosmesh_optimize::seeded::Seeded;

use super::ask::Ask;
use super::closer::{Action, Closer, Timer};
use super::roster::Rules;
use crate::contract::Contract;
use crate::ledger::Ledger;
use crate::member::Member;

/// Rounds that must open.
const ROUNDS: u32 = 4;
/// When the links become good, in ticks.
const GOOD: u64 = 1500;
/// When every round must be open.
const LATEST: u64 = 60_000;
const NOW: UtcSeconds = UtcSeconds(0);

fn key(i: usize) -> SecretKey {
    SecretKey::from_seed([i as u8 + 1; 32])
}

/// What is wrong with a closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    Sound,
    /// It stops at a time.
    Stops(u64),
    /// It lies in every way that there is.
    Lies,
}

#[derive(Debug)]
enum What {
    Arrive(Vec<Verified>),
    Asked(Ask),
    Passed(Timer),
}

struct World {
    contract: Arc<Contract>,
    members: Vec<Member>,
    closers: Vec<Closer>,
    natures: Vec<Nature>,
    begun: BTreeSet<usize>,
    random: Seeded,
    now: u64,
    order: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, (usize, usize, What)>,
    loss: f64,
    double: f64,
    slow: u64,
    /// Until when, and who is on one side.
    parted: (u64, BTreeSet<usize>),
    /// All that was ever said.
    all: Ledger,
    /// What opened each round, for whoever does not lie.
    opened: BTreeMap<u32, PricesId>,
    noted: Vec<u32>,
    conflict: Option<u32>,
}

fn contract(n: usize, rules: Option<Rules>) -> (Arc<Contract>, Vec<Member>) {
    let count = n.max(2);
    let problem = families::instance(Family::Strong, 1, count, 1).expect("an instance");
    let first = problem.members[0].problem.id().clone();
    let frame = Frame::new(&problem, |_| None, |_| Some(first.clone())).expect("a frame");
    let keys: Vec<_> = (0..count).map(|i| key(i).public()).collect();
    let names = problem.members.iter().take(n);
    let names: Vec<MemberId> = names
        .map(|m| MemberId::new(m.problem.id().as_str()).expect("a name"))
        .collect();
    let mut contract = Contract::new(
        ContractId::new("power").expect("a name"),
        Epoch(1),
        Arc::new(frame),
        &keys,
        &names,
        MethodName::Aladin,
        1e-3,
    )
    .expect("a contract");
    if let Some(rules) = rules {
        contract.plant(rules);
    }
    let contract = Arc::new(contract);
    let members = problem.members.iter().enumerate().map(|(i, m)| {
        let commitment = Commitment([i as u8; 32]);
        Member::new(contract.clone(), i, m, commitment, SolverName::Auto, key(i)).expect("one")
    });
    (contract.clone(), members.collect())
}

impl World {
    fn new(n: usize, seed: u64, rules: Option<Rules>) -> Self {
        let (contract, members) = contract(n, rules);
        let mut random = Seeded::new(seed);
        let sound = Rules::of(n);
        // As many as the rules bear stop or lie.
        let bears = sound.closers() - sound.quorum();
        let mut natures = vec![Nature::Sound; n];
        for _ in 0..random.below(bears as u64 + 1) {
            let lies = sound.liars() > 0 && random.below(4) > 0;
            natures[random.below(n as u64) as usize] = if lies {
                Nature::Lies
            } else {
                Nature::Stops(random.below(GOOD))
            };
        }
        let side = (0..n).filter(|_| random.below(2) == 0).collect();
        let parted = [0, random.below(GOOD)][random.below(2) as usize];
        Self {
            closers: (0..n).map(|c| Closer::new(contract.clone(), c)).collect(),
            all: Ledger::new(contract.clone()),
            contract,
            members,
            natures,
            begun: BTreeSet::new(),
            now: 0,
            order: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            loss: [0.0, 0.1, 0.3, 0.6][random.below(4) as usize],
            double: [0.0, 0.2][random.below(2) as usize],
            slow: [1, 10, 60][random.below(3) as usize],
            parted: (parted, side),
            random,
            opened: BTreeMap::new(),
            noted: vec![0; n],
            conflict: None,
        }
    }

    fn chance(&mut self, share: f64) -> bool {
        self.random.uniform(0.0, 1.0) < share
    }

    fn plan(&mut self, at: u64, to: usize, from: usize, what: What) {
        self.order += 1;
        self.queue.push(Reverse((at, self.order)));
        self.events.insert(self.order, (to, from, what));
    }

    fn runs(&self, c: usize) -> bool {
        !matches!(self.natures[c], Nature::Stops(at) if at <= self.now)
    }

    /// Sends over a link that may lose, double and delay; a good one only takes a while.
    fn carry(&mut self, from: usize, to: usize, what: impl Fn() -> What) {
        let good = self.now >= GOOD;
        let (until, side) = &self.parted;
        if self.now < *until && side.contains(&from) != side.contains(&to) {
            return;
        }
        if to >= self.closers.len() || (!good && self.chance(self.loss)) {
            return;
        }
        let slow = if good { 3 } else { self.slow };
        let copies = 1 + usize::from(!good && self.chance(self.double));
        for _ in 0..copies {
            let at = self.now + 1 + self.random.below(slow);
            self.plan(at, to, from, what());
        }
    }

    fn send(&mut self, from: usize, to: usize, entries: &[Verified]) {
        self.carry(from, to, || What::Arrive(entries.to_vec()));
    }

    fn wait(timer: Timer) -> u64 {
        match timer {
            Timer::Answers { .. } => 10,
            Timer::Certificate { attempt, .. } => 60 << attempt.min(8),
            Timer::Repair { tries, .. } => 15 << tries.min(5),
        }
    }

    fn record(&mut self, said: &Verified) {
        let _ = self.all.insert(said.clone());
    }

    fn act(&mut self, c: usize, actions: Vec<Action>) {
        let lies = self.natures[c] == Nature::Lies;
        for action in actions {
            match action {
                Action::Send { to, entries } => {
                    for e in &entries {
                        self.record(e);
                    }
                    // A liar says things to some.
                    if !lies || self.random.below(4) > 0 {
                        self.send(c, to, &entries);
                    }
                }
                Action::Ask { to, ask } => self.carry(c, to, || What::Asked(ask.clone())),
                Action::Wait(timer) => {
                    let at = self.now + Self::wait(timer);
                    self.plan(at, c, c, What::Passed(timer));
                }
            }
        }
        self.look(c);
    }

    /// Notes what is open for a closer, and has it say something when a round opens.
    fn look(&mut self, c: usize) {
        let open = self.closers[c].opened().len() as u32;
        if self.natures[c] != Nature::Lies {
            for certificate in self.closers[c].opened().values() {
                let log = self.members[c].log();
                let opened = log.find(&certificate.proposal).expect("it has it");
                let entry = log.entry(opened).expect("it is not pruned");
                let Ok(Payload::DualVariables(dual)) = entry.envelope().map(|e| e.payload) else {
                    panic!("no proposal");
                };
                let prices = dual.id().expect("an id");
                if *self.opened.entry(dual.round.0).or_insert(prices) != prices {
                    self.conflict = Some(dual.round.0);
                }
            }
        }
        if open > self.noted[c] {
            self.noted[c] = open;
            let mut draft = self.members[c].draft(NOW);
            (draft.kind, draft.body) = (Kind(1000), self.random.next_u64().to_be_bytes().into());
            let note = self.members[c].sign(draft).expect("a note");
            self.record(&note);
            for to in (0..self.closers.len()).filter(|to| *to != c) {
                self.send(c, to, std::slice::from_ref(&note));
            }
            self.prompt(c, None);
        }
    }

    fn prompt(&mut self, c: usize, timer: Option<Timer>) {
        let (closer, member) = (&mut self.closers[c], &mut self.members[c]);
        let voice = &mut |payload| vec![payload];
        let actions = match timer {
            _ if self.begun.insert(c) => closer.start(member, NOW, voice),
            Some(timer) => closer.passed(timer, member, NOW, voice),
            None => closer.heard(member, NOW, voice),
        };
        let actions = actions.expect("nothing here is out of range");
        if self.natures[c] == Nature::Lies {
            self.lie(c, &actions);
        }
        self.act(c, actions);
    }

    /// Says beside each statement of its own another one, and sends each of the two to
    /// some: it forks.
    fn lie(&mut self, c: usize, actions: &[Action]) {
        let own = self.members[c].draft(NOW).author;
        let mut seen = BTreeSet::new();
        let mut twins: BTreeMap<MessageId, MessageId> = BTreeMap::new();
        for action in actions {
            let Action::Send { entries, .. } = action else {
                continue;
            };
            for said in entries {
                let entry = said.entry();
                if entry.header().author != own || !seen.insert(entry.id()) {
                    continue;
                }
                for draft in self.twins_of(c, entry, &twins) {
                    let Ok(twin) = draft.sign(&key(c)) else {
                        continue;
                    };
                    twins.insert(entry.id(), twin.id());
                    let twin = self.contract.terms().trust(twin).expect("its own");
                    self.record(&twin);
                    // The liar holds it too, and will hand it on when asked.
                    let _ = self.members[c].hold(twin.clone());
                    for to in (0..self.closers.len()).filter(|to| *to != c) {
                        if self.random.below(2) == 0 {
                            self.send(c, to, std::slice::from_ref(&twin));
                        }
                    }
                }
            }
        }
    }

    /// Other things to say in place of an entry.
    fn twins_of(
        &mut self,
        c: usize,
        entry: &Entry,
        twins: &BTreeMap<MessageId, MessageId>,
    ) -> Vec<Draft> {
        let header = entry.header();
        let mut draft = Draft {
            author: header.author.clone(),
            boot_epoch: header.boot_epoch,
            seq: header.seq,
            backlink: header.backlink,
            deps: header.deps.clone(),
            time: header.time,
            contract_hash: header.contract_hash,
            kind: header.kind,
            body: Vec::new(),
        };
        let mut out = Vec::new();
        match header.kind {
            Kind::VOTE => {
                let mut vote = Vote::from_cbor(entry.body()).expect("a vote");
                let twin = twins.get(&vote.proposal).copied();
                draft.deps.clear();
                match (twin, self.random.below(3)) {
                    (Some(twin), _) => {
                        // It follows the other proposal, in both ways.
                        if draft.backlink == Some(vote.proposal) {
                            draft.backlink = Some(twin);
                        }
                        vote.proposal = twin;
                    }
                    // For nothing, or in another attempt.
                    (None, 0) => vote.proposal = MessageId([7; 32]),
                    (None, 1) => vote.attempt.0 += 1,
                    // For another proposal, if there is one.
                    _ => {
                        let mut others = self.closers[c].book().proposals().keys();
                        let other = others.rfind(|id| **id != vote.proposal).copied();
                        vote.proposal = other.unwrap_or(vote.proposal);
                    }
                }
                if vote.say(&mut draft).is_ok() {
                    draft.deps.retain(|id| self.all.log().find(id).is_some());
                    out.push(draft);
                }
            }
            Kind::STATUS => {
                let mut status = Status::from_cbor(entry.body()).expect("a status");
                let votes = self.closers[c].book().votes().iter();
                let own = votes.filter(|(_, b)| b.closer == c && b.attempt < status.attempt.0);
                let own: Vec<MessageId> = own.map(|(id, _)| *id).collect();
                draft.deps.clear();
                status.vote = match self.random.below(own.len() as u64 + 1) as usize {
                    0 => None,
                    k => Some(own[k - 1]),
                };
                if status.say(&mut draft).is_ok() {
                    out.push(draft);
                }
            }
            _ => {
                let Ok(Payload::DualVariables(good)) = entry.envelope().map(|e| e.payload) else {
                    return out;
                };
                // Another cohort that may be named, or what may not be said at all.
                let mut other = good.clone();
                let log = self.members[c].log();
                let dropped = other.cohort.pop_last();
                let ids = other.cohort.iter();
                let entries = ids.filter_map(|id| Some(&**log.entry(log.find(id)?)?));
                let cohort = entries.map(|e| (e.id(), e)).collect();
                let after = self.closers[c].book().close_with(&cohort);
                if let (Some(_), Ok(opening)) = (dropped, after.opening()) {
                    other = (**opening).clone();
                    other.attempt = good.attempt;
                } else {
                    other = good;
                    match self.random.below(2) {
                        0 => other.attempt = Attempt(other.attempt.0 + 1),
                        _ => other.mean_weight = cosmosmesh_mission::Finite::new(3.0).expect("one"),
                    }
                }
                if let Ok(body) = other.to_cbor() {
                    draft.body = body;
                    out.push(draft);
                }
            }
        }
        out
    }

    /// Runs until all rounds are open for all that neither stop nor lie.
    fn run(&mut self) -> Result<(), String> {
        for c in 0..self.closers.len() {
            self.prompt(c, None);
        }
        while let Some(Reverse((at, order))) = self.queue.pop() {
            self.now = at;
            let (to, from, what) = self.events.remove(&order).expect("it is planned");
            if !self.runs(to) || !self.runs(from) {
                continue;
            }
            match what {
                What::Arrive(entries) => {
                    for e in &entries {
                        let _ = self.members[to].hear(e);
                    }
                    self.prompt(to, None);
                }
                What::Asked(ask) => {
                    let entries = self.closers[to].answer(from, &ask, self.members[to].log());
                    if !entries.is_empty() {
                        self.send(to, from, &entries);
                    }
                }
                What::Passed(timer) => self.prompt(to, Some(timer)),
            }
            if let Some(round) = self.conflict {
                return Err(format!("two cohorts opened round {round}"));
            }
            if self.is_done() {
                break;
            }
            if self.now > LATEST {
                let open: Vec<_> = self.closers.iter().map(|c| c.opened().len()).collect();
                return Err(format!("stuck: {open:?} of {ROUNDS} rounds open"));
            }
        }
        let state = self.all.state();
        if let Some(round) = state.conflicts.first() {
            return Err(format!("two cohorts are certified for round {round}"));
        }
        let sound: BTreeSet<_> = (0..self.closers.len())
            .filter(|c| self.natures[*c] != Nature::Lies)
            .map(|c| self.contract.members()[c].clone())
            .collect();
        if let Some(fault) = state.faults.values().find(|f| sound.contains(&f.author)) {
            return Err(format!("{} is blamed: {}", fault.author, fault.why));
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        let mut sound = (0..self.closers.len()).filter(|c| self.natures[*c] == Nature::Sound);
        sound.all(|c| self.closers[c].opened().len() as u32 >= ROUNDS)
    }
}

/// What goes wrong in these schedules, by seed.
fn failures(n: usize, seeds: std::ops::Range<u64>, rules: Option<Rules>) -> Vec<(u64, String)> {
    let failed = seeds.filter_map(|seed| {
        let mut world = World::new(n, seed, rules);
        let failed = world.run().err()?;
        Some((seed, format!("{failed}; {:?}", world.natures)))
    });
    failed.collect()
}

#[test]
fn no_two_cohorts_and_every_round_opens() {
    for (n, seeds) in [(1, 0..20), (3, 0..60), (4, 0..200), (9, 0..40)] {
        let failed = failures(n, seeds, None);
        assert!(
            failed.is_empty(),
            "{n} closers: {:?}",
            &failed[..failed.len().min(5)]
        );
    }
}

#[test]
fn broken_rules_are_found_out() {
    let conflicts = |n, rules: Rules, seeds| {
        let failed = failures(n, seeds, Some(rules));
        let of_two = failed.iter().filter(|(_, why)| why.contains("two cohorts"));
        let of_two: Vec<_> = of_two.collect();
        println!(
            "{n} closers: {} seeds, first {:?}",
            of_two.len(),
            of_two.first()
        );
        of_two.len()
    };
    let four = Rules::of(4);
    assert!(
        conflicts(4, four.planted(2, true), 0..40) > 0,
        "a quorum of two"
    );
    assert!(
        conflicts(4, four.planted(3, false), 150..250) > 0,
        "a choice that is always free"
    );
}
