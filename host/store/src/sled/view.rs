//! Reading a tree while groups of commits are put into it.
//!
//! A group is in the tree only after it is on the disk ([`super::wal`]). Readers hold the lock for the length of one
//! read, and the committer while it puts a group in, so each read sees a group wholly or not at all.

use std::io;
use std::ops::ControlFlow;

use parking_lot::RwLock;

use super::tree::{Failure, Tree};
use crate::commit::Images;
use crate::{Pair, Range, StoreError};

pub(super) struct View {
    tree: Box<dyn Tree>,
    whole: RwLock<()>,
}

impl View {
    pub(super) fn new(tree: Box<dyn Tree>) -> Self {
        Self {
            tree,
            whole: RwLock::default(),
        }
    }

    /// Puts a group in. What makes it whole after a crash is the write-ahead log.
    pub(super) fn put(&self, group: Images) -> Result<(), Failure> {
        let _alone = self.whole.write();
        self.tree.put(group)
    }

    /// Also for the one who puts groups in: he needs no lock, and neither does a reader, since one key is never half of
    /// anything.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.tree.get(key).map_err(|error| read_error(&error))
    }

    pub(super) fn scan(&self, range: &Range) -> Result<Vec<Pair>, StoreError> {
        let mut pairs = Vec::new();
        let most = range.max().unwrap_or(usize::MAX);
        let Some(bounds) = range.bounds().filter(|_| most > 0) else {
            return Ok(pairs);
        };
        let _whole = self.whole.read();
        let walked = self
            .tree
            .walk(bounds, range.is_reverse(), &mut |key, value| {
                pairs.push((key.to_vec(), value.to_vec()));
                if pairs.len() < most {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            });
        walked.map_err(|error| read_error(&error))?;
        Ok(pairs)
    }

    pub(super) fn count(&self, range: &Range) -> Result<u64, StoreError> {
        let Some(bounds) = range.bounds() else {
            return Ok(0);
        };
        let _whole = self.whole.read();
        self.tree.count(bounds).map_err(|error| read_error(&error))
    }

    /// Everything that was put in until now survives the loss of power when this returns.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.tree.flush()
    }
}

fn read_error(error: &Failure) -> StoreError {
    StoreError::Read {
        cause: error.to_string().into(),
    }
}
