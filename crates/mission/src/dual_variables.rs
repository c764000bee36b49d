//! The prices that a round ends with.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cbor::{Canonical, DecodeError, EncodeError, Reader, Refusal, Writer};
use crate::error::{Invalid, expect_length};
use crate::hash::{MessageId, PricesId};
use crate::ids::{ContractId, CouplingId, MemberId};
use crate::numbers::{Attempt, Epoch, Finite, FixedVec, Round};

/// The prices that a round ends with, what the next round asks of every member,
/// and the messages that both follow from.
///
/// Every member computes them alike, so a copy that came by message can be
/// checked. Prices are fixed-point, in the contract's price quanta; all other
/// numbers are in the contract's units. The call has one or more *points*: the
/// main one, whose parts are fields here, and the `alternatives`. A map by
/// couplings has the couplings and the steps of `multipliers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DualVariables {
    /// The price `λ` of each coupling at each of its steps, at the main point.
    #[serde(deserialize_with = "crate::json::unique_map")]
    pub multipliers: BTreeMap<CouplingId, FixedVec>,
    /// The contract.
    pub contract_id: ContractId,
    /// The epoch.
    pub epoch: Epoch,
    /// The round that these prices open.
    #[serde(alias = "iter_id")]
    pub round: Round,
    /// How many proposals for this round may have come before this one. It is no
    /// part of the identity of the prices.
    pub attempt: Attempt,
    /// The barrier parameter `μ` of the main point; a member's weight multiplies
    /// it.
    pub barrier: Finite,
    /// What every member gives up at the main point, a unit of its weight, so
    /// that allotments sum to the capacity.
    #[serde(deserialize_with = "crate::json::unique_map")]
    pub shares: BTreeMap<CouplingId, Vec<Finite>>,
    /// What every member on a limit is allotted beyond its prediction at the main
    /// point, because the limit is not reached; zero on equations.
    #[serde(deserialize_with = "crate::json::unique_map")]
    pub spares: BTreeMap<CouplingId, Vec<Finite>>,
    /// The other points, which are numbered from 1.
    pub alternatives: Vec<PricePoint>,
    /// How many points, from the main one on, ask for sensitivities; the others
    /// ask for dual values only.
    pub full_points: u32,
    /// Allotments whose cost is asked for.
    pub candidates: Vec<Recipe>,
    /// For each member the reply that the sums behind these prices hold of it;
    /// a member that they hold nothing of is absent.
    #[serde(deserialize_with = "crate::json::unique_map")]
    pub counted: BTreeMap<MemberId, Counted>,
    /// The best allotment so far that every member can live with.
    pub best: Option<CandidateRef>,
    /// For [`Recipe::Restored`].
    pub restore: Option<Restore>,
    /// The mean barrier weight of the members, zero while unknown.
    pub mean_weight: Finite,
    /// A penalty for each coupling and step.
    #[serde(deserialize_with = "crate::json::unique_map")]
    pub penalties: BTreeMap<CouplingId, Vec<Finite>>,
    /// The allotment that members are asked to settle on.
    pub settle: Option<CandidateRef>,
    /// The allotment that all members have signed off: there is a plan, and nothing
    /// more is asked.
    pub agreed: Option<CandidateRef>,
    /// The messages that were counted: the cohort.
    #[serde(deserialize_with = "crate::json::unique_set")]
    pub cohort: BTreeSet<MessageId>,
}

crate::canonical_record!(DualVariables {
    multipliers, contract_id, epoch, round, attempt, barrier, shares, spares, alternatives, full_points,
    candidates, counted, best, restore, mean_weight, penalties, settle, agreed, cohort,
} check DualVariables::check);

/// Prices at which members are asked besides the main ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PricePoint {
    /// The price `λ` of each coupling at each of its steps.
    #[serde(deserialize_with = "crate::json::unique_map")]
    pub multipliers: BTreeMap<CouplingId, FixedVec>,
    /// The barrier parameter `μ`; a member's weight multiplies it.
    pub barrier: Finite,
    /// What every member gives up, a unit of its weight.
    #[serde(deserialize_with = "crate::json::unique_map")]
    pub shares: BTreeMap<CouplingId, Vec<Finite>>,
    /// What every member on a limit is allotted beyond its prediction.
    #[serde(deserialize_with = "crate::json::unique_map")]
    pub spares: BTreeMap<CouplingId, Vec<Finite>>,
}

crate::canonical_record!(PricePoint {
    multipliers,
    barrier,
    shares,
    spares
});

/// Where a member's allotment comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Recipe {
    /// Nothing is exchanged: what the contract gives before any agreement.
    Alone,
    /// What the member's last counted reply predicts at a point.
    Predicted {
        /// The number of the point; the main one is 0.
        point: u32,
    },
    /// `(1 - theta) · predicted + theta · restored`, where restored is the
    /// member's last exchange brought back to the couplings.
    Restored {
        /// The number of the point.
        point: u32,
        /// The weight of the restored exchange, between 0 and 1.
        theta: Finite,
    },
    /// `(1 - theta) · predicted + theta · best`, where best is the best allotment
    /// so far that every member can live with.
    Mixed {
        /// The number of the point.
        point: u32,
        /// The weight of the best allotment, between 0 and 1.
        theta: Finite,
    },
}

