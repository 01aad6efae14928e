//! Objects in the host's state: JSON, one a key; memberships, one a key; and a journal of changes.

use serde_json::{Map, Value as Json, json};
use tombolo_sdk::{Entry, Failure, Part, Result, Scalar, Value, state};

fn scalar_to_json(scalar: &Scalar) -> Json {
    match scalar {
        Scalar::Text(text) => json!({ "t": text }),
        Scalar::Boolean(value) => json!({ "b": value }),
        Scalar::Integer(value) => json!({ "i": value }),
        Scalar::Decimal(text) => json!({ "d": text }),
        Scalar::Instant(text) => json!({ "at": text }),
        Scalar::Bytes(bytes) => json!({ "x": bytes }),
    }
}

fn scalar_from_json(json: &Json) -> Option<Scalar> {
    let (kind, value) = json.as_object()?.iter().next()?;
    Some(match kind.as_str() {
        "t" => Scalar::Text(value.as_str()?.to_owned()),
        "b" => Scalar::Boolean(value.as_bool()?),
        "i" => Scalar::Integer(value.as_i64()?),
        "d" => Scalar::Decimal(value.as_str()?.to_owned()),
        "at" => Scalar::Instant(value.as_str()?.to_owned()),
        _ => Scalar::Bytes(serde_json::from_value(value.clone()).ok()?),
    })
}

fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Simple(scalar) => scalar_to_json(scalar),
        Value::Complex(parts) => {
            let part = |part: &Part| {
                let values: Vec<Json> = part.values.iter().map(scalar_to_json).collect();
                (part.name.clone(), Json::Array(values))
            };
            json!({ "parts": parts.iter().map(part).collect::<Map<_, _>>() })
        }
    }
}

fn value_from_json(json: &Json) -> Option<Value> {
    let Some(parts) = json.get("parts").and_then(Json::as_object) else {
        return scalar_from_json(json).map(Value::Simple);
    };
    let part = |(name, values): (&String, &Json)| Part {
        name: name.clone(),
        values: values
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(scalar_from_json)
            .collect(),
    };
    Some(Value::Complex(parts.iter().map(part).collect()))
}

pub(crate) fn key(kind: &str, anchor: &str) -> String {
    // Keys have a longest length, and an anchor comes from outside.
    let anchor: String = anchor.chars().take(200).collect();
    format!("{kind}/{anchor}")
}

pub(crate) fn membership(group: &str, member: &str) -> String {
    let group: String = group.chars().take(200).collect();
    let member: String = member.chars().take(200).collect();
    format!("member/{group}/{member}")
}

pub(crate) fn put(kind: &str, entry: &Entry) -> Result<()> {
    let attributes: Map<String, Json> = entry
        .attributes
        .iter()
        .map(|held| {
            (
                held.name.clone(),
                held.values.iter().map(value_to_json).collect(),
            )
        })
        .collect();
    let whole = json!({ "version": entry.version, "attributes": attributes });
    state::put(&key(kind, &entry.anchor), whole.to_string().as_bytes()).map(drop)
}

pub(crate) fn get(kind: &str, anchor: &str) -> Result<Option<Entry>> {
    let Some(item) = state::get(&key(kind, anchor))? else {
        return Ok(None);
    };
    let whole: Json =
        serde_json::from_slice(&item.value).map_err(|why| Failure::other(format!("{why}")))?;
    let mut entry = Entry::new(anchor);
    entry.version = whole["version"].as_str().map(str::to_owned);
    for (name, values) in whole["attributes"].as_object().into_iter().flatten() {
        let values: Vec<Value> = values
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(value_from_json)
            .collect();
        entry = entry.with_all(name, values);
    }
    Ok(Some(entry))
}

/// Every key with a prefix.
pub(crate) fn keys(prefix: &str) -> Result<Vec<String>> {
    let (mut all, limit) = (Vec::<String>::new(), 1000);
    loop {
        let page = state::list(prefix, all.last().map(String::as_str), limit)?;
        let done = page.len() < limit as usize;
        all.extend(page);
        if done {
            return Ok(all);
        }
    }
}

pub(crate) fn all(kind: &str) -> Result<Vec<Entry>> {
    let prefix = key(kind, "");
    let mut found = Vec::new();
    for key in keys(&prefix)? {
        let anchor = key.strip_prefix(&prefix).unwrap_or_default();
        found.extend(get(kind, anchor)?);
    }
    Ok(found)
}

/// A number that grows, kept in the state.
pub(crate) fn next() -> Result<u64> {
    let now = state::get("next")?
        .and_then(|item| String::from_utf8(item.value).ok()?.parse::<u64>().ok())
        .unwrap_or(1);
    state::put("next", (now + 1).to_string().as_bytes())?;
    Ok(now)
}

/// Writes down that something has changed.
pub(crate) fn journal(kind: &str, anchor: &str) -> Result<()> {
    let at = next()?;
    state::put(&format!("log/{kind}/{at:012}"), anchor.as_bytes()).map(drop)
}
