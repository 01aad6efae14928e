//! Attributes of the object that are made by expressions, and what they are turned back into.

use tombolo_scim::path::{self, AttributePath};
use tombolo_scim::schema::{Attribute, Type};
use tombolo_scim::{Path, Resource, ResourceType};

use crate::build;
use crate::convert::{self, Misfit};
use crate::error::{ConvertError, ExpressionCause, Problem, near_names};
use crate::expression::{Environment, Expression, Function, Nowhere, Outcome, Value};
use crate::kind::{Kind, KindAttribute, KindType};
use crate::mapping::Flow;
use crate::object::{Object, ObjectValue, Scalar};
use crate::overrides::{Apply, Formula, Overrides};
use crate::references::{Reference, References};
use crate::rule::Rule;

/// An attribute of the object that an expression makes.
#[derive(Clone, Debug)]
pub struct Expressed {
    pub(crate) attribute: KindAttribute,
    pub(crate) expression: Expression,
    /// Its attributes as they are written, and where they stand in a resource.
    pub(crate) sources: Vec<(String, Path)>,
    pub(crate) rule: Rule,
    pub(crate) inverses: Vec<Inverse>,
}

/// A SCIM path that is read back from the object.
#[derive(Clone, Debug)]
pub(crate) struct Inverse {
    pub(crate) flow: Flow,
    pub(crate) expression: Expression,
}

impl Expressed {
    /// The object's attribute.
    pub fn attribute(&self) -> &KindAttribute {
        &self.attribute
    }

    /// What makes it.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// The SCIM paths that it is made of.
    pub fn sources(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().map(|(_, path)| path)
    }

    /// The value that it makes of a resource; `None`: the attribute is left alone.
    pub(crate) fn read(
        &self,
        ty: &ResourceType,
        resource: &Resource,
        references: &References,
        environment: &dyn Environment,
    ) -> Result<Option<Vec<ObjectValue>>, ConvertError> {
        let fail = |cause| ConvertError::Expression {
            attribute: self.attribute.name.clone(),
            cause,
        };
        match self.evaluate(ty, resource, environment).map_err(fail)? {
            Outcome::Ignored => Ok(None),
            Outcome::Value(value) => object_values(&value, &self.attribute, references)
                .map(Some)
                .map_err(fail),
        }
    }

    fn evaluate(
        &self,
        ty: &ResourceType,
        resource: &Resource,
        environment: &dyn Environment,
    ) -> Result<Outcome, ExpressionCause> {
        let read = |name: &str| {
            let source = self.sources.iter().find(|(text, _)| text == name);
            source.map_or(Value::Null, |(_, path)| source_value(ty, resource, path))
        };
        Ok(self
            .expression
            .evaluate(&self.attribute.name, &read, environment)?)
    }

    /// The ids that the value refers to.
    pub(crate) fn collect_ids(
        &self,
        ty: &ResourceType,
        resource: &Resource,
        found: &mut Vec<Reference>,
    ) {
        if self.attribute.data != KindType::Reference {
            return;
        }
        if let Ok(Outcome::Value(value)) = self.evaluate(ty, resource, &Nowhere) {
            let ids = value.each().iter().filter_map(Value::to_text);
            found.extend(ids.map(|id| Reference {
                kind: self.attribute.to.clone().unwrap_or_default(),
                value: id.into_owned(),
            }));
        }
    }
}

/// What stands at the path, as a value of the language. A complex attribute means its `value`.
pub(crate) fn source_value(ty: &ResourceType, resource: &Resource, path: &Path) -> Value {
    let found = path::get(ty, resource, path);
    let mut values: Vec<Value> = found
        .iter()
        .flat_map(|value| match value {
            serde_json::Value::Array(list) => list.as_slice(),
            single => std::slice::from_ref(single),
        })
        .map(json_value)
        .filter(|value| !value.is_null())
        .collect();
    match values.len() {
        0 => Value::Null,
        1 => values.swap_remove(0),
        _ => Value::Many(values),
    }
}

fn json_value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::String(text) => Value::text(text.as_str()),
        serde_json::Value::Bool(value) => Value::Boolean(*value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::text(number.to_string()),
        },
        serde_json::Value::Object(parts) => parts.get("value").map_or(Value::Null, json_value),
        serde_json::Value::Null | serde_json::Value::Array(_) => Value::Null,
    }
}

/// A value of the language as the attribute's values. Null and the empty text are none.
fn object_values(
    value: &Value,
    attribute: &KindAttribute,
    references: &References,
) -> Result<Vec<ObjectValue>, ExpressionCause> {
    let mut values: Vec<ObjectValue> = Vec::new();
    for value in value
        .each()
        .iter()
        .filter(|value| !value.is_null_or_empty())
    {
        let scalar = scalar(value, attribute, references)?;
        let value = ObjectValue::Simple(scalar);
        if !values.contains(&value) {
            values.push(value);
        }
    }
    if values.len() > 1 && !attribute.multi {
        return Err(ExpressionCause::Several);
    }
    Ok(values)
}

