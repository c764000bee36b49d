//! Distributed methods: how members agree without showing their problems.
//!
//! # A round
//!
//! The fold publishes a [`Call`]: prices, a barrier weight, shares. Each
//! member answers with a [`Reply`] from its own problem and its own memory;
//! the fold adds the replies up and makes the next call. Nothing of a reply
//! but its sums over the members enters the fold ([`Sums`]); absent members
//! are carried forward with what they sent last.
//!
//! A member is an [`Agent`]: it owns its problem, and nothing outside can
//! read it. A fold is a [`Fold`]: a pure function of the frame and of the
//! replies counted in each round.
//!
//! Two methods share this shape ([`MethodName`]): `aladin`, a second-order
//! method for rounds that are dear, and `admm`, the textbook baseline.
//!
//! All values that cross between members are fixed-point integers, so that
//! sums do not depend on their order ([`fixed`]).

mod admm;
mod agent;
mod aladin;
mod bounds;
mod drive;
mod explain;
pub mod fixed;
mod fold;
mod frame;
mod qp;
mod sums;

pub use agent::{Agent, AgentError, Aside, Exchange};
pub use bounds::{Bounds, Candidate, certifies};
pub(crate) use drive::run;
pub use drive::{Drive, DriveError, Outcome, RoundLog, solve};
pub use explain::{ExplainError, Infeasibility, Missing, explain, lacks, relaxed};
pub use fold::{Fold, Phase};
pub use frame::{Frame, FrameError, FrameMember, FrameRow};

/// Which method an agreement uses.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum MethodName {
    /// Barrier-smoothed ALADIN on sums (after Houska, Frasch and Diehl, 2016).
    Aladin,
    /// Exchange ADMM (Boyd et al., 2011, §7.3), penalty fixed after round 1.
    Admm,
}

impl MethodName {
    /// All methods, in the order in which benchmarks print them.
    pub const ALL: [Self; 2] = [Self::Aladin, Self::Admm];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aladin => "aladin",
            Self::Admm => "admm",
        }
    }
}

/// Where a member's allotment comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Recipe {
    /// Nothing is exchanged: what the contract gives before any agreement.
    Alone,
    /// What the member's last counted reply predicts at point `point`.
    Predicted {
        /// Index into [`Call::points`].
        point: usize,
    },
    /// `(1 − theta) · predicted + theta · restored`, where restored is the
    /// member's last exchange brought back to the couplings.
    Restored {
        /// Index into [`Call::points`].
        point: usize,
        /// Weight of the restored exchange, between 0 and 1.
        theta: f64,
    },
    /// `(1 − theta) · predicted + theta · best feasible so far`.
    Mixed {
        /// Index into [`Call::points`].
        point: usize,
        /// Weight of the best feasible allotment, between 0 and 1.
        theta: f64,
    },
}

/// Prices, a barrier weight and the shares that close the sums.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// `λ`, one price a coupling row, a multiple of the row's price quantum.
    pub price: Vec<f64>,
    /// The barrier parameter `μ`; a member's weight multiplies it.
    pub mu: f64,
    /// The further price step after which the allotments sum to the capacity:
    /// each member gives up `S share` (in ADMM the share itself).
    pub share: Vec<f64>,
    /// What every member on a limit is allotted beyond its prediction, because
    /// the limit is not reached: an equal part for each. Zero on equations.
    pub spare: Vec<f64>,
}

/// The way from the members' last exchanges back to the couplings.
#[derive(Debug, Clone, PartialEq)]
pub struct Restore {
    /// `δ`: each member moves by `−S δ`.
    pub step: Vec<f64>,
    /// As [`Point::share`].
    pub share: Vec<f64>,
    /// As [`Point::spare`].
    pub spare: Vec<f64>,
}

/// The reply of a member that a call builds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    /// The round of the reply.
    pub round: u32,
    /// Which of its points.
    pub point: u32,
}

/// What the fold asks of every member in one round.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The round, from 1.
    pub round: u32,
    /// Points; the first [`Call::full`] ask for sensitivities, the others
    /// for dual values only.
    pub points: Vec<Point>,
    /// How many points ask for sensitivities.
    pub full: usize,
    /// Allotments whose cost is asked for.
    pub candidates: Vec<Recipe>,
    /// For each member the reply that the sums behind this call hold of it.
    pub counted: Vec<Option<Counted>>,
    /// The best allotment so far that every member found feasible.
    pub best: Option<Candidate>,
    /// For [`Recipe::Restored`].
    pub restore: Option<Restore>,
    /// Mean barrier weight of the members, 0 while unknown.
    pub mean_weight: f64,
    /// A penalty a row, `Nⱼ / Σ Sⱼⱼ`: ADMM's `ρ`, and the unit in which
    /// ALADIN keeps its metrics definite.
    pub penalty: Vec<f64>,
}

/// The answer of one member at one point: fixed-point, on its own rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// `s`.
    pub exchange: Vec<i64>,
    /// Upper triangle of `S` by rows, or (ADMM, round 1) its diagonal alone,
    /// or nothing. Entry `jk` is in units of `2^(eⱼ+eₖ)` quanta.
    pub sensitivity: Vec<i64>,
    /// `eⱼ`, a binary exponent a row: rows of one member may lie twenty decades
    /// apart. Empty without sensitivities.
    pub exponents: Vec<u8>,
    /// `S (y − λ)`, with the `λ` of the point that is answered.
    pub sensitivity_gap: Vec<i64>,
    /// `t = ds/dμ`.
    pub barrier_rate: Vec<i64>,
    /// `μ t`, with the `μ` of this reply.
    pub barrier_offset: Vec<i64>,
    /// `(y − λ)ᵀ S (y − λ)`.
    pub spread: i128,
}

impl Terms {
    /// Entry `k` of the triangle, which belongs to rows `a` and `b`, in quanta.
    pub(crate) fn entry(&self, k: usize, a: usize, b: usize) -> i128 {
        i128::from(self.sensitivity[k]) << (self.exponents[a] + self.exponents[b])
    }
}

/// A dual value `min f + λᵀs`, rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DualValue {
    /// The round of the call.
    pub round: u32,
    /// The point of the call.
    pub point: u32,
    /// The value in cost quanta; none where the member has no bound.
    pub value: Option<i64>,
}

/// The cost of an allotment, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllotmentCost {
    /// The round of the call.
    pub round: u32,
    /// The candidate of the call.
    pub candidate: u32,
    /// The cost in cost quanta; none where the allotment is infeasible.
    pub value: Option<i64>,
}

/// What one member sends in one round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The round that it answers.
    pub round: u32,
    /// One entry for each full point of the call.
    pub terms: Vec<Terms>,
    /// Dual values of this round and of rounds missed lately.
    pub duals: Vec<DualValue>,
    /// Allotment costs of this round and of rounds missed lately.
    pub costs: Vec<AllotmentCost>,
    /// The member's barrier weight, in cost quanta.
    pub barrier_weight: i64,
    /// The same times the number of its barrier terms, in cost quanta.
    pub barrier_total: i64,
}
