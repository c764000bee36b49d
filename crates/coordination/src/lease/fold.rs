//! The fold: which entries are valid, and what each author may give.
//!
//! Whether an entry is valid follows from its causal past alone, hence never
//! changes: the fold takes entries in any order in which parents come first, and
//! only ever adds. What follows from *all* entries (forks, revocations, shortage)
//! is in [`View`](super::View).

use std::collections::BTreeMap;
use std::sync::Arc;

use cosmosmesh_log::{EntryIx, Kind, Log};
use cosmosmesh_mission::{
    Canonical as _, ContractId, CouplingId, Delta, FixedVec, MemberId, MessageId, PlanDelta,
};

use super::causal::{Causal, Clock};
use super::fault::{Fault, Reason};
use super::rules::{Rule, Rules};
use super::terms::{Coupling, CouplingKind, LeaseTerms, MAX_QUANTA};
use crate::contract::Contract;

/// The number that stands for a plan delta on the wire.
const PLAN_DELTA: Kind = Kind(2);

/// Quanta from a step on.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) quanta: Vec<i64>,
}

impl Span {
    /// Steps and quanta.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, i64)> + '_ {
        (self.start..).zip(self.quanta.iter().copied())
    }

    pub(crate) fn at(&self, step: usize) -> i64 {
        let at = step.checked_sub(self.start);
        at.and_then(|at| self.quanta.get(at)).copied().unwrap_or(0)
    }

    fn steps(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.quanta.len()
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (self.steps(), other.steps());
        a.start < b.end && b.start < a.end
    }
}

/// What kind of giving it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantKind {
    Transfer,
    /// Received only when it is claimed.
    Reversion {
        after_s: i64,
    },
    /// Gives the holder of a reversion steps back to use.
    Renewal {
        reversion: usize,
        after_s: i64,
    },
    /// A reversion as it was claimed, in the steps that could be.
    Claim {
        reversion: usize,
    },
}

/// Rights that pass from one member to another.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    /// The donor's entry. Of a claim: that of the reversion.
    pub(crate) node: u32,
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) pool: usize,
    pub(crate) kind: GrantKind,
    pub(crate) span: Span,
    /// The donor's grant of the same pool before it, on its branch.
    previous: Option<usize>,
}

/// What a valid entry says.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Grant(usize),
    Claim(usize),
    Commit {
        pool: usize,
        span: Span,
    },
    Derate {
        pool: usize,
        span: Span,
    },
    Request {
        coupling: usize,
        start: usize,
        count: usize,
    },
    Move {
        coupling: usize,
        span: Span,
    },
    Proposal {
        coupling: usize,
        span: Span,
    },
    Consent {
        proposal: u32,
    },
    Switch {
        proposal: u32,
    },
    Withdrawal {
        of: u32,
    },
}

/// A valid entry.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) node: u32,
    pub(crate) member: usize,
    pub(crate) what: What,
}

/// What a member has of one pool at the end of one of its branches.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    /// Given and promised, by step.
    out: Vec<i128>,
    /// Received for good, by step.
    received: Vec<i128>,
    /// Received, and not receipted yet when last looked at.
    tail: Vec<usize>,
    /// What the supplier is committed to, if it has said so.
    pub(crate) level: Option<Vec<i64>>,
    last: Option<usize>,
}

/// A reversion in the books of the member that it names.
#[derive(Clone, Copy, Debug)]
struct Promise {
    after_s: i64,
    claimed: bool,
}

/// The books of one branch of a member.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) lanes: BTreeMap<usize, Lane>,
    /// How many grants of each incoming segment are in the lanes.
    heard: Vec<usize>,
    promises: BTreeMap<usize, Promise>,
    /// What the member says of agreements that it owns, and its consents.
    pub(crate) said: Vec<usize>,
}

impl Account {
    fn lane(&mut self, pool: usize, steps: usize) -> &mut Lane {
        self.lanes.entry(pool).or_insert_with(|| Lane {
            out: vec![0; steps],
            received: vec![0; steps],
            tail: Vec::new(),
            level: None,
            last: None,
        })
    }
}

