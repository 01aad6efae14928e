//! Single values from SCIM's types to the target's and back.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Map, Value};
use tombolo_scim::Resource;
use tombolo_scim::schema::Type;

use crate::error::ConvertError;
use crate::kind::{KindAttribute, KindType};
use crate::mapping::Flow;
use crate::object::{ObjectValue, Scalar};
use crate::overrides::Constant;
use crate::place::Leaf;
use crate::references::{Reference, References};

/// Why one value does not fit.
pub(crate) enum Misfit {
    /// This is what would.
    Type(&'static str),
    /// The id that nothing is known of.
    UnknownId(String),
}

/// A SCIM value as the target's type has it.
pub(crate) fn scalar(
    value: &Value,
    attribute: &KindAttribute,
    references: &References,
) -> Result<Scalar, Misfit> {
    let converted = match attribute.data {
        KindType::Text | KindType::Complex => as_text(value).map(Scalar::Text).ok_or("text"),
        KindType::Boolean => as_boolean(value)
            .map(Scalar::Boolean)
            .ok_or("true or false"),
        KindType::Integer => as_integer(value)
            .map(Scalar::Integer)
            .ok_or("a whole number of 64 bits"),
        KindType::Decimal => as_decimal(value)
            .map(Scalar::Decimal)
            .ok_or("a decimal number"),
        KindType::Instant => as_instant(value)
            .map(Scalar::Instant)
            .ok_or("a date and time such as 2026-01-31T12:00:00Z"),
        KindType::Binary => as_bytes(value).map(Scalar::Bytes).ok_or("base64"),
        KindType::Reference => {
            let id = value.as_str().ok_or(Misfit::Type("the id of a resource"))?;
            let kind = attribute.to.as_deref().unwrap_or_default();
            let anchor = references
                .anchor(kind, id)
                .ok_or_else(|| Misfit::UnknownId(id.to_owned()))?;
            return Ok(Scalar::Text(anchor.to_owned()));
        }
    };
    converted.map_err(Misfit::Type)
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn as_boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn as_decimal(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => {
            let digits = text.trim();
            let (whole, fraction) = digits
                .strip_prefix(['-', '+'])
                .unwrap_or(digits)
                .split_once('.')
                .unwrap_or((digits.trim_start_matches(['-', '+']), "0"));
            let all_digits =
                |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            (all_digits(whole) && all_digits(fraction))
                .then(|| digits.trim_start_matches('+').to_owned())
        }
        _ => None,
    }
}

pub(crate) fn as_instant(value: &Value) -> Option<String> {
    let instant: Timestamp = value.as_str()?.trim().parse().ok()?;
    Some(instant.to_string())
}

/// RFC 7643, section 2.3.6, allows both alphabets.
fn as_bytes(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str()?.trim();
    [STANDARD, URL_SAFE, STANDARD_NO_PAD, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|alphabet| alphabet.decode(text).ok())
}

/// A scalar as SCIM's type has it; `None` when it cannot be shown.
pub(crate) fn value(
    scalar: &Scalar,
    attribute: &KindAttribute,
    data: Type,
    references: &References,
) -> Option<Value> {
    if attribute.data == KindType::Reference {
        let id = references.id(
            attribute.to.as_deref().unwrap_or_default(),
            scalar.as_text()?,
        )?;
        return Some(Value::String(id.to_owned()));
    }
    match data {
        Type::Boolean => match scalar {
            Scalar::Boolean(value) => Some(Value::Bool(*value)),
            Scalar::Text(text) => text
                .trim()
                .to_ascii_lowercase()
                .parse()
                .ok()
                .map(Value::Bool),
            _ => None,
        },
        Type::Integer => match scalar {
            Scalar::Integer(value) => Some(Value::from(*value)),
            Scalar::Text(text) | Scalar::Decimal(text) => {
                text.trim().parse::<i64>().ok().map(Value::from)
            }
            _ => None,
        },
        Type::Decimal => match scalar {
            Scalar::Integer(value) => Some(Value::from(*value)),
            // A JSON number, so whole ones stay whole: `1` and `1.0` differ in JSON.
            Scalar::Text(text) | Scalar::Decimal(text) => serde_json::from_str(text.trim())
                .ok()
                .filter(Value::is_number)
                .or_else(|| text.trim().parse::<f64>().ok().map(Value::from)),
            _ => None,
        },
        Type::Complex => None,
        Type::String | Type::DateTime | Type::Binary | Type::Reference => {
            Some(Value::String(match scalar {
                Scalar::Text(text) | Scalar::Decimal(text) | Scalar::Instant(text) => text.clone(),
                Scalar::Boolean(value) => value.to_string(),
                Scalar::Integer(value) => value.to_string(),
                Scalar::Bytes(bytes) => STANDARD.encode(bytes),
            }))
        }
    }
}

/// A constant as the attribute's values.
pub(crate) fn constants(
    constant: &Constant,
    attribute: &KindAttribute,
) -> Result<Vec<ObjectValue>, String> {
    let one = |constant: &Constant| {
        let json = match constant {
            Constant::Boolean(value) => Value::Bool(*value),
            Constant::Integer(value) => Value::from(*value),
            Constant::Text(text) => Value::String(text.clone()),
            Constant::Many(_) => return Err("a list in a list".to_owned()),
        };
        match attribute.data {
            KindType::Complex => return Err("a complex attribute takes no constant".to_owned()),
            // An anchor, as the target has it: there is no id to look up.
            KindType::Reference => {
                return json
                    .as_str()
                    .map(Into::into)
                    .ok_or_else(|| "it must be an anchor".to_owned());
            }
            _ => {}
        }
        scalar(&json, attribute, &References::new())
            .map(ObjectValue::Simple)
            .map_err(|misfit| match misfit {
                Misfit::Type(expected) => format!("it must be {expected}"),
                Misfit::UnknownId(id) => format!("`{id}` is unknown"),
            })
    };
    match constant {
        Constant::Many(list) if attribute.multi => list.iter().map(one).collect(),
        Constant::Many(_) => Err("the attribute holds one value".to_owned()),
        single => Ok(vec![one(single)?]),
    }
}

impl Flow {
    /// The values that the resource has for the object's attribute.
    pub(crate) fn read(
        &self,
        resource: &Resource,
        references: &References,
    ) -> Result<Vec<ObjectValue>, ConvertError> {
        let mut values = Vec::new();
        for holder in self.place.holders(resource.as_map()) {
            values.extend(self.read_holder(holder, references)?);
            if !self.attribute.multi && !values.is_empty() {
                break;
            }
        }
        // A set: a value said twice is one value.
        let mut unique: Vec<ObjectValue> = Vec::with_capacity(values.len());
        if values.len() < 16 {
            for value in values {
                if !unique.contains(&value) {
                    unique.push(value);
                }
            }
            return Ok(unique);
        }
        let mut seen = std::collections::BTreeSet::new();
        unique.extend(
            values
                .into_iter()
                .filter(|value| seen.insert(value.clone())),
        );
        Ok(unique)
    }

