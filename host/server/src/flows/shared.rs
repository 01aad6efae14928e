//! The small values that all hosts of a store share: a budget of calls, a cost.

use std::sync::Arc;

use tombolo_inbound::shared::{Shared, SharedError};
use tombolo_store::{Commit, CommitError, Key, Store};

/// They stand in the host's own store, and change by conditional commits.
pub(super) struct InStore(pub(super) Arc<dyn Store>);

fn key(name: &str) -> Key {
    Key::of("+shared").text(name)
}

fn unreachable(name: &str, why: &impl ToString) -> SharedError {
    SharedError::Unreachable {
        name: name.to_owned(),
        why: why.to_string(),
    }
}

#[async_trait::async_trait]
impl Shared for InStore {
    async fn load(&self, name: &str) -> Result<Option<Vec<u8>>, SharedError> {
        self.0
            .get(&key(name))
            .await
            .map_err(|why| unreachable(name, &why))
    }

    async fn swap(&self, name: &str, old: Option<&[u8]>, new: &[u8]) -> Result<bool, SharedError> {
        let key = key(name);
        let commit = match old {
            Some(old) => Commit::new().equals(&key, old),
            None => Commit::new().absent(&key),
        };
        match self.0.commit(commit.put(&key, new)).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conflict { .. }) => Ok(false),
            Err(CommitError::Store(why)) => Err(unreachable(name, &why)),
        }
    }
}
