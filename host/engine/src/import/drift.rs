//! Drift: an attribute was written through the host, and the target has another value now.
//!
//! It is noted when the mirror takes in what the target has, by whichever way that comes: an import, a read, a match
//! query. So an object that has not drifted costs nothing. What a client has cleared counts as written: Entra clears
//! once and never says so again. Attributes that no client ever wrote are the target's own affair.
//!
//! Writing the values again goes the way of every write: journaled, guarded by the breaker, told in the audit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tombolo_mapping::{Object, ObjectValue, Scalar};
use tombolo_scim::resource::Resource;
use tombolo_store::{Commit, Range};

use super::schedule::Reconcile;
use crate::app::App;
use crate::audit::{Action, By, label};
use crate::convert;
use crate::error::Error;
use crate::keys::id_of;
use crate::kind::Kind;
use crate::reconcile::Stored;
use crate::record::{Record, decode, encode};
use crate::request::Request;

/// Drifted objects that are looked at at a time.
const CHUNK: usize = 200;
/// What one repair may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);
/// What stands for a value that nobody may see.
const HIDDEN: &str = "[redacted]";

/// One attribute, by the target's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Drifted {
    /// What was last written through the host; nothing: it was cleared.
    pub(crate) expected: Vec<ObjectValue>,
    /// What the target has.
    pub(crate) found: Vec<ObjectValue>,
    /// When that was first seen.
    pub(crate) since: Timestamp,
}

/// The attributes of an object that have drifted.
pub(crate) type Drift = BTreeMap<String, Drifted>;

/// The same for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The target's name of the attribute.
    pub attribute: String,
    /// What was last written through the host.
    pub expected: Value,
    /// What the target has.
    pub found: Value,
    /// When that was first seen.
    pub since: Timestamp,
}

/// An object to be repaired, or that was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repair {
    /// Its SCIM id.
    pub id: String,
    /// The resource type.
    pub kind: String,
    /// A name by which people know it.
    pub name: Option<String>,
    /// What is written again.
    pub differences: Vec<Difference>,
}

impl App {
    /// Notes which of the attributes that were written through the host are not what they were. `shown` is what the
    /// target has, `old` what the mirror had, `new` what it is about to have.
    pub(crate) async fn note_drift(
        &self,
        kind: &Kind,
        id: &str,
        old: &Record,
        new: &mut Record,
        shown: &Object,
        commit: Commit,
    ) -> Result<Commit, Error> {
        if old.written.is_empty() {
            return Ok(commit);
        }
        let references = self.references_of_resource(kind, &old.resource).await?;
        // What cannot be said again cannot be compared.
        let Ok(former) = kind.mapping.to_object(&old.resource, &references) else {
            return Ok(commit);
        };
        let mut drift = self.drift_of(kind, id, old).await?;
        for name in &old.written {
            let attribute = kind.mapping.kind().attribute(name);
            if !attribute.is_some_and(tombolo_mapping::KindAttribute::is_readable) {
                continue;
            }
            let known = drift.get(name);
            let expected = known.map_or_else(|| former.get(name), |known| &known.expected);
            let found = shown.get(name);
            if same(kind, name, expected, found) {
                drift.remove(name);
                continue;
            }
            let noted = Drifted {
                expected: expected.to_vec(),
                found: found.to_vec(),
                since: known.map_or_else(Timestamp::now, |known| known.since),
            };
            drift.insert(name.clone(), noted);
        }
        self.put_drift(kind, id, &drift, new, commit)
    }

    /// After a write: what it wrote has not drifted any more, nor what the target has as expected.
    pub(crate) async fn end_drift(
        &self,
        kind: &Kind,
        id: &str,
        written: &[String],
        new: &mut Record,
        shown: &Object,
        commit: Commit,
    ) -> Result<Commit, Error> {
        new.written.extend(written.iter().cloned());
        if !new.drifted {
            return Ok(commit);
        }
        let mut drift = self.drift_of(kind, id, new).await?;
        drift.retain(|name, drifted| {
            !written.contains(name) && !same(kind, name, &drifted.expected, shown.get(name))
        });
        self.put_drift(kind, id, &drift, new, commit)
    }

