//! From the source's object to the record that is sent.
//!
//! A record is a SCIM resource, whatever the sink is: Entra and SCIM servers take it as it is, and another app's own mapping
//! makes its target's attributes of it. What the form names and the object does not have is cleared, explicitly: a record
//! is always the whole record.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tombolo_mapping::expression::{Outcome, Value as Made};
use tombolo_mapping::{Environment, Expression, Object, object_value};
use tombolo_scim::path::{self, AttributePath, Path};
use tombolo_scim::resource::Resource;
use tombolo_scim::schema::{ResourceType, Type};

/// One person or group as the sink shall have it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The attributes that have values, as a SCIM resource has them.
    pub attributes: Map<String, Value>,
    /// The paths that the form names and that have no value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cleared: Vec<String>,
}

/// Names only: a value may be private.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Record")?;
        f.debug_set().entries(self.attributes.keys()).finish()
    }
}

impl Record {
    /// Who says nothing of it is active.
    pub fn is_active(&self) -> bool {
        self.attributes.get("active").and_then(Value::as_bool) != Some(false)
    }

    /// The same record of somebody who has left.
    #[must_use]
    pub fn left(&self) -> Self {
        let mut left = self.clone();
        left.attributes.insert("active".to_owned(), false.into());
        left.cleared.retain(|path| path != "active");
        left
    }

    /// The attributes, and an explicit null for each that is cleared; of an element of a list there is no null.
    pub fn with_nulls(&self, mut attributes: Map<String, Value>) -> Map<String, Value> {
        for path in self
            .cleared
            .iter()
            .filter_map(|path| Path::parse(path).ok())
        {
            if path.filter.is_some() {
                continue;
            }
            let attribute = &path.attribute;
            let within = match &attribute.urn {
                Some(urn) => inner(&mut attributes, urn),
                None => Some(&mut attributes),
            };
            match (within, path.sub()) {
                // A manager is cleared as a whole.
                (Some(map), None | Some("value")) => {
                    map.entry(attribute.attribute.clone())
                        .or_insert(Value::Null);
                }
                (Some(map), Some(sub)) => {
                    if let Some(map) = inner(map, &attribute.attribute) {
                        map.entry(sub.to_owned()).or_insert(Value::Null);
                    }
                }
                (None, _) => {}
            }
        }
        attributes
    }

    /// The key of the manager.
    pub fn manager(&self) -> Option<&str> {
        let extensions = self.attributes.values().filter_map(Value::as_object);
        let mut managers = std::iter::once(&self.attributes)
            .chain(extensions)
            .filter_map(|map| map.get("manager"));
        managers.find_map(|manager| manager.get("value")?.as_str())
    }

    /// The keys of the members.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        let members = self.attributes.get("members").and_then(Value::as_array);
        let members = members.into_iter().flatten();
        members.filter_map(|member| member.get("value")?.as_str())
    }

    /// A digest that is the same for the same record, however its attributes are ordered.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        write(&Value::Object(self.attributes.clone()), &mut hash);
        let mut cleared: Vec<&str> = self.cleared.iter().map(String::as_str).collect();
        cleared.sort_unstable();
        hash.update(cleared.join("\n"));
        hex::encode(&hash.finalize()[..16])
    }
}

fn inner<'m>(map: &'m mut Map<String, Value>, name: &str) -> Option<&'m mut Map<String, Value>> {
    let entry = map.entry(name.to_owned());
    entry
        .or_insert_with(|| Value::Object(Map::new()))
        .as_object_mut()
}

/// Objects in the order of their keys; each text with its length, so that no two values are written alike.
fn write(value: &Value, hash: &mut Sha256) {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            hash.update(format!("{{{}", sorted.len()));
            for (name, value) in sorted {
                hash.update(format!("{}:{name}", name.len()));
                write(value, hash);
            }
        }
        Value::Array(items) => {
            hash.update(format!("[{}", items.len()));
            for item in items {
                write(item, hash);
            }
        }
        Value::String(text) => hash.update(format!("\"{}:{text}", text.len())),
        other => hash.update(format!("={other};")),
    }
}

/// What one path of the record is made of.
#[derive(Clone, Debug)]
struct Rule {
    written: String,
    path: Path,
    made: Makes,
    default: Option<Value>,
}

