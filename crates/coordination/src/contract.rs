//! The contract of an agreement: what every member knows before it begins.

use std::collections::BTreeSet;
use std::sync::Arc;

use cosmosmesh_identity::PublicKey;
use cosmosmesh_log::{AuthorIx, MAX_DEPS, Terms, TermsError};
use cosmosmesh_mission::{
    Attempt, AuthorId, Canonical as _, Commitment, ContractHash, ContractId, DecodeError, Delta,
    EncodeError, Envelope, Epoch, Finite, MemberId, Payload,
};
use cosmosmesh_optimize::coupled::RowKind;
use cosmosmesh_optimize::method::{Frame, FrameMember, FrameRow, MethodName};
use cosmosmesh_optimize::problem::Name;

use crate::closing::roster::Rules;
use crate::lease::LeaseTerms;
use crate::wire::{RowNames, WireError, member_names};

/// The terms: rows, quanta, limits, roles, keys, method, and when to stop.
#[derive(Debug, Clone)]
pub struct Contract {
    id: ContractId,
    epoch: Epoch,
    frame: Arc<Frame>,
    names: RowNames,
    members: Vec<MemberId>,
    closers: Vec<usize>,
    rules: Rules,
    method: MethodName,
    gap: f64,
    leases: Arc<LeaseTerms>,
    hash: ContractHash,
    terms: Arc<Terms>,
    /// The members' places among the authors of the log.
    authors: Vec<AuthorIx>,
}

/// Why there is no contract.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// A name of the frame is no name of a mission.
    #[error(transparent)]
    Names(#[from] WireError),
    /// A closer is no member.
    #[error("the closer {0} is no member of the contract")]
    Closer(MemberId),
    /// There is no closer, or one is named twice.
    #[error("a contract has at least one closer, and names each once")]
    Closers,
    /// There are not as many keys as members.
    #[error("{keys} keys for {members} members")]
    Keys {
        /// The keys.
        keys: usize,
        /// The members.
        members: usize,
    },
    /// A proposal names as its parents the last message of each member and up to two
    /// of each closer, and an entry has at most so many.
    #[error(
        "{members} members and {closers} closers: members and twice the closers must be at most {MAX_DEPS}"
    )]
    Members {
        /// The members.
        members: usize,
        /// The closers.
        closers: usize,
    },
    /// The name of a member is no author's.
    #[error("{0} cannot be an author")]
    Author(MemberId),
    /// The keys do not fit.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// The terms of leases name somebody else.
    #[error("the terms of leases name {0}, who is no member of the contract")]
    Leases(MemberId),
    /// The gap is no positive number.
    #[error("the gap to stop at is {0}; it must be a positive number")]
    Gap(f64),
    /// Two members would wait for each other's allocations before they name their
    /// own.
    #[error(
        "{first} and {second} take the rounding of couplings that both are on, and would wait for each other to settle: let one member take both, or one that is on only one of them"
    )]
    Waiting {
        /// One of them.
        first: MemberId,
        /// The other.
        second: MemberId,
    },
    /// A number of the frame has no encoding.
    #[error("the contract has no encoding: {0}")]
    Encoding(#[from] EncodeError),
    /// Bytes are no contract.
    #[error("no contract: {0}")]
    Decode(#[from] DecodeError),
    /// Bytes are well formed, and still no contract.
    #[error("no contract: {0}")]
    Record(&'static str),
    /// A number of the frame is not finite.
    #[error("the contract names a number that is not finite")]
    NotFinite,
}

/// Why a message is not taken: what it says about itself is not of this
/// contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It breaks a rule of its own.
    #[error("the message breaks a rule: {0}")]
    Invalid(#[from] EncodeError),
    /// It names another contract's hash.
    #[error("the message is of contract {actual}, not of {expected}")]
    Hash {
        /// The hash of this contract.
        expected: ContractHash,
        /// The hash that it names.
        actual: ContractHash,
    },
    /// Its payload names another contract.
    #[error("the message is of contract {actual}, not of {expected}")]
    Contract {
        /// This contract.
        expected: ContractId,
        /// The contract that it names.
        actual: ContractId,
    },
    /// It is of another epoch.
    #[error("the message is of epoch {actual}, not of {expected}")]
    Epoch {
        /// The epoch of this contract.
        expected: Epoch,
        /// The epoch that it names.
        actual: Epoch,
    },
    /// It is an answer of a later attempt; answers are to prices, and have none.
    #[error("the message is of attempt {actual}, not of {expected}")]
    Attempt {
        /// The attempt of every answer.
        expected: Attempt,
        /// The attempt that it names.
        actual: Attempt,
    },
    /// Its author is no member.
    #[error("the author {0} is no member of the contract")]
    Author(String),
    /// Its author may not say this.
    #[error("{0} closes no rounds of this contract")]
    Role(String),
}

/// Two members on a circle of waiting. Who takes the rounding of an equation
/// waits for the allocations of all others there.
fn waiting(frame: &Frame) -> Option<(usize, usize)> {
    let mut waits: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); frame.members.len()];
    for (i, member) in frame.members.iter().enumerate() {
        for &r in &member.rows {
            let row = &frame.rows[r];
            if row.kind == RowKind::Equal && row.slack != i {
                waits[row.slack].insert(i);
            }
        }
    }
    // Members that wait for nobody any more settle, one after the other.
    loop {
        let done = (0..waits.len())
            .find(|&i| waits[i].is_empty() && waits.iter().any(|others| others.contains(&i)));
        let Some(done) = done else { break };
        for others in &mut waits {
            others.remove(&done);
        }
    }
    let first = waits.iter().position(|others| !others.is_empty())?;
    let second = *waits[first].iter().next()?;
    Some((first, second))
}

