//! Where entries are kept.
//!
//! A store is a sequence of entries, parents first. What [`Store::commit`] has
//! acknowledged is never lost: not by a crash, not by a torn write, not by a
//! full disk. [`SegmentStore`] keeps files on a [`Disk`]; [`MemoryStore`] keeps
//! nothing beyond the process. Both pass one conformance suite.
//!
//! [`RealDisk`] is a folder. [`FaultyDisk`] is one in memory that can be stopped
//! at any write or sync, and then keeps any part of what was not synced.

mod bundle;
mod disk;
mod faulty;
mod frame;
mod index;
mod memory;
mod prune;
mod recover;
mod repair;
mod segment;
mod swap;

use std::io;

use cosmosmesh_mission::{ContractHash, MessageId};
use thiserror::Error;

use crate::checkpoint::Unsealed;
use crate::entry::{Entry, EntryError};
use crate::log::{EntryIx, Log};
use crate::stub::{Stored, Stub};
use crate::terms::Refused;

pub use bundle::{read_bundle, write_bundle};
pub use disk::{Disk, DiskFile, RealDisk};
pub use faulty::FaultyDisk;
pub use frame::{FORMAT_VERSION, Frames, scan_segment};
pub use memory::MemoryStore;
pub use prune::Freed;
pub use repair::{Repaired, repair};
pub use segment::{Access, Opened, SegmentStore, TornTail};

/// A sequence of entries that outlives its process.
pub trait Store {
    /// Adds an entry behind all others. It is neither durable nor visible before
    /// the next [`commit`](Self::commit).
    ///
    /// # Errors
    /// The store has failed before.
    fn append(&mut self, entry: &Entry) -> Result<(), StoreError>;

    /// As [`append`](Self::append), what is left of a pruned entry.
    ///
    /// # Errors
    /// The store has failed before.
    fn append_stub(&mut self, stub: &Stub) -> Result<(), StoreError>;

    /// Makes all that was added durable, at the price of one sync, and says how
    /// many entries are durable now. Only then may anybody be told that they are
    /// held.
    ///
    /// # Errors
    /// Nothing since the last commit is acknowledged. The store takes nothing
    /// more: after a failed sync nobody knows what the disk holds, so it has to
    /// be opened again.
    fn commit(&mut self) -> Result<u64, StoreError>;

    /// How many entries are durable.
    fn len(&self) -> u64;

    /// Whether nothing is durable.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A durable entry by its id, unless it is pruned.
    ///
    /// # Errors
    /// The store cannot be read.
    fn get(&mut self, id: &MessageId) -> Result<Option<Entry>, StoreError>;

    /// All durable entries in the order in which they were added.
    ///
    /// # Errors
    /// The store cannot be read, or `each` refuses an entry.
    fn replay(
        &self,
        each: &mut dyn FnMut(Stored) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;
}

/// A store that cannot go on, with what is known about it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk said no.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// An earlier write or sync failed.
    #[error("an earlier write failed; open the store again: what was acknowledged is on disk")]
    Failed,
    /// Another process writes to it.
    #[error("another process is writing to this store; open it read-only, or stop the other")]
    Locked,
    /// It was opened for reading.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// A file that is no segment stands where one should.
    #[error("{file} is no segment of a log (it begins otherwise); nothing was changed")]
    Foreign {
        /// Which file.
        file: String,
    },
    /// A later version wrote it.
    #[error(
        "{file} has format {actual}, this program knows {known}; use a newer program, nothing was changed"
    )]
    FutureVersion {
        /// Which file.
        file: String,
        /// The newest that is known here.
        known: u32,
        /// What was met.
        actual: u32,
    },
    /// It is the log of another contract.
    #[error("{file} is of contract {actual}, expected {expected}")]
    OtherContract {
        /// Which file.
        file: String,
        /// The contract asked for.
        expected: ContractHash,
        /// The contract of the file.
        actual: ContractHash,
    },
    /// Acknowledged bytes are not what was written.
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// Repairing or pruning was interrupted, and reading only does not end it.
    #[error(
        "a repair or pruning of this store was interrupted; whatever opens it to write ends it, \
         such as `log repair`"
    )]
    HalfSwapped,
    /// A frame is whole, but what it holds is no entry.
    #[error("{file}, byte {offset}: {source}")]
    Entry {
        /// Which file.
        file: String,
        /// Where the frame begins.
        offset: u64,
        /// What is wrong.
        source: Box<EntryError>,
    },
    /// An entry that the log refuses.
    #[error("entry {id}: {reason}")]
    Refused {
        /// Which entry.
        id: MessageId,
        /// Why.
        reason: Box<Refused>,
    },
    /// An entry whose parents are not before it.
    #[error("entry {0} stands before one of its parents, or a parent is missing; repair the store")]
    Orphan(MessageId),
    /// A pruned entry that nobody vouches for.
    #[error("{0}; take the log from a member that has all of it")]
    Unsealed(#[from] Unsealed),
    /// The index failed twice; it can be removed without loss.
    #[error("the index cannot be used ({0}); remove index.redb, it is made again")]
    Index(String),
}

/// What of a store is damaged, and what is not.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{file} is damaged from byte {from} to {to}; {good_before} entries before it and {good_behind} \
     behind it can be read. Repairing keeps those and the damaged file; what is lost comes back \
     from others by sync"
)]
pub struct Damage {
    /// The first file that is damaged.
    pub file: String,
    /// Where the damage begins.
    pub from: u64,
    /// Where the next good frame begins, or the file ends.
    pub to: u64,
    /// How many entries before it are good.
    pub good_before: u64,
    /// How many entries behind it are good.
    pub good_behind: u64,
}

impl From<Damage> for StoreError {
    fn from(damage: Damage) -> Self {
        Self::Damaged(Box::new(damage))
    }
}

pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> StoreError {
    let what = what.into();
    move |source| StoreError::Io { what, source }
}

impl Log {
    /// Attaches all that a store holds. `trusted` says whether this node wrote
    /// the store itself, so that signatures, and the votes behind which entries were
    /// pruned, need not be checked again.
    ///
    /// # Errors
    /// The store cannot be read, or holds what no log takes.
    pub fn load(&mut self, store: &dyn Store, trusted: bool) -> Result<(), StoreError> {
        self.reserve(usize::try_from(store.len()).unwrap_or(0));
        store.replay(&mut |stored| self.take_one(stored, trusted))?;
        if !trusted {
            self.check_pruned()?;
        }
        Ok(())
    }

    fn take_one(&mut self, stored: Stored, trusted: bool) -> Result<(), StoreError> {
        let id = stored.id();
        let taken = match stored {
            Stored::Stub(stub) => self.insert_stub(stub),
            Stored::Whole(entry) => {
                let checked = if trusted {
                    self.terms.trust(entry)
                } else {
                    self.terms.verify(entry)
                };
                checked.and_then(|verified| self.insert(verified))
            }
        };
        let taken = taken.map_err(|reason| StoreError::Refused {
            id,
            reason: Box::new(reason),
        })?;
        if taken.waits {
            return Err(StoreError::Orphan(id));
        }
        Ok(())
    }

    /// Adds attached entries to a store, whole or as stubs, whichever they are.
    ///
    /// # Errors
    /// The store has failed before.
    pub fn save(
        &self,
        entries: impl IntoIterator<Item = EntryIx>,
        store: &mut dyn Store,
    ) -> Result<(), StoreError> {
        for ix in entries {
            match self.entry(ix) {
                Some(entry) => store.append(entry)?,
                None => store.append_stub(&self.stub(ix))?,
            }
        }
        Ok(())
    }
}
