//! What the settings of connectors for directories have in common: attributes that the operator adds, and lists that may
//! be one value.

use serde::Deserialize;

/// An attribute that the operator adds to a kind.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Extra {
    /// Its name in the directory.
    pub name: String,
    /// The SCIM path suggested for it.
    pub scim: Option<String>,
    /// What its values are.
    #[serde(default, rename = "type")]
    pub kind: ExtraKind,
    /// Whether it has more than one value.
    #[serde(default)]
    pub multi: bool,
    /// Whether a create needs it.
    #[serde(default)]
    pub required: bool,
    /// Whether the directory holds each value once.
    #[serde(default)]
    pub unique: bool,
}

/// What an added attribute's values are.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ExtraKind {
    /// Text.
    #[default]
    Text,
    /// TRUE or FALSE.
    Boolean,
    /// A number.
    Integer,
    /// Bytes.
    Binary,
    /// The DN of a person.
    Reference,
}

/// One value or a list.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    /// The values.
    pub fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::More(values) => values,
        }
    }
}
