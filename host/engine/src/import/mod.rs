//! Imports: what the target has, taken into the mirror.
//!
//! A full import reads every object of a kind, a delta what has changed since the last import. Either goes page by page,
//! holds a page in memory, and goes on at its page after a crash. Listings answer from the mirror; an import is what
//! fills it with the accounts that the host did not create, and what notices that an account has gone, or has other
//! values than were written through the host.
//!
//! | module | idea |
//! |---|---|
//! | `walk` | every object of a kind, page by page |
//! | `run` | one import, from its beginning to its end |
//! | [`state`] | what the store knows of imports; also their lease among hosts |
//! | `marks` | who was seen in a listing |
//! | [`schedule`] | when imports run by themselves |
//! | `fresh` | when a request needs one |
//! | [`finding`] | what imports find: orphans, local accounts, ambiguity |
//! | [`drift`] | other values than were written through the host, and writing them again |
//! | `adopt` | an account that was there before its client knew of it |

pub mod adopt;
pub mod drift;
pub mod finding;
mod fresh;
mod marks;
mod run;
pub mod schedule;
pub mod state;
mod walk;

use std::sync::Arc;

use tracing::Instrument as _;

use crate::app::App;
use crate::audit::{Action, By, Outcome as Told, Told as Telling};
use crate::error::Error;
use crate::kind::Kind;
use state::{Ended, Outcome, Run, STALE, Sort, Status, Wish};

/// An administrator's order.
#[derive(Clone, Debug)]
pub struct Order {
    /// Only this kind, by the connector's name or the resource type's.
    pub kind: Option<String>,
    /// Read everything, although changes could be asked for.
    pub full: bool,
    /// What is missing is gone, however much it is.
    pub accept: bool,
    /// Who ordered it.
    pub by: By,
}

impl App {
    /// The kinds that an order is about, those without members first.
    pub(crate) fn kinds_named(&self, name: Option<&str>) -> Result<Vec<&Kind>, Error> {
        let named = |kind: &&Kind| {
            name.is_none_or(|name| {
                kind.name.eq_ignore_ascii_case(name) || kind.ty().name.eq_ignore_ascii_case(name)
            })
        };
        let mut kinds: Vec<&Kind> = self.kinds.iter().filter(named).collect();
        kinds.sort_by_key(|kind| kind.ty().has_members());
        if kinds.is_empty() {
            let name = name.unwrap_or_default();
            return Err(Error::NotSupported(format!(
                "app `{}` has no kind `{name}`",
                self.name
            )));
        }
        Ok(kinds)
    }

    /// Imports, and repairs afterwards where the app's owner wants that. It goes on when whoever ordered it goes away.
    ///
    /// # Errors
    /// The first kind that could not be imported.
    pub async fn import(self: &Arc<Self>, order: Order) -> Result<Vec<(String, Ended)>, Error> {
        let app = Arc::clone(self);
        let work = async move {
            let mut all = Vec::new();
            for kind in app.kinds_named(order.kind.as_deref())? {
                let wish = Wish {
                    sort: if order.full || order.accept {
                        Sort::Full
                    } else {
                        Sort::Delta
                    },
                    by: order.by.clone(),
                    accepts: order.accept,
                    oldest: STALE,
                };
                let ended = app.import_kind(kind, &wish).await?;
                all.push((kind.name.clone(), ended));
            }
            Ok(all)
        };
        match tokio::spawn(work.in_current_span()).await {
            Ok(done) => done,
            Err(panic) => {
                tracing::error!(app = self.name, %panic, "an import ended in a defect of the host");
                Err(Error::Defect)
            }
        }
    }

    /// Imports a kind when whatever imports it now has ended.
    pub(crate) async fn import_kind(
        self: &Arc<Self>,
        kind: &Kind,
        wish: &Wish,
    ) -> Result<Ended, Error> {
        let lock = self.shared.import_lock(&kind.name);
        let ended = {
            let _one = lock.lock().await;
            self.run_import(kind, wish).await?
        };
        if ended.outcome == Outcome::Whole {
            self.repair_by_itself(kind).await?;
        }
        Ok(ended)
    }

    /// How the imports of each kind stand, as far as this host knows without asking its store.
    pub fn imports_known(&self) -> Vec<Status> {
        self.kinds
            .iter()
            .filter_map(|kind| self.shared.import(&kind.name))
            .collect()
    }

    /// The same as the store knows it.
    pub async fn import_status(&self, kind: Option<&str>) -> Result<Vec<Status>, Error> {
        let mut all = Vec::new();
        for kind in self.kinds_named(kind)? {
            all.push(self.import_state(kind).await?.0.status(kind));
        }
        Ok(all)
    }

    /// One record an import; none of one that nobody ordered and that found nothing.
    fn tell_of_import(&self, kind: &Kind, run: &Run, ended: &Ended) {
        let counts = ended.counts;
        let idle = counts.new + counts.changed + counts.missing == 0;
        if run.by.operator.is_none() && idle && ended.outcome == Outcome::Whole {
            tracing::debug!(
                app = self.name,
                kind = kind.name,
                import = run.id,
                listed = counts.listed,
                "imported; nothing was new"
            );
            return;
        }
        tracing::info!(
            app = self.name,
            kind = kind.name,
            import = run.id,
            sort = ?ended.sort,
            outcome = ?ended.outcome,
            pages = ended.pages,
            listed = counts.listed,
            new = counts.new,
            changed = counts.changed,
            gone = counts.gone,
            "imported"
        );
        let outcome = match ended.outcome {
            Outcome::Whole if idle => Told::Unchanged,
            Outcome::Whole => Told::Success,
            Outcome::CutShort | Outcome::Failed => Told::Failure,
            Outcome::Shrunk => Told::Held,
        };
        let mut told = Telling::by_host(Action::Import);
        told.by = run.by.clone();
        let mut account = told.account(&self.name, &kind.ty().name, None, outcome);
        account.us =
            u64::try_from(ended.ended.duration_since(ended.began).as_micros()).unwrap_or(u64::MAX);
        if let Ok(serde_json::Value::Object(told)) = serde_json::to_value(ended) {
            account.after = told;
        }
        self.trail.later(account);
    }
}
