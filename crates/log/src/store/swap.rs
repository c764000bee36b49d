//! Putting new segments in the place of old ones, all at once.
//!
//! New files are written beside the old ones, under other names. When they are
//! durable, a plan is written that says which names change; and when that is durable
//! they change. Interrupted before, the old files stand; interrupted behind it,
//! whoever opens the store next to write carries the plan out. Either way no moment
//! has half of each.

use super::disk::{Disk, DiskFile, INDEX};
use super::recover::{self, file_name};
use super::{StoreError, io};

/// The file that says that all new files are durable, and which names change.
const PLAN: &str = "SWAP";

/// What becomes of the old files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Old {
    /// They keep their bytes under another name.
    SetAside = 0,
    /// They are removed.
    Remove = 1,
}

/// The new segments take the place of the old ones from `first` on; `count` is
/// how many segments there are then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Swap {
    pub(crate) first: u32,
    pub(crate) count: u32,
    pub(crate) old: Old,
}

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

/// Writes a new segment, for a swap to put in place.
pub(crate) fn write_new<D: Disk>(disk: &D, number: u32, bytes: &[u8]) -> Result<(), StoreError> {
    write(disk, &new_name(number), bytes)
}

fn names<D: Disk>(disk: &D) -> Result<Vec<String>, StoreError> {
    disk.list().map_err(io("list the files of the store"))
}

/// The plan of a swap that was begun and not ended.
pub(crate) fn begun<D: Disk>(disk: &D) -> Result<Option<Swap>, StoreError> {
    if !names(disk)?.iter().any(|name| name == PLAN) {
        return Ok(None);
    }
    Ok(Swap::read(&recover::read(disk, PLAN)?))
}

/// Ends an interrupted swap: forwards once its new files are durable, and
/// backwards before.
pub(crate) fn settle<D: Disk>(disk: &D) -> Result<(), StoreError> {
    if let Some(swap) = begun(disk)? {
        return swap.finish(disk).map(drop);
    }
    let names = names(disk)?;
    let mut left = names
        .iter()
        .filter(|name| *name == PLAN || name.ends_with(".seg.new"))
        .peekable();
    if left.peek().is_none() {
        return Ok(());
    }
    for name in left {
        disk.remove(name).map_err(io(format!("remove {name}")))?;
    }
    disk.sync_names().map_err(io("sync the folder"))
}

impl Swap {
    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.first.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.count.to_le_bytes());
        bytes[8..12].copy_from_slice(&(self.old as u32).to_le_bytes());
        let sum = crc32c::crc32c(&bytes[..12]);
        bytes[12..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let word = bytes.get(at..at + 4)?;
            Some(u32::from_le_bytes(word.try_into().expect("four bytes")))
        };
        let swap = Self {
            first: word(0)?,
            count: word(4)?,
            old: match word(8)? {
                0 => Old::SetAside,
                1 => Old::Remove,
                _ => return None,
            },
        };
        (swap.to_bytes() == *bytes).then_some(swap)
    }

    /// Puts the new segments in place, which are durable. Gives the names of the old
    /// files that were set aside.
    pub(crate) fn carry_out<D: Disk>(self, disk: &D) -> Result<Vec<String>, StoreError> {
        write(disk, PLAN, &self.to_bytes())?;
        self.finish(disk)
    }

    /// Changes the names, from whichever step on. An old file has a new one beside
    /// it, or a number that no new one has.
    fn finish<D: Disk>(self, disk: &D) -> Result<Vec<String>, StoreError> {
        let names = names(disk)?;
        let has = |name: &String| names.contains(name);
        let mut set_aside = Vec::new();
        for name in &names {
            let digits = name
                .strip_suffix(".seg")
                .and_then(|digits| digits.parse().ok());
            let Some(number) = digits.filter(|number| *number >= self.first) else {
                continue;
            };
            if number < self.count && !has(&new_name(number)) {
                continue;
            }
            if self.old == Old::Remove {
                disk.remove(name).map_err(io(format!("remove {name}")))?;
            } else {
                let to = free_name(disk, name)?;
                disk.rename(name, &to)
                    .map_err(io(format!("rename {name} to {to}")))?;
                set_aside.push(to);
            }
        }
        // It names places in the old files.
        if names.iter().any(|name| name == INDEX) {
            disk.remove(INDEX).map_err(io(format!("remove {INDEX}")))?;
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

/// A name that nothing has yet.
fn free_name<D: Disk>(disk: &D, name: &str) -> Result<String, StoreError> {
    let names = names(disk)?;
    let candidates = (0..=u32::MAX).map(|n| format!("{name}.damaged{n}"));
    let mut free = candidates.filter(|candidate| !names.contains(candidate));
    Ok(free.next().expect("fewer than four billion repairs"))
}
