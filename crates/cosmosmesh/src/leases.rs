//! Leases in a run: the terms that follow from a mission, and what stands at the end.

use std::collections::{BTreeMap, BTreeSet};

use cosmosmesh_coordination::contract::Contract;
use cosmosmesh_coordination::lease::{
    CouplingKind, CouplingTerms, LeaseTerms, PoolTerms, Targets, View,
};
use cosmosmesh_coordination::ledger::{Ledger, State};
use cosmosmesh_coordination::member::granting;
use cosmosmesh_coordination::progress::{Said, read};
use cosmosmesh_mission::{CouplingId, FixedVec, MemberId, TimeGrid, UtcSeconds};
use cosmosmesh_optimize::method::fixed;
use cosmosmesh_optimize::problem::Name;
use cosmosmesh_planning::mission::{self, Mission};
use cosmosmesh_planning::scenario::{self, Resource};
use serde::Serialize;

use crate::run::RunError;

/// How leases stand at the end of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LeaseFigures {
    /// The share of what members want to take by the plan that they hold; none without a
    /// plan.
    pub granted_share: Option<f64>,
    /// Valid commitments of suppliers.
    pub commitments: usize,
    /// Valid transfers.
    pub transfers: usize,
    /// Statements about rights that break a rule, and change nothing.
    pub refused: usize,
    /// By how many quanta leases exceed what there is, at most.
    pub excess_quanta: u64,
    /// What each member has of each coupling.
    pub holdings: Vec<MemberLeases>,
}

/// What one member has of one coupling, summed over the steps: energy in kWh, contact
/// time in minutes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemberLeases {
    /// The coupling.
    pub coupling: String,
    /// The member.
    pub member: String,
    /// The unit of what follows.
    pub unit: String,
    /// What it takes by the plan; none without a plan.
    pub wanted: Option<f64>,
    /// What it holds.
    pub held: f64,
    /// What it may use of that.
    pub usable: f64,
    /// What it has committed itself to supply.
    pub committed: f64,
}

fn unfit(e: &dyn std::fmt::Display) -> RunError {
    RunError::Unfit(e.to_string())
}

fn member(name: &Name) -> Result<MemberId, RunError> {
    MemberId::new(name.as_str()).map_err(|e| unfit(&e))
}

/// The terms of leases of a mission: one coupling for each of its contracts.
///
/// # Errors
///
/// When amounts do not fit the quanta.
pub fn terms(mission: &Mission) -> Result<LeaseTerms, RunError> {
    let start = UtcSeconds(mission.start_unix_s);
    let steps = mission.steps.grid(mission.start_unix_s).step_s;
    let grid = TimeGrid::from_lengths(start, &steps).map_err(|e| unfit(&e))?;
    let couplings = mission.contracts.iter().map(coupling);
    let couplings = couplings.collect::<Result<Vec<_>, _>>()?;
    let clock_bound_s = mission.sync.clock_bound_s.get().ceil() as u32;
    LeaseTerms::new(grid, clock_bound_s, couplings).map_err(|e| unfit(&e))
}

fn coupling(contract: &mission::Contract) -> Result<CouplingTerms, RunError> {
    let lease = &contract.lease;
    let quanta = |value: f64, round| {
        fixed::to_quanta("a lease", value, contract.quantum, round).map_err(|e| unfit(&e))
    };
    let names = |names: &[Name]| names.iter().map(member).collect::<Result<Vec<_>, _>>();
    let weights = lease.weights.iter();
    let weights = weights.map(|(name, parts)| Ok((member(name)?, *parts)));
    let weights: BTreeMap<_, _> = weights.collect::<Result<_, RunError>>()?;
    // As far as there is so much: floors in the order in which they are declared.
    let floors = |from: Option<&Name>, there: &[i64]| {
        let mut left = there.to_vec();
        let mut floors = BTreeMap::new();
        for (name, of, amount) in &lease.floors {
            if of.as_ref() != from {
                continue;
            }
            let amount = quanta(*amount, fixed::Round::Down)?;
            let held = left.iter_mut().map(|left| {
                let held = amount.min(*left);
                *left -= held;
                held
            });
            floors.insert(member(name)?, held.collect::<FixedVec>());
        }
        Ok::<_, RunError>(floors)
    };
    let (kind, pools) = match contract.kind {
        scenario::CouplingKind::Capacity => {
            let shared = contract.capacity.iter();
            let shared = shared.map(|v| quanta(*v, fixed::Round::Down));
            let shared: Vec<i64> = shared.collect::<Result<_, _>>()?;
            let reserve = lease.reserve.iter();
            let reserve = reserve.map(|v| quanta(*v, fixed::Round::Down));
            let reserve: Vec<i64> = reserve.collect::<Result<_, _>>()?;
            let sums = shared.iter().zip(&reserve).map(|(a, b)| a + b);
            let amount: FixedVec = sums.collect();
            let pool = PoolTerms {
                owner: member(&lease.owner)?,
                limit: amount.clone(),
                amount,
                reserve: FixedVec(reserve),
                floors: floors(None, &shared)?,
                weights,
            };
            (CouplingKind::Capacity, vec![pool])
        }
        scenario::CouplingKind::Balance => {
            let pool = |(name, amount, limit): &(Name, f64, f64)| {
                let amount = quanta(*amount, fixed::Round::Down)?;
                Ok::<_, RunError>(PoolTerms {
                    owner: member(name)?,
                    amount: FixedVec(vec![amount]),
                    limit: FixedVec(vec![quanta(*limit, fixed::Round::Up)?]),
                    reserve: FixedVec(vec![0]),
                    floors: floors(Some(name), &[amount])?,
                    weights: weights.clone(),
                })
            };
            let pools = lease.suppliers.iter().map(pool);
            (CouplingKind::Balance, pools.collect::<Result<_, _>>()?)
        }
    };
    let cap = lease.cap.map(|cap| quanta(cap, fixed::Round::Down));
    Ok(CouplingTerms {
        id: CouplingId::new(contract.id.as_str()).map_err(|e| unfit(&e))?,
        members: names(&contract.members)?.into_iter().collect(),
        kind,
        pools,
        curtailment: names(&lease.curtailment)?,
        priority: Vec::new(),
        cap: cap.transpose()?.map(i64::unsigned_abs),
        quorum: lease.quorum,
    })
}

