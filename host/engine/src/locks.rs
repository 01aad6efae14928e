//! One lock a resource: within a host, writes to one resource queue up.
//!
//! Between hosts the store's conditional commits decide; these locks only save
//! the losing side the work.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type Taken = Arc<Mutex<HashMap<String, Arc<AsyncMutex<()>>>>>;

/// Locks by key, made when asked for and forgotten when nobody holds them.
#[derive(Default)]
pub(crate) struct Locks {
    taken: Taken,
}

/// Holding this is holding the lock.
pub(crate) struct Held {
    guard: Option<OwnedMutexGuard<()>>,
    key: String,
    taken: Taken,
}

impl Locks {
    /// Waits for the lock of `key`.
    pub(crate) async fn lock(&self, key: &str) -> Held {
        let mutex = Arc::clone(self.taken.lock().entry(key.to_owned()).or_default());
        Held {
            guard: Some(mutex.lock_owned().await),
            key: key.to_owned(),
            taken: Arc::clone(&self.taken),
        }
    }

    /// The lock of `key`, if nobody has it.
    pub(crate) fn try_lock(&self, key: &str) -> Option<Held> {
        let mutex = Arc::clone(self.taken.lock().entry(key.to_owned()).or_default());
        Some(Held {
            guard: Some(mutex.try_lock_owned().ok()?),
            key: key.to_owned(),
            taken: Arc::clone(&self.taken),
        })
    }

    /// Waits for the lock of `key`, `at_most` so long. Whoever already holds
    /// another resource's lock must use this one: two renames that swap a name
    /// would otherwise wait for each other for ever.
    pub(crate) async fn lock_within(&self, key: &str, at_most: Duration) -> Option<Held> {
        tokio::time::timeout(at_most, self.lock(key)).await.ok()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        self.guard = None;
        // The map's own reference is the last one: nobody waits.
        if taken
            .get(&self.key)
            .is_some_and(|m| Arc::strong_count(m) == 1)
        {
            taken.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_held_lock_is_waited_for_and_then_forgotten() {
        let locks = Locks::default();
        let first = locks.lock("a").await;
        assert!(
            locks
                .lock_within("a", Duration::from_millis(10))
                .await
                .is_none()
        );
        assert!(
            locks
                .lock_within("b", Duration::from_millis(10))
                .await
                .is_some()
        );
        drop(first);
        drop(
            locks
                .lock_within("a", Duration::from_millis(10))
                .await
                .expect("free again"),
        );
        assert!(locks.taken.lock().is_empty());
    }
}
