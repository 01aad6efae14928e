//! What has to live between two calls: paged searches, sorted lists, rounds of changes.
//!
//! The cookie of a page (RFC 2696) is worth something on its own connection only, while a connector's next page
//! may be asked for by another instance. So the host keeps the connection, for a short while and under a
//! random name. What is kept is good for one taking.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use rand::Rng as _;
use tokio::time::{Duration, Instant};

/// The name of what is kept.
pub(super) type Key = [u8; 16];

struct Kept<T> {
    key: Key,
    since: Instant,
    thing: T,
}

/// Things of one target, oldest first.
pub(super) struct Shelf<T> {
    most: usize,
    time: Duration,
    kept: Mutex<Vec<Kept<T>>>,
}

impl<T: Send + 'static> Shelf<T> {
    /// Keeps up to `most` things, each for a while; one more ends the oldest.
    pub(super) fn new(most: usize, time: Duration) -> Arc<Self> {
        Arc::new(Self {
            most,
            time,
            kept: Mutex::new(Vec::new()),
        })
    }

    /// Keeps a thing, and names it.
    pub(super) fn keep(self: &Arc<Self>, thing: T) -> Key {
        let mut key = Key::default();
        rand::rng().fill_bytes(&mut key);
        {
            let mut kept = self.kept.lock();
            while kept.len() >= self.most {
                kept.remove(0);
            }
            kept.push(Kept {
                key,
                since: Instant::now(),
                thing,
            });
        }
        let weak: Weak<Self> = Arc::downgrade(self);
        let time = self.time;
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            if let Some(shelf) = weak.upgrade() {
                shelf.kept.lock().retain(|kept| kept.since.elapsed() < time);
            }
        });
        key
    }

    /// The thing of this name, if it is still there and the right one.
    pub(super) fn take(&self, key: &[u8], is_right: impl Fn(&T) -> bool) -> Option<T> {
        let mut kept = self.kept.lock();
        let position = kept
            .iter()
            .position(|kept| kept.key == key && is_right(&kept.thing))?;
        Some(kept.remove(position).thing)
    }
}
