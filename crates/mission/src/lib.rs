//! The vocabulary of a mission: what planners of different owners say to each
//! other, in types that cannot hold what must not be said. No I/O, no clock, no
//! randomness.
//!
//! - The eight primitives: [`LocalProblem`] (private to its owner),
//!   [`SharedVariables`], [`DualVariables`], [`PlanDelta`], [`PrivacyBudget`],
//!   [`AuditLog`], [`PolicyBlock`], [`RegistryEntry`].
//! - The [`Envelope`] that all of them but the first travel in.
//! - Typed names, counters, hashes, [`Unit`]s and [`TimeGrid`]s.
//! - One encoding for each value: [`Canonical`], in [`cbor`]. JSON for people:
//!   [`to_json`] and [`from_json`].
//!
//! Fields are public where any value of their types will do. Rules between
//! fields are in `check`; whatever breaks one has no encoding, and no bytes or
//! text decode to it.
//!
//! ```
//! use cosmosmesh_mission::{Canonical, RegistryEntry, from_json};
//! let entry: RegistryEntry = from_json(
//!     r#"{"adapter_id": "rover_planner", "supported_domains": ["power"], "contract_version": 1}"#,
//! )?;
//! let bytes = entry.to_cbor()?;
//! assert_eq!(RegistryEntry::from_cbor(&bytes)?, entry);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod cbor;
mod dual_variables;
mod envelope;
mod error;
mod governance;
mod grid;
mod hash;
mod ids;
mod json;
mod local_problem;
mod numbers;
mod plan_delta;
mod resource;
mod shared_variables;
mod text;
mod unit;

pub use cbor::{Canonical, DecodeError, EncodeError, Refusal};
pub use dual_variables::{CandidateRef, Counted, DualVariables, PricePoint, Recipe, Restore};
pub use envelope::{Envelope, Payload, Version};
pub use error::Invalid;
pub use governance::{
    AuditEntry, AuditLog, Exposure, ExposureRule, PolicyBlock, PrivacyBudget, RegistryEntry,
    SafetyRule,
};
pub use grid::{MAX_STEP_S, MAX_STEPS, Run, TimeGrid};
pub use hash::{Commitment, ContractHash, MessageId, PricesId, Signature};
pub use ids::{
    AdapterId, AssetId, AuthorId, BoxId, ContractId, CouplingId, DomainId, MAX_NAME, MemberId,
    OperatorId, PortId, SignalId,
};
pub use json::{JsonError, MAX_JSON_BYTES, from_json, to_json};
pub use local_problem::{
    Constraints, LocalProblem, Objective, Port, Row, Sign, SolverHint, Term, Triplet,
};
pub use numbers::{
    Attempt, BootEpoch, ContractVersion, Epoch, Finite, Fixed, FixedVec, NanoZcdp, ProblemVersion,
    Round, Seq, UtcSeconds, Wide,
};
pub use plan_delta::{Delta, PlanDelta};
pub use resource::Resource;
pub use shared_variables::{AllotmentCost, DualValue, PointTerms, Priors, SharedVariables};
pub use unit::{Dimension, Quantity, Quantum, Ratio, Unit};
