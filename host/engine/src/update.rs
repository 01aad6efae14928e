//! PATCH and PUT: what has really changed, and nothing else, goes to the target.

use std::sync::Arc;

use tombolo_mapping::Update;
use tombolo_runtime::contract::{Entry, Fault};
use tombolo_scim::patch::{MemberEdit, PatchRequest};
use tombolo_scim::resource::{Document, Resource};

use crate::app::App;
use crate::audit::{Account, Action, Change, Told, label};
use crate::convert;
use crate::error::Error;
use crate::expressions::Surroundings;
use crate::held::Held;
use crate::journal::mapping;
use crate::kind::Kind;
use crate::reconcile::Stored;
use crate::record::Step;
use crate::request::Request;
use crate::stand_in::{self, Veil};

/// How often a change is made again on top of one that got between.
const TRIES: usize = 4;

impl App {
    pub(crate) async fn patch_inner(
        self: &Arc<Self>,
        r: &Request,
        ty: &str,
        id: &str,
        patch: &PatchRequest,
        if_match: Option<u64>,
    ) -> Result<Stored, Error> {
        let kind = self.kind_named(ty)?;
        self.can_write(kind)?;
        self.must_be_open().await?;
        let _held = self.shared.locks.lock(id).await;
        for _ in 0..TRIES {
            let stored = self.load_settled(kind, id, &r.call()).await?;
            matches_version(&stored, if_match)?;
            let held = self.held(id).await?;
            let mut patched = if held.is_some() || stored.record.wish.is_some() {
                let believed = Self::believed(held.as_ref(), &stored.record);
                patch.apply(kind.ty(), &believed)?
            } else {
                patch.apply(kind.ty(), &stored.record.resource)?
            };
            self.note_ignored(kind, &patched.ignored);
            let password = self.take_password(kind, &mut patched.resource)?;
            match self
                .change(
                    r,
                    kind,
                    id,
                    stored,
                    held,
                    patched.resource,
                    &patched.members,
                )
                .await
            {
                Err(Error::Contended) => {}
                Ok(stored) => return self.with_password(r, kind, id, stored, password).await,
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended)
    }

    pub(crate) async fn replace_inner(
        self: &Arc<Self>,
        r: &Request,
        ty: &str,
        id: &str,
        document: Document,
        if_match: Option<u64>,
    ) -> Result<Stored, Error> {
        let kind = self.kind_named(ty)?;
        self.can_write(kind)?;
        self.must_be_open().await?;
        self.note_ignored(kind, &document.ignored);
        // What PUT leaves out is cleared (RFC 7644 section 3.5.1), except members:
        // a client that renames a group need not know who is in it.
        let members: Vec<MemberEdit> = document
            .members
            .map(MemberEdit::Replace)
            .into_iter()
            .collect();
        let _held = self.shared.locks.lock(id).await;
        for _ in 0..TRIES {
            let stored = self.load_settled(kind, id, &r.call()).await?;
            matches_version(&stored, if_match)?;
            let mut wanted = tombolo_scim::resource::replace(
                kind.ty(),
                &Self::believed(None, &stored.record),
                document.resource.clone(),
            )?;
            let password = self.take_password(kind, &mut wanted)?;
            let held = self.held(id).await?;
            match self
                .change(r, kind, id, stored, held, wanted, &members)
                .await
            {
                Err(Error::Contended) => {}
                Ok(stored) => return self.with_password(r, kind, id, stored, password).await,
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended)
    }

    /// Disables, and nothing else.
    pub(crate) async fn disable_inner(
        self: &Arc<Self>,
        r: &Request,
        ty: &str,
        id: &str,
    ) -> Result<(), Error> {
        let kind = self.kind_named(ty)?;
        self.can_write(kind)?;
        self.must_be_open().await?;
        let _held = self.shared.locks.lock(id).await;
        let stored = self.load_settled(kind, id, &r.call()).await?;
        self.disable(r, kind, id, stored).await
    }

    /// The same of a resource whose lock the caller holds.
    pub(crate) async fn disable(
        self: &Arc<Self>,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: Stored,
    ) -> Result<(), Error> {
        let mut wanted = Self::believed(None, &stored.record);
        wanted
            .as_map_mut()
            .insert("active".to_owned(), false.into());
        let held = self.held(id).await?;
        self.change(r, kind, id, stored, held, wanted, &[])
            .await
            .map(|_| ())
    }

    /// Makes a resource what it is wanted to be, and its members.
    pub(crate) async fn write_inner(
        self: &Arc<Self>,
        r: &Request,
        ty: &str,
        id: &str,
        wanted: Resource,
        members: &[MemberEdit],
    ) -> Result<(), Error> {
        let kind = self.kind_named(ty)?;
        self.can_write(kind)?;
        self.must_be_open().await?;
        let _held = self.shared.locks.lock(id).await;
        let stored = self.load_settled(kind, id, &r.call()).await?;
        let held = self.held(id).await?;
        self.change(r, kind, id, stored, held, wanted, members)
            .await
            .map(|_| ())
    }

    /// What the app's schema does not have is let go by; the log says what.
    pub(crate) fn note_ignored(&self, kind: &Kind, ignored: &[String]) {
        if !ignored.is_empty() {
            tracing::debug!(
                app = self.name,
                kind = kind.name,
                ?ignored,
                "attributes that the app's schema does not have were ignored"
            );
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a change is made of")]
    async fn change(
        self: &Arc<Self>,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: Stored,
        held: Option<Held>,
        wanted: Resource,
        members: &[MemberEdit],
    ) -> Result<Stored, Error> {
        let plan = self.plan_members(kind, id, members).await?;
        self.check_active(kind, Some(&stored.record.resource), &wanted)?;
        if stored.record.outside {
            return Box::pin(self.change_outside(r, kind, id, stored, wanted, plan)).await;
        }
        if !kind.in_scope(&wanted) {
            let left = self.leave_scope(r, kind, id, stored, held, &wanted, plan);
            return Box::pin(left).await;
        }
        let changed = self.change_in_scope(r, kind, id, stored, held, wanted);
        let stored = Box::pin(changed).await?;
        let stored = self.fulfilled(kind, id, stored).await?;
        if plan.is_empty() {
            return Ok(stored);
        }
        self.change_members(r, kind, id, stored, plan).await
    }

    /// A change of the attributes of one that the app is for, and what follows it.
    pub(crate) async fn change_in_scope(
        self: &Arc<Self>,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: Stored,
        held: Option<Held>,
        mut wanted: Resource,
    ) -> Result<Stored, Error> {
        self.guard(r, kind, id, &stored, held, &mut wanted).await?;
        let turns = action(&stored.record.resource, &wanted);
        if is_active(&wanted) {
            self.keep_after_all(id).await?;
        }
        if wanted == stored.record.resource {
            return Ok(stored);
        }
        let stored = self.change_attributes(r, kind, id, stored, wanted).await?;
        if !matches!(turns, Action::Disable | Action::Enable) {
            return Ok(stored);
        }
        self.follow(r, kind, id).await?;
        Ok(self.load(kind, id).await?.unwrap_or(stored))
    }

    async fn change_attributes(
        self: &Arc<Self>,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: Stored,
        wanted: Resource,
    ) -> Result<Stored, Error> {
        let old = &stored.record.resource;
        let references = self.references_of_resource(kind, &wanted).await?;
        let before = self.references_of_resource(kind, old).await?;
        let Update {
            object: new_object,
            mut edits,
        } = kind
            .mapping
            .update((old, &before), (&wanted, &references), &Surroundings::new())
            .map_err(mapping)?;
        let kept = kind.without_secrets(&wanted);

        let same_names = kind
            .indexed
            .iter()
            .filter(|index| index.unique)
            .all(|index| index.values(old) == index.values(&wanted));
        if edits.is_empty() && same_names {
            // Only what the host keeps itself has changed: nothing to journal.
            return self.finish_kept(r, kind, id, &stored, kept).await;
        }
        let turns = action(old, &kept);
        // What is written besides is no wish of the client's: that it is so is no drift, nor that it is not.
        let names: Vec<String> = edits.iter().map(|edit| edit.name.clone()).collect();
        let mut aside = stored.record.aside.clone();
        match turns {
            Action::Disable => {
                let wanted = (&wanted, &new_object);
                aside = self.set_aside(r, kind, &stored, wanted, &mut edits).await?;
            }
            Action::Enable => {
                self.set_back(r, kind, &stored, &mut edits).await?;
                aside.clear();
            }
            _ => {}
        }
        let anchor = stored.record.anchor.clone();
        let step = Step::Update {
            anchor: anchor.clone(),
            resource: kept.clone(),
            aside: aside.clone(),
        };
        let mut intent = Self::intent(r, kind, step);
        intent.counts = self.policy.breaker.is_some() && turns == Action::Disable;
        self.claim(r, kind, id, Some(&stored), &wanted, &intent)
            .await?;
        if edits.is_empty() {
            return self.finish_kept(r, kind, id, &stored, kept).await;
        }
        let written = self
            .write(
                r,
                "update",
                self.connector.update(
                    &r.call(),
                    &kind.name,
                    &anchor,
                    &convert::edits(&edits),
                    None,
                    &intent.request,
                ),
            )
            .await;
        match written {
            Ok(entry) => {
                let standing = stand_in::after(
                    &stored.record.standing,
                    &edits,
                    &new_object,
                    &convert::object(&entry),
                );
                let told = r.told(Action::Update);
                let veil = Veil { standing, aside };
                self.finish_update(kind, id, &stored, &kept, &entry, &veil, &names, &told)
                    .await
            }
            Err(error) if error.fault() == Some(Fault::NotFound) => {
                self.abandon(kind, id, &intent.step).await?;
                // Deleted behind our back, or what is not found is something else,
                // such as a manager. Only the target knows.
                let there = self
                    .connector
                    .get(&r.call(), &kind.name, &anchor, &[])
                    .await
                    .map_err(|error| self.target(error));
                match there {
                    Ok(_) => Err(error.about_a_reference()),
                    Err(gone) if gone.fault() == Some(Fault::NotFound) => {
                        self.drop_vanished(kind, id, &r.told(Action::Vanish))
                            .await?;
                        Err(Error::NotFound {
                            kind: kind.ty().name.clone(),
                            id: id.to_owned(),
                        })
                    }
                    Err(unknown) => Err(unknown),
                }
            }
            Err(error) => Err(self.failed(kind, id, &intent.step, error).await),
        }
    }

    async fn finish_kept(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: &Stored,
        kept: Resource,
    ) -> Result<Stored, Error> {
        let turns = action(&stored.record.resource, &kept);
        let end = self.ending(kind, id, turns, &r.by).await?;
        let mut record = stored.next(&stored.record.anchor, kept);
        record.found = false;
        let (commit, new) = self
            .put_record(kind, id, Some(stored), &record, end)
            .await?;
        let told = r.told(Action::Update);
        let account = self.told_of_update(kind, id, stored, &new, told.clone());
        self.commit_told(commit, &told, &account).await?;
        Ok(new)
    }

    /// The commit that ends an update: the mirror is what the target now has,
    /// over what the client wanted for the attributes that the host keeps.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another part of one commit"
    )]
    pub(crate) async fn finish_update(
        &self,
        kind: &Kind,
        id: &str,
        stored: &Stored,
        base: &Resource,
        entry: &Entry,
        veil: &Veil,
        written: &[String],
        told: &Told,
    ) -> Result<Stored, Error> {
        let object = veil.over(convert::object(entry));
        let references = self.references_of_object(kind, &object).await?;
        let mut resource = base.clone();
        kind.mapping.overlay(&mut resource, &object, &references);
        let mut present = stored.clone();
        for _ in 0..TRIES {
            let mut record = present.next(&entry.anchor, resource.clone());
            record.standing.clone_from(&veil.standing);
            record.aside.clone_from(&veil.aside);
            let turns = action(&present.record.resource, &resource);
            let end = self.ending(kind, id, turns, &told.by).await?;
            record.found = false;
            let end = self
                .end_drift(kind, id, written, &mut record, &object, end)
                .await?;
            let (commit, new) = self
                .put_record(kind, id, Some(&present), &record, end)
                .await?;
            let account = self.told_of_update(kind, id, &present, &new, told.clone());
            let committed = self.commit_told(commit, told, &account).await;
            match committed.map_err(Error::from) {
                Ok(()) => {
                    self.shared.confirm(id);
                    return Ok(new);
                }
                Err(Error::Contended) => match self.load(kind, id).await? {
                    Some(now) => present = now,
                    None => {
                        return Err(Error::NotFound {
                            kind: kind.ty().name.clone(),
                            id: id.to_owned(),
                        });
                    }
                },
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended)
    }
}

impl App {
    fn told_of_update(
        &self,
        kind: &Kind,
        id: &str,
        old: &Stored,
        new: &Stored,
        mut told: Told,
    ) -> Account {
        let (before, after) = (&old.record.resource, &new.record.resource);
        told.action = action(before, after);
        told.success(
            &self.name,
            &kind.ty().name,
            id,
            &new.record.anchor,
            label(after),
            Change::between(before, after),
        )
    }
}

/// What a change comes to: a disable is no update among others.
pub(crate) fn action(old: &Resource, new: &Resource) -> Action {
    match (is_active(old), is_active(new)) {
        (true, false) => Action::Disable,
        (false, true) => Action::Enable,
        _ => Action::Update,
    }
}

/// Who says nothing of it is active.
pub(crate) fn is_active(resource: &Resource) -> bool {
    resource.get("active").and_then(serde_json::Value::as_bool) != Some(false)
}

/// If-Match is honoured when it comes and never asked for: Entra sends none.
pub(crate) fn matches_version(stored: &Stored, if_match: Option<u64>) -> Result<(), Error> {
    match if_match {
        Some(wanted) if wanted != stored.record.version => Err(Error::Precondition {
            current: stored.record.version,
        }),
        _ => Ok(()),
    }
}
