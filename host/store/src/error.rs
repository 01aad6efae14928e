//! What can go wrong, said so that an operator can act on it.

use std::path::PathBuf;
use std::sync::Arc;

/// The store could not do what it was asked.
///
/// Cloneable, because one failed flush is the answer to every commit it carried.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory is in use.
    #[error(
        "the store at {path} is open in another process; only one may use it at a time: \
         stop the other one (or give this one a store of its own)"
    )]
    Locked {
        /// The store's directory.
        path: PathBuf,
    },
    /// The directory could not be opened as a store.
    #[error(
        "the store at {path} cannot be opened: {cause}; see that the directory is writable, its disk not full, and its files the ones that tombolo wrote"
    )]
    Open {
        /// The store's directory.
        path: PathBuf,
        /// What the engine said.
        cause: Arc<str>,
    },
    /// Reading failed.
    #[error("reading from the store failed: {cause}; check the disk")]
    Read {
        /// What the engine said.
        cause: Arc<str>,
    },
    /// Writing or flushing failed: whether the commit is on the disk is unknown.
    #[error(
        "writing to the store failed, and it is unknown whether this commit is on the disk: {cause}; check the disk and its free space, then restart tombolo"
    )]
    Write {
        /// What the engine said.
        cause: Arc<str>,
    },
    /// An earlier write failed, so nothing more is written.
    #[error(
        "the store takes no more writes since an earlier one failed ({cause}); check the disk and its free space, then restart tombolo: it continues from what is on the disk"
    )]
    Poisoned {
        /// The failure that stopped it.
        cause: Arc<str>,
    },
    /// The store is being closed.
    #[error("the store is closed: tombolo is shutting down")]
    Closed,
}

/// Why a commit did not happen (or, for [`CommitError::Store`], may not have).
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// A check did not hold; nothing was written.
    #[error(
        "a condition of the commit does not hold for key {}",
        crate::key::readable(key)
    )]
    Conflict {
        /// The key of the first check that failed.
        key: Vec<u8>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CommitError {
    /// Whether a check did not hold: read again and decide anew.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }
}
