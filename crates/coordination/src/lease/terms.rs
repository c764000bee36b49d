//! The terms of leases: what the contract says of each coupling.

use std::collections::{BTreeMap, BTreeSet};

use cosmosmesh_mission::cbor::{Reader, Writer};
use cosmosmesh_mission::{
    Canonical, CouplingId, DecodeError, FixedVec, MemberId, Refusal, TimeGrid, UtcSeconds,
    canonical_record,
};

/// The largest number of quanta that terms and entries may name.
pub const MAX_QUANTA: i64 = 1 << 53;

/// What is shared in a coupling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CouplingKind {
    /// A capacity that its owner shares out: one pool. Where it is 1 the thing is
    /// indivisible: one right, one holder.
    Capacity,
    /// What suppliers commit themselves to: one pool for each supplier.
    Balance,
    /// Values that all go by. Its one pool names the owner, who moves them, and
    /// the values at first.
    Agreement {
        /// How far apart the values that members go by may be.
        tolerance: i64,
    },
}

impl Canonical for CouplingKind {
    fn write(&self, writer: &mut Writer) {
        let tolerance = match self {
            Self::Capacity => None,
            Self::Balance => Some(None),
            Self::Agreement { tolerance } => Some(Some(*tolerance)),
        };
        match tolerance {
            None => writer.array(1, |w| w.unsigned(0)),
            Some(None) => writer.array(1, |w| w.unsigned(1)),
            Some(Some(tolerance)) => writer.array(2, |w| {
                w.unsigned(2);
                w.signed(tolerance);
            }),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        reader.variant(|reader, code, fields| match (code, fields) {
            (0, 0) => Ok(Self::Capacity),
            (1, 0) => Ok(Self::Balance),
            (2, 1) => Ok(Self::Agreement {
                tolerance: reader.signed()?,
            }),
            _ => Err(reader.refuse(
                at,
                Refusal::UnknownCode {
                    kind: "CouplingKind",
                    code,
                },
            )),
        })
    }
}

/// One source of rights. Lists have a number for each step; the last one holds for
/// all steps behind the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolTerms {
    /// Who may derate it. Of a balance: the supplier.
    pub owner: MemberId,
    /// The capacity; of a supplier, its commitment at first; of an agreement, the
    /// values at first.
    pub amount: FixedVec,
    /// The most that the supplier may ever be committed to. Of a capacity: the
    /// capacity.
    pub limit: FixedVec,
    /// What nobody holds: the first to be missing when there is less.
    pub reserve: FixedVec,
    /// What a member holds at first and can never give away.
    pub floors: BTreeMap<MemberId, FixedVec>,
    /// The parts in which the rest is held at first, rounded down; what rounding
    /// leaves is the owner's, and so is all of it if nobody has a part.
    pub weights: BTreeMap<MemberId, u32>,
}

canonical_record!(PoolTerms {
    owner,
    amount,
    limit,
    reserve,
    floors,
    weights
});

/// What the contract says of one coupling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CouplingTerms {
    /// Its name.
    pub id: CouplingId,
    /// Who can hold rights.
    pub members: BTreeSet<MemberId>,
    /// What is shared.
    pub kind: CouplingKind,
    /// The sources of rights.
    pub pools: Vec<PoolTerms>,
    /// Who goes short first; members that are not listed follow by name.
    pub curtailment: Vec<MemberId>,
    /// Whose request for an indivisible thing comes first; members that are not
    /// listed follow, and among them the earlier request in canonical order.
    pub priority: Vec<MemberId>,
    /// How many quanta of a step members together use of what one donor gave
    /// while it is not receipted. No cap: a donor that forks can do more harm.
    pub cap: Option<u64>,
    /// How many other members' receipts make a grant count whole.
    pub quorum: u32,
}

canonical_record!(CouplingTerms {
    id,
    members,
    kind,
    pools,
    curtailment,
    priority,
    cap,
    quorum
});

