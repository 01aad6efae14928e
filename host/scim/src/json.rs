//! JSON with a bounded size and depth, and without duplicate keys.
//!
//! Two members of one name are refused: which of them counts would differ between us, a proxy and an audit.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::{Error, Limits};

/// Reads one JSON document.
pub(crate) fn parse(body: &[u8], limits: &Limits) -> Result<Value, Error> {
    if body.len() > limits.body_bytes {
        return Err(Error::too_large(format!(
            "the body has more than {} bytes; send less at a time",
            limits.body_bytes
        )));
    }
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let invalid = |error: serde_json::Error| {
        Error::invalid_syntax(format!("the body is not usable JSON: {error}"))
    };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = Bounded {
        left: limits.json_depth,
        most: limits.json_depth,
    }
    .deserialize(&mut deserializer)
    .map_err(invalid)?;
    deserializer.end().map_err(invalid)?;
    Ok(value)
}

/// Reads one JSON object.
pub(crate) fn parse_object(body: &[u8], limits: &Limits) -> Result<Map<String, Value>, Error> {
    match parse(body, limits)? {
        Value::Object(map) => Ok(map),
        other => Err(Error::invalid_syntax(format!(
            "the body must be a JSON object, but {} came",
            kind(&other)
        ))),
    }
}

/// What a value is, in words, for error messages. Never the value itself.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Takes a member by its name, whatever its case.
pub(crate) fn take(map: &mut Map<String, Value>, name: &str) -> Option<Value> {
    if let Some(value) = map.shift_remove(name) {
        return Some(value);
    }
    let key = map
        .keys()
        .find(|key| key.eq_ignore_ascii_case(name))?
        .clone();
    map.shift_remove(&key)
}

#[derive(Clone, Copy)]
struct Bounded {
    /// Levels that may still be opened.
    left: usize,
    /// Levels in all, for the message.
    most: usize,
}

impl Bounded {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let most = self.most;
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, most }),
            None => Err(E::custom(format_args!(
                "it nests deeper than {most} levels"
            ))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Bounded {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if map.contains_key(&name) {
                return Err(de::Error::custom(format_args!(
                    "the member `{name}` appears twice"
                )));
            }
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_that_appears_twice_is_refused() {
        let error = parse(br#"{"a":1,"b":{"c":1,"c":2}}"#, &Limits::DEFAULT).unwrap_err();
        assert_eq!(error.status, 400);
        assert!(error.detail.contains("`c` appears twice"), "{error}");
    }

    #[test]
    fn deep_nesting_is_refused_in_linear_time() {
        for unit in ["[", "{\"a\":"] {
            let error = parse(unit.repeat(200_000).as_bytes(), &Limits::DEFAULT).unwrap_err();
            assert!(error.detail.contains("deeper than"), "{error}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_no_error_and_trailing_text_is() {
        assert_eq!(
            parse(b"\xef\xbb\xbf{\"a\":1.5}", &Limits::DEFAULT).unwrap(),
            json!({"a": 1.5})
        );
        assert!(parse(b"{} {}", &Limits::DEFAULT).is_err());
    }

    #[test]
    fn a_body_over_the_limit_is_413() {
        let limits = Limits {
            body_bytes: 64,
            ..Limits::DEFAULT
        };
        assert_eq!(parse(&[b' '; 65], &limits).unwrap_err().status, 413);
    }
}
