//! Letting go of what is old. The chain stays whole: what is left of the seals that go is the sum of the last of them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tombolo_store::{Commit, CommitError, Range, Store, StoreError};

use super::keys;
use super::seal::{self, Cut};

/// Seals that are looked at together.
const PAGE: usize = 500;

/// How much of the audit is kept. The default is all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Nothing older.
    pub age: Option<Duration>,
    /// No more records of one life of a host than so many.
    pub accounts: Option<u64>,
}

impl Keep {
    /// Lets go of what is too much in one stream, a seal and its accounts at a time; answers how many accounts.
    pub(super) async fn apply(&self, store: &dyn Store, stream: &str) -> Result<u64, StoreError> {
        if *self == Self::default() {
            return Ok(0);
        }
        let mut surplus = match self.accounts {
            Some(most) => store
                .count(&keys::entries(stream))
                .await?
                .saturating_sub(most),
            None => 0,
        };
        let oldest = self
            .age
            .and_then(|age| SignedDuration::try_from(age).ok())
            .and_then(|age| Timestamp::now().checked_sub(age).ok());
        let mut gone = 0;
        loop {
            let page = store
                .scan(Range::prefix(keys::seals(stream)).limit(PAGE))
                .await?;
            let before = gone;
            for (key, bytes) in &page {
                let Some(seal) = seal::read(&(key.clone(), bytes.clone())) else {
                    return Ok(gone);
                };
                let under = seal.accounts.len() as u64;
                let too_old = oldest.is_some_and(|oldest| seal.at < oldest);
                // Half a seal cannot be let go.
                let too_many = surplus >= under && under > 0;
                if !too_old && !too_many {
                    return Ok(gone);
                }
                surplus = surplus.saturating_sub(under);
                if !let_go(store, stream, key, bytes, &seal).await? {
                    return Ok(gone);
                }
                gone += under;
            }
            if gone == before {
                return Ok(gone);
            }
        }
    }
}

/// Answers false when another host was quicker.
async fn let_go(
    store: &dyn Store,
    stream: &str,
    key: &[u8],
    bytes: &[u8],
    seal: &seal::Seal,
) -> Result<bool, StoreError> {
    let place = keys::cut(stream);
    let present = store.get(&place).await?;
    let former: Option<Cut> = present
        .as_deref()
        .and_then(|bytes| serde_json::from_slice(bytes).ok());
    let cut = Cut {
        head: seal.head(),
        to: seal
            .to()
            .or(former.as_ref().map(|former| former.to))
            .unwrap_or(0),
        accounts: former.map_or(0, |former| former.accounts) + seal.accounts.len() as u64,
        at: Timestamp::now(),
    };
    let mut commit = Commit::new()
        .equals(key, bytes)
        .delete(key)
        .put(&place, serde_json::to_vec(&cut).unwrap_or_default());
    commit = match present {
        Some(present) => commit.equals(&place, present),
        None => commit.absent(&place),
    };
    for (number, _) in &seal.accounts {
        commit = commit.delete(keys::entry(stream, *number));
    }
    match store.commit(commit).await {
        Ok(()) => Ok(true),
        Err(CommitError::Conflict { .. }) => Ok(false),
        Err(CommitError::Store(why)) => Err(why),
    }
}