/// Grants to one member in one segment of a donor.
#[derive(Clone, Debug)]
struct Incoming {
    segment: u32,
    grants: Vec<usize>,
}

/// The leases that follow from a log.
#[derive(Clone, Debug)]
pub struct Leases {
    pub(crate) terms: Arc<LeaseTerms>,
    contract: ContractId,
    pub(crate) rules: Rules,
    /// Members by author, and authors by member.
    pub(crate) member: Vec<Option<usize>>,
    pub(crate) author: Vec<Option<u32>>,
    pub(crate) causal: Causal,
    pub(crate) ops: Vec<Op>,
    pub(crate) op_at: BTreeMap<u32, usize>,
    /// The valid entries of each member.
    pub(crate) said: Vec<Vec<usize>>,
    pub(crate) grants: Vec<Grant>,
    incoming: Vec<Vec<Incoming>>,
    /// The books at the end of each segment.
    accounts: Vec<Account>,
    faults: Vec<(u32, Fault)>,
}

impl Leases {
    /// The leases of a contract, before anything is said.
    pub fn new(terms: Arc<LeaseTerms>, contract: ContractId, log: &cosmosmesh_log::Terms) -> Self {
        let names = log.authors().map(|(_, name)| name);
        let member: Vec<_> = names.map(|name| terms.place(name.as_str())).collect();
        let mut author = vec![None; terms.members().len()];
        for (at, member) in (0..).zip(&member) {
            if let Some(member) = member {
                author[*member] = Some(at);
            }
        }
        Self {
            causal: Causal::new(log.len()),
            said: vec![Vec::new(); author.len()],
            incoming: vec![Vec::new(); author.len()],
            rules: Rules::default(),
            ops: Vec::new(),
            op_at: BTreeMap::new(),
            grants: Vec::new(),
            accounts: Vec::new(),
            faults: Vec::new(),
            member,
            author,
            contract,
            terms,
        }
    }

    /// The leases that follow from a log of the contract.
    pub fn of(contract: &Contract, log: &Log) -> Self {
        let terms = contract.leases().clone();
        let mut leases = Self::new(terms, contract.id().clone(), contract.terms());
        leases.take(log);
        leases
    }

    /// Takes what has been attached to the log since the last time. The log must be
    /// the same one, or one to which nothing else was attached before.
    pub fn take(&mut self, log: &Log) {
        for ix in log.attached_since(self.causal.len()) {
            self.take_entry(log, ix);
        }
    }

    /// The terms.
    pub fn terms(&self) -> &Arc<LeaseTerms> {
        &self.terms
    }

    /// Entries that change nothing, by id.
    pub fn faults(&self) -> Vec<&Fault> {
        let mut faults: Vec<&Fault> = self.faults.iter().map(|(_, fault)| fault).collect();
        faults.sort_by_key(|fault| fault.entry);
        faults
    }

    fn take_entry(&mut self, log: &Log, ix: EntryIx) {
        let forked = self.causal.take(log, ix);
        let node = ix.at() as u32;
        let segment = self.causal.spot(node).segment as usize;
        if segment == self.accounts.len() {
            let before = log.before(ix).filter(|_| forked);
            let account = before.map(|ix| self.replayed(ix.at() as u32));
            self.accounts.push(account.unwrap_or_default());
        }
        if log.kind(ix) != PLAN_DELTA {
            return;
        }
        let Some(entry) = log.entry(ix) else { return };
        let Some(member) = self.member[log.author(ix).0 as usize] else {
            return;
        };
        let mut account = std::mem::take(&mut self.accounts[segment]);
        let outcome = match PlanDelta::from_cbor(entry.body()) {
            Ok(plan) => {
                let same = plan.author == entry.header().author;
                if same && plan.contract_id == self.contract {
                    self.read(log, node, member, &mut account, plan.delta)
                } else {
                    Err(Reason::Foreign)
                }
            }
            Err(error) => Err(Reason::Unreadable(error)),
        };
        match outcome {
            Ok(Some(what)) => {
                let op = self.ops.len();
                self.ops.push(Op { node, member, what });
                self.op_at.insert(node, op);
                self.said[member].push(op);
                self.enter(&mut account, op);
                self.announce(op);
            }
            Ok(None) => {}
            Err(reason) => {
                let author = self.terms.members()[member].clone();
                let entry = entry.id();
                let fault = Fault {
                    entry,
                    author,
                    reason,
                };
                self.faults.push((node, fault));
            }
        }
        self.accounts[segment] = account;
    }

