//! SCIM ids and the anchors that they stand for.

use std::collections::HashMap;

/// One end of a reference: an id or an anchor of some kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// The kind that is pointed at.
    pub kind: String,
    /// The SCIM id or the anchor, as the function says that returns it.
    pub value: String,
}

/// The links that one conversion needs, looked up beforehand.
#[derive(Clone, Debug, Default)]
pub struct References {
    anchors: HashMap<Reference, String>,
    ids: HashMap<Reference, String>,
}

impl References {
    /// No links.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the link between a SCIM id and the anchor of an object.
    pub fn link(&mut self, kind: &str, id: &str, anchor: &str) {
        self.anchors.insert(reference(kind, id), anchor.to_owned());
        self.ids.insert(reference(kind, anchor), id.to_owned());
    }

    /// The anchor of the object that is linked with a SCIM id.
    pub fn anchor(&self, kind: &str, id: &str) -> Option<&str> {
        self.anchors.get(&reference(kind, id)).map(String::as_str)
    }

    /// The SCIM id that is linked with an anchor.
    pub fn id(&self, kind: &str, anchor: &str) -> Option<&str> {
        self.ids.get(&reference(kind, anchor)).map(String::as_str)
    }
}

fn reference(kind: &str, value: &str) -> Reference {
    Reference {
        kind: kind.to_owned(),
        value: value.to_owned(),
    }
}
