//! The contract of an agreement: what every member knows before it begins.

use std::sync::Arc;

use cosmosmesh_mission::{ContractHash, ContractId, EncodeError, Epoch, Finite, MemberId};
use cosmosmesh_optimize::coupled::RowKind;
use cosmosmesh_optimize::method::{Frame, MethodName};

use crate::wire::{RowNames, WireError};

/// The terms: rows, quanta, limits, roles, method, and when to stop.
#[derive(Debug, Clone)]
pub struct Contract {
    id: ContractId,
    epoch: Epoch,
    frame: Arc<Frame>,
    names: RowNames,
    members: Vec<MemberId>,
    closer: usize,
    method: MethodName,
    gap: f64,
    hash: ContractHash,
}

/// Why there is no contract.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// A name of the frame is no name of a mission.
    #[error(transparent)]
    Names(#[from] WireError),
    /// The closer is no member.
    #[error("the closer {0} is no member of the contract")]
    Closer(MemberId),
    /// The gap is no positive number.
    #[error("the gap to stop at is {0}; it must be a positive number")]
    Gap(f64),
    /// A number of the frame has no encoding.
    #[error("the contract has no encoding: {0}")]
    Encoding(#[from] EncodeError),
    /// A number of the frame is not finite.
    #[error("the contract names a number that is not finite")]
    NotFinite,
}

impl Contract {
    /// The contract over a frame. `closer` closes the rounds.
    ///
    /// # Errors
    ///
    /// See [`ContractError`].
    pub fn new(
        id: ContractId,
        epoch: Epoch,
        frame: Arc<Frame>,
        closer: &MemberId,
        method: MethodName,
        gap: f64,
    ) -> Result<Self, ContractError> {
        let names = RowNames::of(&frame)?;
        let members = frame
            .members
            .iter()
            .map(|m| {
                MemberId::new(m.name.as_str()).map_err(|source| {
                    ContractError::Names(WireError::Name {
                        what: "member",
                        source,
                    })
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let at = members
            .iter()
            .position(|m| m == closer)
            .ok_or_else(|| ContractError::Closer(closer.clone()))?;
        if !(gap > 0.0 && gap.is_finite()) {
            return Err(ContractError::Gap(gap));
        }
        let hash = ContractHash::of(&record(&id, epoch, &frame, at, method, gap)?)?;
        Ok(Self {
            id,
            epoch,
            frame,
            names,
            members,
            closer: at,
            method,
            gap,
            hash,
        })
    }

    /// Its name.
    pub fn id(&self) -> &ContractId {
        &self.id
    }

    /// The epoch that it is for.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Rows, quanta and limits.
    pub fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    /// The rows by coupling.
    pub fn names(&self) -> &RowNames {
        &self.names
    }

    /// The members, in the order of the frame.
    pub fn members(&self) -> &[MemberId] {
        &self.members
    }

    /// The place of the member that closes the rounds.
    pub fn closer(&self) -> usize {
        self.closer
    }

    /// The method.
    pub fn method(&self) -> MethodName {
        self.method
    }

    /// The certified relative gap at which the members settle.
    pub fn gap(&self) -> f64 {
        self.gap
    }

    /// What every message names.
    pub fn hash(&self) -> ContractHash {
        self.hash
    }

    /// The place of a member.
    pub fn place(&self, member: &str) -> Option<usize> {
        self.members.iter().position(|m| m.as_str() == member)
    }
}

/// The contract as it is hashed.
struct Record {
    id: ContractId,
    epoch: Epoch,
    method: u32,
    closer: u32,
    gap: Finite,
    rows: Vec<RowRecord>,
    members: Vec<MemberRecord>,
}

cosmosmesh_mission::canonical_record!(Record {
    id,
    epoch,
    method,
    closer,
    gap,
    rows,
    members
});

struct RowRecord {
    coupling: ContractId,
    step: u32,
    kind: u32,
    quantum: Finite,
    rhs: i64,
    scale: Finite,
    slack: u32,
}

cosmosmesh_mission::canonical_record!(RowRecord {
    coupling,
    step,
    kind,
    quantum,
    rhs,
    scale,
    slack,
});

struct MemberRecord {
    name: MemberId,
    rows: Vec<u32>,
    least: Vec<Finite>,
    most: Vec<Finite>,
}

cosmosmesh_mission::canonical_record!(MemberRecord {
    name,
    rows,
    least,
    most
});

fn record(
    id: &ContractId,
    epoch: Epoch,
    frame: &Frame,
    closer: usize,
    method: MethodName,
    gap: f64,
) -> Result<Record, ContractError> {
    let finite = |v: f64| Finite::new(v).map_err(|_| ContractError::NotFinite);
    let name = |what: &'static str| move |source| WireError::Name { what, source };
    let rows = frame
        .rows
        .iter()
        .map(|r| {
            Ok(RowRecord {
                coupling: ContractId::new(r.coupling.as_str()).map_err(name("coupling"))?,
                step: r.step,
                kind: match r.kind {
                    RowKind::Equal => 0,
                    RowKind::AtMost => 1,
                },
                quantum: finite(r.quantum)?,
                rhs: r.rhs,
                scale: finite(r.scale)?,
                slack: r.slack as u32,
            })
        })
        .collect::<Result<_, ContractError>>()?;
    let members = frame
        .members
        .iter()
        .map(|m| {
            Ok(MemberRecord {
                name: MemberId::new(m.name.as_str()).map_err(name("member"))?,
                rows: m.rows.iter().map(|r| *r as u32).collect(),
                least: m
                    .least
                    .iter()
                    .map(|v| finite(*v))
                    .collect::<Result<_, _>>()?,
                most: m
                    .most
                    .iter()
                    .map(|v| finite(*v))
                    .collect::<Result<_, _>>()?,
            })
        })
        .collect::<Result<_, ContractError>>()?;
    Ok(Record {
        id: id.clone(),
        epoch,
        method: match method {
            MethodName::Aladin => 0,
            MethodName::Admm => 1,
        },
        closer: closer as u32,
        gap: finite(gap)?,
        rows,
        members,
    })
}