/// The targets of the agreed plan; none without one.
pub fn targets(ledger: &Ledger, state: &State) -> Targets {
    let none = Targets::new();
    let Some(last) = state
        .opened
        .last()
        .filter(|_| state.progress.plan().is_some())
    else {
        return none;
    };
    let (contract, log) = (ledger.contract(), ledger.log());
    let proposal = log.find(&last.proposal).and_then(|ix| log.entry(ix));
    match proposal.map(|entry| read(contract, entry)) {
        Some(Ok((_, Said::Opening(dual)))) => granting::targets(contract, log, &dual.cohort),
        _ => none,
    }
}

/// What stands, as figures.
pub fn figures(mission: &Mission, ledger: &Ledger, targets: &Targets) -> LeaseFigures {
    let leases = ledger.leases();
    let view = leases.view(ledger.log());
    let covered = view.coverage(targets);
    let wanted: i128 = covered.values().map(|c| c.wanted).sum();
    let granted: i128 = covered.values().map(|c| c.granted).sum();
    let share = if wanted > 0 {
        granted as f64 / wanted as f64
    } else {
        1.0
    };
    let said = leases.said();
    LeaseFigures {
        granted_share: (!targets.is_empty()).then_some(share),
        commitments: said.commitments,
        transfers: said.transfers,
        refused: leases.faults().len(),
        excess_quanta: view.excess(),
        holdings: holdings(mission, ledger.contract(), &view, targets),
    }
}

fn holdings(
    mission: &Mission,
    contract: &Contract,
    view: &View<'_>,
    targets: &Targets,
) -> Vec<MemberLeases> {
    let all = view.holdings();
    let mut rows = Vec::new();
    for c in &mission.contracts {
        let (per_step, unit): (Vec<f64>, _) = match c.resource {
            Resource::Power => {
                let hours = (0..mission.steps.len()).map(|t| mission.steps.hours(t));
                (hours.collect(), "kWh")
            }
            Resource::Relay | Resource::Antenna => (vec![1.0; mission.steps.len()], "min"),
        };
        let sum = |quanta: &mut dyn Iterator<Item = i64>| {
            let amounts = quanta.zip(&per_step);
            let amounts = amounts.map(|(v, per)| fixed::from_quanta(v, c.quantum) * per);
            amounts.fold(0.0, |a, b| a + b)
        };
        let of_coupling = all.iter().filter(|h| h.coupling.as_str() == c.id.as_str());
        let of_coupling: Vec<_> = of_coupling.collect();
        let sources: BTreeSet<_> = of_coupling.iter().map(|h| &h.source).collect();
        for name in contract.members() {
            let own = of_coupling.iter().filter(|h| h.member == *name);
            let own: Vec<_> = own.collect();
            let Some(first) = own.first() else { continue };
            let target = targets.get(&first.coupling).and_then(|t| t.get(name));
            let mut row = MemberLeases {
                coupling: c.id.to_string(),
                member: name.to_string(),
                unit: unit.to_owned(),
                wanted: target.map(|t| sum(&mut t.iter().map(|v| (*v).max(0)))),
                held: 0.0,
                usable: 0.0,
                committed: 0.0,
            };
            for holding in &own {
                // What is left of its own commitment it does not take from anybody.
                if holding.source.as_ref() != Some(name) {
                    row.held += sum(&mut holding.lease.effective().into_iter());
                    row.usable += sum(&mut holding.usable.iter().copied());
                }
            }
            let supplies = sources.iter().any(|s| s.as_ref() == Some(name));
            let there = view.available(&first.coupling, Some(name));
            if let Some(there) = there.filter(|_| supplies) {
                row.committed = sum(&mut there.into_iter());
            }
            rows.push(row);
        }
    }
    rows
}
