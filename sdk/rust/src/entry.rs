//! Entries, attributes and scalars: making them, reading them, applying edits to them.

use crate::{Attribute, Edit, EditKind, Entry, Failure, Part, Result, Scalar, Value};
use std::borrow::Cow;

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Scalar {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Scalar {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<bool> for Scalar {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Scalar {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<i32> for Scalar {
    fn from(value: i32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<u32> for Scalar {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<Vec<u8>> for Scalar {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl Scalar {
    /// The text of a text, decimal or instant.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Decimal(text) | Self::Instant(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean.
    pub fn as_boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The scalar as plain text, for targets that hold nothing else: `true`, `42`, the text itself. Bytes have none.
    pub fn to_plain(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) | Self::Decimal(text) | Self::Instant(text) => {
                Some(Cow::Borrowed(text))
            }
            Self::Boolean(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
            Self::Integer(value) => Some(Cow::Owned(value.to_string())),
            Self::Bytes(_) => None,
        }
    }
}

impl<S: Into<Scalar>> From<S> for Value {
    fn from(scalar: S) -> Self {
        Self::Simple(scalar.into())
    }
}

impl Value {
    /// The scalar of a simple value.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match self {
            Self::Simple(scalar) => Some(scalar),
            Self::Complex(_) => None,
        }
    }

    /// A complex value of these parts, each with one scalar.
    pub fn complex<N: Into<String>, S: Into<Scalar>>(
        parts: impl IntoIterator<Item = (N, S)>,
    ) -> Self {
        Self::Complex(
            parts
                .into_iter()
                .map(|(name, value)| Part {
                    name: name.into(),
                    values: vec![value.into()],
                })
                .collect(),
        )
    }
}

impl Attribute {
    /// An attribute with one value.
    pub fn new(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self {
            name: name.into(),
            values: vec![value.into()],
        }
    }

    /// An attribute with these values, in this order.
    pub fn all<V: Into<Value>>(
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self {
            name: name.into(),
            values: values.into_iter().map(Into::into).collect(),
        }
    }

    /// The first value, when it is simple.
    pub fn scalar(&self) -> Option<&Scalar> {
        self.values.first().and_then(Value::as_scalar)
    }
}

/// Reading a list of attributes by name: what `create` is given, or what an [`Entry`] holds. Names are compared exactly.
pub trait Attributes {
    /// The attributes themselves.
    fn list(&self) -> &[Attribute];

    /// The attribute of this name.
    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.list().iter().find(|a| a.name == name)
    }

    /// All values of the attribute; none when it is absent.
    fn values(&self, name: &str) -> &[Value] {
        self.attribute(name).map_or(&[], |a| &a.values)
    }

    /// The first simple value.
    fn scalar(&self, name: &str) -> Option<&Scalar> {
        self.attribute(name).and_then(Attribute::scalar)
    }

    /// The first value as text.
    fn text(&self, name: &str) -> Option<&str> {
        self.scalar(name).and_then(Scalar::as_text)
    }

    /// All values that are text.
    fn texts<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a, Self> {
        self.values(name)
            .iter()
            .filter_map(|v| v.as_scalar().and_then(Scalar::as_text))
    }

    /// The first value as a boolean.
    fn boolean(&self, name: &str) -> Option<bool> {
        self.scalar(name).and_then(Scalar::as_boolean)
    }

    /// The first value as an integer.
    fn integer(&self, name: &str) -> Option<i64> {
        self.scalar(name).and_then(Scalar::as_integer)
    }

    /// The first value as text, or an `invalid` that names the attribute.
    fn required(&self, name: &str) -> Result<&str> {
        self.text(name)
            .ok_or_else(|| Failure::invalid(format!("{name} is required")).attribute(name))
    }

    /// All attributes as one of the author's own types: a field takes the first value, a `Vec` field all of them, an
    /// `Option` field none when the attribute is absent. Complex values become maps.
    fn to<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        crate::typed::from_attributes(self.list())
    }
}

impl Attributes for [Attribute] {
    fn list(&self) -> &[Attribute] {
        self
    }
}

impl Attributes for Entry {
    fn list(&self) -> &[Attribute] {
        &self.attributes
    }
}

impl Entry {
    /// An entry without attributes.
    pub fn new(anchor: impl Into<String>) -> Self {
        Self {
            anchor: anchor.into(),
            version: None,
            attributes: Vec::new(),
        }
    }

    /// Sets the version: compared by the host, never parsed.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Adds an attribute with one value.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.attributes.push(Attribute::new(name, value));
        self
    }

    /// Adds an attribute with one value, or none when there is no value.
    #[must_use]
    pub fn with_some(self, name: impl Into<String>, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds an attribute with all of these values, or none when there are none.
    #[must_use]
    pub fn with_all<V: Into<Value>>(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let attribute = Attribute::all(name, values);
        if !attribute.values.is_empty() {
            self.attributes.push(attribute);
        }
        self
    }

    /// Leaves only the wanted attributes; an empty list wants all of them.
    #[must_use]
    pub fn keep(mut self, wanted: &[String]) -> Self {
        if !wanted.is_empty() {
            self.attributes.retain(|a| wanted.contains(&a.name));
        }
        self
    }

    /// Applies edits in order. An attribute that loses its last value is gone.
    pub fn apply(&mut self, edits: &[Edit]) {
        for edit in edits {
            let at = self
                .attributes
                .iter()
                .position(|a| a.name == edit.attribute.name)
                .unwrap_or_else(|| {
                    self.attributes.push(Attribute {
                        name: edit.attribute.name.clone(),
                        values: Vec::new(),
                    });
                    self.attributes.len() - 1
                });
            edit.apply_to(&mut self.attributes[at].values);
            if self.attributes[at].values.is_empty() {
                self.attributes.remove(at);
            }
        }
    }
}

impl Edit {
    /// Exactly these values from now on; none clears the attribute.
    pub fn put<V: Into<Value>>(
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self {
            kind: EditKind::Put,
            attribute: Attribute::all(name, values),
        }
    }

    /// These values too.
    pub fn add<V: Into<Value>>(
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self {
            kind: EditKind::Add,
            attribute: Attribute::all(name, values),
        }
    }

    /// These values no longer.
    pub fn remove<V: Into<Value>>(
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self {
            kind: EditKind::Remove,
            attribute: Attribute::all(name, values),
        }
    }

    /// The attribute's name.
    pub fn name(&self) -> &str {
        &self.attribute.name
    }

    /// What the edit makes of an attribute's values.
    pub fn apply_to(&self, values: &mut Vec<Value>) {
        match self.kind {
            EditKind::Put => values.clone_from(&self.attribute.values),
            EditKind::Add => {
                for value in &self.attribute.values {
                    if !values.contains(value) {
                        values.push(value.clone());
                    }
                }
            }
            EditKind::Remove => values.retain(|v| !self.attribute.values.contains(v)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_apply_in_order_and_an_empty_attribute_is_absent() {
        let mut entry = Entry::new("1").with("mail", "a@x").with("title", "Lead");
        entry.apply(&[
            Edit::add("mail", ["b@x", "a@x"]),
            Edit::remove("mail", ["a@x"]),
            Edit::put("title", Vec::<&str>::new()),
            Edit::put("active", [true]),
        ]);
        assert_eq!(entry.texts("mail").collect::<Vec<_>>(), ["b@x"]);
        assert!(entry.attribute("title").is_none());
        assert_eq!(entry.boolean("active"), Some(true));
    }

    #[test]
    fn an_empty_list_of_wanted_attributes_wants_all() {
        let entry = Entry::new("1").with("a", "1").with("b", "2");
        assert_eq!(entry.clone().keep(&[]).attributes.len(), 2);
        assert_eq!(entry.keep(&["b".to_owned()]).text("b"), Some("2"));
    }
}
