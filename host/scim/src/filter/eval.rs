//! Does a resource pass a filter?
//!
//! A multi-valued attribute passes a test if one of its values does. A complex attribute stands for its `value`, so
//! that `manager eq "id"` and `members eq "id"` mean what Entra means. `ne` passes where the attribute is absent;
//! every other test fails there.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use super::{CompareOp, Filter, Literal};
use crate::path::AttributePath;
use crate::resource::normalise::{parse_boolean, parse_instant};
use crate::schema::{Attribute, ResourceType, Type};

/// The form in which texts that do not differ by case are compared. An index that is to answer filters folds its
/// keys with it.
pub fn fold_case(text: &str) -> String {
    if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        text.chars().flat_map(char::to_lowercase).collect()
    }
}

/// Where a filter's paths begin.
#[derive(Clone, Copy)]
enum Scope<'a> {
    Resource(&'a ResourceType, &'a Map<String, Value>),
    Element(&'a Attribute, &'a Value),
}

/// An attribute, the sub-attribute that is meant, and the value.
struct Found<'a> {
    attribute: &'a Attribute,
    sub: Option<&'a Attribute>,
    value: Option<&'a Value>,
}

pub(super) fn matches(filter: &Filter, ty: &ResourceType, rendered: &Map<String, Value>) -> bool {
    passes(filter, Scope::Resource(ty, rendered))
}

/// Does one element of a multi-valued attribute pass?
pub(crate) fn matches_element(filter: &Filter, attribute: &Attribute, element: &Value) -> bool {
    passes(filter, Scope::Element(attribute, element))
}

fn passes(filter: &Filter, scope: Scope<'_>) -> bool {
    match filter {
        Filter::And(a, b) => passes(a, scope) && passes(b, scope),
        Filter::Or(a, b) => passes(a, scope) || passes(b, scope),
        Filter::Not(inner) => !passes(inner, scope),
        Filter::Test(path, op, literal) => {
            find(scope, path).is_some_and(|found| compares(&found, *op, literal))
        }
        Filter::Present(path) => find(scope, path).is_some_and(|found| match found.sub {
            Some(sub) => each(found.value)
                .filter_map(|element| element.get(&sub.name))
                .any(has_value),
            None => found.value.is_some_and(has_value),
        }),
        Filter::Element(path, inner) => find(scope, path).is_some_and(|found| {
            each(found.value).any(|element| matches_element(inner, found.attribute, element))
        }),
    }
}

fn find<'a>(scope: Scope<'a>, path: &AttributePath) -> Option<Found<'a>> {
    match scope {
        Scope::Resource(ty, rendered) => {
            let resolved = ty.resolve(path)?;
            let container = match resolved.extension {
                None => Some(rendered),
                Some(urn) => rendered.get(urn).and_then(Value::as_object),
            };
            let value = container.and_then(|container| container.get(&resolved.attribute.name));
            Some(Found {
                attribute: resolved.attribute,
                sub: resolved.sub,
                value,
            })
        }
        Scope::Element(..) if path.urn.is_some() || path.sub.is_some() => None,
        Scope::Element(attribute, element) if attribute.kind == Type::Complex => {
            let sub = attribute.sub(&path.attribute)?;
            Some(Found {
                attribute: sub,
                sub: None,
                value: element.get(&sub.name),
            })
        }
        // A simple value is its own `value` (RFC 7644, section 3.5.2).
        Scope::Element(attribute, element) => path
            .attribute
            .eq_ignore_ascii_case("value")
            .then_some(Found {
                attribute,
                sub: None,
                value: Some(element),
            }),
    }
}

/// The elements of an array, or the one value.
fn each(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let items: &[Value] = match value {
        Some(Value::Array(items)) => items,
        Some(Value::Null) | None => &[],
        Some(single) => std::slice::from_ref(single),
    };
    items.iter()
}

/// Not null, not empty, at any depth.
fn has_value(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(has_value),
        Value::Object(members) => members.values().any(has_value),
    }
}

