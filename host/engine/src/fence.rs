//! The store as one of several hosts may write to it.
//!
//! An intent ([`crate::record::Intent`]) is what a host has begun; while its host lives nobody else ends it. This wrapper
//! sees to that, for every commit that begins or ends one, wherever it comes from:
//!
//! * what begins an intent holds only while this host is known to live;
//! * what puts an intent in the place of another holds only if that one is still this host's;
//! * what ends an intent holds only if the intent is still the very one that this host began or took over;
//! * what ends an intent that this host does not have holds only if there is none.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::broadcast;
use tombolo_store::key::segments;
use tombolo_store::{Commit, CommitError, Pair, Range, Store, StoreError, Walk, Write};

use crate::hosts::Hosts;
use crate::keys::INTENTS;

/// See the module.
pub(crate) struct Fence {
    store: Arc<dyn Store>,
    hosts: Arc<Hosts>,
    /// The intents that are this host's, as they stand in the store.
    mine: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
}

impl Fence {
    pub(crate) fn new(store: Arc<dyn Store>, hosts: Arc<Hosts>) -> Self {
        Self {
            store,
            hosts,
            mine: Mutex::default(),
        }
    }

    /// The commit with its conditions, and what this host has of intents when it is made.
    fn conditioned(&self, mut commit: Commit) -> Result<(Commit, Vec<Write>), StoreError> {
        let intents: Vec<Write> = commit
            .writes
            .iter()
            .filter(|write| is_intent(write.key()))
            .cloned()
            .collect();
        if intents.iter().any(|write| matches!(write, Write::Put(..))) {
            commit = self.hosts.vouch(commit)?;
        }
        for write in &intents {
            let key = match write {
                Write::Delete(key) => key,
                Write::Put(key, _) => {
                    // One intent in the place of another ends the first.
                    let mine = self.mine.lock().get(key).cloned();
                    let judged = commit.checks.iter().any(|check| check.key() == key);
                    if let (Some(value), false) = (mine, judged) {
                        commit = commit.equals(key.clone(), value);
                    }
                    continue;
                }
            };
            let mine = self.mine.lock().get(key).cloned();
            if let Some(value) = mine {
                commit = commit.equals(key.clone(), value);
            } else {
                commit.writes.retain(|other| other != write);
                commit = commit.absent(key.clone());
            }
        }
        Ok((commit, intents))
    }

    fn note(&self, intents: Vec<Write>) {
        let mut mine = self.mine.lock();
        for write in intents {
            match write {
                Write::Put(key, value) => mine.insert(key, value),
                Write::Delete(key) => mine.remove(&key),
            };
        }
    }
}

/// Whether this is an intent's key: an app's name, the room, an id.
fn is_intent(key: &[u8]) -> bool {
    match segments(key).as_deref() {
        Some([_, room, _]) => room.as_text() == Some(INTENTS),
        _ => false,
    }
}

#[async_trait::async_trait]
impl Store for Fence {
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(key).await
    }

    async fn scan(&self, range: Range) -> Result<Vec<Pair>, StoreError> {
        self.store.scan(range).await
    }

    async fn count(&self, prefix: &[u8]) -> Result<u64, StoreError> {
        self.store.count(prefix).await
    }

    async fn walk(&self) -> Result<Box<dyn Walk>, StoreError> {
        self.store.walk().await
    }

    fn announce(&self, news: String) {
        self.store.announce(news);
    }

    fn announcements(&self) -> Option<broadcast::Receiver<Arc<str>>> {
        self.store.announcements()
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.store.ready().await
    }

    async fn commit(&self, commit: Commit) -> Result<(), CommitError> {
        let (commit, intents) = self.conditioned(commit)?;
        let outcome = self.store.commit(commit).await;
        match &outcome {
            Ok(()) => self.note(intents),
            // It is not this host's any more: the next try needs it gone.
            Err(CommitError::Conflict { key }) => {
                self.mine.lock().remove(key);
            }
            Err(CommitError::Store(_)) => {}
        }
        outcome
    }
}
