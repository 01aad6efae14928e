//! Scope: whom an app is for. Who is out of it is not created; who leaves it is disabled.
//!
//! The client is answered as if there were no scope: 201, 200 and 204, and every later request finds the resource that it was
//! told of. Entra filters on its own side without a word; an error would be counted, repeated in each cycle, and
//! quarantine the job. So the host keeps what it was told, and the target has nothing of it:
//!
//! | the resource | the record |
//! |---|---|
//! | was never in scope | is `outside`: all that there is of it. Its anchor is made up, no target is asked for it |
//! | has left the scope | has a `wish` besides: what the client wants. The object is disabled, or left alone |
//! | comes (back) into scope | the wish is carried out: a create, or an update from what the target has |
//!
//! A filter is evaluated on the whole resource as the client wants it, never on what one request happens to change.
//!
//! A person who is outside is in no group of the target. The groups that a client names are kept with those that a disable
//! takes people out of ([`crate::leave`]), and follow the create in the same way.

use std::sync::Arc;

use tombolo_mapping::{Mapping, Readings, Scope};
use tombolo_scim::resource::{Member, Resource};
use tombolo_scim::schema::ResourceType;
use tombolo_store::Commit;

use crate::app::App;
use crate::audit::{Action, Change, Outcome, Told, label};
use crate::convert;
use crate::error::Error;
use crate::held::Held;
use crate::journal::mapping;
use crate::kind::Kind;
use crate::members::MemberPlan;
use crate::policy::OutOfScope;
use crate::reconcile::Stored;
use crate::record::{Record, Step};
use crate::request::Request;
use crate::update::is_active;

/// How often a commit that lost against another is tried again.
const TRIES: usize = 4;

/// The scope of one kind.
pub(crate) struct Scoped {
    scope: Scope,
    readings: Readings,
}

impl Scoped {
    /// Of an app's file; the text is the rest of the sentence "`[[scope]]` …".
    pub(crate) fn new(mapping: &mut Mapping, scope: &Scope) -> Result<Self, String> {
        let readings = mapping.readings(scope.attributes())?;
        Ok(Self {
            scope: scope.clone(),
            readings,
        })
    }

    fn includes(&self, ty: &ResourceType, resource: &Resource) -> bool {
        self.scope
            .includes(&|name| self.readings.value(ty, resource, name))
    }
}

impl Kind {
    /// Whether the app is for this resource.
    pub(crate) fn in_scope(&self, resource: &Resource) -> bool {
        let scope = self.scope.as_ref();
        scope.is_none_or(|scope| scope.includes(self.ty(), resource))
    }
}

/// The anchor of a record that has no object: no target has one like it.
fn made_up(id: &str) -> String {
    format!("\0{id}")
}

/// Whether an anchor stands for no object.
pub(crate) fn is_made_up(anchor: &str) -> bool {
    anchor.starts_with('\0')
}

impl App {
    /// A resource as its client believes it to be: as it wants it, where that is not done.
    pub(crate) fn believed(held: Option<&Held>, record: &Record) -> Resource {
        let wish = record.wish.as_ref().unwrap_or(&record.resource);
        Self::as_believed(held, wish)
    }

    /// POST of a resource that is out of scope.
    pub(crate) async fn create_outside(
        self: &Arc<Self>,
        r: &Request,
        kind: &Kind,
        id: &str,
        resource: &Resource,
        members: &[Member],
    ) -> Result<Stored, Error> {
        let _held = self.shared.locks.lock(id).await;
        let mut record = Record::new(made_up(id), kind.without_secrets(resource));
        record.outside = true;
        let stored = self
            .put_outside(r, kind, id, None, &record, Action::Create)
            .await?;
        self.shared.adjust_count(&kind.ty().name, 1);
        if members.is_empty() {
            return Ok(stored);
        }
        self.add_members(r, kind, id, stored, members).await
    }

    /// What becomes of one that has no object.
    pub(crate) async fn change_outside(
        self: &Arc<Self>,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: Stored,
        wanted: Resource,
        plan: MemberPlan,
    ) -> Result<Stored, Error> {
        let wanted_open = kind.without_secrets(&wanted);
        let stored = if kind.in_scope(&wanted) {
            self.enter(r, kind, id, &stored, wanted).await?
        } else if wanted_open == stored.record.resource {
            stored
        } else {
            let record = stored.next(&stored.record.anchor, wanted_open);
            self.put_outside(r, kind, id, Some(&stored), &record, Action::Update)
                .await?
        };
        self.change_members(r, kind, id, stored, plan).await
    }

