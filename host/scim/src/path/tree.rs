//! Small steps in a tree of JSON values.

use serde_json::{Map, Value};

use crate::resource::normalise::is_primary;
use crate::schema::Attribute;

/// The object that the attribute stands in.
pub(crate) fn container<'m>(
    map: &'m mut Map<String, Value>,
    extension: Option<&str>,
) -> &'m mut Map<String, Value> {
    match extension {
        None => map,
        Some(urn) => object_in(map, urn),
    }
}

pub(super) fn object_in<'m>(
    map: &'m mut Map<String, Value>,
    name: &str,
) -> &'m mut Map<String, Value> {
    if !matches!(map.get(name), Some(Value::Object(_))) {
        map.insert(name.to_owned(), Value::Object(Map::new()));
    }
    match map.get_mut(name) {
        Some(Value::Object(object)) => object,
        _ => unreachable!("an object was put there"),
    }
}

pub(super) fn array_in<'m>(map: &'m mut Map<String, Value>, name: &str) -> &'m mut Vec<Value> {
    if !matches!(map.get(name), Some(Value::Array(_))) {
        map.insert(name.to_owned(), Value::Array(Vec::new()));
    }
    match map.get_mut(name) {
        Some(Value::Array(items)) => items,
        _ => unreachable!("an array was put there"),
    }
}

pub(super) fn merge(object: &mut Map<String, Value>, parts: Vec<(&Attribute, Option<Value>)>) {
    for (sub, value) in parts {
        match value {
            Some(value) => {
                object.insert(sub.name.clone(), value);
            }
            None => {
                object.shift_remove(&sub.name);
            }
        }
    }
}

/// Lays the new members over an element; anything else takes its place.
pub(super) fn overlay(element: &mut Value, new: Value) {
    match (element, new) {
        (Value::Object(element), Value::Object(new)) => element.extend(new),
        (element, new) => *element = new,
    }
}

/// The element at `index` was written last: if it is primary, no other one is (RFC 7644, section 3.5.2).
pub(super) fn keep_primary(elements: &mut [Value], index: usize) {
    if !is_primary(&elements[index]) {
        return;
    }
    for (other, element) in elements.iter_mut().enumerate() {
        if other != index && is_primary(element) {
            element["primary"] = Value::Bool(false);
        }
    }
}

/// Does the element say everything that `named` says?
pub(super) fn says(element: &Value, named: &Value) -> bool {
    match (element, named) {
        (Value::Object(element), Value::Object(named)) => named
            .iter()
            .all(|(name, value)| element.get(name) == Some(value)),
        (element, named) => element == named,
    }
}
