//! The description of a connector's kinds: a builder for the document that `describe` answers.
//!
//! Modifiers speak of the attribute named last:
//!
//! ```
//! use tombolo_sdk::schema::{Description, Kind};
//!
//! let description = Description::new("directory", "1.0.0").kind(
//!     Kind::user()
//!         .text("uid").required().unique().scim("userName")
//!         .boolean("enabled").scim("active")
//!         .reference("manager", "user").scim("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"),
//! );
//! assert!(description.to_json().contains("\"uid\""));
//! ```

use crate::{Attribute, Attributes as _, Entry, Failure, Result, Scalar, Value};
use serde::Serialize;
use serde_json::{Map, Value as Json};

/// The URN prefix of the enterprise user extension's attributes (RFC 7643 section 4.3), with the colon.
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:";

/// What a connector is made of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Description {
    /// The connector's name, as in its manifest.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// The kinds of object it knows.
    pub kinds: Vec<Kind>,
}

impl Description {
    /// A description without kinds. The name is the manifest's; the version usually `env!("CARGO_PKG_VERSION")`.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            kinds: Vec::new(),
        }
    }

    /// Adds a kind.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kinds.push(kind);
        self
    }

    /// The kind of this name, or an `unsupported`.
    pub fn find(&self, kind: &str) -> Result<&Kind> {
        self.kinds
            .iter()
            .find(|k| k.kind == kind)
            .ok_or_else(|| Failure::no_such_kind(kind))
    }

    /// The document.
    pub fn to_json(&self) -> String {
        // Strings, booleans and lists of them: serialising cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// One kind of object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kind {
    /// Its name in every call.
    pub kind: String,
    /// The SCIM resource type that shows it.
    pub resource: String,
    /// The path segment of a new resource type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The schema URN of a new resource type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The kinds that its members may be of, when the connector serves its membership. Empty: users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// Its attributes.
    pub attributes: Vec<Field>,
}

/// The type of an attribute's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Type {
    Text,
    Boolean,
    Integer,
    Decimal,
    Instant,
    Binary,
    Reference,
    Complex,
}

/// Who may change an attribute, and when (RFC 7643 section 2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Mutability {
    #[default]
    ReadWrite,
    ReadOnly,
    Immutable,
    WriteOnly,
}

