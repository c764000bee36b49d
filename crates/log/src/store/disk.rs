//! The seam between the store and a disk.

use std::any::Any;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// A folder of files.
///
/// Law: what [`DiskFile::sync`] has acknowledged is there after a crash, if the
/// file's name was acknowledged by [`sync_names`](Self::sync_names). Of anything
/// else any part may be there, in any order.
pub trait Disk: Sync {
    /// An open file.
    type File: DiskFile;

    /// The names of all files.
    ///
    /// # Errors
    /// The disk cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file that is there.
    ///
    /// # Errors
    /// It is not there, or cannot be opened.
    fn open(&self, name: &str, write: bool) -> io::Result<Self::File>;

    /// Makes a new file.
    ///
    /// # Errors
    /// There is one, or it cannot be made.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Gives a file another name.
    ///
    /// # Errors
    /// It cannot be done.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// It cannot be done.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations, renames and removals durable.
    ///
    /// # Errors
    /// They may not be.
    fn sync_names(&self) -> io::Result<()>;

    /// Takes the right to write, until the guard is dropped; nothing if somebody
    /// else has it.
    ///
    /// # Errors
    /// The disk cannot lock.
    fn lock(&self) -> io::Result<Option<Box<dyn Any + Send>>>;

    /// The database that an index is kept in; `keep` says whether it should
    /// outlive the process.
    ///
    /// # Errors
    /// It cannot be opened.
    fn database(&self, keep: bool) -> Result<redb::Database, redb::DatabaseError>;
}

/// One open file.
pub trait DiskFile {
    /// Its length in bytes.
    ///
    /// # Errors
    /// The disk cannot tell.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    /// The disk cannot tell.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `into` from `offset` on.
    ///
    /// # Errors
    /// The file ends too early, or cannot be read.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// Any part of it may have been written.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file.
    ///
    /// # Errors
    /// It cannot be done.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Makes content and length durable.
    ///
    /// # Errors
    /// Nobody knows what is durable; the file must not be written to again.
    fn sync(&mut self) -> io::Result<()>;
}

/// A folder of the file system.
#[derive(Debug, Clone)]
pub struct RealDisk {
    folder: PathBuf,
}

/// The file whose lock is the right to write.
const LOCK: &str = "LOCK";
/// The index; it can be removed at any time.
pub(crate) const INDEX: &str = "index.redb";
/// What the index may keep in memory.
const INDEX_CACHE_BYTES: usize = 64 << 20;

impl RealDisk {
    /// A folder that is there.
    ///
    /// # Errors
    /// It is not there, or no folder.
    pub fn open(folder: &Path) -> io::Result<Self> {
        if !fs::metadata(folder)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// A folder, made if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Self::open(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Disk for RealDisk {
    type File = File;

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            // A name that is no Unicode is none of ours.
            names.extend(entry?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, name: &str, write: bool) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(write)
            .open(self.path(name))
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create_new(true)
            .open(self.path(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn lock(&self) -> io::Result<Option<Box<dyn Any + Send>>> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .open(self.path(LOCK))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn database(&self, keep: bool) -> Result<redb::Database, redb::DatabaseError> {
        let mut builder = redb::Database::builder();
        builder.set_cache_size(INDEX_CACHE_BYTES);
        if !keep {
            return builder.create_with_backend(redb::backends::InMemoryBackend::new());
        }
        let path = self.path(INDEX);
        match builder.create(&path) {
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => {
                Err(redb::DatabaseError::DatabaseAlreadyOpen)
            }
            // Damaged, or of another format: what it held is in the segments.
            Err(_) => {
                fs::remove_file(&path)?;
                builder.create(&path)
            }
            opened => opened,
        }
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let mut file = self;
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(into)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::Start(offset))?;
        self.write_all(bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
