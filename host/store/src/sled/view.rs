//! Reading sled's tree while groups of commits are put into it.
//!
//! A group is in the tree only after it is on the disk ([`super::wal`]). Readers hold the lock for the length of one
//! read, and the committer while it puts a group in, so each read sees a group wholly or not at all.

use parking_lot::RwLock;

use crate::commit::Images;
use crate::{Pair, Range, StoreError};

pub(super) struct View {
    tree: sled::Tree,
    whole: RwLock<()>,
}

impl View {
    pub(super) fn new(tree: sled::Tree) -> Self {
        Self {
            tree,
            whole: RwLock::default(),
        }
    }

    /// The value as the one who puts groups in sees it: he needs no lock.
    pub(super) fn current(&self, key: &[u8]) -> Result<Option<sled::IVec>, StoreError> {
        self.tree.get(key).map_err(read_error)
    }

    /// Puts a group in. Not as one of sled's batches, each of which ends two of its buffers early and wakes all of its
    /// threads for that: what makes a group whole after a crash is the write-ahead log.
    pub(super) fn put(&self, group: Images) -> Result<(), sled::Error> {
        let _alone = self.whole.write();
        for (key, value) in group {
            match value {
                Some(value) => self.tree.insert(key, value)?,
                None => self.tree.remove(key)?,
            };
        }
        Ok(())
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        // One key is never half of anything: no lock.
        Ok(self.current(key)?.map(|bytes| bytes.to_vec()))
    }

    pub(super) fn scan(&self, range: &Range) -> Result<Vec<Pair>, StoreError> {
        let mut pairs = Vec::new();
        self.walk(range, |key, value| {
            pairs.push((key.to_vec(), value.to_vec()));
        })?;
        Ok(pairs)
    }

    pub(super) fn count(&self, range: &Range) -> Result<u64, StoreError> {
        let mut count = 0;
        self.walk(range, |_, _| count += 1)?;
        Ok(count)
    }

    fn walk(&self, range: &Range, mut visit: impl FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        let Some(bounds) = range.bounds() else {
            return Ok(());
        };
        let _whole = self.whole.read();
        let mut stored = self.tree.range(bounds);
        for _ in 0..range.max().unwrap_or(usize::MAX) {
            let pair = if range.is_reverse() {
                stored.next_back()
            } else {
                stored.next()
            };
            let Some(pair) = pair else {
                break;
            };
            let (key, value) = pair.map_err(read_error)?;
            visit(&key, &value);
        }
        Ok(())
    }
}

pub(super) fn read_error(error: impl std::fmt::Display) -> StoreError {
    StoreError::Read {
        cause: error.to_string().into(),
    }
}