    /// The values of one element (or of the attribute, if it is single).
    pub(crate) fn read_holder(
        &self,
        holder: &Value,
        references: &References,
    ) -> Result<Vec<ObjectValue>, ConvertError> {
        match &self.place.leaf {
            Leaf::Whole => self.read_values(holder, references),
            Leaf::Sub(name) => match holder.get(name) {
                Some(value) => self.read_values(value, references),
                None => Ok(Vec::new()),
            },
            Leaf::Parts(parts) => {
                let mut found = Vec::new();
                for part in parts {
                    if let Some(value) = holder.get(&part.sub).filter(|value| !value.is_null()) {
                        let path = || format!("{}.{}", self.path, part.sub);
                        let scalars = one_or_many(value)
                            .iter()
                            .map(|value| scalar(value, &part.attribute, references))
                            .collect::<Result<Vec<_>, _>>()
                            .map_err(|misfit| explain(misfit, path(), &part.attribute))?;
                        if !scalars.is_empty() {
                            found.push((part.attribute.name.clone(), scalars));
                        }
                    }
                }
                Ok(if found.is_empty() {
                    Vec::new()
                } else {
                    vec![ObjectValue::Complex(found)]
                })
            }
        }
    }

    fn read_values(
        &self,
        value: &Value,
        references: &References,
    ) -> Result<Vec<ObjectValue>, ConvertError> {
        one_or_many(value)
            .iter()
            .filter(|value| !value.is_null())
            .map(|value| scalar(value, &self.attribute, references).map(ObjectValue::Simple))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|misfit| explain(misfit, self.path.clone(), &self.attribute))
    }

