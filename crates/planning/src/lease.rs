//! The terms of leases of a contract: who holds what at first, and the order in which
//! members go short.
//!
//! A scenario may leave all of it out. Then the holder of a capacity has all of it, or
//! all members have equal parts where nobody holds it, and suppliers of a balance have
//! committed themselves to nothing yet.

use std::ops::Range;

use cosmosmesh_optimize::problem::Name;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{ScenarioError, Source};
use crate::number::{At, NonNegative, Positive};
use crate::scenario::{Coupling, CouplingKind, File, Id};

type Check = Result<(), ScenarioError>;

/// Who holds what of a coupling before anything is agreed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lease {
    /// Who may derate a capacity; by default its holder, or else its slack member.
    pub owner: Option<At<Id>>,
    /// What nobody holds or plans with, in the coupling's unit: the first to be missing
    /// when there is less. Of a capacity only.
    pub reserve: Option<At<NonNegative>>,
    /// What a member holds at first and can never give away.
    pub floor: Vec<Floor>,
    /// The parts in which the rest is held at first.
    pub weight: Vec<Weight>,
    /// What suppliers of a balance have committed themselves to at first.
    pub commitment: Vec<Commitment>,
    /// Who goes short first; members that are not listed follow by name.
    pub curtailment: Vec<At<Id>>,
    /// How much of a step, in the coupling's unit, members together use of what one
    /// donor gave before it is receipted; without it, all.
    pub cap: Option<At<Positive>>,
    /// How many other members' receipts make a grant count whole: more than half of
    /// them, which is the default, and at most all.
    pub quorum: Option<At<u32>>,
}

/// What a member can never give away.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// Who holds it.
    pub member: At<Id>,
    /// Of a balance: the supplier on whose commitment it is.
    pub from: Option<At<Id>>,
    /// How much of each step, in the coupling's unit, as far as there is so much.
    pub amount: NonNegative,
}

/// One member's part.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// Whose.
    pub member: At<Id>,
    /// How many parts.
    pub parts: u32,
}

/// What a supplier has committed itself to.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// The supplier.
    pub member: At<Id>,
    /// How much in each step, in the coupling's unit.
    pub amount: At<NonNegative>,
}

/// The terms of one contract, with everything that was left out filled in. Amounts are
/// in the ports' unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeaseShares {
    /// Who may derate a capacity.
    pub owner: Name,
    /// What nobody holds at each step, beyond what the contract shares out.
    pub reserve: Vec<f64>,
    /// Who can never give away how much, and of a balance on whose commitment.
    pub floors: Vec<(Name, Option<Name>, f64)>,
    /// The parts in which the rest is held at first.
    pub weights: Vec<(Name, u32)>,
    /// Suppliers of a balance, what they have committed themselves to at first, and the
    /// most that they can.
    pub suppliers: Vec<(Name, f64, f64)>,
    /// Who goes short first.
    pub curtailment: Vec<Name>,
    /// How much counts of one donor's grants before they are receipted.
    pub cap: Option<f64>,
    /// How many receipts make a grant count whole.
    pub quorum: u32,
}

/// The most that a member can supply, in the ports' unit.
fn most_supplied(file: &File, member: &Id) -> f64 {
    let asset = file.asset.iter().find(|a| *a.id == *member);
    let bus = asset.and_then(|a| a.bus.as_ref());
    bus.map_or(0.0, |b| b.export_limit_w.get() / 1e3)
}

/// More than half of the members besides a donor.
fn majority(c: &Coupling) -> u32 {
    (c.members.len() as u32 - 1) / 2 + 1
}

/// The terms of a coupling, and what it shares out besides its reserve.
pub(crate) fn shares(file: &File, c: &Coupling, capacity: &mut [f64]) -> LeaseShares {
    let none = Lease::default();
    let lease = c.lease.as_deref().unwrap_or(&none);
    let asked = lease.reserve.as_deref().map_or(0.0, |v| v.get());
    let mut reserve = Vec::with_capacity(capacity.len());
    for shared in capacity {
        let kept = asked.min(*shared);
        *shared -= kept;
        reserve.push(kept);
    }
    let owner = lease.owner.as_ref().or(c.holder.as_ref());
    let owner = owner.unwrap_or(&c.slack).to_name();
    let mut weights: Vec<(Name, u32)> = lease
        .weight
        .iter()
        .map(|w| (w.member.to_name(), w.parts))
        .collect();
    if weights.is_empty() && *c.kind == CouplingKind::Capacity {
        let holders = c
            .holder
            .as_ref()
            .map_or(&c.members[..], std::slice::from_ref);
        weights = holders.iter().map(|m| (m.to_name(), 1)).collect();
    }
    let supplies = |m: &&At<Id>| *c.kind == CouplingKind::Balance && most_supplied(file, m) > 0.0;
    let committed = |m: &Id| {
        let said = lease.commitment.iter().find(|s| *s.member == *m);
        said.map_or(0.0, |s| s.amount.get())
    };
    let suppliers = c.members.iter().filter(supplies);
    LeaseShares {
        owner,
        reserve,
        floors: lease
            .floor
            .iter()
            .map(|f| {
                let from = f.from.as_ref().map(|from| from.to_name());
                (f.member.to_name(), from, f.amount.get())
            })
            .collect(),
        weights,
        suppliers: suppliers
            .map(|m| (m.to_name(), committed(m), most_supplied(file, m)))
            .collect(),
        curtailment: lease.curtailment.iter().map(|m| m.to_name()).collect(),
        cap: lease.cap.as_deref().map(|v| v.get()),
        quorum: lease
            .quorum
            .as_deref()
            .copied()
            .unwrap_or_else(|| majority(c)),
    }
}