    /// The books at an entry that is not the last of its segment.
    fn replayed(&self, node: u32) -> Account {
        let mut account = Account::default();
        let mut chain: Vec<u32> = self.causal.chain(node).collect();
        chain.reverse();
        for node in chain {
            if let Some(op) = self.op_at.get(&node) {
                self.enter(&mut account, *op);
            }
        }
        account
    }

    /// The books at the end of a branch.
    pub(crate) fn account(&self, tip: u32) -> &Account {
        &self.accounts[self.causal.spot(tip).segment as usize]
    }

    /// Enters a valid entry of a member in the books of its branch.
    fn enter(&self, account: &mut Account, op: usize) {
        let steps = self.terms.steps();
        match &self.ops[op].what {
            What::Grant(grant) => {
                let at = *grant;
                let grant = &self.grants[at];
                let lane = account.lane(grant.pool, steps);
                lane.last = Some(at);
                match grant.kind {
                    GrantKind::Renewal { reversion, after_s } => {
                        let claimed = false;
                        account
                            .promises
                            .insert(reversion, Promise { after_s, claimed });
                    }
                    GrantKind::Reversion { .. } if !self.rules.keeps(Rule::Encumbered) => {}
                    _ => {
                        for (step, quanta) in grant.span.iter() {
                            lane.out[step] += i128::from(quanta);
                        }
                    }
                }
            }
            What::Claim(grant) => {
                let GrantKind::Claim { reversion } = self.grants[*grant].kind else {
                    return;
                };
                let (claimed, after_s) = (true, 0);
                account
                    .promises
                    .insert(reversion, Promise { after_s, claimed });
                let lane = account.lane(self.grants[*grant].pool, steps);
                lane.tail.push(*grant);
            }
            What::Commit { pool, span } => {
                let terms = &self.terms.pools[*pool];
                let lane = account.lane(*pool, steps);
                let level = lane
                    .level
                    .get_or_insert_with(|| (0..steps).map(|step| terms.amount(step)).collect());
                for (step, quanta) in span.iter() {
                    level[step] = quanta;
                }
            }
            What::Move { .. }
            | What::Proposal { .. }
            | What::Consent { .. }
            | What::Switch { .. }
            | What::Withdrawal { .. } => account.said.push(op),
            What::Derate { .. } | What::Request { .. } => {}
        }
    }

    /// Lets receivers find a new grant.
    fn announce(&mut self, op: usize) {
        let What::Grant(at) = self.ops[op].what else {
            return;
        };
        let grant = &self.grants[at];
        if grant.kind != GrantKind::Transfer {
            return;
        }
        let segment = self.causal.spot(grant.node).segment;
        let incoming = &mut self.incoming[grant.to];
        match incoming.iter_mut().find(|i| i.segment == segment) {
            Some(incoming) => incoming.grants.push(at),
            None => incoming.push(Incoming {
                segment,
                grants: vec![at],
            }),
        }
    }

    /// Enters what a member has received, as far as the clock knows.
    pub(crate) fn hear(&self, account: &mut Account, member: usize, clock: Clock<'_>) {
        let steps = self.terms.steps();
        let incoming = &self.incoming[member];
        account.heard.resize(incoming.len(), 0);
        for (at, incoming) in incoming.iter().enumerate() {
            while let Some(grant) = incoming.grants.get(account.heard[at]) {
                let pos = self.causal.spot(self.grants[*grant].node).pos;
                if pos >= clock.of(incoming.segment) && self.rules.keeps(Rule::PastOnly) {
                    break;
                }
                account.heard[at] += 1;
                let lane = account.lane(self.grants[*grant].pool, steps);
                lane.tail.push(*grant);
            }
        }
    }

