//! What follows from all entries that a node holds.
//!
//! Validity never changes; what is here does, as forks, revocations and derates
//! become known. The same set of entries has the same view, byte for byte.

use std::collections::{BTreeMap, BTreeSet};

use cosmosmesh_log::{AuthorIx, EntryIx, Log};
use cosmosmesh_mission::{CouplingId, MemberId, MessageId};

use super::agreement::id_of;
use super::causal::Clock;
use super::fault::Fault;
use super::fence::Fence;
use super::fold::{Account, GrantKind, Leases, Op, What};
use super::rules::Rule;
use super::shortage::Step;

/// What one member has of one source, by step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What it holds by what was said, and not below its floor.
    pub held: Vec<i64>,
    /// What of it pays for grants of a donor that forked or was revoked.
    pub cut: Vec<i64>,
    /// What of it is missing because there is less than was shared out.
    pub curtailed: Vec<i64>,
    /// What of it is promised by reversions.
    pub encumbered: Vec<i64>,
}

impl Lease {
    /// What is left to it: all members' sum to at most what there is.
    pub fn effective(&self) -> Vec<i64> {
        let cuts = self.cut.iter().zip(&self.curtailed);
        let held = self.held.iter().zip(cuts);
        held.map(|(held, (cut, curtailed))| held - cut - curtailed)
            .collect()
    }
}

/// One pool, by member and step.
struct PoolView {
    held: Vec<i128>,
    paid: Vec<i128>,
    left: Vec<i128>,
    encumbered: Vec<i128>,
    /// Promised, and not to be used by the holder.
    fenced: Vec<i128>,
    /// Capacity or commitment.
    amount: Vec<i64>,
    missing: Vec<i64>,
}

/// The leases as all entries of a log say together.
pub struct View<'l> {
    leases: &'l Leases,
    log: &'l Log,
    clock: Vec<u32>,
    /// Entries behind the head of a revocation.
    void: Vec<bool>,
    pools: Vec<PoolView>,
}

impl Leases {
    /// The view of all entries taken so far.
    ///
    /// # Panics
    /// If the log is not the one whose entries were taken.
    pub fn view<'l>(&'l self, log: &'l Log) -> View<'l> {
        assert_eq!(self.causal.len(), log.len(), "take the log first");
        let mut view = View {
            clock: self.causal.all(),
            void: self.ops.iter().map(|op| self.is_void(log, op)).collect(),
            pools: Vec::new(),
            leases: self,
            log,
        };
        view.pools = (0..self.terms.pools.len())
            .map(|pool| view.pool(pool))
            .collect();
        view
    }

    /// Whether an entry is behind a revocation's head.
    fn is_void(&self, log: &Log, op: &Op) -> bool {
        let author = self.causal.spot(op.node).author;
        let mut heads = log.revoked(AuthorIx(author));
        self.rules.keeps(Rule::RevokedFrozen)
            && heads.any(|head| match head {
                None => true,
                Some(head) => !self.causal.on_chain(head.at() as u32, op.node),
            })
    }
}

