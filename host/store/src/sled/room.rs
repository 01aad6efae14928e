//! Room on the disk that is kept free for sled.
//!
//! sled writes its own files in the background, some time after the log, and does not recover from a disk that is full
//! then. So while it would still find room, nothing more is taken into the log; and when there is room again it goes on.

use std::io;
use std::path::Path;

/// What sled may write while the log is filled once: it has both generations to write down, and more than their bytes.
const GENERATIONS: u64 = 3;

/// A function that says how many bytes are free.
pub type FreeBytes = Box<dyn FnMut() -> io::Result<u64> + Send>;

/// See the module.
pub(super) struct Room {
    free: FreeBytes,
}

impl Room {
    /// On the disk of this directory, or as somebody else counts it.
    pub(super) fn new(directory: &Path, counted: Option<FreeBytes>) -> Self {
        let directory = directory.to_owned();
        Self {
            free: counted.unwrap_or_else(|| Box::new(move || free_bytes(&directory))),
        }
    }

    /// Whether there is room for sled when a generation of the log has so many bytes.
    pub(super) fn check(&mut self, generation: u64) -> io::Result<()> {
        let (free, kept) = ((self.free)()?, generation * GENERATIONS);
        if free >= kept {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "it has {} MiB free, and {} MiB are kept for what is written already",
            free >> 20,
            kept >> 20
        )))
    }
}

/// What an ordinary user may still fill.
fn free_bytes(directory: &Path) -> io::Result<u64> {
    let facts = rustix::fs::statvfs(directory)?;
    Ok(facts.f_bavail.saturating_mul(facts.f_frsize))
}
