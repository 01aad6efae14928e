//! Members in every shape that clients send.

use serde_json::Value;

use super::Member;
use crate::json::{kind, take};
use crate::{Deviation, Error, Rules};

/// An array of objects or strings, one object, one string; `$ref` may be null. In strict mode objects only.
pub(crate) fn members(rules: &Rules, value: Value) -> Result<Vec<Member>, Error> {
    let loose = rules.accepts(Deviation::LooseShapes);
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items
            .into_iter()
            .map(|item| match item {
                Value::String(_) if !loose => Err(unusable("a string")),
                item => member(item),
            })
            .collect(),
        Value::String(_) if !loose => Err(unusable("a string")),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::Object(object) if object.is_empty() => Ok(Vec::new()),
        single => Ok(vec![member(single)?]),
    }
}

fn member(value: Value) -> Result<Member, Error> {
    match value {
        Value::String(id) if !id.is_empty() => Ok(Member {
            value: id,
            kind: None,
        }),
        Value::Object(mut object) => {
            let kind = match take(&mut object, "type") {
                Some(Value::String(kind)) if !kind.is_empty() => Some(kind),
                _ => None,
            };
            let reference = take(&mut object, "$ref");
            match take(&mut object, "value") {
                Some(Value::String(id)) if !id.is_empty() => Ok(Member { value: id, kind }),
                Some(Value::Number(id)) => Ok(Member {
                    value: id.to_string(),
                    kind,
                }),
                // Only a URI: its last segment is the id.
                None | Some(Value::Null) => match reference
                    .as_ref()
                    .and_then(Value::as_str)
                    .and_then(last_segment)
                {
                    Some(id) => Ok(Member {
                        value: id.to_owned(),
                        kind,
                    }),
                    None => Err(unusable("an object without a `value`")),
                },
                Some(other) => Err(unusable(&format!(
                    "an object whose `value` is {}",
                    empty_or_kind(&other)
                ))),
            }
        }
        other => Err(unusable(empty_or_kind(&other))),
    }
}

fn empty_or_kind(value: &Value) -> &'static str {
    if value.as_str() == Some("") {
        "an empty string"
    } else {
        kind(value)
    }
}

fn unusable(came: &str) -> Error {
    Error::invalid_value(format!(
        "`members` must name each member by its id in `value`, but {came} came"
    ))
}

fn last_segment(uri: &str) -> Option<&str> {
    let (_, id) = uri.trim_end_matches('/').rsplit_once('/')?;
    (!id.is_empty()).then_some(id)
}