    async fn drift_of(&self, kind: &Kind, id: &str, record: &Record) -> Result<Drift, Error> {
        if !record.drifted {
            return Ok(Drift::new());
        }
        let key = self.keys.drift(&kind.ty().name, id);
        match self.store.get(&key).await? {
            Some(bytes) => decode("a drift", &bytes),
            None => Ok(Drift::new()),
        }
    }

    fn put_drift(
        &self,
        kind: &Kind,
        id: &str,
        drift: &Drift,
        new: &mut Record,
        commit: Commit,
    ) -> Result<Commit, Error> {
        let key = self.keys.drift(&kind.ty().name, id);
        let had = new.drifted;
        new.drifted = !drift.is_empty();
        Ok(if new.drifted {
            commit.put(key, encode(drift)?)
        } else if had {
            commit.delete(key)
        } else {
            commit
        })
    }

    /// The attributes that a client wants written, by the target's names.
    pub(crate) async fn names_of(
        &self,
        kind: &Kind,
        wanted: &Resource,
    ) -> Result<Vec<String>, Error> {
        let references = self.references_of_resource(kind, wanted).await?;
        let object = kind.mapping.to_object(wanted, &references);
        let object = object.unwrap_or_default();
        Ok(object.iter().map(|(name, _)| name.to_owned()).collect())
    }

    /// The same of a change.
    pub(crate) async fn names_changed(
        &self,
        kind: &Kind,
        old: &Resource,
        new: &Resource,
    ) -> Result<Vec<String>, Error> {
        if old == new {
            return Ok(Vec::new());
        }
        let mut objects = [Object::new(), Object::new()];
        for (object, resource) in objects.iter_mut().zip([old, new]) {
            let references = self.references_of_resource(kind, resource).await?;
            let made = kind.mapping.to_object(resource, &references);
            *object = made.unwrap_or_default();
        }
        let edits = kind.mapping.edits(&objects[0], &objects[1]);
        Ok(edits.into_iter().map(|edit| edit.name).collect())
    }

    /// Everything of a kind that has drifted, behind `after`.
    pub(crate) async fn drifts(
        &self,
        kind: &Kind,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Drift)>, Error> {
        let ty = &kind.ty().name;
        let mut range = Range::prefix(self.keys.drifts(ty)).limit(limit);
        if let Some(after) = after {
            range = range.after(self.keys.drift(ty, after));
        }
        let pairs = self.store.scan(range).await?;
        pairs
            .iter()
            .map(|(key, bytes)| Ok((id_of(key), decode("a drift", bytes)?)))
            .collect()
    }

    pub(crate) fn repair_of(kind: &Kind, id: String, stored: &Stored, drift: &Drift) -> Repair {
        let hidden = kind.mapping.redacted();
        let show = |name: &str, values: &[ObjectValue]| {
            if hidden.contains(&name) && !values.is_empty() {
                HIDDEN.into()
            } else {
                shown(values)
            }
        };
        let differences = drift.iter().map(|(name, drifted)| Difference {
            attribute: name.clone(),
            expected: show(name, &drifted.expected),
            found: show(name, &drifted.found),
            since: drifted.since,
        });
        Repair {
            id,
            kind: kind.ty().name.clone(),
            name: label(&stored.record.resource),
            differences: differences.collect(),
        }
    }

    /// The ids of all that has drifted.
    ///
    /// # Errors
    /// The store fails.
    pub async fn drifted_ids(&self) -> Result<Vec<String>, Error> {
        let mut ids = Vec::new();
        for kind in &self.kinds {
            let keys = self.keys.drifts(&kind.ty().name);
            let pairs = self.store.scan(Range::prefix(keys)).await?;
            ids.extend(pairs.iter().map(|(key, _)| id_of(key)));
        }
        Ok(ids)
    }

