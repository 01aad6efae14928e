//! Paths such as `name.givenName`, `emails[type eq "work"].value` and `urn:…:User:department` in a JSON tree.

use serde_json::{Value, json};

pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A path, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) urn: Option<&'static str>,
    pub(crate) name: String,
    /// `[attribute eq value]`
    pub(crate) select: Option<(String, Value)>,
    pub(crate) part: Option<String>,
}

impl Path {
    /// None for an extension that the server does not have.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let lower = text.to_lowercase();
        let (urn, rest) = if lower.starts_with(&ENTERPRISE.to_lowercase()) {
            (
                Some(ENTERPRISE),
                text[ENTERPRISE.len()..].trim_start_matches(':'),
            )
        } else if lower.starts_with("urn:") {
            return None;
        } else if lower == "manager" {
            (Some(ENTERPRISE), text)
        } else {
            (None, text)
        };
        let (head, select, tail) = match (rest.find('['), rest.find(']')) {
            (Some(open), Some(close)) => {
                let (attribute, value) = rest[open + 1..close].split_once(" eq ")?;
                let value: Value = serde_json::from_str(value).ok()?;
                // Entra's `primary eq "True"`.
                let value = if attribute == "primary" {
                    json!(true)
                } else {
                    value
                };
                (
                    &rest[..open],
                    Some((attribute.to_owned(), value)),
                    &rest[close + 1..],
                )
            }
            _ => {
                let dot = rest.find('.').unwrap_or(rest.len());
                (&rest[..dot], None, &rest[dot..])
            }
        };
        let part = tail.strip_prefix('.').map(canonical);
        Some(Self {
            urn,
            name: canonical(head),
            select,
            part,
        })
    }

    /// The element, whatever part of it the path leads to.
    pub(crate) fn element(&self) -> Self {
        Self {
            part: None,
            ..self.clone()
        }
    }

    pub(crate) fn read<'a>(&self, resource: &'a Value) -> Option<&'a Value> {
        let home = self.urn.map_or(Some(resource), |urn| resource.get(urn))?;
        let mut found = home.get(&self.name)?;
        if let Some((attribute, value)) = &self.select {
            found = found
                .as_array()?
                .iter()
                .find(|element| element[attribute] == *value)?;
        }
        match &self.part {
            Some(part) => found.get(part),
            None => Some(found),
        }
    }

    /// Sets or, with none, removes. With `apart`, a new element even if there is one.
    pub(crate) fn write(&self, resource: &mut Value, value: Option<Value>, apart: bool) {
        let home = match self.urn {
            Some(urn) => entry(resource, urn, json!({})),
            None => resource,
        };
        let Some((attribute, of)) = &self.select else {
            match (&self.part, value) {
                (Some(part), Some(value)) => {
                    *entry(entry(home, &self.name, json!({})), part, Value::Null) = value;
                }
                (Some(part), None) => remove(entry(home, &self.name, json!({})), part),
                (None, Some(value)) => *entry(home, &self.name, Value::Null) = value,
                (None, None) => remove(home, &self.name),
            }
            return;
        };
        let Value::Array(elements) = entry(home, &self.name, json!([])) else {
            return;
        };
        let part = self.part.as_deref().unwrap_or("value");
        let at = elements
            .iter()
            .position(|element| element[attribute] == *of);
        match (at.filter(|_| !apart), value) {
            (Some(at), Some(value)) => elements[at][part] = value,
            (Some(at), None) => {
                remove(&mut elements[at], part);
                if elements[at]
                    .as_object()
                    .is_some_and(|element| element.len() == 1)
                {
                    elements.remove(at);
                }
            }
            (None, Some(value)) => elements.push(json!({ attribute: of, part: value })),
            (None, None) => {}
        }
    }
}

/// The server's own spelling of a name.
fn canonical(name: &str) -> String {
    const NAMES: [&str; 17] = [
        "id",
        "userName",
        "externalId",
        "active",
        "displayName",
        "title",
        "name",
        "givenName",
        "familyName",
        "emails",
        "addresses",
        "postalCode",
        "employeeNumber",
        "manager",
        "members",
        "meta",
        "lastModified",
    ];
    NAMES
        .iter()
        .find(|known| known.eq_ignore_ascii_case(name))
        .map_or_else(|| name.to_owned(), |known| (*known).to_owned())
}

fn entry<'a>(object: &'a mut Value, name: &str, fresh: Value) -> &'a mut Value {
    let place = &mut object[name];
    if place.is_null() {
        *place = fresh;
    }
    place
}

pub(crate) fn remove(object: &mut Value, name: &str) {
    if let Some(object) = object.as_object_mut() {
        object.shift_remove(name);
    }
}
