//! A change of the plan.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cbor::{Canonical, DecodeError, Reader, Refusal, Writer};
use crate::hash::Signature;
use crate::ids::{AuthorId, ContractId, CouplingId};
use crate::numbers::{Epoch, FixedVec, UtcSeconds};

/// A change of the plan, by the one who has the right to make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanDelta {
    /// What changes.
    pub delta: Delta,
    /// When it was made. Advisory: nothing is decided by it.
    pub timestamp: UtcSeconds,
    /// Who makes it.
    pub author: AuthorId,
    /// The contract that gives the right.
    pub contract_id: ContractId,
    /// The author's signature; absent until there are keys.
    pub signature: Option<Signature>,
}

crate::canonical_record!(PlanDelta {
    delta,
    timestamp,
    author,
    contract_id,
    signature
});

/// What changes in a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Delta {
    /// The author takes these quanta of a coupling; negative ones it supplies.
    Allocation {
        /// The coupling.
        coupling: CouplingId,
        /// The epoch whose grid the steps are of.
        epoch: Epoch,
        /// How many of the contract's quanta at each step.
        quanta: FixedVec,
    },
}

impl Canonical for Delta {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Allocation {
                coupling,
                epoch,
                quanta,
            } => writer.array(4, |writer| {
                writer.unsigned(0);
                coupling.write(writer);
                epoch.write(writer);
                quanta.write(writer);
            }),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        reader.variant(|reader, code, fields| match (code, fields) {
            (0, 3) => Ok(Self::Allocation {
                coupling: Canonical::read(reader)?,
                epoch: Canonical::read(reader)?,
                quanta: Canonical::read(reader)?,
            }),
            _ => Err(reader.refuse(
                at,
                Refusal::UnknownCode {
                    kind: "Delta",
                    code,
                },
            )),
        })
    }
}
