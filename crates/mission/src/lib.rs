//! The vocabulary of a mission: the eight primitives, typed ids, units, time grids and their canonical encoding. No I/O.

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
pub use dual_variables::DualVariables;
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
pub use shared_variables::{AllotmentCost, DualValue, Priors, SharedVariables};
pub use unit::{Dimension, Quantity, Quantum, Ratio, Unit};
