//! A full import: every object of a kind, as the target lists them.
//!
//! Listings answer from the mirror; this is what fills it with the accounts
//! that the host did not create.

mod walk;

use std::collections::HashSet;
use std::time::Instant;

use futures::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};
use tombolo_runtime::contract::Fault;
use tombolo_store::Range;

use crate::app::{App, Freshness};
use crate::error::Error;
use crate::keys::id_of;
use crate::kind::Kind;
use crate::request::Request;
use walk::{End, Walk};

/// Entries taken into the mirror at a time.
const TOGETHER: usize = 64;
/// An import counts as fresh for at least this many times what it took: somebody
/// who pages through 250,000 accounts must not start one with every page.
const WORTH: u32 = 20;

impl App {
    /// Makes the mirror of a whole kind as fresh as the app asks for. Of several
    /// requests that want this at once, one does the work.
    pub(crate) async fn imported(&self, r: &Request, kind: &Kind) -> Result<(), Error> {
        if self.has_imported(kind) {
            return Ok(());
        }
        let lock = self.shared.import_lock(&kind.name);
        let waited = Instant::now();
        let _one = lock.lock().await;
        // Whoever held the lock may have imported after this request came.
        let done_meanwhile = self
            .shared
            .imported(&kind.name)
            .is_some_and(|(age, _)| age <= waited.elapsed());
        if done_meanwhile || self.has_imported(kind) {
            return Ok(());
        }
        let began = Instant::now();
        match self.import(r, kind).await {
            Ok(count) => {
                tracing::debug!(
                    app = self.name,
                    kind = kind.name,
                    count,
                    ms = began.elapsed().as_millis(),
                    "imported"
                );
                self.shared.set_imported(&kind.name, began.elapsed());
                Ok(())
            }
            // A connector that cannot list: the mirror is all there is.
            Err(error) if error.fault() == Some(Fault::Unsupported) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn has_imported(&self, kind: &Kind) -> bool {
        let Some((age, took)) = self.shared.imported(&kind.name) else {
            return false;
        };
        match self.freshness {
            Freshness::Live => age <= took * WORTH,
            Freshness::Bounded(bound) => age <= bound.max(took * WORTH),
            Freshness::Mirror => true,
        }
    }

    async fn import(&self, r: &Request, kind: &Kind) -> Result<u64, Error> {
        let began = Instant::now();
        let mut listed = HashSet::new();
        let mut walk = Walk::new(&kind.name, None);
        loop {
            let asked = Instant::now();
            let page = walk.next(&self.connector, &r.call()).await;
            let Some(entries) = page.map_err(|e| self.target(e))? else {
                break;
            };
            // Together, so that the commits share their flushes.
            let absorbing: Vec<_> = entries
                .iter()
                .map(|entry| self.absorb(kind, entry, asked).boxed())
                .collect();
            stream::iter(absorbing)
                .buffer_unordered(TOGETHER)
                .try_for_each(|_| std::future::ready(Ok(())))
                .await?;
            listed.extend(entries.into_iter().map(|entry| entry.anchor));
        }
        if walk.ended() == Some(End::Astray) {
            return Ok(listed.len() as u64);
        }
        self.confirm_absent(r, kind, &listed, began).await?;
        Ok(listed.len() as u64)
    }

    /// A listing that lacks an object is no proof that it is gone (half a
    /// listing looks just like mass termination): each is asked for by itself.
    async fn confirm_absent(
        &self,
        r: &Request,
        kind: &Kind,
        listed: &HashSet<String>,
        began: Instant,
    ) -> Result<(), Error> {
        let missing: Vec<String> = self
            .store
            .scan(Range::prefix(self.keys.anchors(&kind.ty().name)))
            .await?
            .into_iter()
            .filter(|(key, id)| {
                !listed.contains(&id_of(key))
                    && !self
                        .shared
                        .confirmed_since(&String::from_utf8_lossy(id), began)
            })
            .map(|(_, id)| String::from_utf8_lossy(&id).into_owned())
            .collect();
        for id in missing {
            let Some(stored) = self.load(kind, &id).await? else {
                continue;
            };
            match self.asked(r, kind, &id, stored).await {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