fn author(member: &MemberId) -> Result<AuthorId, ContractError> {
    AuthorId::new(member.as_str()).map_err(|_| ContractError::Author(member.clone()))
}

/// The attempt of every answer: it names the prices that it answers, and these are
/// the same in all attempts.
const ATTEMPT: Attempt = Attempt(0);

impl Contract {
    /// The contract over a frame. `keys` are the members', in the order of the
    /// frame: what they say is signed with them. `closers` close the rounds, in an
    /// order that turns with them.
    ///
    /// # Errors
    ///
    /// See [`ContractError`].
    pub fn new(
        id: ContractId,
        epoch: Epoch,
        frame: Arc<Frame>,
        keys: &[PublicKey],
        closers: &[MemberId],
        method: MethodName,
        gap: f64,
    ) -> Result<Self, ContractError> {
        let names = RowNames::of(&frame)?;
        let members = member_names(&frame)?;
        let place = |closer: &MemberId| {
            let place = members.iter().position(|m| m == closer);
            place.ok_or_else(|| ContractError::Closer(closer.clone()))
        };
        let closers: Vec<usize> = closers.iter().map(place).collect::<Result<_, _>>()?;
        let distinct: BTreeSet<usize> = closers.iter().copied().collect();
        if closers.is_empty() || distinct.len() < closers.len() {
            return Err(ContractError::Closers);
        }
        let rules = Rules::of(closers.len());
        if !(gap > 0.0 && gap.is_finite()) {
            return Err(ContractError::Gap(gap));
        }
        if let Some((first, second)) = waiting(&frame) {
            return Err(ContractError::Waiting {
                first: members[first].clone(),
                second: members[second].clone(),
            });
        }
        if members.len() + 2 * closers.len() > MAX_DEPS {
            return Err(ContractError::Members {
                members: members.len(),
                closers: closers.len(),
            });
        }
        if keys.len() != members.len() {
            return Err(ContractError::Keys {
                keys: keys.len(),
                members: members.len(),
            });
        }
        let leases = LeaseTerms::none();
        let record = record(&id, epoch, &frame, keys, &closers, method, gap, &leases)?;
        let hash = ContractHash::of(&record)?;
        let names_of = members.iter().map(author).collect::<Result<Vec<_>, _>>()?;
        let with_keys = names_of.iter().cloned().zip(keys.iter().copied());
        let by_name = closers.iter().map(|at| names_of[*at].clone()).collect();
        let none = BTreeSet::new();
        let terms = Terms::new(hash, with_keys.collect(), &none, &by_name, rules.quorum())?;
        let place = |name| terms.place(name).expect("every member is an author");
        let authors = names_of.iter().map(place).collect();
        Ok(Self {
            id,
            epoch,
            frame,
            names,
            members,
            closers,
            rules,
            method,
            gap,
            leases: Arc::new(leases),
            hash,
            terms: Arc::new(terms),
            authors,
        })
    }

