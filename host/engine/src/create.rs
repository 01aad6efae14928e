//! POST: a new object in the target, never a second one.
//!
//! The unique values are claimed in the same commit that writes the intent, so
//! of two requests for the same name one gets 409, on one host or on many.

use tombolo_runtime::contract::Entry;
use tombolo_runtime::{CallError, Writes};
use tombolo_scim::resource::{Document, Resource};
use tombolo_store::Commit;
use uuid::Uuid;

use crate::app::App;
use crate::audit::{Action, Change, Told, label};
use crate::convert;
use crate::death::{self, Moment};
use crate::error::Error;
use crate::journal::mapping;
use crate::kind::Kind;
use crate::members::members_mark;
use crate::policy::Mode;
use crate::reconcile::Stored;
use crate::record::{Record, Step};
use crate::request::Request;

/// How often a claim is looked at again after its holder turned out to be gone.
const TRIES: usize = 4;
/// How long a request waits for another that holds the name it wants.
pub(crate) const HOLDER: std::time::Duration = std::time::Duration::from_secs(5);

impl App {
    pub(crate) async fn create_inner(
        self: &std::sync::Arc<Self>,
        r: &Request,
        ty: &str,
        document: Document,
    ) -> Result<(String, Stored), Error> {
        self.create_as(r, ty, document, Uuid::now_v7().to_string())
            .await
    }

    /// The same under an id that is given.
    pub(crate) async fn create_as(
        self: &std::sync::Arc<Self>,
        r: &Request,
        ty: &str,
        document: Document,
        id: String,
    ) -> Result<(String, Stored), Error> {
        let kind = self.kind_named(ty)?;
        self.can_write(kind)?;
        self.must_be_open().await?;
        let Document {
            mut resource,
            members,
            ignored,
        } = document;
        self.note_ignored(kind, &ignored);
        let members = members.unwrap_or_default();
        let password = self.take_password(kind, &mut resource)?;
        self.check_active(kind, None, &resource)?;
        self.known_members(kind, &members).await?;
        if !kind.in_scope(&resource) {
            let created = self.create_outside(r, kind, &id, &resource, &members);
            let stored = Box::pin(created).await?;
            return Ok((id, stored));
        }
        let references = self.references_of_resource(kind, &resource).await?;
        let object = self
            .new_object(kind, &resource, &references, &r.call())
            .await?;
        kind.mapping.require(&object).map_err(mapping)?;

        if let Some(present) = self.account_for(r, kind, &resource).await? {
            self.adopt_for(r, kind, &present, &resource, members)
                .await?;
            let _held = self.shared.locks.lock(&present).await;
            let stored = self.load_settled(kind, &present, &r.call()).await?;
            let stored = self
                .with_password(r, kind, &present, stored, password)
                .await?;
            return Ok((present, stored));
        }
        let _held = self.shared.locks.lock(&id).await;
        let wish = Self::wish(kind, &resource, &members);
        if let Some(wish) = wish {
            self.only_once(r, kind, wish, &id).await?;
        }
        let initial = kind
            .initial
            .as_ref()
            .is_some_and(|initial| initial.is_wanted(&object, password.is_some()));
        let intent = Self::intent(
            r,
            kind,
            Step::Create {
                resource: kind.without_secrets(&resource),
                password: initial,
            },
        );
        let claimed = self.claim(r, kind, &id, None, &resource, &intent).await;
        if let (Err(_), Some(wish)) = (&claimed, &wish) {
            self.shared.wishes.forget(wish, &id);
        }
        claimed?;

        let attributes = convert::attributes(&object);
        let written = self
            .write(
                r,
                "create",
                self.connector
                    .create(&r.call(), &kind.name, &attributes, &intent.request),
            )
            .await;
        let entry = match written {
            Ok(entry) => entry,
            Err(error) => {
                let error = self.failed(kind, &id, &intent.step, error).await;
                if let (Some(wish), false) = (&wish, error.outcome_unknown()) {
                    self.shared.wishes.forget(wish, &id);
                }
                // What the target does not find is what the new object refers to.
                return Err(error.about_a_reference());
            }
        };
        let (id, mut stored) = self
            .finish_create(
                kind,
                &id,
                &kind.without_secrets(&resource),
                &entry,
                initial,
                &r.told(Action::Create),
            )
            .await?;
        if initial {
            Box::pin(self.first_password(r, kind, &id)).await;
        }
        stored = self.with_password(r, kind, &id, stored, password).await?;
        if !members.is_empty() {
            stored = self
                .add_members(r, kind, &id, stored, &members)
                .await
                .map_err(|error| created_without_members(&id, error))?;
        }
        Ok((id, stored))
    }

