//! A disk in memory that fails on command.
//!
//! Writes, cuts and names go to a volatile image. A sync copies one file's image
//! to the durable one. [`FaultyDisk::crash`] then decides, from a seed, which of
//! the rest was kept: of each write each sector of 512 bytes by itself, so that
//! writes are torn and reordered; of each cut whether it happened; of changes of
//! names a prefix, as a journalling file system keeps them.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, DiskFile};

const SECTOR: usize = 512;

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

#[derive(Debug, Clone, Default)]
struct Content {
    image: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Rename {
    Create(String, usize),
    Move(String, String),
    Remove(String),
}

type Names = BTreeMap<String, usize>;

fn apply(names: &mut Names, change: &Rename) {
    match change {
        Rename::Create(name, file) => drop(names.insert(name.clone(), *file)),
        Rename::Move(from, to) => {
            if let Some(file) = names.remove(from) {
                names.insert(to.clone(), file);
            }
        }
        Rename::Remove(name) => drop(names.remove(name)),
    }
}

#[derive(Debug, Default)]
struct State {
    files: Vec<Content>,
    names: Names,
    durable_names: Names,
    unsynced_names: Vec<Rename>,
    operations: u64,
    stop_at: Option<u64>,
    capacity: Option<usize>,
    locked: bool,
}

/// See the [module](self).
#[derive(Debug, Clone, Default)]
pub struct FaultyDisk(Arc<Mutex<State>>);

impl FaultyDisk {
    /// An empty disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops at the operation after `operations` further ones: that one has
    /// happened in part, and none after it does.
    pub fn stop_after(&self, operations: u64) {
        let mut state = self.state();
        state.stop_at = Some(state.operations + operations);
    }

    /// Refuses writes that would make all files together longer than this.
    pub fn limit(&self, bytes: Option<usize>) {
        self.state().capacity = bytes;
    }

    /// How many writes, cuts, syncs and changes of names there were.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The disk as it is found after a power failure, chosen by `seed`. Seed 0
    /// keeps nothing that was not synced, seed 1 all of it.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        let state = self.state();
        let mut random = seed;
        let mut keep = |out_of: u64| {
            // Splitmix64.
            random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (random ^ (random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            match seed {
                0 => 0,
                1 => out_of - 1,
                _ => (z ^ (z >> 31)) % out_of,
            }
        };
        let mut names = state.durable_names.clone();
        let kept = keep(state.unsynced_names.len() as u64 + 1);
        for change in &state.unsynced_names[..kept as usize] {
            apply(&mut names, change);
        }
        let files = state.files.iter().map(|file| {
            let mut bytes = file.durable.clone();
            for change in &file.unsynced {
                match change {
                    Change::Cut(length) if keep(2) == 1 => bytes.resize(*length, 0),
                    Change::Cut(_) => {}
                    Change::Write(offset, written) => {
                        // The length can be durable without the bytes.
                        if keep(2) == 1 && bytes.len() < offset + written.len() {
                            bytes.resize(offset + written.len(), 0);
                        }
                        let mut at = 0;
                        while at < written.len() {
                            let end = SECTOR - (offset + at) % SECTOR;
                            let end = written.len().min(at + end);
                            if keep(2) == 1 {
                                let (from, to) = (offset + at, offset + end);
                                if bytes.len() < to {
                                    bytes.resize(to, 0);
                                }
                                bytes[from..to].copy_from_slice(&written[at..end]);
                            }
                            at = end;
                        }
                    }
                }
            }
            Content {
                image: bytes.clone(),
                durable: bytes,
                unsynced: Vec::new(),
            }
        });
        Self(Arc::new(Mutex::new(State {
            files: files.collect(),
            durable_names: names.clone(),
            names,
            ..State::default()
        })))
    }

    /// A file's bytes, as its owner sees them.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let file = state.names.get(name)?;
        Some(state.files[*file].image.clone())
    }