impl<'l> View<'l> {
    fn all(&self) -> Clock<'_> {
        Clock(&self.clock)
    }

    fn steps(&self) -> usize {
        self.leases.terms.steps()
    }

    fn members(&self) -> usize {
        self.leases.terms.members().len()
    }

    fn ops(&self) -> impl Iterator<Item = &'l Op> + '_ {
        let ops = self.leases.ops.iter().zip(&self.void);
        ops.filter(|(_, void)| !**void).map(|(op, _)| op)
    }

    /// Whether a member forked, as far as the entries here show.
    fn forked(&self, member: usize) -> bool {
        let author = self.leases.author[member];
        author.is_some_and(|author| self.leases.causal.forked(author))
    }

    fn revoked(&self, member: usize) -> bool {
        let author = self.leases.author[member];
        author.is_some_and(|author| self.log.revoked(AuthorIx(author)).next().is_some())
    }

    /// The last entries of a member's branches.
    fn tips(&self, member: usize) -> Vec<u32> {
        let author = self.leases.author[member];
        author.map_or_else(Vec::new, |a| self.leases.causal.tips(a).collect())
    }

    /// What a member has said last of each step on each of its branches.
    fn levels(
        &self,
        member: usize,
        first: impl Fn(usize) -> i64,
        pick: impl Fn(&'l What) -> Option<&'l super::fold::Span>,
    ) -> Vec<Vec<i64>> {
        let causal = &self.leases.causal;
        let single = !self.forked(member);
        let mut tips = self.tips(member);
        if tips.is_empty() {
            return vec![(0..self.steps()).map(first).collect()];
        }
        tips.sort_unstable();
        let level = |tip: u32| {
            let mut level: Vec<i64> = (0..self.steps()).map(&first).collect();
            for op in &self.leases.said[member] {
                let void = self.void[*op];
                let op = &self.leases.ops[*op];
                let Some(span) = pick(&op.what) else { continue };
                if !void && (single || causal.on_chain(tip, op.node)) {
                    for (step, quanta) in span.iter() {
                        level[step] = quanta;
                    }
                }
            }
            level
        };
        tips.into_iter().map(level).collect()
    }

    fn pool(&self, pool: usize) -> PoolView {
        let leases = self.leases;
        let terms = &leases.terms.pools[pool];
        let coupling = &leases.terms.couplings[terms.coupling];
        let (members, steps) = (self.members(), self.steps());
        let at = |member: usize, step: usize| member * steps + step;
        let mut new = PoolView {
            held: vec![0; members * steps],
            paid: Vec::new(),
            left: Vec::new(),
            encumbered: vec![0; members * steps],
            fenced: vec![0; members * steps],
            amount: (0..steps).map(|step| terms.amount(step)).collect(),
            missing: vec![0; steps],
        };
        if !coupling.has_rights() {
            new.paid.clone_from(&new.held);
            new.left.clone_from(&new.held);
            return new;
        }
        for member in &coupling.members {
            for step in 0..steps {
                new.held[at(*member, step)] = terms.first(*member, step).into();
            }
        }
        if terms.committed {
            // Of a supplier that said several things, the least.
            let commit = |what: &'l What| match what {
                What::Commit { pool: of, span } if *of == pool => Some(span),
                _ => None,
            };
            let levels = self.levels(terms.owner, |step| terms.amount(step), commit);
            for step in 0..steps {
                let least = levels.iter().map(|level| level[step]).min();
                let least = least.unwrap_or(0);
                new.held[at(terms.owner, step)] += i128::from(least - new.amount[step]);
                new.amount[step] = least;
            }
        }
        let derate = |what: &'l What| match what {
            What::Derate { pool: of, span } if *of == pool => Some(span),
            _ => None,
        };
        let missing = self.levels(terms.owner, |_| 0, derate);
        for step in 0..steps {
            let most = missing.iter().map(|level| level[step]).max();
            new.missing[step] = most.unwrap_or(0);
        }
        let gave = self.move_rights(pool, &mut new);
        new.paid.clone_from(&new.held);
        new.left.clone_from(&new.held);
        for step in 0..steps {
            let mut held: Vec<i128> = (0..members).map(|m| new.held[at(m, step)]).collect();
            let floors: Vec<i64> = (0..members).map(|m| terms.floor(m, step)).collect();
            let mut now = Step {
                held: &mut held,
                floors: &floors,
                reserve: terms.reserve(step).into(),
                order: &coupling.curtailment,
            };
            if leases.rules.keeps(Rule::ForkPaid) {
                now.pay(&|from, to| {
                    let given = gave.get(&(from, to));
                    given.map_or(0, |given| given[step])
                });
            }
            for member in 0..members {
                new.paid[at(member, step)] = now.held[member];
            }
            if leases.rules.keeps(Rule::Derate) {
                let missing = new.missing[step].min(new.amount[step]);
                now.curtail(missing.into());
            }
            for (member, left) in held.into_iter().enumerate() {
                new.left[at(member, step)] = left;
                let floor = i128::from(floors[member]);
                let held = &mut new.held[at(member, step)];
                *held = (*held).max(floor);
            }
        }
        new
    }

    /// Applies what was given, claimed and promised. Says who gave how much to whom.
    fn move_rights(&self, pool: usize, new: &mut PoolView) -> BTreeMap<(usize, usize), Vec<i128>> {
        let (leases, steps) = (self.leases, self.steps());
        let at = |member: usize, step: usize| member * steps + step;
        let mut gave: BTreeMap<(usize, usize), Vec<i128>> = BTreeMap::new();
        let mut give = |new: &mut PoolView, from: usize, to: usize, step: usize, quanta: i64| {
            let quanta = i128::from(quanta);
            new.held[at(from, step)] -= quanta;
            new.held[at(to, step)] += quanta;
            let gave = gave.entry((from, to)).or_insert_with(|| vec![0; steps]);
            gave[step] += quanta;
        };
        let mut promised = Vec::new();
        let mut claims: BTreeMap<usize, u32> = BTreeMap::new();
        let mut renewals: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for op in self.ops() {
            let (What::Grant(index) | What::Claim(index)) = op.what else {
                continue;
            };
            let grant = &leases.grants[index];
            if grant.pool != pool {
                continue;
            }
            match grant.kind {
                GrantKind::Transfer => {
                    for (step, quanta) in grant.span.iter() {
                        give(new, grant.from, grant.to, step, quanta);
                    }
                }
                GrantKind::Reversion { after_s } => promised.push((index, after_s)),
                GrantKind::Renewal { reversion, .. } => {
                    renewals.entry(reversion).or_default().push(index);
                }
                GrantKind::Claim { reversion } => *claims.entry(reversion).or_default() += 1,
            }
        }
        for (reversion, first_s) in promised {
            let grant = &leases.grants[reversion];
            let mut after_s = first_s;
            let mut usable: Vec<i64> = vec![0; grant.span.quanta.len()];
            for (step, usable) in (grant.span.start..).zip(usable.iter_mut()) {
                let early = leases.terms.is_before(step, first_s);
                if early || !leases.rules.keeps(Rule::FenceEarlier) {
                    *usable = grant.span.at(step);
                }
            }
            for renewal in renewals.get(&reversion).into_iter().flatten() {
                if let GrantKind::Renewal { after_s: later, .. } = leases.grants[*renewal].kind {
                    after_s = after_s.max(later);
                }
                let allowed = leases.allowed(*renewal, self.all());
                for (usable, more) in usable.iter_mut().zip(allowed) {
                    *usable = usable.saturating_add(more);
                }
            }
            let mut times = claims.get(&reversion).copied().unwrap_or(0);
            if leases.rules.keeps(Rule::ClaimOnce) {
                times = times.min(1);
            }
            for ((step, quanta), usable) in grant.span.iter().zip(usable) {
                let behind = leases.terms.is_behind(step, after_s);
                if times > 0 && (behind || !leases.rules.keeps(Rule::ClaimBehind)) {
                    for time in 0..times {
                        if time == 0 {
                            give(new, grant.from, grant.to, step, quanta);
                        } else {
                            new.held[at(grant.to, step)] += i128::from(quanta);
                        }
                    }
                } else {
                    new.encumbered[at(grant.from, step)] += i128::from(quanta);
                    let fenced = i128::from(quanta - usable.min(quanta));
                    new.fenced[at(grant.from, step)] += fenced;
                }
            }
        }
        gave
    }

    fn find(&self, coupling: &CouplingId, source: Option<&MemberId>) -> Option<usize> {
        let coupling = self.leases.terms.coupling(coupling)?;
        self.leases.terms.source(coupling, source)
    }

    /// What a member has of a source; nothing if there is no such source or member.
    pub fn lease(
        &self,
        coupling: &CouplingId,
        source: Option<&MemberId>,
        member: &MemberId,
    ) -> Option<Lease> {
        let pool = self.find(coupling, source)?;
        let member = self.leases.terms.place(member.as_str())?;
        Some(self.lease_at(pool, member))
    }

    pub(crate) fn lease_at(&self, pool: usize, member: usize) -> Lease {
        let steps = self.steps();
        let pool = &self.pools[pool];
        let row = |values: &[i128]| {
            let row = &values[member * steps..(member + 1) * steps];
            row.iter().map(|v| *v as i64).collect::<Vec<i64>>()
        };
        let (held, paid, left) = (row(&pool.held), row(&pool.paid), row(&pool.left));
        let minus = |a: &[i64], b: &[i64]| {
            let both = a.iter().zip(b);
            both.map(|(a, b)| (a - b).max(0)).collect::<Vec<i64>>()
        };
        Lease {
            cut: minus(&held, &paid),
            curtailed: minus(&paid, &left),
            encumbered: row(&pool.encumbered),
            held,
        }
    }

    /// What there is of a pool at each step, derates aside.
    pub(crate) fn level(&self, pool: usize) -> &[i64] {
        &self.pools[pool].amount
    }

    /// What there is of a source at each step, derates taken off: what all members'
    /// effective leases sum to at most.
    pub fn available(&self, coupling: &CouplingId, source: Option<&MemberId>) -> Option<Vec<i64>> {
        let pool = &self.pools[self.find(coupling, source)?];
        let amounts = pool.amount.iter().zip(&pool.missing);
        Some(amounts.map(|(a, m)| (a - m).max(0)).collect())
    }

    /// What a member may use of a source at each step, in its own view: what is left to it,
    /// less what it promised away from now on, and of what is not receipted what
    /// the cap allows. Its floor only, if it is fenced, forked or revoked.
    pub fn usable(
        &self,
        coupling: &CouplingId,
        source: Option<&MemberId>,
        member: &MemberId,
        fence: Fence,
    ) -> Option<Vec<i64>> {
        let pool = self.find(coupling, source)?;
        let member = self.leases.terms.place(member.as_str())?;
        Some(self.usable_at(pool, member, fence))
    }

    pub(crate) fn usable_at(&self, pool: usize, member: usize, fence: Fence) -> Vec<i64> {
        let (leases, steps) = (self.leases, self.steps());
        let terms = &leases.terms.pools[pool];
        let view = &self.pools[pool];
        let row = member * steps..(member + 1) * steps;
        let floors = (0..steps).map(|step| i128::from(terms.floor(member, step)));
        let fenced = fence.floors_only() && leases.rules.keeps(Rule::Fence);
        let mut held = vec![0; steps];
        let coupling = &leases.terms.couplings[terms.coupling];
        if coupling.has(member)
            && !fenced
            && !self.forked(member)
            && (!self.revoked(member) || !leases.rules.keeps(Rule::RevokedFrozen))
        {
            let mut tips = self.tips(member);
            let account = tips.pop().map(|tip| leases.account(tip).clone());
            let mut account: Account = account.unwrap_or_default();
            leases.hear(&mut account, member, self.all());
            held = leases.holding(&mut account, member, pool, 0..steps, self.all());
        }
        let encumbered = &view.encumbered[row.clone()];
        let known = encumbered.iter().zip(&view.fenced[row.clone()]);
        let left = view.left[row].iter().zip(known);
        let usable = held.into_iter().zip(floors).zip(left);
        usable
            .map(|((held, floor), (left, (encumbered, fenced)))| {
                // Books count all that is promised as given.
                let booked = if leases.rules.keeps(Rule::Encumbered) {
                    held + encumbered
                } else {
                    held
                };
                let usable = booked.min(*left) - fenced;
                usable.max(floor.min(*left)).max(0) as i64
            })
            .collect()
    }

    /// Whether rights on a source are firm: its supplier has said something that
    /// follows from `since`. Rights on a capacity always are. It decides nothing about
    /// who holds them.
    pub fn is_firm(&self, source: Option<&MemberId>, since: EntryIx) -> bool {
        let Some(supplier) = source else { return true };
        let place = self.leases.terms.place(supplier.as_str());
        let author = place.and_then(|place| self.leases.author[place]);
        let causal = &self.leases.causal;
        let mut tips = author.into_iter().flat_map(|author| causal.tips(author));
        tips.any(|tip| causal.holds(causal.clock(tip), since.at() as u32))
    }

    /// What members hold together of a coupling at each step, all sources taken
    /// together: what an island of them can plan with, if what all others hold counts
    /// as used.
    pub fn held_by(&self, coupling: &CouplingId, members: &BTreeSet<MemberId>) -> Vec<i64> {
        let mut sum = vec![0; self.steps()];
        let Some(coupling) = self.leases.terms.coupling(coupling) else {
            return sum;
        };
        for pool in &self.leases.terms.couplings[coupling].pools {
            for member in members {
                let Some(place) = self.leases.terms.place(member.as_str()) else {
                    continue;
                };
                let lease = self.lease_at(*pool, place).effective();
                for (sum, own) in sum.iter_mut().zip(lease) {
                    *sum += own;
                }
            }
        }
        sum
    }

    /// The value of an agreement that a member goes by at a step; nothing while it
    /// must go by none: its consent binds it, or may do so and be forgotten, the owner has
    /// forked, or what it went by has become void.
    pub fn value(
        &self,
        coupling: &CouplingId,
        member: &MemberId,
        step: usize,
        fence: Fence,
    ) -> Option<i64> {
        let leases = self.leases;
        let coupling = leases.terms.coupling(coupling)?;
        let member = leases.terms.place(member.as_str())?;
        let terms = &leases.terms.couplings[coupling];
        let pool = &leases.terms.pools[*terms.pools.first()?];
        if terms.has_rights() || step >= self.steps() || !terms.has(member) {
            return None;
        }
        let forgotten = !fence.may_sign() && leases.rules.keeps(Rule::Fence);
        if forgotten || self.forked(pool.owner) || leases.is_between(coupling, member, step) {
            return None;
        }
        let changes = leases.changes(&leases.said[pool.owner], coupling);
        let concerns = |span: &super::fold::Span| span.iter().any(|(at, _)| at == step);
        let mut last = None;
        for change in changes.iter().filter(|change| concerns(change.span)) {
            if self.void[leases.op_at[&change.node]] {
                return None;
            }
            last = Some(change.span.at(step));
        }
        Some(last.unwrap_or_else(|| pool.amount(step)))
    }

    /// Entries that change nothing, by id, and whose fault that is.
    pub fn faults(&self) -> Vec<&'l Fault> {
        self.leases.faults()
    }

    /// The entries that made a member's lease what it is: what it and others gave,
    /// claimed, promised and committed, the forks and revocations that it pays
    /// for, and derates.
    pub fn why(
        &self,
        coupling: &CouplingId,
        source: Option<&MemberId>,
        member: &MemberId,
    ) -> BTreeSet<MessageId> {
        let leases = self.leases;
        let (Some(pool), Some(place)) = (
            self.find(coupling, source),
            leases.terms.place(member.as_str()),
        ) else {
            return BTreeSet::new();
        };
        let concerns = |op: &&Op| match &op.what {
            What::Grant(at) | What::Claim(at) => {
                let grant = &leases.grants[*at];
                grant.pool == pool && (grant.from == place || grant.to == place)
            }
            What::Commit { pool: of, .. } => *of == pool && op.member == place,
            _ => false,
        };
        let mut why: BTreeSet<u32> = self.ops().filter(concerns).map(|op| op.node).collect();
        let lease = self.lease_at(pool, place);
        if lease.curtailed.iter().any(|v| *v > 0) {
            let derates = self
                .ops()
                .filter(|op| matches!(op.what, What::Derate { pool: of, .. } if of == pool));
            why.extend(derates.map(|op| op.node));
        }
        let mut ids = BTreeSet::new();
        if lease.cut.iter().any(|v| *v > 0) {
            for author in leases.author.iter().flatten() {
                why.extend(leases.causal.forks(*author));
                ids.extend(self.log.revocations(AuthorIx(*author)));
            }
        }
        ids.extend(why.into_iter().map(|node| id_of(self.log, node)));
        ids
    }

    pub(crate) fn leases(&self) -> &'l Leases {
        self.leases
    }

    pub(crate) fn log(&self) -> &'l Log {
        self.log
    }

    /// The valid entries that are not void, in canonical order.
    pub(crate) fn in_order(&self) -> Vec<&'l Op> {
        let mut ops: Vec<&Op> = self.ops().collect();
        ops.sort_by_key(|op| {
            let id = id_of(self.log, op.node);
            let depth = self.log.find(&id).map(|ix| self.log.depth(ix));
            (depth, id)
        });
        ops
    }

    /// A digest of everything here: equal sets of entries have equal digests.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("cosmosmesh 2026 leases v1");
        for pool in &self.pools {
            for values in [
                &pool.held,
                &pool.paid,
                &pool.left,
                &pool.encumbered,
                &pool.fenced,
            ] {
                for value in values {
                    hasher.update(&value.to_be_bytes());
                }
            }
            for value in pool.amount.iter().chain(&pool.missing) {
                hasher.update(&value.to_be_bytes());
            }
        }
        for coupling in &self.leases.terms.couplings {
            for member in coupling.members.iter().filter(|_| !coupling.has_rights()) {
                for step in 0..self.steps() {
                    let member = &self.leases.terms.members()[*member];
                    let value = self.value(&coupling.terms.id, member, step, Fence::OPEN);
                    hasher.update(&[u8::from(value.is_some())]);
                    hasher.update(&value.unwrap_or(0).to_be_bytes());
                }
            }
        }
        for conflict in self.conflicts() {
            hasher.update(&conflict.step.to_be_bytes());
            for request in &conflict.requests {
                hasher.update(&request.entry.0);
            }
        }
        for fault in self.faults() {
            hasher.update(&fault.entry.0);
        }
        *hasher.finalize().as_bytes()
    }
}