    /// Writes the intent, and with it claims the unique values that `wanted` has
    /// and the present record has not. Whoever has one of them already is asked
    /// whether he still lives.
    pub(crate) async fn claim(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        present: Option<&Stored>,
        wanted: &Resource,
        intent: &crate::record::Intent,
    ) -> Result<(), Error> {
        for _ in 0..TRIES {
            let mut commit = self.claims(r, kind, id, present, wanted).await?;
            if let Some(present) = present {
                commit =
                    commit.equals(self.keys.record(&kind.ty().name, id), present.bytes.clone());
            }
            match self.begin(id, intent, commit).await {
                Err(Error::Contended) => {
                    if let (Some(present), Some(now)) = (present, self.load(kind, id).await?)
                        && present.bytes != now.bytes
                    {
                        return Err(Error::Contended);
                    }
                }
                other => return other,
            }
        }
        Err(Error::Contended)
    }

    /// What claims the unique values that `wanted` has and the present record has not.
    pub(crate) async fn claims(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        present: Option<&Stored>,
        wanted: &Resource,
    ) -> Result<Commit, Error> {
        let mut commit = Commit::new();
        {
            for index in kind.indexed.iter().filter(|index| index.unique) {
                let has = present
                    .map(|s| index.values(&s.record.resource))
                    .unwrap_or_default();
                for value in index
                    .values(wanted)
                    .iter()
                    .filter(|value| !has.contains(value))
                {
                    let claim = self.keys.unique(&kind.ty().name, &index.label, value);
                    commit = match self.store.get(&claim).await? {
                        None => commit.absent(&claim).put(&claim, id),
                        Some(holder) if holder == id.as_bytes() => commit,
                        Some(holder) => {
                            let other = String::from_utf8_lossy(&holder).into_owned();
                            if self.lives(r, kind, &other, &index.label, value).await? {
                                return Err(Error::Taken {
                                    message: format!(
                                        "another {} already has the {} `{value}`",
                                        kind.ty().name,
                                        index.label
                                    ),
                                });
                            }
                            match self.store.get(&claim).await? {
                                // Its end gave the claim back.
                                None => commit.absent(&claim).put(&claim, id),
                                Some(still) if still == holder => {
                                    commit.equals(&claim, still).put(&claim, id)
                                }
                                Some(_) => return Err(Error::Contended),
                            }
                        }
                    };
                }
            }
        }
        Ok(commit)
    }

