//! Attributes, schemas and resource types (RFC 7643, sections 2, 6 and 7).

mod attribute;
mod catalog;
mod core;
mod resource_type;

pub use self::attribute::{Attribute, Mutability, Returned, Type, Uniqueness};
pub use self::catalog::{Catalog, CatalogError};
pub use self::core::{ENTERPRISE_USER_URN, GROUP_URN, USER_URN};
pub use self::resource_type::{Extension, Resolved, ResourceType, Schema, SchemaError};

/// Do two URNs name the same schema?
///
/// URNs compare without case (RFC 7643, section 2.1), and colons are left out of the comparison because Entra's
/// documented create example writes `…:enterprise:2.0User`.
pub fn same_urn(a: &str, b: &str) -> bool {
    fn letters(urn: &str) -> impl Iterator<Item = u8> {
        urn.bytes()
            .filter(|byte| *byte != b':')
            .map(|byte| byte.to_ascii_lowercase())
    }
    a.eq_ignore_ascii_case(b) || (a.len().abs_diff(b.len()) <= 2 && letters(a).eq(letters(b)))
}
