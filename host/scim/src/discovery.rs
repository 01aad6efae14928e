//! The discovery documents (RFC 7643, sections 5 to 7; RFC 7644, section 4).

use serde_json::{Value, json};

use crate::schema::{Attribute, Catalog, ResourceType, Schema, Type, same_urn};

/// What the server can do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "ServiceProviderConfig is a list of yes and no"
)]
pub struct Capabilities {
    /// PATCH?
    pub patch: bool,
    /// Bulk, if offered.
    pub bulk: Option<Bulk>,
    /// How many resources a filter returns at most; `None` if filters are not offered.
    pub filter_max_results: Option<u64>,
    /// May `password` be written?
    pub change_password: bool,
    /// `sortBy`?
    pub sort: bool,
    /// Entity tags?
    pub etag: bool,
    /// Paging (RFC 9865).
    pub pagination: Pagination,
    /// How clients may sign in; the first one is the primary one.
    pub authentication: Vec<AuthenticationScheme>,
}

/// The limits of bulk requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bulk {
    /// How many operations a request may hold.
    pub max_operations: u64,
    /// How many bytes.
    pub max_payload_size: u64,
}

/// The ways of paging (RFC 9865, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pagination {
    /// By cursor.
    pub cursor: bool,
    /// By `startIndex`.
    pub index: bool,
    /// How many resources a page has unless the client says so.
    pub default_page_size: u64,
    /// How many at most.
    pub max_page_size: u64,
}

/// A way of signing in (RFC 7643, section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticationScheme {
    /// `oauth2`, `oauthbearertoken`, `httpbasic`
    pub kind: String,
    /// What people call it.
    pub name: String,
    /// What it is.
    pub description: String,
}

impl AuthenticationScheme {
    /// A bearer token in the `Authorization` header (RFC 6750).
    pub fn bearer() -> Self {
        Self {
            kind: "oauthbearertoken".into(),
            name: "OAuth Bearer Token".into(),
            description: "A bearer token in the Authorization header (RFC 6750).".into(),
        }
    }
}

/// `/ServiceProviderConfig`
pub fn service_provider_config(capabilities: &Capabilities, base_url: &str) -> Value {
    let bulk = capabilities.bulk.unwrap_or(Bulk {
        max_operations: 0,
        max_payload_size: 0,
    });
    let pages = &capabilities.pagination;
    let schemes = capabilities
        .authentication
        .iter()
        .enumerate()
        .map(|(index, scheme)| {
            json!({
                "type": scheme.kind,
                "name": scheme.name,
                "description": scheme.description,
                "primary": index == 0,
            })
        });
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": capabilities.patch},
        "bulk": {
            "supported": capabilities.bulk.is_some(),
            "maxOperations": bulk.max_operations,
            "maxPayloadSize": bulk.max_payload_size,
        },
        "filter": {
            "supported": capabilities.filter_max_results.is_some(),
            "maxResults": capabilities.filter_max_results.unwrap_or(0),
        },
        "changePassword": {"supported": capabilities.change_password},
        "sort": {"supported": capabilities.sort},
        "etag": {"supported": capabilities.etag},
        "pagination": {
            "cursor": pages.cursor,
            "index": pages.index,
            "defaultPaginationMethod": if pages.index { "index" } else { "cursor" },
            "defaultPageSize": pages.default_page_size,
            "maxPageSize": pages.max_page_size,
        },
        "authenticationSchemes": schemes.collect::<Vec<_>>(),
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{}/ServiceProviderConfig", base(base_url)),
        },
    })
}

/// `/ResourceTypes`, each one.
pub fn resource_types(catalog: &Catalog, base_url: &str) -> Vec<Value> {
    catalog
        .types()
        .iter()
        .map(|ty| describe_type(ty, base_url))
        .collect()
}

/// `/ResourceTypes/{name}`
pub fn resource_type(catalog: &Catalog, base_url: &str, name: &str) -> Option<Value> {
    catalog.by_name(name).map(|ty| describe_type(ty, base_url))
}

/// `/Schemas`, each one.
pub fn schemas(catalog: &Catalog, base_url: &str) -> Vec<Value> {
    catalog
        .schemas()
        .into_iter()
        .map(|schema| describe_schema(schema, base_url))
        .collect()
}

/// `/Schemas/{urn}`
pub fn schema(catalog: &Catalog, base_url: &str, urn: &str) -> Option<Value> {
    let schemas = catalog.schemas();
    schemas
        .into_iter()
        .find(|schema| same_urn(&schema.id, urn))
        .map(|schema| describe_schema(schema, base_url))
}

fn base(base_url: &str) -> &str {
    base_url.trim_end_matches('/')
}

fn describe_type(ty: &ResourceType, base_url: &str) -> Value {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": ty.name,
        "name": ty.name,
        "endpoint": format!("/{}", ty.endpoint),
        "schema": ty.schema.id,
    });
    if !ty.description.is_empty() {
        body["description"] = ty.description.as_str().into();
    }
    if !ty.extensions.is_empty() {
        let extensions = ty.extensions.iter();
        body["schemaExtensions"] = extensions
            .map(|extension| json!({"schema": extension.schema.id, "required": extension.required}))
            .collect();
    }
    body["meta"] = json!({
        "resourceType": "ResourceType",
        "location": format!("{}/ResourceTypes/{}", base(base_url), ty.name),
    });
    body
}

fn describe_schema(schema: &Schema, base_url: &str) -> Value {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": schema.id,
        "name": schema.name,
    });
    if !schema.description.is_empty() {
        body["description"] = schema.description.as_str().into();
    }
    body["attributes"] = describe_attributes(&schema.attributes);
    body["meta"] = json!({
        "resourceType": "Schema",
        "location": format!("{}/Schemas/{}", base(base_url), schema.id),
    });
    body
}

fn describe_attributes(attributes: &[Attribute]) -> Value {
    attributes
        .iter()
        .filter(|attribute| attribute.advertised)
        .map(describe_attribute)
        .collect()
}

/// What says nothing is left out: Entra's schema reader wants absence, not null.
fn describe_attribute(attribute: &Attribute) -> Value {
    let mut body = json!({
        "name": attribute.name,
        "type": attribute.kind.as_str(),
        "multiValued": attribute.multi_valued,
        "required": attribute.required,
        "mutability": attribute.mutability.as_str(),
        "returned": attribute.returned.as_str(),
        "uniqueness": attribute.uniqueness.as_str(),
    });
    if !attribute.description.is_empty() {
        body["description"] = attribute.description.as_str().into();
    }
    if !matches!(
        attribute.kind,
        Type::Boolean | Type::Integer | Type::Decimal | Type::Complex
    ) {
        body["caseExact"] = attribute.case_exact.into();
    }
    if !attribute.canonical_values.is_empty() {
        body["canonicalValues"] = attribute.canonical_values.clone().into();
    }
    if !attribute.reference_types.is_empty() {
        body["referenceTypes"] = attribute.reference_types.clone().into();
    }
    if !attribute.sub_attributes.is_empty() {
        body["subAttributes"] = describe_attributes(&attribute.sub_attributes);
    }
    body
}
