//! The shared engine: PostgreSQL, or what speaks its protocol; several hosts on one database, all active.
//!
//! What this module adds to the database:
//!
//! * **Conditions by row locks.** A commit locks what it checks, looks, and writes; what it needs to be absent it inserts,
//!   so that of two who want it one fails ([`group`]). Nothing depends on the isolation level, and two commits wait for each
//!   other only where they touch the same keys. A deadlock or a serialisation failure is tried again.
//! * **Group commit.** A few [writers](writer) share one queue: each takes what waits and makes one transaction of it. A lone
//!   commit is not delayed.
//! * **An honest answer.** When a connection breaks in mid-commit, nobody knows whether the commit was made. Each
//!   transaction therefore leaves a mark of its own; after the reconnection the same mark is set once more, by hand. If it
//!   can be set, the commit was not made and now never will be; if it is there, it was.
//! * **News.** Hosts tell each other what the others would find out later ([`news`]).
//! * **Shared connections for reads.** A pool would hand each connection to one reader at a time; the protocol can carry
//!   many questions at once, so a few [sessions](readers) carry them all.
//!
//! The SQL is plain: tables, row locks, `ON CONFLICT`. The connection must be a session of its own: no pooler that deals out
//! transactions.

mod group;
mod layout;
mod news;
mod options;
mod reach;
mod readers;
mod session;
#[cfg(test)]
mod tests;
mod trouble;
mod walk;
mod writer;

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::{Commit, CommitError, MAX_KEY, Pair, Range, Store, StoreError, Walk};
use news::News;
use reach::Reach;
use readers::Readers;
use walk::Pages;
use writer::Writers;

pub use options::{Options, Tls, UrlError};

/// Scans up to this many pairs share a session with other reads.
const QUICK_SCAN: usize = 1024;

/// A [`Store`] in a schema of a database. Dropping it lets the commits that were handed over finish in the background.
pub struct PostgresStore {
    reach: Arc<Reach>,
    readers: Readers,
    writers: Writers,
    news: News,
}

impl PostgresStore {
    async fn open(options: Options) -> Result<Self, StoreError> {
        let connections = options.connections;
        let reach = Arc::new(Reach::new(options)?);
        layout::prepare(&reach).await?;
        Ok(Self {
            readers: Readers::new(Arc::clone(&reach), connections),
            writers: Writers::start(&reach, connections),
            news: News::start(&reach),
            reach,
        })
    }
}

#[async_trait::async_trait]
impl Store for PostgresStore {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.readers.get(key).await
    }

    async fn scan(&self, range: Range) -> Result<Vec<Pair>, StoreError> {
        let quick = range.max().is_some_and(|limit| limit <= QUICK_SCAN);
        self.readers.scan(&range, quick).await
    }

    async fn count(&self, prefix: &[u8]) -> Result<u64, StoreError> {
        self.readers.count(&Range::prefix(prefix)).await
    }

    async fn walk(&self) -> Result<Box<dyn Walk>, StoreError> {
        Ok(Box::new(Pages::begin(&self.reach).await?))
    }

    fn announce(&self, news: String) {
        self.news.tell(news);
    }

    fn announcements(&self) -> Option<broadcast::Receiver<Arc<str>>> {
        Some(self.news.hear())
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        if commit.is_empty() {
            return Ok(());
        }
        let checked = commit.checks.iter().map(crate::Check::key);
        let written = commit.writes.iter().map(crate::Write::key);
        if let Some(key) = checked.chain(written).find(|key| key.len() > MAX_KEY) {
            return Err(StoreError::LongKey { length: key.len() }.into());
        }
        self.writers.commit(commit).await
    }
}