    /// How many entries of a donor's segment are receipted in a coupling.
    fn receipted(&self, coupling: &Coupling, segment: u32, clock: Clock<'_>) -> u32 {
        let authors = coupling.members.iter().filter_map(|m| self.author[*m]);
        let matters = self.rules.keeps(Rule::ReceiptKnowsNoFork);
        let quorum = coupling.terms.quorum;
        self.causal
            .receipted(clock, segment, authors, quorum, matters)
    }

    /// How much of a grant counts while the clock knows no more: all of it if it is
    /// receipted; else what the donor's grants before it leave of the cap.
    pub(crate) fn allowed(&self, grant: usize, clock: Clock<'_>) -> Vec<i64> {
        let grant = &self.grants[grant];
        let coupling = &self.terms.couplings[self.terms.pools[grant.pool].coupling];
        let Some(cap) = coupling.terms.cap.filter(|_| self.rules.keeps(Rule::Cap)) else {
            return grant.span.quanta.clone();
        };
        let mut receipted: BTreeMap<u32, u32> = BTreeMap::new();
        let mut is_receipted = |node: u32| {
            let spot = self.causal.spot(node);
            let prefix = receipted
                .entry(spot.segment)
                .or_insert_with(|| self.receipted(coupling, spot.segment, clock));
            spot.pos < *prefix
        };
        if is_receipted(grant.node) {
            return grant.span.quanta.clone();
        }
        let cap = i128::from(cap);
        let mut left: Vec<i128> = vec![cap; grant.span.quanta.len()];
        let mut before = grant.previous;
        while let Some(earlier) = before.map(|at| &self.grants[at]) {
            if is_receipted(earlier.node) || left.iter().all(|left| *left <= 0) {
                break;
            }
            for (left, step) in left.iter_mut().zip(grant.span.start..) {
                *left -= i128::from(earlier.span.at(step));
            }
            before = earlier.previous;
        }
        let quanta = grant.span.quanta.iter().zip(left);
        quanta
            .map(|(quanta, left)| left.clamp(0, i128::from(*quanta)) as i64)
            .collect()
    }

    /// What a member holds of a pool at some steps and may use or give, as far as the
    /// clock knows, promises aside: the first holding and what it received, less
    /// what it gave and promised.
    pub(crate) fn holding(
        &self,
        account: &mut Account,
        member: usize,
        pool: usize,
        steps: std::ops::Range<usize>,
        clock: Clock<'_>,
    ) -> Vec<i128> {
        let terms = &self.terms.pools[pool];
        let coupling = &self.terms.couplings[terms.coupling];
        let lane = account.lane(pool, self.terms.steps());
        let mut partly = Vec::new();
        let capped = coupling.terms.cap.is_some();
        let (received, tail) = (&mut lane.received, &mut lane.tail);
        tail.retain(|at| {
            let grant = &self.grants[*at];
            let settled = !capped || {
                let spot = self.causal.spot(grant.node);
                spot.pos < self.receipted(coupling, spot.segment, clock)
            };
            if settled {
                for (step, quanta) in grant.span.iter() {
                    received[step] += i128::from(quanta);
                }
            } else {
                partly.push((grant.span.start, self.allowed(*at, clock)));
            }
            !settled
        });
        steps
            .map(|step| {
                let first = i128::from(terms.first(member, step));
                let level = lane.level.as_ref().filter(|_| member == terms.owner);
                let minted = level.map_or(0, |level| level[step] - terms.amount(step));
                let partly = partly.iter().map(|(start, quanta)| {
                    let at = step.checked_sub(*start);
                    at.and_then(|at| quanta.get(at)).copied().unwrap_or(0)
                });
                let partly: i128 = partly.map(i128::from).sum();
                first + i128::from(minted) + lane.received[step] + partly - lane.out[step]
            })
            .collect()
    }