/// Why terms cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseTermsError {
    /// Two couplings have one name.
    #[error("coupling {0} is there twice: give each its own name")]
    Twice(CouplingId),
    /// A member is named that the coupling does not have.
    #[error("coupling {coupling}: {member} in its {what} is none of its members; add it to them")]
    NoMember {
        /// The coupling.
        coupling: CouplingId,
        /// Which list names it.
        what: &'static str,
        /// The member.
        member: MemberId,
    },
    /// A member is named twice.
    #[error("coupling {coupling}: {member} is there twice in its {what}; leave one out")]
    Doubled {
        /// The coupling.
        coupling: CouplingId,
        /// Which list names it.
        what: &'static str,
        /// The member.
        member: MemberId,
    },
    /// A list that must have a number has none.
    #[error("coupling {coupling}: its {what} is empty; give at least one number, for all steps")]
    Empty {
        /// The coupling.
        coupling: CouplingId,
        /// Which list.
        what: &'static str,
    },
    /// A number is out of range.
    #[error(
        "coupling {coupling}: its {what} is {actual} at step {step}; expected {least} to {most}"
    )]
    Range {
        /// The coupling.
        coupling: CouplingId,
        /// Which list.
        what: &'static str,
        /// The step.
        step: usize,
        /// What was met.
        actual: i128,
        /// The least.
        least: i64,
        /// The most.
        most: i64,
    },
    /// Too few or too many pools for its kind.
    #[error(
        "coupling {coupling}: it has {actual} pools; a capacity or an agreement has one, a balance one for each supplier"
    )]
    Pools {
        /// The coupling.
        coupling: CouplingId,
        /// What was met.
        actual: usize,
    },
    /// Floors and reserve do not fit into what there is.
    #[error(
        "coupling {coupling}: floors and reserve of {owner}'s are {actual} at step {step}, and there are {amount}; lower them"
    )]
    Short {
        /// The coupling.
        coupling: CouplingId,
        /// The owner of the pool.
        owner: MemberId,
        /// The step.
        step: usize,
        /// Floors and reserve.
        actual: i128,
        /// What there is.
        amount: i64,
    },
    /// An agreement has no rights that could be shared out.
    #[error("coupling {0}: an agreement has no {1}; leave them out")]
    Agreement(CouplingId, &'static str),
    /// Two quorums could have no member in common, or nobody could reach one.
    #[error(
        "coupling {coupling}: {quorum} receipts of {others} others; with a cap it takes more than half and at most all"
    )]
    Quorum {
        /// The coupling.
        coupling: CouplingId,
        /// The quorum.
        quorum: u32,
        /// The members besides a donor.
        others: usize,
    },
    /// More than the log has authors.
    #[error("{0} members; at most {limit} can hold leases", limit = cosmosmesh_log::MAX_AUTHORS)]
    Members(usize),
}

/// A coupling with its places.
#[derive(Clone, Debug)]
pub(crate) struct Coupling {
    pub(crate) terms: CouplingTerms,
    /// Its members, by their places.
    pub(crate) members: Vec<usize>,
    /// Its pools, by their places.
    pub(crate) pools: Vec<usize>,
    /// All its members, those that go short first in front.
    pub(crate) curtailment: Vec<usize>,
}

impl Coupling {
    pub(crate) fn has(&self, member: usize) -> bool {
        self.members.binary_search(&member).is_ok()
    }

    /// Whether its values are rights that can be held.
    pub(crate) fn has_rights(&self) -> bool {
        !matches!(self.terms.kind, CouplingKind::Agreement { .. })
    }
}

/// A pool with its places.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) coupling: usize,
    pub(crate) owner: usize,
    /// Whether it is its owner's commitment.
    pub(crate) committed: bool,
    terms: PoolTerms,
    floors: Vec<Option<FixedVec>>,
    weights: Vec<u64>,
    weight: u64,
}

/// The number for a step.
fn at(list: &[i64], step: usize) -> i64 {
    list.get(step).or(list.last()).copied().unwrap_or(0)
}

impl Pool {
    pub(crate) fn amount(&self, step: usize) -> i64 {
        at(&self.terms.amount, step)
    }

