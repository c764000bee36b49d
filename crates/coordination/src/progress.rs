//! From closed rounds to prices, bounds and the plan: one step a closing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_log::{Entry, EntryError, Kind, Status, Vote};
use cosmosmesh_mission::{
    Canonical as _, CouplingId, Delta, DualVariables, Epoch, MemberId, MessageId, Payload, PricesId,
};
use cosmosmesh_optimize::coupled::RowKind;
use cosmosmesh_optimize::method::{
    AllotmentCost, Bounds, Call, Candidate, Fold, MethodName, Recipe, Reply, certifies, fixed,
};

use crate::contract::{Contract, Refused};
use crate::wire::{
    WireError, call_from_dual, candidate_to_wire, check_allocation, count, dual_from_call,
    reply_from_shared,
};

/// The candidate number under which members give the cost of what they settle
/// on: it differs from the candidate's own by the rounding that one member
/// takes.
pub const SETTLED: u32 = 63;

/// How many rounds back an answer may be to count: more than members repeat.
const KEPT: u32 = 40;

/// Where an agreement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Rounds are under way.
    Rounds,
    /// A candidate is certified; the members are asked to settle on it.
    Settling(Candidate),
    /// All members have signed off one plan.
    Agreed,
}

/// The plan that was agreed.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Allotments by member and row of the member, in quanta.
    pub allotments: Vec<Vec<i64>>,
    /// What it costs all members together, rounded up.
    pub cost: f64,
    /// The certified relative gap of exactly this plan, if there is a bound.
    pub gap: Option<f64>,
    /// By how many quanta allotments exceed what there is: 0.
    pub violation: u64,
}

/// One closed round.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosedRound {
    /// The round.
    pub round: u32,
    /// The members whose answers to it counted.
    pub present: Vec<usize>,
    /// The bounds after it.
    pub lower: Option<f64>,
    /// The bounds after it.
    pub upper: Option<f64>,
    /// Their relative gap.
    pub gap: Option<f64>,
    /// Largest `|Σ s − c|` of each coupling, in its unit, by
    /// [`crate::wire::RowNames`]; on limits only what is beyond them.
    pub imbalance: Vec<f64>,
    /// The largest of them relative to what its row can carry.
    pub relative_imbalance: f64,
}

/// What a message of a member says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// An answer in a round, or to a settlement, and the prices that it names.
    Reply(Reply, Option<PricesId>),
    /// A closer's vote for a proposal.
    Vote(Vote),
    /// A closer's word that it has given up an attempt.
    Status(Status),
    /// Prices that open a round.
    Opening(Box<DualVariables>),
    /// What the member takes of a coupling, by its rows of it in step order.
    Allocation(CouplingId, Box<[i64]>),
    /// Nothing that the fold reads.
    Other,
}

/// Why a message is left out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Misfit {
    /// It is of a kind of the vocabulary, and cannot be read as that.
    #[error(transparent)]
    Unreadable(#[from] EntryError),
    /// What it says about itself is not of the contract.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What it says does not fit the contract.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// A message that was left out, as if it had never been sent: the fault of its
/// author.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// Who sent it.
    pub author: MemberId,
    /// What does not fit.
    pub reason: Misfit,
}

/// The author of an entry and what it says, if that fits the contract.
///
/// Whether the round that a reply names has asked for one is not checked here:
/// that follows from the messages before it. Entries of other kinds than the
/// vocabulary's (votes for checkpoints, revocations, what later versions say) are
/// nothing to the fold, and no fault.
///
/// # Errors
///
/// When it is no message, not of the contract, or what it says does not fit it.
pub fn read(contract: &Contract, entry: &Entry) -> Result<(usize, Said), Misfit> {
    let envelope = match entry.envelope() {
        // The log's own kinds, and those of later versions: not for the fold.
        Err(EntryError::Kind(_)) => {
            let author = entry.header().author.as_str();
            let place = contract.place(author);
            let place = place.ok_or_else(|| Refused::Author(author.to_owned()))?;
            return Ok((place, of_closer(contract, entry, place)?));
        }
        read => read?,
    };
    let place = contract.admit(&envelope)?;
    let (names, frame) = (contract.names(), contract.frame());
    let said = match envelope.payload {
        Payload::SharedVariables(shared) => {
            let reply = reply_from_shared(names, frame, place, &shared)?;
            Said::Reply(reply, shared.prices)
        }
        Payload::DualVariables(dual) => Said::Opening(Box::new(dual)),
        Payload::PlanDelta(plan) => match plan.delta {
            Delta::Allocation {
                coupling, quanta, ..
            } => {
                check_allocation(names, frame, place, &coupling, &quanta)?;
                Said::Allocation(coupling, quanta.0.into())
            }
            _ => Said::Other,
        },
        _ => Said::Other,
    };
    Ok((place, said))
}

