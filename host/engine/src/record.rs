//! What the store holds of one linked object, and of one unfinished write.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tombolo_mapping::{Object, ObjectValue};
use tombolo_scim::render::Meta;
use tombolo_scim::resource::Resource;

use crate::audit::By;
use crate::error::Error;

/// The link and the mirror of one object. Memberships are keys of their own:
/// a group of 50,000 does not rewrite itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The target's key of the object.
    pub(crate) anchor: String,
    /// What the host last knew: mapped attributes as the target had them, the
    /// rest as the client sent them.
    pub(crate) resource: Resource,
    /// The target's values that stand in for what a client has cleared.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub(crate) standing: Object,
    /// What a disable has written over, until an enable puts it back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) aside: Vec<Aside>,
    /// There is no object: the app is not for this resource. See [`crate::scope`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) outside: bool,
    /// What the client wants of it while it is out of the app's scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wish: Option<Resource>,
    /// The target's attributes that were written through the host.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) written: BTreeSet<String>,
    /// The host has found the object in the target, and no client has written to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) found: bool,
    /// Some of what was written is not what the target has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) drifted: bool,
    /// Counts the changes; the ETag.
    pub(crate) version: u64,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
}

/// An attribute of the object that a disable has written over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Aside {
    pub(crate) name: String,
    /// What was there.
    pub(crate) kept: Vec<ObjectValue>,
    /// What the disable has written.
    pub(crate) written: Vec<ObjectValue>,
}

/// A record of which nothing but the link is wanted: a thousand members are
/// looked up by theirs.
#[derive(Debug, Deserialize)]
pub(crate) struct Link {
    pub(crate) anchor: String,
    #[serde(default)]
    pub(crate) outside: bool,
}

impl Record {
    /// The first record of an object.
    pub(crate) fn new(anchor: String, resource: Resource) -> Self {
        let now = now();
        Self {
            anchor,
            resource,
            standing: Object::new(),
            aside: Vec::new(),
            outside: false,
            wish: None,
            written: BTreeSet::new(),
            found: false,
            drifted: false,
            version: 1,
            created: now,
            modified: now,
        }
    }

    /// This record after a change.
    pub(crate) fn next(&self, anchor: String, resource: Resource) -> Self {
        Self {
            anchor,
            resource,
            standing: self.standing.clone(),
            aside: self.aside.clone(),
            outside: self.outside,
            wish: self.wish.clone(),
            written: self.written.clone(),
            found: self.found,
            drifted: self.drifted,
            version: self.version + 1,
            created: self.created,
            modified: now(),
        }
    }

    pub(crate) fn meta(&self) -> Meta {
        Meta {
            created: self.created,
            last_modified: self.modified,
            version: self.version,
        }
    }
}

/// Now, in milliseconds: seven decimals are all that .NET's parser takes.
fn now() -> Timestamp {
    Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap_or_default()
}

/// A write that has begun and whose outcome is not yet known.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Intent {
    /// The connector's kind of the object.
    pub(crate) kind: String,
    /// Given to the connector with the write; stable for as long as it lives.
    pub(crate) request: String,
    pub(crate) begun: Timestamp,
    /// On whose behalf.
    #[serde(default)]
    pub(crate) by: By,
    /// The breaker counts it: a mark goes with it.
    #[serde(default, skip_serializing)]
    pub(crate) counts: bool,
    /// The host that works on it, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    pub(crate) step: Step,
}

/// What was to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Step {
    /// An object that does not exist yet.
    Create {
        resource: Resource,
        /// A first password follows.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        password: bool,
    },
    /// New values for an object.
    Update {
        anchor: String,
        resource: Resource,
        /// What is set aside when it is done.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        aside: Vec<Aside>,
    },
    /// The end of an object.
    Delete { anchor: String },
    /// Members come and go; SCIM ids.
    Members {
        anchor: String,
        add: Vec<String>,
        remove: Vec<String>,
    },
    /// A first password for an object that is there.
    Password,
    /// Who was disabled leaves the groups.
    Leave,
    /// Who was enabled, or came into scope, comes into the groups.
    Join,
    /// A group that came into scope gets its members.
    Populate,
}

/// Writes a record or an intent as the store keeps it.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|e| Error::Corrupt(format!("cannot be written: {e}")))
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode<T: for<'de> Deserialize<'de>>(what: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::Corrupt(format!("{what}: {e}")))
}
