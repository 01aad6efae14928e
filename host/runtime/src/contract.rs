//! The contract's vocabulary: the types of `tombolo:connector/types`, and the
//! two answers that belong to one ability each.

pub use crate::bindings::exports::tombolo::connector::{
    delta::{Change, Changes},
    members::MemberPage,
};
pub use crate::bindings::vocabulary::tombolo::connector::types::{
    Anchor, Attribute, Comparison, Edit, EditKind, Entry, Failure, Fault, Filter, Node, Page, Part,
    Query, Scalar, Value,
};
