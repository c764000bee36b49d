//! The store on a disk: append-only segments, synced before anything is
//! acknowledged.

use std::any::Any;

use cosmosmesh_mission::{ContractHash, MessageId};

use super::disk::{Disk, DiskFile};
use super::frame::{self, FRAME_BYTES, HEADER_BYTES};
use super::index::Index;
use super::recover::{self, Segment, file_name};
use super::{Store, StoreError, io};
use crate::entry::Entry;
use crate::stub::{Stored, Stub};

/// A new segment is begun when the last has this many bytes.
const SEGMENT_BYTES: u64 = 64 << 20;
/// The most bytes that one commit may have.
const MAX_COMMIT_BYTES: usize = 1 << 30;

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To write: one at a time.
    Write,
    /// To read, also while another writes. Nothing is changed.
    Read,
}

/// What opening found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// How many entries there are.
    pub entries: u64,
    /// In how many segments.
    pub segments: usize,
    /// What was cut, or would have been.
    pub torn: Option<TornTail>,
}

/// Bytes at the end that a crash left, and that were never acknowledged.
///
/// Flipped bits in the very last commit look the same: nothing behind them says
/// that it was durable. What was cut is therefore always reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// Of which file.
    pub file: String,
    /// From where on.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Where an entry's frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
}

/// A [`Store`] on a [`Disk`].
pub struct SegmentStore<D: Disk> {
    pub(super) disk: D,
    contract: ContractHash,
    access: Access,
    pub(super) segment_bytes: u64,
    pub(super) segments: Vec<Segment>,
    pub(super) current: Option<D::File>,
    added: Vec<Vec<u8>>,
    added_bytes: usize,
    pub(super) failed: bool,
    opened: Opened,
    pub(super) index: Option<Index>,
    _lock: Option<Box<dyn Any + Send>>,
}

impl<D: Disk> SegmentStore<D> {
    /// Opens the log of `contract`, and makes it if there is none and it may.
    ///
    /// Reads every frame. Cuts what a crash left behind the last acknowledged
    /// entry; see [`opened`](Self::opened).
    ///
    /// # Errors
    /// Another process writes to it, or the files are foreign, of a later version,
    /// of another contract or damaged. Then nothing was changed.
    pub fn open(disk: D, contract: ContractHash, access: Access) -> Result<Self, StoreError> {
        Self::open_with(disk, contract, access, SEGMENT_BYTES)
    }

