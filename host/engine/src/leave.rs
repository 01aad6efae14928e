//! What goes with a disable, and comes back with an enable: attributes, memberships. And what follows a delete that has a grace
//! period: the delete itself.
//!
//! The attributes go with the disable itself: one call of the connector, one intent. The memberships follow: the commit that
//! ends the disable writes down which they are and puts another intent in the place of the first ([`Step::Leave`]), so
//! that a crash in between is settled like any other. An enable does the same the other way round ([`Step::Join`]).

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tombolo_mapping::{Edit, EditKind, Object, ObjectValue};
use tombolo_scim::patch::MemberEdit;
use tombolo_scim::resource::{Member, Resource};
use tombolo_store::{Commit, Range};

use crate::app::App;
use crate::audit::{Action, By};
use crate::convert;
use crate::create::HOLDER;
use crate::error::Error;
use crate::expressions::Surroundings;
use crate::journal::mapping;
use crate::keys::id_of;
use crate::kind::{Kind, Written};
use crate::policy::Deletes;
use crate::reconcile::Stored;
use crate::record::{Aside, Step, decode, encode};
use crate::request::Request;

/// How often it is looked whether a grace period has ended.
const LOOK: Duration = Duration::from_mins(1);
/// What one delete may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A delete that waits for the end of its grace period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Due {
    pub(crate) kind: String,
    /// Who asked for it.
    pub(crate) by: By,
    pub(crate) at: Timestamp,
}

impl App {
    /// Adds to a disable what the app's owner wants written besides; answers what is set aside by that.
    pub(crate) async fn set_aside(
        &self,
        r: &Request,
        kind: &Kind,
        stored: &Stored,
        wanted: (&Resource, &Object),
        edits: &mut Vec<Edit>,
    ) -> Result<Vec<Aside>, Error> {
        if kind.on_disable.is_empty() {
            return Ok(Vec::new());
        }
        let (resource, object) = wanted;
        let present = self.object_of(r, kind, stored).await?;
        let references = self.references_of_resource(kind, resource).await?;
        let mut aside = Vec::new();
        for (name, written) in &kind.on_disable {
            let written = match written {
                Written::Constant(values) => values.clone(),
                Written::Made(made) => {
                    let made =
                        kind.mapping
                            .made_by(made, resource, &references, &Surroundings::new());
                    match made.map_err(mapping)? {
                        Some(values) => values,
                        None => continue,
                    }
                }
            };
            // What the same request changes is what comes back.
            let changed = edits.iter().any(|edit| edit.name == *name);
            let kept = if changed { object } else { &present };
            aside.push(Aside {
                name: name.clone(),
                kept: kept.get(name).to_vec(),
                written: written.clone(),
            });
            edits.retain(|edit| edit.name != *name);
            edits.push(put(name, &written));
        }
        Ok(aside)
    }

    /// Adds to an enable what a disable has written over, where it is as the disable left it and nobody writes it now.
    pub(crate) async fn set_back(
        &self,
        r: &Request,
        kind: &Kind,
        stored: &Stored,
        edits: &mut Vec<Edit>,
    ) -> Result<(), Error> {
        if stored.record.aside.is_empty() {
            return Ok(());
        }
        let present = self.object_of(r, kind, stored).await?;
        for aside in &stored.record.aside {
            let untouched = !edits.iter().any(|edit| edit.name == aside.name);
            if untouched && present.get(&aside.name) == aside.written {
                edits.push(put(&aside.name, &aside.kept));
            }
        }
        Ok(())
    }

    async fn object_of(&self, r: &Request, kind: &Kind, stored: &Stored) -> Result<Object, Error> {
        let entry = self
            .connector
            .get(&r.call(), &kind.name, &stored.record.anchor, &[])
            .await
            .map_err(|error| self.target(error))?;
        Ok(convert::object(&entry))
    }