fn compares(found: &Found<'_>, op: CompareOp, literal: &Literal) -> bool {
    let part = match found.sub {
        None if found.attribute.kind == Type::Complex => match found.attribute.sub("value") {
            Some(value) => Some(value),
            None => return false,
        },
        sub => sub,
    };
    let leaf = part.unwrap_or(found.attribute);
    let values = each(found.value).filter_map(|element| match part {
        Some(part) => element.get(&part.name),
        None => Some(element),
    });
    let mut values = values.filter(|value| has_value(value)).peekable();
    match (literal, op) {
        (Literal::Null, CompareOp::Eq) => values.peek().is_none(),
        (Literal::Null, CompareOp::Ne) => values.peek().is_some(),
        (Literal::Null, _) => false,
        (_, CompareOp::Ne) if values.peek().is_none() => true,
        _ => values.any(|value| holds(leaf, value, op, literal)),
    }
}

fn holds(leaf: &Attribute, value: &Value, op: CompareOp, literal: &Literal) -> bool {
    let different = op == CompareOp::Ne;
    match value {
        Value::Bool(value) => {
            let wanted = match literal {
                Literal::Boolean(wanted) => Some(*wanted),
                Literal::Text(text) => parse_boolean(text),
                Literal::Number(_) | Literal::Null => None,
            };
            match op {
                CompareOp::Eq => wanted == Some(*value),
                CompareOp::Ne => wanted != Some(*value),
                _ => false,
            }
        }
        Value::Number(value) => {
            let order = match literal {
                Literal::Number(wanted) => compare_numbers(value, wanted),
                Literal::Text(text) => serde_json::from_str::<Number>(text.trim())
                    .ok()
                    .and_then(|wanted| compare_numbers(value, &wanted)),
                Literal::Boolean(_) | Literal::Null => None,
            };
            order.map_or(different, |order| ordered(order, op))
        }
        Value::String(value) => match literal {
            Literal::Text(wanted) => compare_texts(leaf, value, op, wanted),
            Literal::Number(wanted) => compare_texts(leaf, value, op, &wanted.to_string()),
            Literal::Boolean(wanted) => {
                compare_texts(leaf, value, op, if *wanted { "true" } else { "false" })
            }
            Literal::Null => different,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => different,
    }
}

pub(crate) fn compare_numbers(a: &Number, b: &Number) -> Option<Ordering> {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

fn ordered(order: Ordering, op: CompareOp) -> bool {
    match op {
        CompareOp::Eq => order.is_eq(),
        CompareOp::Ne => order.is_ne(),
        CompareOp::Gt => order.is_gt(),
        CompareOp::Ge => order.is_ge(),
        CompareOp::Lt => order.is_lt(),
        CompareOp::Le => order.is_le(),
        CompareOp::Co | CompareOp::Sw | CompareOp::Ew => false,
    }
}

fn compare_texts(leaf: &Attribute, value: &str, op: CompareOp, wanted: &str) -> bool {
    let partial = matches!(op, CompareOp::Co | CompareOp::Sw | CompareOp::Ew);
    if leaf.kind == Type::DateTime
        && !partial
        && let (Some(value), Some(wanted)) = (parse_instant(value), parse_instant(wanted))
    {
        return ordered(value.cmp(&wanted), op);
    }
    if value.is_ascii() && wanted.is_ascii() && matches!(op, CompareOp::Eq | CompareOp::Ne) {
        let same = if leaf.case_exact {
            value == wanted
        } else {
            value.eq_ignore_ascii_case(wanted)
        };
        return same == (op == CompareOp::Eq);
    }
    let fold = |text| -> Cow<'_, str> {
        if leaf.case_exact {
            Cow::Borrowed(text)
        } else {
            Cow::Owned(fold_case(text))
        }
    };
    let (value, wanted): (Cow<'_, str>, Cow<'_, str>) = (fold(value), fold(wanted));
    match op {
        CompareOp::Co => value.contains(&*wanted),
        CompareOp::Sw => value.starts_with(&*wanted),
        CompareOp::Ew => value.ends_with(&*wanted),
        _ => ordered(value.cmp(&wanted), op),
    }
}
