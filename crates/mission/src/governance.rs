//! The governance blocks: budgets, audit, policy and the registry.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cbor::{Canonical, DecodeError, Reader, Refusal, Writer};
use crate::error::Invalid;
use crate::hash::{MessageId, PricesId};
use crate::ids::{AdapterId, AssetId, AuthorId, ContractId, DomainId, OperatorId, SignalId};
use crate::numbers::{ContractVersion, Epoch, Fixed, NanoZcdp, Round, UtcSeconds};
use crate::resource::Resource;
use crate::unit::Quantum;

/// How much of a signal may still be released.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrivacyBudget {
    /// The signal.
    pub signal: SignalId,
    /// What may be spent on it.
    pub budget: NanoZcdp,
    /// The last epoch in which it may be spent.
    pub expiry: Epoch,
}

crate::canonical_record!(PrivacyBudget {
    signal,
    budget,
    expiry
});

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditLog {
    /// What happened.
    pub entry: AuditEntry,
    /// Who says so.
    pub signer: AuthorId,
    /// When it was said. Advisory.
    pub timestamp: UtcSeconds,
    /// The contract.
    pub contract_id: ContractId,
    /// The contract's revision.
    pub version: ContractVersion,
}

crate::canonical_record!(AuditLog {
    entry,
    signer,
    timestamp,
    contract_id,
    version
});

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum AuditEntry {
    /// A round was closed.
    RoundClosed {
        /// The epoch.
        epoch: Epoch,
        /// The round.
        round: Round,
        /// The prices that it ended with.
        prices: PricesId,
    },
    /// A plan was issued.
    PlanIssued {
        /// The message that holds the change.
        message: MessageId,
    },
    /// A signal was disclosed.
    Disclosed {
        /// The signal.
        signal: SignalId,
        /// To whom.
        recipient: OperatorId,
        /// How much of it.
        level: Exposure,
    },
}

impl Canonical for AuditEntry {
    fn write(&self, writer: &mut Writer) {
        match self {
            Self::RoundClosed {
                epoch,
                round,
                prices,
            } => writer.array(4, |writer| {
                writer.unsigned(0);
                epoch.write(writer);
                round.write(writer);
                prices.write(writer);
            }),
            Self::PlanIssued { message } => writer.array(2, |writer| {
                writer.unsigned(1);
                message.write(writer);
            }),
            Self::Disclosed {
                signal,
                recipient,
                level,
            } => writer.array(4, |writer| {
                writer.unsigned(2);
                signal.write(writer);
                recipient.write(writer);
                level.write(writer);
            }),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        reader.variant(|reader, code, fields| match (code, fields) {
            (0, 3) => Ok(Self::RoundClosed {
                epoch: Canonical::read(reader)?,
                round: Canonical::read(reader)?,
                prices: Canonical::read(reader)?,
            }),
            (1, 1) => Ok(Self::PlanIssued {
                message: Canonical::read(reader)?,
            }),
            (2, 3) => Ok(Self::Disclosed {
                signal: Canonical::read(reader)?,
                recipient: Canonical::read(reader)?,
                level: Canonical::read(reader)?,
            }),
            _ => Err(reader.refuse(
                at,
                Refusal::UnknownCode {
                    kind: "AuditEntry",
                    code,
                },
            )),
        })
    }
}

/// What must hold of assets, and who may see what of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyBlock {
    /// Limits that no plan may leave.
    pub safety: Vec<SafetyRule>,
    /// Who may see what. What no rule grants is hidden.
    pub exposure_rules: Vec<ExposureRule>,
}

crate::canonical_record!(PolicyBlock { safety, exposure_rules } check PolicyBlock::check);

/// A limit that no plan may leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SafetyRule {
    /// The asset.
    pub asset: AssetId,
    /// The resource that is limited.
    pub resource: Resource,
    /// The step in which the limits count.
    pub quantum: Quantum,
    /// The least that is safe; absent if there is none.
    pub lower: Option<Fixed>,
    /// The most that is safe; absent if there is none.
    pub upper: Option<Fixed>,
}

crate::canonical_record!(SafetyRule {
    asset,
    resource,
    quantum,
    lower,
    upper
});

/// What a recipient may see of a signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExposureRule {
    /// The signal.
    pub signal: SignalId,
    /// Who may see it; absent for everybody.
    pub recipient: Option<OperatorId>,
    /// How much of it.
    pub level: Exposure,
}

crate::canonical_record!(ExposureRule {
    signal,
    recipient,
    level
});

/// How much of a signal is seen, least first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Exposure {
    /// Nothing.
    #[default]
    Hidden,
    /// The value with noise.
    Noised,
    /// Sums over members.
    Aggregated,
    /// The value itself.
    Exact,
}

crate::canonical_enum!(Exposure { Hidden = 0, Noised = 1, Aggregated = 2, Exact = 3 });

impl PolicyBlock {
    /// What `recipient` may see of `signal`: the least exposing of the rules
    /// that match, and nothing if none does.
    pub fn exposure(&self, signal: &SignalId, recipient: &OperatorId) -> Exposure {
        let matches = |rule: &&ExposureRule| {
            rule.signal == *signal
                && rule
                    .recipient
                    .as_ref()
                    .is_none_or(|named| named == recipient)
        };
        let levels = self.exposure_rules.iter().filter(matches);
        levels.map(|rule| rule.level).min().unwrap_or_default()
    }

    /// Checks that every limit leaves something that is safe.
    ///
    /// # Errors
    /// Names the first limit that does not.
    pub fn check(&self) -> Result<(), Invalid> {
        let is_empty = |rule: &SafetyRule| matches!((rule.lower, rule.upper), (Some(lower), Some(upper)) if lower > upper);
        match self.safety.iter().position(is_empty) {
            Some(index) => Err(Invalid::EmptyInterval {
                what: "safety",
                index,
            }),
            None => Ok(()),
        }
    }
}

/// One row of the Graph-of-Contracts registry: what an adapter can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryEntry {
    /// The adapter.
    pub adapter_id: AdapterId,
    /// The planning domains that it serves.
    #[serde(deserialize_with = "crate::json::unique_set")]
    pub supported_domains: BTreeSet<DomainId>,
    /// The contract revision that it speaks.
    pub contract_version: ContractVersion,
}

crate::canonical_record!(RegistryEntry {
    adapter_id,
    supported_domains,
    contract_version
});
