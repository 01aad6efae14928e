//! What a server says of itself: `/Schemas`, `/ResourceTypes`, `/ServiceProviderConfig`.
//!
//! A test asks here which attributes there are, so that no server is blamed for what it never offered. A server that
//! says nothing is taken for one that has what Entra maps by default, since that is what Entra does for an app outside
//! the gallery.

use serde_json::{Value, json};

use super::attribute::{Attribute, flatten};
use crate::http::{Endpoint, Error, Reply};

/// The core User.
pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The core Group.
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The enterprise extension of the User.
pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The server as it describes itself.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its users.
    pub users: Kind,
    /// Its groups, if it has any.
    pub groups: Option<Kind>,
    /// The document of `/ServiceProviderConfig`; `Null` if there is none.
    pub config: Value,
    /// Whether `/Schemas` could be read.
    pub described: bool,
}

/// One resource type.
#[derive(Clone, Debug)]
pub struct Kind {
    /// `User` or `Group`.
    pub name: &'static str,
    /// `/Users` or `/Groups`, or wherever the server has them.
    pub endpoint: String,
    /// The core schema.
    pub schema: &'static str,
    /// The extensions' URNs.
    pub extensions: Vec<String>,
    /// What can be mapped.
    pub attributes: Vec<Attribute>,
    /// The core schema's document.
    document: Value,
    /// Has it a manager (users)?
    pub manager: bool,
}

impl Kind {
    /// The attribute at a path as Entra writes it.
    pub fn attribute(&self, path: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.path().eq_ignore_ascii_case(path))
    }

    /// Takes an attribute for required, whatever the schema says; says whether there is one.
    pub(super) fn require(&mut self, path: &str) -> bool {
        let mut found = false;
        for attribute in &mut self.attributes {
            if attribute.path().eq_ignore_ascii_case(path) {
                attribute.required = true;
                found = true;
            }
        }
        found
    }

    /// Does the core schema advertise an attribute of this name, mappable or not?
    pub fn advertises(&self, name: &str) -> bool {
        self.declared(name).is_some()
    }

    /// What the core schema says of an attribute.
    pub fn declared(&self, name: &str) -> Option<&Value> {
        self.document["attributes"]
            .as_array()?
            .iter()
            .find(|attribute| {
                attribute["name"]
                    .as_str()
                    .is_some_and(|found| found.eq_ignore_ascii_case(name))
            })
    }

    /// The core schema's document.
    pub fn document(&self) -> &Value {
        &self.document
    }
}

impl Server {
    /// Asks a server.
    ///
    /// # Errors
    /// When no answer comes at all. An answer that is of no use only means that there is nothing to read.
    pub async fn ask(endpoint: &Endpoint) -> Result<Self, Error> {
        let get = async |path: &str| endpoint.send(reqwest::Method::GET, path, None, &[]).await;
        let config = get("/ServiceProviderConfig").await?;
        let types = get("/ResourceTypes").await?;
        let schemas = get("/Schemas").await?;
        let config = if config.status == 200 {
            config.body
        } else {
            Value::Null
        };
        Ok(Self::read(&documents(&schemas), &documents(&types), config))
    }

    fn read(schemas: &[Value], types: &[Value], config: Value) -> Self {
        let described = find(schemas, USER).is_some();
        let own;
        let schemas = if described {
            schemas
        } else {
            own = by_default();
            &own
        };
        let groups = kind("Group", GROUP, "/Groups", schemas, types);
        Self {
            users: kind("User", USER, "/Users", schemas, types).unwrap_or_else(|| Kind {
                name: "User",
                endpoint: "/Users".to_owned(),
                schema: USER,
                extensions: Vec::new(),
                attributes: Vec::new(),
                document: Value::Null,
                manager: false,
            }),
            groups,
            config,
            described,
        }
    }

    /// Does `/ServiceProviderConfig` say that a feature is supported?
    pub fn supports(&self, feature: &str) -> bool {
        self.config[feature]["supported"] == true
    }
}

/// A list response's resources; some servers send the bare list.
fn documents(reply: &Reply) -> Vec<Value> {
    if reply.status != 200 {
        return Vec::new();
    }
    let list = reply.body.as_array();
    list.map_or_else(|| reply.resources().to_vec(), Clone::clone)
}

fn find<'a>(schemas: &'a [Value], urn: &str) -> Option<&'a Value> {
    schemas.iter().find(|schema| {
        schema["id"]
            .as_str()
            .is_some_and(|id| id.eq_ignore_ascii_case(urn))
    })
}

