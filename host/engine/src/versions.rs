//! What the keys and values of a store look like, as a number; and the way from an older look to the present one.
//!
//! | version | since then |
//! |---|---|
//! | 1 | (no number was kept) |
//! | 2 | long values are shortened in keys ([`crate::keys::short`]), since no engine takes keys of any length |

use std::borrow::Cow;

use tombolo_store::key::{Segment, segments};
use tombolo_store::{Commit, CommitError, Key, Range, Store, StoreError};

use crate::keys::short;

/// The version that this program writes.
const VERSION: u64 = 2;
/// Keys read at a time.
const PAGE: usize = 1000;

/// Brings a store to the version of this program. Two hosts may do so at once; hosts of an older version must have stopped.
///
/// # Errors
/// The store is of a newer version, or fails.
pub async fn bring_forward(store: &dyn Store) -> Result<(), StoreError> {
    let key = Key::of("+version");
    let stored = store.get(&key).await?;
    let found = match stored.as_deref().map(<[u8; 8]>::try_from) {
        Some(Ok(version)) => u64::from_be_bytes(version),
        Some(Err(_)) => u64::MAX,
        None if store.scan(Range::all().limit(1)).await?.is_empty() => VERSION,
        None => 1,
    };
    if found > VERSION {
        return Err(StoreError::Newer {
            found,
            known: VERSION,
        });
    }
    if found < 2 {
        let renamed = shorten(store).await?;
        tracing::info!(
            from = found,
            to = VERSION,
            renamed,
            "the store was brought forward"
        );
    }
    if stored.is_none() || found < VERSION {
        settled(
            store
                .commit(Commit::new().put(&key, VERSION.to_be_bytes()))
                .await,
        )?;
    }
    Ok(())
}

/// Version 2: every key has its place under its short name.
async fn shorten(store: &dyn Store) -> Result<u64, StoreError> {
    let mut renamed = 0;
    let mut range = Range::all().limit(PAGE);
    loop {
        let page = store.scan(range).await?;
        let Some((last, _)) = page.last() else {
            return Ok(renamed);
        };
        range = Range::all().limit(PAGE).after(last.clone());
        for (key, value) in page {
            if let Some(new) = shortened(&key) {
                let commit = Commit::new()
                    .equals(key.clone(), value.clone())
                    .delete(key)
                    .put(new, value);
                settled(store.commit(commit).await)?;
                renamed += 1;
            }
        }
    }
}

/// The key's short name, if it is another.
fn shortened(key: &[u8]) -> Option<Key> {
    let parts = segments(key)?;
    let room = parts.get(1)?.as_text()?;
    let long = matches!(room, "a" | "u" | "x")
        && parts.iter().any(|part| {
            part.as_text()
                .is_some_and(|text| matches!(short(text), Cow::Owned(_)))
        });
    long.then(|| {
        parts.iter().fold(Key::new(), |key, part| match part {
            Segment::Number(number) => key.number(*number),
            Segment::Bytes(bytes) => match part.as_text() {
                Some(text) => key.text(&short(text)),
                None => key.bytes(bytes),
            },
        })
    })
}

/// Another host was quicker: so be it.
fn settled(outcome: Result<(), CommitError>) -> Result<(), StoreError> {
    match outcome {
        Err(CommitError::Store(error)) => Err(error),
        Ok(()) | Err(CommitError::Conflict { .. }) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tombolo_store::sled::SledStore;

    use super::*;
    use crate::keys::Keys;

    fn store() -> (tempfile::TempDir, SledStore) {
        let dir = tempfile::tempdir().expect("a directory");
        let store = SledStore::open(dir.path().join("store")).expect("the store opens");
        (dir, store)
    }

    async fn put(store: &SledStore, key: Key, value: &str) {
        let commit = Commit::new().put(key, value);
        store.commit(commit).await.expect("the commit goes through");
    }

    #[tokio::test]
    async fn an_old_store_is_brought_forward_once_and_a_newer_one_refused() {
        let (_dir, store) = store();
        let long = "n".repeat(3000);
        let old = |room: &str| Key::of("hr").text(room).text("User");
        put(&store, old("u").text("userName").text(&long), "id").await;
        put(&store, old("x").text("userName").text("ana").text("id"), "").await;
        put(&store, old("r").text(&long), "a record").await;
        bring_forward(&store).await.expect("it comes forward");
        let keys = Keys::new("hr");
        for (key, value) in [
            (keys.unique("User", "userName", &long), "id"),
            (keys.indexed("User", "userName", "ana").text("id"), ""),
            (old("r").text(&long), "a record"),
        ] {
            let found = store.get(&key).await.expect("readable");
            assert_eq!(found.as_deref(), Some(value.as_bytes()));
        }
        assert_eq!(store.count(b"").await.ok(), Some(4));
        bring_forward(&store).await.expect("nothing to do");
        let newer = 9_u64.to_be_bytes();
        let commit = Commit::new().put(Key::of("+version"), newer);
        store.commit(commit).await.expect("the commit goes through");
        let refused = bring_forward(&store).await;
        assert!(matches!(
            refused,
            Err(StoreError::Newer { found: 9, known: 2 })
        ));
    }

    #[test]
    fn every_key_is_short_enough_for_every_engine() {
        let keys = Keys::new(&"a".repeat(64));
        let worst = "\0".repeat(10_000);
        let label = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber";
        let id = uuid::Uuid::now_v7().to_string();
        for key in [
            keys.anchor("User", &worst),
            keys.unique("User", label, &worst),
            keys.indexed("User", label, &worst).text(&id),
            keys.deleted("User", &worst),
        ] {
            assert!(key.len() <= tombolo_store::MAX_KEY, "{}", key.len());
        }
    }
}