    /// Reads what a member says; nothing if it does not concern leases.
    fn read(
        &mut self,
        log: &Log,
        node: u32,
        member: usize,
        account: &mut Account,
        delta: Delta,
    ) -> Result<Option<What>, Reason> {
        let what = match delta {
            Delta::Transfer {
                coupling,
                source,
                to,
                start,
                quanta,
                ..
            } => {
                let coupling = self.rights(&coupling, member)?;
                let kind = GrantKind::Transfer;
                let span = self.span(start, quanta, 0, MAX_QUANTA)?;
                let source = source.as_ref();
                self.give(node, member, account, coupling, source, &to, span, kind)?
            }
            Delta::Reversion {
                coupling,
                source,
                to,
                start,
                quanta,
                after,
            } => {
                let coupling = self.rights(&coupling, member)?;
                let kind = GrantKind::Reversion { after_s: after.0 };
                let span = self.span(start, quanta, 0, MAX_QUANTA)?;
                let source = source.as_ref();
                self.give(node, member, account, coupling, source, &to, span, kind)?
            }
            Delta::Renewal { reversion, after } => {
                self.renew(log, node, member, account, reversion, after.0)?
            }
            Delta::Claim { reversion } => self.claim(log, node, member, account, reversion)?,
            Delta::Commit {
                coupling,
                start,
                quanta,
                ..
            } => self.commit(node, member, account, &coupling, start, quanta)?,
            Delta::Derate {
                coupling,
                source,
                start,
                quanta,
            } => {
                let coupling = self.rights(&coupling, member)?;
                let pool = self.pool(coupling, source.as_ref())?;
                self.owned(pool, member)?;
                let span = self.span(start, quanta, 0, MAX_QUANTA)?;
                What::Derate { pool, span }
            }
            Delta::Request {
                coupling,
                start,
                count,
            } => {
                let id = coupling;
                let coupling = self.rights(&id, member)?;
                let (start, count) = self.steps(start, count as usize)?;
                let terms = &self.terms.couplings[coupling];
                let pool = &self.terms.pools[terms.pools.first().copied().unwrap_or(0)];
                let single = (start..start + count).all(|step| pool.amount(step) == 1);
                if terms.terms.kind != CouplingKind::Capacity || !single {
                    return Err(Reason::Kind(id));
                }
                What::Request {
                    coupling,
                    start,
                    count,
                }
            }
            Delta::Withdrawal { entry } => self.withdraw(log, node, member, account, entry)?,
            Delta::Move {
                coupling,
                start,
                quanta,
            } => {
                let (coupling, span) = self.values(member, &coupling, start, quanta)?;
                self.check_move(log, node, account, coupling, &span)?;
                What::Move { coupling, span }
            }
            Delta::Proposal {
                coupling,
                start,
                quanta,
            } => {
                let (coupling, span) = self.values(member, &coupling, start, quanta)?;
                self.check_free(log, account, coupling, &span)?;
                What::Proposal { coupling, span }
            }
            Delta::Consent { proposal } => self.consent(log, node, member, proposal)?,
            Delta::Switch { proposal } => self.switch(log, node, member, account, proposal)?,
            // A target is what its author wants, and changes no right.
            _ => return Ok(None),
        };
        Ok(Some(what))
    }

    /// The coupling, if it exists and the author is a member of it.
    pub(crate) fn coupling(&self, id: &CouplingId, member: usize) -> Result<usize, Reason> {
        let place = self.terms.coupling(id);
        let place = place.ok_or_else(|| Reason::Coupling(id.clone()))?;
        self.member_of(place, member)?;
        Ok(place)
    }

    fn member_of(&self, coupling: usize, member: usize) -> Result<(), Reason> {
        let coupling = &self.terms.couplings[coupling];
        if coupling.has(member) {
            return Ok(());
        }
        Err(Reason::NoMember {
            coupling: coupling.terms.id.clone(),
            member: self.terms.members()[member].clone(),
        })
    }