/// One attribute of a kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools)]
pub struct Field {
    /// Its name in entries, edits and filters.
    pub name: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub kind: Type,
    /// Whether it may have several values.
    #[serde(skip_serializing_if = "is_false")]
    pub multi: bool,
    /// Whether an object cannot be without it.
    #[serde(skip_serializing_if = "is_false")]
    pub required: bool,
    /// Whether the target holds each value once.
    #[serde(skip_serializing_if = "is_false")]
    pub unique: bool,
    /// Whether upper and lower case differ.
    #[serde(skip_serializing_if = "is_false")]
    pub case_exact: bool,
    /// Who may change it.
    #[serde(skip_serializing_if = "is_default")]
    pub mutability: Mutability,
    /// The kind that a reference points at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Canonical values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// The suggested SCIM path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scim: Option<String>,
    /// What it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The parts of a complex attribute.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Field>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference
fn is_false(value: &bool) -> bool {
    !value
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference
fn is_default(value: &Mutability) -> bool {
    *value == Mutability::default()
}

impl Field {
    /// What a plain text (see [`Scalar::to_plain`]) means in this attribute; nothing where it is not of its type.
    pub fn scalar(&self, text: &str) -> Option<Scalar> {
        Some(match self.kind {
            Type::Boolean => Scalar::Boolean(text.parse().ok()?),
            Type::Integer => Scalar::Integer(text.parse().ok()?),
            Type::Decimal => Scalar::Decimal(text.to_owned()),
            Type::Instant => Scalar::Instant(text.to_owned()),
            Type::Text | Type::Reference => Scalar::Text(text.to_owned()),
            Type::Binary | Type::Complex => return None,
        })
    }

    /// A single-valued, optional attribute.
    pub fn new(name: impl Into<String>, kind: Type) -> Self {
        Self {
            name: name.into(),
            kind,
            multi: false,
            required: false,
            unique: false,
            case_exact: false,
            mutability: Mutability::ReadWrite,
            to: None,
            values: Vec::new(),
            scim: None,
            description: None,
            parts: Vec::new(),
        }
    }
}

/// The parts of a complex attribute: the same builder without a kind around it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    attributes: Vec<Field>,
}

/// An empty list of parts, to be filled.
pub fn parts() -> Parts {
    Parts::default()
}

macro_rules! builder {
    ($($type:ty),+) => { $(
        impl $type {
            /// Adds a text attribute.
            #[must_use]
            pub fn text(self, name: impl Into<String>) -> Self {
                self.field(Field::new(name, Type::Text))
            }

            /// Adds a boolean attribute.
            #[must_use]
            pub fn boolean(self, name: impl Into<String>) -> Self {
                self.field(Field::new(name, Type::Boolean))
            }

            /// Adds an integer attribute.
            #[must_use]
            pub fn integer(self, name: impl Into<String>) -> Self {
                self.field(Field::new(name, Type::Integer))
            }

            /// Adds an exact decimal attribute.
            #[must_use]
            pub fn decimal(self, name: impl Into<String>) -> Self {
                self.field(Field::new(name, Type::Decimal))
            }

            /// Adds a point in time.
            #[must_use]
            pub fn instant(self, name: impl Into<String>) -> Self {
                self.field(Field::new(name, Type::Instant))
            }

            /// Adds a binary attribute.
            #[must_use]
            pub fn binary(self, name: impl Into<String>) -> Self {
                self.field(Field::new(name, Type::Binary))
            }

            /// Adds a reference: its values are anchors of the kind `to`.
            #[must_use]
            pub fn reference(self, name: impl Into<String>, to: impl Into<String>) -> Self {
                self.field(Field { to: Some(to.into()), ..Field::new(name, Type::Reference) })
            }

            /// Adds an attribute made by hand.
            #[must_use]
            pub fn field(mut self, field: Field) -> Self {
                self.attributes.push(field);
                self
            }

            fn last(mut self, change: impl FnOnce(&mut Field)) -> Self {
                if let Some(field) = self.attributes.last_mut() {
                    change(field);
                }
                self
            }

            /// The attribute named last may have several values.
            #[must_use]
            pub fn multi(self) -> Self {
                self.last(|f| f.multi = true)
            }

            /// No object can be without the attribute named last.
            #[must_use]
            pub fn required(self) -> Self {
                self.last(|f| f.required = true)
            }

            /// The target holds each value of the attribute named last once.
            #[must_use]
            pub fn unique(self) -> Self {
                self.last(|f| f.unique = true)
            }

            /// Upper and lower case differ in the attribute named last.
            #[must_use]
            pub fn case_exact(self) -> Self {
                self.last(|f| f.case_exact = true)
            }

            /// The attribute named last is the target's to set.
            #[must_use]
            pub fn read_only(self) -> Self {
                self.last(|f| f.mutability = Mutability::ReadOnly)
            }

            /// The attribute named last is set when the object is created and never again.
            #[must_use]
            pub fn immutable(self) -> Self {
                self.last(|f| f.mutability = Mutability::Immutable)
            }

            /// The attribute named last is never read back.
            #[must_use]
            pub fn write_only(self) -> Self {
                self.last(|f| f.mutability = Mutability::WriteOnly)
            }

            /// The SCIM path suggested for the attribute named last.
            #[must_use]
            pub fn scim(self, path: impl Into<String>) -> Self {
                self.last(|f| f.scim = Some(path.into()))
            }

            /// The attribute named last, in the enterprise user extension.
            #[must_use]
            pub fn enterprise(self, name: &str) -> Self {
                self.last(|f| f.scim = Some(format!("{ENTERPRISE}{name}")))
            }

            /// Canonical values of the attribute named last.
            #[must_use]
            pub fn values<S: Into<String>>(self, values: impl IntoIterator<Item = S>) -> Self {
                self.last(|f| f.values = values.into_iter().map(Into::into).collect())
            }

            /// What the attribute named last means.
            #[must_use]
            pub fn describe(self, text: impl Into<String>) -> Self {
                self.last(|f| f.description = Some(text.into()))
            }
        }
    )+ };
}

builder!(Kind, Parts);

impl Kind {
    fn new(kind: &str, resource: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            resource: resource.to_owned(),
            endpoint: None,
            schema: None,
            members: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// Kind `user`, shown as SCIM User.
    pub fn user() -> Self {
        Self::new("user", "User")
    }

    /// Kind `group`, shown as SCIM Group.
    pub fn group() -> Self {
        Self::new("group", "Group")
    }

    /// A kind with a resource type of its own: `Kind::resource("device", "Device", "Devices", "urn:example:Device")`.
    pub fn resource(kind: &str, resource: &str, endpoint: &str, schema: &str) -> Self {
        Self {
            endpoint: Some(endpoint.to_owned()),
            schema: Some(schema.to_owned()),
            ..Self::new(kind, resource)
        }
    }

    /// Gives the kind another name: two kinds may show as one resource type.
    #[must_use]
    pub fn named(mut self, kind: &str) -> Self {
        kind.clone_into(&mut self.kind);
        self
    }

    /// The kinds its members may be of.
    #[must_use]
    pub fn with_members<S: Into<String>>(mut self, kinds: impl IntoIterator<Item = S>) -> Self {
        self.members = kinds.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a complex attribute of these parts.
    #[must_use]
    pub fn complex(self, name: impl Into<String>, parts: Parts) -> Self {
        self.field(Field {
            parts: parts.attributes,
            ..Field::new(name, Type::Complex)
        })
    }

    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&Field> {
        self.attributes.iter().find(|f| f.name == name)
    }

    /// The attributes whose values the target holds once.
    pub fn uniques(&self) -> impl Iterator<Item = &Field> {
        self.attributes.iter().filter(|f| f.unique)
    }

    /// An entry's simple values as JSON, for targets that hold bytes: [`decode`](Self::decode) reads it.
    pub fn encode(&self, entry: &Entry) -> Vec<u8> {
        let lists: Map<String, Json> = entry
            .attributes
            .iter()
            .map(|attribute| {
                let plain = |value: &Value| Some(value.as_scalar()?.to_plain()?.into_owned());
                let values = attribute.values.iter().filter_map(plain).collect();
                (attribute.name.clone(), values)
            })
            .collect();
        Json::Object(lists).to_string().into_bytes()
    }

    /// The entry that [`encode`](Self::encode) made the JSON of; the types are those described here.
    pub fn decode(&self, anchor: &str, json: &[u8]) -> Result<Entry> {
        let lists: Map<String, Json> = serde_json::from_slice(json)
            .map_err(|why| Failure::other(format!("{} {anchor}: {why}", self.kind)))?;
        let mut entry = Entry::new(anchor);
        for field in &self.attributes {
            let texts = lists.get(&field.name).and_then(Json::as_array);
            let texts = texts.into_iter().flatten().filter_map(Json::as_str);
            entry = entry.with_all(&field.name, texts.filter_map(|text| field.scalar(text)));
        }
        Ok(entry)
    }

    /// Fails as `invalid`, and names the attribute, when a required one is missing, one is unknown, or a single-valued
    /// one has several values.
    pub fn check(&self, entry: &Entry) -> Result<()> {
        let blame = |name: &str, why: String| Err(Failure::invalid(why).attribute(name));
        for Field { name, .. } in self.attributes.iter().filter(|f| f.required) {
            if entry.values(name).is_empty() {
                return blame(name, format!("{name} is required"));
            }
        }
        for Attribute { name, values } in &entry.attributes {
            match self.attribute(name) {
                None => return blame(name, format!("there is no attribute {name}")),
                Some(field) if values.len() > 1 && !field.multi => {
                    return blame(name, format!("{name} has one value at most"));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_reads_back() {
        let kind = Kind::user()
            .text("login")
            .boolean("active")
            .integer("room")
            .text("mail")
            .multi();
        let entry = Entry::new("1")
            .with("login", "Ána")
            .with("active", false)
            .with("room", 42);
        let entry = entry.with_all("mail", ["a@x", "b@x"]);
        assert_eq!(kind.decode("1", &kind.encode(&entry)), Ok(entry));
        assert!(kind.decode("1", b"{").is_err());
    }

    #[test]
    fn an_entry_is_checked_against_its_kind() {
        let kind = Kind::user()
            .text("login")
            .required()
            .unique()
            .text("mail")
            .multi();
        let good = Entry::new("1")
            .with("login", "ana")
            .with_all("mail", ["a@x", "b@x"]);
        assert_eq!(kind.check(&good), Ok(()));
        for (bad, blamed) in [
            (Entry::new("1"), "login"),
            (good.clone().with("shoe", "42"), "shoe"),
            (Entry::new("1").with_all("login", ["a", "b"]), "login"),
        ] {
            let failure = kind.check(&bad).expect_err(blamed);
            assert_eq!(failure.attribute.as_deref(), Some(blamed));
        }
        assert_eq!(
            kind.uniques().map(|f| f.name.as_str()).collect::<Vec<_>>(),
            ["login"]
        );
    }
}
