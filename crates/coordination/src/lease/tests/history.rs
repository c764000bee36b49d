//! Random histories: partial views, partitions, delay, duplication, crashes, restored
//! backups, a member that forks, derates, reversions, revocations.

use std::collections::BTreeMap;
use std::sync::Arc;

use cosmosmesh_log::{AuthorIx, Entry, Log};
use cosmosmesh_mission::{Delta, Epoch, MemberId, MessageId, UtcSeconds};

use super::super::fence::Fence;
use super::super::fold::What;
use super::super::rules::Rule;
use super::super::terms::CouplingKind;
use super::super::{Leases, View};
use super::world::{AUTHORITY, Node, Rng, STEPS, World, id, list, transfer};

/// What a history is made of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    pub(super) fork: bool,
    pub(super) revoke: bool,
}

/// The effective leases of every view sum to at most what there is.
fn check_view(view: &View<'_>) -> Result<(), String> {
    let leases = view.leases();
    let terms = leases.terms();
    for (pool, at) in terms.pools.iter().zip(0..) {
        let coupling = &terms.couplings[pool.coupling];
        if !coupling.has_rights() {
            continue;
        }
        let available = view
            .available(&coupling.terms.id, terms.source_of(at))
            .expect("a pool");
        for step in 0..STEPS {
            let mut sum = 0;
            for member in &coupling.members {
                let lease = view.lease_at(at, *member);
                let effective = lease.effective()[step];
                if effective < 0 {
                    return Err(format!("negative: {lease:?}"));
                }
                if lease.cut[step] > 0 && !disturbed(leases, view.log()) {
                    return Err(format!("cut without a fork or a revocation: {lease:?}"));
                }
                sum += effective;
            }
            if sum > available[step] {
                let (id, most) = (&coupling.terms.id, available[step]);
                return Err(format!("{id}: {sum} effective of {most} at step {step}"));
            }
        }
    }
    Ok(())
}

pub(super) struct Run {
    world: Arc<World>,
    rng: Rng,
    pub(super) nodes: Vec<Node>,
    backups: Vec<Option<Node>>,
    authority: Node,
    trouble: Trouble,
    /// Who forked, its faces beside the first, and what it could have given.
    forker: Option<usize>,
    faces: Vec<Node>,
    at_fork: Vec<Vec<i64>>,
    /// Everything said, also what its author has forgotten.
    said: Vec<Arc<Entry>>,
    reversions: Vec<MessageId>,
    proposals: Vec<MessageId>,
    requests: Vec<MessageId>,
}

