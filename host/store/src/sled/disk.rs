//! The flush that a commit's promise rests on.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::FlushHook;

/// sled's files, and what of them is known to be on the disk.
pub(super) struct Disk {
    db: sled::Db,
    log: File,
    /// Large values: a file each, never changed once written.
    blobs: PathBuf,
    flushed: HashSet<OsString>,
    before_flush: Option<FlushHook>,
}

impl Disk {
    pub(super) fn open(
        db: sled::Db,
        path: &Path,
        before_flush: Option<FlushHook>,
    ) -> io::Result<Self> {
        let mut disk = Self {
            db,
            log: File::open(path.join("db"))?,
            blobs: path.join("blobs"),
            flushed: HashSet::new(),
            before_flush,
        };
        // A store just created must not vanish with its directory's entry.
        disk.flush()?;
        sync_directory(path)?;
        if let Some(parent) = path.canonicalize()?.parent() {
            sync_directory(parent)?;
        }
        Ok(disk)
    }

    /// Everything written until now survives the loss of power when this returns.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if let Some(hook) = &mut self.before_flush {
            hook()?;
        }
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

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
