//! The trait behind the `state` capability, and a store that forgets.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;
use parking_lot::Mutex;

/// One stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateItem {
    /// The guest's bytes.
    pub value: Vec<u8>,
    /// Grows with every put; never 0.
    pub version: u64,
}

/// Why the store refused.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The app's quota is used up.
    #[error(
        "the app's state quota of {limit} bytes is used up; raise `limits.state` or let the connector delete keys"
    )]
    Full {
        /// The quota.
        limit: u64,
    },
    /// The version given is not the version stored.
    #[error("the item has changed since it was read")]
    Changed,
    /// The store itself failed.
    #[error("the state store is unavailable: {0}")]
    Unavailable(String),
}

/// Ordered keys with versions: one app's bucket.
///
/// `quota` is the byte limit of the bucket (keys and values); a put that would pass it answers [`StateError::Full`].
#[async_trait]
pub trait StateStore: Send + Sync {
    /// The item at a key.
    async fn get(&self, key: &str) -> Result<Option<StateItem>, StateError>;
    /// Store; `if_version` 0 means only if absent. Answers the new version.
    async fn put(
        &self,
        key: &str,
        value: Vec<u8>,
        if_version: Option<u64>,
        quota: u64,
    ) -> Result<u64, StateError>;
    /// Remove; an absent key is no error.
    async fn delete(&self, key: &str) -> Result<(), StateError>;
    /// Keys with a prefix, in order, strictly after `after`.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, StateError>;
}

/// A bucket in memory: for trials, tests and apps that may forget.
#[derive(Default)]
pub struct Memory {
    bucket: Mutex<Bucket>,
}

#[derive(Default)]
struct Bucket {
    items: BTreeMap<String, StateItem>,
    bytes: u64,
    last_version: u64,
}

fn weight(key: &str, value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64
}

#[async_trait]
impl StateStore for Memory {
    async fn get(&self, key: &str) -> Result<Option<StateItem>, StateError> {
        Ok(self.bucket.lock().items.get(key).cloned())
    }

    async fn put(
        &self,
        key: &str,
        value: Vec<u8>,
        if_version: Option<u64>,
        quota: u64,
    ) -> Result<u64, StateError> {
        let mut bucket = self.bucket.lock();
        let old = bucket.items.get(key);
        if if_version.is_some_and(|wanted| wanted != old.map_or(0, |item| item.version)) {
            return Err(StateError::Changed);
        }
        let freed = old.map_or(0, |item| weight(key, &item.value));
        let bytes = bucket.bytes - freed + weight(key, &value);
        if bytes > quota {
            return Err(StateError::Full { limit: quota });
        }
        bucket.bytes = bytes;
        // A key that is deleted and put again must not meet an old version.
        bucket.last_version += 1;
        let version = bucket.last_version;
        bucket
            .items
            .insert(key.to_owned(), StateItem { value, version });
        Ok(version)
    }

    async fn delete(&self, key: &str) -> Result<(), StateError> {
        let mut bucket = self.bucket.lock();
        if let Some(item) = bucket.items.remove(key) {
            bucket.bytes -= weight(key, &item.value);
        }
        Ok(())
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, StateError> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let bucket = self.bucket.lock();
        Ok(bucket
            .items
            .range::<str, _>((start, Bound::Unbounded))
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .take(limit as usize)
            .cloned()
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn versions_guard_puts_and_never_return() {
        let store = Memory::default();
        let first = store.put("a", vec![1], Some(0), 100).await.unwrap();
        assert!(matches!(
            store.put("a", vec![2], Some(0), 100).await,
            Err(StateError::Changed)
        ));
        let second = store.put("a", vec![2], Some(first), 100).await.unwrap();
        store.delete("a").await.unwrap();
        let third = store.put("a", vec![3], Some(0), 100).await.unwrap();
        assert!(first < second && second < third);
    }

    #[tokio::test]
    async fn the_quota_counts_keys_and_values_and_frees_what_is_replaced() {
        let store = Memory::default();
        store.put("key", vec![0; 7], None, 10).await.unwrap();
        store.put("key", vec![0; 5], None, 10).await.unwrap();
        assert!(matches!(
            store.put("b", vec![0; 2], None, 10).await,
            Err(StateError::Full { limit: 10 })
        ));
        store.put("b", vec![0; 1], None, 10).await.unwrap();
    }

    #[tokio::test]
    async fn a_listing_continues_after_a_key_and_stays_in_its_prefix() {
        let store = Memory::default();
        for key in ["a/1", "a/2", "a/3", "b/1"] {
            store.put(key, vec![], None, 100).await.unwrap();
        }
        assert_eq!(store.list("a/", None, 2).await.unwrap(), ["a/1", "a/2"]);
        assert_eq!(store.list("a/", Some("a/2"), 9).await.unwrap(), ["a/3"]);
        assert_eq!(store.list("b/", Some("a/2"), 9).await.unwrap(), ["b/1"]);
    }
}