    /// As [`open`](Self::open), with segments of about `segment_bytes`.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(
        disk: D,
        contract: ContractHash,
        access: Access,
        segment_bytes: u64,
    ) -> Result<Self, StoreError> {
        let write = access == Access::Write;
        let lock = if write {
            let lock = disk.lock().map_err(io("lock the store"))?;
            Some(lock.ok_or(StoreError::Locked)?)
        } else {
            None
        };
        let mut store = Self {
            opened: Opened {
                entries: 0,
                segments: 0,
                torn: None,
            },
            disk,
            contract,
            access,
            segment_bytes: segment_bytes.clamp(HEADER_BYTES as u64, u64::from(u32::MAX) / 4),
            segments: Vec::new(),
            current: None,
            added: Vec::new(),
            added_bytes: 0,
            failed: false,
            index: None,
            _lock: lock,
        };
        let torn = store.find_segments()?;
        store.opened = Opened {
            entries: store.len(),
            segments: store.segments.len(),
            torn,
        };
        Ok(store)
    }

    /// Reads what the folder holds.
    pub(super) fn find_segments(&mut self) -> Result<Option<TornTail>, StoreError> {
        let write = self.access == Access::Write;
        let found = recover::find(&self.disk, self.contract, write)?;
        self.current = match found.segments.last() {
            Some(last) if write => {
                let name = file_name(last.number);
                let file = self.disk.open(&name, true);
                Some(file.map_err(io(format!("open {name}")))?)
            }
            _ => None,
        };
        self.segments = found.segments;
        Ok(found.torn)
    }

    /// What opening found.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The contract whose log it is.
    pub fn contract(&self) -> ContractHash {
        self.contract
    }

    /// How many bytes its segments have.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.end).sum()
    }

    fn begin_segment(&mut self) -> Result<(), StoreError> {
        let number = self.segments.last().map_or(0, |last| last.number + 1);
        let name = file_name(number);
        let failed = || io(format!("begin {name}"));
        let mut file = self.disk.create(&name).map_err(failed())?;
        file.write_at(0, &frame::header(number, self.contract))
            .map_err(failed())?;
        file.sync().map_err(failed())?;
        self.disk.sync_names().map_err(failed())?;
        self.current = Some(file);
        self.segments.push(Segment {
            number,
            end: HEADER_BYTES as u64,
            entries: 0,
        });
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), StoreError> {
        let bytes = (self.added_bytes + FRAME_BYTES * self.added.len()) as u64;
        let full =
            |segment: &Segment| segment.entries > 0 && segment.end + bytes > self.segment_bytes;
        if self.segments.last().is_none_or(full) {
            self.begin_segment()?;
        }
        let last = self.segments.last_mut().expect("a segment was begun");
        let start = last.end as u32;
        let mut frames = Vec::with_capacity(bytes as usize);
        for payload in &self.added {
            let offset = start + frames.len() as u32;
            frame::write_frame(&mut frames, last.number, offset, start, payload);
        }
        let name = file_name(last.number);
        let file = self.current.as_mut().expect("the last segment is open");
        file.write_at(last.end, &frames)
            .map_err(io(format!("write to {name}")))?;
        file.sync().map_err(io(format!("sync {name}")))?;
        last.end += frames.len() as u64;
        last.entries += self.added.len() as u64;
        Ok(())
    }

    fn may_write(&self) -> Result<(), StoreError> {
        if self.access == Access::Read {
            return Err(StoreError::ReadOnly);
        }
        if self.failed {
            return Err(StoreError::Failed);
        }
        Ok(())
    }

    /// Where the store ends.
    pub(crate) fn end(&self) -> Place {
        self.segments.last().map_or(
            Place {
                segment: 0,
                offset: HEADER_BYTES as u64,
            },
            |last| Place {
                segment: last.number,
                offset: last.end,
            },
        )
    }

    /// All entries from a place on. They are read and decoded beside `each`, a few
    /// runs ahead.
    pub(crate) fn replay_from(
        &self,
        from: Place,
        each: &mut dyn FnMut(Place, Stored) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let (disk, segments) = (&self.disk, &self.segments);
        std::thread::scope(|scope| {
            let (sender, runs) = std::sync::mpsc::sync_channel(RUNS_AHEAD);
            scope.spawn(move || {
                // Who does not receive any more has failed already.
                if let Err(error) = read_runs(disk, segments, from, &sender) {
                    let _ = sender.send(Err(error));
                }
            });
            for run in runs {
                for (place, stored) in run? {
                    each(place, stored?)?;
                }
            }
            Ok(())
        })
    }

    fn get_indexed(&mut self, id: &MessageId, keep: bool) -> Result<Looked, StoreError> {
        let mut index = match self.index.take() {
            Some(index) => index,
            None => Index::open(&self.disk, self.contract, keep)?,
        };
        index.catch_up(self)?;
        let found = match index.find(id)? {
            None => None,
            Some(place) => match self.read(place) {
                Ok(Stored::Whole(entry)) if entry.id() == *id => Some(Box::new(entry)),
                _ => return Ok(Looked::Elsewhere),
            },
        };
        self.index = Some(index);
        Ok(Looked::Found(found))
    }

    fn read(&self, place: Place) -> Result<Stored, StoreError> {
        let name = file_name(place.segment);
        let failed = || io(format!("read {name}"));
        let file = self.disk.open(&name, false).map_err(failed())?;
        let mut head = [0; FRAME_BYTES];
        file.read_at(place.offset, &mut head).map_err(failed())?;
        let length = u32::from_le_bytes(head[4..8].try_into().expect("four bytes")) as usize;
        let left = file.len().map_err(failed())?.saturating_sub(place.offset);
        if (length + FRAME_BYTES) as u64 > left {
            return Err(changed(&name, place.offset as usize));
        }
        // `read_frame` wants the place within the segment.
        let mut payload = vec![0; length];
        file.read_at(place.offset + FRAME_BYTES as u64, &mut payload)
            .map_err(failed())?;
        if !frame::is_whole(&head, place.segment, place.offset as u32, &payload) {
            return Err(changed(&name, place.offset as usize));
        }
        decode(&name, place.offset as usize, &payload)
    }
}

/// How many entries are decoded at once.
const RUN: usize = 8192;
/// How many runs wait to be taken.
const RUNS_AHEAD: usize = 2;

/// Decoded entries, or why they cannot be read.
type Run = Result<Vec<(Place, Result<Stored, StoreError>)>, StoreError>;

