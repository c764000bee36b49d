//! Letting go of bodies on the disk.
//!
//! Segments are written anew from the first on that has something to let go of:
//! pruned entries as [`Stub`](crate::Stub)s, all others as they were, in the order
//! in which they were. The new ones take the place of the old ones in one step
//! ([`swap`](super::swap)).

use std::collections::BTreeSet;

use cosmosmesh_mission::MessageId;

use super::disk::Disk;
use super::frame::{self, FRAME_BYTES, HEADER_BYTES};
use super::segment::{SegmentStore, changed, decode};
use super::swap::{self, Old, Swap};
use super::{Store as _, StoreError, recover};
use crate::stub::{Stored, Stub};

/// What pruning let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Freed {
    /// How many entries are stubs now that were whole.
    pub entries: u64,
    /// How many bytes the segments had.
    pub bytes_before: u64,
    /// How many they have.
    pub bytes_after: u64,
}

/// The segments that take the place of the old ones.
struct Fresh<'d, D> {
    disk: &'d D,
    limit: usize,
    first: u32,
    number: u32,
    bytes: Vec<u8>,
    contract: cosmosmesh_mission::ContractHash,
}

impl<D: Disk> Fresh<'_, D> {
    fn add(&mut self, payload: &[u8]) -> Result<(), StoreError> {
        let full = self.bytes.len() + FRAME_BYTES + payload.len() > self.limit;
        if full && self.bytes.len() > HEADER_BYTES {
            swap::write_new(self.disk, self.number, &self.bytes)?;
            self.number += 1;
            self.bytes.clear();
        }
        if self.bytes.is_empty() {
            let header = frame::header(self.number, self.contract);
            self.bytes.extend(header);
        }
        let offset = self.bytes.len() as u32;
        frame::write_frame(&mut self.bytes, self.number, offset, offset, payload);
        Ok(())
    }
}

impl<D: Disk> SegmentStore<D> {
    /// Keeps of the entries in `gone` nothing but their headers: those that
    /// [`Log::prune`](crate::Log::prune) let go of. What was added and not committed
    /// is committed before.
    ///
    /// It needs room for the new segments before it frees the old ones. A crash at
    /// any moment leaves either all the old or all the new.
    ///
    /// # Errors
    /// The disk fails. Then nothing acknowledged is lost, and the store has to be
    /// opened again.
    pub fn prune(&mut self, gone: &BTreeSet<MessageId>) -> Result<Freed, StoreError> {
        self.commit()?;
        let pruned = self.write_pruned(gone);
        self.failed |= pruned.is_err();
        pruned
    }

    fn write_pruned(&mut self, gone: &BTreeSet<MessageId>) -> Result<Freed, StoreError> {
        let mut freed = Freed {
            bytes_before: self.bytes(),
            ..Freed::default()
        };
        let mut fresh: Option<Fresh<'_, D>> = None;
        for segment in &self.segments {
            let name = recover::file_name(segment.number);
            let bytes = recover::read(&self.disk, &name)?;
            let (mut at, mut payloads, mut entries) = (HEADER_BYTES, Vec::new(), 0);
            while (at as u64) < segment.end {
                let whole = frame::read_frame(&bytes, segment.number, at);
                let frame = whole.ok_or_else(|| changed(&name, at))?;
                let stub = match decode(&name, at, frame.payload)? {
                    Stored::Whole(entry) if gone.contains(&entry.id()) => {
                        entries += 1;
                        let (id, header) = (entry.id(), entry.header().clone());
                        Some(Stub { id, header }.to_bytes())
                    }
                    _ => None,
                };
                payloads.push(stub.map_or(frame.payload.into(), std::borrow::Cow::from));
                at += frame.length();
            }
            if entries == 0 && fresh.is_none() {
                continue;
            }
            freed.entries += entries;
            let fresh = fresh.get_or_insert_with(|| Fresh {
                disk: &self.disk,
                limit: self.segment_bytes as usize,
                first: segment.number,
                number: segment.number,
                bytes: Vec::new(),
                contract: self.contract(),
            });
            for payload in payloads {
                fresh.add(&payload)?;
            }
        }
        let Some(fresh) = fresh else {
            freed.bytes_after = freed.bytes_before;
            return Ok(freed);
        };
        swap::write_new(&self.disk, fresh.number, &fresh.bytes)?;
        let swap = Swap {
            first: fresh.first,
            count: fresh.number + 1,
            old: Old::Remove,
        };
        // Nothing may hold on to the files that go.
        (self.index, self.current) = (None, None);
        swap.carry_out(&self.disk)?;
        self.find_segments()?;
        freed.bytes_after = self.bytes();
        Ok(freed)
    }
}