#[derive(Clone, Debug)]
enum Makes {
    Expression(Expression),
    Constant(Value),
}

/// The form as it is written: SCIM paths and what they are made of. Checked against no schema yet.
#[derive(Clone, Debug, Default)]
pub struct Form {
    rules: Vec<Rule>,
}

/// A form that fits its sink's schema.
#[derive(Clone, Debug)]
pub struct Fitted {
    rules: Vec<Rule>,
    ty: ResourceType,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    expression: Option<String>,
    constant: Option<Value>,
    default: Option<Value>,
}

/// What is wrong with one path of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// As it is written.
    pub path: String,
    /// In words.
    pub why: String,
}

impl Form {
    /// Reads the `[mapping]` of a flow: each value is an expression, or a table with `expression` or `constant`, and `default`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(table: &BTreeMap<String, Value>) -> Result<Self, Vec<Wrong>> {
        let (mut rules, mut wrong) = (Vec::new(), Vec::new());
        for (written, value) in table {
            match rule(written, value) {
                Ok(rule) => rules.push(rule),
                Err(why) => wrong.push(Wrong {
                    path: written.clone(),
                    why,
                }),
            }
        }
        if wrong.is_empty() {
            Ok(Self { rules })
        } else {
            Err(wrong)
        }
    }

    /// The attributes of the source that it reads.
    pub fn reads(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().flat_map(|rule| match &rule.made {
            Makes::Expression(expression) => expression.attributes(),
            Makes::Constant(_) => Vec::new(),
        })
    }

    /// Does every record say explicitly whether the account is active? Entra disables one whose record does not.
    pub fn always_says_active(&self) -> bool {
        self.rules.iter().any(|rule| {
            let core = rule.path.attribute.urn.is_none() && rule.path.filter.is_none();
            core && rule.path.attribute.attribute.eq_ignore_ascii_case("active")
                && (rule.default.is_some()
                    || match &rule.made {
                        Makes::Expression(expression) => expression.always_has_value(),
                        Makes::Constant(_) => true,
                    })
        })
    }

    /// Holds it against the sink's schema. An `open` one takes attributes under URNs that it does not know.
    ///
    /// # Errors
    /// The paths that the sink does not have.
    pub fn fit(&self, ty: &ResourceType, open: bool) -> Result<Fitted, Vec<Wrong>> {
        let (mut ty, mut rules, mut wrong) = (ty.clone(), Vec::new(), Vec::new());
        for rule in &self.rules {
            match fit(&mut ty, rule, open) {
                Ok(fitted) => rules.push(fitted),
                Err(why) => wrong.push(Wrong {
                    path: rule.written.clone(),
                    why,
                }),
            }
        }
        if wrong.is_empty() {
            Ok(Fitted { rules, ty })
        } else {
            Err(wrong)
        }
    }
}

fn rule(written: &str, value: &Value) -> Result<Rule, String> {
    let path = Path::parse(written).map_err(|why| format!("is no SCIM path: {why}"))?;
    let name = path.attribute.attribute.to_ascii_lowercase();
    if path.attribute.urn.is_none()
        && ["id", "meta", "schemas", "externalid"].contains(&name.as_str())
    {
        return Err("is set by the host; `key` says what the external id is made of".to_owned());
    }
    let parse =
        |text: &str| Expression::parse(text).map_err(|why| format!("is no expression: {why}"));
    let (made, default) = match value {
        Value::String(text) => (Makes::Expression(parse(text)?), None),
        Value::Object(_) => {
            let table: RuleTable = serde_json::from_value(value.clone()).map_err(|why| {
                format!(
                    "is not understood: {why} (a path with a dot is quoted: `\"name.familyName\"`)"
                )
            })?;
            let made = match (table.expression, table.constant) {
                (Some(text), None) => Makes::Expression(parse(&text)?),
                (None, Some(constant)) => Makes::Constant(constant),
                _ => return Err("needs either `expression` or `constant`".to_owned()),
            };
            (made, table.default)
        }
        _ => {
            return Err(
                "must be an expression such as \"[mail]\", or a table such as { constant = true }"
                    .to_owned(),
            );
        }
    };
    if let Makes::Expression(expression) = &made
        && expression.is_volatile()
    {
        return Err(
            "comes to another value each time (Now, Guid, RandomString): everybody would be sent with each run"
                .to_owned(),
        );
    }
    Ok(Rule {
        written: written.to_owned(),
        path,
        made,
        default,
    })
}