fn kind(
    name: &'static str,
    schema: &'static str,
    endpoint: &str,
    schemas: &[Value],
    types: &[Value],
) -> Option<Kind> {
    let document = find(schemas, schema)?.clone();
    let described = types.iter().find(|described| {
        described["schema"]
            .as_str()
            .is_some_and(|found| found.eq_ignore_ascii_case(schema))
    });
    let endpoint = described
        .and_then(|described| described["endpoint"].as_str())
        .map_or_else(
            || endpoint.to_owned(),
            |found| format!("/{}", found.trim_matches('/')),
        );
    let named: Vec<_> = described
        .and_then(|described| described["schemaExtensions"].as_array())
        .into_iter()
        .flatten()
        .filter_map(|extension| extension["schema"].as_str())
        .collect();
    // Entra looks for the enterprise extension whatever the resource type says of it.
    let is_extension = |id: &str| {
        named.iter().any(|urn| urn.eq_ignore_ascii_case(id))
            || (name == "User" && id.eq_ignore_ascii_case(ENTERPRISE))
    };
    let extensions: Vec<&Value> = schemas
        .iter()
        .filter(|schema| schema["id"].as_str().is_some_and(is_extension))
        .collect();
    let mut attributes = flatten(&document, None);
    let mut urns = Vec::new();
    for extension in &extensions {
        let urn = extension["id"].as_str().unwrap_or_default();
        attributes.extend(flatten(extension, Some(urn)));
        urns.push(urn.to_owned());
    }
    let manager = extensions.iter().any(|extension| {
        extension["id"] == ENTERPRISE
            && extension["attributes"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|attribute| attribute["name"] == "manager")
    });
    Some(Kind {
        name,
        endpoint,
        schema,
        extensions: urns,
        attributes,
        document,
        manager,
    })
}

/// What Entra maps by default (Develop a SCIM endpoint, "Understand the Microsoft Entra SCIM implementation").
fn by_default() -> Vec<Value> {
    let simple = |name: &str| json!({ "name": name, "type": "string" });
    let plural = |name: &str, types: &[&str], parts: &[&str]| {
        let mut subs: Vec<_> = parts.iter().map(|part| simple(part)).collect();
        subs.push(json!({ "name": "type", "type": "string", "canonicalValues": types }));
        json!({ "name": name, "type": "complex", "multiValued": true, "subAttributes": subs })
    };
    let address = [
        "formatted",
        "streetAddress",
        "locality",
        "region",
        "postalCode",
        "country",
    ];
    let user = json!({ "id": USER, "attributes": [
        json!({ "name": "userName", "type": "string", "required": true, "uniqueness": "server" }),
        simple("externalId"),
        json!({ "name": "active", "type": "boolean" }),
        simple("displayName"),
        simple("title"),
        simple("preferredLanguage"),
        json!({ "name": "name", "type": "complex",
            "subAttributes": [simple("givenName"), simple("familyName"), simple("formatted")] }),
        plural("emails", &["work"], &["value"]),
        plural("phoneNumbers", &["work", "mobile", "fax"], &["value"]),
        plural("addresses", &["work"], &address),
    ] });
    let enterprise = json!({ "id": ENTERPRISE, "attributes": [
        simple("employeeNumber"), simple("department"), json!({ "name": "manager", "type": "complex" }),
    ] });
    let group = json!({ "id": GROUP, "attributes": [
        json!({ "name": "displayName", "type": "string", "required": true }),
        simple("externalId"),
        json!({ "name": "members", "type": "complex", "multiValued": true }),
    ] });
    vec![user, enterprise, group]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_says_nothing_has_what_entra_maps_by_default() {
        let server = Server::read(&[], &[], Value::Null);
        assert!(!server.described && server.users.manager && server.groups.is_some());
        for path in [
            "userName",
            "emails[type eq \"work\"].value",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        ] {
            assert!(server.users.attribute(path).is_some(), "{path}");
        }
    }

    #[test]
    fn a_server_without_a_group_schema_has_no_groups() {
        let user = json!({ "id": USER, "attributes": [{ "name": "userName", "type": "string" }] });
        let types = [json!({ "name": "User", "schema": USER, "endpoint": "/People" })];
        let server = Server::read(&[user], &types, Value::Null);
        assert!(server.described && server.groups.is_none() && !server.users.manager);
        assert_eq!(server.users.endpoint, "/People");
        assert!(server.users.attribute("title").is_none());
    }
}
