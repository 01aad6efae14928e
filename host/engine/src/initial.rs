//! First passwords: made by the host, set in the call after the create, and handed over once.
//!
//! A password is in no journal, so a crash between making and setting it loses nothing but a value that nobody has seen:
//! the intent ([`Step::Password`]) says that one is owed, and whoever settles it makes another. When the target has it, one
//! commit ends the intent and puts the value, sealed, where `tombolo password take` finds it ([`crate::vault`]). A crash
//! between these two again leads to another value: what is handed over is always what was set last.
//!
//! A target that refuses the password ends the intent too: else nothing more could be written to the person. What it said
//! is kept instead of a value, until an administrator has another one set.

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use tombolo_mapping::expression::{Expression, Value};
use tombolo_mapping::{Edit, EditKind, Mapping, Object, ObjectValue, Readings, Scalar};
use tombolo_runtime::Call;
use tombolo_runtime::contract::Fault;
use tombolo_store::{Commit, Range, Write};

use crate::app::App;
use crate::audit::{Action, By, Change, Outcome, label};
use crate::convert;
use crate::error::Error;
use crate::expressions::Surroundings;
use crate::kind::Kind;
use crate::policy::InitialPassword;
use crate::reconcile::Stored;
use crate::record::{Intent, Step, decode, encode};
use crate::request::Request;

/// How a kind gets first passwords.
pub(crate) struct Initial {
    expression: Expression,
    readings: Readings,
    /// The attribute that takes it; none: the connector's own way.
    attribute: Option<String>,
    must_change: bool,
}

/// A first password that waits to be taken, or that the target refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Password {
    /// The SCIM id of the person.
    pub id: String,
    /// The resource type.
    pub kind: String,
    /// A name by which people know the person.
    pub name: Option<String>,
    /// Since when.
    pub at: Timestamp,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The value; only a host that has the key can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sealed: Option<String>,
}

impl Initial {
    /// As the app's file has it; the text is the rest of the sentence "`[policy.initial-password]` …".
    pub(crate) fn new(
        mapping: &mut Mapping,
        policy: &InitialPassword,
        ability: bool,
    ) -> Result<Self, String> {
        let expression = Expression::parse(&policy.expression).map_err(|why| why.to_string())?;
        let readings = mapping.readings(expression.attributes())?;
        match &policy.attribute {
            None if !ability => {
                return Err(
                    "needs an `attribute`: the connector has no way of its own to set passwords"
                        .to_owned(),
                );
            }
            None => {}
            Some(name) => match mapping.kind().attribute(name) {
                None => return Err(format!("names `{name}`, which the connector does not have")),
                Some(attribute) if !attribute.is_writable() => {
                    return Err(format!("names `{name}`, which cannot be written"));
                }
                Some(_) => {}
            },
        }
        Ok(Self {
            expression,
            readings,
            attribute: policy.attribute.clone(),
            must_change: policy.must_change,
        })
    }

    /// Whether a new object gets one: not where the client sends one.
    pub(crate) fn is_wanted(&self, object: &Object, sent: bool) -> bool {
        let filled = |name: &String| !object.get(name).is_empty();
        !sent && !self.attribute.as_ref().is_some_and(filled)
    }

    fn make(&self, kind: &Kind, stored: &Stored) -> Result<SecretString, String> {
        use tombolo_mapping::expression::Outcome;
        let (ty, resource) = (kind.ty(), &stored.record.resource);
        let read = |name: &str| self.readings.value(ty, resource, name);
        let made = self
            .expression
            .evaluate("password", &read, &Surroundings::new())
            .map_err(|why| format!("`[policy.initial-password]`: {why}"))?;
        match made {
            Outcome::Value(Value::Text(text)) if !text.is_empty() => Ok(text.into()),
            _ => Err("`[policy.initial-password]` came to no text".to_owned()),
        }
    }
}

impl App {
    /// Sets the first password that is owed, right after the create. The account is there whether this works or not: what
    /// fails is tried again in the background, so the create's answer does not depend on it.
    pub(crate) async fn first_password(self: &Arc<Self>, r: &Request, kind: &Kind, id: &str) {
        if let Err(why) = self.follow(r, kind, id).await {
            tracing::warn!(app = self.name, kind = kind.name, id, %why, "a first password was not set yet; it is tried again");
        }
    }

