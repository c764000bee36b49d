//! What a member sends in a round.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Invalid, expect_length, strictly_increasing};
use crate::hash::{Commitment, MessageId, PricesId};
use crate::ids::{ContractId, CouplingId};
use crate::numbers::{Attempt, Epoch, Fixed, FixedVec, Round, Wide};

/// What a member sends in a round: its exchange with each coupling, and what it
/// knows about how that answers to prices.
///
/// All numbers are fixed-point; their units and scales are in the contract. The
/// member's rows are the steps of its couplings in the order in which the
/// contract has its rows: that order is meant wherever a list has one item for
/// each row. Nothing here says whose it is; the [`Envelope`](crate::Envelope)
/// does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedVariables {
    /// The exchange `s` with each coupling at each of its steps, at the first
    /// point of the call that this answers.
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
    /// The member's last counted message, which this one supersedes; absent in
    /// its first.
    pub base: Option<MessageId>,
    /// The prices that this answers, on which its terms are centred; absent where
    /// none have been heard of.
    pub prices: Option<PricesId>,
    /// The member's commitment to its local problem.
    pub problem: Commitment,
}

crate::canonical_record!(SharedVariables {
    forecasts, priors, version, contract_id, epoch, round, attempt, base, prices, problem,
} check SharedVariables::check);

/// A member's sensitivities and certificate terms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Priors {
    /// What the member says at each full point of the call, in their order.
    pub points: Vec<PointTerms>,
    /// The least value of the member's Lagrangian at points of this call and of
    /// calls that it missed, in increasing order of (round, point).
    pub dual_values: Vec<DualValue>,
    /// The member's cost at allotments, rounded up, in increasing order of
    /// (round, candidate).
    pub allotment_costs: Vec<AllotmentCost>,
    /// The weight of the member's barrier.
    pub barrier_weight: Fixed,
    /// The same times the number of its barrier terms.
    pub barrier_total: Fixed,
}

crate::canonical_record!(Priors {
    points,
    dual_values,
    allotment_costs,
    barrier_weight,
    barrier_total,
});

/// What a member says at one point: a price, a barrier parameter, shares.
///
/// `S` is minus the derivative of the exchange `s` by the prices `λ`, `y` the
/// price that the member itself settled at, `μ` the barrier parameter, `t` the
/// derivative of `s` by `μ`; `m` is the number of its rows. A method that does
/// not use a list leaves it empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PointTerms {
    /// `s`; empty for the first point, whose exchange is
    /// [`forecasts`](SharedVariables::forecasts).
    pub exchange: FixedVec,
    /// The upper triangle of the symmetric `S`, row by row: row `i` holds its
    /// columns `i` to `m - 1`, so there are `m (m + 1) / 2` items; or the `m`
    /// items of its diagonal alone; or none. Entry `jk` is in units of `2^(eⱼ+eₖ)`
    /// quanta.
    pub sensitivity: FixedVec,
    /// `eⱼ`, one binary exponent for each row; none without sensitivities.
    pub exponents: Vec<u8>,
    /// `S (y - λ)`, with the `λ` of the point.
    pub sensitivity_gap: FixedVec,
    /// `t`.
    pub barrier_rate: FixedVec,
    /// `μ t`, with the `μ` of the point.
    pub barrier_offset: FixedVec,
    /// `(y - λ)ᵀ S (y - λ)`.
    pub spread: Wide,
}

crate::canonical_record!(PointTerms {
    exchange,
    sensitivity,
    exponents,
    sensitivity_gap,
    barrier_rate,
    barrier_offset,
    spread,
});

/// The least value of a member's Lagrangian at one point of one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DualValue {
    /// The round of the call.
    pub round: Round,
    /// Which of that call's points.
    pub point: u32,
    /// The value, rounded down; absent where the member has no bound.
    pub value: Option<Wide>,
}

crate::canonical_record!(DualValue {
    round,
    point,
    value
});

/// A member's cost at one allotment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllotmentCost {
    /// The round of the call.
    pub round: Round,
    /// Which of that call's candidates.
    pub candidate: u32,
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
        for (index, point) in self.points.iter().enumerate() {
            let exchange = if index == 0 { 0 } else { rows };
            expect_length("exchange", exchange, point.exchange.len())?;
            point.check(rows)?;
        }
        strictly_increasing(
            "dual_values",
            self.dual_values.iter().map(|item| (item.round, item.point)),
        )?;
        strictly_increasing(
            "allotment_costs",
            self.allotment_costs
                .iter()
                .map(|item| (item.round, item.candidate)),
        )
    }
}

impl PointTerms {
    fn check(&self, rows: usize) -> Result<(), Invalid> {
        let triangle = rows.saturating_mul(rows.saturating_add(1)) / 2;
        if self.sensitivity.len() != rows && !self.sensitivity.is_empty() {
            expect_length("sensitivity", triangle, self.sensitivity.len())?;
        }
        let exponents = if self.sensitivity.is_empty() { 0 } else { rows };
        expect_length("exponents", exponents, self.exponents.len())?;
        for (what, list) in [
            ("sensitivity_gap", &self.sensitivity_gap),
            ("barrier_rate", &self.barrier_rate),
            ("barrier_offset", &self.barrier_offset),
        ] {
            if !list.is_empty() {
                expect_length(what, rows, list.len())?;
            }
        }
        Ok(())
    }
}
