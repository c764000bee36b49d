//! What stands: everybody's leases, whether they fit, and how much of a plan they cover.

use std::collections::{BTreeMap, BTreeSet};

use cosmosmesh_log::Log;
use cosmosmesh_mission::{CouplingId, MemberId, MessageId};

use super::agreement::id_of;
use super::fence::Fence;
use super::fold::{Leases, What};
use super::matching::Targets;
use super::view::{Lease, View};

/// What one member has of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The coupling.
    pub coupling: CouplingId,
    /// Whose commitment; the coupling's capacity if absent.
    pub source: Option<MemberId>,
    /// Who.
    pub member: MemberId,
    /// What it holds, by step.
    pub lease: Lease,
    /// What it may use, by step.
    pub usable: Vec<i64>,
}

/// How much of what a member wants to take of a coupling it holds, in quanta summed over
/// the steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Covered {
    /// What it wants to take.
    pub wanted: i128,
    /// What of that it holds, at the very steps.
    pub granted: i128,
}

/// How many statements about rights are valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Of suppliers that commit themselves.
    pub commitments: usize,
    /// Transfers, promises and claims.
    pub transfers: usize,
}

impl Leases {
    /// The ids of the entries that changed something: they are valid for good.
    pub fn valid(&self, log: &Log) -> BTreeSet<MessageId> {
        self.ops.iter().map(|op| id_of(log, op.node)).collect()
    }

    /// How many entries changed something, by kind.
    pub fn said(&self) -> Said {
        let mut said = Said::default();
        for op in &self.ops {
            match op.what {
                What::Commit { .. } => said.commitments += 1,
                What::Grant(_) | What::Claim(_) => said.transfers += 1,
                _ => {}
            }
        }
        said
    }
}

impl View<'_> {
    /// What everybody has of every source, by coupling, source and member.
    pub fn holdings(&self) -> Vec<Holding> {
        let terms = self.leases().terms();
        let mut all = Vec::new();
        for coupling in terms.couplings.iter().filter(|c| c.has_rights()) {
            for pool in &coupling.pools {
                all.extend(coupling.members.iter().map(|member| Holding {
                    coupling: coupling.terms.id.clone(),
                    source: terms.source_of(*pool).cloned(),
                    member: terms.members()[*member].clone(),
                    lease: self.lease_at(*pool, *member),
                    usable: self.usable_at(*pool, *member, Fence::OPEN),
                }));
            }
        }
        all
    }

    /// By how many quanta effective leases exceed what there is of a source at a step, at
    /// most: 0, or a rule of leases does not hold.
    pub fn excess(&self) -> u64 {
        let terms = self.leases().terms();
        let mut most = 0_i128;
        for coupling in terms.couplings.iter().filter(|c| c.has_rights()) {
            for pool in &coupling.pools {
                let there = self.available(&coupling.terms.id, terms.source_of(*pool));
                let mut left: Vec<i128> = there.into_iter().flatten().map(i128::from).collect();
                for member in &coupling.members {
                    let effective = self.lease_at(*pool, *member).effective();
                    for (left, own) in left.iter_mut().zip(effective) {
                        *left -= i128::from(own);
                    }
                }
                most = left.into_iter().map(|left| -left).fold(most, i128::max);
            }
        }
        u64::try_from(most).unwrap_or(u64::MAX)
    }

    /// How much of what members want to take they hold. What a supplier holds of its own
    /// commitment is not taken from anybody.
    pub fn coverage(&self, targets: &Targets) -> BTreeMap<(CouplingId, MemberId), Covered> {
        let terms = self.leases().terms();
        let mut all = BTreeMap::new();
        for (coupling, wanted) in targets {
            let Some(place) = terms.coupling(coupling) else {
                continue;
            };
            for (name, wanted) in wanted {
                let Some(member) = terms.place(name.as_str()) else {
                    continue;
                };
                let mut has = vec![0_i128; terms.steps()];
                for pool in &terms.couplings[place].pools {
                    let of = &terms.pools[*pool];
                    if of.committed && of.owner == member {
                        continue;
                    }
                    let effective = self.lease_at(*pool, member).effective();
                    for (has, own) in has.iter_mut().zip(effective) {
                        *has += i128::from(own);
                    }
                }
                let mut covered = Covered::default();
                for (has, wanted) in has.into_iter().zip(wanted) {
                    let wanted = i128::from(*wanted).max(0);
                    covered.wanted += wanted;
                    covered.granted += wanted.min(has);
                }
                all.insert((coupling.clone(), name.clone()), covered);
            }
        }
        all
    }
}
