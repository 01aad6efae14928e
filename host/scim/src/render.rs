//! Resources and lists as they go over the wire.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::resource::Resource;
use crate::schema::{Attribute, ResourceType, Returned};

/// The URN of a list answer.
pub const LIST_URN: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// What the server knows about a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// When it was created.
    pub created: Timestamp,
    /// When it last changed.
    pub last_modified: Timestamp,
    /// How often it changed.
    pub version: u64,
}

impl Meta {
    /// The version as an entity tag: `W/"3"`.
    pub fn etag(&self) -> String {
        format!("W/\"{}\"", self.version)
    }
}

/// The URI of a resource.
pub fn location(ty: &ResourceType, base_url: &str, id: &str) -> String {
    format!("{}/{}/{id}", base_url.trim_end_matches('/'), ty.endpoint)
}

/// A resource as the client sees it, before any projection. Attributes that are never returned are left out.
pub fn resource(
    ty: &ResourceType,
    base_url: &str,
    id: &str,
    resource: &Resource,
    meta: &Meta,
    members: Option<Vec<Value>>,
    groups: Option<Vec<Value>>,
) -> Map<String, Value> {
    let attributes = resource.as_map();
    let mut schemas = vec![Value::from(ty.schema.id.as_str())];
    let present = ty
        .extensions
        .iter()
        .filter(|extension| attributes.contains_key(&extension.schema.id));
    schemas.extend(present.map(|extension| Value::from(extension.schema.id.as_str())));

    let mut rendered = Map::with_capacity(attributes.len() + 5);
    rendered.insert("schemas".into(), Value::Array(schemas));
    rendered.insert("id".into(), id.into());
    rendered.extend(
        attributes
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    for (extension, attribute) in ty
        .attributes()
        .filter(|(_, attribute)| attribute.returned == Returned::Never)
    {
        match extension {
            None => {
                rendered.shift_remove(&attribute.name);
            }
            Some(urn) => {
                if let Some(Value::Object(object)) = rendered.get_mut(urn) {
                    object.shift_remove(&attribute.name);
                }
            }
        }
    }
    refer_to_own_kind(ty, base_url, &mut rendered);
    for (name, values) in [("members", members), ("groups", groups)] {
        if let Some(values) = values {
            rendered.insert(name.into(), Value::Array(values));
        }
    }
    rendered.insert(
        "meta".into(),
        json!({
            "resourceType": ty.name,
            "created": meta.created.to_string(),
            "lastModified": meta.last_modified.to_string(),
            "location": location(ty, base_url, id),
            "version": meta.etag(),
        }),
    );
    rendered
}

/// A reference to a resource of the same type (a user's manager) gets the URI that belongs to its id.
fn refer_to_own_kind(ty: &ResourceType, base_url: &str, rendered: &mut Map<String, Value>) {
    for (extension, attribute) in ty.attributes() {
        let own = |sub: &Attribute| sub.reference_types.contains(&ty.name);
        if attribute.multi_valued || !attribute.sub("$ref").is_some_and(own) {
            continue;
        }
        let scope = match extension {
            None => Some(&mut *rendered),
            Some(urn) => rendered.get_mut(urn).and_then(Value::as_object_mut),
        };
        let object = scope
            .and_then(|scope| scope.get_mut(&attribute.name))
            .and_then(Value::as_object_mut);
        if let Some(object) = object
            && let Some(id) = object.get("value").and_then(Value::as_str)
        {
            let uri = location(ty, base_url, id);
            object.insert("$ref".into(), uri.into());
        }
    }
}

/// A page of resources. Every number is always there: Entra computes the next page from them.
pub fn list(total: u64, start_index: u64, resources: Vec<Map<String, Value>>) -> Value {
    let mut body = Map::with_capacity(5);
    body.insert("schemas".into(), json!([LIST_URN]));
    body.insert("totalResults".into(), total.into());
    body.insert("startIndex".into(), start_index.into());
    body.insert("itemsPerPage".into(), resources.len().into());
    // Moved, not copied: a page may hold a thousand resources.
    let resources = resources.into_iter().map(Value::Object);
    body.insert("Resources".into(), resources.collect());
    Value::Object(body)
}

/// A page that a cursor ends (RFC 9865, section 2): it has no number, and the last one no next cursor.
pub fn page(total: u64, next: Option<String>, resources: Vec<Map<String, Value>>) -> Value {
    let mut body = list(total, 1, resources);
    if let Value::Object(body) = &mut body {
        body.shift_remove("startIndex");
        if let Some(next) = next {
            body.insert("nextCursor".into(), next.into());
        }
    }
    body
}