    /// The contract as a file: whoever has it and the log can compute the state.
    ///
    /// # Errors
    ///
    /// A contract beyond the limits of the encoding has none.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ContractError> {
        Ok(self.record()?.to_cbor()?)
    }

    fn record(&self) -> Result<Record, ContractError> {
        let key = |i| self.terms.key(self.author(i));
        let keys: Vec<PublicKey> = (0..self.members.len())
            .map(|i| *key(i).expect("every author has a key"))
            .collect();
        record(
            &self.id,
            self.epoch,
            &self.frame,
            &keys,
            &self.closers,
            self.method,
            self.gap,
            &self.leases,
        )
    }

    /// The same contract with terms of leases, hence with another hash.
    ///
    /// # Errors
    ///
    /// The terms name somebody who is no member.
    pub fn with_leases(mut self, leases: LeaseTerms) -> Result<Self, ContractError> {
        let mut named = leases.members().iter();
        if let Some(stranger) = named.find(|m| !self.members.contains(m)) {
            return Err(ContractError::Leases(stranger.clone()));
        }
        self.leases = Arc::new(leases);
        self.hash = ContractHash::of(&self.record()?)?;
        self.terms = Arc::new(self.terms.of_contract(self.hash));
        Ok(self)
    }

    /// Reads what [`Self::to_bytes`] writes.
    ///
    /// # Errors
    ///
    /// See [`ContractError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ContractError> {
        let record = Record::from_cbor(bytes)?;
        let broken = |ok: bool, what| ok.then_some(()).ok_or(ContractError::Record(what));
        let (members, rows) = (record.members.len(), record.rows.len());
        let method = match record.method {
            0 => MethodName::Aladin,
            1 => MethodName::Admm,
            _ => return Err(ContractError::Record("its method is unknown")),
        };
        let mut frame = Frame {
            members: Vec::new(),
            rows: Vec::new(),
        };
        let name =
            |text: &str| Name::new(text).map_err(|_| ContractError::Record("a name of it is none"));
        for row in &record.rows {
            let positive = row.quantum.get() > 0.0 && row.scale.get() > 0.0;
            broken(positive, "a quantum or scale is not positive")?;
            broken((row.slack as usize) < members, "a slack member is none")?;
            frame.rows.push(FrameRow {
                coupling: name(row.coupling.as_str())?,
                step: row.step,
                kind: match row.kind {
                    0 => RowKind::Equal,
                    1 => RowKind::AtMost,
                    _ => return Err(ContractError::Record("the kind of a row is unknown")),
                },
                quantum: row.quantum.get(),
                rhs: row.rhs,
                scale: row.scale.get(),
                slack: row.slack as usize,
            });
        }
        let mut keys = Vec::new();
        for member in &record.members {
            let own: Vec<usize> = member.rows.iter().map(|r| *r as usize).collect();
            let ascending = own.is_sorted_by(|a, b| a < b) && own.last().is_none_or(|r| *r < rows);
            broken(ascending, "a member's rows are not in order")?;
            let limits = member.least.len() == own.len() && member.most.len() == own.len();
            broken(limits, "a member has not a limit for each row")?;
            let key = PublicKey::from_bytes(&member.key.0);
            keys.push(key.map_err(|_| ContractError::Record("a key is none"))?);
            frame.members.push(FrameMember {
                name: name(member.name.as_str())?,
                rows: own,
                least: member.least.iter().map(|v| v.get()).collect(),
                most: member.most.iter().map(|v| v.get()).collect(),
            });
        }
        let closer = |at: &u32| {
            let member = record.members.get(*at as usize);
            let member = member.ok_or(ContractError::Record("a closer of it is no member"))?;
            Ok::<_, ContractError>(member.name.clone())
        };
        let closers: Vec<_> = record
            .closers
            .iter()
            .map(closer)
            .collect::<Result<_, _>>()?;
        Self::new(
            record.id,
            record.epoch,
            Arc::new(frame),
            &keys,
            &closers,
            method,
            record.gap.get(),
        )?
        .with_leases(record.leases)
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

    /// The places of the members that close the rounds, in their order.
    pub fn closers(&self) -> &[usize] {
        &self.closers
    }

    /// How many closers it takes.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// The same with rules that are broken on purpose.
    #[cfg(test)]
    pub(crate) fn plant(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// The method.
    pub fn method(&self) -> MethodName {
        self.method
    }

    /// The certified relative gap at which the members settle.
    pub fn gap(&self) -> f64 {
        self.gap
    }

    /// The terms of leases; none of any coupling unless they were given.
    pub fn leases(&self) -> &Arc<LeaseTerms> {
        &self.leases
    }

    /// What every message names.
    pub fn hash(&self) -> ContractHash {
        self.hash
    }

    /// Who may write to the log of this contract, and with which keys.
    pub fn terms(&self) -> &Arc<Terms> {
        &self.terms
    }

    /// The place of member `index` among the authors of the log.
    ///
    /// # Panics
    ///
    /// If there is no such member.
    pub fn author(&self, index: usize) -> AuthorIx {
        self.authors[index]
    }

    /// The member at a place among the authors of the log.
    ///
    /// # Panics
    ///
    /// If the place is of another log.
    pub fn member(&self, author: AuthorIx) -> usize {
        let at = self.authors.iter().position(|a| *a == author);
        at.expect("every author is a member")
    }

    /// Checks what a message says about itself: hash, author, role, contract,
    /// epoch and attempt, and the rules of the envelope. Returns the place of
    /// its author. What it says besides is checked where it is read
    /// ([`crate::wire`]).
    ///
    /// # Errors
    ///
    /// See [`Refused`].
    pub fn admit(&self, envelope: &Envelope) -> Result<usize, Refused> {
        envelope.check().map_err(EncodeError::from)?;
        if envelope.contract_hash != self.hash {
            return Err(Refused::Hash {
                expected: self.hash,
                actual: envelope.contract_hash,
            });
        }
        let place = self
            .place(envelope.author.as_str())
            .ok_or_else(|| Refused::Author(envelope.author.to_string()))?;
        match &envelope.payload {
            Payload::SharedVariables(s) => {
                self.admit_terms(&s.contract_id, s.epoch)?;
                if s.attempt != ATTEMPT {
                    return Err(Refused::Attempt {
                        expected: ATTEMPT,
                        actual: s.attempt,
                    });
                }
            }
            Payload::DualVariables(d) => {
                self.admit_terms(&d.contract_id, d.epoch)?;
                self.admit_closer(place, d.epoch)?;
            }
            Payload::PlanDelta(p) => {
                let epoch = match &p.delta {
                    Delta::Allocation { epoch, .. } => *epoch,
                    _ => self.epoch,
                };
                self.admit_terms(&p.contract_id, epoch)?;
            }
            _ => {}
        }
        Ok(place)
    }

    /// Checks that the member closes rounds, and of this epoch.
    pub(crate) fn admit_closer(&self, place: usize, epoch: Epoch) -> Result<(), Refused> {
        if !self.closers.contains(&place) {
            return Err(Refused::Role(self.members[place].to_string()));
        }
        self.admit_terms(&self.id, epoch)
    }

    fn admit_terms(&self, id: &ContractId, epoch: Epoch) -> Result<(), Refused> {
        if *id != self.id {
            return Err(Refused::Contract {
                expected: self.id.clone(),
                actual: id.clone(),
            });
        }
        if epoch != self.epoch {
            return Err(Refused::Epoch {
                expected: self.epoch,
                actual: epoch,
            });
        }
        Ok(())
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
    closers: Vec<u32>,
    gap: Finite,
    rows: Vec<RowRecord>,
    members: Vec<MemberRecord>,
    leases: LeaseTerms,
}

cosmosmesh_mission::canonical_record!(Record {
    id,
    epoch,
    method,
    closers,
    gap,
    rows,
    members,
    leases
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
    key: Commitment,
    rows: Vec<u32>,
    least: Vec<Finite>,
    most: Vec<Finite>,
}

cosmosmesh_mission::canonical_record!(MemberRecord {
    name,
    key,
    rows,
    least,
    most
});

#[allow(clippy::too_many_arguments)]
fn record(
    id: &ContractId,
    epoch: Epoch,
    frame: &Frame,
    keys: &[PublicKey],
    closers: &[usize],
    method: MethodName,
    gap: f64,
    leases: &LeaseTerms,
) -> Result<Record, ContractError> {
    let finite = |v: f64| Finite::new(v).map_err(|_| ContractError::NotFinite);
    let name = |source| WireError::Name {
        what: "coupling",
        source,
    };
    let rows = frame
        .rows
        .iter()
        .map(|r| {
            Ok(RowRecord {
                coupling: ContractId::new(r.coupling.as_str()).map_err(name)?,
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
    let members = member_names(frame)?
        .into_iter()
        .zip(&frame.members)
        .zip(keys)
        .map(|((name, m), key)| {
            Ok(MemberRecord {
                name,
                // Bytes, in a type that has an encoding.
                key: Commitment(*key.as_bytes()),
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
        closers: closers.iter().map(|at| *at as u32).collect(),
        gap: finite(gap)?,
        rows,
        members,
        leases: leases.clone(),
    })
}
