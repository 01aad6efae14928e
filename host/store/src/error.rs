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
    /// The disk has no room. Nothing was written, and the next commit is tried.
    #[error(
        "the disk of the store is full, and nothing was written: {cause}; make room, and it goes on by itself"
    )]
    Full {
        /// What the disk has, or what the system said.
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
    /// The database cannot be used now. Nothing was written.
    #[error(
        "the database of the store cannot be used: {cause}; nothing was written; see that the server runs and can be reached, and try again"
    )]
    Unavailable {
        /// What went wrong.
        cause: Arc<str>,
    },
    /// The connection was lost in mid-commit, and the database could not be asked how it ended.
    #[error(
        "the connection to the store's database was lost in the middle of a commit, and it is not known whether it was made: {cause}; see that the server runs and can be reached"
    )]
    Unknown {
        /// What went wrong.
        cause: Arc<str>,
    },
    /// The database refuses: its configuration, this host's account, or the store in it.
    #[error("the database of the store refuses: {cause}")]
    Refused {
        /// What it said, and what to do.
        cause: Arc<str>,
    },
    /// A newer tombolo has written the store.
    #[error(
        "the store has version {found}, and this tombolo knows versions up to {known}: run the newer tombolo that wrote it, or restore a backup from before it"
    )]
    Newer {
        /// The store's version.
        found: u64,
        /// The highest that this program knows.
        known: u64,
    },
    /// No engine need take a key of this length.
    #[error(
        "a key of {length} bytes is longer than the store takes ({})",
        crate::MAX_KEY
    )]
    LongKey {
        /// Its length.
        length: usize,
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
