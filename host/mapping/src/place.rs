//! Where in a resource a flow's values stand.
//!
//! A place is an attribute (of the core schema or of an extension), which of its
//! elements, and which part of them. Reading and writing it is all that the
//! other modules do with JSON.

use serde_json::{Map, Value};
use tombolo_scim::filter::{CompareOp, Filter, Literal, fold_case};
use tombolo_scim::schema::{Attribute, Mutability, Resolved, Returned, Type};
use tombolo_scim::{Path, ResourceType};

use crate::kind::KindAttribute;

/// Sub-attributes that say something about an element, and are no content of it.
const ABOUT: [&str; 3] = ["type", "primary", "display"];

#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The extension's canonical URN.
    pub(crate) extension: Option<String>,
    /// The attribute's canonical name.
    pub(crate) attribute: String,
    /// Is it a list?
    pub(crate) many: bool,
    /// What an element has to equal, by canonical sub-attribute.
    pub(crate) element: Vec<(String, Value)>,
    pub(crate) leaf: Leaf,
    /// SCIM's type of the leaf (of a `Parts` leaf: complex).
    pub(crate) data: Type,
    /// SCIM's comparison of the leaf.
    pub(crate) case_exact: bool,
    pub(crate) write_only: bool,
}

/// Which part of the attribute, or of its elements.
#[derive(Clone, Debug)]
pub(crate) enum Leaf {
    /// The whole of a simple attribute.
    Whole,
    /// One sub-attribute.
    Sub(String),
    /// Several at once, for a complex attribute of the object.
    Parts(Vec<Part>),
}

/// A part of a complex object attribute and its sub-attribute.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) attribute: KindAttribute,
    pub(crate) sub: String,
    pub(crate) data: Type,
    pub(crate) case_exact: bool,
}

impl Place {
    /// The place that a path names; the path is in the schema by now.
    pub(crate) fn of(
        ty: &ResourceType,
        path: &Path,
        attribute: &KindAttribute,
        sub: Option<&str>,
        parts: &[(KindAttribute, String)],
    ) -> Result<Self, String> {
        let mut whole = path.attribute.clone();
        whole.sub = None;
        let resolved = ty
            .resolve(&whole)
            .ok_or("the resource type has no such attribute")?;
        let definition = resolved.attribute;
        let element = element_of(path.filter.as_ref(), definition)?;
        if path.filter.is_some() && !definition.multi_valued {
            return Err(format!(
                "`{}` has one value, so there is nothing to filter",
                definition.name
            ));
        }
        let (leaf, end) = if parts.is_empty() {
            match sub {
                None => (Leaf::Whole, definition),
                Some(name) => {
                    let end = definition
                        .sub(name)
                        .ok_or("the resource type has no such sub-attribute")?;
                    (Leaf::Sub(end.name.clone()), end)
                }
            }
        } else {
            (Leaf::Parts(parts_of(definition, parts)?), definition)
        };
        let place = Self {
            extension: resolved.extension.map(str::to_owned),
            attribute: definition.name.clone(),
            many: definition.multi_valued,
            element,
            leaf,
            data: end.kind,
            case_exact: end.case_exact,
            write_only: is_write_only(&resolved) || is_write_only_attribute(end),
        };
        place.check_cardinality(attribute, end)?;
        Ok(place)
    }

    fn check_cardinality(&self, attribute: &KindAttribute, end: &Attribute) -> Result<(), String> {
        if self.many && self.element.is_empty() && !attribute.multi {
            return Err(format!(
                "it has any number of values and `{}` holds one; say which, as in `{}[type eq \"work\"].value`",
                attribute.name, self.attribute
            ));
        }
        if !self.many && attribute.multi && !end.multi_valued {
            return Err(format!(
                "it has one value and `{}` holds any number",
                attribute.name
            ));
        }
        Ok(())
    }

    pub(crate) fn is_at(&self, extension: Option<&str>, attribute: &str) -> bool {
        self.extension.as_deref() == extension && self.attribute == attribute
    }

    /// Is that sub-attribute (or anything at all) among what flows?
    pub(crate) fn covers(&self, sub: Option<&str>) -> bool {
        match (sub, &self.leaf) {
            (None, _) => true,
            (Some(_), Leaf::Whole) => false,
            (Some(wanted), Leaf::Sub(own)) => wanted == own,
            (Some(wanted), Leaf::Parts(parts)) => parts.iter().any(|part| part.sub == wanted),
        }
    }

