//! What a connector says of itself, as the kit reads it. The schema has been checked when the connector was bound.

use serde::Deserialize;

/// The document that `describe` answers.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Description {
    pub(crate) name: String,
    pub(crate) kinds: Vec<Kind>,
}

/// A kind of object.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Kind {
    #[serde(rename = "kind")]
    pub(crate) name: String,
    pub(crate) resource: String,
    #[serde(default)]
    members: Vec<String>,
    pub(crate) attributes: Vec<Field>,
}

/// An attribute, or a part of a complex one.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools)] // the document's own shape
pub(crate) struct Field {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) data: Type,
    #[serde(default)]
    pub(crate) multi: bool,
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default)]
    pub(crate) unique: bool,
    #[serde(default)]
    pub(crate) case_exact: bool,
    #[serde(default)]
    pub(crate) mutability: Mutability,
    #[serde(default)]
    pub(crate) to: Option<String>,
    #[serde(default)]
    pub(crate) values: Vec<String>,
    #[serde(default)]
    pub(crate) scim: Option<String>,
    #[serde(default)]
    pub(crate) parts: Vec<Field>,
}

/// The type of an attribute's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Type {
    Text,
    Boolean,
    Integer,
    Decimal,
    Instant,
    Binary,
    Reference,
    Complex,
}

/// Who may change an attribute, and when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mutability {
    #[default]
    ReadWrite,
    ReadOnly,
    Immutable,
    WriteOnly,
}

impl Field {
    pub(crate) fn is_readable(&self) -> bool {
        self.mutability != Mutability::WriteOnly
    }

    /// May it be given to a create?
    pub(crate) fn is_creatable(&self) -> bool {
        self.mutability != Mutability::ReadOnly
    }

    /// May it be changed later, and is what became of it seen?
    pub(crate) fn is_changeable(&self) -> bool {
        self.mutability == Mutability::ReadWrite
    }

    /// The distinguished name of an object (wit/README.md): a value that only the target's own rules make.
    pub(crate) fn is_place(&self) -> bool {
        self.name == "dn"
    }
}

impl Kind {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.attributes.iter().find(|field| field.name == name)
    }

    /// Does the `members` interface serve it?
    pub(crate) fn is_group(&self) -> bool {
        self.resource == "Group" || !self.members.is_empty()
    }

    /// The kinds that members are of, as far as it says.
    pub(crate) fn members(&self) -> &[String] {
        &self.members
    }

    /// The kind that the kit's members are of.
    pub(crate) fn member_kind(&self) -> &str {
        self.members.first().map_or("user", String::as_str)
    }
}

impl Description {
    pub(crate) fn kind(&self, name: &str) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.name == name)
    }
}
