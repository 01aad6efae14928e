//! What goes with a disable, and comes back with an enable: attributes, memberships. And what follows a delete that has a grace
//! period: the delete itself.
//!
//! Neither is part of the commit of the disable. What is kept is written down before anything is taken away, so that
//! a crash in between loses nothing: the next enable puts back what is missing.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tombolo_mapping::{Edit, EditKind, Object, ObjectValue};
use tombolo_scim::patch::MemberEdit;
use tombolo_scim::resource::Member;
use tombolo_store::{Commit, Range};
use uuid::Uuid;

use crate::app::App;
use crate::audit::{Action, By};
use crate::convert;
use crate::create::HOLDER;
use crate::error::Error;
use crate::keys::id_of;
use crate::kind::Kind;
use crate::policy::Deletes;
use crate::reconcile::Stored;
use crate::record::{decode, encode};
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
    /// Writes what the app's owner wants of who is disabled, and keeps what was there.
    pub(crate) async fn set_aside(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: Stored,
    ) -> Result<Stored, Error> {
        if kind.on_disable.is_empty() {
            return Ok(stored);
        }
        let present = self.object_of(r, kind, &stored).await?;
        let key = self.keys.aside(id);
        // What an earlier disable has kept, and no enable has put back, is the truth.
        if self.store.get(&key).await?.is_none() {
            let kept: Vec<(&str, &[ObjectValue])> = kind
                .on_disable
                .iter()
                .map(|(name, _)| (name, present.get(name)))
                .collect();
            let kept = Commit::new().put(&key, encode(&kept)?);
            self.store.commit(kept).await?;
        }
        let edits: Vec<Edit> = kind
            .on_disable
            .iter()
            .map(|(name, values)| put(name, values))
            .collect();
        self.edit(r, kind, id, stored, &edits).await
    }

    /// Puts back what a disable has written over, where it is as the disable left it.
    pub(crate) async fn set_back(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: Stored,
    ) -> Result<Stored, Error> {
        let key = self.keys.aside(id);
        let Some(bytes) = self.store.get(&key).await? else {
            return Ok(stored);
        };
        let kept: Vec<(String, Vec<ObjectValue>)> = decode("kept values", &bytes)?;
        let present = self.object_of(r, kind, &stored).await?;
        let edits: Vec<Edit> = kept
            .iter()
            .filter(|(name, _)| present.get(name) == kind.on_disable.get(name))
            .map(|(name, values)| put(name, values))
            .collect();
        let stored = if edits.is_empty() {
            stored
        } else {
            self.edit(r, kind, id, stored, &edits).await?
        };
        self.store.commit(Commit::new().delete(key)).await?;
        Ok(stored)
    }

    async fn object_of(&self, r: &Request, kind: &Kind, stored: &Stored) -> Result<Object, Error> {
        let entry = self
            .connector
            .get(&r.call(), &kind.name, &stored.record.anchor, &[])
            .await
            .map_err(|error| self.target(error))?;
        Ok(convert::object(&entry))
    }

    async fn edit(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: Stored,
        edits: &[Edit],
    ) -> Result<Stored, Error> {
        let request = Uuid::now_v7().to_string();
        let (call, edits) = (r.call(), convert::edits(edits));
        let anchor = &stored.record.anchor;
        let update = self
            .connector
            .update(&call, &kind.name, anchor, &edits, None, &request);
        let entry = self.write(r, "update", update).await?;
        let (base, standing) = (&stored.record.resource, &stored.record.standing);
        let told = r.told(Action::Update);
        self.finish_update(kind, id, &stored, base, &entry, standing, &[], &told)
            .await
    }

    /// Takes who was disabled out of his groups, where the app's owner wants that.
    pub(crate) async fn leave_groups(self: &Arc<Self>, r: &Request, id: &str) -> Result<(), Error> {
        if !self.policy.strip_memberships || !self.connector.abilities().members {
            return Ok(());
        }
        let groups = self.groups_of(id).await?;
        if groups.is_empty() {
            return Ok(());
        }
        let mut kept = self.kept_groups(id).await?;
        kept.extend(
            groups
                .iter()
                .filter(|group| !kept.contains(group))
                .cloned()
                .collect::<Vec<_>>(),
        );
        let kept = Commit::new().put(self.keys.kept_groups(id), encode(&kept)?);
        self.store.commit(kept).await?;
        for group in groups {
            let edit = MemberEdit::Remove(vec![id.to_owned()]);
            self.change_group(r, &group, edit).await?;
        }
        Ok(())
    }

    /// Puts who was enabled back into the groups that he was taken out of, as far as they are still there.
    pub(crate) async fn join_groups(self: &Arc<Self>, r: &Request, id: &str) -> Result<(), Error> {
        let kept = self.kept_groups(id).await?;
        if kept.is_empty() {
            return Ok(());
        }
        for group in kept {
            let member = Member {
                value: id.to_owned(),
                kind: None,
            };
            self.change_group(r, &group, MemberEdit::Add(vec![member]))
                .await?;
        }
        let done = Commit::new().delete(self.keys.kept_groups(id));
        Ok(self.store.commit(done).await?)
    }

    async fn groups_of(&self, id: &str) -> Result<Vec<String>, Error> {
        let pairs = self
            .store
            .scan(Range::prefix(self.keys.groups_of(id)))
            .await?;
        Ok(pairs.iter().map(|(key, _)| id_of(key)).collect())
    }

    async fn kept_groups(&self, id: &str) -> Result<Vec<String>, Error> {
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