    /// Could one value stand at both places?
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        if !self.is_at(other.extension.as_deref(), &other.attribute) {
            return false;
        }
        let same_leaf = match (&self.leaf, &other.leaf) {
            (Leaf::Whole, _) | (_, Leaf::Whole) => true,
            (Leaf::Sub(name), _) => other.covers(Some(name)),
            (Leaf::Parts(parts), _) => parts.iter().any(|part| other.covers(Some(&part.sub))),
        };
        let disjoint = self.element.iter().any(|(sub, value)| {
            other
                .element
                .iter()
                .any(|(theirs, wanted)| sub == theirs && !same(value, wanted))
        });
        same_leaf && !disjoint
    }

    /// The map that the attribute stands in.
    pub(crate) fn home<'r>(
        &self,
        resource: &'r Map<String, Value>,
    ) -> Option<&'r Map<String, Value>> {
        match &self.extension {
            None => Some(resource),
            Some(urn) => resource.get(urn)?.as_object(),
        }
    }

    /// The whole simple values, or the objects that carry the parts.
    pub(crate) fn holders<'r>(&self, resource: &'r Map<String, Value>) -> Vec<&'r Value> {
        let Some(value) = self
            .home(resource)
            .and_then(|home| home.get(&self.attribute))
        else {
            return Vec::new();
        };
        match value {
            Value::Array(elements) if self.many => elements
                .iter()
                .filter(|element| self.is_mine(element))
                .collect(),
            Value::Null => Vec::new(),
            value => vec![value],
        }
    }

    /// Is that element among those that the path names?
    pub(crate) fn is_mine(&self, element: &Value) -> bool {
        self.element
            .iter()
            .all(|(sub, wanted)| element.get(sub).is_some_and(|value| same(value, wanted)))
    }

    /// An element that the path names, with nothing else in it.
    pub(crate) fn new_element(&self) -> Map<String, Value> {
        self.element.iter().cloned().collect()
    }

    /// Is there nothing in the element but what says where it belongs?
    pub(crate) fn is_hollow(&self, element: &Map<String, Value>) -> bool {
        element.keys().all(|key| {
            ABOUT.contains(&key.as_str()) || self.element.iter().any(|(sub, _)| sub == key)
        })
    }
}

fn is_write_only(resolved: &Resolved<'_>) -> bool {
    is_write_only_attribute(resolved.attribute)
}

fn is_write_only_attribute(attribute: &Attribute) -> bool {
    attribute.mutability == Mutability::WriteOnly || attribute.returned == Returned::Never
}

fn parts_of(
    definition: &Attribute,
    parts: &[(KindAttribute, String)],
) -> Result<Vec<Part>, String> {
    parts
        .iter()
        .map(|(attribute, name)| {
            let sub = definition
                .sub(name)
                .ok_or_else(|| format!("`{}` has no sub-attribute `{name}`", definition.name))?;
            Ok(Part {
                attribute: attribute.clone(),
                sub: sub.name.clone(),
                data: sub.kind,
                case_exact: sub.case_exact,
            })
        })
        .collect()
}

/// The equalities of a path's filter: they find the element, and they make it.
fn element_of(
    filter: Option<&Filter>,
    definition: &Attribute,
) -> Result<Vec<(String, Value)>, String> {
    let Some(filter) = filter else {
        return Ok(Vec::new());
    };
    conjuncts(filter)
        .into_iter()
        .map(|test| {
            let Filter::Test(path, CompareOp::Eq, literal) = test else {
                return Err("its filter must consist of `eq` tests joined by `and`".to_owned());
            };
            let sub = definition.sub(&path.attribute).ok_or_else(|| {
                format!(
                    "`{}` has no sub-attribute `{}`",
                    definition.name, path.attribute
                )
            })?;
            let value = literal_value(literal, sub.kind)
                .ok_or_else(|| format!("`{}` cannot equal that literal", path.attribute))?;
            Ok((sub.name.clone(), value))
        })
        .collect()
}

/// The filters that all have to hold.
pub(crate) fn conjuncts(filter: &Filter) -> Vec<&Filter> {
    match filter {
        Filter::And(a, b) => {
            let mut all = conjuncts(a);
            all.extend(conjuncts(b));
            all
        }
        other => vec![other],
    }
}

/// A literal as the JSON value of an attribute; Entra writes booleans as text.
pub(crate) fn literal_value(literal: &Literal, data: Type) -> Option<Value> {
    match (literal, data) {
        (Literal::Text(text), Type::Boolean) => text.to_lowercase().parse().ok().map(Value::Bool),
        (Literal::Text(text), _) => Some(Value::String(text.clone())),
        (Literal::Boolean(value), _) => Some(Value::Bool(*value)),
        (Literal::Number(number), _) => Some(Value::Number(number.clone())),
        (Literal::Null, _) => None,
    }
}

/// Canonical values such as `work` compare without case.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a == b || fold_case(a) == fold_case(b),
        (Value::String(text), Value::Bool(value)) | (Value::Bool(value), Value::String(text)) => {
            text.eq_ignore_ascii_case(if *value { "true" } else { "false" })
        }
        (a, b) => a == b,
    }
}
