//! Where something is in an answer: `users[*]`, `user.custom_fields[id=7].value`, `Envelope.Body.Fault`.
//!
//! A dot goes down, also through every element of a list; `[2]` takes one element, `[*]` all of them, `[name=value]` those that
//! have this value. Nothing, or `.`, is the whole. XML and JSON look the same here (see [`crate::tree`]), and so one path serves
//! an element that occurs once and one that occurs often.

use serde::Deserialize;
use serde_json::Value;

/// A parsed path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Path(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    At(usize),
    Each,
    Where(String, String),
}

impl TryFrom<String> for Path {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{text}` is no path: {why}");
        let mut steps = Vec::new();
        let mut rest = text.strip_prefix('$').unwrap_or(&text);
        rest = rest.strip_prefix('.').unwrap_or(rest);
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let end = inner
                    .find(']')
                    .ok_or_else(|| wrong("a `[` is not closed"))?;
                steps.push(bracket(&inner[..end]).ok_or_else(|| {
                    wrong("in brackets stand a number, `*`, `name=value` or a quoted name")
                })?);
                rest = &inner[end + 1..];
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                if end == 0 {
                    return Err(wrong("a name is missing"));
                }
                steps.push(Step::Name(rest[..end].to_owned()));
                rest = &rest[end..];
            }
            if let Some(after) = rest.strip_prefix('.') {
                if after.is_empty() {
                    return Err(wrong("it ends in a dot"));
                }
                rest = after;
            }
        }
        Ok(Self(steps))
    }
}

fn bracket(inner: &str) -> Option<Step> {
    let unquoted = |text: &str| {
        let inner = text.strip_prefix(['"', '\''])?;
        inner.strip_suffix(['"', '\'']).map(str::to_owned)
    };
    if inner == "*" {
        return Some(Step::Each);
    }
    if let Ok(at) = inner.parse() {
        return Some(Step::At(at));
    }
    if let Some(name) = unquoted(inner) {
        return Some(Step::Name(name));
    }
    let (name, value) = inner.split_once('=')?;
    let value = unquoted(value).unwrap_or_else(|| value.to_owned());
    (!name.is_empty()).then(|| Step::Where(name.trim().to_owned(), value))
}

impl Path {
    /// A path of one name.
    pub fn name(name: &str) -> Self {
        Self(vec![Step::Name(name.to_owned())])
    }

    /// The names in it.
    pub fn names(&self) -> Vec<String> {
        let name = |step: &Step| match step {
            Step::Name(name) => Some(name.clone()),
            _ => None,
        };
        self.0.iter().filter_map(name).collect()
    }

    /// Everything that is there. A list at the end counts as its elements; `null` as nothing.
    pub fn all<'v>(&self, root: &'v Value) -> Vec<&'v Value> {
        let mut here = vec![root];
        for step in &self.0 {
            here = here
                .into_iter()
                .flat_map(|value| take(step, value))
                .collect();
        }
        here.into_iter()
            .flat_map(elements)
            .filter(|value| !value.is_null())
            .collect()
    }

    /// The first thing that is there.
    pub fn first<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        self.all(root).into_iter().next()
    }

    /// The first thing that is there, as text.
    pub fn text(&self, root: &Value) -> Option<String> {
        self.first(root).and_then(plain)
    }
}

fn take<'v>(step: &Step, value: &'v Value) -> Vec<&'v Value> {
    match step {
        Step::Name(name) => elements(value)
            .into_iter()
            .filter_map(|element| element.get(name))
            .collect(),
        Step::At(at) => elements(value).into_iter().skip(*at).take(1).collect(),
        Step::Each => elements(value),
        Step::Where(name, wanted) => elements(value)
            .into_iter()
            .filter(|element| element.get(name).and_then(plain).as_deref() == Some(wanted))
            .collect(),
    }
}

/// What stands once is a list of one.
fn elements(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(elements) => elements.iter().collect(),
        other => vec![other],
    }
}

/// A scalar as text; an XML element with attributes is its text.
pub fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Object(members) => members.get(crate::tree::TEXT).and_then(plain),
        Value::Null | Value::Array(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn path(text: &str) -> Path {
        Path::try_from(text.to_owned()).expect("a path")
    }

    #[test]
    fn it_finds_what_it_names() {
        let root = json!({"users": [
            {"id": 1, "mail": [{"type": "home", "v": "h"}, {"type": "work", "v": "w"}]},
            {"id": 2, "odd.name": true, "none": null},
        ]});
        let texts = |text: &str| -> Vec<String> {
            path(text)
                .all(&root)
                .into_iter()
                .filter_map(plain)
                .collect()
        };
        assert_eq!(texts("users[*].id"), ["1", "2"]);
        assert_eq!(texts("$.users.id"), ["1", "2"]);
        assert_eq!(texts("users[1].id"), ["2"]);
        assert_eq!(texts("users.mail[type=work].v"), ["w"]);
        assert_eq!(texts("users['odd.name']"), ["true"]);
        assert_eq!(path("users").all(&root).len(), 2);
        assert_eq!(path("").all(&root), [&root]);
        assert!(texts("users.none").is_empty());
        assert!(texts("nobody[3].x").is_empty());
    }

    #[test]
    fn what_is_no_path_is_said() {
        for text in ["a[", "a..b", "a.", "a[]", "a[=b]"] {
            assert!(Path::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
