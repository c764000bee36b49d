//! From closed rounds to prices, bounds and the plan: one step a closing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_mission::{
    Delta, DualVariables, Envelope, MessageId, Payload, PlanDelta, SharedVariables,
};
use cosmosmesh_optimize::coupled::RowKind;
use cosmosmesh_optimize::method::{Bounds, Call, Candidate, Fold, Reply, fixed};

use crate::contract::Contract;
use crate::wire::{WireError, call_from_dual, dual_from_call, reply_from_shared};

/// The candidate number under which members give the cost of what they settle
/// on: it differs from the candidate's own by the rounding that one member
/// takes.
pub const SETTLED: u32 = 63;

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

/// The state that follows from the closings so far.
#[derive(Debug, Clone)]
pub struct Progress {
    contract: Arc<Contract>,
    fold: Fold,
    phase: Phase,
    /// The number of the next closing.
    next: u32,
    rounds: Vec<ClosedRound>,
    plan: Option<Plan>,
}

impl Progress {
    /// Before the first message.
    pub fn new(contract: Arc<Contract>) -> Self {
        let fold = Fold::new(contract.frame().clone(), contract.method());
        Self {
            contract,
            fold,
            phase: Phase::Rounds,
            next: 1,
            rounds: Vec::new(),
            plan: None,
        }
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

    /// The plan, once agreed.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// The message that opens the present round, given what it follows from.
    ///
    /// # Errors
    ///
    /// When a number of it does not fit.
    pub fn opening(&self, cohort: BTreeSet<MessageId>) -> Result<DualVariables, WireError> {
        let settle = match self.phase {
            Phase::Settling(at) => Some(at),
            Phase::Rounds | Phase::Agreed => None,
        };
        let c = &*self.contract;
        let mut call = self.fold.call().clone();
        call.round = self.next;
        dual_from_call(
            c.names(),
            c.frame(),
            &call,
            c.id(),
            c.epoch(),
            cohort,
            settle,
        )
    }

    /// Closes the present round with the messages of a cohort.
    ///
    /// The order of the messages does not matter. What is no answer to an open
    /// question is left out.
    ///
    /// # Errors
    ///
    /// When a message of the cohort does not fit the contract.
    pub fn close(&mut self, cohort: &BTreeMap<MessageId, &Envelope>) -> Result<(), WireError> {
        self.next += 1;
        match self.phase {
            Phase::Agreed => {}
            Phase::Settling(at) => self.close_settlement(at, cohort)?,
            Phase::Rounds => self.close_round(cohort)?,
        }
        Ok(())
    }

    fn shared<'e>(
        &self,
        cohort: &BTreeMap<MessageId, &'e Envelope>,
    ) -> Vec<(usize, &'e SharedVariables)> {
        let mut newest: BTreeMap<usize, &SharedVariables> = BTreeMap::new();
        for envelope in cohort.values() {
            if let Payload::SharedVariables(s) = &envelope.payload
                && let Some(i) = self.contract.place(envelope.author.as_str())
            {
                let old = newest.entry(i).or_insert(s);
                if s.round > old.round {
                    *old = s;
                }
            }
        }
        newest.into_iter().collect()
    }

    fn close_round(&mut self, cohort: &BTreeMap<MessageId, &Envelope>) -> Result<(), WireError> {
        let c = self.contract.clone();
        let round = self.fold.call().round;
        let mut replies: Vec<(usize, Reply)> = Vec::new();
        for (i, shared) in self.shared(cohort) {
            replies.push((i, reply_from_shared(c.names(), c.frame(), i, shared)?));
        }
        let counted: Vec<(usize, &Reply)> = replies.iter().map(|(i, r)| (*i, r)).collect();
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
            && gap <= c.gap()
        {
            self.phase = Phase::Settling(at);
        }
        Ok(())
    }

