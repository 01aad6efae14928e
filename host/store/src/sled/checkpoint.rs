//! Making what is in sled's memory last, so that the write-ahead log can let go of it.
//!
//! On Linux sled flushes with `sync_file_range(2)`, which leaves the file's length and the drive's cache out, and it does
//! not flush the files of large values at all. We do.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

/// sled's files, and what of them is known to be on the disk.
pub(super) struct Disk {
    db: sled::Db,
    log: File,
    /// Large values: a file each, never changed once written.
    blobs: PathBuf,
    flushed: HashSet<OsString>,
}

impl Disk {
    pub(super) fn open(db: sled::Db, path: &Path) -> io::Result<Self> {
        let mut disk = Self {
            db,
            log: File::open(path.join("db"))?,
            blobs: path.join("blobs"),
            flushed: HashSet::new(),
        };
        // A store just created must not vanish with its directory's entry.
        disk.flush()?;
        sync_directory(path)?;
        if let Some(parent) = path.canonicalize()?.parent() {
            sync_directory(parent)?;
        }
        Ok(disk)
    }

    /// Everything that sled was given until now survives the loss of power when this returns.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.db.flush().map_err(io::Error::other)?;
        self.flush_blobs()?;
        self.log.sync_data()
    }

    fn flush_blobs(&mut self) -> io::Result<()> {
        let mut present = HashSet::new();
        let mut fresh = false;
        for entry in std::fs::read_dir(&self.blobs)? {
            let name = entry?.file_name();
            if !self.flushed.contains(&name) {
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
        self.flushed = present;
        if fresh {
            sync_directory(&self.blobs)?;
        }
        Ok(())
    }
}

/// The names in a directory survive the loss of power when this returns.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A thread that flushes sled while commits go on. Dropping it waits for the flush under way.
pub(super) struct Checkpointer {
    orders: Option<mpsc::Sender<()>>,
    outcomes: mpsc::Receiver<io::Result<()>>,
    thread: Option<JoinHandle<()>>,
    under_way: bool,
}

impl Checkpointer {
    pub(super) fn start(mut disk: Disk) -> io::Result<Self> {
        let (orders, ordered) = mpsc::channel();
        let (done, outcomes) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || {
                while let Ok(()) = ordered.recv() {
                    if done.send(disk.flush()).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self {
            orders: Some(orders),
            outcomes,
            thread: Some(thread),
            under_way: false,
        })
    }

    /// Asks for a flush. None must be under way.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.under_way = true;
        self.orders
            .as_ref()
            .and_then(|orders| orders.send(()).ok())
            .ok_or_else(ended)
    }

    /// Whether none is under way (any more). How the last one failed, if it did.
    pub(super) fn is_idle(&mut self) -> io::Result<bool> {
        if !self.under_way {
            return Ok(true);
        }
        match self.outcomes.try_recv() {
            Ok(outcome) => self.ended(outcome),
            Err(mpsc::TryRecvError::Empty) => Ok(false),
            Err(mpsc::TryRecvError::Disconnected) => Err(ended()),
        }
    }

    /// Waits for the one under way, then flushes once more.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.under_way {
            let outcome = self.outcomes.recv().map_err(|_| ended())?;
            self.ended(outcome)?;
        }
        self.begin()?;
        let outcome = self.outcomes.recv().map_err(|_| ended())?;
        self.ended(outcome).map(|_| ())
    }

    fn ended(&mut self, outcome: io::Result<()>) -> io::Result<bool> {
        self.under_way = false;
        outcome.map(|()| true)
    }
}

fn ended() -> io::Error {
    io::Error::other("the store's checkpointing thread ended unexpectedly")
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's checkpointing thread panicked");
        }
    }
}
