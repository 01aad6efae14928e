//! The breaker: a flood of disables and deletes is held until somebody has looked at it.
//!
//! What is held is in the store, one a resource, and is answered as if it had been done: an error would be counted by
//! Entra, and 5,000 of them quarantine the whole job. Nothing else is pretended: who reads the resource sees it as it
//! is. A client that changes its mind (enables, or writes to what it has deleted) takes back what is held.
//!
//! What was let through is counted by marks in the store, written with the intent, so that neither a restart nor a
//! second host forgets them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tombolo_scim::resource::Resource;
use tombolo_store::{Commit, Range};

use crate::app::App;
use crate::audit::{Action, By, Outcome, Told, label};
use crate::error::Error;
use crate::keys::{id_of, number_of};
use crate::kind::Kind;
use crate::news::{Mark, News};
use crate::policy::Breaker;
use crate::reconcile::Stored;
use crate::record::{Intent, decode, encode};
use crate::request::Request;
use crate::update::is_active;

/// How old the count may be. What this host lets through is counted at once, and what others tell of when they do.
const REFRESH: Duration = Duration::from_secs(5);
/// Old marks that are swept away at a time.
const SWEEP: usize = 1000;

/// What waits for somebody's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The SCIM id of the resource; also what it is approved and rejected by.
    pub id: String,
    /// The resource type.
    pub kind: String,
    /// A name by which people know it.
    pub name: Option<String>,
    /// A disable or a delete.
    pub action: Action,
    /// Who asked for it.
    pub by: By,
    /// When.
    pub at: Timestamp,
    /// The version that the resource had.
    pub version: u64,
}

/// Who was let through within the window, by resource type.
#[derive(Default)]
pub(crate) struct Tally(tokio::sync::Mutex<Counted>);

#[derive(Default)]
struct Counted {
    marks: HashMap<String, HashMap<String, Timestamp>>,
    read: Option<Instant>,
}

/// Whether something may be done.
pub(crate) enum Verdict {
    /// Now.
    Go,
    /// When somebody has said so.
    Hold,
}

impl App {
    /// What is held of a resource. Not asked for where there is no breaker: it costs a read.
    pub(crate) async fn held(&self, id: &str) -> Result<Option<Held>, Error> {
        if self.policy.breaker.is_none() {
            return Ok(None);
        }
        self.held_in_any_case(id).await
    }

    async fn held_in_any_case(&self, id: &str) -> Result<Option<Held>, Error> {
        match self.store.get(&self.keys.held(id)).await? {
            Some(bytes) => Ok(Some(decode("something held", &bytes)?)),
            None => Ok(None),
        }
    }

    /// Everything that is held, the oldest resource first.
    pub async fn all_held(&self) -> Result<Vec<Held>, Error> {
        let pairs = self.store.scan(Range::prefix(self.keys.all_held())).await?;
        pairs
            .iter()
            .map(|(_, bytes)| decode("something held", bytes))
            .collect()
    }

