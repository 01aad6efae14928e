//! A search result entry out of its BER.
//!
//! The library's own parser panics on what is not well formed, and sorts values
//! into text and binary by looking at them. Here values stay bytes, in the order
//! in which the server sent them.

use ldap3::ResultEntry;
use ldap3::asn1::StructureTag;

/// An entry as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The distinguished name.
    pub(crate) dn: String,
    /// Attribute descriptions and their values.
    pub(crate) attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// Reads `SearchResultEntry` (RFC 4511, section 4.5.2); none if it is not one.
    pub(super) fn read(result: ResultEntry) -> Option<Self> {
        let mut parts = result.0.match_id(4)?.expect_constructed()?.into_iter();
        let dn = text(parts.next()?)?;
        let attributes = parts
            .next()?
            .expect_constructed()?
            .into_iter()
            .map(|attribute| {
                let mut parts = attribute.expect_constructed()?.into_iter();
                let name = text(parts.next()?)?;
                let values = parts
                    .next()?
                    .expect_constructed()?
                    .into_iter()
                    .map(StructureTag::expect_primitive)
                    .collect::<Option<_>>()?;
                Some((name, values))
            })
            .collect::<Option<_>>()?;
        Some(Self { dn, attributes })
    }

    /// Roughly what it costs to hand over.
    pub(super) fn size(&self) -> usize {
        let attributes: usize = self
            .attributes
            .iter()
            .map(|(name, values)| {
                name.len() + 16 + values.iter().map(|v| v.len() + 8).sum::<usize>()
            })
            .sum();
        self.dn.len() + 16 + attributes
    }
}

/// The URLs of a `SearchResultReference` (RFC 4511, section 4.5.3).
pub(super) fn references(result: ResultEntry) -> Vec<String> {
    let urls = result.0.expect_constructed().unwrap_or_default();
    urls.into_iter().filter_map(text).collect()
}

fn text(tag: StructureTag) -> Option<String> {
    String::from_utf8(tag.expect_primitive()?).ok()
}
