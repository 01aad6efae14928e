//! Templates: values put into paths, queries, headers, JSON and XML.
//!
//! The place decides how a value is written, not the template's author: in a path it is one segment, in XML it is text, in JSON it
//! stays what it is. There is no way to switch that off, so no value can become structure.

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Value as Data};
use serde_json::{Map, Value};
use std::collections::HashSet;
use tombolo_sdk::http::escape_segment;
use tombolo_sdk::{Failure, Result};

/// What templates may speak of: attributes by name, `id`, `request`, paging.
pub type Scope = Map<String, Value>;

/// Where a value is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A URL's path: one segment, never empty.
    Path,
    /// Text that is encoded afterwards as a whole.
    Text,
    /// XML, between tags or in quotes.
    Xml,
}

fn environment(place: Place) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_formatter(move |out, _, value| {
        let text = match value.kind() {
            ValueKind::None | ValueKind::Undefined => String::new(),
            _ => value.to_string(),
        };
        let written = match place {
            Place::Path if text.is_empty() => {
                return Err(refused("a value that stands in the path is missing"));
            }
            Place::Path => escape_segment(&text),
            Place::Text => text,
            Place::Xml => escape_xml(&text)?,
        };
        out.write_str(&written)
            .map_err(|_| refused("it cannot be written"))
    });
    environment
}

fn refused(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}

/// Text for XML 1.0; characters that it cannot hold at all (section 2.2) are refused.
fn escape_xml(text: &str) -> std::result::Result<String, Error> {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // A parser would make blanks or line feeds of them.
            '\t' | '\n' | '\r' => out.push_str(&format!("&#{};", c as u32)),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                return Err(refused("a value has a character that XML cannot hold"));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// The template with the scope's values.
pub fn render(place: Place, source: &str, scope: &Scope) -> Result<String> {
    environment(place)
        .render_str(source, Data::from_serialize(scope))
        .map_err(|error| failure(source, &error))
}

/// A text that may be one value (`{{ x }}`, which keeps its type) or a mixture. None: it is about something that is not given.
pub fn value(source: &str, scope: &Scope) -> Result<Option<Value>> {
    if let Some(expression) = expression(source) {
        let environment = environment(Place::Text);
        let found = environment
            .compile_expression(expression)
            .and_then(|compiled| compiled.eval(Data::from_serialize(scope)))
            .map_err(|error| failure(source, &error))?;
        if found.is_undefined() {
            return Ok(None);
        }
        return serde_json::to_value(&found)
            .map(Some)
            .map_err(|error| Failure::other(format!("`{source}`: {error}")));
    }
    let text = render(Place::Text, source, scope)?;
    // Literally empty is meant so; empty for want of values is left out.
    let left_out = text.is_empty() && !source.is_empty();
    Ok((!left_out).then_some(Value::String(text)))
}

/// A structure with the values in it; members that are about something that is not given are left out.
pub fn structure(source: &Value, scope: &Scope) -> Result<Option<Value>> {
    Ok(match source {
        Value::String(text) => value(text, scope)?,
        Value::Array(list) => {
            let made: Result<Vec<_>> = list.iter().map(|item| structure(item, scope)).collect();
            Some(Value::Array(made?.into_iter().flatten().collect()))
        }
        Value::Object(members) => {
            let mut made = Map::new();
            for (name, member) in members {
                if let Some(value) = structure(member, scope)? {
                    made.insert(name.clone(), value);
                }
            }
            Some(Value::Object(made))
        }
        other => Some(other.clone()),
    })
}

/// What stands in `{{ … }}`, if nothing else stands there.
fn expression(source: &str) -> Option<&str> {
    let inner = source.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("{%")).then(|| inner.trim())
}

/// Names that a template speaks of; the error is one of its grammar.
pub fn names(source: &str) -> std::result::Result<HashSet<String>, String> {
    let environment = environment(Place::Text);
    let template = environment
        .template_from_str(source)
        .map_err(|error| error.to_string())?;
    Ok(template.undeclared_variables(false))
}

fn failure(source: &str, error: &Error) -> Failure {
    let why = error
        .detail()
        .map_or_else(|| error.to_string(), str::to_owned);
    let shown: String = source.chars().take(60).collect();
    Failure::invalid(format!("`{shown}`: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn unwritable(c: char) -> bool {
        c < ' ' || c == '\u{fffe}' || c == '\u{ffff}'
    }

    fn scope(value: &Value) -> Scope {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn what_is_not_given_is_left_out_and_what_is_cleared_is_null() {
        let scope = scope(&json!({"a": 1, "b": null, "c": ["x", true]}));
        let source = json!({"a": "{{ a }}", "b": "{{b}}", "n": "{{ no }}", "mixed": "{{ a }}-{{ no }}", "gone": "{{ no }}{{ no }}", "l": "{{ c }}", "k": 7, "e": ""});
        assert_eq!(
            structure(&source, &scope).expect("values").expect("some"),
            json!({"a": 1, "b": null, "mixed": "1-", "l": ["x", true], "k": 7, "e": ""})
        );
    }

    #[test]
    fn a_path_has_no_holes_and_no_steps() {
        let given = |id: &str| render(Place::Path, "/users/{{ id }}", &scope(&json!({ "id": id })));
        assert_eq!(given("a/b").expect("a path"), "/users/a%2Fb");
        assert_eq!(given("..").expect("a path"), "/users/%252E%252E");
        assert!(given("").is_err());
        assert!(render(Place::Path, "/users/{{ other }}", &Scope::new()).is_err());
    }

    #[test]
    fn a_template_that_is_none_is_said() {
        assert!(names("{{ a").is_err());
        assert!(
            names("{{ a }}{% if b %}{{ c.d }}{% endif %}")
                .expect("names")
                .contains("b")
        );
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_place(value in any::<String>()) {
            let scope = scope(&json!({ "v": value }));
            let json = structure(&json!({"k": {"v": "{{ v }}", "m": "<{{ v|safe }}>"}}), &scope).expect("values").expect("some");
            prop_assert_eq!(json, json!({"k": {"v": value.clone(), "m": format!("<{value}>")}}));

            if let Ok(path) = render(Place::Path, "/a/{{ v|safe }}/b", &scope) {
                prop_assert_eq!(path.split('/').count(), 4);
                prop_assert!(path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~%".contains(&b)));
                prop_assert!(path.split('/').all(|s| s != "." && s != ".."));
            } else {
                prop_assert!(value.is_empty());
            }

            match render(Place::Xml, "<a b=\"{{ v }}\"><c>{% autoescape false %}{{ v|safe }}{% endautoescape %}</c></a>", &scope) {
                Ok(xml) => {
                    let tree = crate::tree::parse(xml.as_bytes()).expect("XML");
                    let expected = if value.is_empty() { Value::Null } else { value.clone().into() };
                    prop_assert_eq!(&tree["a"]["c"], &expected);
                    prop_assert_eq!(&tree["a"]["@b"], &Value::String(value));
                }
                Err(_) => prop_assert!(value.contains(unwritable)),
            }
        }
    }
}