    pub(crate) fn limit(&self, step: usize) -> i64 {
        at(&self.terms.limit, step)
    }

    pub(crate) fn reserve(&self, step: usize) -> i64 {
        at(&self.terms.reserve, step)
    }

    pub(crate) fn floor(&self, member: usize, step: usize) -> i64 {
        self.floors[member]
            .as_ref()
            .map_or(0, |list| at(list, step))
    }

    /// What a member holds at first, its floor included. All members' parts and
    /// the reserve sum to the amount exactly.
    pub(crate) fn first(&self, member: usize, step: usize) -> i64 {
        if self.amount(step) == 0 {
            return 0;
        }
        let floors = self.floors.iter().flatten().map(|list| at(list, step));
        let rest = self.amount(step) - self.reserve(step) - floors.sum::<i64>();
        let part = |weight: u64| match self.weight {
            0 => 0,
            all => (i128::from(rest) * i128::from(weight) / i128::from(all)) as i64,
        };
        let mut first = self.floor(member, step) + part(self.weights[member]);
        if member == self.owner {
            first += rest - self.weights.iter().map(|w| part(*w)).sum::<i64>();
        }
        first
    }
}

/// The terms of all couplings, checked.
#[derive(Clone, Debug)]
pub struct LeaseTerms {
    grid: TimeGrid,
    clock_bound_s: u32,
    members: Vec<MemberId>,
    pub(crate) couplings: Vec<Coupling>,
    pub(crate) pools: Vec<Pool>,
}

struct Record {
    grid: TimeGrid,
    clock_bound_s: u32,
    couplings: Vec<CouplingTerms>,
}

canonical_record!(Record {
    grid,
    clock_bound_s,
    couplings
});

impl Canonical for LeaseTerms {
    fn write(&self, writer: &mut Writer) {
        Record {
            grid: self.grid.clone(),
            clock_bound_s: self.clock_bound_s,
            couplings: self.couplings.iter().map(|c| c.terms.clone()).collect(),
        }
        .write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        let record = Record::read(reader)?;
        let refused = Refusal::Unexpected {
            expected: "terms of leases that keep their rules",
        };
        let sorted = record.couplings.is_sorted_by(|a, b| a.id < b.id);
        Self::new(record.grid, record.clock_bound_s, record.couplings)
            .ok()
            .filter(|_| sorted)
            .ok_or_else(|| reader.refuse(at, refused))
    }
}

impl LeaseTerms {
    /// The terms of no coupling at all.
    pub fn none() -> Self {
        let grid = TimeGrid::uniform(UtcSeconds(0), 1, 1).expect("one second is a grid");
        Self::new(grid, 0, Vec::new()).expect("no coupling breaks no rule")
    }

    /// The terms of these couplings over the steps of `grid`, which are all steps
    /// that there will ever be; horizons move within them. Members' clocks are
    /// at most `clock_bound_s` off.
    ///
    /// # Errors
    /// Names the coupling, what is wrong and what to do.
    pub fn new(
        grid: TimeGrid,
        clock_bound_s: u32,
        mut couplings: Vec<CouplingTerms>,
    ) -> Result<Self, LeaseTermsError> {
        couplings.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(two) = couplings.windows(2).find(|two| two[0].id == two[1].id) {
            return Err(LeaseTermsError::Twice(two[0].id.clone()));
        }
        let members: BTreeSet<MemberId> = couplings
            .iter()
            .flat_map(|c| c.members.iter().cloned())
            .collect();
        if members.len() > cosmosmesh_log::MAX_AUTHORS {
            return Err(LeaseTermsError::Members(members.len()));
        }
        let mut new = Self {
            grid,
            clock_bound_s,
            members: members.into_iter().collect(),
            couplings: Vec::new(),
            pools: Vec::new(),
        };
        for coupling in couplings {
            new.add(coupling)?;
        }
        Ok(new)
    }

