//! The ordered map behind the log, and what sled's is like.
//!
//! A tree need not be durable by itself, nor make a group whole: the log and [`super::view`] do. It keeps what it is given
//! in order, and has it on the disk for good when it is flushed.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::checkpoint::sync_directory;
use crate::Bounds;
use crate::commit::Images;

/// What a tree says of a failure.
pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Is shown a pair, and says whether to go on.
pub(super) type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'v;

/// See the module.
pub(super) trait Tree: Send + Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure>;

    /// Puts a group in. Nobody reads meanwhile but by [`Tree::get`].
    fn put(&self, group: Images) -> Result<(), Failure>;

    /// Shows the pairs within the bounds, in order or against it, until it is told to stop.
    fn walk(&self, bounds: Bounds, reverse: bool, visit: &mut Visit<'_>) -> Result<(), Failure>;

    /// Shows how many keys are within the bounds; their values need not be read.
    fn count(&self, bounds: Bounds) -> Result<u64, Failure> {
        let mut count = 0;
        self.walk(bounds, false, &mut |_, _| {
            count += 1;
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    /// Everything that was put in until now survives the loss of power when this returns.
    fn flush(&self) -> io::Result<()>;
}

/// sled's tree. On Linux sled flushes with `sync_file_range(2)`, which leaves the file's length and the drive's cache out, and
/// it does not flush the files of large values at all. We do.
pub(super) struct SledTree {
    db: sled::Db,
    log: File,
    /// Large values: a file each, never changed once written.
    blobs: PathBuf,
    flushed: Mutex<HashSet<OsString>>,
}

impl SledTree {
    pub(super) fn new(db: sled::Db, path: &Path) -> io::Result<Self> {
        Ok(Self {
            db,
            log: File::open(path.join("db"))?,
            blobs: path.join("blobs"),
            flushed: Mutex::default(),
        })
    }

    fn flush_blobs(&self) -> io::Result<()> {
        let mut flushed = self.flushed.lock();
        let mut present = HashSet::new();
        let mut fresh = false;
        for entry in std::fs::read_dir(&self.blobs)? {
            let name = entry?.file_name();
            if !flushed.contains(&name) {
                match File::open(self.blobs.join(&name)) {
                    Ok(file) => file.sync_all()?,
                    // sled has collected it in the meantime.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                }
                fresh = true;
            }
            present.insert(name);
        }
        *flushed = present;
        if fresh {
            sync_directory(&self.blobs)?;
        }
        Ok(())
    }
}

impl Tree for SledTree {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.db.get(key)?.map(|bytes| bytes.to_vec()))
    }

    /// Not as one of sled's batches, each of which ends two of its buffers early and wakes all of its threads for that.
    fn put(&self, group: Images) -> Result<(), Failure> {
        for (key, value) in group {
            match value {
                Some(value) => self.db.insert(key, value)?,
                None => self.db.remove(key)?,
            };
        }
        Ok(())
    }

    fn walk(&self, bounds: Bounds, reverse: bool, visit: &mut Visit<'_>) -> Result<(), Failure> {
        let mut pairs = self.db.range(bounds);
        while let Some(pair) = if reverse {
            pairs.next_back()
        } else {
            pairs.next()
        } {
            let (key, value) = pair?;
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.db.flush().map_err(io::Error::other)?;
        self.flush_blobs()?;
        self.log.sync_data()
    }
}
