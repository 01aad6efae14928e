//! The keys in the state directory. One for several hosts: an access token that one of them gave is good at all of them.
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

/// The key that first passwords are sealed with in the store. It is this host's alone: a store that had it too would open itself.
///
/// # Errors
/// The file cannot be made or read.
pub fn key_of_passwords(state: &Path) -> anyhow::Result<Zeroizing<[u8; secret_key::LENGTH]>> {
    let dir = guard::make_directory(state)?;
    let key = secret_key::open_for(&dir, secret_key::For::Passwords)?;
    let mut exact = Zeroizing::new([0; secret_key::LENGTH]);
    exact.copy_from_slice(&key);
    Ok(exact)
}