    /// Of each resource type how many are counted within the breaker's window, and whether one more would be held. None where
    /// there is no breaker.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn breaker(&self) -> Result<Option<Vec<(String, u64, bool)>>, Error> {
        let Some(breaker) = &self.policy.breaker else {
            return Ok(None);
        };
        let mut all = Vec::new();
        for kind in &self.kinds {
            let ty = &kind.ty().name;
            let from = self.keys.mark_from(ty, since(breaker));
            let marks = Range::prefix(self.keys.marks(ty)).from(from);
            let marks = self.store.scan(marks).await?;
            let counted: BTreeSet<String> = marks.iter().map(|(key, _)| id_of(key)).collect();
            let counted = counted.len() as u64;
            let full = counted >= breaker.allows(self.population(ty).await?);
            all.push((ty.clone(), counted, full));
        }
        Ok(Some(all))
    }

    /// The resource as its client believes it to be.
    pub(crate) fn as_believed(held: Option<&Held>, present: &Resource) -> Resource {
        let mut believed = present.clone();
        if held.is_some_and(|held| held.action == Action::Disable) {
            believed
                .as_map_mut()
                .insert("active".to_owned(), false.into());
        }
        believed
    }

    /// Takes a disable out of what a client wants if it must wait.
    pub(crate) async fn guard(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: &Stored,
        held: Option<Held>,
        wanted: &mut Resource,
    ) -> Result<(), Error> {
        let present = &stored.record.resource;
        let disables = is_active(present) && !is_active(wanted);
        if let Some(held) = &held
            && (held.action == Action::Delete || !disables)
        {
            self.drop_held(held, &r.told(Action::Reject)).await?;
        }
        if !disables || self.policy.breaker.is_none() || r.is_released() {
            return Ok(());
        }
        let waits = match held {
            Some(held) if held.action == Action::Disable => true,
            _ => match self.admit(kind, id).await? {
                Verdict::Go => false,
                Verdict::Hold => {
                    self.hold(r, kind, id, stored, Action::Disable).await?;
                    true
                }
            },
        };
        if waits {
            match present.get("active") {
                Some(active) => {
                    let active = active.clone();
                    wanted.as_map_mut().insert("active".to_owned(), active);
                }
                None => {
                    wanted.take("active");
                }
            }
        }
        Ok(())
    }

    /// Whether one more may be disabled or deleted; if so it is counted.
    pub(crate) async fn admit(&self, kind: &Kind, id: &str) -> Result<Verdict, Error> {
        let Some(breaker) = &self.policy.breaker else {
            return Ok(Verdict::Go);
        };
        let ty = &kind.ty().name;
        let (now, since) = (Timestamp::now(), since(breaker));
        // Held while it is decided: of two at the limit one waits.
        let mut counted = self.shared.tally.0.lock().await;
        if counted.read.is_none_or(|at| at.elapsed() > REFRESH) {
            self.count_marks(&mut counted, since).await?;
        }
        let population = self.population(ty).await?;
        let marks = counted.marks.entry(ty.clone()).or_default();
        marks.retain(|_, at| *at >= since);
        if marks.contains_key(id) {
            return Ok(Verdict::Go);
        }
        if marks.len() as u64 >= breaker.allows(population) {
            return Ok(Verdict::Hold);
        }
        marks.insert(id.to_owned(), now);
        Ok(Verdict::Go)
    }

    /// Whether the breaker would hold one more.
    pub(crate) async fn would_hold(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
    ) -> Result<bool, Error> {
        let Some(breaker) = self.policy.breaker.as_ref().filter(|_| !r.is_released()) else {
            return Ok(false);
        };
        let ty = &kind.ty().name;
        let since = since(breaker);
        let marks = Range::prefix(self.keys.marks(ty)).from(self.keys.mark_from(ty, since));
        let marks = self.store.scan(marks).await?;
        let counted: BTreeSet<String> = marks.iter().map(|(key, _)| id_of(key)).collect();
        let full = counted.len() as u64 >= breaker.allows(self.population(ty).await?);
        Ok(full && !counted.contains(id))
    }

    async fn population(&self, ty: &str) -> Result<u64, Error> {
        if let Some(count) = self.shared.count(ty) {
            return Ok(count);
        }
        let count = self.store.count(&self.keys.records(ty)).await?;
        self.shared.set_count(ty, count);
        Ok(count)
    }

    async fn count_marks(&self, counted: &mut Counted, since: Timestamp) -> Result<(), Error> {
        for kind in &self.kinds {
            let ty = &kind.ty().name;
            let from = self.keys.mark_from(ty, since);
            let marks = counted.marks.entry(ty.clone()).or_default();
            let range = Range::prefix(self.keys.marks(ty)).from(&from);
            for (key, _) in self.store.scan(range).await? {
                if let Some(at) = number_of(&key)
                    .and_then(|ms| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok())
                {
                    marks.insert(id_of(&key), at);
                }
            }
            let old = Range::prefix(self.keys.marks(ty)).until(&from).limit(SWEEP);
            let mut sweep = Commit::new();
            for (key, _) in self.store.scan(old).await? {
                sweep = sweep.delete(key);
            }
            self.store.commit(sweep).await?;
        }
        counted.read = Some(Instant::now());
        Ok(())
    }

    /// Tells the other hosts at once what their counts would show in a while.
    pub(crate) fn tell_of_mark(&self, id: &str, intent: &Intent) -> Result<(), Error> {
        self.hosts.tell(&News::Marked(Mark {
            space: self.space.clone(),
            ty: self.kind_of_name(&intent.kind)?.ty().name.clone(),
            id: id.to_owned(),
            at: intent.begun,
        }));
        Ok(())
    }

    /// Counts what other hosts tell of.
    pub(crate) fn count_what_others_mark(self: &Arc<Self>) {
        let (Some(mut marks), Ok(runtime)) =
            (self.hosts.marks(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        if self.policy.breaker.is_none() {
            return;
        }
        let app = Arc::downgrade(self);
        runtime.spawn(async move {
            loop {
                let mark = match marks.recv().await {
                    Ok(mark) => mark,
                    // Read out of the store in a while.
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                let Some(app) = app.upgrade() else { return };
                if mark.space == app.space {
                    let mut counted = app.shared.tally.0.lock().await;
                    let marks = counted.marks.entry(mark.ty).or_default();
                    marks.insert(mark.id, mark.at);
                }
            }
        });
    }

    /// Writes down what waits, instead of doing it.
    pub(crate) async fn hold(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: &Stored,
        action: Action,
    ) -> Result<(), Error> {
        let name = label(&stored.record.resource);
        let held = Held {
            id: id.to_owned(),
            kind: kind.ty().name.clone(),
            name: name.clone(),
            action,
            by: r.by.clone(),
            at: Timestamp::now(),
            version: stored.record.version,
        };
        let told = r.told(Action::Hold);
        let mut account = told.account(&self.name, &held.kind, Some(id), Outcome::Held);
        account.anchor = Some(stored.record.anchor.clone());
        account.name = name;
        account.held = Some(id.to_owned());
        let commit = Commit::new().put(self.keys.held(id), encode(&held)?);
        self.commit_told(commit, &told, &account).await?;
        tracing::warn!(
            app = self.name,
            kind = kind.name,
            id,
            ?action,
            "more is to be disabled and deleted than the app's `[breaker]` allows; this one is held: `tombolo held list`"
        );
        Ok(())
    }

    async fn drop_held(&self, held: &Held, told: &Told) -> Result<(), Error> {
        let mut account = told.account(&self.name, &held.kind, Some(&held.id), Outcome::Success);
        account.name.clone_from(&held.name);
        account.held = Some(held.id.clone());
        let commit = Commit::new().delete(self.keys.held(&held.id));
        Ok(self.commit_told(commit, told, &account).await?)
    }

    /// Does what was held of a resource, on an administrator's word.
    ///
    /// # Errors
    /// Nothing is held of it, or the resource has changed since, or the target fails.
    pub async fn approve(
        self: &Arc<Self>,
        r: &Request,
        id: &str,
        anyway: bool,
    ) -> Result<Held, Error> {
        let held = self.must_hold(id).await?;
        let kind = self.kind_named(&held.kind)?;
        let mut r = r.operation().releasing(id);
        r.by.activity.clone_from(&held.by.activity);
        r.by.credential.clone_from(&held.by.credential);
        let stored = self.load_settled(kind, id, &r.call()).await;
        let outcome = match (held.action, stored) {
            // What was to be is so already.
            (Action::Delete, Err(Error::NotFound { .. })) => Ok(()),
            (_, Err(why)) => Err(why),
            (Action::Delete, Ok(stored)) if stored.record.version != held.version && !anyway => {
                Err(Error::Changed {
                    what: format!(
                        "the {} `{id}` was changed after its delete was held",
                        held.kind
                    ),
                })
            }
            (Action::Delete, Ok(_)) => {
                let (app, ty, of, of_r) = (
                    Arc::clone(self),
                    held.kind.clone(),
                    id.to_owned(),
                    r.clone(),
                );
                let write = async move { app.delete_inner(&of_r, &ty, &of, None).await };
                self.to_its_end(r.told(Action::Delete), kind.ty(), Some(id), write)
                    .await
            }
            (_, Ok(_)) => {
                let (app, ty, of, of_r) = (
                    Arc::clone(self),
                    held.kind.clone(),
                    id.to_owned(),
                    r.clone(),
                );
                let write = async move { app.disable_inner(&of_r, &ty, &of).await };
                self.to_its_end(r.told(Action::Disable), kind.ty(), Some(id), write)
                    .await
            }
        };
        outcome?;
        self.store
            .commit(Commit::new().delete(self.keys.held(id)))
            .await?;
        Ok(held)
    }

    /// Forgets what was held of a resource.
    ///
    /// # Errors
    /// Nothing is held of it.
    pub async fn reject(&self, r: &Request, id: &str) -> Result<Held, Error> {
        let held = self.must_hold(id).await?;
        self.drop_held(&held, &r.operation().told(Action::Reject))
            .await?;
        Ok(held)
    }

    async fn must_hold(&self, id: &str) -> Result<Held, Error> {
        let held = self.held_in_any_case(id).await?;
        held.ok_or_else(|| Error::NotFound {
            kind: "held change of".to_owned(),
            id: id.to_owned(),
        })
    }
}

/// The beginning of the window.
fn since(breaker: &Breaker) -> Timestamp {
    let window = SignedDuration::try_from(breaker.window).unwrap_or(SignedDuration::MAX);
    let since = Timestamp::now().checked_sub(window);
    since.unwrap_or(Timestamp::UNIX_EPOCH)
}
