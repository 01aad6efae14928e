//! What an app's generations share: a reload swaps the connector and the
//! mapping, while writes of the old generation are still running.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use crate::closed::Known;
use crate::held::Tally;
use crate::import::state::Status;
use crate::locks::Locks;
use crate::replay::Wishes;

/// How many positions of index-paged listings are remembered.
const BOOKMARKS: usize = 64;
/// Above this many, moments older than an hour are forgotten now and then.
const SWEEP_ABOVE: usize = 200_000;

/// See the module.
pub(crate) struct Shared {
    pub(crate) locks: Locks,
    pub(crate) wishes: Wishes,
    /// Held around a connector's write when the connector asked for one at a time.
    pub(crate) serial: Arc<AsyncMutex<()>>,
    /// What the breaker let through.
    pub(crate) tally: Tally,
    /// Whether an administrator has the writes stopped.
    pub(crate) pause: Known,
    confirmed: Mutex<Moments>,
    gone: Mutex<Moments>,
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
            pause: Known::default(),
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
        self.confirmed.lock().put(id, asked);
    }

    /// How long ago the target last said what `id` is; none: not in this life.
    pub(crate) fn age(&self, id: &str) -> Option<Duration> {
        self.confirmed.lock().get(id).map(|at| at.elapsed())
    }

    /// Whether something newer is known of `id` than an answer asked for then.
    pub(crate) fn confirmed_since(&self, id: &str, asked: Instant) -> bool {
        self.confirmed.lock().get(id).is_some_and(|at| at >= asked)
    }

    /// The object is deleted: an older answer must not bring it back.
    pub(crate) fn gone(&self, kind: &str, anchor: &str, id: &str) {
        self.confirmed.lock().remove(id);
        self.gone
            .lock()
            .put(&format!("{kind} {anchor}"), Instant::now());
    }

    pub(crate) fn gone_since(&self, kind: &str, anchor: &str, asked: Instant) -> bool {
        self.gone
            .lock()
            .get(&format!("{kind} {anchor}"))
            .is_some_and(|at| at >= asked)
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

/// When something last happened to whom. A million names would take 150 MiB, so digests stand for them.
struct Moments {
    at: HashMap<u128, Instant>,
    digests: [RandomState; 2],
    /// So many may come before the old ones are looked for: a look costs what there is.
    room: usize,
}

impl Default for Moments {
    fn default() -> Self {
        Self {
            at: HashMap::new(),
            digests: [RandomState::new(), RandomState::new()],
            room: SWEEP_ABOVE,
        }
    }
}

impl Moments {
    fn digest(&self, name: &str) -> u128 {
        let [high, low] = self.digests.each_ref().map(|half| half.hash_one(name));
        (u128::from(high) << 64) | u128::from(low)
    }

    /// The later of two moments stays.
    fn put(&mut self, name: &str, moment: Instant) {
        if self.at.len() >= self.room {
            self.sweep();
        }
        let at = self.at.entry(self.digest(name)).or_insert(moment);
        *at = moment.max(*at);
    }

    /// Forgets what no answer under way can be older than. What is left may double before the next time.
    fn sweep(&mut self) {
        self.at
            .retain(|_, at| at.elapsed() < Duration::from_secs(3600));
        self.at.shrink_to(self.at.len() * 2);
        self.room = SWEEP_ABOVE.max(self.at.len() * 2);
    }

    fn get(&self, name: &str) -> Option<Instant> {
        self.at.get(&self.digest(name)).copied()
    }

    fn remove(&mut self, name: &str) {
        self.at.remove(&self.digest(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_moments_cost_what_they_are() {
        let mut moments = Moments::default();
        let (mut sweeps, mut room) = (0, moments.room);
        for n in 0..1_000_000_u32 {
            moments.put(&n.to_string(), Instant::now());
            if moments.room != room {
                (sweeps, room) = (sweeps + 1, moments.room);
            }
        }
        // Each looks at everything: with every new one it would be a million looks.
        assert!(sweeps <= 4, "{sweeps}");
        assert!((0..1_000_000_u32).all(|n| moments.get(&n.to_string()).is_some()));
    }

    #[test]
    fn the_later_moment_stays_until_it_is_removed() {
        let mut moments = Moments::default();
        let early = Instant::now();
        let late = early + Duration::from_secs(1);
        moments.put("a", late);
        moments.put("a", early);
        assert_eq!(moments.get("a"), Some(late));
        assert_eq!(moments.get("b"), None);
        moments.remove("a");
        assert_eq!(moments.get("a"), None);
    }
}