/// Sends the entries from a place on in runs, until there are no more or nobody
/// receives them.
fn read_runs<D: Disk>(
    disk: &D,
    segments: &[Segment],
    from: Place,
    sender: &std::sync::mpsc::SyncSender<Run>,
) -> Result<(), StoreError> {
    for segment in segments
        .iter()
        .filter(|segment| segment.number >= from.segment)
    {
        let name = file_name(segment.number);
        let bytes = recover::read(disk, &name)?;
        let same = segment.number == from.segment;
        let mut at = if same {
            from.offset as usize
        } else {
            HEADER_BYTES
        };
        let mut frames = Vec::new();
        while (at as u64) < segment.end {
            let whole = frame::read_frame(&bytes, segment.number, at);
            let frame = whole.ok_or_else(|| changed(&name, at))?;
            frames.push((at, frame.payload));
            at += frame.length();
        }
        for run in frames.chunks(RUN) {
            let place = |at: usize| Place {
                segment: segment.number,
                offset: at as u64,
            };
            let places = run.iter().map(|(at, _)| place(*at));
            let decoded = places.zip(decode_all(&name, run)).collect();
            if sender.send(Ok(decoded)).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Decodes frames on as many threads as there are cores, in their order.
fn decode_all(name: &str, frames: &[(usize, &[u8])]) -> Vec<Result<Stored, StoreError>> {
    let all = |frames: &[(usize, &[u8])]| -> Vec<_> {
        let decoded = frames
            .iter()
            .map(|(at, payload)| decode(name, *at, payload));
        decoded.collect()
    };
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8);
    if threads == 1 || frames.len() < 256 {
        return all(frames);
    }
    std::thread::scope(|scope| {
        let parts = frames.chunks(frames.len().div_ceil(threads));
        let parts: Vec<_> = parts.map(|part| scope.spawn(move || all(part))).collect();
        let join = |part: std::thread::ScopedJoinHandle<'_, Vec<_>>| {
            part.join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        parts.into_iter().flat_map(join).collect()
    })
}

enum Looked {
    /// What the index says is true.
    Found(Option<Box<Entry>>),
    /// The index names a place where something else stands.
    Elsewhere,
}

pub(super) fn decode(name: &str, at: usize, payload: &[u8]) -> Result<Stored, StoreError> {
    Stored::from_bytes(payload).map_err(|source| StoreError::Entry {
        file: name.to_owned(),
        offset: at as u64,
        source: Box::new(source),
    })
}

pub(super) fn changed(name: &str, at: usize) -> StoreError {
    io(format!("read {name} at byte {at}"))(std::io::Error::new(
        std::io::ErrorKind::InvalidData,
        "the frame has changed since the store was opened; open it again",
    ))
}

impl<D: Disk> SegmentStore<D> {
    fn append_bytes(&mut self, bytes: Vec<u8>) -> Result<(), StoreError> {
        self.may_write()?;
        if self.added_bytes + bytes.len() > MAX_COMMIT_BYTES {
            self.commit()?;
        }
        self.added_bytes += bytes.len();
        self.added.push(bytes);
        Ok(())
    }
}

impl<D: Disk> Store for SegmentStore<D> {
    fn append(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.append_bytes(entry.to_bytes())
    }

    fn append_stub(&mut self, stub: &Stub) -> Result<(), StoreError> {
        self.append_bytes(stub.to_bytes())
    }

    fn commit(&mut self) -> Result<u64, StoreError> {
        self.may_write()?;
        if !self.added.is_empty() {
            if let Err(error) = self.write_out() {
                self.failed = true;
                return Err(error);
            }
            self.added.clear();
            self.added_bytes = 0;
        }
        Ok(self.len())
    }

    fn len(&self) -> u64 {
        self.segments.iter().map(|segment| segment.entries).sum()
    }

    fn get(&mut self, id: &MessageId) -> Result<Option<Entry>, StoreError> {
        let mut reason = String::from("it does not agree with the segments");
        for keep in [self.access == Access::Write, false] {
            match self.get_indexed(id, keep) {
                // An index that is of other files or fails is made again in memory.
                Ok(Looked::Elsewhere) => {}
                Ok(Looked::Found(entry)) => return Ok(entry.map(|entry| *entry)),
                Err(StoreError::Index(why)) => reason = why,
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Index(reason))
    }

    fn replay(
        &self,
        each: &mut dyn FnMut(Stored) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let start = Place {
            segment: 0,
            offset: HEADER_BYTES as u64,
        };
        self.replay_from(start, &mut |_, stored| each(stored))
    }
}