    fn rights(&self, id: &CouplingId, member: usize) -> Result<usize, Reason> {
        let coupling = self.coupling(id, member)?;
        if self.terms.couplings[coupling].has_rights() {
            Ok(coupling)
        } else {
            Err(Reason::Kind(id.clone()))
        }
    }

    fn pool(&self, coupling: usize, source: Option<&MemberId>) -> Result<usize, Reason> {
        let pool = self.terms.source(coupling, source);
        pool.ok_or_else(|| Reason::Source {
            coupling: self.terms.couplings[coupling].terms.id.clone(),
            named: source.cloned(),
        })
    }

    pub(crate) fn owned(&self, pool: usize, member: usize) -> Result<(), Reason> {
        let owner = self.terms.pools[pool].owner;
        if owner == member {
            Ok(())
        } else {
            Err(Reason::NotOwner(self.terms.members()[owner].clone()))
        }
    }

    fn steps(&self, start: u32, count: usize) -> Result<(usize, usize), Reason> {
        let steps = self.terms.steps();
        let fits = (start as usize) < steps && count >= 1 && count <= steps - start as usize;
        if fits {
            return Ok((start as usize, count));
        }
        Err(Reason::Steps {
            start,
            count,
            steps,
        })
    }

    pub(crate) fn span(
        &self,
        start: u32,
        quanta: FixedVec,
        least: i64,
        most: i64,
    ) -> Result<Span, Reason> {
        let (start, _) = self.steps(start, quanta.len())?;
        let span = Span {
            start,
            quanta: quanta.0,
        };
        let mut wrong = span.iter().filter(|(_, q)| !(least..=most).contains(q));
        if let Some((step, actual)) = wrong.next() {
            return Err(Reason::Quanta {
                step,
                actual,
                least,
                most,
            });
        }
        drop(wrong);
        Ok(span)
    }

