//! What an entry of the target does to the mirror.
//!
//! An answer of the target describes the moment at which it was asked. A write
//! that has finished since knows better, and so does one that is under way:
//! both win over the answer.

use std::time::Instant;

use tombolo_mapping::{Object, References};
use tombolo_runtime::contract::Entry;
use tombolo_scim::resource::Resource;
use tombolo_store::{Commit, CommitError, Range};
use uuid::Uuid;

use crate::app::App;
use crate::audit::{Action, Change, Members, Told, label};
use crate::convert;
use crate::error::Error;
use crate::keys::id_of;
use crate::kind::Kind;
use crate::record::{Link, Record, decode, encode};
use crate::stand_in::Veil;

/// How often a commit that lost against another is tried again.
const TRIES: usize = 8;

/// What an entry of the target was to the mirror.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Nobody had seen it.
    New,
    /// The mirror had it otherwise.
    Changed,
    /// The mirror had it so.
    Same,
    /// A write knows better.
    Written,
}

/// An entry that was taken into the mirror.
pub(crate) struct Taken {
    pub(crate) id: String,
    pub(crate) stored: Stored,
    pub(crate) what: What,
}

/// A record and the bytes by which the store knows this version of it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) record: Record,
    pub(crate) bytes: Vec<u8>,
}

impl App {
    /// The record of `id`, if the host has one.
    pub(crate) async fn load(&self, kind: &Kind, id: &str) -> Result<Option<Stored>, Error> {
        match self
            .store
            .get(&self.keys.record(&kind.ty().name, id))
            .await?
        {
            Some(bytes) => Ok(Some(Stored {
                record: decode("a record", &bytes)?,
                bytes,
            })),
            None => Ok(None),
        }
    }

    /// The anchor that `id` is linked to: a record read no further than that. None where it has no object.
    pub(crate) async fn anchor_of(&self, kind: &Kind, id: &str) -> Result<Option<String>, Error> {
        let key = self.keys.record(&kind.ty().name, id);
        match self.store.get(&key).await? {
            Some(bytes) => {
                let link: Link = decode("a record", &bytes)?;
                Ok((!link.outside).then_some(link.anchor))
            }
            None => Ok(None),
        }
    }

    /// Whether `id` is a resource that has no object.
    pub(crate) async fn is_outside(&self, kind: &Kind, id: &str) -> Result<bool, Error> {
        let key = self.keys.record(&kind.ty().name, id);
        match self.store.get(&key).await? {
            Some(bytes) => Ok(decode::<Link>("a record", &bytes)?.outside),
            None => Ok(false),
        }
    }

