//! Keeping what is good of a damaged store.
//!
//! Good frames whose parents are good as well are written to new segments; the
//! old files from the first damaged one on keep their bytes under another name,
//! and nothing is removed. Names change only when all new files are durable, by a
//! plan that is durable as well, so that a repair that is interrupted can be done
//! again.

use std::collections::HashSet;

use cosmosmesh_mission::ContractHash;

use super::disk::{Disk, DiskFile};
use super::frame::{self, HEADER_BYTES, Head};
use super::recover::{self, file_name};
use super::{StoreError, io};
use crate::entry::Entry;

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
    settle(disk)?;
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
            let Ok(entry) = Entry::from_bytes(payload) else {
                report.lost_bytes += payload.len() as u64;
                continue;
            };
            if !entry.header().parents().all(|parent| seen.contains(parent)) {
                report.orphaned += 1;
                continue;
            }
            seen.insert(entry.id());
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
    let plan = Plan {
        first: first.unwrap_or(renumbered.len()) as u32,
        count: renumbered.len() as u32,
    };
    if numbers.last().is_none_or(|last| *last < plan.first) {
        return Ok(report);
    }
    for (number, into) in renumbered
        .iter()
        .filter(|(number, _)| *number >= plan.first)
    {
        write(disk, &new_name(*number), into)?;
    }
    write(disk, PLAN, &plan.to_bytes())?;
    report.set_aside = plan.finish(disk)?;
    Ok(report)
}

/// The file that says that all new files are durable, and which names change.
pub(crate) const PLAN: &str = "REPAIR";

fn new_name(number: u32) -> String {
    format!("{}.new", file_name(number))
}

fn write<D: Disk>(disk: &D, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let failed = || io(format!("write {name}"));
    let mut file = disk.create(name).map_err(failed())?;
    file.write_at(0, bytes).map_err(failed())?;
    file.sync().map_err(failed())?;
    disk.sync_names().map_err(failed())
}

/// The new segments take the place of the old ones from `first` on; `count` is
/// how many segments there are then.
struct Plan {
    first: u32,
    count: u32,
}

impl Plan {
    fn to_bytes(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.first.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.count.to_le_bytes());
        let sum = crc32c::crc32c(&bytes[..8]);
        bytes[8..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let word = bytes.get(at..at + 4)?;
            Some(u32::from_le_bytes(word.try_into().expect("four bytes")))
        };
        let plan = Self {
            first: word(0)?,
            count: word(4)?,
        };
        (plan.to_bytes() == *bytes).then_some(plan)
    }

    /// Changes the names, from whichever step on. An old file has a new one beside
    /// it, or a number that no new one has.
    fn finish<D: Disk>(&self, disk: &D) -> Result<Vec<String>, StoreError> {
        let names = disk.list().map_err(io("list the files of the store"))?;
        let has = |name: &String| names.contains(name);
        let mut set_aside = Vec::new();
        for name in &names {
            let digits = name
                .strip_suffix(".seg")
                .and_then(|digits| digits.parse().ok());
            let Some(number) = digits.filter(|number| *number >= self.first) else {
                continue;
            };
            if number >= self.count || has(&new_name(number)) {
                let to = free_name(disk, name)?;
                disk.rename(name, &to)
                    .map_err(io(format!("rename {name} to {to}")))?;
                set_aside.push(to);
            }
        }
        disk.sync_names().map_err(io("sync the folder"))?;
        for number in self.first..self.count {
            let (name, to) = (new_name(number), file_name(number));
            if has(&name) {
                disk.rename(&name, &to)
                    .map_err(io(format!("rename {name} to {to}")))?;
            }
        }
        disk.sync_names().map_err(io("sync the folder"))?;
        disk.remove(PLAN).map_err(io(format!("remove {PLAN}")))?;
        disk.sync_names().map_err(io("sync the folder"))?;
        Ok(set_aside)
    }
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

/// A name that nothing has yet.
fn free_name<D: Disk>(disk: &D, name: &str) -> Result<String, StoreError> {
    let names = disk.list().map_err(io("list the files of the store"))?;
    let candidates = (0..=u32::MAX).map(|n| format!("{name}.damaged{n}"));
    let mut free = candidates.filter(|candidate| !names.contains(candidate));
    Ok(free.next().expect("fewer than four billion repairs"))
}

/// Ends an interrupted repair: forwards once its new files are durable, and
/// backwards before.
fn settle<D: Disk>(disk: &D) -> Result<(), StoreError> {
    let names = disk.list().map_err(io("list the files of the store"))?;
    let planned = names.iter().any(|name| name == PLAN);
    if planned {
        if let Some(plan) = Plan::read(&recover::read(disk, PLAN)?) {
            return plan.finish(disk).map(drop);
        }
        disk.remove(PLAN).map_err(io(format!("remove {PLAN}")))?;
    }
    for name in names.iter().filter(|name| name.ends_with(".seg.new")) {
        disk.remove(name).map_err(io(format!("remove {name}")))?;
    }
    disk.sync_names().map_err(io("sync the folder"))
}
