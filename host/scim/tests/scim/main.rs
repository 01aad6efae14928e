//! The room from outside: the shapes that Entra and other clients send, and the properties that hold for any input.

mod bulk;
mod clients;
mod discovery;
mod filters;
mod groups;
mod paths;
mod post;
mod project_and_query;
mod properties;
mod strict;
mod users;

use serde_json::{Value, json};
use tombolo_scim::patch::{PatchRequest, Patched};
use tombolo_scim::{Error, Resource, ResourceType};

const ENTERPRISE: &str = tombolo_scim::schema::ENTERPRISE_USER_URN;

fn value(resource: &Resource) -> Value {
    Value::Object(resource.as_map().clone())
}

/// A canonical resource out of a JSON object.
fn resource(value: Value) -> Resource {
    match value {
        Value::Object(map) => Resource::from_map(map),
        _ => panic!("a resource is an object"),
    }
}

fn ana() -> Value {
    json!({
        "userName": "ana@contoso.com",
        "externalId": "ana",
        "active": true,
        "displayName": "Ana Ruiz",
        "name": {"givenName": "Ana", "familyName": "Ruiz"},
        "emails": [{"type": "work", "primary": true, "value": "ana@contoso.com"}],
    })
}

#[expect(clippy::needless_pass_by_value, reason = "a `json!` at every call")]
fn apply(ty: &ResourceType, before: Value, operations: Value) -> Result<Patched, Error> {
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations});
    PatchRequest::parse(body.to_string().as_bytes())?.apply(ty, &resource(before))
}

/// The user after the operations.
fn patched(before: Value, operations: Value) -> Value {
    let shown = operations.to_string();
    let after = apply(&ResourceType::user(), before, operations);
    value(
        &after
            .unwrap_or_else(|error| panic!("{shown}: {error}"))
            .resource,
    )
}

fn refused(before: Value, operations: Value) -> (u16, &'static str) {
    let shown = operations.to_string();
    match apply(&ResourceType::user(), before, operations) {
        Ok(_) => panic!("{shown} was accepted"),
        Err(error) => (
            error.status,
            error.scim_type.map_or("", tombolo_scim::ScimType::as_str),
        ),
    }
}
