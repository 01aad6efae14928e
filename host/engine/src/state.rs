//! The connectors' own small store, on the host's: values with versions.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tombolo_runtime::state::{StateError, StateItem, StateStore};
use tombolo_store::key::last_text;
use tombolo_store::{Check, Commit, CommitError, Range, Store, Write};

use crate::keys::Keys;

/// How often a write without a condition tries again when another got between.
const TRIES: usize = 16;

/// The state of one app's connector.
pub(crate) struct ConnectorState {
    store: Arc<dyn Store>,
    keys: Keys,
}

impl ConnectorState {
    pub(crate) fn new(store: Arc<dyn Store>, app: &str) -> Self {
        Self {
            store,
            keys: Keys::new(app),
        }
    }

    /// Whether the room still has place when `key` holds `bytes`.
    async fn within(&self, quota: u64, key: &str, bytes: usize) -> Result<(), StateError> {
        let name = self.keys.state(key);
        let pairs = self
            .store
            .scan(Range::prefix(self.keys.states()))
            .await
            .map_err(unavailable)?;
        let others: usize = pairs
            .iter()
            .filter(|(k, _)| k.as_slice() != name.as_bytes())
            .map(|(k, v)| last_text(k).map_or(0, |k| k.len()) + v.len().saturating_sub(8))
            .sum();
        if (others + key.len() + bytes) as u64 > quota {
            return Err(StateError::Full { limit: quota });
        }
        Ok(())
    }

    async fn stored(&self, key: &str) -> Result<Option<Vec<u8>>, StateError> {
        self.store
            .get(&self.keys.state(key))
            .await
            .map_err(unavailable)
    }
}

/// A version in eight bytes, then the value.
fn encode(version: u64, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + value.len());
    bytes.extend(version.to_be_bytes());
    bytes.extend(value);
    bytes
}

fn decode(bytes: &[u8]) -> Result<StateItem, StateError> {
    let (version, value) = bytes.split_first_chunk::<8>().ok_or_else(|| {
        StateError::Unavailable("a stored value is shorter than its version".to_owned())
    })?;
    Ok(StateItem {
        version: u64::from_be_bytes(*version),
        value: value.to_vec(),
    })
}

fn unavailable(error: impl std::fmt::Display) -> StateError {
    StateError::Unavailable(error.to_string())
}

#[async_trait]
impl StateStore for ConnectorState {
    async fn get(&self, key: &str) -> Result<Option<StateItem>, StateError> {
        self.stored(key)
            .await?
            .map(|bytes| decode(&bytes))
            .transpose()
    }

    async fn put(
        &self,
        key: &str,
        value: Vec<u8>,
        if_version: Option<u64>,
        quota: u64,
    ) -> Result<u64, StateError> {
        for _ in 0..TRIES {
            let before = self.stored(key).await?;
            let version = before
                .as_deref()
                .map(decode)
                .transpose()?
                .map_or(0, |item| item.version);
            if if_version.is_some_and(|wanted| wanted != version) {
                return Err(StateError::Changed);
            }
            self.within(quota, key, value.len()).await?;
            // A key that is deleted and put again must not meet an old version.
            let next = u64::try_from(Timestamp::now().as_microsecond())
                .unwrap_or(0)
                .max(version + 1);
            let name = self.keys.state(key).into_bytes();
            let commit = Commit {
                checks: vec![match before {
                    Some(bytes) => Check::Equals(name.clone(), bytes),
                    None => Check::Absent(name.clone()),
                }],
                writes: vec![Write::Put(name, encode(next, &value))],
            };
            match self.store.commit(commit).await {
                Ok(()) => return Ok(next),
                Err(CommitError::Conflict { .. }) if if_version.is_none() => {}
                Err(CommitError::Conflict { .. }) => return Err(StateError::Changed),
                Err(CommitError::Store(error)) => return Err(unavailable(error)),
            }
        }
        Err(StateError::Unavailable(
            "too many writers at once".to_owned(),
        ))
    }

    async fn delete(&self, key: &str) -> Result<(), StateError> {
        self.store
            .commit(Commit::new().delete(self.keys.state(key)))
            .await
            .map_err(unavailable)
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, StateError> {
        // Segments end in a mark, so a text prefix is a filter over the room.
        let mut range = Range::prefix(self.keys.states());
        if let Some(after) = after {
            range = range.after(self.keys.state(after));
        }
        let pairs = self.store.scan(range).await.map_err(unavailable)?;
        Ok(pairs
            .iter()
            .filter_map(|(key, _)| last_text(key))
            .filter(|key| key.starts_with(prefix))
            .take(limit as usize)
            .collect())
    }
}
