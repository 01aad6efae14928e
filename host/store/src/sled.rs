//! The embedded engines: one process, one machine, and a log before sled 0.34 or before [fjall](fjall).
//!
//! What this module adds to either tree:
//!
//! * **Group commit.** One thread owns the writing. It takes every commit that
//!   waits, checks and stages them in order, writes them as one record of a
//!   [write-ahead log](wal), flushes that once, puts them into the tree and
//!   answers them all. A lone commit is not delayed.
//! * **A real flush.** The tree itself is flushed now and then ([`checkpoint`]);
//!   what it does not have for good by then is played in from the log when the
//!   store is opened after a crash.
//! * **Nothing is read before it is durable.** The tree gets a group when the log
//!   has it ([`view`]); so no answer can ever rest on something that a crash
//!   takes back.
//! * **Fail stop.** After a failed write or flush nobody knows what is on the
//!   disk; the engine then refuses to write until it is opened again.
//! * **A full disk is no failure.** Room is made sure of before anything is
//!   written ([`room`]); without it a commit is refused, and the next one tried.

mod checkpoint;
mod committer;
mod fjall;
mod room;
#[cfg(test)]
mod tests;
mod tree;
mod view;
mod wal;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::walk::PAGE;
use crate::{Commit, CommitError, Pair, Range, Store, StoreError, Walk};
use checkpoint::{Checkpointer, sync_directory};
use committer::Committer;
use fjall::FjallTree;
use room::Room;
use tree::{SledTree, Tree};
use view::View;
use wal::{GENERATION_BYTES, Wal};

pub use room::FreeBytes;

/// How long opening waits for another process to let go of the directory.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// Scans up to this many pairs are done on the caller's thread.
const QUICK_SCAN: usize = 1024;
/// The tree's cache. It is a ceiling, not a reservation.
const CACHE_BYTES: u64 = 128 << 20;

/// A function that is called before each flush and may make it fail.
pub type FlushHook = Box<dyn FnMut() -> io::Result<()> + Send>;

/// What is behind the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behind {
    /// sled: quick, and good for some 100,000 people.
    #[default]
    Sled,
    /// fjall: for millions; small in memory and on the disk.
    Fjall,
}

/// How to open a store.
#[derive(Default)]
pub struct Options {
    behind: Behind,
    cache_bytes: Option<u64>,
    generation_bytes: Option<u64>,
    before_flush: Option<FlushHook>,
    free_bytes: Option<FreeBytes>,
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is behind the log. A directory keeps to the one that it was made with.
    #[must_use]
    pub fn behind(mut self, behind: Behind) -> Self {
        self.behind = behind;
        self
    }

    /// The most memory that the tree's cache takes.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = Some(bytes);
        self
    }

    /// Calls `hook` before each flush and fails the flush when it fails: how
    /// tests find out what a full disk does.
    #[cfg(any(test, feature = "suite"))]
    #[must_use]
    pub fn before_flush(mut self, hook: impl FnMut() -> io::Result<()> + Send + 'static) -> Self {
        self.before_flush = Some(Box::new(hook));
        self
    }

    /// Asks `count` instead of the disk how many bytes are free.
    #[cfg(any(test, feature = "suite"))]
    #[must_use]
    pub fn free_bytes(mut self, count: impl FnMut() -> io::Result<u64> + Send + 'static) -> Self {
        self.free_bytes = Some(Box::new(count));
        self
    }

    /// Turns over the write-ahead log after so many bytes: how tests turn it
    /// over often.
    #[cfg(any(test, feature = "suite"))]
    #[must_use]
    pub fn generation_bytes(mut self, bytes: u64) -> Self {
        self.generation_bytes = Some(bytes);
        self
    }

    /// Opens the store in this directory; creates it when it is not there.
    pub fn open(self, path: impl AsRef<Path>) -> Result<SledStore, StoreError> {
        SledStore::open_with(path.as_ref(), self)
    }
}

/// A [`Store`] in a directory of this machine. Dropping it finishes the commits
/// that were handed over and releases the directory.
pub struct SledStore {
    view: Arc<View>,
    committer: Committer,
}

