//! What an app's generations share: a reload swaps the connector and the
//! mapping, while writes of the old generation are still running.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use crate::held::Tally;
use crate::import::state::Status;
use crate::locks::Locks;
use crate::replay::Wishes;

/// How many positions of index-paged listings are remembered.
const BOOKMARKS: usize = 64;
/// Above this many, moments older than an hour are forgotten.
const SWEEP_ABOVE: usize = 200_000;

/// See the module.
pub(crate) struct Shared {
    pub(crate) locks: Locks,
    pub(crate) wishes: Wishes,
    /// Held around a connector's write when the connector asked for one at a time.
    pub(crate) serial: Arc<AsyncMutex<()>>,
    /// What the breaker let through.
    pub(crate) tally: Tally,
    confirmed: Mutex<HashMap<String, Instant>>,
    gone: Mutex<HashMap<String, Instant>>,
    counts: Mutex<HashMap<String, AtomicI64>>,
    bookmarks: Mutex<Vec<Bookmark>>,
    /// When the last import of a kind began and what it took: the last full one, and the last of any sort.
    imported: Mutex<HashMap<(String, bool), (Instant, Duration)>>,
    imports: Mutex<HashMap<String, Status>>,
    importing: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
}

/// "The resource before `index` has this id": the next page starts there
/// without walking the pages before it.
struct Bookmark {
    kind: String,
    index: u64,
    after: String,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self::over(Arc::default())
    }

    /// For the same target as `other`, whose writes these wait for.
    pub(crate) fn beside(other: &Self) -> Self {
        Self::over(Arc::clone(&other.serial))
    }

    fn over(serial: Arc<AsyncMutex<()>>) -> Self {
        Self {
            locks: Locks::default(),
            wishes: Wishes::default(),
            serial,
            tally: Tally::default(),
            confirmed: Mutex::default(),
            gone: Mutex::default(),
            counts: Mutex::default(),
            bookmarks: Mutex::default(),
            imported: Mutex::default(),
            imports: Mutex::default(),
            importing: Mutex::default(),
        }
    }

    /// A write to `id` has just been acknowledged by the target.
    pub(crate) fn confirm(&self, id: &str) {
        self.confirm_at(id, Instant::now());
    }

    /// The target, asked at this moment, said what `id` is.
    pub(crate) fn confirm_at(&self, id: &str, asked: Instant) {
        let mut confirmed = self.confirmed.lock();
        sweep(&mut confirmed);
        let at = confirmed.entry(id.to_owned()).or_insert(asked);
        *at = asked.max(*at);
    }

    /// How long ago the target last said what `id` is; none: not in this life.
    pub(crate) fn age(&self, id: &str) -> Option<Duration> {
        self.confirmed.lock().get(id).map(Instant::elapsed)
    }

    /// Whether something newer is known of `id` than an answer asked for then.
    pub(crate) fn confirmed_since(&self, id: &str, asked: Instant) -> bool {
        self.confirmed.lock().get(id).is_some_and(|at| *at >= asked)
    }

    /// The object is deleted: an older answer must not bring it back.
    pub(crate) fn gone(&self, kind: &str, anchor: &str, id: &str) {
        self.confirmed.lock().remove(id);
        let mut gone = self.gone.lock();
        sweep(&mut gone);
        gone.insert(format!("{kind} {anchor}"), Instant::now());
    }

    pub(crate) fn gone_since(&self, kind: &str, anchor: &str, asked: Instant) -> bool {
        self.gone
            .lock()
            .get(&format!("{kind} {anchor}"))
            .is_some_and(|at| *at >= asked)
    }

    /// The number of resources of `kind`, if it has been counted.
    pub(crate) fn count(&self, kind: &str) -> Option<u64> {
        let counts = self.counts.lock();
        let n = counts.get(kind)?.load(Ordering::Relaxed);
        Some(u64::try_from(n).unwrap_or(0))
    }

    pub(crate) fn set_count(&self, kind: &str, n: u64) {
        let n = AtomicI64::new(i64::try_from(n).unwrap_or(i64::MAX));
        self.counts.lock().insert(kind.to_owned(), n);
    }

    /// One came or went. What has never been counted stays uncounted.
    pub(crate) fn adjust_count(&self, kind: &str, by: i64) {
        if let Some(n) = self.counts.lock().get(kind) {
            n.fetch_add(by, Ordering::Relaxed);
        }
        if by < 0 {
            // Positions after the gap have moved.
            self.bookmarks.lock().retain(|b| b.kind != kind);
        }
    }

    pub(crate) fn bookmark(&self, kind: &str, index: u64, after: &str) {
        let mut bookmarks = self.bookmarks.lock();
        bookmarks.retain(|b| !(b.kind == kind && b.index == index));
        if bookmarks.len() >= BOOKMARKS {
            bookmarks.remove(0);
        }
        bookmarks.push(Bookmark {
            kind: kind.to_owned(),
            index,
            after: after.to_owned(),
        });
    }

    /// The nearest known place at or before `index`: its index and the id before it.
    pub(crate) fn nearest(&self, kind: &str, index: u64) -> Option<(u64, String)> {
        self.bookmarks
            .lock()
            .iter()
            .filter(|b| b.kind == kind && b.index <= index)
            .max_by_key(|b| b.index)
            .map(|b| (b.index, b.after.clone()))
    }

    /// How long ago the last import began, of everything or of any sort, and what it took.
    pub(crate) fn imported(&self, kind: &str, full: bool) -> Option<(Duration, Duration)> {
        self.imported
            .lock()
            .get(&(kind.to_owned(), full))
            .map(|(at, took)| (at.elapsed(), *took))
    }

    pub(crate) fn set_imported(&self, kind: &str, full: bool, age: Duration, took: Duration) {
        // An age from before this machine was started is none.
        let Some(began) = Instant::now().checked_sub(age) else {
            return;
        };
        let mut imported = self.imported.lock();
        imported.insert((kind.to_owned(), false), (began, took));
        if full {
            imported.insert((kind.to_owned(), true), (began, took));
        }
    }

    /// How the imports of a kind stand.
    pub(crate) fn import(&self, kind: &str) -> Option<Status> {
        self.imports.lock().get(kind).cloned()
    }

    pub(crate) fn set_import(&self, status: Status) {
        self.imports.lock().insert(status.kind.clone(), status);
    }

    /// One import of a kind at a time; the others wait for its result.
    pub(crate) fn import_lock(&self, kind: &str) -> Arc<AsyncMutex<()>> {
        Arc::clone(self.importing.lock().entry(kind.to_owned()).or_default())
    }
}

/// Forgets what no answer under way can be older than.
fn sweep(moments: &mut HashMap<String, Instant>) {
    if moments.len() > SWEEP_ABOVE {
        moments.retain(|_, at| at.elapsed() < Duration::from_secs(3600));
    }
}
