//! The discovery documents (RFC 7643, sections 5 to 7; RFC 7644, section 4).

use serde_json::Value;

use crate::schema::Catalog;

/// What the server can do.
#[derive(Clone, Debug, PartialEq, Eq)]
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
pub fn service_provider_config(_capabilities: &Capabilities, _base_url: &str) -> Value { todo!() }
/// `/ResourceTypes`, each one.
pub fn resource_types(_catalog: &Catalog, _base_url: &str) -> Vec<Value> { todo!() }
/// `/ResourceTypes/{name}`
pub fn resource_type(_catalog: &Catalog, _base_url: &str, _name: &str) -> Option<Value> { todo!() }
/// `/Schemas`, each one.
pub fn schemas(_catalog: &Catalog, _base_url: &str) -> Vec<Value> { todo!() }
/// `/Schemas/{urn}`
pub fn schema(_catalog: &Catalog, _base_url: &str, _urn: &str) -> Option<Value> { todo!() }
