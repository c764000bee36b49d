//! The system's memory: signed entries, their causality, stores that lose
//! nothing, and the exchange of what is missing.
//!
//! - An [`Entry`] is one signed statement; [`Draft`] makes it, [`Terms`] check
//!   it. [`Terms`] are what the contract fixes: who may write.
//! - A [`Log`] is a set of entries closed under parents. The same set has the
//!   same [`LogState`], byte for byte, in whatever order it came.
//!
//! There is no clock, no randomness and, outside [`store`], no I/O.

mod audit;
mod chain;
mod checkpoint;
mod entry;
mod limits;
mod log;
mod pending;
mod state;
mod statement;
pub mod store;
pub mod sync;
mod terms;
mod terms_file;

pub use audit::Skew;
pub use checkpoint::PruneError;
pub use entry::{Draft, Entry, EntryError, Header, Kind};
pub use limits::{
    MAX_AUTHORS, MAX_BODY_BYTES, MAX_DEPS, MAX_DEPTH, MAX_ENTRY_BYTES, MAX_PENDING_BYTES,
    MAX_PENDING_ENTRIES,
};
pub use log::{EntryIx, ForkProof, Log, Taken};
pub use state::{AuthorState, LogState, Past};
pub use statement::{Checkpoint, Revocation};
pub use terms::{AuthorIx, Refused, Terms, TermsError, Verified};
pub use terms_file::TermsFileError;
