//! The same POST again: an answer was lost on the way, and the client asks once
//! more.
//!
//! Where a value is unique its claim says 409, for ever. A type without any is
//! guarded by what was asked for: the same body within [`WINDOW`] is the same
//! wish, and gets the 409 that makes a client look for what it has already.
//! Remembered in this host only, and not over a restart; where several hosts share the store, in the store.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tombolo_scim::resource::{Member, Resource};
use tombolo_store::{Commit, CommitError};

use crate::app::App;
use crate::create::HOLDER;
use crate::error::Error;
use crate::kind::Kind;
use crate::record::{decode, encode};
use crate::request::Request;

/// How long the same body is the same wish. Entra repeats a request that timed
/// out within minutes, and an object that failed in its next cycle, 20 to 40
/// minutes later.
const WINDOW: Duration = Duration::from_mins(60);
/// How often a wish is taken again that another took at the same moment.
const TRIES: usize = 4;
/// How many wishes are remembered; the oldest are forgotten first.
const MOST: usize = 10_000;

/// What identifies a wish.
pub(crate) type Wish = [u8; 32];

/// The wishes of the last hour, and the ids that were given to them.
#[derive(Default)]
pub(crate) struct Wishes(Mutex<HashMap<Wish, (String, Instant)>>);

impl Wishes {
    /// Remembers the wish under `id`, unless it is remembered: then answers whose
    /// it is.
    fn remember(&self, wish: Wish, id: &str) -> Option<String> {
        let mut wishes = self.0.lock();
        if let Some((holder, at)) = wishes.get(&wish)
            && at.elapsed() < WINDOW
        {
            return Some(holder.clone());
        }
        if wishes.len() >= MOST {
            wishes.retain(|_, (_, at)| at.elapsed() < WINDOW);
        }
        if wishes.len() >= MOST
            && let Some(oldest) = wishes.iter().min_by_key(|(_, (_, at))| *at)
        {
            let oldest = *oldest.0;
            wishes.remove(&oldest);
        }
        wishes.insert(wish, (id.to_owned(), Instant::now()));
        None
    }

    /// Forgets the wish if it is `id`'s.
    pub(crate) fn forget(&self, wish: &Wish, id: &str) {
        let mut wishes = self.0.lock();
        if wishes.get(wish).is_some_and(|(holder, _)| holder == id) {
            wishes.remove(wish);
        }
    }
}

impl App {
    /// What identifies this POST; none when a unique value does already.
    pub(crate) fn wish(kind: &Kind, resource: &Resource, members: &[Member]) -> Option<Wish> {
        let guarded = kind
            .indexed
            .iter()
            .any(|index| index.unique && !index.values(resource).is_empty());
        if guarded {
            return None;
        }
        let mut sum = Sha256::new();
        sum.update(&kind.name);
        let mut attributes: Vec<_> = resource.as_map().iter().collect();
        attributes.sort_by_key(|(name, _)| *name);
        for (name, value) in attributes {
            sum.update(format!("\n{name}={value}"));
        }
        for member in members {
            sum.update(format!("\n{}", member.value));
        }
        Some(sum.finalize().into())
    }

    /// Takes the wish for `id`; 409 when another has it and is there.
    pub(crate) async fn only_once(
        &self,
        r: &Request,
        kind: &Kind,
        wish: Wish,
        id: &str,
    ) -> Result<(), Error> {
        if self.hosts.many() {
            return self.only_once_among_hosts(r, kind, wish, id).await;
        }
        while let Some(holder) = self.shared.wishes.remember(wish, id) {
            let Some(_held) = self.shared.locks.lock_within(&holder, HOLDER).await else {
                return Err(Self::unsettled(kind, &holder));
            };
            self.settled(kind, &holder, &r.call()).await?;
            if self.load(kind, &holder).await?.is_some() {
                return Err(created_already(kind, &holder));
            }
            self.shared.wishes.forget(&wish, &holder);
        }
        Ok(())
    }

    /// The same where several hosts share the store: the wish is taken there.
    async fn only_once_among_hosts(
        &self,
        r: &Request,
        kind: &Kind,
        wish: Wish,
        id: &str,
    ) -> Result<(), Error> {
        let key = self.keys.wish(&wish);
        for _ in 0..TRIES {
            let free = match self.store.get(&key).await? {
                None => Commit::new().absent(&key),
                Some(bytes) => {
                    let taken: Taken = decode("a wish", &bytes)?;
                    let age = Timestamp::now().duration_since(taken.at);
                    if age.unsigned_abs() < WINDOW {
                        let Some(_held) = self.shared.locks.lock_within(&taken.id, HOLDER).await
                        else {
                            return Err(Self::unsettled(kind, &taken.id));
                        };
                        self.settled(kind, &taken.id, &r.call()).await?;
                        if self.load(kind, &taken.id).await?.is_some() {
                            return Err(created_already(kind, &taken.id));
                        }
                    }
                    Commit::new().equals(&key, bytes)
                }
            };
            let ours = encode(&Taken {
                id: id.to_owned(),
                at: Timestamp::now(),
            })?;
            match self.store.commit(free.put(&key, ours)).await {
                Err(CommitError::Conflict { .. }) => {}
                other => return Ok(other?),
            }
        }
        Err(Error::Contended)
    }
}

/// A wish in the store, where several hosts share it. One that is too old is taken by whoever has it next.
#[derive(Debug, Serialize, Deserialize)]
struct Taken {
    id: String,
    at: Timestamp,
}

fn created_already(kind: &Kind, holder: &str) -> Error {
    Error::Taken {
        message: format!(
            "the same {} was created a short while ago and has the id `{holder}`; it is not created a second time",
            kind.ty().name
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_belongs_to_the_first_until_it_is_forgotten() {
        let wishes = Wishes::default();
        assert_eq!(wishes.remember([1; 32], "a"), None);
        assert_eq!(wishes.remember([1; 32], "b").as_deref(), Some("a"));
        assert_eq!(wishes.remember([2; 32], "b"), None);
        wishes.forget(&[1; 32], "b");
        assert_eq!(wishes.remember([1; 32], "b").as_deref(), Some("a"));
        wishes.forget(&[1; 32], "a");
        assert_eq!(wishes.remember([1; 32], "b"), None);
    }

    #[test]
    fn the_number_of_wishes_is_bounded() {
        let wishes = Wishes::default();
        for n in 0..=MOST {
            let mut wish = [0; 32];
            wish[..8].copy_from_slice(&n.to_be_bytes());
            wishes.remember(wish, "x");
        }
        assert_eq!(wishes.0.lock().len(), MOST);
        assert_eq!(
            wishes.remember([0; 32], "y"),
            None,
            "the first was forgotten"
        );
    }
}