impl Run {
    pub(super) fn new(
        world: &Arc<World>,
        seed: u64,
        trouble: Trouble,
        without: Option<Rule>,
    ) -> Self {
        Self {
            world: world.clone(),
            rng: Rng(seed),
            nodes: (0..4).map(|m| world.node(m, without)).collect(),
            backups: vec![None; 4],
            authority: world.node(AUTHORITY, without),
            trouble,
            forker: None,
            faces: Vec::new(),
            at_fork: Vec::new(),
            said: Vec::new(),
            reversions: Vec::new(),
            proposals: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// Goes on for so many events; the first property that is broken ends it.
    pub(super) fn go(&mut self, events: usize) -> Result<(), String> {
        for event in 0..events {
            self.event(event, events)
                .and_then(|()| self.check_use())
                .map_err(|why| format!("event {event}: {why}"))?;
        }
        self.check_bytes()
    }

    /// Checks the views of all nodes, and what they use together.
    pub(super) fn check(&self) -> Result<(), String> {
        for node in &self.nodes {
            check_view(&node.leases.view(&node.log))?;
        }
        self.check_use()
    }

    /// All that a node has reaches another.
    pub(super) fn tell(&mut self, from: usize, to: usize) {
        for entry in self.nodes[from].entries() {
            self.nodes[to].take(&entry);
        }
    }

    /// The same from a further face of a member that forks.
    pub(super) fn face_tells(&mut self, face: usize, to: usize) {
        for entry in self.faces[face].entries() {
            self.nodes[to].take(&entry);
        }
    }

    pub(super) fn face(&mut self, face: usize) -> &mut Node {
        &mut self.faces[face]
    }

    fn event(&mut self, event: usize, events: usize) -> Result<(), String> {
        let who = self.rng.below(4);
        match self.rng.below(20) {
            0..8 => self.act(who),
            8..15 => {
                let from = self.rng.below(4);
                let face = self.rng.below(self.faces.len() + 1);
                if self.forker == Some(who) && face > 0 {
                    self.meet_face(from, face - 1)
                } else {
                    self.meet(from, who)
                }
            }
            15 => {
                self.nodes[who].crash();
                Ok(())
            }
            16 => {
                self.backups[who] = Some(self.nodes[who].clone());
                Ok(())
            }
            17 => {
                if let Some(backup) = self.backups[who]
                    .take()
                    .filter(|_| self.forker != Some(who))
                {
                    self.nodes[who].restore(&backup);
                }
                Ok(())
            }
            18 => {
                if self.trouble.fork && event > events / 4 {
                    self.fork(who);
                }
                Ok(())
            }
            _ => {
                let whom = self.rng.below(4);
                if self.trouble.revoke && event > events / 2 && self.rng.below(4) == 0 {
                    self.revoke(whom);
                }
                let entries = self.authority.entries();
                self.deliver(&entries, who)
            }
        }
    }

    /// A member shows another face to others from now on.
    pub(super) fn fork(&mut self, who: usize) {
        if self.forker.is_some_and(|forker| forker != who) || self.faces.len() > 2 {
            return;
        }
        let node = &self.nodes[who];
        if !node.fence.may_sign() {
            return;
        }
        if self.forker.is_none() {
            let view = node.leases.view(&node.log);
            let terms = node.leases.terms();
            let mut at_fork = Vec::new();
            for (pool, at) in terms.pools.iter().zip(0..) {
                let mut held = view.lease_at(at, who).held;
                // What it can claim, and what it can commit itself to, is its to give.
                for grant in node
                    .leases
                    .grants
                    .iter()
                    .filter(|g| g.pool == at && g.to == who)
                {
                    for (step, quanta) in grant.span.iter() {
                        held[step] += quanta;
                    }
                }
                for (step, held) in held.iter_mut().enumerate() {
                    if pool.owner == who {
                        *held += pool.limit(step);
                    }
                }
                at_fork.push(held);
            }
            self.at_fork = at_fork;
        }
        self.forker = Some(who);
        self.backups[who] = None;
        self.faces.push(self.nodes[who].clone());
    }

    fn revoke(&mut self, whom: usize) {
        let author = AuthorIx(whom as u32);
        let tip = self
            .authority
            .log
            .tip(author)
            .map(|ix| self.authority.log.id(ix));
        let entry = self.authority.revoke(whom, tip);
        self.said.push(entry);
    }

    /// Some of what one node has reaches another, in any order and twice.
    fn meet(&mut self, from: usize, to: usize) -> Result<(), String> {
        let entries = self.nodes[from].entries();
        if self.rng.below(3) == 0 {
            for entry in &entries {
                self.authority.take(entry);
            }
        }
        self.deliver(&entries, to)
    }

    fn meet_face(&mut self, other: usize, face: usize) -> Result<(), String> {
        if Some(other) == self.forker {
            return Ok(());
        }
        let theirs = self.nodes[other].entries();
        let own = self.faces[face].entries();
        // The face never hears of the others: that would spoil the lie.
        let of = self.world.names[self.faces[face].author].clone();
        let known = |e: &Arc<Entry>| own.iter().any(|o| o.id() == e.id());
        if theirs.iter().all(|e| e.header().author != of || known(e)) {
            for entry in theirs.iter().filter(|_| self.rng.below(4) > 0) {
                self.faces[face].take(entry);
            }
        }
        self.deliver(&own, other)
    }

    fn deliver(&mut self, entries: &[Arc<Entry>], to: usize) -> Result<(), String> {
        let mut some: Vec<&Arc<Entry>> = entries.iter().collect();
        if self.rng.below(2) == 0 {
            some.truncate(self.rng.below(some.len() + 1));
        }
        self.rng.shuffle(&mut some);
        let twice = some.clone();
        // A member that forks on purpose does not listen to its other faces.
        let deaf = self.forker == Some(to);
        let author = self.world.names[to].clone();
        for entry in some.into_iter().chain(twice) {
            let node = &mut self.nodes[to];
            if deaf && entry.header().author == author {
                continue;
            }
            if node.log.find(&entry.id()).is_some() {
                continue;
            }
            let before = Held::of(node);
            node.take(entry);
            before.check(node)?;
        }
        let node = &self.nodes[to];
        check_view(&node.leases.view(&node.log))
    }

    /// One member, in one of its faces, says something, sensible or not.
    fn act(&mut self, who: usize) -> Result<(), String> {
        let face = self.rng.below(self.faces.len() + 1);
        let mut node = match face {
            1.. if self.forker == Some(who) => self.faces[face - 1].clone(),
            _ => self.nodes[who].clone(),
        };
        if !node.fence.may_sign() {
            return Ok(());
        }
        let delta = self.delta(&node);
        let entry = match &delta {
            None => node.note(),
            Some(delta) => node.say(delta.clone()),
        };
        match delta {
            Some(Delta::Reversion { .. }) => self.reversions.push(entry.id()),
            Some(Delta::Proposal { .. }) => self.proposals.push(entry.id()),
            Some(Delta::Request { .. }) => self.requests.push(entry.id()),
            _ => {}
        }
        self.said.push(entry);
        check_view(&node.leases.view(&node.log))?;
        match face {
            1.. if self.forker == Some(who) => self.faces[face - 1] = node,
            _ => self.nodes[who] = node,
        }
        Ok(())
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let at = self.rng.below(of.len());
        of.get(at).copied()
    }

    fn delta(&mut self, node: &Node) -> Option<Delta> {
        let names = ["a", "b", "c", "d"];
        let me = names[node.author];
        let to = names[self.rng.below(4)];
        let (coupling, source) = [
            ("link", None),
            ("link", None),
            ("bus", Some("a")),
            ("bus", Some("d")),
            ("dish", None),
        ][self.rng.below(5)];
        let start = self.rng.below(STEPS);
        let count = 1 + self.rng.below(STEPS - start);
        let view = node.leases.view(&node.log);
        let source_id = source.map(id::<MemberId>);
        let pool = {
            let terms = node.leases.terms();
            let coupling = terms.coupling(&id(coupling)).expect("a coupling");
            terms
                .source(coupling, source_id.as_ref())
                .expect("a source")
        };
        let free = view.free_at(pool, node.author);
        let quanta: Vec<i64> = (start..start + count)
            .map(|step| match self.rng.below(6) {
                0 => self.rng.below(6) as i64,
                1 => free[step] + 1,
                2 => 0,
                _ => self.rng.below(free[step] as usize + 1) as i64,
            })
            .collect();
        let start = start as u32;
        let after = UtcSeconds(1000 + 50 * self.rng.below(10) as i64);
        Some(match self.rng.below(16) {
            0..5 => transfer(coupling, source, to, start, &quanta),
            5 => Delta::Reversion {
                coupling: id(coupling),
                source: source_id,
                to: id(to),
                start,
                quanta: list(&quanta),
                after,
            },
            6 => Delta::Renewal {
                reversion: self.pick(&self.reversions.clone())?,
                after,
            },
            7 => Delta::Claim {
                reversion: self.pick(&self.reversions.clone())?,
            },
            8 | 9 => Delta::Commit {
                coupling: id("bus"),
                epoch: Epoch(0),
                start,
                quanta: quanta.iter().map(|_| self.rng.below(14) as i64).collect(),
            },
            10 => Delta::Derate {
                coupling: id(coupling),
                source: if me == "d" { Some(id("d")) } else { source_id },
                start,
                quanta: list(&quanta),
            },
            11 if self.rng.below(2) == 0 => Delta::Request {
                coupling: id("dish"),
                start,
                count: count as u32,
            },
            11 => {
                let own = [self.requests.clone(), self.proposals.clone()].concat();
                Delta::Withdrawal {
                    entry: self.pick(&own)?,
                }
            }
            12 => Delta::Move {
                coupling: id("freq"),
                start,
                quanta: quanta
                    .iter()
                    .map(|_| 6 + self.rng.below(9) as i64)
                    .collect(),
            },
            13 => match self.rng.below(3) {
                0 => Delta::Proposal {
                    coupling: id("freq"),
                    start,
                    quanta: quanta
                        .iter()
                        .map(|_| 40 * self.rng.below(3) as i64)
                        .collect(),
                },
                _ => Delta::Switch {
                    proposal: self.pick(&self.proposals.clone())?,
                },
            },
            14 => {
                let proposal = self.proposals.last().copied()?;
                Delta::Consent { proposal }
            }
            _ => return None,
        })
    }

    /// What honest members use, each in its own view, is there, but for what a forker
    /// can do: its holding at the fork, or the cap, once for each further face.
    fn check_use(&self) -> Result<(), String> {
        let world = &self.world;
        let terms = &world.leases;
        let honest = |m: &usize| self.forker != Some(*m);
        let views: BTreeMap<usize, View<'_>> = (0..4)
            .filter(honest)
            .map(|m| (m, self.nodes[m].leases.view(&self.nodes[m].log)))
            .collect();
        for (pool, at) in terms.pools.iter().zip(0..) {
            let coupling = &terms.couplings[pool.coupling];
            if !coupling.has_rights() {
                self.check_values(pool.coupling, &views)?;
                continue;
            }
            let own = |m: usize, view: &View<'_>| view.usable_at(at, m, self.nodes[m].fence);
            let used: Vec<Vec<i64>> = views.iter().map(|(m, view)| own(*m, view)).collect();
            for step in 0..STEPS {
                let sum: i64 = used.iter().map(|own| own[step]).sum();
                let mut most = match views.get(&pool.owner) {
                    Some(_) if pool.committed && !self.nodes[pool.owner].fence.may_sign() => {
                        pool.limit(step)
                    }
                    Some(view) => view.level(at)[step],
                    None => pool.limit(step),
                };
                if !self.trouble.revoke {
                    most -= pool.reserve(step);
                }
                if let Some(forker) = self.forker {
                    most -= pool.floor(forker, step);
                    let held = self.at_fork[at][step];
                    let cap = coupling.terms.cap.map_or(held, |cap| held.min(cap as i64));
                    most += cap * self.faces.len() as i64;
                    if pool.committed && pool.owner == forker {
                        most = pool.limit(step) * (1 + self.faces.len() as i64);
                    }
                }
                if self.trouble.revoke {
                    // Somebody who has not heard of it may be committed to less.
                    most = most.max(pool.limit(step));
                }
                if sum > most {
                    let id = &coupling.terms.id;
                    return Err(format!(
                        "{id}: {sum} used of {most} at step {step}: {used:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// No two members go by values that are too far apart.
    fn check_values(
        &self,
        coupling: usize,
        views: &BTreeMap<usize, View<'_>>,
    ) -> Result<(), String> {
        let coupling = &self.world.leases.couplings[coupling].terms;
        let CouplingKind::Agreement { tolerance } = coupling.kind else {
            return Ok(());
        };
        let twice = if self.forker.is_some() { 2 } else { 1 };
        for step in 0..STEPS {
            let value = |(m, view): (&usize, &View<'_>)| {
                let member = &self.world.leases.members()[*m];
                view.value(&coupling.id, member, step, self.nodes[*m].fence)
            };
            let values: Vec<i64> = views.iter().filter_map(value).collect();
            let spread = values.iter().max().unwrap_or(&0) - values.iter().min().unwrap_or(&0);
            if spread > tolerance * twice {
                return Err(format!("values {values:?} at step {step}"));
            }
        }
        Ok(())
    }

    /// The same set has the same bytes, in whatever order it comes.
    fn check_bytes(&mut self) -> Result<(), String> {
        let mut digests = Vec::new();
        // Two faces can say the very same thing.
        self.said.sort_by_key(|entry| entry.id());
        self.said.dedup_by_key(|entry| entry.id());
        for _ in 0..2 {
            self.rng.shuffle(&mut self.said);
            let mut log = Log::new(self.world.terms.clone());
            let mut leases =
                Leases::new(self.world.leases.clone(), id("contract"), &self.world.terms);
            leases.rules = self.nodes[0].leases.rules;
            for entry in &self.said {
                let verified = self.world.terms.trust(Entry::clone(entry));
                log.insert(verified.expect("of the contract"))
                    .expect("good");
                leases.take(&log);
            }
            assert_eq!(log.len(), self.said.len());
            let view = leases.view(&log);
            check_view(&view)?;
            digests.push(view.digest());
        }
        if digests[0] == digests[1] {
            Ok(())
        } else {
            Err("two orders, two states".into())
        }
    }
}

/// What all members held in a node's view, to see that nobody's rights vanish.
struct Held {
    quanta: Vec<Vec<i64>>,
    entries: usize,
    disturbed: bool,
}

fn disturbed(leases: &Leases, log: &Log) -> bool {
    (0..4).any(|m| leases.causal.forked(m) || log.revoked(AuthorIx(m)).next().is_some())
}

impl Held {
    fn of(node: &Node) -> Self {
        let view = node.leases.view(&node.log);
        let pools = 0..node.leases.terms().pools.len();
        let lease = |(pool, member)| view.lease_at(pool, member).held;
        Self {
            quanta: pools
                .flat_map(|p| (0..4).map(move |m| (p, m)))
                .map(lease)
                .collect(),
            entries: node.log.len(),
            disturbed: disturbed(&node.leases, &node.log),
        }
    }

    /// What a member holds shrinks by its own word only, or by a claim of what it
    /// promised; and not at all once it is revoked.
    fn check(&self, node: &Node) -> Result<(), String> {
        let now = Self::of(node);
        let mut spoke = [false; 4];
        for ix in node.log.attached_since(self.entries) {
            if let Some(member) = node.leases.member[node.log.author(ix).0 as usize] {
                spoke[member] = true;
            }
            if let Some(op) = node.leases.op_at.get(&(ix.at() as u32))
                && let What::Claim(grant) = node.leases.ops[*op].what
            {
                spoke[node.leases.grants[grant].from] = true;
            }
        }
        for (at, (before, after)) in self.quanta.iter().zip(&now.quanta).enumerate() {
            let member = at % 4;
            let author = AuthorIx(member as u32);
            let shrinks = before.iter().zip(after).any(|(b, a)| a < b);
            if shrinks && !self.disturbed && !now.disturbed && !spoke[member] {
                return Err(format!(
                    "rights of a silent member vanish: {before:?} {after:?}"
                ));
            }
            // One that was revoked with nothing forked holds what it held at the head.
            let heads: Vec<_> = node.log.revoked(author).collect();
            let forked = (0..4).any(|m| node.leases.causal.forked(m));
            if let [Some(head)] = heads[..]
                && !forked
            {
                let mut leases = Leases::new(
                    node.leases.terms().clone(),
                    id("contract"),
                    node.log.terms(),
                );
                leases.rules = node.leases.rules;
                let then = node.log.at(&[head]);
                leases.take(&then);
                let others = (0..4)
                    .any(|m| m != member as u32 && node.log.revoked(AuthorIx(m)).next().is_some());
                let held = leases.view(&then).lease_at(at / 4, member).held;
                let promised = node.leases.grants.iter().any(|g| g.from == member);
                let freed = held.iter().zip(after).any(|(held, now)| now < held);
                if freed && !others && !(promised && claims(node, member)) {
                    return Err(format!("a revoked lease is freed: {held:?} {after:?}"));
                }
            }
        }
        Ok(())
    }
}

/// Whether anything that the member promised was claimed.
fn claims(node: &Node, member: usize) -> bool {
    let ops = node.leases.ops.iter();
    let mut claims = ops.filter_map(|op| match op.what {
        What::Claim(grant) => Some(grant),
        _ => None,
    });
    claims.any(|grant| node.leases.grants[grant].from == member)
}

pub(super) fn run(
    world: &Arc<World>,
    seed: u64,
    trouble: Trouble,
    without: Option<Rule>,
) -> Result<(), String> {
    Run::new(world, seed, trouble, without).go(120)
}

#[test]
fn no_history_over_commits() {
    let world = Arc::new(World::new());
    for seed in 0..600 {
        let trouble = Trouble {
            fork: seed % 4 == 1 || seed % 4 == 3,
            revoke: seed % 4 >= 2,
        };
        if let Err(why) = run(&world, seed, trouble, None) {
            panic!("seed {seed}, {trouble:?}: {why}");
        }
    }
}

#[test]
fn a_fenced_node_uses_its_floor() {
    let world = Arc::new(World::new());
    let node = world.node(1, None);
    let view = node.leases.view(&node.log);
    let mut fence = Fence::OPEN;
    let usable = |fence| {
        view.usable(&id("link"), None, &id("b"), fence)
            .expect("a lease")
    };
    assert_eq!(usable(fence), [4; STEPS]);
    fence.clock_reset();
    assert_eq!(usable(fence), [1; STEPS]);
    fence.restored();
    fence.clock_back();
    assert!(!fence.may_sign());
    assert_eq!(usable(fence), [1; STEPS]);
    fence.head_returned();
    assert_eq!(usable(fence), [4; STEPS]);
}