fn scalar(
    value: &Value,
    attribute: &KindAttribute,
    references: &References,
) -> Result<Scalar, ExpressionCause> {
    let json = match (value, attribute.data) {
        (Value::Binary(bytes), KindType::Binary) => return Ok(Scalar::Bytes(bytes.clone())),
        (Value::Instant(instant), KindType::Instant) => {
            return Ok(Scalar::Instant(instant.to_string()));
        }
        // What `Now` and its like write is a date, too.
        (Value::Text(text), KindType::Instant) => {
            let read = crate::expression::read_date(text);
            return read
                .map(|instant| Scalar::Instant(instant.to_string()))
                .ok_or(ExpressionCause::Type {
                    expected: "a date and time",
                    data: attribute.data.as_str(),
                });
        }
        (Value::Boolean(value), KindType::Boolean) => serde_json::Value::Bool(*value),
        (Value::Integer(number), _) => serde_json::Value::from(*number),
        (other, _) => serde_json::Value::from(other.to_text().unwrap_or_default().into_owned()),
    };
    convert::scalar(&json, attribute, references).map_err(|misfit| match misfit {
        Misfit::Type(expected) => ExpressionCause::Type {
            expected,
            data: attribute.data.as_str(),
        },
        Misfit::UnknownId(id) => ExpressionCause::UnknownReference {
            id,
            kind: attribute.to.clone().unwrap_or_default(),
        },
    })
}

/// An object's attribute as a value of the language.
pub fn object_value(object: &Object, name: &str) -> Value {
    let scalars = object.get(name).iter().filter_map(ObjectValue::as_scalar);
    let mut values: Vec<Value> = scalars
        .map(|scalar| match scalar {
            Scalar::Text(text) | Scalar::Decimal(text) => Value::text(text.as_str()),
            Scalar::Boolean(value) => Value::Boolean(*value),
            Scalar::Integer(number) => Value::Integer(*number),
            Scalar::Instant(text) => crate::expression::read_date(text)
                .map_or_else(|| Value::text(text.as_str()), Value::Instant),
            Scalar::Bytes(bytes) => Value::Binary(bytes.clone()),
        })
        .collect();
    match values.len() {
        0 => Value::Null,
        1 => values.swap_remove(0),
        _ => Value::Many(values),
    }
}

impl Inverse {
    /// What stands at its path, for this object; `None` when nothing can be said.
    pub(crate) fn values(
        &self,
        object: &Object,
        references: &References,
    ) -> Option<Vec<ObjectValue>> {
        let read = |name: &str| object_value(object, name);
        match self.expression.evaluate(&self.flow.path, &read, &Nowhere) {
            Ok(Outcome::Value(value)) => {
                object_values(&value, &self.flow.attribute, references).ok()
            }
            Ok(Outcome::Ignored) | Err(_) => None,
        }
    }
}

/// The expressions of the operator's table, and the schema with what they read and write.
pub(crate) fn all(
    ty: &mut ResourceType,
    kind: &Kind,
    overrides: &Overrides,
    flows: &[Flow],
    problems: &mut Vec<Problem>,
) -> Vec<Expressed> {
    let mut all: Vec<Expressed> = Vec::new();
    for (name, formula) in &overrides.expressions {
        let Some(attribute) = kind.attribute(name) else {
            let names = kind.attributes.iter().map(|a| a.name.as_str());
            problems.push(Problem::UnknownExpressed {
                attribute: name.clone(),
                near: near_names(name, names),
            });
            continue;
        };
        let bad = |cause| Problem::BadExpression {
            attribute: name.clone(),
            cause,
        };
        let mut expressed = match one(ty, attribute, formula, overrides) {
            Ok(expressed) => expressed,
            Err(cause) => {
                problems.push(bad(cause));
                continue;
            }
        };
        for (path, text) in &formula.inverse {
            match inverse(ty, kind, path, text) {
                Ok(inverse) => {
                    let others = all.iter().flat_map(|other| &other.inverses);
                    let others = others.map(|other| &other.flow).chain(flows);
                    if let Some(other) = others
                        .into_iter()
                        .find(|other| other.place.overlaps(&inverse.flow.place))
                    {
                        problems.push(Problem::Overlap {
                            path: other.path.clone(),
                            attribute: other.attribute.name.clone(),
                            other: path.clone(),
                            other_attribute: name.clone(),
                        });
                    }
                    expressed.inverses.push(inverse);
                }
                Err(cause) => problems.push(Problem::BadInverse {
                    attribute: name.clone(),
                    path: path.clone(),
                    cause,
                }),
            }
        }
        all.push(expressed);
    }
    // What is written in the connector's order is sent in it.
    all.sort_by_key(|expressed| {
        kind.attributes
            .iter()
            .position(|attribute| attribute.name == expressed.attribute.name)
    });
    all
}

