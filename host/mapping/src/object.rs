//! The values of an object in the target, and the edits that change them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// An object's values by attribute. An attribute without values is not there.
///
/// `Debug` shows no values: one may be a password.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Object(BTreeMap<String, Vec<ObjectValue>>);

/// One value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectValue {
    /// A scalar.
    Simple(Scalar),
    /// Parts and their values; a part without values is not there.
    Complex(Vec<(String, Vec<Scalar>)>),
}

/// A scalar of the contract.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scalar {
    /// Text; an anchor, in a reference.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// An exact decimal, as text.
    Decimal(String),
    /// RFC 3339, UTC.
    Instant(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// What an edit does with its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EditKind {
    /// The attribute has exactly these values; without values it has none.
    Put,
    /// The attribute has these values too.
    Add,
    /// The attribute has these values no more.
    Remove,
}

/// A change to one attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// What is done.
    pub kind: EditKind,
    /// The attribute.
    pub name: String,
    /// With which values.
    pub values: Vec<ObjectValue>,
}

impl Object {
    /// An object without values.
    pub fn new() -> Self {
        Self::default()
    }

    /// The values of an attribute.
    pub fn get(&self, name: &str) -> &[ObjectValue] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// Sets the values of an attribute; none removes it.
    pub fn set(&mut self, name: impl Into<String>, values: Vec<ObjectValue>) {
        let name = name.into();
        if values.is_empty() {
            self.0.remove(&name);
        } else {
            self.0.insert(name, values);
        }
    }

    /// The attributes and their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[ObjectValue])> {
        self.0
            .iter()
            .map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// Has it no values at all?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes an edit, as a target would.
    pub fn apply(&mut self, edit: &Edit) {
        let mut values = self.get(&edit.name).to_vec();
        match edit.kind {
            EditKind::Put => values.clone_from(&edit.values),
            EditKind::Add => {
                for value in &edit.values {
                    if !values.contains(value) {
                        values.push(value.clone());
                    }
                }
            }
            EditKind::Remove => values.retain(|value| !edit.values.contains(value)),
        }
        self.set(edit.name.clone(), values);
    }
}

impl FromIterator<(String, Vec<ObjectValue>)> for Object {
    fn from_iter<T: IntoIterator<Item = (String, Vec<ObjectValue>)>>(iter: T) -> Self {
        let mut object = Self::new();
        for (name, values) in iter {
            object.set(name, values);
        }
        object
    }
}

impl IntoIterator for Object {
    type Item = (String, Vec<ObjectValue>);
    type IntoIter = std::collections::btree_map::IntoIter<String, Vec<ObjectValue>>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Object")?;
        f.debug_map()
            .entries(self.0.iter().map(|(name, values)| (name, values.len())))
            .finish()
    }
}

/// The type only: the value may be a password.
impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(..)",
            Self::Boolean(_) => "Boolean(..)",
            Self::Integer(_) => "Integer(..)",
            Self::Decimal(_) => "Decimal(..)",
            Self::Instant(_) => "Instant(..)",
            Self::Bytes(_) => "Bytes(..)",
        })
    }
}

impl From<Scalar> for ObjectValue {
    fn from(scalar: Scalar) -> Self {
        Self::Simple(scalar)
    }
}

impl From<&str> for ObjectValue {
    fn from(text: &str) -> Self {
        Self::Simple(Scalar::Text(text.to_owned()))
    }
}

impl ObjectValue {
    /// The scalar, if the value is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match self {
            Self::Simple(scalar) => Some(scalar),
            Self::Complex(_) => None,
        }
    }
}

impl Scalar {
    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}
