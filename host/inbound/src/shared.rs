//! The small values that hosts share and that outlive a restart: a budget, a cost.
//!
//! The caller backs this with its store. Both methods must be linearizable: what one host swapped in, the next load on
//! any host sees.

use std::collections::BTreeMap;

use parking_lot::Mutex;

/// A place for small named values.
#[async_trait::async_trait]
pub trait Shared: Send + Sync {
    /// The value of this name; nothing if nobody has written one.
    async fn load(&self, name: &str) -> Result<Option<Vec<u8>>, SharedError>;
    /// Durably writes `new` if the value still is `old`; false if it is not. With an error it may have been written or not.
    async fn swap(&self, name: &str, old: Option<&[u8]>, new: &[u8]) -> Result<bool, SharedError>;
}

/// The shared value cannot be read or written, so nothing that depends on it is done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SharedError {
    /// The place itself fails.
    #[error("the shared value `{name}` cannot be reached: {why}; nothing is sent until it can")]
    Unreachable {
        /// Which.
        name: String,
        /// What the place says.
        why: String,
    },
    /// What is stored is no value of ours.
    #[error(
        "the shared value `{name}` cannot be read: {why}; it was written by something else or by a newer release"
    )]
    Unreadable {
        /// Which.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// Others were faster, again and again.
    #[error("the shared value `{name}` is written by too many at once; try again")]
    Contended {
        /// Which.
        name: String,
    },
}

/// Values in this process's memory: for one command that shares with nobody, and for tests.
#[derive(Debug, Default)]
pub struct Memory {
    values: Mutex<BTreeMap<String, Vec<u8>>>,
}

#[async_trait::async_trait]
impl Shared for Memory {
    async fn load(&self, name: &str) -> Result<Option<Vec<u8>>, SharedError> {
        Ok(self.values.lock().get(name).cloned())
    }

    async fn swap(&self, name: &str, old: Option<&[u8]>, new: &[u8]) -> Result<bool, SharedError> {
        let mut values = self.values.lock();
        if values.get(name).map(Vec::as_slice) != old {
            return Ok(false);
        }
        values.insert(name.to_owned(), new.to_vec());
        Ok(true)
    }
}

/// How often a swap is tried before it is called contended.
const ATTEMPTS: u32 = 100;

/// Reads, changes and writes a value until nobody was faster. `change` answers `None` to leave it as it is.
pub(crate) async fn update<T, R>(
    shared: &dyn Shared,
    name: &str,
    mut change: impl FnMut(T) -> (Option<T>, R) + Send,
) -> Result<R, SharedError>
where
    T: serde::Serialize + serde::de::DeserializeOwned + Default + Send,
    R: Send,
{
    let unreadable = |why: serde_json::Error| SharedError::Unreadable {
        name: name.to_owned(),
        why: why.to_string(),
    };
    for _ in 0..ATTEMPTS {
        let old = shared.load(name).await?;
        let value = match &old {
            None => T::default(),
            Some(bytes) => serde_json::from_slice(bytes).map_err(unreadable)?,
        };
        let (new, result) = change(value);
        let Some(new) = new else {
            return Ok(result);
        };
        let new = serde_json::to_vec(&new).map_err(unreadable)?;
        if shared.swap(name, old.as_deref(), &new).await? {
            return Ok(result);
        }
        tokio::task::yield_now().await;
    }
    Err(SharedError::Contended {
        name: name.to_owned(),
    })
}
