//! What the contract fixes for its log: who may write, and with which key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cosmosmesh_identity::PublicKey;
use cosmosmesh_mission::{AuthorId, ContractHash};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::entry::{Entry, Header};
use crate::limits::MAX_AUTHORS;

/// The authors of a log. Everybody who holds the contract holds the same, so
/// that an author can be named by its place among them.
#[derive(Clone, Debug)]
pub struct Terms {
    contract_hash: ContractHash,
    authors: Vec<(AuthorId, PublicKey)>,
    places: BTreeMap<AuthorId, AuthorIx>,
    authorities: BTreeSet<AuthorIx>,
    closers: BTreeSet<AuthorIx>,
    quorum: usize,
    quota: Quota,
}

/// How much an author may write: along its chain, so that whether an entry is
/// within it follows from what stands before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// How many entries a chain may have.
    pub entries: u64,
    /// How many bytes: those of the bodies, and for each entry 320 and 32 for each
    /// dependency.
    pub bytes: u64,
}

impl Default for Quota {
    /// Four million entries and sixteen gigabytes: one entry a second for 48 days.
    fn default() -> Self {
        Self {
            entries: 1 << 22,
            bytes: 16 << 30,
        }
    }
}

/// An author's place among the authors of a log, sorted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorIx(pub u32);

/// Why terms cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TermsError {
    /// Nobody could write, or too many.
    #[error("{actual} authors, expected 1 to {limit}")]
    Authors {
        /// The most that is allowed.
        limit: usize,
        /// What was met.
        actual: usize,
    },
    /// Two authors with one key: one could not be told from the other.
    #[error("{0} and {1} have the same key")]
    SameKey(AuthorId, AuthorId),
    /// A role given to someone who is no author.
    #[error("{0} has a role but no key")]
    NoAuthor(AuthorId),
    /// A quorum that two disjoint groups could reach, or nobody.
    #[error("a quorum of {quorum} among {closers} closers; expected more than half, at most all")]
    Quorum {
        /// The quorum.
        quorum: usize,
        /// The closers.
        closers: usize,
    },
}

/// Why an entry is refused, for ever and by everybody.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// It is of another contract.
    #[error("the entry is of contract {actual}, this log is of {expected}")]
    Contract {
        /// The log's.
        expected: ContractHash,
        /// The entry's.
        actual: ContractHash,
    },
    /// Its author is none of the contract's.
    #[error("{0} is no author of this contract")]
    Author(AuthorId),
    /// Its signature is not its author's.
    #[error("the signature is not that of {0}")]
    Signature(AuthorId),
    /// The entry it links back to is another author's.
    #[error("the back link of {0} names an entry of {1}")]
    ForeignBacklink(AuthorId, AuthorId),
    /// It does not take the next place in its author's chain.
    #[error("place {boot}.{seq} does not follow {before_boot}.{before_seq}")]
    Place {
        /// Its boot epoch.
        boot: u64,
        /// Its position.
        seq: u64,
        /// The boot epoch of the entry before it.
        before_boot: u64,
        /// The position of the entry before it.
        before_seq: u64,
    },
    /// Its author has written as much as it may.
    #[error("{author} may write {limit} {what}, and this is beyond")]
    Quota {
        /// Who.
        author: AuthorId,
        /// What is counted.
        what: &'static str,
        /// How many it may.
        limit: u64,
    },
    /// The chain of its parents is too long.
    #[error("the chain of parents is longer than {0}")]
    TooDeep(u32),
    /// Its author may not say this.
    #[error("{author} may not {what}")]
    Role {
        /// Who.
        author: AuthorId,
        /// What.
        what: &'static str,
    },
    /// One of the log's own bodies breaks a rule.
    #[error("the {what} breaks a rule: {reason}")]
    Body {
        /// Which body.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
}

/// An entry of this contract, by one of its authors, with that author's
/// signature. The only way into a [`Log`](crate::Log).
#[derive(Clone, Debug)]
pub struct Verified {
    pub(crate) entry: Arc<Entry>,
    pub(crate) author: AuthorIx,
}

impl Verified {
    /// The entry.
    pub fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }
}