    /// What follows a create: a first password, the groups that a person who was out of scope is to be in, the members of a
    /// group that was.
    pub(crate) async fn after_create(
        &self,
        kind: &Kind,
        id: &str,
        password: bool,
    ) -> Result<Option<Step>, Error> {
        if password {
            return Ok(Some(Step::Password));
        }
        if kind.scope.is_some() && kind.ty().has_members() && self.has_members(id).await? {
            return Ok(Some(Step::Populate));
        }
        let joins = !self.kept_groups(id).await?.is_empty();
        Ok(joins.then_some(Step::Join))
    }

    /// Adds to the commit that ends a create that something follows it.
    pub(crate) fn owe(
        &self,
        kind: &Kind,
        id: &str,
        step: Step,
        mut commit: Commit,
        by: &By,
    ) -> Result<Commit, Error> {
        let key = self.keys.intent(id);
        let of_create = |write: &Write| matches!(write, Write::Delete(ended) if ended == &key.clone().into_bytes());
        if commit.writes.iter().any(of_create) {
            commit.writes.retain(|write| !of_create(write));
        } else {
            // A listing has linked the object under another id, which may have an unfinished write of its own.
            commit = commit.absent(&key);
        }
        let intent = self.next_intent(kind, step, by);
        Ok(commit.put(&key, encode(&intent)?))
    }

    /// Makes a password, sets it, and puts it where it can be taken. The caller holds the lock of `id`.
    pub(crate) async fn settle_password(
        &self,
        kind: &Kind,
        id: &str,
        intent: &Intent,
        call: &Call,
        r: &Request,
    ) -> Result<(), Error> {
        let (Some(stored), Some(initial)) = (self.load(kind, id).await?, &kind.initial) else {
            let end = Commit::new().delete(self.keys.intent(id));
            return Ok(self.store.commit(end).await?);
        };
        // The groups of who was out of scope come next.
        let end = self.ending(kind, id, Action::Enable, &intent.by).await?;
        let ty = &kind.ty().name;
        let name = label(&stored.record.resource);
        let mut password = Password {
            id: id.to_owned(),
            kind: ty.clone(),
            name: name.clone(),
            at: Timestamp::now(),
            refused: None,
            sealed: None,
        };
        let set = match initial.make(kind, &stored) {
            Ok(value) => {
                password.sealed = Some(self.vault.seal(&place(&self.name, id), &value)?);
                self.set_first(kind, &stored, initial, value, intent, call, r)
                    .await
            }
            Err(why) => Err(Error::NotSupported(why)),
        };
        let mut told = r.told(Action::Password);
        told.by = intent.by.clone();
        let account = match &set {
            Ok(()) => told.success(
                &self.name,
                ty,
                id,
                &stored.record.anchor,
                name,
                Change::default(),
            ),
            Err(why) if why.may_pass() => return set,
            Err(why) if why.fault() == Some(Fault::NotFound) => {
                let gone = self
                    .connector
                    .get(call, &kind.name, &stored.record.anchor, &[])
                    .await
                    .map_err(|error| self.target(error));
                if gone.is_err_and(|gone| gone.fault() == Some(Fault::NotFound)) {
                    told.action = Action::Vanish;
                    return self.drop_vanished(kind, id, &told).await;
                }
                told.ended(&self.name, ty, Some(id), Some(why))
            }
            Err(why) => told.ended(&self.name, ty, Some(id), Some(why)),
        };
        if let Err(why) = &set {
            let why = why.to_scim().detail;
            tracing::warn!(
                app = self.name,
                kind = kind.name,
                id,
                why,
                "a first password was refused; `tombolo password renew` has another one set"
            );
            password.sealed = None;
            password.refused = Some(why);
        }
        let commit = end.put(self.keys.password(id), encode(&password)?);
        Ok(self.commit_told(commit, &told, &account).await?)
    }

