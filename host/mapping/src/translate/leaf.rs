//! Whether a comparison means the same to the target as to SCIM.

use tombolo_scim::filter::Literal;
use tombolo_scim::schema::Type;

use crate::convert;
use crate::kind::{KindAttribute, KindType};
use crate::object::Scalar;
use crate::place::literal_value;
use crate::references::References;

/// What a test compares: the object's attribute and SCIM's view of it.
pub(super) struct LeafRef<'a> {
    pub(super) attribute: &'a KindAttribute,
    pub(super) data: Type,
    pub(super) case_exact: bool,
    pub(super) many: bool,
}

impl LeafRef<'_> {
    /// May text be compared by the target, and is the outcome SCIM's? If the
    /// target minds the case and SCIM does not, it would find too little.
    pub(super) fn text_comparison(&self) -> Option<bool> {
        if self.attribute.data != KindType::Text || (self.attribute.case_exact && !self.case_exact)
        {
            return None;
        }
        Some(self.attribute.case_exact == self.case_exact)
    }

    pub(super) fn equal(
        &self,
        literal: &Literal,
        references: &References,
    ) -> Option<(Scalar, bool)> {
        let value = literal_value(literal, self.data)?;
        // Directories refuse to look for nothing, and others mean NULL by it.
        if value.as_str().is_some_and(str::is_empty) {
            return None;
        }
        let scalar = convert::scalar(&value, self.attribute, references).ok()?;
        let exact = match (self.attribute.data, self.data) {
            (KindType::Text, Type::String | Type::Reference) if value.is_string() => {
                self.text_comparison()?
            }
            (KindType::Text | KindType::Complex, _) => return None,
            (KindType::Boolean, Type::Boolean)
            | (KindType::Integer, Type::Integer)
            | (KindType::Instant, Type::DateTime)
            | (KindType::Reference, _) => true,
            (
                KindType::Boolean
                | KindType::Integer
                | KindType::Instant
                | KindType::Decimal
                | KindType::Binary,
                _,
            ) => false,
        };
        Some((scalar, exact))
    }

    /// Text is left out: collations differ.
    pub(super) fn ordered(&self, literal: &Literal) -> Option<(Scalar, bool)> {
        let value = literal_value(literal, self.data)?;
        let exact = match (self.attribute.data, self.data) {
            (KindType::Integer, Type::Integer) | (KindType::Instant, Type::DateTime) => true,
            (KindType::Decimal, Type::Decimal) => false,
            _ => return None,
        };
        let scalar = convert::scalar(&value, self.attribute, &References::new()).ok()?;
        Some((scalar, exact))
    }
}
