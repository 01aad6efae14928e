//! The canonical resource, and how POST and PUT bodies become one.

pub(crate) mod editor;
mod member;
pub(crate) mod normalise;
mod read;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use self::editor::{Editor, Source};
pub use self::read::{read, read_with, replace};

/// A resource in canonical form.
///
/// Names in the schema's spelling, extension objects under their canonical URN, no nulls, no empty arrays or objects,
/// real booleans, `manager` as `{"value": …}`. Without `id`, `meta`, `schemas`, `members` and `groups`, which belong
/// to the server.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Resource(Map<String, Value>);

impl Resource {
    /// Takes a map that is canonical already, such as one that was stored.
    pub fn from_map(map: Map<String, Value>) -> Self {
        Self(map)
    }

    /// The attributes.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The attributes, to be changed; what is put in has to be canonical.
    pub fn as_map_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.0
    }

    /// The attributes.
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }

    /// The value of a top-level attribute in its canonical spelling.
    pub fn get(&self, attribute: &str) -> Option<&Value> {
        self.0.get(attribute)
    }

    /// Takes a top-level attribute out, such as `password` before the resource is kept.
    pub fn take(&mut self, attribute: &str) -> Option<Value> {
        self.0.shift_remove(attribute)
    }

    /// Is there nothing in it?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Names only: a value may be a password.
impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resource")?;
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What a POST or PUT body says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// The attributes.
    pub resource: Resource,
    /// The members, if the body has any; `[]` is an empty list, absent and null are `None`.
    pub members: Option<Vec<Member>>,
    /// Paths in the body that the schema does not know, dropped.
    pub ignored: Vec<String>,
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// The member's id.
    pub value: String,
    /// `User` or `Group`, if the client said so.
    pub kind: Option<String>,
}
