//! SCIM 2.0 as pure types and functions: RFC 7643, RFC 7644 and the dialects of Microsoft Entra's client.
//!
//! This room turns bytes into canonical resources and back. It may not know I/O, async, clocks, stores,
//! connectors or HTTP: whoever calls it brings the bytes, the time and the ids. Every deviation from the RFC
//! that a real client needs is accepted here, at the edge, so that no other room ever sees `"False"`, a
//! flattened key or a JSON document inside a string.
//!
//! | module | idea |
//! |---|---|
//! | [`dialect`] | which deviations from the RFCs are accepted, in which mode, and why |
//! | [`schema`] | attributes, schemas, resource types, the catalog of one app |
//! | [`path`] | attribute paths and value paths; reading, setting, removing along them |
//! | [`filter`] | the filter grammar: parse, print, evaluate |
//! | [`resource`] | the canonical resource; reading POST and PUT bodies |
//! | [`patch`] | PATCH in both of Entra's dialects |
//! | [`bulk`] | bulk requests: references between operations, and their order |
//! | [`query`] | list and search parameters |
//! | [`sort`] | the order of a list |
//! | [`cursor`] | the place in a list where the next page begins |
//! | [`project`] | `attributes`, `excludedAttributes`, `returned` |
//! | [`render`] | resources and lists as they go over the wire |
//! | [`discovery`] | `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas` |
//! | [`error`] | the error envelope of RFC 7644, section 3.12 |

pub mod bulk;
pub mod cursor;
pub mod dialect;
pub mod discovery;
pub mod error;
pub mod filter;
mod json;
mod limits;
pub mod patch;
pub mod path;
pub mod project;
pub mod query;
pub mod render;
pub mod resource;
pub mod schema;
pub mod sort;

pub use dialect::{Deviation, Dialect, Rules};
pub use error::{Error, ScimType};
pub use filter::Filter;
pub use limits::Limits;
pub use path::{AttributePath, Path};
pub use resource::{Document, Member, Resource};
pub use schema::{Catalog, ResourceType};