    fn add(&mut self, terms: CouplingTerms) -> Result<(), LeaseTermsError> {
        let id = &terms.id;
        let agreement = matches!(terms.kind, CouplingKind::Agreement { .. });
        let balance = terms.kind == CouplingKind::Balance;
        for (what, list) in [
            ("curtailment order", &terms.curtailment),
            ("priority", &terms.priority),
        ] {
            let mut seen = BTreeSet::new();
            for member in list {
                self.known(&terms, what, member)?;
                if !seen.insert(member) {
                    return Err(LeaseTermsError::Doubled {
                        coupling: id.clone(),
                        what,
                        member: member.clone(),
                    });
                }
            }
        }
        if !balance && terms.pools.len() != 1 {
            return Err(LeaseTermsError::Pools {
                coupling: id.clone(),
                actual: terms.pools.len(),
            });
        }
        if let CouplingKind::Agreement { tolerance } = terms.kind {
            self.range(id, "tolerance", &[tolerance], 0, MAX_QUANTA)?;
        }
        let others = terms.members.len().saturating_sub(1);
        if terms.cap.is_some()
            && (2 * terms.quorum as usize <= others || terms.quorum as usize > others)
        {
            return Err(LeaseTermsError::Quorum {
                coupling: id.clone(),
                quorum: terms.quorum,
                others,
            });
        }
        let coupling = self.couplings.len();
        let mut pools = Vec::new();
        let mut owners = BTreeSet::new();
        for pool in &terms.pools {
            if !owners.insert(&pool.owner) {
                return Err(LeaseTermsError::Doubled {
                    coupling: id.clone(),
                    what: "suppliers",
                    member: pool.owner.clone(),
                });
            }
            pools.push(self.pools.len());
            let pool = self.pool(coupling, &terms, pool, agreement, balance)?;
            self.pools.push(pool);
        }
        let place = |member: &MemberId| self.place(member.as_str());
        let listed = terms.curtailment.iter().filter_map(place);
        let others = terms
            .members
            .iter()
            .filter(|m| !terms.curtailment.contains(m));
        let curtailment = listed.chain(others.filter_map(place)).collect();
        let members = terms.members.iter().filter_map(place).collect();
        self.couplings.push(Coupling {
            terms,
            members,
            pools,
            curtailment,
        });
        Ok(())
    }

    fn pool(
        &self,
        coupling: usize,
        terms: &CouplingTerms,
        pool: &PoolTerms,
        agreement: bool,
        balance: bool,
    ) -> Result<Pool, LeaseTermsError> {
        let id = &terms.id;
        let owner = self.known(terms, "owners", &pool.owner)?;
        if agreement {
            let none = pool.floors.is_empty() && pool.weights.is_empty();
            if !none || !pool.reserve.is_empty() || !pool.limit.is_empty() {
                let what = "floors, parts, limits or reserve";
                return Err(LeaseTermsError::Agreement(id.clone(), what));
            }
            self.range(id, "values", &pool.amount, -MAX_QUANTA, MAX_QUANTA)?;
        } else {
            self.range(id, "amount", &pool.amount, 0, MAX_QUANTA)?;
            self.range(id, "limit", &pool.limit, 0, MAX_QUANTA)?;
            self.range(id, "reserve", &pool.reserve, 0, MAX_QUANTA)?;
        }
        let mut floors = vec![None; self.members.len()];
        for (member, list) in &pool.floors {
            let place = self.known(terms, "floors", member)?;
            self.range(id, "floors", list, 0, MAX_QUANTA)?;
            floors[place] = Some(list.clone());
        }
        let mut weights = vec![0; self.members.len()];
        for (member, weight) in &pool.weights {
            weights[self.known(terms, "parts", member)?] = u64::from(*weight);
        }
        let new = Pool {
            coupling,
            owner,
            committed: balance,
            weight: weights.iter().sum(),
            terms: pool.clone(),
            floors,
            weights,
        };
        if agreement {
            return Ok(new);
        }
        for step in 0..self.steps() {
            let floors = new.floors.iter().flatten();
            let held: i128 = floors.map(|list| i128::from(at(list, step))).sum();
            let held = held + i128::from(new.reserve(step));
            if held > i128::from(new.amount(step)) {
                return Err(LeaseTermsError::Short {
                    coupling: id.clone(),
                    owner: pool.owner.clone(),
                    step,
                    actual: held,
                    amount: new.amount(step),
                });
            }
            let (least, most) = if balance {
                (new.amount(step), MAX_QUANTA)
            } else {
                (new.amount(step), new.amount(step))
            };
            if !(least..=most).contains(&new.limit(step)) {
                return Err(LeaseTermsError::Range {
                    coupling: id.clone(),
                    what: "limit",
                    step,
                    actual: new.limit(step).into(),
                    least,
                    most,
                });
            }
        }
        Ok(new)
    }

