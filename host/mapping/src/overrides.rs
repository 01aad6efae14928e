//! The operator's `[mapping.KIND]` table.
//!
//! ```toml
//! [mapping.user]
//! "name.familyName" = "sn"        # this SCIM path is the target's `sn`
//! "nickName" = false              # not sent to the target, whatever it suggests
//! "title" = { attribute = "title", default = "-", apply = "create" }
//! constants = { gidNumber = 100 } # sent to the target, never shown to SCIM
//!
//! [mapping.user.expressions]      # the target's attribute = what it is made of
//! cn = 'Join(" ", [name.givenName], [name.familyName])'
//! uid = { expression = 'ToLower([userName])', match = 1, inverse = { userName = '[uid]' } }
//! ```

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// What the operator wants otherwise than the connector suggests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    /// Values for object attributes that come from no resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub constants: BTreeMap<String, Constant>,
    /// Object attribute to the expression that it is made of.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expressions: BTreeMap<String, Formula>,
    /// What `DefaultDomain()` comes to.
    #[serde(
        default,
        rename = "default-domain",
        skip_serializing_if = "Option::is_none"
    )]
    pub default_domain: Option<String>,
    /// SCIM path to object attribute.
    #[serde(flatten)]
    pub paths: BTreeMap<String, Choice>,
}

/// Where a SCIM path goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// To this attribute of the object.
    Attribute(String),
    /// To an attribute, with more to say about it.
    Direct(Direct),
    /// Nowhere: the host keeps it.
    Unmapped,
}

/// A direct flow with more to say about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Direct {
    /// The object's attribute.
    pub attribute: String,
    /// When it flows.
    #[serde(flatten)]
    pub terms: Terms,
}

/// An attribute that is made of others by an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formula {
    /// The expression; its attributes are SCIM paths.
    pub expression: String,
    /// When it flows.
    pub terms: Terms,
    /// What it is turned back into: SCIM path to an expression of the object's attributes. Without it the flow is
    /// only ever written.
    pub inverse: BTreeMap<String, String>,
}

/// When a flow flows, and what for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// A new object gets it when there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Constant>,
    /// Always, or once.
    #[serde(skip_serializing_if = "Apply::is_always")]
    pub apply: Apply,
    /// Objects are found by it; the lowest number is tried first.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matching: Option<u32>,
}

/// When a flow flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Apply {
    /// With every change.
    #[default]
    Always,
    /// Only when the object is created.
    Create,
}

impl Apply {
    #[allow(clippy::trivially_copy_pass_by_ref)] // Serde passes it so.
    fn is_always(&self) -> bool {
        *self == Self::Always
    }
}

impl Choice {
    /// The attribute that it names.
    pub fn attribute(&self) -> Option<&str> {
        match self {
            Self::Attribute(name) => Some(name),
            Self::Direct(direct) => Some(&direct.attribute),
            Self::Unmapped => None,
        }
    }

    /// When it flows.
    pub fn terms(&self) -> Terms {
        match self {
            Self::Direct(direct) => direct.terms.clone(),
            Self::Attribute(_) | Self::Unmapped => Terms::default(),
        }
    }
}

impl Formula {
    /// An expression that always flows and is not turned back.
    pub fn new(expression: impl Into<String>) -> Self {
        Self {
            expression: expression.into(),
            terms: Terms::default(),
            inverse: BTreeMap::new(),
        }
    }
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

    /// This SCIM path goes where the choice says.
    #[must_use]
    pub fn choose(mut self, path: &str, choice: Choice) -> Self {
        self.paths.insert(path.to_owned(), choice);
        self
    }

    /// This SCIM path goes nowhere.
    #[must_use]
    pub fn unmap(mut self, path: &str) -> Self {
        self.paths.insert(path.to_owned(), Choice::Unmapped);
        self
    }

    /// This attribute is made by this expression.
    #[must_use]
    pub fn express(mut self, attribute: &str, formula: Formula) -> Self {
        self.expressions.insert(attribute.to_owned(), formula);
        self
    }

    /// Do the overrides themselves say where the attribute's values come from?
    pub fn places(&self, attribute: &str) -> bool {
        self.constants.contains_key(attribute)
            || self.expressions.contains_key(attribute)
            || self
                .paths
                .values()
                .any(|choice| choice.attribute() == Some(attribute))
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
            Self::Direct(direct) => direct.serialize(serializer),
            Self::Unmapped => serializer.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for Choice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChoiceVisitor;
        impl<'de> Visitor<'de> for ChoiceVisitor {
            type Value = Choice;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an attribute of the target, or false, or a table such as { attribute = \"sn\", apply = \"create\" } (constants go under `constants`, expressions under `expressions`)")
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
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Choice, A::Error> {
                let table = MapAccessDeserializer::new(map);
                let direct = DirectTable::deserialize(table)?;
                Ok(Choice::Direct(Direct {
                    attribute: direct.attribute,
                    terms: Terms {
                        default: direct.default,
                        apply: direct.apply,
                        matching: direct.matching,
                    },
                }))
            }
        }
        deserializer.deserialize_any(ChoiceVisitor)
    }
}

/// The tables as they are written: flattening does not go with refusing unknown keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DirectTable {
    attribute: String,
    #[serde(default)]
    default: Option<Constant>,
    #[serde(default)]
    apply: Apply,
    #[serde(default, rename = "match")]
    matching: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FormulaTable {
    expression: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<Constant>,
    #[serde(default, skip_serializing_if = "Apply::is_always")]
    apply: Apply,
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    matching: Option<u32>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    inverse: BTreeMap<String, String>,
}

impl Serialize for Formula {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.terms == Terms::default() && self.inverse.is_empty() {
            return serializer.serialize_str(&self.expression);
        }
        FormulaTable {
            expression: self.expression.clone(),
            default: self.terms.default.clone(),
            apply: self.terms.apply,
            matching: self.terms.matching,
            inverse: self.inverse.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Formula {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FormulaVisitor;
        impl<'de> Visitor<'de> for FormulaVisitor {
            type Value = Formula;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an expression, or a table such as { expression = \"…\", apply = \"create\" }",
                )
            }
            fn visit_str<E: de::Error>(self, expression: &str) -> Result<Formula, E> {
                Ok(Formula::new(expression))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Formula, A::Error> {
                let table = FormulaTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Formula {
                    expression: table.expression,
                    terms: Terms {
                        default: table.default,
                        apply: table.apply,
                        matching: table.matching,
                    },
                    inverse: table.inverse,
                })
            }
        }
        deserializer.deserialize_any(FormulaVisitor)
    }
}
