//! References by `bulkId` (RFC 7644, section 3.7.2): finding them, and putting the ids in their place.
//!
//! A reference is a text that is `bulkId:` and an id, anywhere in the data; the end of a `path`; and, inside a PATCH
//! operation's `path` or a `$ref`, whatever follows `bulkId:` and is an id of this request.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value, json};

use super::operation::{Item, Method, Work};
use crate::Error;

/// What a reference begins with.
pub(super) const PREFIX: &str = "bulkId:";

/// The operations that make something, by their `bulkId`.
pub(super) fn makers(items: &[Item]) -> HashMap<String, usize> {
    items
        .iter()
        .enumerate()
        .filter(|(_, item)| matches!(&item.work, Ok(work) if work.method == Method::Post))
        .filter_map(|(index, item)| Some((item.bulk_id.clone()?, index)))
        .collect()
}

/// Refuses every operation that refers to nothing.
pub(super) fn refuse_unknown(items: &mut [Item]) {
    // A POST that is faulty itself is named too: who needs it fails with it, not with this.
    let named: BTreeSet<String> = items
        .iter()
        .filter_map(|item| item.bulk_id.clone())
        .collect();
    for item in items {
        let Ok(work) = &mut item.work else { continue };
        let mut unknown = None;
        let mut look = |id: &str| {
            if !named.contains(id) && unknown.is_none() {
                unknown = Some(id.chars().take(100).collect::<String>());
            }
            None
        };
        if let Some(id) = work.id.as_deref().and_then(|id| id.strip_prefix(PREFIX)) {
            look(id);
        }
        for value in work.data.values_mut() {
            each(value, "", &|_| false, &mut look);
        }
        if let Some(id) = unknown {
            item.work = Err(Error::invalid_value(format!(
                "`{PREFIX}{id}` refers to an operation that is not in this request"
            )));
        }
    }
}

/// Which `bulkId`s an operation names.
pub(super) fn names(work: &Work, known: &HashMap<String, usize>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if let Some(id) = work.id.as_deref().and_then(|id| id.strip_prefix(PREFIX)) {
        names.insert(id.to_owned());
    }
    for value in work.data.values() {
        named_in(value, known, &mut names);
    }
    names
}

fn named_in(value: &Value, known: &HashMap<String, usize>, names: &mut BTreeSet<String>) {
    let mut copy = value.clone();
    each(&mut copy, "", &|id| known.contains_key(id), &mut |id| {
        names.insert(id.to_owned());
        None
    });
}

/// Puts ids in the place of references.
pub(super) fn resolve(work: &mut Work, ids: &HashMap<String, String>) {
    let mut id_of = |name: &str| ids.get(name).cloned();
    if let Some(id) = &mut work.id
        && let Some(found) = id.strip_prefix(PREFIX).and_then(&mut id_of)
    {
        *id = found;
    }
    for value in work.data.values_mut() {
        each(value, "", &|id| ids.contains_key(id), &mut id_of);
    }
}

/// Takes out of a POST's data what refers to `later`, and makes the PATCH operations that add it afterwards: of an array
/// the elements, else the whole attribute.
pub(super) fn postpone(
    data: &mut Map<String, Value>,
    later: &BTreeSet<String>,
    known: &HashMap<String, usize>,
) -> Vec<Value> {
    let refers = |value: &Value| {
        let mut names = BTreeSet::new();
        named_in(value, known, &mut names);
        !names.is_disjoint(later)
    };
    let mut operations = Vec::new();
    postpone_in(data, "", &refers, &mut operations);
    operations
}

fn postpone_in(
    data: &mut Map<String, Value>,
    prefix: &str,
    refers: &dyn Fn(&Value) -> bool,
    operations: &mut Vec<Value>,
) {
    let mut gone = Vec::new();
    for (key, value) in data.iter_mut().filter(|(_, value)| refers(value)) {
        let path = format!("{prefix}{key}");
        match value {
            // The object of an extension.
            Value::Object(inner) if prefix.is_empty() && key.contains(':') => {
                postpone_in(inner, &format!("{path}:"), refers, operations);
            }
            Value::Array(elements) => {
                let (later, now) = std::mem::take(elements).into_iter().partition(refers);
                *elements = now;
                let later: Vec<Value> = later;
                operations.push(json!({"op": "add", "path": path, "value": later}));
            }
            whole => {
                operations.push(json!({"op": "add", "path": path, "value": whole.take()}));
                gone.push(key.clone());
            }
        }
    }
    for key in gone {
        data.shift_remove(&key);
    }
}

/// Calls `found` with the id of every reference, and puts what it gives in the reference's place. `known` says whether
/// what only looks like a reference is one.
fn each(
    value: &mut Value,
    key: &str,
    known: &dyn Fn(&str) -> bool,
    found: &mut dyn FnMut(&str) -> Option<String>,
) {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix(PREFIX) {
                if let Some(id) = found(name) {
                    *text = id;
                }
            } else if (key.eq_ignore_ascii_case("path") || key == "$ref") && text.contains(PREFIX) {
                *text = embedded(text, known, found);
            }
        }
        Value::Array(items) => {
            for item in items {
                each(item, key, known, found);
            }
        }
        Value::Object(members) => {
            for (key, value) in members {
                each(value, key, known, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `members[value eq "bulkId:x"]`, `https://host/Users/bulkId:x`
fn embedded(
    text: &str,
    known: &dyn Fn(&str) -> bool,
    found: &mut dyn FnMut(&str) -> Option<String>,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(PREFIX) {
        let behind = &rest[at + PREFIX.len()..];
        let end = behind
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '/' | ']' | ')' | '?'))
            .unwrap_or(behind.len());
        let name = &behind[..end];
        out.push_str(&rest[..at]);
        match known(name).then(|| found(name)).flatten() {
            Some(id) => out.push_str(&id),
            None => out.push_str(&rest[at..at + PREFIX.len() + end]),
        }
        rest = &behind[end..];
    }
    out.push_str(rest);
    out
}
