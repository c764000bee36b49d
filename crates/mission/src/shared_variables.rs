//! What a member sends in a round.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Invalid, expect_length, strictly_increasing};
use crate::hash::{Commitment, MessageId, PricesId};
use crate::ids::{ContractId, CouplingId};
use crate::numbers::{Attempt, Epoch, FixedVec, Round, Wide};

/// What a member sends in a round: its exchange with each coupling, and what it
/// knows about how that answers to prices.
///
/// All numbers are fixed-point; their units and scales are in the contract. The
/// member's rows are the steps of its couplings, couplings in increasing order
/// of their names: that order is meant wherever a list has one item for each
/// row. Nothing here says whose it is; the [`Envelope`](crate::Envelope) does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedVariables {
    /// The exchange `s` with each coupling at each of its steps, as an increment
    /// on `base`.
    #[serde(deserialize_with = "crate::json::unique_map")]
    pub forecasts: BTreeMap<CouplingId, FixedVec>,
    /// Sensitivities and certificate terms.
    pub priors: Priors,
    /// The version of this last-writer register: the round.
    pub version: Round,
    /// The contract.
    pub contract_id: ContractId,
    /// The epoch.
    pub epoch: Epoch,
    /// The round.
    #[serde(alias = "iter_id")]
    pub round: Round,
    /// The repetition of the round.
    pub attempt: Attempt,
    /// The member's last counted message, which `forecasts` increments; absent
    /// in its first, which increments zero.
    pub base: Option<MessageId>,
    /// The prices that this answers; absent for the epoch's reference prices.
    pub prices: Option<PricesId>,
    /// The member's commitment to its local problem.
    pub problem: Commitment,
}

crate::canonical_record!(SharedVariables {
    forecasts, priors, version, contract_id, epoch, round, attempt, base, prices, problem,
} check SharedVariables::check);

/// A member's sensitivities and certificate terms.
///
/// `S` is minus the derivative of `s` by the prices, `y` the price that the
/// member itself settled at, `λ₀` the epoch's reference price, `μ` the barrier
/// parameter, `t` the derivative of `s` by `μ`. A method that does not use a
/// list leaves it empty; a list that is not empty has one item for each row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Priors {
    /// The upper triangle of the symmetric `S`, row by row: row `i` holds its
    /// columns `i` to `m - 1`, so there are `m (m + 1) / 2` items for `m` rows.
    pub sensitivity: FixedVec,
    /// `S (y - λ₀)`.
    pub sensitivity_gap: FixedVec,
    /// `μ t`.
    pub barrier_rate: FixedVec,
    /// `(y - λ₀)ᵀ S (y - λ₀)`.
    pub spread: Wide,
    /// The least value of the member's Lagrangian at the prices of earlier
    /// rounds, rounded down, in increasing order of the rounds.
    pub dual_values: Vec<DualValue>,
    /// The member's cost at allotments, rounded up, in increasing order of
    /// (round, candidate).
    pub allotment_costs: Vec<AllotmentCost>,
    /// For each row the least exchange that the member can have, rounded down.
    pub support_lower: FixedVec,
    /// For each row the most exchange that the member can have, rounded up.
    pub support_upper: FixedVec,
}

crate::canonical_record!(Priors {
    sensitivity,
    sensitivity_gap,
    barrier_rate,
    spread,
    dual_values,
    allotment_costs,
    support_lower,
    support_upper,
});

/// The least value of a member's Lagrangian at the prices of one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DualValue {
    /// The round whose prices are meant.
    pub round: Round,
    /// The value, rounded down.
    pub value: Wide,
}

crate::canonical_record!(DualValue { round, value });

/// A member's cost at one allotment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllotmentCost {
    /// The round that the allotment follows from.
    pub round: Round,
    /// Which of that round's candidates.
    pub candidate: u8,
    /// The cost, rounded up; absent where the member cannot live with the
    /// allotment.
    pub cost: Option<Wide>,
}

crate::canonical_record!(AllotmentCost {
    round,
    candidate,
    cost
});

impl SharedVariables {
    /// How many rows there are: the steps of all couplings together.
    pub fn rows(&self) -> usize {
        self.forecasts.values().map(|values| values.len()).sum()
    }

    /// Checks the rules between the fields.
    ///
    /// # Errors
    /// Names the first rule that is broken.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.version != self.round {
            return Err(Invalid::Disagree {
                left: "version",
                right: "round",
            });
        }
        self.priors.check(self.rows())
    }
}

impl Priors {
    /// Checks the lists against the number of rows.
    ///
    /// # Errors
    /// Names the first list that does not fit.
    pub fn check(&self, rows: usize) -> Result<(), Invalid> {
        let triangle = rows.saturating_mul(rows.saturating_add(1)) / 2;
        for (what, list, expected) in [
            ("sensitivity", &self.sensitivity, triangle),
            ("sensitivity_gap", &self.sensitivity_gap, rows),
            ("barrier_rate", &self.barrier_rate, rows),
            ("support_lower", &self.support_lower, rows),
            ("support_upper", &self.support_upper, rows),
        ] {
            if !list.is_empty() {
                expect_length(what, expected, list.len())?;
            }
        }
        let (lower, upper) = (&self.support_lower, &self.support_upper);
        expect_length("support_upper", lower.len(), upper.len())?;
        if let Some(index) = (0..lower.len()).find(|&row| lower[row] > upper[row]) {
            return Err(Invalid::EmptyInterval {
                what: "support",
                index,
            });
        }
        strictly_increasing(
            "rounds of dual_values",
            self.dual_values.iter().map(|item| item.round),
        )?;
        strictly_increasing(
            "rounds of allotment_costs",
            self.allotment_costs
                .iter()
                .map(|item| (item.round, item.candidate)),
        )
    }
}
