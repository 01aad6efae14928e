//! Attribute flows between SCIM resources and the objects of a target.
//!
//! A connector describes its kinds of object; an operator overrides what it
//! suggests; together they make a [`Mapping`]. It turns resources into objects
//! and lays objects over resources, says what has to be edited, and translates
//! filters. This room leans on `tombolo-scim` only: no I/O, no async, no clock,
//! no contract types. Who calls it resolves references and talks to targets.
//!
//! SCIM attributes that nothing maps are *kept by the host*: they stay in the
//! mirrored resource, so that every request shape round-trips with any connector.
//!
//! * [`bring`]: mappings of Entra and MIM, brought over
//! * [`kind`]: what a connector says of one kind of object
//! * [`overrides`]: the operator's `[mapping.KIND]` table
//! * [`explain`]: what a mapping does with one person, for people
//! * [`expression`]: Entra's expression language
//! * [`object`]: an object's values, and the edits between two of them
//! * [`mapping`]: the mapping itself
//! * [`readings`]: attributes as values of the language, for scopes and policies
//! * [`scope`]: scoping filters
//! * [`shape`], `ecma`: how an app shows its objects
//! * [`references`]: SCIM ids and anchors
//! * [`translate`]: SCIM filters in the contract's shape

pub mod bring;
mod build;
mod convert;
pub mod ecma;
mod edits;
pub mod error;
pub mod explain;
mod expressed;
pub mod expression;
pub mod kind;
pub mod mapping;
pub mod object;
mod overlay;
pub mod overrides;
mod place;
pub mod readings;
pub mod references;
mod rule;
pub mod scope;
pub mod shape;
pub mod translate;

#[cfg(test)]
mod tests;

pub use error::{ConvertError, ExpressionCause, MappingError, Problem};
pub use expressed::{Expressed, object_value};
pub use expression::{Environment, Expression};
pub use kind::{Kind, KindAttribute, KindMutability, KindType};
pub use mapping::{Flow, Mapping, Update};
pub use object::{Edit, EditKind, Object, ObjectValue, Scalar};
pub use overrides::Overrides;
pub use readings::Readings;
pub use references::{Reference, References};
pub use scope::Scope;
pub use shape::Shape;
pub use translate::{Comparison, ObjectFilter, ObjectNode, Translation};