impl Canonical for Recipe {
    fn write(&self, writer: &mut Writer) {
        let (code, point, theta) = match self {
            Self::Alone => (0, None, None),
            Self::Predicted { point } => (1, Some(point), None),
            Self::Restored { point, theta } => (2, Some(point), Some(theta)),
            Self::Mixed { point, theta } => (3, Some(point), Some(theta)),
        };
        let fields = usize::from(point.is_some()) + usize::from(theta.is_some());
        writer.array(1 + fields, |writer| {
            writer.unsigned(code);
            if let Some(point) = point {
                point.write(writer);
            }
            if let Some(theta) = theta {
                theta.write(writer);
            }
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        reader.variant(|reader, code, fields| match (code, fields) {
            (0, 0) => Ok(Self::Alone),
            (1, 1) => Ok(Self::Predicted {
                point: Canonical::read(reader)?,
            }),
            (2, 2) => Ok(Self::Restored {
                point: Canonical::read(reader)?,
                theta: Canonical::read(reader)?,
            }),
            (3, 2) => Ok(Self::Mixed {
                point: Canonical::read(reader)?,
                theta: Canonical::read(reader)?,
            }),
            _ => Err(reader.refuse(
                at,
                Refusal::UnknownCode {
                    kind: "Recipe",
                    code,
                },
            )),
        })
    }
}

/// The reply of a member that prices build on.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// The round of the reply.
    pub round: Round,
    /// Which of the points that it answered.
    pub point: u32,
}

crate::canonical_record!(Counted { round, point });

/// An allotment, named by the round whose prices asked for it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct CandidateRef {
    /// The round of the prices.
    pub round: Round,
    /// Which of their candidates.
    pub index: u32,
}

crate::canonical_record!(CandidateRef { round, index });

/// The way from the members' last exchanges back to the couplings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// `δ`: each member moves by `-S δ`.
    #[serde(deserialize_with = "crate::json::unique_map")]
    pub step: BTreeMap<CouplingId, Vec<Finite>>,
    /// What every member gives up, a unit of its weight.
    #[serde(deserialize_with = "crate::json::unique_map")]
    pub shares: BTreeMap<CouplingId, Vec<Finite>>,
    /// What every member on a limit is allotted beyond that.
    #[serde(deserialize_with = "crate::json::unique_map")]
    pub spares: BTreeMap<CouplingId, Vec<Finite>>,
}

crate::canonical_record!(Restore {
    step,
    shares,
    spares
});

impl DualVariables {
    /// The identity of these prices, by which members say what they answer. All
    /// attempts that ask the same for the same cohort have the same.
    ///
    /// # Errors
    /// Prices that break a rule have none.
    pub fn id(&self) -> Result<PricesId, EncodeError> {
        if self.attempt == Attempt(0) {
            return PricesId::of(self);
        }
        PricesId::of(&Self {
            attempt: Attempt(0),
            ..self.clone()
        })
    }

    /// Checks the rules between the fields: all maps by couplings have the
    /// couplings and steps of `multipliers`; barrier parameters are not negative;
    /// points exist and weights lie between 0 and 1.
    ///
    /// # Errors
    /// Names the first rule that is broken.
    pub fn check(&self) -> Result<(), Invalid> {
        let rows = &self.multipliers;
        same_steps("share", rows, &self.shares)?;
        same_steps("spare", rows, &self.spares)?;
        same_steps("penalty", rows, &self.penalties)?;
        check_barrier(self.barrier)?;
        for point in &self.alternatives {
            same_steps("alternative multiplier", rows, &point.multipliers)?;
            same_steps("alternative share", rows, &point.shares)?;
            same_steps("alternative spare", rows, &point.spares)?;
            check_barrier(point.barrier)?;
        }
        if let Some(restore) = &self.restore {
            same_steps("restoring step", rows, &restore.step)?;
            same_steps("restoring share", rows, &restore.shares)?;
            same_steps("restoring spare", rows, &restore.spares)?;
        }
        let points = 1 + self.alternatives.len() as u64;
        check_index("full_points", 1, points, self.full_points)?;
        for recipe in &self.candidates {
            let (point, theta) = match *recipe {
                Recipe::Alone => continue,
                Recipe::Predicted { point } => (point, None),
                Recipe::Restored { point, theta } | Recipe::Mixed { point, theta } => {
                    (point, Some(theta))
                }
            };
            check_index("point of a candidate", 0, points - 1, point)?;
            if let Some(theta) = theta
                && !(0.0..=1.0).contains(&theta.get())
            {
                return Err(Invalid::Beyond {
                    what: "theta",
                    expected: "0 to 1",
                    actual: theta,
                });
            }
        }
        Ok(())
    }
}

/// Checks that `map` has the couplings and steps of `rows`.
fn same_steps<T>(
    what: &'static str,
    rows: &BTreeMap<CouplingId, FixedVec>,
    map: &BTreeMap<CouplingId, T>,
) -> Result<(), Invalid>
where
    T: Steps,
{
    expect_length(what, rows.len(), map.len())?;
    for (coupling, steps) in map {
        let prices = rows.get(coupling);
        let prices = prices.ok_or(Invalid::Missing { what: "multiplier" })?;
        expect_length(what, prices.len(), steps.count())?;
    }
    Ok(())
}

/// A list with an item for each step.
trait Steps {
    fn count(&self) -> usize;
}

impl Steps for FixedVec {
    fn count(&self) -> usize {
        self.len()
    }
}

impl Steps for Vec<Finite> {
    fn count(&self) -> usize {
        self.len()
    }
}

fn check_barrier(barrier: Finite) -> Result<(), Invalid> {
    if barrier.get() < 0.0 {
        return Err(Invalid::Beyond {
            what: "barrier",
            expected: "0 or more",
            actual: barrier,
        });
    }
    Ok(())
}

fn check_index(what: &'static str, least: u64, most: u64, actual: u32) -> Result<(), Invalid> {
    if (least..=most).contains(&u64::from(actual)) {
        return Ok(());
    }
    Err(Invalid::OutOfRange {
        what,
        least: least.into(),
        most: most.into(),
        actual: actual.into(),
    })
}