    /// The id that `anchor` is linked to.
    pub(crate) async fn linked(&self, kind: &Kind, anchor: &str) -> Result<Option<String>, Error> {
        let id = self
            .store
            .get(&self.keys.anchor(&kind.ty().name, anchor))
            .await?;
        Ok(id.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Adds to `commit` what makes `new` the record of `id`: the record itself,
    /// the link, the indexes and the claims to unique values.
    pub(crate) async fn put_record(
        &self,
        kind: &Kind,
        id: &str,
        old: Option<&Stored>,
        new: &Record,
        mut commit: Commit,
    ) -> Result<(Commit, Stored), Error> {
        let ty = &kind.ty().name;
        let key = self.keys.record(ty, id);
        let bytes = encode(new)?;
        commit = match old {
            Some(old) => commit.equals(&key, old.bytes.clone()),
            None => commit.absent(&key),
        };
        commit = commit.put(&key, bytes.clone());
        let was_found = old.is_some_and(|old| old.record.found);
        if new.found != was_found {
            let local = self.keys.local(ty, id);
            commit = if new.found {
                commit.put(local, "")
            } else {
                commit.delete(local)
            };
        }
        if old.is_none_or(|old| old.record.anchor != new.anchor) {
            let anchor = self.keys.anchor(ty, &new.anchor);
            commit = commit.absent(&anchor).put(&anchor, id);
            commit = self.unbury(ty, &new.anchor, commit).await?;
            if let Some(old) = old {
                commit = commit.delete(self.keys.anchor(ty, &old.record.anchor));
                commit = self.bury(ty, &old.record.anchor, commit);
            }
        }
        commit = self
            .put_indexes(
                kind,
                id,
                old.map(|old| &old.record.resource),
                Some(&new.resource),
                commit,
            )
            .await?;
        Ok((
            commit,
            Stored {
                record: new.clone(),
                bytes,
            },
        ))
    }

    async fn put_indexes(
        &self,
        kind: &Kind,
        id: &str,
        old: Option<&Resource>,
        new: Option<&Resource>,
        mut commit: Commit,
    ) -> Result<Commit, Error> {
        let ty = &kind.ty().name;
        for index in &kind.indexed {
            let before = old.map(|r| index.values(r)).unwrap_or_default();
            let after = new.map(|r| index.values(r)).unwrap_or_default();
            for value in before.iter().filter(|v| !after.contains(v)) {
                commit = commit.delete(self.keys.indexed(ty, &index.label, value).text(id));
                let claim = self.keys.unique(ty, &index.label, value);
                if index.unique && self.store.get(&claim).await?.as_deref() == Some(id.as_bytes()) {
                    commit = commit.delete(&claim);
                }
            }
            for value in &after {
                if !before.contains(value) {
                    commit = commit.put(self.keys.indexed(ty, &index.label, value).text(id), "");
                }
                let claim = self.keys.unique(ty, &index.label, value);
                // A target may hold the same value twice; the first one keeps the claim.
                if index.unique
                    && !before.contains(value)
                    && self.store.get(&claim).await?.is_none()
                {
                    commit = commit.absent(&claim).put(&claim, id);
                }
            }
        }
        Ok(commit)
    }

    /// Takes what the target says of one object into the mirror. `asked` is when
    /// the target was asked. None: a delete has finished since.
    pub(crate) async fn absorb(
        &self,
        kind: &Kind,
        entry: &Entry,
        asked: Instant,
    ) -> Result<Option<(String, Stored)>, Error> {
        let Some(Taken { id, stored, what }) = self.take_in(kind, entry, asked).await? else {
            return Ok(None);
        };
        if matches!(what, What::New | What::Same) {
            self.shared.confirm_at(&id, asked);
        }
        Ok(Some((id, stored)))
    }

    /// The same for one of many: that it is as it was is not remembered of each.
    pub(crate) async fn take_in(
        &self,
        kind: &Kind,
        entry: &Entry,
        asked: Instant,
    ) -> Result<Option<Taken>, Error> {
        let as_it_was = |taken: Option<(String, Stored)>| {
            taken.map(|(id, stored)| Taken {
                id,
                stored,
                what: What::Written,
            })
        };
        let object = convert::object(entry);
        let references = self.references_of_object(kind, &object).await?;
        for _ in 0..TRIES {
            if self.shared.gone_since(&kind.name, &entry.anchor, asked) {
                return Ok(None);
            }
            let known = match self.linked(kind, &entry.anchor).await? {
                Some(id) => self.load(kind, &id).await?.map(|stored| (id, stored)),
                None => None,
            };
            let outcome = match known {
                Some((id, stored)) => {
                    if self.open_intent(&id).await?.is_some() {
                        let after = self.after_unfinished(kind, id, stored).await?;
                        return Ok(as_it_was(after));
                    }
                    if self.shared.confirmed_since(&id, asked) {
                        return Ok(as_it_was(Some((id, stored))));
                    }
                    self.refresh(kind, &id, stored, &object, &references, asked)
                        .await
                }
                None => self.adopt(kind, &entry.anchor, &object, &references).await,
            };
            match outcome {
                Err(Error::Contended) => {}
                Err(error) if self.has_gone_since(&error) => return Ok(None),
                other => return other.map(Some),
            }
        }
        Err(Error::Contended)
    }

    /// What is true of an object that has an unfinished write: while the write
    /// is under way, what was before it; when nobody works on it (an earlier life
    /// left it behind), what the target says now.
    pub(crate) async fn after_unfinished(
        &self,
        kind: &Kind,
        id: String,
        stored: Stored,
    ) -> Result<Option<(String, Stored)>, Error> {
        let Some(_held) = self.shared.locks.try_lock(&id) else {
            return Ok(Some((id, stored)));
        };
        if !self.theirs_has_ended(&id).await? {
            return Ok(Some((id, stored)));
        }
        if let Err(error) = self.settled_now(kind, &id).await {
            tracing::debug!(app = self.name, kind = kind.name, id, %error, "read while a write is not settled");
        }
        Ok(self.load(kind, &id).await?.map(|stored| (id, stored)))
    }

    async fn refresh(
        &self,
        kind: &Kind,
        id: &str,
        stored: Stored,
        object: &Object,
        references: &References,
        asked: Instant,
    ) -> Result<Taken, Error> {
        let mut resource = stored.record.resource.clone();
        let shown = Veil::of(&stored.record).over(object.clone());
        kind.mapping.overlay(&mut resource, &shown, references);
        if resource == stored.record.resource {
            return Ok(Taken {
                id: id.to_owned(),
                stored,
                what: What::Same,
            });
        }
        if self.hosts.many() {
            let (id, stored) = self.refresh_alone(kind, id, stored).await?;
            return Ok(Taken {
                id,
                stored,
                what: What::Changed,
            });
        }
        let mut record = stored.record.next(stored.record.anchor.clone(), resource);
        let drift = self
            .note_drift(kind, id, &stored.record, &mut record, &shown, Commit::new())
            .await?;
        let (commit, stored) = self
            .put_record(kind, id, Some(&stored), &record, drift)
            .await?;
        self.store.commit(commit).await?;
        self.shared.confirm_at(id, asked);
        tracing::debug!(
            app = self.name,
            kind = kind.name,
            id,
            "the target changed this object by itself"
        );
        Ok(Taken {
            id: id.to_owned(),
            stored,
            what: What::Changed,
        })
    }

    /// Links an object that the host has not seen before.
    async fn adopt(
        &self,
        kind: &Kind,
        anchor: &str,
        object: &Object,
        references: &References,
    ) -> Result<Taken, Error> {
        let id = Uuid::now_v7().to_string();
        let mut resource = Resource::default();
        kind.mapping.overlay(&mut resource, object, references);
        let mut record = Record::new(anchor.to_owned(), resource);
        record.found = true;
        let unburied = self.still_there(kind, anchor).await?;
        let (commit, stored) = self.put_record(kind, &id, None, &record, unburied).await?;
        self.store.commit(commit).await?;
        self.shared.adjust_count(&kind.ty().name, 1);
        tracing::debug!(
            app = self.name,
            kind = kind.name,
            id,
            "linked an object of the target"
        );
        Ok(Taken {
            id,
            stored,
            what: What::New,
        })
    }

    /// The end of a link: the record and everything that hangs on it.
    pub(crate) async fn unlink(
        &self,
        kind: &Kind,
        id: &str,
        stored: &Stored,
        told: &Told,
    ) -> Result<(), Error> {
        let ty = &kind.ty().name;
        for _ in 0..TRIES {
            let (mut members, mut groups) = (Members::default(), Vec::new());
            let key = self.keys.record(ty, id);
            let mut commit = Commit::new()
                .equals(&key, stored.bytes.clone())
                .delete(&key)
                .delete(self.keys.anchor(ty, &stored.record.anchor))
                .delete(self.keys.intent(id))
                .delete(self.keys.password(id))
                .delete(self.keys.kept_groups(id));
            commit = self.bury(ty, &stored.record.anchor, commit);
            if stored.record.found {
                commit = commit.delete(self.keys.local(ty, id));
            }
            if stored.record.drifted {
                commit = commit.delete(self.keys.drift(ty, id));
            }
            if told.action == Action::Vanish {
                commit = self.put_orphan(kind, id, stored, commit)?;
            }
            commit = self
                .put_indexes(kind, id, Some(&stored.record.resource), None, commit)
                .await?;
            for (key, _) in self
                .store
                .scan(Range::prefix(self.keys.members(id)))
                .await?
            {
                let member = id_of(&key);
                commit = commit.delete(self.keys.group_of(&member, id)).delete(key);
                members.removed.push(member);
            }
            for (key, _) in self
                .store
                .scan(Range::prefix(self.keys.groups_of(id)))
                .await?
            {
                let group = id_of(&key);
                commit = commit.delete(self.keys.member(&group, id)).delete(key);
                groups.push(group);
            }
            let change = Change {
                before: stored.record.resource.as_map().clone(),
                members: (!members.removed.is_empty()).then_some(members),
                groups,
                ..Change::default()
            };
            let name = label(&stored.record.resource);
            let account = told.success(&self.name, ty, id, &stored.record.anchor, name, change);
            match self.commit_told(commit, told, &account).await {
                Ok(()) => {
                    self.shared.gone(&kind.name, &stored.record.anchor, id);
                    self.shared.adjust_count(ty, -1);
                    return Ok(());
                }
                Err(CommitError::Conflict { .. })
                    if self
                        .load(kind, id)
                        .await?
                        .is_some_and(|now| now.bytes == stored.bytes) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended)
    }
}