/// What a closer says besides proposals.
fn of_closer(contract: &Contract, entry: &Entry, place: usize) -> Result<Said, Misfit> {
    let kind = entry.header().kind;
    let body = |reason| EntryError::Body {
        kind: kind.0,
        reason,
    };
    let (said, epoch): (Said, Epoch) = match kind {
        Kind::VOTE => {
            let vote = Vote::from_cbor(entry.body()).map_err(body)?;
            (Said::Vote(vote), vote.epoch)
        }
        Kind::STATUS => {
            let status = Status::from_cbor(entry.body()).map_err(body)?;
            (Said::Status(status), status.epoch)
        }
        _ => return Ok(Said::Other),
    };
    contract.admit_closer(place, epoch)?;
    Ok(said)
}

/// What the messages of a cohort say, without those that were left out.
struct Cohort {
    /// The newest reply of each member that answers the present kind of
    /// question, by member.
    replies: Vec<(usize, Reply)>,
    allocations: BTreeMap<(usize, CouplingId), Box<[i64]>>,
}

/// The state that follows from the closings so far.
#[derive(Debug, Clone)]
pub struct Progress {
    contract: Arc<Contract>,
    fold: Fold,
    /// How many points each round asked for in full.
    asked: BTreeMap<u32, usize>,
    left_out: BTreeMap<MessageId, LeftOut>,
    phase: Phase,
    /// The number of the round that is open.
    next: u32,
    /// What opens it.
    opening: Result<Arc<DualVariables>, WireError>,
    /// The prices that opened each round.
    prices: BTreeMap<u32, PricesId>,
    /// Who had said something that the last closing names.
    heard: BTreeSet<usize>,
    /// What closings have named: before the present question was put, and since.
    named: [BTreeSet<MessageId>; 2],
    agreed: Option<Candidate>,
    rounds: Vec<ClosedRound>,
    plan: Option<Plan>,
}

