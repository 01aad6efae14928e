//! The parameters of a list or a search (RFC 7644, sections 3.4.2 and 3.4.3).

use crate::{AttributePath, Error, Filter};
use crate::project::Projection;

/// What a list request asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct ListQuery {
    /// Which resources.
    pub filter: Option<Filter>,
    /// Which attributes.
    pub projection: Projection,
    /// The first one's number, from 1.
    pub start_index: u64,
    /// How many at most, if the client said so.
    pub count: Option<u64>,
    /// In the order of that attribute.
    pub sort_by: Option<AttributePath>,
    /// Downwards.
    pub descending: bool,
}

impl ListQuery {
    /// Reads a raw query string, without the question mark.
    pub fn from_query(_raw: &str) -> Result<Self, Error> {
        todo!()
    }

    /// Reads the body of a POST to `/.search`.
    pub fn from_search_body(_body: &[u8]) -> Result<Self, Error> {
        todo!()
    }
}
