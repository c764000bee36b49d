//! Finding out what a folder holds, and cutting what was never acknowledged.

use cosmosmesh_mission::ContractHash;

use super::disk::{Disk, DiskFile};
use super::frame::{self, HEADER_BYTES, Head};
use super::segment::TornTail;
use super::{Damage, StoreError, io, swap};

/// A segment that is there.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) number: u32,
    /// Where its last whole frame ends.
    pub(crate) end: u64,
    /// How many entries it has.
    pub(crate) entries: u64,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) segments: Vec<Segment>,
    pub(crate) torn: Option<TornTail>,
}

pub(crate) fn file_name(number: u32) -> String {
    format!("{number:08}.seg")
}

/// The numbers of the segments, in order.
pub(crate) fn numbers<D: Disk>(disk: &D) -> Result<Vec<u32>, StoreError> {
    let names = disk.list().map_err(io("list the files of the store"))?;
    let number = |name: &String| {
        let digits = name.strip_suffix(".seg")?;
        let number = digits.parse().ok()?;
        (file_name(number) == *name).then_some(number)
    };
    let mut numbers: Vec<u32> = names.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

pub(crate) fn read<D: Disk>(disk: &D, name: &str) -> Result<Vec<u8>, StoreError> {
    let failed = || io(format!("read {name}"));
    let file = disk.open(name, false).map_err(failed())?;
    let mut bytes = vec![0; file.len().map_err(failed())? as usize];
    file.read_at(0, &mut bytes).map_err(failed())?;
    Ok(bytes)
}

/// Checks a header; says whether there is one.
fn check_header(bytes: &[u8], number: u32, contract: ContractHash) -> Result<bool, StoreError> {
    let file = file_name(number);
    match frame::read_header(bytes, number) {
        Head::Good(actual) if actual == contract => Ok(true),
        Head::Good(actual) => Err(StoreError::OtherContract {
            file,
            expected: contract,
            actual,
        }),
        // Told apart by what follows.
        Head::Blank | Head::Damaged => Ok(false),
        Head::Future(actual) => Err(StoreError::FutureVersion {
            file,
            known: frame::FORMAT_VERSION,
            actual,
        }),
        Head::Foreign => Err(StoreError::Foreign { file }),
    }
}

/// Reads all segments and checks every frame. If `write`, what was never acknowledged
/// is cut and what was interrupted is ended; otherwise that is only reported.
pub(crate) fn find<D: Disk>(
    disk: &D,
    contract: ContractHash,
    write: bool,
) -> Result<Found, StoreError> {
    if write {
        swap::settle(disk)?;
    } else if swap::begun(disk)?.is_some() {
        return Err(StoreError::HalfSwapped);
    }
    let numbers = numbers(disk)?;
    let mut found = Found::default();
    for (place, number) in numbers.iter().copied().enumerate() {
        let last = place + 1 == numbers.len();
        let name = file_name(number);
        let good_before: u64 = found.segments.iter().map(|segment| segment.entries).sum();
        let damage = |from: u64, to: u64, good_here: u64, behind: u64| {
            let rest = good_in(disk, &numbers[place + 1..]);
            rest.map(|rest| Damage {
                file: name.clone(),
                from,
                to,
                good_before: good_before + good_here,
                good_behind: behind + rest,
            })
        };
        if number as usize != place {
            // A segment is missing: its file was there once.
            let missing = file_name(place as u32);
            let rest = good_in(disk, &numbers[place..])?;
            return Err(Damage {
                file: missing,
                from: 0,
                to: 0,
                good_before,
                good_behind: rest,
            }
            .into());
        }
        let bytes = read(disk, &name)?;
        let headed = check_header(&bytes, number, contract)?;
        let frames = frame::scan_segment(&bytes, number);
        let good = frames.good.len() as u64;
        if !headed {
            let behind = frames
                .broken
                .as_ref()
                .map_or(0, |broken| broken.behind.len() as u64);
            // A header is durable before the first frame is written.
            if !last || good + behind > 0 || frame::read_header(&bytes, number) != Head::Blank {
                return Err(damage(0, HEADER_BYTES as u64, 0, good + behind)?.into());
            }
            if write {
                remove(disk, &name)?;
            }
            found.torn = Some(TornTail {
                file: name,
                offset: 0,
                bytes: bytes.len() as u64,
            });
            break;
        }
        if let Some(broken) = &frames.broken {
            let behind = broken.behind.len() as u64;
            if !last || broken.was_durable {
                let (from, to) = (frames.end as u64, broken.to as u64);
                return Err(damage(from, to, good, behind)?.into());
            }
            if write {
                cut(disk, &name, frames.end as u64)?;
            }
            found.torn = Some(TornTail {
                file: name,
                offset: frames.end as u64,
                bytes: (bytes.len() - frames.end) as u64,
            });
        }
        found.segments.push(Segment {
            number,
            end: frames.end as u64,
            entries: good,
        });
    }
    Ok(found)
}

/// How many whole frames there are, whatever stands between them.
fn good_in<D: Disk>(disk: &D, numbers: &[u32]) -> Result<u64, StoreError> {
    let mut good = 0;
    for number in numbers {
        let frames = frame::scan_segment(&read(disk, &file_name(*number))?, *number);
        good += frames.good.len() + frames.broken.map_or(0, |broken| broken.behind.len());
    }
    Ok(good as u64)
}

fn cut<D: Disk>(disk: &D, name: &str, end: u64) -> Result<(), StoreError> {
    let failed = || io(format!("cut the torn tail of {name}"));
    let mut file = disk.open(name, true).map_err(failed())?;
    file.truncate(end).map_err(failed())?;
    file.sync().map_err(failed())
}

fn remove<D: Disk>(disk: &D, name: &str) -> Result<(), StoreError> {
    let failed = || io(format!("remove {name}, which was never begun"));
    disk.remove(name).map_err(failed())?;
    disk.sync_names().map_err(failed())
}
