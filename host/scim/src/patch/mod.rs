//! PATCH (RFC 7644, section 3.5.2) in both of Entra's dialects.

use crate::{Error, Filter, Member, Resource, ResourceType};

/// How many operations a request may hold, unless the caller says otherwise.
pub const MAX_OPERATIONS: usize = 2_000;

/// A PATCH request.
#[derive(Clone)]
pub struct PatchRequest {
}

/// What a PATCH leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Patched {
    /// The resource after all operations.
    pub resource: Resource,
    /// What to do with the members, in this order.
    pub members: Vec<MemberEdit>,
    /// Paths that the schema does not know, skipped.
    pub ignored: Vec<String>,
}

/// A change of a group's members. Adding who is there and removing who is not are no errors.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberEdit {
    /// Adds these.
    Add(Vec<Member>),
    /// Removes these ids.
    Remove(Vec<String>),
    /// Removes the members that pass; the filter's attributes are those of a member (`value`, `type`, `display`).
    RemoveMatching(Filter),
    /// These and no others.
    Replace(Vec<Member>),
    /// Nobody.
    Clear,
}

impl PatchRequest {
    /// Reads a PATCH body of [`MAX_OPERATIONS`] operations at most.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        Self::parse_with(body, MAX_OPERATIONS)
    }

    /// Reads a PATCH body of that many operations at most.
    pub fn parse_with(_body: &[u8], _max_operations: usize) -> Result<Self, Error> {
        todo!()
    }

    /// Applies every operation, or none.
    pub fn apply(&self, _ty: &ResourceType, _current: &Resource) -> Result<Patched, Error> {
        todo!()
    }
}
