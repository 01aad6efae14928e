//! The order of a list (RFC 7644, section 3.4.2.3).
//!
//! Numbers, instants and booleans compare by value, texts as the attribute's `caseExact` says. Of a multi-valued attribute
//! the primary element counts, else the first. What has no value comes last, and first when the order descends.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::{Map, Number, Value};

use crate::AttributePath;
use crate::filter::{compare_numbers, fold_case};
use crate::resource::normalise::{is_primary, parse_instant};
use crate::schema::{Attribute, ResourceType, Type};

/// What a resource is sorted by.
#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    /// A boolean: false before true.
    Boolean(bool),
    /// A number.
    Number(Number),
    /// A dateTime.
    Instant(Timestamp),
    /// Anything else, folded unless its case counts.
    Text(String),
}

/// The key of one resource; none when it has no value there.
///
/// `resource` is what the attribute is looked for in; `id` and `meta` count if they are in it.
pub fn key(ty: &ResourceType, resource: &Map<String, Value>, path: &AttributePath) -> Option<Key> {
    let target = ty.resolve(path)?;
    let container = match target.extension {
        None => resource,
        Some(urn) => resource.get(urn)?.as_object()?,
    };
    let value = match container.get(&target.attribute.name)? {
        Value::Array(elements) => elements
            .iter()
            .find(|element| is_primary(element))
            .or(elements.first())?,
        single => single,
    };
    match (target.sub, target.attribute.sub("value")) {
        (Some(sub), _) => of(sub, value.get(&sub.name)?),
        // A complex attribute stands for its `value`, as in a filter.
        (None, Some(sub)) if target.attribute.kind == Type::Complex => {
            of(sub, value.get(&sub.name)?)
        }
        _ => of(target.attribute, value),
    }
}

fn of(attribute: &Attribute, value: &Value) -> Option<Key> {
    match value {
        Value::Bool(value) => Some(Key::Boolean(*value)),
        Value::Number(number) => Some(Key::Number(number.clone())),
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(match parse_instant(text) {
            Some(instant) if attribute.kind == Type::DateTime => Key::Instant(instant),
            _ if attribute.case_exact => Key::Text(text.clone()),
            _ => Key::Text(fold_case(text)),
        }),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The order of two resources by their keys.
pub fn compare(a: Option<&Key>, b: Option<&Key>, descending: bool) -> Ordering {
    let order = match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => a.compare(b),
    };
    if descending { order.reverse() } else { order }
}

impl Key {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => compare_numbers(a, b).unwrap_or(Ordering::Equal),
            (Self::Instant(a), Self::Instant(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            // One attribute name may have another type in another resource type.
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Boolean(_) => 0,
            Self::Number(_) => 1,
            Self::Instant(_) => 2,
            Self::Text(_) => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::ENTERPRISE_USER_URN;

    /// The names of these users in the order of the attribute.
    fn sorted(by: &str, descending: bool, users: &[Value]) -> Vec<String> {
        let mut ty = ResourceType::user();
        for (path, kind) in [
            ("urn:x:level", Type::Integer),
            ("urn:x:since", Type::DateTime),
        ] {
            ty.ensure(&AttributePath::parse(path).unwrap(), kind)
                .unwrap();
        }
        let path = AttributePath::parse(by).unwrap();
        let mut keyed: Vec<_> = users
            .iter()
            .map(|user| {
                (
                    key(&ty, user.as_object().unwrap(), &path),
                    user["userName"].as_str(),
                )
            })
            .collect();
        keyed.sort_by(|(a, _), (b, _)| compare(a.as_ref(), b.as_ref(), descending));
        keyed
            .into_iter()
            .map(|(_, name)| name.unwrap().to_owned())
            .collect()
    }

    #[test]
    fn values_compare_by_their_type_and_not_as_text() {
        let users = [
            json!({"userName": "b", "active": true, "urn:x": {"level": 10, "since": "2026-01-01T00:00:00Z"}}),
            json!({"userName": "A", "active": false, "urn:x": {"level": 9, "since": "2026-01-01T00:30:00+01:00"}}),
        ];
        assert_eq!(sorted("urn:x:level", false, &users), ["A", "b"]);
        assert_eq!(sorted("urn:x:since", false, &users), ["A", "b"]);
        assert_eq!(sorted("active", false, &users), ["A", "b"]);
        assert_eq!(sorted("userName", false, &users), ["A", "b"]);
        assert_eq!(sorted("userName", true, &users), ["b", "A"]);
    }

    #[test]
    fn case_counts_where_the_schema_says_so() {
        let users = [
            json!({"userName": "1", "externalId": "a", "title": "a"}),
            json!({"userName": "2", "externalId": "B", "title": "B"}),
        ];
        assert_eq!(sorted("externalId", false, &users), ["2", "1"]);
        assert_eq!(sorted("title", false, &users), ["1", "2"]);
    }

    #[test]
    fn the_primary_element_counts_else_the_first() {
        let users = [
            json!({"userName": "1", "emails": [{"value": "z"}, {"value": "b", "primary": true}]}),
            json!({"userName": "2", "emails": [{"value": "a"}, {"value": "c"}]}),
        ];
        assert_eq!(sorted("emails", false, &users), ["2", "1"]);
        assert_eq!(sorted("emails.value", true, &users), ["1", "2"]);
    }

    #[test]
    fn what_has_no_value_comes_last_or_first_when_descending() {
        let users = [
            json!({"userName": "none"}),
            json!({"userName": "b", "name": {"familyName": "B"}, ENTERPRISE_USER_URN: {"department": "D"}}),
            json!({"userName": "a", "name": {"familyName": "A"}}),
        ];
        assert_eq!(sorted("name.familyName", false, &users), ["a", "b", "none"]);
        assert_eq!(sorted("name.familyName", true, &users), ["none", "b", "a"]);
        let department = format!("{ENTERPRISE_USER_URN}:department");
        assert_eq!(sorted(&department, false, &users)[0], "b");
    }
}