    fn close_settlement(
        &mut self,
        at: Candidate,
        cohort: &BTreeMap<MessageId, &Envelope>,
    ) -> Result<(), WireError> {
        let c = self.contract.clone();
        let members = c.members().len();
        // What every member says that the plan costs it, and its allotments.
        let mut costs: Vec<Option<Option<i64>>> = vec![None; members];
        for (i, shared) in self.shared(cohort) {
            let reply = reply_from_shared(c.names(), c.frame(), i, shared)?;
            costs[i] = reply
                .costs
                .iter()
                .find(|v| v.round == at.round && v.candidate == SETTLED)
                .map(|v| v.value);
        }
        let deltas = self.deltas(cohort);
        if costs.iter().any(|c| matches!(c, Some(None))) {
            // Somebody cannot keep to it: look for another.
            self.refuse();
            return Ok(());
        }
        let Some(costs) = costs
            .into_iter()
            .map(Option::flatten)
            .collect::<Option<Vec<i64>>>()
        else {
            return Ok(()); // not all have answered: the question stays open
        };
        let Some(allotments) = self.allotments(&deltas) else {
            return Ok(());
        };
        let violation = violation(&c, &allotments);
        let total: i128 = costs.iter().map(|v| i128::from(*v)).sum();
        let cost = fixed::from_sum(total, fixed::COST);
        let gap = self
            .fold
            .bounds()
            .lower()
            .map(|lower| (cost - lower) / cost.abs().max(fixed::COST));
        if violation > 0 || gap.is_none_or(|g| g > c.gap()) {
            self.refuse();
            return Ok(());
        }
        self.plan = Some(Plan {
            allotments,
            cost,
            gap,
            violation,
        });
        self.phase = Phase::Agreed;
        Ok(())
    }

    fn refuse(&mut self) {
        self.fold.reject_best();
        self.phase = Phase::Rounds;
        if let (Some(gap), Some(at)) =
            (self.fold.bounds().relative_gap(), self.fold.bounds().best())
            && gap <= self.contract.gap()
        {
            self.phase = Phase::Settling(at);
        }
        if self.phase == Phase::Rounds {
            self.fold.renumber(self.next);
        }
    }

    fn deltas<'e>(
        &self,
        cohort: &BTreeMap<MessageId, &'e Envelope>,
    ) -> BTreeMap<(usize, &'e str), &'e [i64]> {
        let mut out = BTreeMap::new();
        for envelope in cohort.values() {
            if let Payload::PlanDelta(PlanDelta { delta, .. }) = &envelope.payload {
                let Some(i) = self.contract.place(envelope.author.as_str()) else {
                    continue;
                };
                if let Delta::Allocation {
                    coupling,
                    epoch,
                    quanta,
                } = delta
                    && *epoch == self.contract.epoch()
                {
                    out.insert((i, coupling.as_str()), &quanta[..]);
                }
            }
        }
        out
    }

    /// Allotments of all members by their rows, if all deltas are there.
    fn allotments(&self, deltas: &BTreeMap<(usize, &str), &[i64]>) -> Option<Vec<Vec<i64>>> {
        let frame = self.contract.frame();
        let mut out = Vec::new();
        for (i, m) in frame.members.iter().enumerate() {
            let mut own = vec![0; m.rows.len()];
            for (coupling, rows) in &self.contract.names().couplings {
                let places: Vec<usize> = rows
                    .iter()
                    .filter_map(|r| m.rows.binary_search(r).ok())
                    .collect();
                if places.is_empty() {
                    continue;
                }
                let quanta = deltas.get(&(i, coupling.as_str()))?;
                if quanta.len() != places.len() {
                    return None;
                }
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

/// The call and the settlement that a message asks for.
///
/// # Errors
///
/// When the message does not fit the contract.
pub fn asked(
    contract: &Contract,
    dual: &DualVariables,
) -> Result<(Call, Option<Candidate>), WireError> {
    call_from_dual(contract.names(), contract.frame(), dual)
}