    /// Writes again what was last written to an object through the host; without `write` it says what that would be.
    /// The target is asked first: what has come right meanwhile is left alone.
    ///
    /// # Errors
    /// 404 for an object that has not drifted, and whatever a write can end with.
    pub async fn repair(
        self: &Arc<Self>,
        r: &Request,
        id: &str,
        write: bool,
    ) -> Result<Repair, Error> {
        let (kind, stored, _) = self.drifted(id).await?;
        let asked = Instant::now();
        let entry = self
            .connector
            .get(&r.call(), &kind.name, &stored.record.anchor, &[])
            .await
            .map_err(|error| self.target(error))?;
        self.absorb(kind, &entry, asked).await?;
        let (kind, stored, drift) = self.drifted(id).await?;
        let repair = Self::repair_of(kind, id.to_owned(), &stored, &drift);
        if !write {
            return Ok(repair);
        }
        let mut object = convert::object(&entry);
        for (name, drifted) in &drift {
            object.set(name.clone(), drifted.expected.clone());
        }
        let references = self.references_of_object(kind, &object).await?;
        let mut wanted = stored.record.resource.clone();
        kind.mapping.overlay(&mut wanted, &object, &references);
        if wanted == stored.record.resource {
            return Err(Error::NotSupported(format!(
                "what has drifted of {} `{id}` is made by expressions that cannot be turned back; it is written again with the next change of what they are made of",
                kind.ty().name
            )));
        }
        let told = r.told(Action::Update);
        let (app, of_r, ty, of) = (
            Arc::clone(self),
            r.clone(),
            kind.ty().name.clone(),
            id.to_owned(),
        );
        let write = async move { app.write_inner(&of_r, &ty, &of, wanted, &[]).await };
        self.to_its_end(told, kind.ty(), Some(id), write).await?;
        Ok(repair)
    }

    async fn drifted(&self, id: &str) -> Result<(&Kind, Stored, Drift), Error> {
        for kind in &self.kinds {
            let Some(stored) = self.load(kind, id).await? else {
                continue;
            };
            let drift = self.drift_of(kind, id, &stored.record).await?;
            if !drift.is_empty() {
                return Ok((kind, stored, drift));
            }
        }
        Err(Error::NotFound {
            kind: "drifted resource".to_owned(),
            id: id.to_owned(),
        })
    }

    /// After an import, where the app's owner wants that.
    pub(crate) async fn repair_by_itself(self: &Arc<Self>, kind: &Kind) -> Result<(), Error> {
        if self.imports.reconcile != Reconcile::Repair {
            return Ok(());
        }
        let mut after = None;
        loop {
            let drifts = self.drifts(kind, after.as_deref(), CHUNK).await?;
            let Some((last, _)) = drifts.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            for (id, _) in drifts {
                let by = By {
                    request: format!("repair-{id}"),
                    ..By::default()
                };
                let deadline = tokio::time::Instant::now() + PATIENCE;
                let r = Request::new(String::new(), deadline, by);
                match self.repair(&r, &id, true).await {
                    Ok(_) | Err(Error::NotFound { .. }) => {}
                    Err(error) => {
                        tracing::warn!(app = self.name, kind = kind.name, id, %error, "what has drifted could not be written again");
                    }
                }
            }
        }
    }
}

/// Whether two lists of values mean the same to the target.
fn same(kind: &Kind, name: &str, a: &[ObjectValue], b: &[ObjectValue]) -> bool {
    let one = |values: &[ObjectValue]| -> Object {
        std::iter::once((name.to_owned(), values.to_vec())).collect()
    };
    kind.mapping.edits(&one(a), &one(b)).is_empty()
}

/// Values for people: one by itself, several as a list, none as null.
fn shown(values: &[ObjectValue]) -> Value {
    match values {
        [] => Value::Null,
        [one] => value(one),
        many => many.iter().map(value).collect(),
    }
}

fn value(value: &ObjectValue) -> Value {
    match value {
        ObjectValue::Simple(scalar) => simple(scalar),
        ObjectValue::Complex(parts) => parts
            .iter()
            .map(|(name, values)| {
                let value = match values.as_slice() {
                    [one] => simple(one),
                    many => many.iter().map(simple).collect(),
                };
                (name.clone(), value)
            })
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

fn simple(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Text(text) | Scalar::Decimal(text) | Scalar::Instant(text) => text.clone().into(),
        Scalar::Boolean(truth) => (*truth).into(),
        Scalar::Integer(number) => (*number).into(),
        Scalar::Bytes(bytes) => format!("{} bytes", bytes.len()).into(),
    }
}
