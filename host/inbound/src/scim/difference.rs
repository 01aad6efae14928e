//! What is wanted against what is there, as PATCH operations (RFC 7644, section 3.5.2).
//!
//! What the server adds by itself is no difference: a `display` next to a `value`, a `formatted` name. What is not wanted
//! explicitly stays.

use serde_json::{Map, Value, json};

use super::{PATCH_URN, member};

/// Never compared and never patched: the server's own, or never shown.
const NOT_PATCHED: [&str; 5] = ["schemas", "id", "meta", "password", "members"];

/// The operations that make `current` as `wanted`; none if it is.
pub(super) fn operations(current: &Value, wanted: &Map<String, Value>) -> Vec<Value> {
    let mut operations = Vec::new();
    for (name, value) in wanted {
        if NOT_PATCHED.iter().any(|not| not.eq_ignore_ascii_case(name)) {
            continue;
        }
        let there = member(current, name);
        match value {
            // An extension: each attribute of its own.
            Value::Object(inner) if name.starts_with("urn:") => {
                for (attribute, value) in inner {
                    let path = format!("{name}:{attribute}");
                    compare(&path, member(there, attribute), value, &mut operations);
                }
            }
            value => compare(name, there, value, &mut operations),
        }
    }
    operations
}

fn compare(path: &str, there: &Value, wanted: &Value, operations: &mut Vec<Value>) {
    if is_nothing(wanted) {
        if !is_nothing(there) {
            operations.push(json!({"op": "remove", "path": path}));
        }
    } else if !covers(there, wanted) {
        operations.push(json!({"op": "replace", "path": path, "value": wanted}));
    }
}

/// RFC 7643, section 2.5: null and the empty array are "unassigned". So is the empty string for Entra.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Whether what is there is what is wanted, whatever else is there beside it.
fn covers(there: &Value, wanted: &Value) -> bool {
    match (there, wanted) {
        (Value::Object(_), Value::Object(wanted)) => wanted.iter().all(|(name, value)| {
            let there = member(there, name);
            (is_nothing(there) && is_nothing(value)) || covers(there, value)
        }),
        // In any order.
        (Value::Array(there), Value::Array(wanted)) => {
            there.len() == wanted.len()
                && wanted
                    .iter()
                    .all(|wanted| there.iter().any(|there| covers(there, wanted)))
        }
        (there, wanted) => there == wanted,
    }
}

/// All that is wanted, without knowing what is there.
pub(super) fn blind(wanted: &Map<String, Value>) -> Vec<Value> {
    let mut operations = operations(&Value::Null, wanted);
    // Clearing what is not there is no error (section 3.5.2.2), and what is there is not known.
    for (name, value) in wanted {
        let patched = !NOT_PATCHED.iter().any(|not| not.eq_ignore_ascii_case(name));
        match value {
            Value::Object(inner) if name.starts_with("urn:") => {
                let cleared = inner.iter().filter(|(_, value)| is_nothing(value));
                operations.extend(
                    cleared.map(
                        |(inner, _)| json!({"op": "remove", "path": format!("{name}:{inner}")}),
                    ),
                );
            }
            value if patched && is_nothing(value) => {
                operations.push(json!({"op": "remove", "path": name}));
            }
            _ => {}
        }
    }
    operations
}

/// The message around operations.
pub(super) fn patch(operations: &[Value]) -> Value {
    json!({"schemas": [PATCH_URN], "Operations": operations})
}

/// A resource as it is created or put: without what is cleared.
pub(super) fn whole(key: &str, wanted: &Map<String, Value>, core: &str) -> Map<String, Value> {
    let mut whole: Map<String, Value> = wanted
        .iter()
        .filter(|(_, value)| !is_nothing(value))
        .map(|(name, value)| {
            let value = match value {
                Value::Object(inner) => inner
                    .iter()
                    .filter(|(_, value)| !is_nothing(value))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect::<Map<_, _>>()
                    .into(),
                value => value.clone(),
            };
            (name.clone(), value)
        })
        .collect();
    if !whole.contains_key("externalId") {
        whole.insert("externalId".to_owned(), key.into());
    }
    if !whole.contains_key("schemas") {
        let urns = whole.keys().filter(|name| name.starts_with("urn:"));
        let urns: Vec<String> = std::iter::once(core.to_owned())
            .chain(urns.cloned())
            .collect();
        whole.insert("schemas".to_owned(), json!(urns));
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn wanted() -> Map<String, Value> {
        json!({
            "userName": "ana", "active": true, "title": null, "password": "s",
            "name": {"givenName": "Ana"},
            "emails": [{"type": "work", "value": "ana@example.org"}],
            ENTERPRISE: {"department": "Sales", "manager": {"value": "7"}, "division": null},
        })
        .as_object()
        .unwrap()
        .clone()
    }

    #[test]
    fn what_the_server_adds_is_no_difference() {
        let current = json!({
            "id": "1", "meta": {}, "USERNAME": "ana", "active": true,
            "name": {"givenName": "Ana", "formatted": "Ana"},
            "emails": [{"value": "ana@example.org", "type": "work", "primary": true}],
            ENTERPRISE: {"department": "Sales", "manager": {"value": "7", "$ref": "x"}},
        });
        assert!(operations(&current, &wanted()).is_empty());
    }

    #[test]
    fn a_difference_is_replaced_or_removed_by_its_path() {
        let current = json!({
            "userName": "ana", "active": false, "title": "Boss",
            "name": {"givenName": "Ana"},
            "emails": [{"type": "work", "value": "ana@example.org"}],
            ENTERPRISE: {"department": "Sales", "division": "North"},
        });
        assert_eq!(
            operations(&current, &wanted()),
            [
                json!({"op": "replace", "path": "active", "value": true}),
                json!({"op": "remove", "path": "title"}),
                json!({"op": "replace", "path": format!("{ENTERPRISE}:manager"), "value": {"value": "7"}}),
                json!({"op": "remove", "path": format!("{ENTERPRISE}:division")}),
            ]
        );
    }

    #[test]
    fn a_new_resource_has_nothing_that_is_cleared() {
        let whole = whole("10042", &wanted(), "urn:core");
        assert_eq!(whole["externalId"], "10042");
        assert_eq!(whole["schemas"], json!(["urn:core", ENTERPRISE]));
        assert!(!whole.contains_key("title"));
        assert!(whole[ENTERPRISE].get("division").is_none());
        let blind = blind(&wanted());
        assert!(blind.contains(&json!({"op": "remove", "path": "title"})));
        assert!(blind.contains(&json!({"op": "remove", "path": format!("{ENTERPRISE}:division")})));
    }
}