    /// Whether `id` really has this unique value: its unfinished write is
    /// settled, and what the mirror says is old is asked for again.
    async fn lives(
        &self,
        r: &Request,
        kind: &Kind,
        id: &str,
        label: &str,
        value: &str,
    ) -> Result<bool, Error> {
        let Some(_held) = self.shared.locks.lock_within(id, HOLDER).await else {
            return Err(Self::unsettled(kind, id));
        };
        self.settled(kind, id, &r.call()).await?;
        match self.fresh(r, kind, id).await {
            Ok(stored) => Ok(kind
                .indexed
                .iter()
                .filter(|index| index.label == label)
                .any(|index| {
                    index
                        .values(&stored.record.resource)
                        .iter()
                        .any(|v| v == value)
                })),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The commit that ends a create: record, link, indexes, the intent's end.
    ///
    /// A listing that ran meanwhile may have linked the object already; then
    /// that link stays, since its id may have been handed out. Where a first `password` is owed its intent takes the place of
    /// the one that ends.
    pub(crate) async fn finish_create(
        &self,
        kind: &Kind,
        id: &str,
        wanted: &Resource,
        entry: &Entry,
        password: bool,
        told: &Told,
    ) -> Result<(String, Stored), Error> {
        let object = convert::object(entry);
        let references = self.references_of_object(kind, &object).await?;
        let mut resource = wanted.clone();
        kind.mapping.overlay(&mut resource, &object, &references);
        let written = self.names_of(kind, wanted).await?;
        for _ in 0..TRIES {
            let end = Commit::new().delete(self.keys.intent(id));
            let mut before = Resource::default();
            let (id, mut commit, stored, new) = match self.linked(kind, &entry.anchor).await? {
                Some(other) => match self.load(kind, &other).await? {
                    Some(present) => {
                        let end = self.hand_over_claims(kind, id, &other, wanted, end).await?;
                        let mut record =
                            present.record.next(entry.anchor.clone(), resource.clone());
                        record.found = false;
                        let end = self
                            .end_drift(kind, &other, &written, &mut record, &object, end)
                            .await?;
                        let (commit, stored) = self
                            .put_record(kind, &other, Some(&present), &record, end)
                            .await?;
                        before = present.record.resource;
                        (other, commit, stored, 0)
                    }
                    // Its end came between the two looks.
                    None => continue,
                },
                None => match self.load(kind, id).await? {
                    // It comes into scope, or was linked under this id before.
                    Some(present) => {
                        let mut record =
                            present.record.next(entry.anchor.clone(), resource.clone());
                        record.outside = false;
                        record.written.extend(written.iter().cloned());
                        let (commit, stored) = self
                            .put_record(kind, id, Some(&present), &record, end)
                            .await?;
                        (id.to_owned(), commit, stored, 0)
                    }
                    None => {
                        let mut record = Record::new(entry.anchor.clone(), resource.clone());
                        record.written.extend(written.iter().cloned());
                        let (commit, stored) =
                            self.put_record(kind, id, None, &record, end).await?;
                        (id.to_owned(), commit, stored, 1)
                    }
                },
            };
            if let Some(step) = self.after_create(kind, &id, password).await? {
                commit = self.owe(kind, &id, step, commit, &told.by)?;
            }
            let account = told.success(
                &self.name,
                &kind.ty().name,
                &id,
                &entry.anchor,
                label(&resource),
                Change::between(&before, &resource),
            );
            let committed = self.commit_told(commit, told, &account).await;
            match committed.map_err(Error::from) {
                Ok(()) => {
                    self.shared.confirm(&id);
                    if new == 1 {
                        // A new group has no members but those that we add.
                        self.shared.confirm(&members_mark(&id));
                    }
                    self.shared.adjust_count(&kind.ty().name, new);
                    return Ok((id, stored));
                }
                Err(Error::Contended) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Contended)
    }

    async fn hand_over_claims(
        &self,
        kind: &Kind,
        from: &str,
        to: &str,
        wanted: &Resource,
        mut commit: Commit,
    ) -> Result<Commit, Error> {
        for index in kind.indexed.iter().filter(|index| index.unique) {
            for value in index.values(wanted) {
                let claim = self.keys.unique(&kind.ty().name, &index.label, &value);
                if self.store.get(&claim).await?.as_deref() == Some(from.as_bytes()) {
                    commit = commit.put(&claim, to);
                }
            }
        }
        Ok(commit)
    }

    /// Runs a connector's write; one at a time when the connector asked for that.
    pub(crate) async fn write<T>(
        &self,
        r: &Request,
        name: &'static str,
        call: impl Future<Output = Result<T, CallError>> + Send,
    ) -> Result<T, Error> {
        let one = match self.connector.component().manifest().writes {
            Writes::Serial => Some(self.shared.serial.lock().await),
            Writes::Parallel => None,
        };
        let turn = match &one {
            Some(_) => self.hosts.turn(&self.name).await?,
            None => None,
        };
        let began = std::time::Instant::now();
        let write = death::of_call(name);
        let written = death::during(write, Moment::Called, call).await;
        death::at(write, Moment::Answered);
        r.tale().called(name, began, &written);
        self.hosts.end_turn(turn).await;
        written.map_err(|error| self.target(error))
    }

    /// After a write that failed: an intent that changed nothing ends; one whose
    /// outcome is unknown stays, and is settled in the background.
    pub(crate) async fn failed(
        self: &std::sync::Arc<Self>,
        kind: &Kind,
        id: &str,
        step: &Step,
        error: Error,
    ) -> Error {
        if error.outcome_unknown() {
            tracing::warn!(app = self.name, kind = kind.name, id, %error, "a write ended without an answer; the target will be asked");
            self.settle_in_background();
            return error;
        }
        match self.abandon(kind, id, step).await {
            Ok(()) => error,
            Err(store) => store,
        }
    }

    pub(crate) fn can_write(&self, kind: &Kind) -> Result<(), Error> {
        if self.policy.mode == Mode::ReadOnly {
            return Err(Error::Policy(format!(
                "app `{}` is read-only: its file says `[policy] mode = \"read-only\"`",
                self.name
            )));
        }
        if self.connector.abilities().write {
            return Ok(());
        }
        Err(Error::NotSupported(format!(
            "app `{}` is read-only: its connector `{}` does not export `write`, so no {} can be changed",
            self.name,
            self.connector.component().manifest().name,
            kind.ty().name
        )))
    }

    /// A disable that nothing in the target stands for would look like one and
    /// be none.
    pub(crate) fn check_active(
        &self,
        kind: &Kind,
        old: Option<&Resource>,
        new: &Resource,
    ) -> Result<(), Error> {
        let active = |r: &Resource| {
            r.as_map()
                .get("active")
                .and_then(serde_json::Value::as_bool)
                != Some(false)
        };
        if kind.ty().name != "User"
            || kind.mapping.maps_active()
            || active(new)
            || old.is_some_and(|old| !active(old))
        {
            return Ok(());
        }
        Err(Error::Request(tombolo_scim::error::Error::invalid_value(
            format!(
                "app `{}` has no way to disable an account: nothing in the target is mapped to `active`; \
             give the connector its rule for disabling, or map `active` in the app's file",
                self.name
            ),
        )))
    }
}

fn created_without_members(id: &str, error: Error) -> Error {
    let tell = |mut scim: tombolo_scim::error::Error| {
        scim.detail = format!(
            "the group was created with id `{id}`, but without members: {}",
            scim.detail
        );
        scim
    };
    match error {
        Error::Request(scim) => Error::Request(tell(scim)),
        Error::Reference(scim) => Error::Reference(tell(scim)),
        other => other,
    }
}
