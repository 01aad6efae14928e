//! The engine: where the product's judgement lives.
//!
//! It stands between SCIM and the connectors and knows both. It owns the links
//! (SCIM id ↔ anchor), the mirror (what it last knew of every linked object),
//! the journal of intents (writes begun and not yet settled) and the rules by
//! which these three never lose, double or invent an account.
//!
//! It may not know HTTP, TOML or the command line (that is `server`), nor what
//! is behind a connector (that is `runtime`), nor how bytes are kept (`store`).
//!
//! A write walks through it like this:
//!
//! 1. [`scim`] reads the body; every dialect ends there.
//! 2. [`mapping`] turns the resource into the target's attributes, or into edits.
//! 3. The intent is committed, durably, before the target is touched.
//! 4. The connector acts.
//! 5. One commit ends the intent and writes record, link, indexes and version.
//!
//! A crash, a time-out or a trap between 3 and 5 leaves the intent behind. It is
//! settled by asking the target what is true: never by guessing, never by
//! repeating blindly.
//!
//! | module | idea |
//! |---|---|
//! | [`app`] | one configured use of a connector; what `server` calls |
//! | `create`, `update`, `delete`, `members`, `password` | the writes, a file each |
//! | `read`, `list` | reading: one resource, a query |
//! | [`import`] | reading everything, or what has changed: what it fills, notices and repairs |
//! | `journal` | intents, and settling them |
//! | [`policy`], `held`, `leave` | what is not done at once, or not at all |
//! | `closed`, `hours` | when nothing is written at all |
//! | `scope` | whom an app is for, and what becomes of the others |
//! | `initial`, `vault` | first passwords, and where they wait to be taken |
//! | `plan`, `undo` | what a write would do; taking one back |
//! | [`hosts`], `fence`, `elsewhere` | several hosts on one store: who lives, who may end what, whose answer is older |
//! | `news` | what hosts tell each other |
//! | `inspect` | what is known of one object |
//! | `replay` | the same POST again |
//! | [`audit`] | who did what, in a chain that shows whether it was changed |
//! | `reconcile` | what a target's entry does to the mirror |
//! | `stand_in` | what a target makes up for what was cleared |
//! | `death` | where a host that is being tested dies |
//! | `record`, `keys`, `index` | what is kept, and under which keys |
//! | `versions` | what these looked like before |
//! | `shared` | what outlives a reload of an app: locks, freshness, counts |
//! | `state` | the connectors' own small store |
//! | [`flow`] | the other direction: from a source app into a sink |
//! | [`error`] | every way to fail, and its SCIM answer |
//!
//! [`scim`]: tombolo_scim
//! [`mapping`]: tombolo_mapping

pub mod app;
pub mod audit;
mod closed;
mod convert;
mod create;
mod death;
mod delete;
mod elsewhere;
pub mod error;
mod expressions;
mod fence;
pub mod flow;
mod held;
pub mod hosts;
mod hours;
pub mod import;
mod index;
mod initial;
mod inspect;
mod journal;
mod keys;
mod kind;
mod leave;
mod list;
mod locks;
mod members;
mod news;
mod password;
mod plan;
pub mod policy;
mod read;
mod reconcile;
mod record;
mod references;
mod replay;
mod request;
mod scope;
mod shared;
mod stand_in;
mod state;
mod undo;
mod update;
mod vault;
mod versions;
mod wants;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::task::TaskTracker;
use tombolo_runtime::StateStore;
use tombolo_store::{Store, StoreError};

pub use app::{Answer, App, AppConfig, AppError, Freshness};
pub use closed::{Closed, Pause};
pub use error::Error;
pub use held::Held;
pub use initial::Password;
pub use inspect::{Inspected, Unfinished};
pub use plan::{Intended, Plan};
pub use request::Request;
pub use undo::fold;
pub use versions::bring_forward;
pub use wants::fits;

use audit::{Account, Keep, Search, Trail, Verdict};
use fence::Fence;
use hosts::Hosts;
use shared::Shared;
use state::ConnectorState;
use vault::Vault;

/// The engine of one host: a store, and what its apps share across reloads.
pub struct Engine {
    store: Arc<dyn Store>,
    hosts: Arc<Hosts>,
    shared: Mutex<HashMap<String, Arc<Shared>>>,
    writes: TaskTracker,
    trail: Arc<Trail>,
    vault: Arc<Vault>,
}

impl Engine {
    /// An engine over `store`, which nobody else may write to.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self::over(store, Hosts::alone())
    }

    /// An engine over `store`, which these hosts write to, this one among them.
    pub fn among(store: Arc<dyn Store>, hosts: Arc<Hosts>) -> Self {
        let fenced = Fence::new(store, Arc::clone(&hosts));
        Self::over(Arc::new(fenced), hosts)
    }

    fn over(store: Arc<dyn Store>, hosts: Arc<Hosts>) -> Self {
        Self {
            trail: Trail::new(Arc::clone(&store)),
            hosts,
            store,
            shared: Mutex::default(),
            writes: TaskTracker::new(),
            vault: Arc::default(),
        }
    }

    /// The same with the key under which first passwords wait in the store. Without one an app gives none.
    #[must_use]
    pub fn sealing(mut self, key: &[u8; 32]) -> Self {
        self.vault = Arc::new(Vault::new(key));
        self
    }

    /// Puts an app together: its object types, mappings and journal. Intents
    /// that an earlier life left open are settled in the background; a request
    /// that meets one settles it first.
    ///
    /// # Errors
    /// The connector describes something that cannot be mapped, or the app's
    /// mapping names what the connector does not have.
    pub fn app(&self, config: AppConfig) -> Result<Arc<App>, AppError> {
        let shared = {
            let mut all = self.shared.lock();
            let of_app = Arc::clone(
                all.entry(config.name.clone())
                    .or_insert_with(|| Arc::new(Shared::new())),
            );
            // Whatever shape it has, the app has one target.
            let of_space = all
                .entry(config.space())
                .or_insert_with(|| Arc::new(Shared::beside(&of_app)));
            Arc::clone(of_space)
        };
        App::new(
            config,
            Arc::clone(&self.store),
            Arc::clone(&self.hosts),
            shared,
            self.writes.clone(),
            Arc::clone(&self.trail),
            Arc::clone(&self.vault),
        )
    }

    /// The durable key-value state that the connector of `app` may use.
    pub fn state_for(&self, app: &str) -> Arc<dyn StateStore> {
        Arc::new(ConnectorState::new(Arc::clone(&self.store), app))
    }

    /// Waits until every write that has begun is finished, `at_most` so long.
    /// Answers whether all of them did.
    pub async fn drain(&self, at_most: Duration) -> bool {
        self.writes.close();
        let done = tokio::time::timeout(at_most, self.writes.wait())
            .await
            .is_ok();
        self.trail.close().await;
        done
    }

    /// How much of the audit is kept.
    pub fn keep_audit(&self, keep: Keep) {
        self.trail.keep(keep);
    }

    /// Looks whether the chain of the audit holds, and whether a seal that was
    /// written down elsewhere is in it.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn verify_audit(&self, anchor: Option<&str>) -> Result<Verdict, StoreError> {
        self.trail.close().await;
        audit::verify(&*self.store, anchor).await
    }

    /// The accounts that are looked for, in the order of time.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn search_audit(&self, search: &Search) -> Result<Vec<Account>, StoreError> {
        self.trail.close().await;
        search.run(&*self.store).await
    }
}
