//! The attributes that a schema advertises, by the names that Entra maps to.
//!
//! The rules are those of Microsoft's gallery template: a multi-valued complex attribute whose `type` has
//! `canonicalValues` gives one name for every canonical value and every other part of an element; one without gives
//! `name[primary eq "True"].part`; a single complex attribute gives `name.part`; references are left out. What Entra
//! cannot make a name of, an administrator cannot map.

use serde_json::{Map, Value, json};

/// Attributes that are not values of a person or a group, or that have tests of their own.
const APART: [&str; 9] = [
    "id",
    "meta",
    "schemas",
    "groups",
    "members",
    "manager",
    "password",
    "roles",
    // Entra cannot feed it (Develop a SCIM endpoint).
    "entitlements",
];

/// The data types that a test can make a value of (RFC 7643, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `string`
    Text,
    /// `boolean`
    Boolean,
    /// `integer`
    Integer,
    /// `decimal`
    Decimal,
    /// `dateTime`
    DateTime,
}

/// Which element of a multi-valued attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Element {
    /// `[type eq "…"]`
    Type(String),
    /// `[primary eq "True"]`, as Entra spells it.
    Primary,
}

/// One place for one value: what a row of Entra's mapping points at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "RFC 7643's characteristics of an attribute are yes and no"
)]
pub struct Attribute {
    /// The extension's URN; none for the core schema.
    pub extension: Option<String>,
    /// The attribute's name.
    pub name: String,
    /// Which of its elements.
    pub element: Option<Element>,
    /// Which part of it.
    pub part: Option<String>,
    /// Its type.
    pub kind: Type,
    /// Must every resource have it?
    pub required: bool,
    /// Is a value of it taken once?
    pub unique: bool,
    /// Does case count?
    pub case_exact: bool,
    /// Is it in an answer that did not ask for it by name?
    pub returned: bool,
    /// The only values that it takes, if the schema has such a list.
    pub canonical: Vec<String>,
}

impl Attribute {
    /// The path as Entra writes it.
    pub fn path(&self) -> String {
        let mut path = match &self.extension {
            Some(urn) => format!("{urn}:{}", self.name),
            None => self.name.clone(),
        };
        match &self.element {
            Some(Element::Type(of)) => path.push_str(&format!("[type eq \"{of}\"]")),
            Some(Element::Primary) => path.push_str("[primary eq \"True\"]"),
            None => {}
        }
        if let Some(part) = &self.part {
            path.push('.');
            path.push_str(part);
        }
        path
    }

    /// Can it be a key of a pathless operation, where Entra flattens everything but value paths?
    pub fn is_flat(&self) -> bool {
        self.element.is_none()
    }

    /// Its value in a resource; none if absent, null, or an empty text.
    pub fn read<'a>(&self, resource: &'a Value) -> Option<&'a Value> {
        let home = match &self.extension {
            Some(urn) => member(resource, urn)?,
            None => resource,
        };
        let mut found = member(home, &self.name)?;
        if let Some(element) = &self.element {
            found = found
                .as_array()?
                .iter()
                .find(|candidate| element.is(candidate))?;
        }
        if let Some(part) = &self.part {
            found = member(found, part)?;
        }
        (!found.is_null() && found != "").then_some(found)
    }

    /// Puts a value into a resource that is about to be sent.
    pub fn put(&self, resource: &mut Value, value: Value) {
        let mut home = resource;
        if let Some(urn) = &self.extension {
            home = child(home, urn, json!({}));
        }
        let Some(element) = &self.element else {
            match &self.part {
                Some(part) => *child(child(home, &self.name, json!({})), part, Value::Null) = value,
                None => *child(home, &self.name, Value::Null) = value,
            }
            return;
        };
        let Value::Array(elements) = child(home, &self.name, json!([])) else {
            return;
        };
        let at = elements
            .iter()
            .position(|candidate| element.is(candidate))
            .unwrap_or_else(|| {
                elements.push(element.fresh());
                elements.len() - 1
            });
        let part = self.part.as_deref().unwrap_or("value");
        *child(&mut elements[at], part, Value::Null) = value;
    }
}

impl Element {
    fn is(&self, candidate: &Value) -> bool {
        match self {
            Self::Type(of) => member(candidate, "type")
                .and_then(Value::as_str)
                .is_some_and(|found| found.eq_ignore_ascii_case(of)),
            Self::Primary => member(candidate, "primary") == Some(&Value::Bool(true)),
        }
    }

    fn fresh(&self) -> Value {
        match self {
            Self::Type(of) => json!({ "type": of }),
            Self::Primary => json!({ "primary": true }),
        }
    }
}

/// A member by its name in any case (RFC 7643, section 2.1).
pub fn member<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let object = object.as_object()?;
    object.get(name).or_else(|| {
        object
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}

fn child<'a>(object: &'a mut Value, name: &str, fresh: Value) -> &'a mut Value {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let entry = &mut object[name];
    if entry.is_null() {
        *entry = fresh;
    }
    entry
}