    async fn put_outside(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        old: Option<&Stored>,
        record: &Record,
        action: Action,
    ) -> Result<Stored, Error> {
        for _ in 0..TRIES {
            let claims = self.claims(r, kind, id, old, &record.resource).await?;
            let (commit, stored) = self.put_record(kind, id, old, record, claims).await?;
            match self
                .commit_skipped(commit, &r.told(action), kind, id, old, record)
                .await
            {
                Err(Error::Contended) if old.is_none() => {}
                Err(why) => return Err(why),
                Ok(()) => return Ok(stored),
            }
        }
        Err(Error::Contended)
    }

    /// Commits what only the host knows of, and tells that nothing was done.
    async fn commit_skipped(
        &self,
        commit: Commit,
        told: &Told,
        kind: &Kind,
        id: &str,
        old: Option<&Stored>,
        new: &Record,
    ) -> Result<(), Error> {
        let mut account = told.account(&self.name, &kind.ty().name, Some(id), Outcome::Skipped);
        let before = old.map(|old| Self::believed(None, &old.record));
        let after = Self::believed(None, new);
        let change = Change::between(&before.unwrap_or_default(), &after);
        account.name = label(&after);
        account.before = change.before;
        account.after = change.after;
        Ok(self.commit_told(commit, told, &account).await?)
    }

    /// A resource that had no object comes into scope: it is created, under the id that it has.
    async fn enter(
        self: &Arc<Self>,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: &Stored,
        wanted: Resource,
    ) -> Result<Stored, Error> {
        let references = self.references_of_resource(kind, &wanted).await?;
        let object = self
            .new_object(kind, &wanted, &references, &r.call())
            .await?;
        kind.mapping.require(&object).map_err(mapping)?;
        let password = kind
            .initial
            .as_ref()
            .is_some_and(|initial| initial.is_wanted(&object, false));
        let kept = kind.without_secrets(&wanted);
        let intent = Self::intent(
            r,
            kind,
            Step::Create {
                resource: kept.clone(),
                password,
            },
        );
        self.claim(r, kind, id, Some(stored), &wanted, &intent)
            .await?;
        let (attributes, call) = (convert::attributes(&object), r.call());
        let create = self
            .connector
            .create(&call, &kind.name, &attributes, &intent.request);
        let entry = match self.write(r, "create", create).await {
            Ok(entry) => entry,
            Err(error) => {
                let error = self.failed(kind, id, &intent.step, error).await;
                return Err(error.about_a_reference());
            }
        };
        let told = r.told(Action::Create);
        let (now, made) = self
            .finish_create(kind, id, &kept, &entry, password, &told)
            .await?;
        self.follow(r, kind, &now).await?;
        Ok(self.load(kind, &now).await?.unwrap_or(made))
    }

    /// What becomes of one that has an object, and is out of scope as it is wanted: the wish is kept, and the object is disabled
    /// or left alone.
    #[expect(clippy::too_many_arguments, reason = "what a change is made of")]
    pub(crate) async fn leave_scope(
        self: &Arc<Self>,
        r: &Request,
        kind: &Kind,
        id: &str,
        mut stored: Stored,
        held: Option<Held>,
        wanted: &Resource,
        plan: MemberPlan,
    ) -> Result<Stored, Error> {
        let wish = kind.without_secrets(wanted);
        if stored.record.wish.as_ref() != Some(&wish) {
            let resource = stored.record.resource.clone();
            let mut record = stored.next(&stored.record.anchor, resource);
            record.wish = Some(wish);
            let (commit, new) = self
                .put_record(kind, id, Some(&stored), &record, Commit::new())
                .await?;
            let told = r.told(Action::Update);
            self.commit_skipped(commit, &told, kind, id, Some(&stored), &record)
                .await?;
            stored = new;
        }
        let can = kind.ty().name == "User" && kind.mapping.maps_active();
        if self.policy.out_of_scope == OutOfScope::Disable
            && can
            && is_active(&stored.record.resource)
        {
            let mut disabled = stored.record.resource.clone();
            disabled
                .as_map_mut()
                .insert("active".to_owned(), false.into());
            stored = self
                .change_in_scope(r, kind, id, stored, held, disabled)
                .await?;
        }
        self.change_members(r, kind, id, stored, plan).await
    }

    /// One that is back in scope has no wish any more: it is carried out.
    pub(crate) async fn fulfilled(
        &self,
        kind: &Kind,
        id: &str,
        stored: Stored,
    ) -> Result<Stored, Error> {
        if stored.record.wish.is_none() {
            return Ok(stored);
        }
        let mut record = stored.record.clone();
        record.wish = None;
        let (commit, new) = self
            .put_record(kind, id, Some(&stored), &record, Commit::new())
            .await?;
        self.store.commit(commit).await?;
        Ok(new)
    }

    /// The end of one that has no object.
    pub(crate) async fn delete_outside(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        stored: &Stored,
    ) -> Result<(), Error> {
        self.unlink(kind, id, stored, &r.told(Action::Delete)).await
    }
}