fn fit(ty: &mut ResourceType, rule: &Rule, open: bool) -> Result<Rule, String> {
    let mut rule = rule.clone();
    let whole = AttributePath {
        sub: None,
        ..rule.path.attribute.clone()
    };
    if ty.resolve(&whole).is_none() {
        if !open || whole.urn.is_none() || rule.path.filter.is_some() {
            return Err(format!("the sink's {} has no such attribute", ty.name));
        }
        ty.ensure(&rule.path.attribute, Type::String)
            .map_err(|why| why.to_string())?;
    }
    let Some(found) = ty.resolve(&whole) else {
        return Err(format!("the sink's {} has no such attribute", ty.name));
    };
    if let Some(sub) = rule.path.sub() {
        if found.attribute.sub(sub).is_none() {
            return Err(format!("`{}` has no `{sub}`", found.attribute.name));
        }
    } else if found.attribute.kind == Type::Complex && found.attribute.sub("value").is_some() {
        // `manager` means its value.
        rule.path.sub = Some("value".to_owned());
    }
    // The one spelling of it, whatever is left out.
    rule.path
        .attribute
        .attribute
        .clone_from(&found.attribute.name);
    rule.path.attribute.urn = found.extension.map(str::to_owned);
    Ok(rule)
}

impl Fitted {
    /// The resource type of its records.
    pub fn ty(&self) -> &ResourceType {
        &self.ty
    }

    /// Whether something below this attribute (or URN) is not to be shown.
    pub fn redacts(&self, attribute: &str) -> bool {
        self.rules.iter().any(|rule| {
            let whole = rule.path.attribute.urn.as_ref();
            let top = whole.unwrap_or(&rule.path.attribute.attribute);
            let hidden = matches!(&rule.made, Makes::Expression(made) if made.is_redacted());
            hidden && top == attribute
        })
    }

    /// The record of an object.
    ///
    /// # Errors
    /// The path whose value cannot be made, and why.
    pub fn make(&self, object: &Object) -> Result<Record, Wrong> {
        let mut resource = Resource::default();
        let mut cleared = Vec::new();
        for rule in &self.rules {
            let wrong = |why: String| Wrong {
                path: rule.written.clone(),
                why,
            };
            let value = match &rule.made {
                Makes::Constant(value) => Some(value.clone()),
                Makes::Expression(expression) => {
                    value_of(expression, &rule.written, object).map_err(wrong)?
                }
            };
            match value.or_else(|| rule.default.clone()) {
                Some(value) => path::set(&self.ty, &mut resource, &rule.path, value)
                    .map_err(|why| wrong(why.detail))?,
                None => cleared.push(rule.path.to_string()),
            }
        }
        Ok(Record {
            attributes: resource.into_map(),
            cleared,
        })
    }
}

struct AtNow;

impl Environment for AtNow {
    fn now(&self) -> Option<Timestamp> {
        Some(Timestamp::now())
    }
}

/// What an expression makes of an object; nothing is no value.
fn value_of(expression: &Expression, name: &str, object: &Object) -> Result<Option<Value>, String> {
    let read = |name: &str| object_value(object, name);
    match expression.evaluate(name, &read, &AtNow) {
        Ok(Outcome::Value(value)) => Ok(json(&value)),
        Ok(Outcome::Ignored) => Ok(None),
        Err(why) => Err(why.to_string()),
    }
}

/// The text that an expression makes of an object.
pub(crate) fn text_of(
    expression: &Expression,
    name: &str,
    object: &Object,
) -> Result<Option<String>, String> {
    let read = |name: &str| object_value(object, name);
    match expression.evaluate(name, &read, &AtNow) {
        Ok(Outcome::Value(value)) => match value.each() {
            [] => Ok(None),
            [one] => Ok(one
                .to_text()
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())),
            _ => Err("there are several values".to_owned()),
        },
        Ok(Outcome::Ignored) => Ok(None),
        Err(why) => Err(why.to_string()),
    }
}