impl SledStore {
    /// Opens the store in this directory; creates it when it is not there.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Options::new().open(path)
    }

    fn open_with(path: &Path, options: Options) -> Result<Self, StoreError> {
        let failed = |cause: &dyn std::fmt::Display| StoreError::Open {
            path: path.to_owned(),
            cause: cause.to_string().into(),
        };
        let cache = options.cache_bytes.unwrap_or(CACHE_BYTES);
        let tree: Box<dyn Tree> = match options.behind {
            Behind::Sled => {
                let db = patiently(path, || sled_database(path, cache))?;
                Box::new(SledTree::new(db, path).map_err(|error| failed(&error))?)
            }
            Behind::Fjall => Box::new(patiently(path, || fjall_tree(path, cache))?),
        };
        let view = Arc::new(View::new(tree));
        // A store just created must not vanish with its directory's entry.
        view.flush()
            .and_then(|()| sync_all(path))
            .map_err(|error| failed(&error))?;
        let mut replayed = 0_u64;
        let mut wal = Wal::open(
            &path.join("wal"),
            options.generation_bytes.unwrap_or(GENERATION_BYTES),
            Room::new(path, options.free_bytes),
            options.before_flush,
            |group| {
                replayed += 1;
                view.put(group).map_err(io::Error::other)
            },
        )
        .map_err(|error| failed(&error))?;
        if replayed > 0 {
            tracing::info!(
                groups = replayed,
                "the store was not closed in order; its log has been read"
            );
        }
        // What was played in is in the tree for good before the log forgets it.
        view.flush()
            .and_then(|()| wal.clear())
            .map_err(|error| failed(&error))?;
        let checkpointer =
            Checkpointer::start(Arc::clone(&view)).map_err(|error| failed(&error))?;
        let committer =
            Committer::start(view.clone(), wal, checkpointer).map_err(|error| failed(&error))?;
        Ok(Self { view, committer })
    }
}

/// Why a tree was not opened.
enum Closed {
    /// Somebody else has it.
    InUse,
    Failed(String),
}

/// Opens a tree's files, waiting a little for a predecessor that is just leaving.
fn patiently<T>(path: &Path, open: impl Fn() -> Result<T, Closed>) -> Result<T, StoreError> {
    let started = Instant::now();
    loop {
        match open() {
            Ok(tree) => return Ok(tree),
            Err(Closed::InUse) if started.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(Closed::InUse) => {
                return Err(StoreError::Locked {
                    path: path.to_owned(),
                });
            }
            Err(Closed::Failed(cause)) => {
                return Err(StoreError::Open {
                    path: path.to_owned(),
                    cause: cause.into(),
                });
            }
        }
    }
}

fn sled_database(path: &Path, cache_bytes: u64) -> Result<sled::Db, Closed> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(cache_bytes)
        // Every commit is flushed when it is made; a timer would only cost.
        .flush_every_ms(None);
    config.open().map_err(|error| match error {
        sled::Error::Io(error) if is_lock_failure(&error) => Closed::InUse,
        error => Closed::Failed(error.to_string()),
    })
}

/// sled has no error kind of its own for a directory in use, only this text.
fn is_lock_failure(error: &io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

fn fjall_tree(path: &Path, cache_bytes: u64) -> Result<FjallTree, Closed> {
    FjallTree::open(path, cache_bytes).map_err(|error| match error {
        ::fjall::Error::Locked => Closed::InUse,
        error => Closed::Failed(error.to_string()),
    })
}

/// A directory's own entry, and those in it, survive the loss of power when this returns.
fn sync_all(path: &Path) -> io::Result<()> {
    sync_directory(path)?;
    match path.canonicalize()?.parent() {
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

#[async_trait::async_trait]
impl Store for SledStore {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.view.get(key)
    }

    async fn scan(&self, range: Range) -> Result<Vec<Pair>, StoreError> {
        if range.max().is_some_and(|limit| limit <= QUICK_SCAN) {
            return self.view.scan(&range);
        }
        self.aside(move |view| view.scan(&range)).await
    }

    async fn count(&self, prefix: &[u8]) -> Result<u64, StoreError> {
        let range = Range::prefix(prefix);
        self.aside(move |view| view.count(&range)).await
    }

    async fn walk(&self) -> Result<Box<dyn Walk>, StoreError> {
        Ok(Box::new(Pages {
            view: Arc::clone(&self.view),
            after: None,
        }))
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.committer.ready().await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        if commit.is_empty() {
            return Ok(());
        }
        self.committer.commit(commit).await
    }
}

/// A walk.
struct Pages {
    view: Arc<View>,
    after: Option<Vec<u8>>,
}

#[async_trait::async_trait]
impl Walk for Pages {
    async fn next(&mut self) -> Result<Vec<Pair>, StoreError> {
        let range = Range::all().limit(PAGE);
        let range = match self.after.take() {
            Some(key) => range.after(key),
            None => range,
        };
        let pairs = self.view.scan(&range)?;
        self.after = pairs.last().map(|(key, _)| key.clone());
        Ok(pairs)
    }
}

impl SledStore {
    /// Runs a long read where it holds up no other task.
    async fn aside<T: Send + 'static>(
        &self,
        read: impl FnOnce(&View) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let view = self.view.clone();
        tokio::task::spawn_blocking(move || read(&view))
            .await
            .unwrap_or_else(|error| {
                if error.is_cancelled() {
                    Err(StoreError::Closed)
                } else {
                    Err(StoreError::Read {
                        cause: error.to_string().into(),
                    })
                }
            })
    }
}
