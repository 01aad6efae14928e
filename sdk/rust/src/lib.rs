//! x
extern crate self as tombolo_sdk;

mod bindings;
mod connector;
mod entry;
mod export;
mod failure;
pub mod schema;
mod typed;

pub use bindings::delta::{Change, Changes};
pub use bindings::host;
pub use bindings::host::secrets::Secret;
pub use bindings::host::types::{
    Attribute, Comparison, Edit, EditKind, Entry, Failure, Fault, Node, Page, Part, Query, Scalar, Value,
};
pub use bindings::members::MemberPage;
pub use connector::{Connector, Delta, Members, Password, Read, Write};
pub use entry::Attributes;
pub use failure::Result;

#[doc(hidden)]
pub mod __private {
    pub use crate::bindings::{connector, delta, members, password, read, write};
    pub use wit_bindgen;
}
