//! What the tiny server says of itself.

use serde_json::{Value, json};

use super::defect::Defect;
use super::tree::ENTERPRISE;

pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

pub(crate) fn config(url: &str, defect: Option<Defect>) -> Value {
    if defect == Some(Defect::ConfigIsEmpty) {
        return json!({});
    }
    let more = json!({ "supported": defect == Some(Defect::ClaimsTooMuch) });
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": true },
        "filter": { "supported": true, "maxResults": 100 },
        "bulk": more, "sort": more, "etag": more,
        "changePassword": { "supported": false },
        "pagination": { "index": true, "cursor": more["supported"] },
        "authenticationSchemes": [],
        "meta": { "location": format!("{url}/ServiceProviderConfig") },
    })
}

pub(crate) fn types(defect: Option<Defect>) -> Vec<Value> {
    let mut types = vec![
        json!({ "name": "User", "endpoint": "/Users", "schema": USER,
            "schemaExtensions": [{ "schema": ENTERPRISE, "required": false }] }),
    ];
    if defect != Some(Defect::NoGroups) {
        types.push(json!({ "name": "Group", "endpoint": "/Groups", "schema": GROUP }));
    }
    types
}

pub(crate) fn schemas(defect: Option<Defect>) -> Vec<Value> {
    let text = |name: &str| json!({ "name": name, "type": "string", "multiValued": false, "mutability": "readWrite" });
    let of = |types: &[&str]| {
        let mut of = text("type");
        if defect != Some(Defect::NoCanonicalValues) {
            of["canonicalValues"] = json!(types);
        }
        of
    };
    let mut user_name = text("userName");
    user_name["required"] = json!(true);
    user_name["uniqueness"] = json!("server");
    let mut title = text("title");
    if defect == Some(Defect::SchemaSaysNull) {
        title["description"] = Value::Null;
    }
    let complex = |name: &str, multi: bool, parts: Value| json!({ "name": name, "type": "complex", "multiValued": multi, "subAttributes": parts });
    let mut schemas = vec![
        json!({ "id": USER, "name": "User", "attributes": [
                user_name, text("externalId"), json!({ "name": "active", "type": "boolean", "multiValued": false }), text("displayName"), title,
                complex("name", false, json!([text("givenName"), text("familyName"), text("formatted")])),
                complex("emails", true, json!([text("value"), of(&["work", "home"])])),
                complex("addresses", true, json!([text("locality"), text("postalCode"), text("country"), text("formatted"), of(&["work"])])),
            ] }),
        json!({ "id": ENTERPRISE, "name": "EnterpriseUser", "attributes": [text("employeeNumber"), text("department"),
                complex("manager", false, json!([text("value")]))] }),
    ];
    if defect == Some(Defect::ClaimsTooMuch)
        && let Some(user) = schemas[0]["attributes"].as_array_mut()
    {
        user.retain(|attribute| attribute["name"] != "emails");
        let parts = json!([text("value"), text("display"), of(&["work", "home"])]);
        user.push(complex("emails", true, parts));
        user.push(text("password"));
        user.push(complex("roles", true, json!([text("value")])));
    }
    if defect != Some(Defect::NoGroups) {
        let mut name = text("displayName");
        name["required"] = json!(true);
        schemas.push(
            json!({ "id": GROUP, "name": "Group", "attributes": [name, text("externalId"),
                complex("members", true, json!([text("value")]))] }),
        );
    }
    schemas
}
