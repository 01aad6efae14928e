//! Values as clients send them, made into values as the schema has them. In strict mode only null, `[]` and `{}` are
//! accepted of these.
//!
//! | a client sends | becomes | who |
//! |---|---|---|
//! | `"True"`, `"false"` for a boolean | `true`, `false` | Entra's legacy dialect |
//! | `"42"` for a number, `42` for a string | the attribute's type | clients that map text |
//! | null, `""`, `[]`, `{}` | nothing | Entra's validators clear with `""` |
//! | one object for many | an array of one | several |
//! | an array of one for a single value | the element | Entra's manager |
//! | a string for a complex value | `{"value": …}` | Entra's manager and members |
//! | `{"value": "{\"value\": …}"}` | the inner object | Entra's AppRoleAssignmentsComplex |

use serde_json::{Map, Number, Value};

use crate::json::kind;
use crate::schema::{Attribute, Mutability, Type};
use crate::{Deviation, Error, Rules};

/// Normalises values, and collects the names that the schema does not know.
pub(crate) struct Normaliser<'a> {
    /// The extension that the attributes stand in.
    pub(crate) urn: Option<&'a str>,
    /// What was dropped.
    pub(crate) ignored: &'a mut Vec<String>,
    /// What is accepted.
    pub(crate) rules: &'a Rules,
}

/// Sub-attributes with their new values; `None` clears.
pub(crate) type Parts<'t> = Vec<(&'t Attribute, Option<Value>)>;

