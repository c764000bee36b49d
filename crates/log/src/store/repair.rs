//! Keeping what is good of a damaged store.
//!
//! Good frames whose parents are good as well are written to new segments; the
//! old files from the first damaged one on keep their bytes under another name,
//! and nothing is removed. The new segments take their place in one step
//! ([`swap`](super::swap)), so that a repair that is interrupted can be done again.

use std::collections::HashSet;

use cosmosmesh_mission::ContractHash;

use super::disk::Disk;
use super::frame::{self, HEADER_BYTES, Head};
use super::recover::{self, file_name};
use super::swap::{self, Old, Swap};
use super::{StoreError, io};
use crate::stub::Stored;

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repaired {
    /// Entries that are kept.
    pub kept: u64,
    /// Whole entries that are not, for want of a parent. They are in the files
    /// that were set aside.
    pub orphaned: u64,
    /// Bytes that are no entry.
    pub lost_bytes: u64,
    /// The files that were set aside, under their new names.
    pub set_aside: Vec<String>,
}

/// Repairs the store of `contract`, or of the contract that its first good header
/// names.
///
/// # Errors
/// Another process writes to it, a file is foreign or of a later version (then
/// nothing was changed), or the disk fails.
pub fn repair<D: Disk>(disk: &D, contract: Option<ContractHash>) -> Result<Repaired, StoreError> {
    let lock = disk.lock().map_err(io("lock the store"))?;
    let _lock = lock.ok_or(StoreError::Locked)?;
    swap::settle(disk)?;
    let numbers = recover::numbers(disk)?;
    let mut files = Vec::new();
    let mut named = contract;
    for number in &numbers {
        let file = file_name(*number);
        let bytes = recover::read(disk, &file)?;
        match frame::read_header(&bytes, *number) {
            Head::Foreign => return Err(StoreError::Foreign { file }),
            Head::Future(actual) => {
                return Err(StoreError::FutureVersion {
                    file,
                    known: frame::FORMAT_VERSION,
                    actual,
                });
            }
            Head::Good(actual) => {
                let expected = *named.get_or_insert(actual);
                if expected != actual {
                    return Err(StoreError::OtherContract {
                        file,
                        expected,
                        actual,
                    });
                }
            }
            Head::Blank | Head::Damaged => {}
        }
        files.push((*number, bytes));
    }
    let Some(contract) = named else {
        let file = numbers
            .first()
            .map_or("the store".into(), |n| file_name(*n));
        return Err(StoreError::Foreign { file });
    };
    let mut report = Repaired::default();
    let mut seen = HashSet::new();
    let mut fresh: Vec<(u32, Vec<u8>)> = Vec::new();
    for (number, bytes) in &files {
        let mut into = frame::header(*number, contract).to_vec();
        let frames = frame::scan_segment(bytes, *number);
        let behind = frames.broken.map_or(Vec::new(), |broken| broken.behind);
        let mut whole = 0;
        for at in frames.good.into_iter().chain(behind) {
            let found = frame::read_frame(bytes, *number, at as usize);
            let payload = found.expect("it was read just now").payload;
            whole += payload.len() + frame::FRAME_BYTES;
            let Ok(stored) = Stored::from_bytes(payload) else {
                report.lost_bytes += payload.len() as u64;
                continue;
            };
            if !stored
                .header()
                .parents()
                .all(|parent| seen.contains(parent))
            {
                report.orphaned += 1;
                continue;
            }
            seen.insert(stored.id());
            report.kept += 1;
            let offset = into.len() as u32;
            frame::write_frame(&mut into, *number, offset, offset, payload);
        }
        report.lost_bytes += bytes.len().saturating_sub(HEADER_BYTES + whole) as u64;
        fresh.push((*number, into));
    }
    // Numbers without a gap; what is as it was stays.
    let mut renumbered = Vec::new();
    for ((number, into), place) in fresh.into_iter().zip(0..) {
        let into = if number == place {
            into
        } else {
            renumber(&into, number, place, contract)
        };
        renumbered.push((place, into));
    }
    let same = |(number, into): &(u32, Vec<u8>)| {
        files
            .iter()
            .any(|(old, bytes)| old == number && is_same(bytes, into, *number))
    };
    let first = renumbered.iter().position(|file| !same(file));
    let swap = Swap {
        first: first.unwrap_or(renumbered.len()) as u32,
        count: renumbered.len() as u32,
        old: Old::SetAside,
    };
    if numbers.last().is_none_or(|last| *last < swap.first) {
        return Ok(report);
    }
    for (number, into) in renumbered
        .iter()
        .filter(|(number, _)| *number >= swap.first)
    {
        swap::write_new(disk, *number, into)?;
    }
    report.set_aside = swap.carry_out(disk)?;
    Ok(report)
}

/// Whether a file already holds just the frames of `fresh`.
fn is_same(old: &[u8], fresh: &[u8], number: u32) -> bool {
    let payloads = |bytes: &[u8]| {
        let frames = frame::scan_segment(bytes, number);
        let read = |at: &u32| {
            let frame = frame::read_frame(bytes, number, *at as usize);
            frame.expect("it was read just now").payload.to_vec()
        };
        (frames.broken.is_none()).then(|| frames.good.iter().map(read).collect::<Vec<_>>())
    };
    let headed = matches!(frame::read_header(old, number), Head::Good(_));
    headed && payloads(old).is_some_and(|old| Some(old) == payloads(fresh))
}

fn renumber(bytes: &[u8], from: u32, to: u32, contract: ContractHash) -> Vec<u8> {
    let mut into = frame::header(to, contract).to_vec();
    for at in frame::scan_segment(bytes, from).good {
        let found = frame::read_frame(bytes, from, at as usize).expect("just written");
        let offset = into.len() as u32;
        frame::write_frame(&mut into, to, offset, offset, found.payload);
    }
    into
}