impl Progress {
    /// Before the first message.
    pub fn new(contract: Arc<Contract>) -> Self {
        let fold = Fold::new(contract.frame().clone(), contract.method());
        let mut first = Self {
            contract,
            fold,
            asked: BTreeMap::new(),
            left_out: BTreeMap::new(),
            phase: Phase::Rounds,
            next: 1,
            opening: Err(WireError::Round { actual: 0 }),
            prices: BTreeMap::new(),
            heard: BTreeSet::new(),
            named: Default::default(),
            agreed: None,
            rounds: Vec::new(),
            plan: None,
        };
        first.open(BTreeSet::new());
        first
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// What the members are asked now.
    pub fn call(&self) -> &Call {
        self.fold.call()
    }

    /// The closed rounds.
    pub fn rounds(&self) -> &[ClosedRound] {
        &self.rounds
    }

    /// What is known of the optimum.
    pub fn bounds(&self) -> &Bounds {
        self.fold.bounds()
    }

    /// Messages of the closed rounds that were left out.
    pub fn left_out(&self) -> &BTreeMap<MessageId, LeftOut> {
        &self.left_out
    }

    /// The plan, once agreed.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// The number of the open round.
    pub fn round(&self) -> u32 {
        self.next
    }

    /// The members of whom the last closing names something.
    pub fn heard_of(&self) -> &BTreeSet<usize> {
        &self.heard
    }

    /// Whether an earlier closing counted the message, in answer to another question
    /// than the present one.
    pub fn has_counted(&self, id: &MessageId) -> bool {
        self.named[0].contains(id)
    }

    /// The message that opens the present round, in its first attempt.
    ///
    /// # Errors
    ///
    /// When a number of it does not fit.
    pub fn opening(&self) -> Result<&Arc<DualVariables>, WireError> {
        self.opening.as_ref().map_err(Clone::clone)
    }

    fn open(&mut self, cohort: BTreeSet<MessageId>) {
        let settle = match self.phase {
            Phase::Settling(at) => Some(at),
            Phase::Rounds | Phase::Agreed => None,
        };
        let c = &*self.contract;
        let mut call = self.fold.call().clone();
        call.round = self.next;
        let dual = dual_from_call(
            c.names(),
            c.frame(),
            &call,
            c.id(),
            c.epoch(),
            cohort,
            settle,
        );
        let agreed = self.agreed.map(candidate_to_wire);
        self.opening = dual.map(|dual| Arc::new(DualVariables { agreed, ..dual }));
        let prices = self.opening.as_ref().ok().and_then(|dual| dual.id().ok());
        self.prices.extend(prices.map(|prices| (self.next, prices)));
        let kept = self.next.saturating_sub(KEPT);
        self.prices.retain(|round, _| *round >= kept);
    }

    /// Closes the present round with the messages of a cohort.
    ///
    /// The order of the messages does not matter. A message that does not fit
    /// is left out, and reported ([`Progress::left_out`]).
    pub fn close(&mut self, cohort: &BTreeMap<MessageId, &Entry>) {
        let before = self.phase;
        if self.phase == Phase::Rounds {
            let call = self.fold.call();
            self.asked.insert(call.round, call.full);
        }
        let ids: BTreeSet<MessageId> = cohort.keys().copied().collect();
        let authors = cohort.values().map(|entry| entry.header().author.as_str());
        self.heard = authors.filter_map(|a| self.contract.place(a)).collect();
        let cohort = self.heard(cohort);
        self.next += 1;
        match self.phase {
            Phase::Agreed => {}
            Phase::Settling(at) => self.close_settlement(at, &cohort),
            Phase::Rounds => self.close_round(&cohort),
        }
        self.named[1].extend(&ids);
        if !(matches!(before, Phase::Settling(_)) && before == self.phase) {
            let [earlier, since] = &mut self.named;
            earlier.append(since);
        }
        self.open(ids);
    }

    /// Whether a reply has what its round asked for: a part for each point. A
    /// settlement asks for no points.
    fn check_points(&self, reply: &Reply) -> Result<(), WireError> {
        match self.asked.get(&reply.round) {
            Some(&asked) => count("points", asked, asked, reply.terms.len()),
            None if reply.terms.is_empty() => Ok(()),
            None => Err(WireError::Round {
                actual: reply.round,
            }),
        }
    }

    /// Whether a reply answers a question of the present kind, be it an earlier
    /// one.
    fn answers(&self, reply: &Reply) -> bool {
        match self.phase {
            Phase::Settling(at) => settled(reply, at).is_some(),
            Phase::Rounds | Phase::Agreed => !reply.terms.is_empty(),
        }
    }

    /// Whether a reply is to the prices that opened its round. An answer to a proposal
    /// that was not certified is no fault, and does not count; what a member says of
    /// a settlement is about the candidate, whoever asked.
    fn of_prices(&self, reply: &Reply, prices: Option<PricesId>) -> bool {
        reply.terms.is_empty()
            || prices.is_some() && prices == self.prices.get(&reply.round).copied()
    }

    /// Whether a member that answers so has the prices that opened its round.
    pub(crate) fn knows(&self, reply: &Reply, prices: Option<PricesId>) -> bool {
        prices.is_some() && prices == self.prices.get(&reply.round).copied()
    }

    /// Whether a reply answers the present question itself.
    pub(crate) fn answers_now(&self, reply: &Reply, prices: Option<PricesId>) -> bool {
        if !self.of_prices(reply, prices) {
            return false;
        }
        let call = self.fold.call();
        let settling = matches!(self.phase, Phase::Settling(_));
        let complete = reply.round == call.round && reply.terms.len() == call.full;
        self.answers(reply) && (settling || complete)
    }

    fn heard(&mut self, cohort: &BTreeMap<MessageId, &Entry>) -> Cohort {
        let contract = self.contract.clone();
        let mut newest: BTreeMap<usize, Reply> = BTreeMap::new();
        let mut allocations = BTreeMap::new();
        let mut in_order: Vec<&&Entry> = cohort.values().collect();
        in_order.sort_by_key(|entry| {
            let header = entry.header();
            (&header.author, header.boot_epoch, header.seq, entry.id())
        });
        // Whose allocations of what follows in its chain are for the candidate that is
        // to be settled on.
        let mut settles = None;
        for entry in in_order {
            let said = read(&contract, entry).and_then(|(i, said)| {
                if let Said::Reply(reply, prices) = &said
                    && (self.knows(reply, *prices) || reply.round > self.next + 1)
                {
                    self.check_points(reply)?;
                }
                Ok((i, said))
            });
            match said {
                Ok((i, Said::Reply(reply, prices))) => {
                    if let Phase::Settling(at) = self.phase {
                        settles = settled(&reply, at).map(|_| i);
                    }
                    let newer = newest.get(&i).is_none_or(|old| reply.round > old.round);
                    if newer && self.of_prices(&reply, prices) && self.answers(&reply) {
                        newest.insert(i, reply);
                    }
                }
                Ok((i, Said::Allocation(coupling, quanta))) => {
                    if settles == Some(i) {
                        allocations.insert((i, coupling), quanta);
                    }
                }
                Ok((_, Said::Opening(_) | Said::Vote(_) | Said::Status(_) | Said::Other)) => {}
                Err(reason) => {
                    self.left_out.extend(left_out(&contract, entry, reason));
                }
            }
        }
        Cohort {
            replies: newest.into_iter().collect(),
            allocations,
        }
    }

    fn close_round(&mut self, cohort: &Cohort) {
        let c = self.contract.clone();
        let round = self.fold.call().round;
        let counted: Vec<(usize, &Reply)> = cohort.replies.iter().map(|(i, r)| (*i, r)).collect();
        let present = counted
            .iter()
            .filter(|(_, r)| r.round == round)
            .map(|(i, _)| *i)
            .collect();
        self.fold.close(&counted);
        let bounds = self.fold.bounds();
        let gap = bounds.relative_gap();
        let rows = self.fold.imbalance();
        let imbalance = c
            .names()
            .couplings
            .iter()
            .map(|(_, at)| at.iter().fold(0.0_f64, |a, &r| a.max(rows[r].abs())))
            .collect();
        let relative_imbalance = rows
            .iter()
            .zip(&c.frame().rows)
            .fold(0.0_f64, |a, (v, r)| a.max(v.abs() / r.scale));
        self.rounds.push(ClosedRound {
            round,
            present,
            lower: bounds.lower(),
            upper: bounds.upper(),
            gap,
            imbalance,
            relative_imbalance,
        });
        if let (Some(gap), Some(at)) = (gap, bounds.best())
            && certifies(gap, c.gap())
        {
            self.phase = Phase::Settling(at);
        }
    }

    fn close_settlement(&mut self, at: Candidate, cohort: &Cohort) {
        let c = self.contract.clone();
        // What every member says that the plan costs it, and its allotments.
        let mut costs: Vec<Option<AllotmentCost>> = vec![None; c.members().len()];
        for (i, reply) in &cohort.replies {
            costs[*i] = settled(reply, at);
        }
        if costs.iter().flatten().any(|c| c.value.is_none()) {
            // Somebody cannot keep to it: look for another.
            self.refuse();
            return;
        }
        let Some(costs) = costs
            .into_iter()
            .map(|c| c?.value)
            .collect::<Option<Vec<i64>>>()
        else {
            return; // not all have answered: the question stays open
        };
        let Some(allotments) = self.allotments(&cohort.allocations) else {
            return;
        };
        let violation = violation(&c, &allotments);
        let total: i128 = costs.iter().map(|v| i128::from(*v)).sum();
        let cost = fixed::from_sum(total, fixed::COST);
        let gap = self
            .fold
            .bounds()
            .lower()
            .map(|lower| (cost - lower) / cost.abs().max(fixed::COST));
        if violation > 0 || gap.is_none_or(|g| !certifies(g, c.gap())) {
            self.refuse();
            return;
        }
        self.plan = Some(Plan {
            allotments,
            cost,
            gap,
            violation,
        });
        self.agreed = Some(at);
        self.phase = Phase::Agreed;
    }

    fn refuse(&mut self) {
        self.fold.reject_best();
        self.phase = Phase::Rounds;
        if let (Some(gap), Some(at)) =
            (self.fold.bounds().relative_gap(), self.fold.bounds().best())
            && certifies(gap, self.contract.gap())
        {
            self.phase = Phase::Settling(at);
        }
        if self.phase == Phase::Rounds {
            self.fold.renumber(self.next);
        }
    }

    /// Allotments of all members by their rows, if all allocations are there.
    fn allotments(
        &self,
        allocations: &BTreeMap<(usize, CouplingId), Box<[i64]>>,
    ) -> Option<Vec<Vec<i64>>> {
        let frame = self.contract.frame();
        let mut out = Vec::new();
        for (i, m) in frame.members.iter().enumerate() {
            let mut own = vec![0; m.rows.len()];
            for (coupling, places) in self.contract.names().places(&m.rows).ok()? {
                let quanta = allocations.get(&(i, coupling.clone()))?;
                for (place, v) in places.into_iter().zip(quanta.iter()) {
                    own[place] = *v;
                }
            }
            out.push(own);
        }
        Some(out)
    }
}

/// By how many quanta allotments exceed what there is, at most.
pub fn violation(contract: &Contract, allotments: &[Vec<i64>]) -> u64 {
    let frame = contract.frame();
    let mut sum = vec![0_i128; frame.rows.len()];
    for (m, a) in frame.members.iter().zip(allotments) {
        for (&r, &v) in m.rows.iter().zip(a) {
            sum[r] += i128::from(v);
        }
    }
    sum.iter()
        .zip(&frame.rows)
        .map(|(s, row)| {
            let over = s - i128::from(row.rhs);
            match row.kind {
                RowKind::Equal => over.unsigned_abs(),
                RowKind::AtMost => over.max(0).unsigned_abs(),
            }
        })
        .max()
        .map_or(0, |v| u64::try_from(v).unwrap_or(u64::MAX))
}

/// What a reply says that settling on a candidate costs, if it does.
fn settled(reply: &Reply, at: Candidate) -> Option<AllotmentCost> {
    let mut costs = reply.costs.iter().copied();
    costs.find(|v| v.round == at.round && v.candidate == SETTLED)
}

/// A message that is left out, if its author is a member.
pub(crate) fn left_out(
    contract: &Contract,
    entry: &Entry,
    reason: Misfit,
) -> Option<(MessageId, LeftOut)> {
    let place = contract.place(entry.header().author.as_str())?;
    let author = contract.members()[place].clone();
    Some((entry.id(), LeftOut { author, reason }))
}

/// The call and the settlement that a message asks for.
///
/// # Errors
///
/// When the message does not fit the contract.
pub fn asked(
    contract: &Contract,
    dual: &DualVariables,
) -> Result<(Call, Option<Candidate>), WireError> {
    let (call, settle) = call_from_dual(contract.names(), contract.frame(), dual)?;
    // Restoring takes sensitivities, which ADMM has none of.
    let restores = |recipe: &Recipe| matches!(recipe, Recipe::Restored { .. });
    if contract.method() == MethodName::Admm && call.candidates.iter().any(restores) {
        return Err(WireError::Restored {
            method: contract.method().name(),
        });
    }
    Ok((call, settle))
}
