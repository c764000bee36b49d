//! From targets and holdings to who signs what.
//!
//! Everybody computes the same from the same entries; each donor signs its own part.
//! Nothing here can over-commit: what a donor signs is checked as any transfer is. A
//! target that is missing keeps what its member holds; a false one wastes at most.

use std::collections::BTreeMap;

use cosmosmesh_mission::{CouplingId, Delta, Epoch, FixedVec, MemberId};

use super::fence::Fence;
use super::terms::CouplingKind;
use super::view::View;

/// What members want of each coupling, from some step on: what they take, or, negative,
/// what they supply.
pub type Targets = BTreeMap<CouplingId, BTreeMap<MemberId, Vec<i64>>>;

/// What each member is to sign, in this order.
pub type Matching = BTreeMap<MemberId, Vec<Delta>>;

/// What one member can give of one pool at one step.
struct Offer {
    member: usize,
    pool: usize,
    free: i64,
}

/// What members are to sign of one coupling, by step.
#[derive(Default)]
struct Signed {
    /// By donor, pool and receiver.
    given: BTreeMap<(usize, usize, usize), BTreeMap<usize, i64>>,
    /// By pool.
    committed: BTreeMap<usize, BTreeMap<usize, i64>>,
}

impl View<'_> {
    /// What a member can give of a pool at each step.
    pub(crate) fn free_at(&self, pool: usize, member: usize) -> Vec<i64> {
        let lease = self.lease_at(pool, member);
        let terms = &self.leases().terms.pools[pool];
        let usable = self.usable_at(pool, member, Fence::OPEN).into_iter();
        let held = usable.zip(lease.effective()).zip(&lease.encumbered);
        held.enumerate()
            .map(|(step, ((usable, effective), encumbered))| {
                let free = usable.min(effective - encumbered);
                (free - terms.floor(member, step)).max(0)
            })
            .collect()
    }

    /// What each member is to sign so that holdings come as near to the targets as
    /// they can, the first target being for step `start`.
    pub fn matching(&self, epoch: Epoch, start: u32, targets: &Targets) -> Matching {
        let mut matching = Matching::new();
        let terms = self.leases().terms();
        for (place, coupling) in terms.couplings.iter().enumerate() {
            let Some(wanted) = targets.get(&coupling.terms.id) else {
                continue;
            };
            if !coupling.has_rights() {
                continue;
            }
            let mut by_member = vec![None; terms.members().len()];
            for (member, target) in wanted {
                let place = terms.place(member.as_str());
                if let Some(place) = place.filter(|place| coupling.has(*place)) {
                    by_member[place] = Some(target);
                }
            }
            let signed = self.match_coupling(place, start as usize, &by_member);
            self.write(epoch, &coupling.terms.id, &signed, &mut matching);
        }
        matching
    }

    fn match_coupling(
        &self,
        coupling: usize,
        start: usize,
        targets: &[Option<&Vec<i64>>],
    ) -> Signed {
        let terms = self.leases().terms();
        let coupling = &terms.couplings[coupling];
        let mut signed = Signed::default();
        let mut free = BTreeMap::new();
        let mut held = BTreeMap::new();
        for pool in &coupling.pools {
            for member in &coupling.members {
                let at = (*member, *pool);
                free.insert(at, self.free_at(*pool, *member));
                held.insert(at, self.lease_at(*pool, *member).effective());
            }
        }
        let longest = targets.iter().flatten().map(|t| t.len()).max().unwrap_or(0);
        for step in start..terms.steps().min(start.saturating_add(longest)) {
            let target = |member: usize| {
                let target = targets[member]?;
                target.get(step - start).copied()
            };
            let mut offers = Vec::new();
            let mut needs = Vec::new();
            for member in &coupling.members {
                let own = |pool: &usize| {
                    let pool = &terms.pools[*pool];
                    pool.committed && pool.owner == *member
                };
                let Some(target) = target(*member) else {
                    continue;
                };
                let others = coupling.pools.iter().filter(|pool| !own(pool));
                let has: i64 = others
                    .clone()
                    .map(|pool| held[&(*member, *pool)][step])
                    .sum();
                let mut surplus = has - target.max(0);
                if surplus < 0 {
                    needs.push((*member, -surplus));
                }
                for pool in others {
                    let free = free[&(*member, *pool)][step].min(surplus);
                    if free > 0 {
                        surplus -= free;
                        let (member, pool) = (*member, *pool);
                        offers.push(Offer { member, pool, free });
                    }
                }
            }
            if coupling.terms.kind == CouplingKind::Balance {
                for pool in &coupling.pools {
                    let supplier = terms.pools[*pool].owner;
                    let own = free[&(supplier, *pool)][step];
                    let Some(target) = target(supplier) else {
                        continue;
                    };
                    let level = self.level(*pool)[step];
                    let wanted = target.min(0).saturating_neg();
                    let most = terms.pools[*pool].limit(step);
                    let new = wanted.max(level - own).min(most).max(level - own);
                    if new != level {
                        signed.committed.entry(*pool).or_default().insert(step, new);
                    }
                    let free = own + new - level;
                    let (member, pool) = (supplier, *pool);
                    offers.push(Offer { member, pool, free });
                }
            }
            let mut offers = offers.into_iter().peekable();
            for (member, mut need) in needs {
                while let Some(offer) = offers.peek_mut().filter(|_| need > 0) {
                    let given = offer.free.min(need);
                    if given > 0 && offer.member != member {
                        let at = (offer.member, offer.pool, member);
                        signed.given.entry(at).or_default().insert(step, given);
                        need -= given;
                        offer.free -= given;
                    }
                    if offer.free == 0 || offer.member == member {
                        offers.next();
                    }
                }
            }
        }
        signed
    }

    fn write(&self, epoch: Epoch, id: &CouplingId, signed: &Signed, matching: &mut Matching) {
        let terms = self.leases().terms();
        let name = |member: usize| terms.members()[member].clone();
        // The steps from the first to the last; `other` says what stands between.
        let dense = |steps: &BTreeMap<usize, i64>, other: &dyn Fn(usize) -> i64| {
            let first = steps.keys().next().copied().unwrap_or(0);
            let last = steps.keys().next_back().copied().unwrap_or(0);
            let quanta = (first..=last).map(|s| steps.get(&s).copied().unwrap_or_else(|| other(s)));
            (first as u32, quanta.collect::<FixedVec>())
        };
        for (pool, steps) in &signed.committed {
            let level = self.level(*pool);
            let (start, quanta) = dense(steps, &|step| level[step]);
            let supplier = name(terms.pools[*pool].owner);
            matching.entry(supplier).or_default().push(Delta::Commit {
                coupling: id.clone(),
                epoch,
                start,
                quanta,
            });
        }
        for ((from, pool, to), steps) in &signed.given {
            let (start, quanta) = dense(steps, &|_| 0);
            matching
                .entry(name(*from))
                .or_default()
                .push(Delta::Transfer {
                    coupling: id.clone(),
                    epoch,
                    source: terms.source_of(*pool).cloned(),
                    to: name(*to),
                    start,
                    quanta,
                });
        }
    }
}