impl Normaliser<'_> {
    /// The canonical form of a whole attribute; `None` if there is nothing in it.
    pub(crate) fn value(
        &mut self,
        attribute: &Attribute,
        value: Value,
    ) -> Result<Option<Value>, Error> {
        self.any(attribute, None, value)
    }

    /// The canonical form of a sub-attribute.
    pub(crate) fn sub(
        &mut self,
        parent: &Attribute,
        sub: &Attribute,
        value: Value,
    ) -> Result<Option<Value>, Error> {
        self.any(sub, Some(parent), value)
    }

    fn any(
        &mut self,
        attribute: &Attribute,
        parent: Option<&Attribute>,
        value: Value,
    ) -> Result<Option<Value>, Error> {
        if !attribute.multi_valued {
            return self.single(attribute, parent, value);
        }
        let items = match value {
            Value::Array(items) => items,
            Value::Null => return Ok(None),
            other if !self.rules.accepts(Deviation::LooseShapes) => {
                return Err(self.mismatch(attribute, parent, &other, "an array"));
            }
            Value::String(text) => match embedded(&text) {
                Some(Value::Array(items)) => items,
                Some(other) => vec![other],
                None => vec![Value::String(text)],
            },
            other => vec![other],
        };
        let mut values = Vec::with_capacity(items.len());
        let mut primaries = 0;
        for item in items {
            let Some(item) = self.single(attribute, parent, item)? else {
                continue;
            };
            primaries += usize::from(is_primary(&item));
            values.push(item);
        }
        if primaries > 1 {
            let name = self.name(attribute, parent);
            let detail = format!(
                "`{name}` has {primaries} elements with primary true; only one may be primary"
            );
            return Err(Error::invalid_value(detail));
        }
        Ok(if values.is_empty() {
            None
        } else {
            Some(Value::Array(values))
        })
    }

    /// One value, or one element of a multi-valued attribute.
    pub(crate) fn single(
        &mut self,
        attribute: &Attribute,
        parent: Option<&Attribute>,
        value: Value,
    ) -> Result<Option<Value>, Error> {
        let value = match value {
            Value::Array(mut items)
                if items.len() == 1
                    && !matches!(items[0], Value::Array(_))
                    && self.rules.accepts(Deviation::LooseShapes) =>
            {
                items.remove(0)
            }
            other => other,
        };
        if is_empty(&value) {
            self.check_empty(attribute, parent, &value)?;
            return Ok(None);
        }
        if attribute.kind != Type::Complex {
            return self.simple(attribute, parent, value).map(Some);
        }
        let object = self.object(attribute, value)?;
        let parts = self.parts(attribute, object)?;
        let mut emptied = false;
        let mut map = Map::with_capacity(parts.len());
        for (sub, value) in parts {
            match value {
                Some(value) => {
                    map.insert(sub.name.clone(), value);
                }
                None => emptied = true,
            }
        }
        if map.is_empty() || (emptied && only_discriminators(&map)) {
            return Ok(None);
        }
        if let Some(sub) = attribute.sub_attributes.iter().find(|sub| {
            sub.required && sub.mutability != Mutability::ReadOnly && !map.contains_key(&sub.name)
        }) {
            let name = self.name(sub, Some(attribute));
            return Err(Error::invalid_value(format!(
                "`{name}` is required wherever `{}` is given",
                attribute.name
            )));
        }
        Ok(Some(Value::Object(map)))
    }

    /// A text that is empty clears a text; what else it clears depends on the dialect.
    pub(crate) fn check_empty(
        &self,
        attribute: &Attribute,
        parent: Option<&Attribute>,
        value: &Value,
    ) -> Result<(), Error> {
        let is_text = matches!(attribute.kind, Type::String | Type::Reference);
        if !value.is_string() || is_text || self.rules.accepts(Deviation::EmptyText) {
            return Ok(());
        }
        Err(self.mismatch(attribute, parent, value, words(attribute.kind)))
    }

    /// The object that a complex value means.
    pub(crate) fn object(
        &self,
        attribute: &Attribute,
        value: Value,
    ) -> Result<Map<String, Value>, Error> {
        let value = match value {
            other if !self.rules.accepts(Deviation::LooseShapes) => {
                return match other {
                    Value::Object(object) => Ok(object),
                    other => Err(self.mismatch(attribute, None, &other, "an object")),
                };
            }
            Value::Array(mut items) if items.len() == 1 => items.remove(0),
            Value::String(text) => match embedded(&text) {
                Some(object @ Value::Object(_)) => object,
                _ if attribute.sub("value").is_some() => {
                    let mut object = Map::new();
                    object.insert("value".into(), Value::String(text));
                    Value::Object(object)
                }
                _ => Value::String(text),
            },
            other => other,
        };
        match value {
            Value::Object(object) => Ok(unfold(object)),
            other => Err(self.mismatch(attribute, None, &other, "an object")),
        }
    }

    /// The parts of an object: canonical names, canonical values.
    pub(crate) fn parts<'t>(
        &mut self,
        attribute: &'t Attribute,
        object: Map<String, Value>,
    ) -> Result<Parts<'t>, Error> {
        let mut parts: Parts<'t> = Vec::with_capacity(object.len());
        for (key, value) in object {
            // Entra's role assignments say displayName where SCIM says display.
            let alias = || {
                (key.eq_ignore_ascii_case("displayName")
                    && self.rules.accepts(Deviation::LooseShapes))
                .then(|| attribute.sub("display"))
                .flatten()
            };
            let Some(sub) = attribute.sub(&key).or_else(alias) else {
                if !self.rules.accepts(Deviation::UnknownAttribute) {
                    return Err(Error::invalid_syntax(format!(
                        "`{}` has no sub-attribute `{key}`; `/Schemas` lists what there is",
                        self.name(attribute, None)
                    )));
                }
                self.ignored
                    .push(format!("{}.{key}", self.name(attribute, None)));
                continue;
            };
            // The id says all; the URI that goes with it is the server's to make.
            if sub.mutability == Mutability::ReadOnly || sub.name == "$ref" {
                continue;
            }
            if parts.iter().any(|(known, _)| std::ptr::eq(*known, sub)) {
                let name = self.name(sub, Some(attribute));
                return Err(Error::invalid_syntax(format!("`{name}` appears twice")));
            }
            parts.push((sub, self.sub(attribute, sub, value)?));
        }
        Ok(parts)
    }

    fn simple(
        &self,
        attribute: &Attribute,
        parent: Option<&Attribute>,
        value: Value,
    ) -> Result<Value, Error> {
        let converted = match attribute.kind {
            Type::Boolean => boolean(&value),
            Type::Integer => integer(&value),
            Type::Decimal => decimal(&value),
            Type::DateTime => instant(&value),
            Type::Binary => binary(&value),
            Type::String | Type::Reference => text(&value),
            Type::Complex => None,
        };
        let loose = self.rules.accepts(Deviation::LooseValues);
        match converted {
            Some(Converted::AsIs) => Ok(value),
            // One JSON type for another; 3.0 for 3 is none.
            Some(Converted::To(new)) if loose || (value.is_number() && new.is_number()) => Ok(new),
            _ => Err(self.mismatch(attribute, parent, &value, words(attribute.kind))),
        }
    }

    fn mismatch(
        &self,
        attribute: &Attribute,
        parent: Option<&Attribute>,
        came: &Value,
        expected: &str,
    ) -> Error {
        let name = self.name(attribute, parent);
        let unfit = match came {
            Value::String(_) if expected != "a string" && expected != "an object" => {
                " that is none"
            }
            _ => "",
        };
        Error::invalid_value(format!(
            "`{name}` must be {expected}, but {}{unfit} came",
            kind(came)
        ))
    }

    /// The attribute's full name, for messages.
    pub(crate) fn name(&self, attribute: &Attribute, parent: Option<&Attribute>) -> String {
        let urn = self.urn.map(|urn| format!("{urn}:")).unwrap_or_default();
        let parent = parent
            .map(|parent| format!("{}.", parent.name))
            .unwrap_or_default();
        format!("{urn}{parent}{}", attribute.name)
    }
}