/// Every attribute of a schema that Entra could map and a test could fill.
pub fn flatten(schema: &Value, extension: Option<&str>) -> Vec<Attribute> {
    let mut flat = Vec::new();
    for attribute in list(schema, "attributes") {
        let name = text(attribute, "name");
        if name.is_empty() || APART.iter().any(|apart| apart.eq_ignore_ascii_case(name)) {
            continue;
        }
        let multi = attribute["multiValued"] == true;
        let complex = text(attribute, "type").eq_ignore_ascii_case("complex");
        let place = |element: Option<Element>, part: Option<&Value>| {
            let leaf = part.unwrap_or(attribute);
            let writable = |of: &Value| {
                let mutability = text(of, "mutability");
                mutability.is_empty() || mutability.eq_ignore_ascii_case("readWrite")
            };
            let returned = |of: &Value| {
                let returned = text(of, "returned");
                returned.is_empty()
                    || returned.eq_ignore_ascii_case("default")
                    || returned.eq_ignore_ascii_case("always")
            };
            let uniqueness = text(leaf, "uniqueness");
            (writable(attribute) && writable(leaf)).then_some(())?;
            Some(Attribute {
                extension: extension.map(str::to_owned),
                name: name.to_owned(),
                element,
                part: part.map(|part| text(part, "name").to_owned()),
                kind: kind(text(leaf, "type"))?,
                required: attribute["required"] == true || leaf["required"] == true,
                unique: !uniqueness.is_empty() && !uniqueness.eq_ignore_ascii_case("none"),
                case_exact: leaf["caseExact"] == true,
                returned: returned(attribute) && returned(leaf),
                canonical: list(leaf, "canonicalValues")
                    .iter()
                    .filter_map(|value| value.as_str().map(str::to_owned))
                    .collect(),
            })
        };
        let parts = list(attribute, "subAttributes");
        let values = parts.iter().filter(|part| {
            !["type", "primary"]
                .iter()
                .any(|apart| text(part, "name").eq_ignore_ascii_case(apart))
        });
        match (complex, multi) {
            (true, true) => {
                let elements = elements(parts);
                for element in elements {
                    flat.extend(
                        values
                            .clone()
                            .filter_map(|part| place(Some(element.clone()), Some(part))),
                    );
                }
            }
            (true, false) => flat.extend(parts.iter().filter_map(|part| place(None, Some(part)))),
            // Entra cannot map a list of simple values on a non-gallery app.
            (false, true) => {}
            (false, false) => flat.extend(place(None, None)),
        }
    }
    flat
}

fn elements(parts: &[Value]) -> Vec<Element> {
    let of: Vec<_> = parts
        .iter()
        .filter(|part| text(part, "name").eq_ignore_ascii_case("type"))
        .flat_map(|part| list(part, "canonicalValues"))
        .filter_map(|value| value.as_str().map(|of| Element::Type(of.to_owned())))
        .collect();
    if of.is_empty() {
        vec![Element::Primary]
    } else {
        of
    }
}

fn kind(name: &str) -> Option<Type> {
    match name.to_ascii_lowercase().as_str() {
        "string" => Some(Type::Text),
        "boolean" => Some(Type::Boolean),
        "integer" => Some(Type::Integer),
        "decimal" => Some(Type::Decimal),
        "datetime" => Some(Type::DateTime),
        _ => None,
    }
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_default()
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of[name].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        json!({ "id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": [
            { "name": "userName", "type": "string", "multiValued": false, "required": true, "uniqueness": "server" },
            { "name": "profileUrl", "type": "reference", "multiValued": false },
            { "name": "password", "type": "string", "multiValued": false, "mutability": "writeOnly" },
            { "name": "created", "type": "dateTime", "multiValued": false, "mutability": "readOnly" },
            { "name": "tags", "type": "string", "multiValued": true },
            { "name": "name", "type": "complex", "multiValued": false, "subAttributes": [
                { "name": "givenName", "type": "string" }, { "name": "page", "type": "reference" }] },
            { "name": "emails", "type": "complex", "multiValued": true, "subAttributes": [
                { "name": "value", "type": "string" }, { "name": "primary", "type": "boolean" },
                { "name": "type", "type": "string", "canonicalValues": ["work", "home"] }] },
            { "name": "badges", "type": "complex", "multiValued": true, "subAttributes": [
                { "name": "value", "type": "string" }, { "name": "type", "type": "string" }] },
        ] })
    }

    #[test]
    fn names_are_those_that_microsofts_template_makes() {
        let paths: Vec<_> = flatten(&schema(), None)
            .iter()
            .map(Attribute::path)
            .collect();
        assert_eq!(
            paths,
            [
                "userName",
                "name.givenName",
                "emails[type eq \"work\"].value",
                "emails[type eq \"home\"].value",
                "badges[primary eq \"True\"].value",
            ]
        );
        let urn = "urn:example:2.0:User";
        let extension = json!({ "attributes": [{ "name": "badge", "type": "string" }] });
        assert_eq!(
            flatten(&extension, Some(urn))[0].path(),
            "urn:example:2.0:User:badge"
        );
    }

    #[test]
    fn what_is_put_is_read() {
        let mut resource = json!({});
        for (n, attribute) in flatten(&schema(), Some("urn:x")).iter().enumerate() {
            attribute.put(&mut resource, json!(format!("v{n}")));
        }
        for (n, attribute) in flatten(&schema(), Some("urn:x")).iter().enumerate() {
            assert_eq!(
                attribute.read(&resource),
                Some(&json!(format!("v{n}"))),
                "{}",
                attribute.path()
            );
        }
        assert_eq!(
            resource["urn:x"]["emails"].as_array().map(Vec::len),
            Some(2)
        );
    }

    #[test]
    fn null_and_empty_read_as_absent_and_names_in_any_case() {
        let attribute = &flatten(&schema(), None)[1];
        assert_eq!(
            attribute.read(&json!({ "name": { "givenName": "" } })),
            None
        );
        assert_eq!(
            attribute.read(&json!({ "name": { "givenName": null } })),
            None
        );
        assert_eq!(
            attribute.read(&json!({ "NAME": { "givenname": "A" } })),
            Some(&json!("A"))
        );
    }
}
