//! A connector that behaves as its settings say, to see what the host does
//! about it: `{"do": "loop", "on": "update"}`. Without settings it does
//! nothing, as quickly as can be: what remains is the sandbox's own cost.
//!
//! Made on the bare contract, without the SDK, so that a fault in the SDK
//! cannot hide one in the host.

mod behave;
mod memory;

wit_bindgen::generate!({
    path: "../../wit",
    inline: "
        package tombolo:test-guest;
        world guest {
            include tombolo:connector/provisioner@1.0.0;
            import tombolo:connector/ldap@1.0.0;
            export tombolo:connector/members@1.0.0;
            export tombolo:connector/password@1.0.0;
        }
    ",
    world: "tombolo:test-guest/guest",
    generate_all,
});

use behave::{On, behave};
use exports::tombolo::connector::{connector, members, password, read, write};
use tombolo::connector::secrets::Secret;
use tombolo::connector::types::{
    Attribute, Edit, Entry, Failure, Fault, Page, Query, Scalar, Value,
};

/// What the file says of itself without being run: a directory, if there is one.
#[unsafe(link_section = "tombolo:manifest")]
#[used]
static MANIFEST: [u8; 243] = *br#"{"name":"guest","version":"0.1.0","description":"Behaves as its settings say.","wit":"1.0.0","targets":[{"name":"directory","kind":"ldap","required":false,"description":"Searched when told to snoop."}],"settings":{"type":"object"}}            "#;

struct Guest;

impl connector::Guest for Guest {
    fn describe() -> Result<String, Failure> {
        behave(On::Describe)?;
        Ok(r#"{"name":"guest","version":"0.1.0","kinds":[{"kind":"user","resource":"User","attributes":[
            {"name":"login","type":"text","required":true,"unique":true,"mutability":"read-write","scim":"userName"},
            {"name":"label","type":"text","mutability":"read-write","scim":"displayName"}]},
            {"kind":"group","resource":"Group","members":["user"],"attributes":[
            {"name":"login","type":"text","required":true,"unique":true,"mutability":"read-write","scim":"displayName"}]},
            {"kind":"device","resource":"Device","endpoint":"Devices","schema":"urn:x:guest:2.0:Device","attributes":[
            {"name":"label","type":"text","required":true,"caseExact":true,"scim":"label"},
            {"name":"model","type":"text","mutability":"immutable","scim":"model"},
            {"name":"state","type":"text","mutability":"read-only","scim":"state"},
            {"name":"pin","type":"text","mutability":"write-only","scim":"pin"}]}]}"#
            .to_owned())
    }

    fn check() -> Result<(), Failure> {
        behave(On::Check)
    }
}

impl read::Guest for Guest {
    fn get(_kind: String, anchor: String, _attributes: Vec<String>) -> Result<Entry, Failure> {
        let label = memory::report();
        behave(On::Get)?;
        Ok(entry(&anchor, label.as_deref()))
    }

    fn search(_kind: String, _query: Query) -> Result<Page, Failure> {
        behave(On::Search)?;
        Ok(Page {
            entries: Vec::new(),
            cursor: None,
            total: Some(0),
        })
    }
}

impl write::Guest for Guest {
    fn create(kind: String, attributes: Vec<Attribute>, request: String) -> Result<Entry, Failure> {
        behave(On::Create)?;
        // No attribute of a device is unique: each create makes another one.
        if kind == "device" {
            let mut attributes: Vec<Attribute> =
                attributes.into_iter().filter(|a| a.name != "pin").collect();
            attributes.push(attribute("state", "new"));
            return Ok(Entry {
                anchor: request,
                version: None,
                attributes,
            });
        }
        let login = text(&attributes, "login").ok_or_else(|| Failure {
            fault: Fault::Invalid,
            message: "login is missing".to_owned(),
            attribute: Some("login".to_owned()),
            target_code: None,
            retry_after_ms: None,
        })?;
        let label = memory::report().or_else(|| text(&attributes, "label"));
        Ok(entry(&login, label.as_deref()))
    }

    fn update(
        _kind: String,
        anchor: String,
        edits: Vec<Edit>,
        _if_version: Option<String>,
        _request: String,
    ) -> Result<Entry, Failure> {
        behave(On::Update)?;
        let attributes: Vec<Attribute> = edits.into_iter().map(|e| e.attribute).collect();
        Ok(entry(&anchor, text(&attributes, "label").as_deref()))
    }

    fn delete(_kind: String, _anchor: String, _request: String) -> Result<(), Failure> {
        behave(On::Delete)
    }
}

/// Whoever is said to be in a group is in it as far as anybody asks.
impl members::Guest for Guest {
    fn list_members(
        _group: String,
        _cursor: Option<String>,
        _limit: u32,
    ) -> Result<members::MemberPage, Failure> {
        behave(On::ListMembers)?;
        Ok(members::MemberPage {
            members: Vec::new(),
            cursor: None,
        })
    }

    fn change_members(
        _group: String,
        _add: Vec<String>,
        _remove: Vec<String>,
        _request: String,
    ) -> Result<(), Failure> {
        behave(On::ChangeMembers)
    }
}

impl password::Guest for Guest {
    fn set_password(_anchor: String, _value: &Secret, _must_change: bool) -> Result<(), Failure> {
        behave(On::SetPassword)
    }
}

fn entry(anchor: &str, label: Option<&str>) -> Entry {
    let mut attributes = vec![attribute("login", anchor)];
    attributes.extend(label.map(|l| attribute("label", l)));
    Entry {
        anchor: anchor.to_owned(),
        version: None,
        attributes,
    }
}

fn attribute(name: &str, value: &str) -> Attribute {
    Attribute {
        name: name.to_owned(),
        values: vec![Value::Simple(Scalar::Text(value.to_owned()))],
    }
}

fn text(attributes: &[Attribute], name: &str) -> Option<String> {
    attributes
        .iter()
        .find(|a| a.name == name)?
        .values
        .iter()
        .find_map(|v| match v {
            Value::Simple(Scalar::Text(text)) => Some(text.clone()),
            _ => None,
        })
}

export!(Guest);