    /// What ends an intent whose write has made `new` of `old`: nothing more is to be done, or the memberships follow.
    pub(crate) async fn ending(
        &self,
        kind: &Kind,
        id: &str,
        turns: Action,
        by: &By,
    ) -> Result<Commit, Error> {
        let commit = Commit::new();
        let step = match turns {
            Action::Disable => {
                let groups = self.groups_to_leave(id).await?;
                if groups.is_empty() {
                    None
                } else {
                    let mut kept = self.kept_groups(id).await?;
                    kept.extend(
                        groups
                            .into_iter()
                            .filter(|group| !kept.contains(group))
                            .collect::<Vec<_>>(),
                    );
                    Some((
                        Step::Leave,
                        commit
                            .clone()
                            .put(self.keys.kept_groups(id), encode(&kept)?),
                    ))
                }
            }
            Action::Enable if !self.kept_groups(id).await?.is_empty() => {
                Some((Step::Join, commit.clone()))
            }
            _ => None,
        };
        let key = self.keys.intent(id);
        match step {
            None => Ok(commit.delete(key)),
            Some((step, commit)) => {
                let intent = self.next_intent(kind, step, by);
                Ok(commit.put(key, encode(&intent)?))
            }
        }
    }

    /// Does what follows a create, a disable or an enable, until nothing is left. The caller holds the lock of `id`.
    pub(crate) async fn follow(
        self: &Arc<Self>,
        r: &Request,
        kind: &Kind,
        id: &str,
    ) -> Result<(), Error> {
        while let Some(intent) = self.open_intent(id).await? {
            let outcome = match &intent.step {
                Step::Password => self.settle_password(kind, id, &intent, &r.call(), r).await,
                Step::Leave | Step::Join | Step::Populate => {
                    self.follow_up(r, kind, id, &intent.step).await
                }
                Step::Create { .. }
                | Step::Update { .. }
                | Step::Delete { .. }
                | Step::Members { .. } => return Ok(()),
            };
            if outcome.is_err() {
                self.settle_in_background();
                return outcome;
            }
        }
        Ok(())
    }