    /// The ids in the resource that have to be looked up.
    pub(crate) fn collect_ids(&self, resource: &Resource, found: &mut Vec<Reference>) {
        let mut add = |attribute: &KindAttribute, value: Option<&Value>| {
            if let (KindType::Reference, Some(value)) = (attribute.data, value) {
                let ids = one_or_many(value).iter().filter_map(Value::as_str);
                found.extend(ids.map(|id| reference(attribute, id)));
            }
        };
        for holder in self.place.holders(resource.as_map()) {
            match &self.place.leaf {
                Leaf::Whole => add(&self.attribute, Some(holder)),
                Leaf::Sub(name) => add(&self.attribute, holder.get(name)),
                Leaf::Parts(parts) => {
                    for part in parts {
                        add(&part.attribute, holder.get(&part.sub));
                    }
                }
            }
        }
    }

    /// The anchors in the object's values that have to be looked up.
    pub(crate) fn collect_anchors(&self, values: &[ObjectValue], found: &mut Vec<Reference>) {
        for value in values {
            match value {
                ObjectValue::Simple(Scalar::Text(anchor))
                    if self.attribute.data == KindType::Reference =>
                {
                    found.push(reference(&self.attribute, anchor));
                }
                ObjectValue::Simple(_) => {}
                ObjectValue::Complex(parts) => {
                    for (name, scalars) in parts {
                        let part = self.attribute.parts.iter().find(|part| part.name == *name);
                        if let Some(part) = part.filter(|part| part.data == KindType::Reference) {
                            let anchors = scalars.iter().filter_map(Scalar::as_text);
                            found.extend(anchors.map(|anchor| reference(part, anchor)));
                        }
                    }
                }
            }
        }
    }

    /// What an object's value puts into an element: sub-attributes (or, of a
    /// simple attribute, the one value under the empty name).
    pub(crate) fn write_holder(
        &self,
        value: &ObjectValue,
        references: &References,
    ) -> Map<String, Value> {
        let mut written = Map::new();
        match (&self.place.leaf, value) {
            (Leaf::Whole, ObjectValue::Simple(simple)) => {
                if let Some(json) =
                    self::value(simple, &self.attribute, self.place.data, references)
                {
                    written.insert(String::new(), json);
                }
            }
            (Leaf::Sub(name), ObjectValue::Simple(simple)) => {
                if let Some(json) =
                    self::value(simple, &self.attribute, self.place.data, references)
                {
                    written.insert(name.clone(), json);
                }
            }
            (Leaf::Parts(parts), ObjectValue::Complex(scalars)) => {
                for part in parts.iter().filter(|part| part.attribute.is_readable()) {
                    let found = scalars
                        .iter()
                        .find(|(name, _)| *name == part.attribute.name);
                    let Some((_, list)) = found else { continue };
                    let mut shown: Vec<Value> = list
                        .iter()
                        .filter_map(|scalar| {
                            self::value(scalar, &part.attribute, part.data, references)
                        })
                        .collect();
                    if part.attribute.multi && !shown.is_empty() {
                        written.insert(part.sub.clone(), Value::Array(shown));
                    } else if !shown.is_empty() {
                        written.insert(part.sub.clone(), shown.swap_remove(0));
                    }
                }
            }
            // The connector answered against its own description: there is nothing to show.
            (Leaf::Whole | Leaf::Sub(_), ObjectValue::Complex(_))
            | (Leaf::Parts(_), ObjectValue::Simple(_)) => {}
        }
        written
    }
}

fn one_or_many(value: &Value) -> &[Value] {
    match value {
        Value::Array(list) => list,
        single => std::slice::from_ref(single),
    }
}

fn reference(attribute: &KindAttribute, value: &str) -> Reference {
    Reference {
        kind: attribute.to.clone().unwrap_or_default(),
        value: value.to_owned(),
    }
}

fn explain(misfit: Misfit, path: String, attribute: &KindAttribute) -> ConvertError {
    match misfit {
        Misfit::Type(expected) => ConvertError::Type {
            path,
            attribute: attribute.name.clone(),
            data: attribute.data.as_str(),
            expected,
        },
        Misfit::UnknownId(id) => ConvertError::UnknownReference {
            path,
            id,
            kind: attribute.to.clone().unwrap_or_default(),
        },
    }
}