fn json(value: &Made) -> Option<Value> {
    let one = |value: &Made| match value {
        Made::Boolean(truth) => Some(Value::Bool(*truth)),
        Made::Integer(number) => Some(Value::from(*number)),
        Made::Instant(instant) => Some(Value::from(instant.to_string())),
        other => other
            .to_text()
            .filter(|text| !text.is_empty())
            .map(|text| Value::from(text.into_owned())),
    };
    match value.each() {
        [] => None,
        [single] => one(single),
        many => {
            let values: Vec<Value> = many.iter().filter_map(one).collect();
            (!values.is_empty()).then_some(Value::Array(values))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tombolo_mapping::ObjectValue;

    use super::*;

    fn form(table: &Value) -> Form {
        let table: BTreeMap<String, Value> =
            serde_json::from_value(table.clone()).expect("a table");
        Form::read(&table).expect("a form")
    }

    fn object(values: &[(&str, &str)]) -> Object {
        values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), vec![ObjectValue::from(*value)]))
            .collect()
    }

    #[test]
    fn a_record_is_whole_and_says_what_is_cleared() {
        let form = form(&json!({
            "userName": "[login]",
            "name.familyName": "[last]",
            "title": "[title]",
            "active": "Switch([status], \"True\", \"left\", \"False\")",
            "emails[type eq \"work\"].value": "[mail]",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager": "[boss]",
            "urn:example:hr:HireDate": "[hired]",
        }));
        let fitted = form.fit(&ResourceType::user(), true).expect("it fits");
        let made = fitted
            .make(&object(&[
                ("login", "ana"),
                ("last", "Ruiz"),
                ("status", "left"),
                ("mail", "a@b.test"),
                ("boss", "7"),
                ("hired", "2026-01-01"),
            ]))
            .expect("a record");
        assert_eq!(
            Value::Object(made.attributes.clone()),
            json!({
                "userName": "ana",
                "name": {"familyName": "Ruiz"},
                "active": false,
                "emails": [{"type": "work", "value": "a@b.test"}],
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"manager": {"value": "7"}},
                "urn:example:hr": {"HireDate": "2026-01-01"},
            })
        );
        assert_eq!(made.cleared, ["title"]);
        let sent = made.with_nulls(made.attributes.clone());
        assert_eq!(sent["title"], Value::Null);
        assert_eq!(made.manager(), Some("7"));
        assert!(!made.is_active());
    }

    #[test]
    fn the_digest_knows_values_and_not_their_order() {
        let record = |value: Value| Record {
            attributes: value.as_object().cloned().unwrap_or_default(),
            cleared: Vec::new(),
        };
        let one = record(json!({"a": "1", "b": {"c": [1, 2], "d": true}}));
        let other = record(json!({"b": {"d": true, "c": [1, 2]}, "a": "1"}));
        assert_eq!(one.digest(), other.digest());
        for different in [
            json!({"a": "1", "b": {"c": [2, 1], "d": true}}),
            json!({"a": 1, "b": {"c": [1, 2], "d": true}}),
            json!({"a": "1"}),
        ] {
            assert_ne!(one.digest(), record(different).digest());
        }
        let mut cleared = one.clone();
        cleared.cleared.push("title".to_owned());
        assert_ne!(one.digest(), cleared.digest());
    }

    #[test]
    fn active_that_can_be_left_out_is_seen_before_anything_is_read() {
        for (rule, always) in [
            (json!("[active]"), false),
            (json!({"expression": "[active]", "default": true}), true),
            (json!({"constant": true}), true),
            (
                json!("Switch([status], \"True\", \"left\", \"False\")"),
                true,
            ),
        ] {
            assert_eq!(
                form(&json!({"active": rule})).always_says_active(),
                always,
                "{rule}"
            );
        }
        assert!(!form(&json!({"userName": "[login]"})).always_says_active());
    }

    #[test]
    fn what_cannot_be_is_named_with_its_path() {
        let table = json!({"userName": "[login", "id": "[id]", "title": "Now()", "nickName": 3});
        let table: BTreeMap<String, Value> = serde_json::from_value(table).expect("a table");
        let wrong = Form::read(&table).expect_err("it is wrong");
        let paths: Vec<&str> = wrong.iter().map(|wrong| wrong.path.as_str()).collect();
        assert_eq!(paths, ["id", "nickName", "title", "userName"]);
        let unknown = form(&json!({"shoeSize": "[size]"})).fit(&ResourceType::user(), true);
        assert!(unknown.is_err());
    }
}