impl Terms {
    /// Takes the authors with their keys, those who may revoke, and those whose
    /// quorum closes rounds and seals checkpoints.
    ///
    /// # Errors
    /// Refuses doubled keys, roles without a key, and quorums of which two could
    /// be disjoint. No closers at all are allowed, with a quorum of 0: then
    /// nothing is ever sealed.
    pub fn new(
        contract_hash: ContractHash,
        authors: BTreeMap<AuthorId, PublicKey>,
        authorities: &BTreeSet<AuthorId>,
        closers: &BTreeSet<AuthorId>,
        quorum: usize,
    ) -> Result<Self, TermsError> {
        if authors.is_empty() || authors.len() > MAX_AUTHORS {
            return Err(TermsError::Authors {
                limit: MAX_AUTHORS,
                actual: authors.len(),
            });
        }
        let mut by_key = BTreeMap::new();
        for (author, key) in &authors {
            if let Some(other) = by_key.insert(*key, author) {
                return Err(TermsError::SameKey(other.clone(), author.clone()));
            }
        }
        let places: BTreeMap<AuthorId, AuthorIx> =
            authors.keys().cloned().zip((0..).map(AuthorIx)).collect();
        let place = |name: &AuthorId| {
            let place = places.get(name).copied();
            place.ok_or_else(|| TermsError::NoAuthor(name.clone()))
        };
        let authorities = authorities.iter().map(place).collect::<Result<_, _>>()?;
        let closers: BTreeSet<_> = closers.iter().map(place).collect::<Result<_, _>>()?;
        let none = closers.is_empty() && quorum == 0;
        if !none && (2 * quorum <= closers.len() || quorum > closers.len()) {
            return Err(TermsError::Quorum {
                quorum,
                closers: closers.len(),
            });
        }
        Ok(Self {
            contract_hash,
            authors: authors.into_iter().collect(),
            places,
            authorities,
            closers,
            quorum,
            quota: Quota::default(),
        })
    }

    /// The same authors and roles for a contract with another hash.
    #[must_use]
    pub fn of_contract(&self, contract_hash: ContractHash) -> Self {
        Self {
            contract_hash,
            ..self.clone()
        }
    }

    /// The same with another quota.
    #[must_use]
    pub fn with_quota(mut self, quota: Quota) -> Self {
        self.quota = quota;
        self
    }

    /// The contract.
    pub fn contract_hash(&self) -> ContractHash {
        self.contract_hash
    }

    /// How many authors there are.
    pub fn len(&self) -> usize {
        self.authors.len()
    }

    /// Never: there is an author.
    pub fn is_empty(&self) -> bool {
        self.authors.is_empty()
    }

    /// The place of an author.
    pub fn place(&self, author: &AuthorId) -> Option<AuthorIx> {
        self.places.get(author).copied()
    }

    /// The author at a place.
    pub fn author(&self, at: AuthorIx) -> Option<&AuthorId> {
        self.authors.get(at.0 as usize).map(|(name, _)| name)
    }

    /// The key of the author at a place.
    pub fn key(&self, at: AuthorIx) -> Option<&PublicKey> {
        self.authors.get(at.0 as usize).map(|(_, key)| key)
    }

    /// The authors by their place.
    pub fn authors(&self) -> impl Iterator<Item = (AuthorIx, &AuthorId)> {
        (0..)
            .map(AuthorIx)
            .zip(self.authors.iter().map(|(name, _)| name))
    }

    /// Whether the author may revoke others.
    pub fn is_authority(&self, author: AuthorIx) -> bool {
        self.authorities.contains(&author)
    }

    /// Whether the author's vote counts for checkpoints.
    pub fn is_closer(&self, author: AuthorIx) -> bool {
        self.closers.contains(&author)
    }

    /// How many closers' votes seal.
    pub fn quorum(&self) -> usize {
        self.quorum
    }

    /// How much each author may write.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    /// Checks contract, author and signature. It needs nothing but the entry, so
    /// that many can be checked at once.
    ///
    /// # Errors
    /// Says what is not right.
    pub fn verify(&self, entry: Entry) -> Result<Verified, Refused> {
        let verified = self.trust(entry)?;
        let entry = &verified.entry;
        let (name, key) = &self.authors[verified.author.0 as usize];
        key.verify(&entry.id().0, &entry.signature().0)
            .map_err(|_| Refused::Signature(name.clone()))?;
        Ok(verified)
    }

    /// Checks contract and author, but takes the signature on trust: for entries
    /// that this node checked before it stored them, and for nothing else.
    ///
    /// # Errors
    /// Says what is not right.
    pub fn trust(&self, entry: Entry) -> Result<Verified, Refused> {
        Ok(Verified {
            author: self.admit(entry.header())?,
            entry: Arc::new(entry),
        })
    }

    /// Checks contract and author.
    pub(crate) fn admit(&self, header: &Header) -> Result<AuthorIx, Refused> {
        if header.contract_hash != self.contract_hash {
            return Err(Refused::Contract {
                expected: self.contract_hash,
                actual: header.contract_hash,
            });
        }
        self.place(&header.author)
            .ok_or_else(|| Refused::Author(header.author.clone()))
    }
}
