//! From ids to places, in a `redb` database that can be made again.
//!
//! It follows the segments: it remembers up to where, catches up when it is
//! asked, and is cleared when it is of another contract or ahead of the segments.
//! Whoever changes segments that are there removes it.
//! It is committed in two phases, but no entry's safety rests on it.

use cosmosmesh_mission::{ContractHash, MessageId};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::StoreError;
use super::disk::Disk;
use super::frame::HEADER_BYTES;
use super::segment::{Place, SegmentStore};
use crate::stub::Stored;

const PLACES: TableDefinition<'_, &[u8; 32], (u32, u64)> = TableDefinition::new("places");
/// One row: the contract and up to where the segments are covered.
const COVERED: TableDefinition<'_, &[u8; 32], (u32, u64)> = TableDefinition::new("covered");

pub(crate) struct Index {
    database: Database,
    contract: ContractHash,
}

fn lift(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Index(error.into().to_string())
}

impl Index {
    pub(crate) fn open<D: Disk>(
        disk: &D,
        contract: ContractHash,
        keep: bool,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            database: disk.database(keep).map_err(lift)?,
            contract,
        })
    }

    fn covered(&self) -> Result<Option<Place>, StoreError> {
        let read = self.database.begin_read().map_err(lift)?;
        let table = match read.open_table(COVERED) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(lift(error)),
        };
        let row = table.get(&self.contract.0).map_err(lift)?;
        Ok(row.map(|row| {
            let (segment, offset) = row.value();
            Place { segment, offset }
        }))
    }

    /// Takes in what was added since it was last asked.
    pub(crate) fn catch_up<D: Disk>(&mut self, store: &SegmentStore<D>) -> Result<(), StoreError> {
        let end = store.end();
        let covered = self.covered()?;
        if covered == Some(end) {
            return Ok(());
        }
        let mut write = self.database.begin_write().map_err(lift)?;
        write.set_two_phase_commit(true);
        let start = Place {
            segment: 0,
            offset: HEADER_BYTES as u64,
        };
        let from = match covered {
            Some(covered) if covered < end => covered,
            _ => {
                write.delete_table(PLACES).map_err(lift)?;
                write.delete_table(COVERED).map_err(lift)?;
                start
            }
        };
        let mut added = Vec::new();
        store.replay_from(from, &mut |place, stored| {
            if let Stored::Whole(entry) = stored {
                added.push((entry.id(), place));
            }
            Ok(())
        })?;
        // A B-tree likes its keys in order.
        added.sort_unstable();
        {
            let mut places = write.open_table(PLACES).map_err(lift)?;
            for (id, place) in added {
                if places.get(&id.0).map_err(lift)?.is_none() {
                    places
                        .insert(&id.0, (place.segment, place.offset))
                        .map_err(lift)?;
                }
            }
            let mut covered = write.open_table(COVERED).map_err(lift)?;
            covered
                .insert(&self.contract.0, (end.segment, end.offset))
                .map_err(lift)?;
        }
        write.commit().map_err(lift)
    }

    pub(crate) fn find(&self, id: &MessageId) -> Result<Option<Place>, StoreError> {
        let read = self.database.begin_read().map_err(lift)?;
        let table = read.open_table(PLACES).map_err(lift)?;
        let row = table.get(&id.0).map_err(lift)?;
        Ok(row.map(|row| {
            let (segment, offset) = row.value();
            Place { segment, offset }
        }))
    }
}
