//! The prices that a round ends with.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cbor::EncodeError;
use crate::error::{Invalid, expect_length};
use crate::hash::{MessageId, PricesId};
use crate::ids::{ContractId, CouplingId};
use crate::numbers::{Epoch, Fixed, FixedVec, Round};

/// The prices that a round ends with, and the messages that they follow from.
///
/// Every member computes them alike, so a copy that came by message can be
/// checked. Numbers are fixed-point; their units and scales are in the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DualVariables {
    /// The price `λ` of each coupling at each of its steps.
    #[serde(deserialize_with = "crate::json::unique_map")]
    pub multipliers: BTreeMap<CouplingId, FixedVec>,
    /// The contract.
    pub contract_id: ContractId,
    /// The epoch.
    pub epoch: Epoch,
    /// The round that ended with these prices.
    #[serde(alias = "iter_id")]
    pub round: Round,
    /// The barrier parameter `μ` of the next round.
    pub barrier: Fixed,
    /// What each member adds to its next allotment so that allotments sum to the
    /// capacity, for each coupling and step; empty if the method has none.
    #[serde(deserialize_with = "crate::json::unique_map")]
    pub shares: BTreeMap<CouplingId, FixedVec>,
    /// The messages that were counted: the cohort.
    #[serde(deserialize_with = "crate::json::unique_set")]
    pub cohort: BTreeSet<MessageId>,
}

crate::canonical_record!(DualVariables {
    multipliers, contract_id, epoch, round, barrier, shares, cohort,
} check DualVariables::check);

impl DualVariables {
    /// The identity of these prices, by which members say what they answer.
    ///
    /// # Errors
    /// Prices that break a rule have none.
    pub fn id(&self) -> Result<PricesId, EncodeError> {
        PricesId::of(self)
    }

    /// Checks the rules between the fields: a share is of a coupling that has a
    /// price, and has its steps; the barrier parameter is not negative.
    ///
    /// # Errors
    /// Names the first rule that is broken.
    pub fn check(&self) -> Result<(), Invalid> {
        for (coupling, share) in &self.shares {
            let prices = self.multipliers.get(coupling);
            let prices = prices.ok_or(Invalid::Missing {
                what: "multiplier of a share",
            })?;
            expect_length("share", prices.len(), share.len())?;
        }
        if self.barrier.0 < 0 {
            return Err(Invalid::OutOfRange {
                what: "barrier",
                least: 0,
                most: i64::MAX.into(),
                actual: self.barrier.0.into(),
            });
        }
        Ok(())
    }
}
