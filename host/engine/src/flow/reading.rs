//! One entry of the source, read: its key, whether it is in scope, its record, its dates.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tombolo_mapping::{Object, ObjectValue, Scalar, object_value};
use tombolo_runtime::contract::Entry;
use tombolo_store::Store;

use super::FlowError;
use super::book::key_of;
use super::definition::Definition;
use super::fact::{Dates, Fact};
use super::form::{Fitted, text_of};
use super::keys::FlowKeys;
use super::source::{Source, references};
use crate::convert;

/// What an entry turns out to be.
pub(crate) enum Seen {
    /// Somebody in scope.
    In(Box<Reading>),
    /// Somebody out of scope.
    Out {
        /// The key.
        key: String,
    },
    /// Nobody can say whose it is.
    NoKey {
        /// Why.
        why: String,
    },
    /// It is somebody's, and no record can be made of it.
    Unusable {
        /// The key.
        key: String,
        /// Why.
        why: String,
    },
}

/// Somebody in scope.
pub(crate) struct Reading {
    pub(crate) key: String,
    pub(crate) fact: Fact,
    /// The entry's object, when it refers to others that are not known yet: they may come later.
    pub(crate) unresolved: Option<Object>,
}

/// What entries are read with.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) fitted: &'a Fitted,
    pub(crate) source: &'a dyn Source,
    pub(crate) store: &'a dyn Store,
    /// The flow whose keys references are told by.
    pub(crate) referred: &'a FlowKeys,
    /// Whether the source is asked for those whom nobody knows yet: a scan comes to them by itself.
    pub(crate) asks: bool,
}

impl Reader<'_> {
    /// The key alone.
    pub(crate) fn key(&self, object: &Object) -> Result<Option<String>, String> {
        text_of(&self.definition.key, "key", object)
    }

    pub(crate) async fn read(&self, entry: &Entry) -> Result<Seen, FlowError> {
        self.read_object(&entry.anchor, convert::object(entry))
            .await
    }

    pub(crate) async fn read_object(
        &self,
        anchor: &str,
        object: Object,
    ) -> Result<Seen, FlowError> {
        let key = match self.key(&object) {
            Ok(Some(key)) => key,
            Ok(None) => {
                return Ok(Seen::NoKey {
                    why: "it has no key".to_owned(),
                });
            }
            Err(why) => {
                return Ok(Seen::NoKey {
                    why: format!("its key cannot be made: {why}"),
                });
            }
        };
        let includes = self
            .definition
            .scope
            .includes(&|name| object_value(&object, name));
        if !includes {
            return Ok(Seen::Out { key });
        }
        let (resolved, complete) = self.resolve(object.clone()).await?;
        let mut record = match self.fitted.make(&resolved) {
            Ok(record) => record,
            Err(wrong) => {
                let why = format!("`{}` {}", wrong.path, wrong.why);
                return Ok(Seen::Unusable { key, why });
            }
        };
        let dates = match Dates::of(self.definition, &resolved) {
            Ok(dates) => dates,
            Err(why) => return Ok(Seen::Unusable { key, why }),
        };
        if self.definition.members {
            let members = self.members(anchor).await?;
            if members.is_empty() {
                record.cleared.push("members".to_owned());
            } else {
                let members: Vec<Value> =
                    members.iter().map(|key| json!({ "value": key })).collect();
                record
                    .attributes
                    .insert("members".to_owned(), members.into());
            }
        }
        Ok(Seen::In(Box::new(Reading {
            key,
            fact: Fact {
                anchor: anchor.to_owned(),
                record,
                begins: dates.begins,
                ends: dates.ends,
            },
            unresolved: (!complete).then_some(object),
        })))
    }

    /// The object with keys where the source has anchors of others; and whether all of them are known.
    async fn resolve(&self, mut object: Object) -> Result<(Object, bool), FlowError> {
        let mut complete = true;
        for attribute in references(self.source) {
            let anchors: Vec<String> = object
                .get(&attribute.name)
                .iter()
                .filter_map(|value| value.as_scalar().and_then(Scalar::as_text))
                .map(str::to_owned)
                .collect();
            if anchors.is_empty() {
                continue;
            }
            let mut keys = Vec::with_capacity(anchors.len());
            for anchor in anchors {
                match self.key_of(&anchor).await? {
                    Some(key) => keys.push(ObjectValue::from(key.as_str())),
                    None => complete = false,
                }
            }
            object.set(attribute.name.clone(), keys);
        }
        Ok((object, complete))
    }

    async fn key_of(&self, anchor: &str) -> Result<Option<String>, FlowError> {
        let known = key_of(self.store, self.referred, anchor).await?;
        if known.is_some() || !self.asks {
            return Ok(known);
        }
        let other = self.source.get(anchor).await?;
        let other = other.map(|entry| self.key(&convert::object(&entry)));
        Ok(other.and_then(Result::ok).flatten())
    }

    /// The keys of a group's members, as far as the flow that they belong to knows them.
    async fn members(&self, anchor: &str) -> Result<BTreeSet<String>, FlowError> {
        let mut keys = BTreeSet::new();
        for member in self.source.members(anchor).await? {
            keys.extend(key_of(self.store, self.referred, &member).await?);
        }
        Ok(keys)
    }
}
