//! The vocabulary of a mission: the eight primitives, typed ids, units, time grids and their canonical encoding. No I/O.

pub mod cbor;
mod error;
mod grid;
mod hash;
mod ids;
mod json;
mod numbers;
mod resource;
mod text;
mod unit;

pub use cbor::{Canonical, DecodeError, EncodeError, Refusal};
pub use error::Invalid;
pub use grid::{MAX_STEP_S, MAX_STEPS, Run, TimeGrid};
pub use hash::{Commitment, ContractHash, MessageId, PricesId, Signature};
pub use ids::{
    AdapterId, AssetId, AuthorId, BoxId, ContractId, CouplingId, DomainId, MAX_NAME, MemberId,
    OperatorId, PortId, SignalId,
};
pub use json::{JsonError, MAX_JSON_BYTES, from_json, to_json};
pub use numbers::{
    Attempt, BootEpoch, ContractVersion, Epoch, Finite, Fixed, FixedVec, NanoZcdp, ProblemVersion,
    Round, Seq, UtcSeconds, Wide,
};
pub use resource::Resource;
pub use unit::{Dimension, Quantity, Quantum, Ratio, Unit};
