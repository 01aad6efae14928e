//! When two elements of a multi-valued attribute are the same one.
//!
//! Elements are the same if their `value` is, and their `type` too where both have one (RFC 7643, section 2.4, wants
//! that pair to be unique). Kept as an index, so that adding many elements to many costs no more than their sum.

use std::collections::HashMap;

use serde_json::Value;

use crate::filter::fold_case;
use crate::schema::Attribute;

/// Elements by what makes them the same.
#[derive(Default)]
pub(super) struct Identities {
    /// By value, whatever the type.
    any: HashMap<String, usize>,
    /// By value and type.
    typed: HashMap<(String, String), usize>,
    /// By value, without a type.
    untyped: HashMap<String, usize>,
    /// Elements without a value: by everything they say.
    whole: HashMap<String, usize>,
}

/// What an element is known by.
enum Key {
    Value(String, Option<String>),
    Whole(String),
}

impl Identities {
    pub(super) fn of(attribute: &Attribute, elements: &[Value]) -> Self {
        let mut identities = Self::default();
        for (index, element) in elements.iter().enumerate() {
            identities.insert(attribute, element, index);
        }
        identities
    }

    pub(super) fn insert(&mut self, attribute: &Attribute, element: &Value, index: usize) {
        match key(attribute, element) {
            Key::Value(value, Some(kind)) => {
                self.any.entry(value.clone()).or_insert(index);
                self.typed.entry((value, kind)).or_insert(index);
            }
            Key::Value(value, None) => {
                self.any.entry(value.clone()).or_insert(index);
                self.untyped.entry(value).or_insert(index);
            }
            Key::Whole(text) => {
                self.whole.entry(text).or_insert(index);
            }
        }
    }

    /// The first known element that is the same as this one.
    pub(super) fn find(&self, attribute: &Attribute, element: &Value) -> Option<usize> {
        match key(attribute, element) {
            Key::Value(value, None) => self.any.get(&value),
            Key::Value(value, Some(kind)) => {
                let pair = (value, kind);
                self.typed.get(&pair).or_else(|| self.untyped.get(&pair.0))
            }
            Key::Whole(text) => self.whole.get(&text),
        }
        .copied()
    }
}

fn key(attribute: &Attribute, element: &Value) -> Key {
    let Value::Object(object) = element else {
        return Key::Value(text(attribute, element), None);
    };
    let part = |name| {
        let sub = attribute.sub(name)?;
        object.get(&sub.name).map(|value| text(sub, value))
    };
    match part("value") {
        Some(value) => Key::Value(value, part("type")),
        None => Key::Whole(element.to_string()),
    }
}

fn text(definition: &Attribute, value: &Value) -> String {
    match value {
        Value::String(text) if definition.case_exact => text.clone(),
        Value::String(text) => fold_case(text),
        other => other.to_string(),
    }
}
