//! PATCH and PUT: what has really changed, and nothing else, goes to the target.

use std::sync::Arc;

use tombolo_mapping::{Object, Update};
use tombolo_runtime::contract::{Entry, Fault};
use tombolo_scim::patch::{MemberEdit, PatchRequest};
use tombolo_scim::resource::{Document, Resource};
use tombolo_store::Commit;

use crate::app::{App, Request};
use crate::convert;
use crate::error::Error;
use crate::expressions::Surroundings;
use crate::journal::mapping;
use crate::kind::Kind;
use crate::reconcile::Stored;
use crate::record::Step;
use crate::stand_in;

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
        let _held = self.shared.locks.lock(id).await;
        for _ in 0..TRIES {
            let stored = self.load_settled(kind, id, &r.call()).await?;
            matches_version(&stored, if_match)?;
            let mut patched = patch.apply(kind.ty(), &stored.record.resource)?;
            self.note_ignored(kind, &patched.ignored);
            let password = self.take_password(kind, &mut patched.resource)?;
            match self
                .change(r, kind, id, stored, patched.resource, &patched.members)
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
                &stored.record.resource,
                document.resource.clone(),
            )?;
            let password = self.take_password(kind, &mut wanted)?;
            match self.change(r, kind, id, stored, wanted, &members).await {
                Err(Error::Contended) => {}
                Ok(stored) => return self.with_password(r, kind, id, stored, password).await,
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended)
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

    async fn change(
        self: &Arc<Self>,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: Stored,
        wanted: Resource,
        members: &[MemberEdit],
    ) -> Result<Stored, Error> {
        let plan = self.plan_members(kind, id, members).await?;
        let stored = if wanted == stored.record.resource {
            stored
        } else {
            self.change_attributes(r, kind, id, stored, wanted).await?
        };
        if plan.is_empty() {
            return Ok(stored);
        }
        self.change_members(r, kind, id, stored, plan).await
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
        self.check_active(kind, Some(old), &wanted)?;
        let references = self.references_of_resource(kind, &wanted).await?;
        let before = self.references_of_resource(kind, old).await?;
        let Update {
            object: new_object,
            edits,
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
            return self.finish_kept(kind, id, &stored, kept).await;
        }
        let anchor = stored.record.anchor.clone();
        let step = Step::Update {
            anchor: anchor.clone(),
            resource: kept.clone(),
        };
        let intent = Self::intent(kind, step);
        self.claim(r, kind, id, Some(&stored), &wanted, &intent)
            .await?;
        if edits.is_empty() {
            return self.finish_kept(kind, id, &stored, kept).await;
        }
        let written = self
            .write(self.connector.update(
                &r.call(),
                &kind.name,
                &anchor,
                &convert::edits(&edits),
                None,
                &intent.request,
            ))
            .await;
        match written {
            Ok(entry) => {
                let standing = stand_in::after(
                    &stored.record.standing,
                    &edits,
                    &new_object,
                    &convert::object(&entry),
                );
                self.finish_update(kind, id, &stored, &kept, &entry, &standing)
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
                        self.drop_vanished(kind, id).await?;
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
        kind: &Kind,
        id: &str,
        stored: &Stored,
        kept: Resource,
    ) -> Result<Stored, Error> {
        let end = Commit::new().delete(self.keys.intent(id));
        let record = stored.next(&stored.record.anchor, kept);
        let (commit, stored) = self
            .put_record(kind, id, Some(stored), &record, end)
            .await?;
        self.store.commit(commit).await?;
        Ok(stored)
    }

    /// The commit that ends an update: the mirror is what the target now has,
    /// over what the client wanted for the attributes that the host keeps.
    pub(crate) async fn finish_update(
        &self,
        kind: &Kind,
        id: &str,
        stored: &Stored,
        base: &Resource,
        entry: &Entry,
        standing: &Object,
    ) -> Result<Stored, Error> {
        let object = stand_in::hide(convert::object(entry), standing);
        let references = self.references_of_object(kind, &object).await?;
        let mut resource = base.clone();
        kind.mapping.overlay(&mut resource, &object, &references);
        let mut present = stored.clone();
        for _ in 0..TRIES {
            let mut record = present.next(&entry.anchor, resource.clone());
            record.standing.clone_from(standing);
            let end = Commit::new().delete(self.keys.intent(id));
            let (commit, new) = self
                .put_record(kind, id, Some(&present), &record, end)
                .await?;
            match self.store.commit(commit).await.map_err(Error::from) {
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

/// If-Match is honoured when it comes and never asked for: Entra sends none.
pub(crate) fn matches_version(stored: &Stored, if_match: Option<u64>) -> Result<(), Error> {
    match if_match {
        Some(wanted) if wanted != stored.record.version => Err(Error::Precondition {
            current: stored.record.version,
        }),
        _ => Ok(()),
    }
}
