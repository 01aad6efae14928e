//! One object type of an app: the connector's kind, its mapping, its indexes.

use tombolo_mapping::{Expressed, Mapping, ObjectValue};
use tombolo_scim::resource::Resource;
use tombolo_scim::schema::ResourceType;

use crate::index::{self, Indexed};
use crate::initial::Initial;
use crate::scope::Scoped;

/// See the module.
pub(crate) struct Kind {
    /// The connector's name of it: `user`.
    pub(crate) name: String,
    pub(crate) mapping: Mapping,
    pub(crate) indexed: Vec<Indexed>,
    /// Which of these tell objects apart, and whether the operator has said so.
    matching: (Vec<usize>, bool),
    /// The kinds that its members are of; they share one name space of anchors.
    pub(crate) members: Vec<String>,
    /// What a disable writes besides: attribute by attribute.
    pub(crate) on_disable: Vec<(String, Written)>,
    /// Whom the app is for; none: everybody.
    pub(crate) scope: Option<Scoped>,
    /// The first passwords that its new objects get.
    pub(crate) initial: Option<Initial>,
}

/// What an attribute is written over with.
pub(crate) enum Written {
    /// Always the same.
    Constant(Vec<ObjectValue>),
    /// What an expression makes of the resource.
    Made(Box<Expressed>),
}

impl Kind {
    pub(crate) fn new(name: &str, mapping: Mapping, members: Vec<String>) -> Self {
        let indexed = index::of(&mapping);
        Self {
            matching: index::matching(&mapping, &indexed),
            name: name.to_owned(),
            mapping,
            indexed,
            members,
            on_disable: Vec::new(),
            scope: None,
            initial: None,
        }
    }

    /// The attributes by which its objects are told apart, the first one first.
    pub(crate) fn matching(&self) -> impl Iterator<Item = &Indexed> {
        self.matching.0.iter().filter_map(|n| self.indexed.get(*n))
    }

    /// Whether the operator's file names them.
    pub(crate) fn matching_is_said(&self) -> bool {
        self.matching.1
    }

    pub(crate) fn ty(&self) -> &ResourceType {
        self.mapping.resource_type()
    }
}

impl Kind {
    /// The resource without what is only ever written: a password is never kept,
    /// neither in the mirror nor in the journal.
    pub(crate) fn without_secrets(&self, resource: &Resource) -> Resource {
        let mut open = resource.clone();
        self.mapping.strip_write_only(&mut open);
        open
    }
}