/// A place of a coupling's lease table at which something can be wrong.
struct Place<'a> {
    source: &'a Source,
    file: &'a File,
    c: &'a Coupling,
}

impl Place<'_> {
    fn require(
        &self,
        span: &Range<usize>,
        ok: bool,
        say: impl FnOnce() -> (String, String),
    ) -> Check {
        if ok {
            return Ok(());
        }
        let (message, remedy) = say();
        Err(self.source.error(span, message, remedy))
    }

    /// Each is a member of the coupling, and named once.
    fn members<'a>(&self, what: &str, named: impl Iterator<Item = &'a At<Id>>) -> Check {
        let mut seen: Vec<&Id> = Vec::new();
        for member in named {
            let is_member = self.c.members.iter().any(|m| **m == **member);
            self.require(member.span(), is_member, || {
                (
                    format!("`{}` is not a member of `{}`", &**member, &*self.c.id),
                    "name one of the members".to_owned(),
                )
            })?;
            let once = !seen.contains(&&**member);
            self.require(member.span(), once, || {
                (
                    format!("`{}` is there twice in the {what}", &**member),
                    "name it once".to_owned(),
                )
            })?;
            seen.push(member);
        }
        Ok(())
    }

    /// Something has no place in a coupling of this kind.
    fn only(&self, span: Option<&Range<usize>>, what: &str, kind: CouplingKind) -> Check {
        let Some(span) = span else { return Ok(()) };
        self.require(span, *self.c.kind == kind, || match kind {
            CouplingKind::Capacity => (
                format!("a balance has no {what}: each supplier commits itself"),
                format!("remove `{what}`; give a `commitment`"),
            ),
            CouplingKind::Balance => (
                format!("a capacity has no {what}: it is there without anybody's word"),
                format!("remove `{what}`"),
            ),
        })
    }

    fn floors(&self, lease: &Lease) -> Check {
        let balance = *self.c.kind == CouplingKind::Balance;
        for floor in &lease.floor {
            self.members("floors", std::iter::once(&floor.member))?;
            let span = floor.from.as_ref().unwrap_or(&floor.member).span();
            let from = floor.from.as_ref();
            let ok = match from {
                None => !balance,
                Some(from) => lease.commitment.iter().any(|s| *s.member == **from),
            };
            self.require(span, ok, || match from {
                None => (
                    "a floor of a balance is on somebody's commitment".to_owned(),
                    "say whose: add `from`".to_owned(),
                ),
                Some(from) => (
                    format!("`{}` has committed itself to nothing", &**from),
                    if balance {
                        format!("add a `commitment` of `{}`", &**from)
                    } else {
                        "remove `from`: a capacity has no suppliers".to_owned()
                    },
                ),
            })?;
            let same = |other: &&Floor| {
                *other.member == *floor.member && other.from.as_deref() == floor.from.as_deref()
            };
            let twice = lease.floor.iter().filter(same).count() > 1;
            self.require(floor.member.span(), !twice, || {
                (
                    format!("`{}` has two floors", &*floor.member),
                    "give one floor that holds both".to_owned(),
                )
            })?;
        }
        let sum = |of: Option<&Id>| -> f64 {
            let floors = lease.floor.iter();
            let floors = floors.filter(|f| f.from.as_deref() == of);
            floors.map(|f| f.amount.get()).sum()
        };
        let fits = |span: &Range<usize>, sum: f64, there: f64| {
            self.require(span, sum <= there, || {
                (
                    format!("floors and reserve are {sum}, and there are {there}"),
                    "lower them".to_owned(),
                )
            })
        };
        for said in &lease.commitment {
            fits(
                said.amount.span(),
                sum(Some(&*said.member)),
                said.amount.get(),
            )?;
        }
        let constant = self.c.capacity.as_ref().and_then(|c| c.constant);
        if let Some(constant) = constant {
            let reserve = lease.reserve.as_deref().map_or(0.0, |v| v.get());
            let span = lease.floor.first().map(|f| f.member.span());
            let span = span.or(lease.reserve.as_ref().map(At::span));
            fits(span.unwrap_or(&(0..0)), reserve + sum(None), constant.get())?;
        }
        Ok(())
    }
}

/// Checks the lease table of a coupling.
pub(crate) fn check(source: &Source, file: &File, c: &Coupling) -> Check {
    let Some(lease) = &c.lease else {
        return Ok(());
    };
    let place = Place { source, file, c };
    place.only(
        lease.owner.as_ref().map(At::span),
        "owner",
        CouplingKind::Capacity,
    )?;
    place.only(
        lease.reserve.as_ref().map(At::span),
        "reserve",
        CouplingKind::Capacity,
    )?;
    let first = lease.commitment.first();
    place.only(
        first.map(|s| s.member.span()),
        "commitment",
        CouplingKind::Balance,
    )?;
    place.members("owner", lease.owner.iter())?;
    place.members("weights", lease.weight.iter().map(|w| &w.member))?;
    place.members("commitments", lease.commitment.iter().map(|s| &s.member))?;
    place.members("curtailment", lease.curtailment.iter())?;
    for said in &lease.commitment {
        let most = most_supplied(place.file, &said.member);
        place.require(said.amount.span(), said.amount.get() <= most, || {
            (
                format!("`{}` can supply {most} at most", &*said.member),
                format!("commit to at most {most}, or raise its `export_limit_w`"),
            )
        })?;
    }
    place.floors(lease)?;
    let others = c.members.len() as u32 - 1;
    if let Some(quorum) = &lease.quorum {
        let ok = (majority(c)..=others).contains(quorum);
        place.require(quorum.span(), ok, || {
            (
                format!("{} receipts of {others} other members", **quorum),
                format!(
                    "give {} to {others}: two quorums share a member",
                    majority(c)
                ),
            )
        })?;
    }
    Ok(())
}
