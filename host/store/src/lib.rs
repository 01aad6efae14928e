//! Ordered keys and atomic, conditional, durable commits.
//!
//! This room keeps bytes. It knows nothing of identities, SCIM or connectors:
//! whoever stands above gives the keys their meaning. Everything the product
//! must not lose is written through one trait, [`Store`], so that an index, a
//! membership or a journal is written once and works on every engine.
//!
//! * [`Store`]: `get`, `scan`, `count`, `commit`; the promises every engine keeps
//! * [`Commit`], [`Check`], [`Write`]: what is written, and under which conditions
//! * [`Range`]: what is scanned
//! * [`key::Key`]: builds keys whose segments keep their order and cannot collide
//! * [`sled`]: the embedded engines, for one host
//! * [`postgres`]: the shared engine, for several
//! * [`archive`]: a whole store as a stream: backups, and from one engine to the other
//! * `suite` (feature `suite`): the tests that any engine must pass

pub mod archive;
mod commit;
mod error;
pub mod key;
pub mod postgres;
mod range;
pub mod sled;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
mod walk;

use std::sync::Arc;

use tokio::sync::broadcast;

pub use commit::{Check, Commit, Write};
pub use error::{CommitError, StoreError};
pub use key::Key;
pub use range::{Bounds, Range};
pub use walk::Walk;

/// One key and its value, as a scan returns them.
pub type Pair = (Vec<u8>, Vec<u8>);

/// The longest key that every engine takes: an index of PostgreSQL's has its limits.
pub const MAX_KEY: usize = 2048;

/// An ordered map of bytes to bytes with atomic conditional commits.
///
/// Every engine promises:
///
/// * a commit is all or nothing, also across a crash;
/// * `commit` returns `Ok` only when the writes survive the loss of the process
///   and of the machine's power;
/// * commits are serial: the checks of one see all of those before it;
/// * whoever was told `Ok` reads what was written, from any task;
/// * one `get`, `scan` or `count` sees each commit whole or not at all;
/// * an error says whether anything was written, or that nobody knows; nothing is ever repeated that may have been done.
#[async_trait::async_trait]
pub trait Store: Send + Sync {
    /// The value of a key.
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// The pairs of a range, in the order of their keys (or against it).
    ///
    /// The whole answer is held in memory: give large ranges a limit and
    /// continue with [`Range::after`].
    async fn scan(&self, range: Range) -> Result<Vec<Pair>, StoreError>;

    /// How many keys begin with `prefix`. Walks them: linear in the answer.
    async fn count(&self, prefix: &[u8]) -> Result<u64, StoreError>;

    /// Every pair. What a database holds is seen as it is now, however long the walk takes; a directory has to be left alone
    /// meanwhile.
    async fn walk(&self) -> Result<Box<dyn Walk>, StoreError>;

    /// Whether it can do its work at this moment: an error says why not.
    async fn ready(&self) -> Result<(), StoreError> {
        // Any key will do: the question is whether there is an answer.
        self.get(b"ready").await.map(drop)
    }

    /// Tells whoever else uses the same store something, one line, at once if that is possible. It may be lost: who would
    /// be told must find it out without, if later.
    fn announce(&self, _news: String) {}

    /// What others announce. None where nobody else can use the store.
    fn announcements(&self) -> Option<broadcast::Receiver<Arc<str>>> {
        None
    }

    /// Writes everything or nothing. Durable when it returns `Ok`.
    ///
    /// A dropped future does not take a commit back: it may still happen.
    async fn commit(&self, commit: Commit) -> Result<(), CommitError>;
}
