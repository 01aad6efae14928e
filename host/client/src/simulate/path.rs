//! The target attributes of a mapping: the few forms that Entra's attribute lists have.

use serde_json::{Map, Value, json};

/// A target attribute, as Entra writes it into mappings and PATCH paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    text: String,
    form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// `displayName`
    Simple,
    /// `name.givenName`
    Sub(String, String),
    /// `emails[type eq "work"].value`
    Element {
        attribute: String,
        kind: String,
        sub: String,
    },
    /// `urn:…:2.0:User:department`
    Extension(String, String),
}

/// A target attribute of no known form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is no target attribute: write `title`, `name.givenName`, `emails[type eq \"work\"].value` or `urn:…:User:department`"
)]
pub struct InvalidPath(String);

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidPath> {
        let form = form(text).ok_or_else(|| InvalidPath(text.to_owned()))?;
        Ok(Self {
            text: text.to_owned(),
            form,
        })
    }

    /// As Entra writes it.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it selects an element of a list; such a path never becomes a key of a pathless PATCH.
    pub(crate) fn is_value_path(&self) -> bool {
        matches!(self.form, Form::Element { .. })
    }

    /// The value that a resource has there.
    pub(crate) fn read<'a>(&self, resource: &'a Value) -> Option<&'a Value> {
        let found = match &self.form {
            Form::Simple => resource.get(&self.text),
            Form::Sub(attribute, sub) | Form::Extension(attribute, sub) => {
                resource.get(attribute)?.get(sub)
            }
            Form::Element {
                attribute,
                kind,
                sub,
            } => resource
                .get(attribute)?
                .as_array()?
                .iter()
                .find(|element| element["type"] == **kind)?
                .get(sub),
        };
        found.filter(|value| !value.is_null())
    }

    /// Puts a value into a resource that is being made.
    pub(crate) fn write(&self, resource: &mut Map<String, Value>, value: Value) {
        match &self.form {
            Form::Simple => {
                resource.insert(self.text.clone(), value);
            }
            Form::Sub(attribute, sub) | Form::Extension(attribute, sub) => {
                let home = resource
                    .entry(attribute.as_str())
                    .or_insert_with(|| json!({}));
                home[sub.as_str()] = value;
            }
            Form::Element {
                attribute,
                kind,
                sub,
            } => {
                let list = resource
                    .entry(attribute.as_str())
                    .or_insert_with(|| json!([]));
                let Some(elements) = list.as_array_mut() else {
                    return;
                };
                let at = elements
                    .iter()
                    .position(|element| element["type"] == **kind)
                    .unwrap_or_else(|| {
                        elements.push(json!({ "type": kind }));
                        elements.len() - 1
                    });
                elements[at][sub.as_str()] = value;
            }
        }
    }
}

fn form(text: &str) -> Option<Form> {
    let word = |text: &str| {
        let mut chars = text.chars();
        let letter = chars
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '$');
        (letter && chars.all(|c| c.is_ascii_alphanumeric() || "-_$".contains(c)))
            .then(|| text.to_owned())
    };
    if text
        .get(..4)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:"))
    {
        let (urn, attribute) = text.rsplit_once(':')?;
        return Some(Form::Extension(urn.to_owned(), word(attribute)?));
    }
    if let Some((attribute, rest)) = text.split_once("[type eq \"") {
        let (kind, sub) = rest.split_once("\"].")?;
        return Some(Form::Element {
            attribute: word(attribute)?,
            kind: word(kind)?,
            sub: word(sub)?,
        });
    }
    match text.split_once('.') {
        Some((attribute, sub)) => Some(Form::Sub(word(attribute)?, word(sub)?)),
        None => word(text).map(|_| Form::Simple),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_writes_what_it_reads_and_elements_are_shared() {
        let mut map = Map::new();
        for (path, value) in [
            ("title", "Lead"),
            ("name.givenName", "Ana"),
            ("addresses[type eq \"work\"].locality", "Lima"),
            ("addresses[type eq \"work\"].country", "PE"),
            ("addresses[type eq \"home\"].country", "US"),
            ("urn:contoso:2.0:User:badge", "7"),
        ] {
            let path = Path::parse(path).unwrap();
            path.write(&mut map, json!(value));
            assert_eq!(path.read(&Value::Object(map.clone())), Some(&json!(value)));
        }
        assert_eq!(map["addresses"].as_array().map(Vec::len), Some(2));
        assert_eq!(map["urn:contoso:2.0:User"], json!({ "badge": "7" }));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "a b",
            "emails[type eq \"work\"]",
            "emails[primary eq true].value",
            ".x",
            "name.",
            "urn:x:",
        ] {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }
}
