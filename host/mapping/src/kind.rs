//! What a connector's `describe` says of one kind of object.

use serde::{Deserialize, Serialize};

use crate::error::{MappingError, Problem};

/// One entry of the describe document's `kinds`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kind {
    /// The name under which the connector is asked for objects of this kind.
    pub kind: String,
    /// The SCIM resource type that shows them: `User`, `Group` or a new name.
    pub resource: String,
    /// Of a new resource type: its path segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Of a new resource type: its schema URN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The kinds that members of such an object are of; empty means `user`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The attributes of an object.
    pub attributes: Vec<KindAttribute>,
}

/// One attribute of an object, or one part of a complex attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_excessive_bools)] // The document's own shape.
pub struct KindAttribute {
    /// The target's name of it.
    pub name: String,
    /// The data type.
    #[serde(rename = "type")]
    pub data: KindType,
    /// More than one value?
    #[serde(default)]
    pub multi: bool,
    /// A create without it is refused.
    #[serde(default)]
    pub required: bool,
    /// The target holds each value once within the kind.
    #[serde(default)]
    pub unique: bool,
    /// Values differ by case.
    #[serde(default)]
    pub case_exact: bool,
    /// When it may be written and read.
    #[serde(default)]
    pub mutability: KindMutability,
    /// Of a reference: the kind it points at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Canonical values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// The suggested SCIM path; of a part: the sub-attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scim: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Of a complex attribute: what one value is made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<KindAttribute>,
}

/// The data types of an object's attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KindType {
    /// Text.
    Text,
    /// True or false.
    Boolean,
    /// A whole number of 64 bits.
    Integer,
    /// An exact decimal, as text.
    Decimal,
    /// A point in time, RFC 3339 in UTC.
    Instant,
    /// Bytes.
    Binary,
    /// The anchor of another object.
    Reference,
    /// Made of parts.
    Complex,
}

/// When an attribute may be written and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KindMutability {
    /// Always.
    #[default]
    ReadWrite,
    /// Read only: the target sets it.
    ReadOnly,
    /// Written once.
    Immutable,
    /// Written, never read.
    WriteOnly,
}

impl KindType {
    /// The name as the describe document has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Instant => "instant",
            Self::Binary => "binary",
            Self::Reference => "reference",
            Self::Complex => "complex",
        }
    }
}

impl KindAttribute {
    /// An optional, single-valued, readable and writable attribute.
    pub fn new(name: impl Into<String>, data: KindType) -> Self {
        Self {
            name: name.into(),
            data,
            multi: false,
            required: false,
            unique: false,
            case_exact: false,
            mutability: KindMutability::default(),
            to: None,
            values: Vec::new(),
            scim: None,
            description: String::new(),
            parts: Vec::new(),
        }
    }

    /// May the host write it?
    pub fn is_writable(&self) -> bool {
        self.mutability != KindMutability::ReadOnly
    }

    /// May the host read it?
    pub fn is_readable(&self) -> bool {
        self.mutability != KindMutability::WriteOnly
    }
}

impl Kind {
    /// The attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&KindAttribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
    }

    /// The kinds that members of such an object are of.
    pub fn member_kinds(&self) -> Vec<&str> {
        if self.members.is_empty() {
            vec!["user"]
        } else {
            self.members.iter().map(String::as_str).collect()
        }
    }

    /// What is wrong with the description itself, whatever the operator does.
    pub fn validate(&self) -> Result<(), MappingError> {
        let mut problems = Vec::new();
        check_names("", &self.attributes, &mut problems);
        for attribute in &self.attributes {
            check_shape(attribute, &mut problems);
        }
        let known = ["User", "Group"].contains(&self.resource.as_str());
        if !known && (self.endpoint.is_none() || self.schema.is_none()) {
            problems.push(Problem::NoEndpoint {
                resource: self.resource.clone(),
            });
        }
        MappingError::unless_empty(&self.kind, problems)
    }
}

fn check_names(owner: &str, attributes: &[KindAttribute], problems: &mut Vec<Problem>) {
    for (index, attribute) in attributes.iter().enumerate() {
        let twice = attributes[..index]
            .iter()
            .any(|other| other.name == attribute.name);
        if twice {
            problems.push(Problem::DuplicateAttribute {
                attribute: format!("{owner}{}", attribute.name),
            });
        }
    }
}

fn check_shape(attribute: &KindAttribute, problems: &mut Vec<Problem>) {
    let mut shape = |what: &'static str| {
        problems.push(Problem::Shape {
            attribute: attribute.name.clone(),
            what,
        });
    };
    match attribute.data {
        KindType::Complex if attribute.parts.is_empty() => shape("is complex but has no parts"),
        KindType::Complex => {
            if attribute
                .parts
                .iter()
                .any(|part| part.data == KindType::Complex)
            {
                shape("has a complex part; parts are simple");
            }
            check_names(&format!("{}.", attribute.name), &attribute.parts, problems);
        }
        _ if !attribute.parts.is_empty() => shape("has parts but is not complex"),
        KindType::Reference if attribute.to.is_none() => {
            shape("is a reference but does not say `to` which kind");
        }
        _ => {}
    }
}
