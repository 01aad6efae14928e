//! One key for several hosts: an access token that one of them gave is good at all of them.
//!
//! The first host that comes puts its key into the store that they share; the others take it over into their own state
//! directory, where [`super::secret_key`] reads it.

use std::path::Path;

use anyhow::Context as _;
use tombolo_store::{Commit, CommitError, Key, Store};
use zeroize::Zeroizing;

use super::{guard, secret_key};

/// Makes the key of this state directory that of all hosts on `store`.
///
/// # Errors
/// The store or the file fails.
pub async fn share_key(store: &dyn Store, state: &Path) -> anyhow::Result<()> {
    let dir = guard::make_directory(state)?;
    let own = secret_key::open(&dir)?;
    let key = Key::of("+access-tokens");
    let first = Commit::new().absent(&key).put(&key, own.as_slice());
    match store.commit(first).await {
        Ok(()) => return Ok(()),
        Err(CommitError::Conflict { .. }) => {}
        Err(CommitError::Store(why)) => return Err(why.into()),
    }
    let shared = store.get(&key).await?.map(Zeroizing::new);
    let shared = shared.context("the store has lost the key of access tokens")?;
    if shared != own {
        secret_key::replace(&dir, &shared)?;
    }
    Ok(())
}
