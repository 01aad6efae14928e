//! One host at a time: of several that share the store, one runs a flow.
//!
//! The lease is a key that names its holder. Every commit of a flow holds only if that key still names this host and this
//! host is known to live, so one that was taken for gone writes nothing more; another takes the lease over.

use std::sync::Arc;

use parking_lot::Mutex;
use tombolo_store::{Commit, CommitError, Key, Store, StoreError};

use crate::hosts::{Hosts, Standing};

/// See the module.
pub(crate) struct Lease {
    store: Arc<dyn Store>,
    hosts: Arc<Hosts>,
    key: Key,
    held: Mutex<Option<String>>,
}

impl Lease {
    pub(crate) fn new(store: Arc<dyn Store>, hosts: Arc<Hosts>, flow: &str) -> Self {
        Self {
            store,
            hosts,
            key: Key::of("+leases").text(flow),
            held: Mutex::default(),
        }
    }

    /// Whether this host runs the flow; takes the lease if nobody has it.
    pub(crate) async fn take(&self) -> Result<bool, StoreError> {
        let Some(me) = self.hosts.me() else {
            return Ok(true);
        };
        let held = self.store.get(&self.key).await?;
        let holder = held.as_deref().map(String::from_utf8_lossy);
        let commit = match holder.as_deref() {
            Some(holder) if holder == me => {
                *self.held.lock() = Some(me);
                return Ok(true);
            }
            None => Commit::new().absent(&self.key),
            Some(holder) => {
                if self.hosts.standing(Some(holder)).await? == Standing::Theirs {
                    *self.held.lock() = None;
                    return Ok(false);
                }
                Commit::new().equals(&self.key, holder)
            }
        };
        let commit = self.hosts.vouch(commit.put(&self.key, me.as_str()))?;
        match self.store.commit(commit).await {
            Ok(()) => {
                *self.held.lock() = Some(me);
                Ok(true)
            }
            Err(CommitError::Conflict { .. }) => Ok(false),
            Err(CommitError::Store(error)) => Err(error),
        }
    }

    /// The commit, holding only while this host has the lease.
    pub(crate) fn guard(&self, commit: Commit) -> Result<Commit, StoreError> {
        if self.hosts.me().is_none() {
            return Ok(commit);
        }
        let holder = self.held.lock().clone().unwrap_or_default();
        self.hosts.vouch(commit.equals(&self.key, holder))
    }

    /// Another may run it.
    pub(crate) async fn give_back(&self) {
        let Some(holder) = self.held.lock().take() else {
            return;
        };
        let commit = Commit::new().equals(&self.key, holder).delete(&self.key);
        if let Err(error) = self.store.commit(commit).await {
            tracing::debug!(%error, "a flow's lease was not given back; it ends with this host");
        }
    }
}

#[cfg(test)]
mod tests {
    use tombolo_store::sled::SledStore;

    use super::*;

    #[tokio::test]
    async fn the_lease_is_one_hosts_and_what_another_commits_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let store: Arc<dyn Store> =
            Arc::new(SledStore::open(dir.path().join("store")).expect("the store opens"));
        let join = async |place: &str| {
            let joined = Hosts::join(Arc::clone(&store), place.to_owned()).await;
            joined.expect("it joins")
        };
        let (one, two) = (join("one").await, join("two").await);
        let lease = |hosts: &Arc<Hosts>| Lease::new(Arc::clone(&store), Arc::clone(hosts), "hr");
        let (ours, theirs) = (lease(&one), lease(&two));
        assert!(ours.take().await.expect("the store answers"));
        assert!(!theirs.take().await.expect("the store answers"));
        let put = |lease: &Lease| lease.guard(Commit::new().put("k", "v")).expect("it beats");
        assert!(store.commit(put(&ours)).await.is_ok());
        assert!(
            store
                .commit(put(&theirs))
                .await
                .is_err_and(|e| e.is_conflict())
        );
        // Its holder has gone: anybody's.
        one.leave().await;
        assert!(theirs.take().await.expect("the store answers"));
        assert!(
            store
                .commit(put(&ours))
                .await
                .is_err_and(|e| e.is_conflict())
        );
        assert!(store.commit(put(&theirs)).await.is_ok());
    }
}