    fn known(
        &self,
        terms: &CouplingTerms,
        what: &'static str,
        member: &MemberId,
    ) -> Result<usize, LeaseTermsError> {
        let known = terms.members.contains(member);
        let place = self.place(member.as_str()).filter(|_| known);
        place.ok_or_else(|| LeaseTermsError::NoMember {
            coupling: terms.id.clone(),
            what,
            member: member.clone(),
        })
    }

    fn range(
        &self,
        coupling: &CouplingId,
        what: &'static str,
        list: &[i64],
        least: i64,
        most: i64,
    ) -> Result<(), LeaseTermsError> {
        let coupling = || coupling.clone();
        if list.is_empty() {
            let coupling = coupling();
            return Err(LeaseTermsError::Empty { coupling, what });
        }
        let wrong = list.iter().position(|v| !(least..=most).contains(v));
        let wrong = wrong.or((list.len() > self.steps()).then(|| self.steps()));
        wrong.map_or(Ok(()), |step| {
            Err(LeaseTermsError::Range {
                coupling: coupling(),
                what,
                step,
                actual: list[step].into(),
                least,
                most,
            })
        })
    }

    /// The steps that there are.
    pub fn grid(&self) -> &TimeGrid {
        &self.grid
    }

    /// How many steps there are.
    pub fn steps(&self) -> usize {
        self.grid.len()
    }

    /// How far off clocks are at most, in seconds.
    pub fn clock_bound_s(&self) -> u32 {
        self.clock_bound_s
    }

    /// The members of all couplings, by name.
    pub fn members(&self) -> &[MemberId] {
        &self.members
    }

    /// The couplings, by name.
    pub fn couplings(&self) -> impl Iterator<Item = &CouplingTerms> {
        self.couplings.iter().map(|c| &c.terms)
    }

    /// The place of a member among [`Self::members`].
    pub fn place(&self, member: &str) -> Option<usize> {
        let found = self.members.binary_search_by(|m| m.as_str().cmp(member));
        found.ok()
    }

    /// The place of a coupling.
    pub(crate) fn coupling(&self, id: &CouplingId) -> Option<usize> {
        self.couplings.binary_search_by(|c| c.terms.id.cmp(id)).ok()
    }

    /// The pool of a coupling that a source names.
    pub(crate) fn source(&self, coupling: usize, source: Option<&MemberId>) -> Option<usize> {
        let owner = source.map(|m| self.place(m.as_str()));
        let mut pools = self.couplings[coupling].pools.iter().copied();
        pools.find(|pool| {
            let pool = &self.pools[*pool];
            match owner {
                None => !pool.committed,
                Some(owner) => pool.committed && Some(pool.owner) == owner,
            }
        })
    }

    /// The source that a pool is.
    pub(crate) fn source_of(&self, pool: usize) -> Option<&MemberId> {
        let pool = &self.pools[pool];
        pool.committed.then(|| &self.members[pool.owner])
    }

    /// The holder of a step may use it although it is promised: it ends well
    /// before `after`.
    pub(crate) fn is_before(&self, step: usize, after_s: i64) -> bool {
        self.grid.step_end(step).0 <= after_s.saturating_sub(self.clock_bound_s.into())
    }

    /// The step can be claimed: it begins well behind `after`.
    pub(crate) fn is_behind(&self, step: usize, after_s: i64) -> bool {
        self.grid.step_start(step).0 >= after_s.saturating_add(self.clock_bound_s.into())
    }
}
