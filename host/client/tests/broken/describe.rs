//! What the tiny server says of itself.

use serde_json::{Value, json};

use super::defect::Defect;
use super::tree::ENTERPRISE;

pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

pub(crate) fn config(url: &str) -> Value {
    let no = json!({ "supported": false });
    json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"], "patch": { "supported": true },
            "filter": { "supported": true, "maxResults": 100 }, "bulk": no, "changePassword": no, "sort": no, "etag": no,
            "authenticationSchemes": [], "meta": { "location": format!("{}/ServiceProviderConfig", url) } })
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
