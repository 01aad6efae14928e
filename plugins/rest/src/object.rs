//! Objects of the API as entries, and values as the API wants them.

use crate::path::{Path, plain};
use crate::settings::{Attribute, Kind, MutabilityName, TypeName};
use crate::template::Scope;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use tombolo_sdk::{Attribute as Values, Entry, Failure, Part, Result, Scalar, Value};

/// The entry that an object is. `known` are values that the object does not say itself.
pub fn entry(kind: &Kind, object: &Json, known: &BTreeMap<String, Json>) -> Result<Entry> {
    let anchor = kind
        .id
        .text(object)
        .filter(|id| !id.is_empty())
        .ok_or_else(|| {
            Failure::other(format!(
                "an object of kind {} has no key where `kinds.{}.id` in [settings] says",
                kind.kind, kind.kind
            ))
        })?;
    let mut entry = Entry::new(anchor);
    entry.version = kind.version.as_ref().and_then(|path| path.text(object));
    for attribute in &kind.attributes {
        if attribute.mutability == MutabilityName::WriteOnly {
            continue;
        }
        let values: Result<Vec<Value>> = match known.get(&attribute.name) {
            Some(value) => {
                simple(attribute, value).map(|s| s.into_iter().map(Value::Simple).collect())
            }
            None => found(attribute, object)
                .into_iter()
                .map(|node| value(attribute, node))
                .filter_map(Result::transpose)
                .collect(),
        };
        entry = entry.with_all(
            &attribute.name,
            values.map_err(|f| f.within(format!("object {}", kind.kind)))?,
        );
    }
    Ok(entry)
}

fn found<'v>(attribute: &Attribute, object: &'v Json) -> Vec<&'v Json> {
    let own = Path::name(&attribute.name);
    let mut found = attribute.path.as_ref().unwrap_or(&own).all(object);
    if !attribute.multi {
        found.truncate(1);
    }
    found
}

fn value(attribute: &Attribute, node: &Json) -> Result<Option<Value>> {
    if attribute.kind != TypeName::Complex {
        return Ok(simple(attribute, node)?.map(Value::Simple));
    }
    let mut parts = Vec::new();
    for part in &attribute.parts {
        let scalars: Result<Vec<Scalar>> = found(part, node)
            .into_iter()
            .map(|node| simple(part, node))
            .filter_map(Result::transpose)
            .collect();
        let values = scalars?;
        if !values.is_empty() {
            parts.push(Part {
                name: part.name.clone(),
                values,
            });
        }
    }
    Ok((!parts.is_empty()).then_some(Value::Complex(parts)))
}

/// What the API says, as a scalar; nothing for what stands for no value.
fn simple(attribute: &Attribute, node: &Json) -> Result<Option<Scalar>> {
    let Some(mut text) = plain(node) else {
        return Ok(None);
    };
    if attribute.empty.as_ref().and_then(plain).as_deref() == Some(&text) {
        return Ok(None);
    }
    if let Some(values) = &attribute.values {
        let known = values
            .iter()
            .find(|(_, said)| plain(said).as_deref() == Some(&text));
        match known {
            Some((name, _)) => text.clone_from(name),
            // A state that the settings do not name.
            None if attribute.kind == TypeName::Boolean => return Ok(None),
            None => {}
        }
    }
    let wrong = || {
        Failure::other(format!(
            "`{text}` is no {:?}: check type, path and values of the attribute in [settings]",
            attribute.kind
        ))
        .attribute(&attribute.name)
    };
    Ok(match attribute.kind {
        TypeName::Text | TypeName::Reference | TypeName::Complex if text.is_empty() => None,
        TypeName::Text | TypeName::Reference | TypeName::Complex => Some(Scalar::Text(text)),
        // An empty element is no value.
        _ if text.is_empty() => None,
        TypeName::Boolean => match text.as_str() {
            "true" | "1" => Some(Scalar::Boolean(true)),
            "false" | "0" => Some(Scalar::Boolean(false)),
            _ => return Err(wrong()),
        },
        TypeName::Integer => Some(Scalar::Integer(text.trim().parse().map_err(|_| wrong())?)),
        TypeName::Decimal => Some(Scalar::Decimal(text)),
        TypeName::Instant => Some(Scalar::Instant(text)),
        TypeName::Binary => Some(Scalar::Bytes(
            STANDARD.decode(text.trim()).map_err(|_| wrong())?,
        )),
    })
}

/// A value as the API wants it.
pub fn given(attribute: &Attribute, value: &Value) -> Json {
    match value {
        Value::Simple(scalar) => said(attribute, scalar),
        Value::Complex(parts) => {
            let mut members = Map::new();
            for part in parts {
                let rule = attribute.parts.iter().find(|p| p.name == part.name);
                let mut values = part
                    .values
                    .iter()
                    .map(|s| rule.map_or_else(|| raw(s), |r| said(r, s)));
                let first = values.next().unwrap_or(Json::Null);
                members.insert(part.name.clone(), first);
            }
            Json::Object(members)
        }
    }
}

fn said(attribute: &Attribute, scalar: &Scalar) -> Json {
    let name = scalar.to_plain();
    let mapped = name.and_then(|name| attribute.values.as_ref()?.get(name.as_ref()));
    mapped.cloned().unwrap_or_else(|| raw(scalar))
}

fn raw(scalar: &Scalar) -> Json {
    match scalar {
        Scalar::Boolean(value) => (*value).into(),
        Scalar::Integer(value) => (*value).into(),
        Scalar::Decimal(text) => serde_json::from_str::<serde_json::Number>(text)
            .map_or_else(|_| text.clone().into(), Json::Number),
        Scalar::Bytes(bytes) => STANDARD.encode(bytes).into(),
        Scalar::Text(text) | Scalar::Instant(text) => text.clone().into(),
    }
}

/// Attributes as templates speak of them: one value, a list, or for a cleared one what the API takes for none.
pub fn scope(kind: &Kind, attributes: &[Values]) -> Scope {
    let mut scope = Scope::new();
    let mut all = Map::new();
    for values in attributes {
        let Some(attribute) = kind.attribute(&values.name) else {
            continue;
        };
        let mut made: Vec<Json> = values.values.iter().map(|v| given(attribute, v)).collect();
        let value = if attribute.multi {
            Json::Array(made)
        } else if made.is_empty() {
            attribute.empty.clone().unwrap_or(Json::Null)
        } else {
            made.swap_remove(0)
        };
        all.insert(values.name.clone(), value.clone());
        scope.insert(values.name.clone(), value);
    }
    scope.insert("attributes".to_owned(), Json::Object(all));
    scope
}