pub(crate) fn one(
    ty: &mut ResourceType,
    attribute: &KindAttribute,
    formula: &Formula,
    overrides: &Overrides,
) -> Result<Expressed, String> {
    let expression = Expression::parse(&formula.expression).map_err(|error| error.to_string())?;
    if overrides
        .paths
        .values()
        .any(|choice| choice.attribute() == Some(attribute.name.as_str()))
    {
        return Err("a SCIM path is mapped to the attribute as well".to_owned());
    }
    if !attribute.is_writable() {
        return Err("the target does not let the attribute be written".to_owned());
    }
    if attribute.data == KindType::Complex {
        return Err("the attribute is complex, and an expression makes single values".to_owned());
    }
    if expression.calls(&[Function::SelectUniqueValue]) {
        if formula.terms.apply != Apply::Create {
            return Err(
                "`SelectUniqueValue` is for new objects: say `apply = \"create\"`".to_owned(),
            );
        }
        if formula.terms.matching.is_some() {
            return Err("what `SelectUniqueValue` makes cannot be matched on".to_owned());
        }
    }
    let mut sources = Vec::new();
    for text in expression.attributes() {
        sources.push((text.to_owned(), source(ty, text)?));
    }
    let rule = Rule::of(&formula.terms, attribute)?;
    Ok(Expressed {
        attribute: attribute.clone(),
        expression,
        sources,
        rule,
        inverses: Vec::new(),
    })
}

/// Where an attribute of an expression stands. One with a URN may be new to the schema: somebody has to be able to send it.
pub(crate) fn source(ty: &mut ResourceType, text: &str) -> Result<Path, String> {
    let path = Path::parse(text).map_err(|error| format!("`[{text}]` is no SCIM path: {error}"))?;
    let mut whole: AttributePath = path.attribute.clone();
    whole.sub = None;
    if ty.attribute(&whole).is_none() {
        if path.attribute.urn.is_none() || path.filter.is_some() {
            let names: Vec<String> = ty.attributes().map(|(_, a)| a.name.clone()).collect();
            let near = near_names(text, names.iter().map(String::as_str));
            let hint = match near.first() {
                Some(near) => format!("; did you mean `[{near}]`?"),
                None => String::new(),
            };
            return Err(format!(
                "the resource type has no attribute `[{text}]`{hint}"
            ));
        }
        ty.ensure(&path.attribute, Type::String)
            .map_err(|error| error.to_string())?;
    }
    if let Some(sub) = path.sub()
        && ty
            .attribute(&whole)
            .is_some_and(|attribute| attribute.sub(sub).is_none())
    {
        return Err(format!("`[{text}]`: `{}` has no `{sub}`", whole.attribute));
    }
    Ok(path)
}

fn inverse(ty: &mut ResourceType, kind: &Kind, path: &str, text: &str) -> Result<Inverse, String> {
    let expression = Expression::parse(text).map_err(|error| error.to_string())?;
    if expression.is_volatile() {
        return Err("it must come to the same value whenever it is read".to_owned());
    }
    for name in expression.attributes() {
        match kind.attribute(name) {
            Some(attribute) if attribute.is_readable() => {}
            Some(_) => return Err(format!("the target's `{name}` cannot be read")),
            None => {
                let names = kind.attributes.iter().map(|a| a.name.as_str());
                let hint = match near_names(name, names).first() {
                    Some(near) => format!("; did you mean `[{near}]`?"),
                    None => String::new(),
                };
                return Err(format!("the connector has no attribute `[{name}]`{hint}"));
            }
        }
    }
    let flow = build::synthetic(ty, path, shown_as)?;
    Ok(Inverse { flow, expression })
}

/// An attribute that could flow to where the schema has this definition.
fn shown_as(definition: Option<&Attribute>, path: &Path) -> KindAttribute {
    let data = match definition.map(|definition| definition.kind) {
        Some(Type::Boolean) => KindType::Boolean,
        Some(Type::Integer) => KindType::Integer,
        Some(Type::Decimal) => KindType::Decimal,
        Some(Type::DateTime) => KindType::Instant,
        Some(Type::Binary) => KindType::Binary,
        _ => KindType::Text,
    };
    let mut attribute = KindAttribute::new(path.to_string(), data);
    attribute.multi = definition.is_some_and(|definition| definition.multi_valued);
    attribute
}