    #[expect(clippy::too_many_arguments, reason = "what one call is made of")]
    async fn set_first(
        &self,
        kind: &Kind,
        stored: &Stored,
        initial: &Initial,
        value: SecretString,
        intent: &Intent,
        call: &Call,
        r: &Request,
    ) -> Result<(), Error> {
        use secrecy::ExposeSecret as _;
        let anchor = &stored.record.anchor;
        let Some(name) = &initial.attribute else {
            let set = self
                .connector
                .set_password(call, anchor, value, initial.must_change);
            return self.write(r, "set-password", set).await;
        };
        let text = Scalar::Text(value.expose_secret().to_owned());
        let edit = Edit {
            kind: EditKind::Put,
            name: name.clone(),
            values: vec![ObjectValue::Simple(text)],
        };
        let edits = convert::edits(&[edit]);
        let update = self
            .connector
            .update(call, &kind.name, anchor, &edits, None, &intent.request);
        let written = self.write(r, "update", update).await;
        // The target's own words may repeat the value: it is in no list of secrets.
        written.map(|_| ()).map_err(|error| without(error, &value))
    }

    /// The first passwords that wait to be taken, and those that were refused.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn passwords(&self) -> Result<Vec<Password>, Error> {
        let pairs = self
            .store
            .scan(Range::prefix(self.keys.passwords()))
            .await?;
        pairs
            .iter()
            .map(|(_, bytes)| decode("a first password", bytes))
            .collect()
    }

    /// Hands a first password over, to one only: from then on nobody can read it, nor this host.
    ///
    /// # Errors
    /// None waits there, or this host has not the key that it was sealed with.
    pub async fn hand_over(
        &self,
        r: &Request,
        id: &str,
    ) -> Result<(Password, SecretString), Error> {
        let key = self.keys.password(id);
        let none = || Error::NotFound {
            kind: "first password of".to_owned(),
            id: id.to_owned(),
        };
        let bytes = self.store.get(&key).await?.ok_or_else(none)?;
        let password: Password = decode("a first password", &bytes)?;
        let Some(sealed) = &password.sealed else {
            let why = password.refused.as_deref().unwrap_or_default();
            return Err(Error::NotSupported(format!(
                "the target refused the first password of `{id}`: {why}; `tombolo password renew` has another one set"
            )));
        };
        let value = self.vault.open(&place(&self.name, id), sealed)?;
        let told = r.operation().told(Action::HandOver);
        let mut account = told.account(&self.name, &password.kind, Some(id), Outcome::Success);
        account.name.clone_from(&password.name);
        // Of two who come at once one gets it.
        let commit = Commit::new().equals(&key, bytes).delete(&key);
        self.commit_told(commit, &told, &account).await?;
        Ok((password, value))
    }

    /// Has another first password set, in the place of one that was lost or refused.
    ///
    /// # Errors
    /// There is no such person, the app gives no passwords, or the target fails.
    pub async fn renew_password(self: &Arc<Self>, r: &Request, id: &str) -> Result<(), Error> {
        let r = r.operation();
        let Some(kind) = self.kinds.iter().find(|kind| kind.initial.is_some()) else {
            return Err(Error::NotSupported(format!(
                "app `{}` gives no first passwords: its file has no `[policy.initial-password]`",
                self.name
            )));
        };
        self.can_write(kind)?;
        let (app, of, name) = (Arc::clone(self), id.to_owned(), kind.name.clone());
        let told = r.told(Action::Password);
        let write = async move {
            let kind = app.kind_of_name(&name)?;
            app.must_be_open().await?;
            let _held = app.shared.locks.lock(&of).await;
            let stored = app.load_settled(kind, &of, &r.call()).await?;
            let intent = Self::intent(&r, kind, Step::Password);
            let record = app.keys.record(&kind.ty().name, &of);
            let unchanged = Commit::new().equals(record, stored.bytes.clone());
            app.begin(&of, &intent, unchanged).await?;
            let set = app.settle_password(kind, &of, &intent, &r.call(), &r).await;
            if set.is_err() {
                app.settle_in_background();
            }
            set
        };
        self.to_its_end(told, kind.ty(), Some(id), write).await
    }
}

/// What a value is sealed for: it opens nowhere else.
fn place(app: &str, id: &str) -> String {
    format!("{app}/{id}")
}

/// The error without the value, wherever the target has put it.
fn without(mut error: Error, value: &SecretString) -> Error {
    use secrecy::ExposeSecret as _;
    use tombolo_runtime::CallError;
    if let Error::Target {
        source: CallError::Failure(failure),
        ..
    } = &mut error
    {
        failure.message = failure.message.replace(value.expose_secret(), "[password]");
        if let Some(code) = &mut failure.target_code {
            *code = code.replace(value.expose_secret(), "[password]");
        }
    }
    error
}
