//! fjall's tree: the same log before it, for stores that outgrow sled.
//!
//! sled keeps every page's place in memory and sixteen keys a page, so that a million people need more of it than a host
//! should take; and it rewrites whole pages for each of them. fjall sorts what comes into files that are merged later: its memory
//! is the two ceilings below, and its files are compressed. Its own journal is not flushed before a checkpoint, since ours is.

use std::io;
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable as _};

use super::tree::{Failure, Tree, Visit};
use crate::Bounds;
use crate::commit::Images;

/// The one keyspace that we use.
const NAME: &str = "store";
/// New pairs are sorted in memory up to this size, then become a file.
const MEMTABLE_BYTES: u64 = 16 << 20;
/// So much of its journals is read at an opening, at most.
const JOURNAL_BYTES: u64 = 64 << 20;
/// Threads that write and merge files.
const WORKERS: usize = 2;

/// See the module.
pub(super) struct FjallTree {
    db: Database,
    keyspace: Keyspace,
}

impl FjallTree {
    pub(super) fn open(path: &Path, cache_bytes: u64) -> Result<Self, fjall::Error> {
        let db = Database::builder(path)
            .cache_size(cache_bytes)
            .max_journaling_size(JOURNAL_BYTES)
            .manual_journal_persist(true)
            .worker_threads(WORKERS)
            .open()?;
        let keyspace = db.keyspace(NAME, || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                .manual_journal_persist(true)
        })?;
        Ok(Self { db, keyspace })
    }
}

impl Tree for FjallTree {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.keyspace.get(key)?.map(|bytes| bytes.to_vec()))
    }

    fn put(&self, group: Images) -> Result<(), Failure> {
        let mut batch = self.db.batch();
        for (key, value) in group {
            match value {
                Some(value) => batch.insert(&self.keyspace, key, value),
                None => batch.remove(&self.keyspace, key),
            }
        }
        Ok(batch.commit()?)
    }

    fn walk(&self, bounds: Bounds, reverse: bool, visit: &mut Visit<'_>) -> Result<(), Failure> {
        let mut pairs = self.db.snapshot().range(&self.keyspace, bounds);
        while let Some(pair) = if reverse {
            pairs.next_back()
        } else {
            pairs.next()
        } {
            let (key, value) = pair.into_inner()?;
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn count(&self, bounds: Bounds) -> Result<u64, Failure> {
        let mut count = 0;
        for pair in self.db.snapshot().range(&self.keyspace, bounds) {
            pair.key()?;
            count += 1;
        }
        Ok(count)
    }

    fn flush(&self) -> io::Result<()> {
        self.db
            .persist(PersistMode::SyncAll)
            .map_err(io::Error::other)
    }
}