    /// Puts a file there, durably: what others may have left on a disk.
    pub fn plant(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state();
        let file = state.files.len();
        state.files.push(Content {
            image: bytes.clone(),
            durable: bytes,
            unsynced: Vec::new(),
        });
        state.names.insert(name.to_owned(), file);
        state.durable_names.insert(name.to_owned(), file);
    }
}

fn stopped() -> io::Error {
    io::Error::other("the disk has stopped")
}

impl State {
    /// Counts an operation; says whether it is the last, or fails if there may be
    /// no more.
    fn count(&mut self) -> io::Result<bool> {
        let stop_at = self.stop_at.unwrap_or(u64::MAX);
        if self.operations > stop_at {
            return Err(stopped());
        }
        self.operations += 1;
        Ok(self.operations > stop_at)
    }

    fn change_names(&mut self, change: Rename) -> io::Result<()> {
        let last = self.count()?;
        apply(&mut self.names, &change);
        self.unsynced_names.push(change);
        if last { Err(stopped()) } else { Ok(()) }
    }
}

/// A file of a [`FaultyDisk`].
#[derive(Debug)]
pub struct FaultyFile {
    disk: FaultyDisk,
    file: usize,
}

struct Guard(FaultyDisk);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.state().locked = false;
    }
}

impl Disk for FaultyDisk {
    type File = FaultyFile;

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn open(&self, name: &str, _: bool) -> io::Result<FaultyFile> {
        let state = self.state();
        let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(FaultyFile {
            disk: self.clone(),
            file,
        })
    }

    fn create(&self, name: &str) -> io::Result<FaultyFile> {
        let mut state = self.state();
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = state.files.len();
        state.files.push(Content::default());
        state.change_names(Rename::Create(name.to_owned(), file))?;
        Ok(FaultyFile {
            disk: self.clone(),
            file,
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_names(Rename::Move(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        if !state.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_names(Rename::Remove(name.to_owned()))
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.count()? {
            return Err(stopped());
        }
        state.unsynced_names.clear();
        state.durable_names = state.names.clone();
        Ok(())
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Any + Send>>> {
        let mut state = self.state();
        if state.locked {
            return Ok(None);
        }
        state.locked = true;
        drop(state);
        Ok(Some(Box::new(Guard(self.clone()))))
    }

    fn database(&self, _: bool) -> Result<redb::Database, redb::DatabaseError> {
        redb::Database::builder().create_with_backend(redb::backends::InMemoryBackend::new())
    }
}

impl DiskFile for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.file].image.len() as u64)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state();
        let from = offset as usize;
        let bytes = state.files[self.file].image.get(from..from + into.len());
        into.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let last = state.count()?;
        let offset = offset as usize;
        let used: usize = state.files.iter().map(|file| file.image.len()).sum();
        let grows = (offset + bytes.len()).saturating_sub(state.files[self.file].image.len());
        let full = state
            .capacity
            .is_some_and(|capacity| used + grows > capacity);
        // A full disk takes what still fits.
        let taken = if full {
            bytes.len().saturating_sub(grows)
        } else {
            bytes.len()
        };
        let file = &mut state.files[self.file];
        if file.image.len() < offset + taken {
            file.image.resize(offset + taken, 0);
        }
        file.image[offset..offset + taken].copy_from_slice(&bytes[..taken]);
        file.unsynced
            .push(Change::Write(offset, bytes[..taken].to_vec()));
        if full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if last { Err(stopped()) } else { Ok(()) }
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let last = state.count()?;
        let file = &mut state.files[self.file];
        file.image.resize(length as usize, 0);
        file.unsynced.push(Change::Cut(length as usize));
        if last { Err(stopped()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.count()? {
            return Err(stopped());
        }
        let Content {
            image,
            durable,
            unsynced,
        } = &mut state.files[self.file];
        // What changed is copied, so that a long file costs no more than a short one.
        for change in unsynced.drain(..) {
            match change {
                Change::Write(offset, bytes) => {
                    let end = offset + bytes.len();
                    durable.resize(durable.len().max(end), 0);
                    durable[offset..end].copy_from_slice(&bytes);
                }
                Change::Cut(length) => durable.resize(length, 0),
            }
        }
        debug_assert_eq!(image.len(), durable.len());
        Ok(())
    }
}