    /// Checks that a member can give, or no longer be committed to, so much.
    fn check_held(
        &self,
        node: u32,
        member: usize,
        account: &mut Account,
        pool: usize,
        span: &Span,
    ) -> Result<(), Reason> {
        let clock = self.causal.clock(node);
        self.hear(account, member, clock);
        let held = self.holding(account, member, pool, span.steps(), clock);
        for ((step, asked), held) in span.iter().zip(held) {
            let floor = self.terms.pools[pool].floor(member, step);
            let floor = if self.rules.keeps(Rule::Floor) {
                floor
            } else {
                0
            };
            let free = held - i128::from(floor);
            if asked > 0 && i128::from(asked) > free {
                return Err(Reason::NotHeld { step, asked, free });
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn give(
        &mut self,
        node: u32,
        from: usize,
        account: &mut Account,
        coupling: usize,
        source: Option<&MemberId>,
        to: &MemberId,
        span: Span,
        kind: GrantKind,
    ) -> Result<What, Reason> {
        let pool = self.pool(coupling, source)?;
        let place = self.terms.place(to.as_str());
        let to = place.ok_or_else(|| Reason::NoMember {
            coupling: self.terms.couplings[coupling].terms.id.clone(),
            member: to.clone(),
        })?;
        self.member_of(coupling, to)?;
        if to == from {
            return Err(Reason::Self_);
        }
        if self.rules.keeps(Rule::Holder) {
            self.check_held(node, from, account, pool, &span)?;
        }
        Ok(self.grant(node, from, to, account, pool, kind, span))
    }

    #[allow(clippy::too_many_arguments)]
    fn grant(
        &mut self,
        node: u32,
        from: usize,
        to: usize,
        account: &mut Account,
        pool: usize,
        kind: GrantKind,
        span: Span,
    ) -> What {
        let previous = account.lanes.get(&pool).and_then(|lane| lane.last);
        self.grants.push(Grant {
            node,
            from,
            to,
            pool,
            kind,
            span,
            previous,
        });
        What::Grant(self.grants.len() - 1)
    }

    fn commit(
        &self,
        node: u32,
        member: usize,
        account: &mut Account,
        id: &CouplingId,
        start: u32,
        quanta: FixedVec,
    ) -> Result<What, Reason> {
        let coupling = self.rights(id, member)?;
        let pool = self.pool(coupling, Some(&self.terms.members()[member]))?;
        let terms = &self.terms.pools[pool];
        let span = self.span(start, quanta, 0, MAX_QUANTA)?;
        for (step, actual) in span.iter() {
            let most = terms.limit(step);
            if actual > most {
                return Err(Reason::Quanta {
                    step,
                    actual,
                    least: 0,
                    most,
                });
            }
        }
        let level = account.lane(pool, self.terms.steps()).level.as_ref();
        let less = span.iter().map(|(step, quanta)| {
            let now = level.map_or_else(|| terms.amount(step), |level| level[step]);
            now - quanta
        });
        let less = Span {
            start: span.start,
            quanta: less.collect(),
        };
        if self.rules.keeps(Rule::CommitHeld) {
            self.check_held(node, member, account, pool, &less)?;
        }
        Ok(What::Commit { pool, span })
    }

    /// What a valid entry in an entry's past says.
    pub(crate) fn past(&self, log: &Log, node: u32, id: MessageId) -> Result<&Op, Reason> {
        let refers = Reason::Refers(id);
        let found = log.find(&id).map(|ix| ix.at() as u32);
        let found =
            found.filter(|at| *at < node && self.causal.holds(self.causal.clock(node), *at));
        let op = found.and_then(|at| self.op_at.get(&at)).ok_or(refers)?;
        Ok(&self.ops[*op])
    }

    /// A reversion to the member that it has not claimed, and what it was put off to.
    fn reversion(
        &self,
        log: &Log,
        node: u32,
        member: usize,
        account: &Account,
        id: MessageId,
    ) -> Result<(usize, i64), Reason> {
        let What::Grant(at) = self.past(log, node, id)?.what else {
            return Err(Reason::Refers(id));
        };
        let GrantKind::Reversion { after_s } = self.grants[at].kind else {
            return Err(Reason::Refers(id));
        };
        let to = self.grants[at].to;
        if to != member {
            return Err(Reason::NotNamed(self.terms.members()[to].clone()));
        }
        match account.promises.get(&at) {
            Some(promise) if promise.claimed && self.rules.keeps(Rule::ClaimOnce) => {
                Err(Reason::Claimed)
            }
            Some(promise) => Ok((at, promise.after_s)),
            None => Ok((at, after_s)),
        }
    }

    fn renew(
        &mut self,
        log: &Log,
        node: u32,
        member: usize,
        account: &mut Account,
        id: MessageId,
        after_s: i64,
    ) -> Result<What, Reason> {
        let (reversion, before_s) = self.reversion(log, node, member, account, id)?;
        if after_s <= before_s {
            return Err(Reason::NotLater {
                expected: before_s,
                actual: after_s,
            });
        }
        let Grant {
            from, pool, span, ..
        } = self.grants[reversion].clone();
        let again = |(step, quanta): (usize, i64)| {
            let more = self.terms.is_before(step, after_s) && !self.terms.is_before(step, before_s);
            if more { quanta } else { 0 }
        };
        let span = Span {
            start: span.start,
            quanta: span.iter().map(again).collect(),
        };
        let kind = GrantKind::Renewal { reversion, after_s };
        Ok(self.grant(node, member, from, account, pool, kind, span))
    }

    fn claim(
        &mut self,
        log: &Log,
        node: u32,
        member: usize,
        account: &Account,
        id: MessageId,
    ) -> Result<What, Reason> {
        let (reversion, after_s) = self.reversion(log, node, member, account, id)?;
        let mut claimed = self.grants[reversion].clone();
        claimed.kind = GrantKind::Claim { reversion };
        for (quanta, step) in claimed.span.quanta.iter_mut().zip(claimed.span.start..) {
            if self.rules.keeps(Rule::ClaimBehind) && !self.terms.is_behind(step, after_s) {
                *quanta = 0;
            }
        }
        self.grants.push(claimed);
        Ok(What::Claim(self.grants.len() - 1))
    }
}
