//! The operator's `[mapping.KIND]` table.
//!
//! ```toml
//! [mapping.user]
//! "name.familyName" = "sn"        # this SCIM path is the target's `sn`
//! "nickName" = false              # not sent to the target, whatever it suggests
//! constants = { gidNumber = 100 } # sent to the target, never shown to SCIM
//! ```

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// What the operator wants otherwise than the connector suggests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    /// Values for object attributes that come from no resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub constants: BTreeMap<String, Constant>,
    /// SCIM path to object attribute.
    #[serde(flatten)]
    pub paths: BTreeMap<String, Choice>,
}

/// Where a SCIM path goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// To this attribute of the object.
    Attribute(String),
    /// Nowhere: the host keeps it.
    Unmapped,
}

/// A constant value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Constant {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Text; of a binary attribute base64, of an instant RFC 3339.
    Text(String),
    /// Several.
    Many(Vec<Constant>),
}

impl Overrides {
    /// Nothing otherwise.
    pub fn none() -> Self {
        Self::default()
    }

    /// This SCIM path goes to this attribute.
    #[must_use]
    pub fn map(mut self, path: &str, attribute: &str) -> Self {
        self.paths
            .insert(path.to_owned(), Choice::Attribute(attribute.to_owned()));
        self
    }

    /// This SCIM path goes nowhere.
    #[must_use]
    pub fn unmap(mut self, path: &str) -> Self {
        self.paths.insert(path.to_owned(), Choice::Unmapped);
        self
    }

    /// This attribute always has this value.
    #[must_use]
    pub fn constant(mut self, attribute: &str, value: Constant) -> Self {
        self.constants.insert(attribute.to_owned(), value);
        self
    }
}

impl Serialize for Choice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Attribute(name) => serializer.serialize_str(name),
            Self::Unmapped => serializer.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChoiceVisitor;
        impl Visitor<'_> for ChoiceVisitor {
            type Value = Choice;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an attribute of the target, or false (constants go under `constants`)")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Choice, E> {
                if name.trim().is_empty() {
                    return Err(E::invalid_value(de::Unexpected::Str(name), &self));
                }
                Ok(Choice::Attribute(name.to_owned()))
            }
            fn visit_bool<E: de::Error>(self, mapped: bool) -> Result<Choice, E> {
                if mapped {
                    return Err(E::invalid_value(de::Unexpected::Bool(true), &self));
                }
                Ok(Choice::Unmapped)
            }
        }
        deserializer.deserialize_any(ChoiceVisitor)
    }
}