/// What a value of that type is, in words, for error messages.
fn words(kind: Type) -> &'static str {
    match kind {
        Type::Boolean => "a boolean",
        Type::Integer => "a whole number",
        Type::Decimal => "a number",
        Type::DateTime => "a dateTime such as 2026-01-31T09:30:00Z",
        Type::Binary => "a base64 string",
        Type::String | Type::Reference => "a string",
        Type::Complex => "an object",
    }
}

/// Does the value say nothing?
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Is that element the primary one?
pub(crate) fn is_primary(element: &Value) -> bool {
    element.get("primary").and_then(Value::as_bool) == Some(true)
}

/// An element that says only what it is for, and no longer what it is.
pub(crate) fn only_discriminators(element: &Map<String, Value>) -> bool {
    element
        .keys()
        .all(|name| name == "type" || name == "primary")
}

/// JSON inside a string.
fn embedded(text: &str) -> Option<Value> {
    let trimmed = text.trim_start();
    if !trimmed.starts_with(['{', '[']) {
        return None;
    }
    crate::json::parse(trimmed.as_bytes(), &Rules::ENTRA.limits).ok()
}

/// An object whose `value` is a JSON object with a `value` of its own is that inner object, however deep; what the outer
/// one says besides is kept.
fn unfold(mut object: Map<String, Value>) -> Map<String, Value> {
    let spelt = |object: &Map<String, Value>, name: &str| {
        let mut keys = object.keys();
        keys.find(|key| key.eq_ignore_ascii_case(name)).cloned()
    };
    // Each text is inside the one before, so that this ends.
    while let Some(key) = spelt(&object, "value") {
        let inner = match &object[&key] {
            Value::String(text) => embedded(text),
            _ => None,
        };
        let Some(Value::Object(inner)) = inner else {
            break;
        };
        if spelt(&inner, "value").is_none() && spelt(&inner, "id").is_none() {
            break;
        }
        object.shift_remove(&key);
        object.extend(inner);
    }
    object
}

enum Converted {
    AsIs,
    To(Value),
}

fn boolean(value: &Value) -> Option<Converted> {
    match value {
        Value::Bool(_) => Some(Converted::AsIs),
        Value::String(text) => parse_boolean(text).map(|value| Converted::To(Value::Bool(value))),
        _ => None,
    }
}

/// `true` or `false`, in any case.
pub(crate) fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn integer(value: &Value) -> Option<Converted> {
    match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(Converted::AsIs),
        // 3.0 is a whole number for most JSON writers.
        #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
        Value::Number(number) => number
            .as_f64()
            .filter(|n| n.fract() == 0.0 && n.abs() < 9.0e15)
            .map(|n| Converted::To((n as i64).into())),
        Value::String(text) => text
            .trim()
            .parse::<i64>()
            .ok()
            .map(|number| Converted::To(number.into())),
        _ => None,
    }
}

fn decimal(value: &Value) -> Option<Converted> {
    match value {
        Value::Number(_) => Some(Converted::AsIs),
        Value::String(text) => serde_json::from_str::<Number>(text.trim())
            .ok()
            .map(|n| Converted::To(Value::Number(n))),
        _ => None,
    }
}

fn text(value: &Value) -> Option<Converted> {
    match value {
        Value::String(_) => Some(Converted::AsIs),
        Value::Number(number) => Some(Converted::To(Value::String(number.to_string()))),
        _ => None,
    }
}

fn instant(value: &Value) -> Option<Converted> {
    parse_instant(value.as_str()?).map(|_| Converted::AsIs)
}

/// An `xsd:dateTime`; without an offset it is UTC.
pub(crate) fn parse_instant(text: &str) -> Option<jiff::Timestamp> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        civil
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    })
}

fn binary(value: &Value) -> Option<Converted> {
    let fits =
        |c: u8| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || b"+/-_=".contains(&c);
    value.as_str()?.bytes().all(fits).then_some(Converted::AsIs)
}
