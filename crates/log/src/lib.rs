//! The system's memory: signed entries, their causality, stores that lose
//! nothing, and the exchange of what is missing.
//!
//! - An [`Entry`] is one signed statement; [`Draft`] makes it, [`Terms`] check
//!   it. [`Terms`] are what the contract fixes: who may write.
//! - A [`Log`] is a set of entries closed under parents. The same set has the
//!   same [`LogState`], byte for byte, in whatever order it came.
//!
//! - A [`store::Store`] keeps entries; what it has acknowledged is never lost.
//! - A [`sync::Session`] exchanges what two logs do not share.
//!
//! There is no clock, no randomness and, outside [`store`], no I/O.
//!
//! ```
//! use std::collections::{BTreeMap, BTreeSet};
//! use std::sync::Arc;
//!
//! use cosmosmesh_identity::SecretKey;
//! use cosmosmesh_log::{Draft, Kind, Log, Terms};
//! use cosmosmesh_mission::{AuthorId, BootEpoch, ContractHash, Seq, UtcSeconds};
//!
//! let key = SecretKey::from_seed([7; 32]);
//! let rover: AuthorId = "rover".parse()?;
//! let keys = BTreeMap::from([(rover.clone(), key.public())]);
//! let (contract_hash, none) = (ContractHash([0; 32]), BTreeSet::new());
//! let terms = Arc::new(Terms::new(contract_hash, keys, &none, &none, 0)?);
//! let mut log = Log::new(terms.clone());
//! let entry = Draft {
//!     author: rover,
//!     boot_epoch: BootEpoch(0),
//!     seq: Seq(0),
//!     backlink: None,
//!     deps: vec![],
//!     time: UtcSeconds(1_800_000_000),
//!     contract_hash,
//!     kind: Kind(1000),
//!     body: b"what is said".to_vec(),
//! }
//! .sign(&key)?;
//! let taken = log.insert(terms.verify(entry)?)?;
//! assert_eq!(taken.attached.len(), 1);
//! assert_eq!(log.state().entries, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is not here yet: authors do not change during a contract.

mod audit;
mod chain;
mod checkpoint;
mod entry;
mod id_map;
mod limits;
mod log;
mod pending;
mod state;
mod statement;
pub mod store;
mod stub;
pub mod sync;
mod terms;
mod terms_file;

pub use audit::Skew;
pub use checkpoint::{PruneError, Unsealed};
pub use entry::{Draft, Entry, EntryError, Header, Kind};
pub use limits::{
    MAX_AUTHORS, MAX_BODY_BYTES, MAX_DEPS, MAX_DEPTH, MAX_ENTRY_BYTES, MAX_PENDING_BYTES,
    MAX_PENDING_ENTRIES,
};
pub use log::{EntryIx, ForkProof, Log, Taken};
pub use state::{AuthorState, LogState, Past};
pub use statement::{Checkpoint, Revocation, Status, Vote};
pub use stub::{Stored, Stub};
pub use terms::{AuthorIx, Quota, Refused, Terms, TermsError, Verified};
pub use terms_file::TermsFileError;
