//! The one envelope that every message travels in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cbor::{Canonical, DecodeError, EncodeError, Reader, Refusal, Writer};
use crate::dual_variables::DualVariables;
use crate::error::Invalid;
use crate::governance::{AuditLog, PolicyBlock, PrivacyBudget, RegistryEntry};
use crate::hash::{ContractHash, MessageId};
use crate::ids::AuthorId;
use crate::numbers::{BootEpoch, Seq, UtcSeconds};
use crate::plan_delta::PlanDelta;
use crate::shared_variables::SharedVariables;

/// The version of the vocabulary and its encoding.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Version {
    /// The first.
    #[serde(rename = "1")]
    V1,
}

crate::canonical_enum!(Version { V1 = 1 });

/// A message with what detects replays and drift: the version, the contract's
/// hash, and the author's chain.
///
/// On the wire it is `[version, contract_hash, author, boot_epoch, seq,
/// backlink, time, kind, body]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The version of the vocabulary.
    pub version: Version,
    /// The hash of the contract that the author holds.
    pub contract_hash: ContractHash,
    /// Who sends it.
    pub author: AuthorId,
    /// How often the author has started afresh.
    pub boot_epoch: BootEpoch,
    /// The position in the author's chain since then.
    pub seq: Seq,
    /// The author's message before this one; absent in its first only.
    pub backlink: Option<MessageId>,
    /// When it was sent. Advisory: skew is a finding, nothing is decided by it.
    pub time: UtcSeconds,
    /// What it says.
    pub payload: Payload,
}

/// What a message says. It cannot hold a
/// [`LocalProblem`](crate::LocalProblem): that never leaves its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Payload {
    /// A member's answer in a round.
    SharedVariables(SharedVariables),
    /// The prices that a round ended with.
    DualVariables(DualVariables),
    /// A change of the plan.
    PlanDelta(PlanDelta),
    /// How much of a signal may be released.
    PrivacyBudget(PrivacyBudget),
    /// One line of the audit.
    AuditLog(AuditLog),
    /// Safety limits and exposure rules.
    PolicyBlock(PolicyBlock),
    /// What an adapter can do.
    RegistryEntry(RegistryEntry),
}

impl Envelope {
    /// The identity of this message: the hash of its one encoding.
    ///
    /// # Errors
    /// A message that breaks a rule has none.
    pub fn id(&self) -> Result<MessageId, EncodeError> {
        MessageId::of(self)
    }

    /// Checks that a message with predecessors names the last of them, and that
    /// its payload does not speak in another's name.
    ///
    /// # Errors
    /// Names the rule that is broken.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.seq > Seq(0) && self.backlink.is_none() {
            return Err(Invalid::Missing { what: "backlink" });
        }
        let named = match &self.payload {
            Payload::PlanDelta(plan) => Some(("plan delta author", &plan.author)),
            Payload::AuditLog(audit) => Some(("audit signer", &audit.signer)),
            _ => None,
        };
        match named {
            Some((left, named)) if *named != self.author => Err(Invalid::Disagree {
                left,
                right: "envelope author",
            }),
            _ => Ok(()),
        }
    }
}

const FIELDS: usize = 9;

impl Canonical for Envelope {
    fn write(&self, writer: &mut Writer) {
        writer.check(self.check());
        writer.array(FIELDS, |writer| {
            self.version.write(writer);
            self.contract_hash.write(writer);
            self.author.write(writer);
            self.boot_epoch.write(writer);
            self.seq.write(writer);
            self.backlink.write(writer);
            self.time.write(writer);
            match &self.payload {
                Payload::SharedVariables(body) => tagged(writer, 0, body),
                Payload::DualVariables(body) => tagged(writer, 1, body),
                Payload::PlanDelta(body) => tagged(writer, 2, body),
                Payload::PrivacyBudget(body) => tagged(writer, 3, body),
                Payload::AuditLog(body) => tagged(writer, 4, body),
                Payload::PolicyBlock(body) => tagged(writer, 5, body),
                Payload::RegistryEntry(body) => tagged(writer, 6, body),
            }
        });
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.offset();
        let envelope = reader.array(FIELDS, |reader| {
            Ok(Self {
                version: Canonical::read(reader)?,
                contract_hash: Canonical::read(reader)?,
                author: Canonical::read(reader)?,
                boot_epoch: Canonical::read(reader)?,
                seq: Canonical::read(reader)?,
                backlink: Canonical::read(reader)?,
                time: Canonical::read(reader)?,
                payload: read_payload(reader)?,
            })
        })?;
        reader.check(at, envelope.check())?;
        Ok(envelope)
    }
}

fn tagged<T: Canonical>(writer: &mut Writer, kind: u64, body: &T) {
    writer.unsigned(kind);
    body.write(writer);
}

fn read_payload(reader: &mut Reader<'_>) -> Result<Payload, DecodeError> {
    let at = reader.offset();
    Ok(match reader.unsigned()? {
        0 => Payload::SharedVariables(Canonical::read(reader)?),
        1 => Payload::DualVariables(Canonical::read(reader)?),
        2 => Payload::PlanDelta(Canonical::read(reader)?),
        3 => Payload::PrivacyBudget(Canonical::read(reader)?),
        4 => Payload::AuditLog(Canonical::read(reader)?),
        5 => Payload::PolicyBlock(Canonical::read(reader)?),
        6 => Payload::RegistryEntry(Canonical::read(reader)?),
        code => {
            return Err(reader.refuse(
                at,
                Refusal::UnknownCode {
                    kind: "Payload",
                    code,
                },
            ));
        }
    })
}