    /// Takes who was disabled out of his groups, or puts who was enabled back into those that he was taken out of, as far
    /// as they are still there. Boxed, since a group's own unfinished write is settled on the way.
    pub(crate) fn follow_up<'a>(
        self: &'a Arc<Self>,
        r: &'a Request,
        kind: &'a Kind,
        id: &'a str,
        step: &'a Step,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let mut end = Commit::new().delete(self.keys.intent(id));
            match step {
                Step::Leave => {
                    for group in self.groups_of(id).await? {
                        let edit = MemberEdit::Remove(vec![id.to_owned()]);
                        self.regroup(r, kind, id, &group, edit).await?;
                    }
                }
                Step::Join => {
                    for group in self.kept_groups(id).await? {
                        let member = Member {
                            value: id.to_owned(),
                            kind: None,
                        };
                        let edit = MemberEdit::Add(vec![member]);
                        self.regroup(r, kind, id, &group, edit).await?;
                    }
                    end = end.delete(self.keys.kept_groups(id));
                }
                Step::Populate => self.populate(r, kind, id).await?,
                _ => return Ok(()),
            }
            Ok(self.store.commit(end).await?)
        })
    }

    /// One of them. What a group refuses for good is told and passed over: else nothing more could be written to the person.
    async fn regroup(
        self: &Arc<Self>,
        r: &Request,
        kind: &Kind,
        id: &str,
        group: &str,
        edit: MemberEdit,
    ) -> Result<(), Error> {
        match self.change_group(r, group, edit).await {
            Err(why) if !why.may_pass() => {
                tracing::warn!(app = self.name, kind = kind.name, id, group, %why, "a membership stays as it is");
                let told = r.told(Action::Members);
                self.trail
                    .later(told.ended(&self.name, &kind.ty().name, Some(id), Some(&why)));
                Ok(())
            }
            other => other,
        }
    }

    /// The groups that who is disabled leaves, where the app's owner wants that.
    async fn groups_to_leave(&self, id: &str) -> Result<Vec<String>, Error> {
        if self.policy.strip_memberships && self.connector.abilities().members {
            self.groups_of(id).await
        } else {
            Ok(Vec::new())
        }
    }

    async fn groups_of(&self, id: &str) -> Result<Vec<String>, Error> {
        let pairs = self
            .store
            .scan(Range::prefix(self.keys.groups_of(id)))
            .await?;
        Ok(pairs.iter().map(|(key, _)| id_of(key)).collect())
    }

    pub(crate) async fn kept_groups(&self, id: &str) -> Result<Vec<String>, Error> {
        match self.store.get(&self.keys.kept_groups(id)).await? {
            Some(bytes) => decode("kept memberships", &bytes),
            None => Ok(Vec::new()),
        }
    }

    /// One edit of a group's members; a group that is gone has none.
    async fn change_group(
        self: &Arc<Self>,
        r: &Request,
        group: &str,
        edit: MemberEdit,
    ) -> Result<(), Error> {
        for kind in self.kinds.iter().filter(|kind| kind.ty().has_members()) {
            // The caller holds the member's lock: two that wait for each other must not do so for ever.
            let Some(_held) = self.shared.locks.lock_within(group, HOLDER).await else {
                return Err(Self::unsettled(kind, group));
            };
            let stored = match self.load_settled(kind, group, &r.call()).await {
                Ok(stored) => stored,
                Err(Error::NotFound { .. }) => continue,
                Err(error) => return Err(error),
            };
            let plan = self
                .plan_members(kind, group, std::slice::from_ref(&edit))
                .await?;
            // He may have left before a crash: that is no reason not to bring him back.
            let plan = plan.for_a_while();
            self.change_members(r, kind, group, stored, plan).await?;
        }
        Ok(())
    }

    /// Writes down that a resource is to be deleted when its grace period has ended.
    pub(crate) async fn postpone(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        grace: Duration,
    ) -> Result<(), Error> {
        let key = self.keys.due(id);
        if self.store.get(&key).await?.is_some() {
            return Ok(());
        }
        let grace = SignedDuration::try_from(grace).unwrap_or(SignedDuration::MAX);
        let due = Due {
            kind: kind.ty().name.clone(),
            by: r.by.clone(),
            at: Timestamp::now()
                .checked_add(grace)
                .unwrap_or(Timestamp::MAX),
        };
        Ok(self
            .store
            .commit(Commit::new().put(key, encode(&due)?))
            .await?)
    }

    /// Who is written to, and is not disabled by that, is not deleted later.
    pub(crate) async fn keep_after_all(&self, id: &str) -> Result<(), Error> {
        if !matches!(self.policy.delete, Deletes::After(_)) {
            return Ok(());
        }
        let key = self.keys.due(id);
        if self.store.get(&key).await?.is_some() {
            self.store.commit(Commit::new().delete(key)).await?;
        }
        Ok(())
    }

    /// Deletes what is due, as long as this generation of the app lives.
    pub(crate) fn delete_in_background(self: &Arc<Self>) {
        let Deletes::After(grace) = self.policy.delete else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let pause = LOOK.min(grace / 4).max(Duration::from_millis(100));
        let app = Arc::downgrade(self);
        runtime.spawn(async move {
            while let Some(live) = app.upgrade() {
                if let Err(error) = live.delete_due().await {
                    tracing::warn!(app = live.name, %error, "what is due to be deleted is tried again");
                }
                drop(live);
                tokio::time::sleep(pause).await;
            }
        });
    }

    async fn delete_due(self: &Arc<Self>) -> Result<(), Error> {
        for (key, bytes) in self.store.scan(Range::prefix(self.keys.all_due())).await? {
            let due: Due = decode("a delete that waits", &bytes)?;
            if due.at > Timestamp::now() {
                continue;
            }
            let id = id_of(&key);
            let deadline = tokio::time::Instant::now() + PATIENCE;
            let r = Request::new(String::new(), deadline, due.by.clone()).falling_due();
            let kind = self.kind_named(&due.kind)?;
            let (app, of, of_r) = (Arc::clone(self), id.clone(), r.clone());
            let write = async move { app.delete_inner(&of_r, &due.kind, &of, None).await };
            let told = r.told(Action::Delete);
            match self.to_its_end(told, kind.ty(), Some(&id), write).await {
                Ok(()) | Err(Error::NotFound { .. }) => {
                    self.store.commit(Commit::new().delete(key)).await?;
                }
                Err(error) => {
                    tracing::warn!(app = self.name, id, %error, "its grace period has ended, and it cannot be deleted yet");
                }
            }
        }
        Ok(())
    }
}

fn put(name: &str, values: &[ObjectValue]) -> Edit {
    Edit {
        kind: EditKind::Put,
        name: name.to_owned(),
        values: values.to_vec(),
    }
}
