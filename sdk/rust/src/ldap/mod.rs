//! A directory that the operator named as a target. The host keeps the connections, the TLS and the password.
//!
//! ```no_run
//! use tombolo_sdk::ldap::{Directory, Search};
//! # fn f() -> tombolo_sdk::Result<()> {
//! let directory = Directory::new("directory");
//! for entry in directory.search(Search::under("ou=people,dc=example,dc=org").filter("(uid=*)").attributes(["uid"])) {
//!     let entry = entry?;
//!     println!("{} {:?}", entry.dn, entry.text("uid"));
//! }
//! # Ok(()) }
//! ```

mod account;
pub mod changes;
pub mod dn;
pub mod fault;
pub mod guid;
pub mod settings;
pub mod sorted;

use crate::host::ldap as raw;
use crate::{Failure, Result};

pub use account::RootDse;
pub use fault::NO_SUCH_OBJECT;
pub use raw::{LdapEntry, LdapError, Modification, Scope, SearchPage, SearchRequest};

/// One change of [`Directory::modify`]: what to do, with which attribute, with which values.
pub type Change = (Modification, String, Vec<Vec<u8>>);

/// A directory behind a named target.
#[derive(Clone, Debug)]
pub struct Directory {
    target: String,
}

impl Directory {
    /// The directory that the manifest calls by this name.
    pub fn new(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
        }
    }

    /// All entries that a search finds, page by page as they are asked for.
    pub fn search(&self, search: Search) -> Entries<'_> {
        Entries {
            directory: self,
            request: search.request,
            ready: Vec::new().into_iter(),
            last: false,
        }
    }

    /// One page of a search, for a listing whose cursor goes to the host and comes back.
    pub fn page(&self, request: &SearchRequest) -> Result<SearchPage> {
        Ok(raw::search(&self.target, request)?)
    }

    /// The entry with this DN; none when there is none.
    pub fn get<S: Into<String>>(
        &self,
        dn: &str,
        filter: &str,
        attributes: impl IntoIterator<Item = S>,
    ) -> Result<Option<LdapEntry>> {
        let search = Search::under(dn)
            .scope(Scope::Base)
            .filter(filter)
            .attributes(attributes)
            .limit(1);
        match raw::search(&self.target, &search.request) {
            Ok(page) => Ok(page.entries.into_iter().next()),
            Err(error) if error.code == Some(NO_SUCH_OBJECT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The first entry that a search finds, and whether there are more.
    pub fn first(&self, search: Search) -> Result<Option<(LdapEntry, bool)>> {
        let mut found = self.search(search.limit(2));
        let first = found.next().transpose()?;
        let more = found.next().transpose()?.is_some();
        Ok(first.map(|entry| (entry, more)))
    }

    /// Adds an entry.
    pub fn add(&self, entry: &LdapEntry) -> Result<()> {
        Ok(raw::add(&self.target, entry)?)
    }

    /// Modifies an entry, all changes or none.
    pub fn modify(&self, dn: &str, changes: &[Change]) -> Result<()> {
        Ok(raw::modify(&self.target, dn, changes)?)
    }

    /// Renames an entry, and moves it when there is a new parent. Answers the new DN.
    pub fn rename(&self, dn: &str, rdn: &str, parent: Option<&str>) -> Result<String> {
        Ok(raw::rename(&self.target, dn, rdn, parent)?)
    }

    /// Deletes an entry.
    pub fn delete(&self, dn: &str) -> Result<()> {
        Ok(raw::delete(&self.target, dn)?)
    }
}

/// A search: base, scope, filter, attributes, page size.
#[derive(Clone, Debug)]
pub struct Search {
    request: SearchRequest,
}

impl Search {
    /// The whole subtree under a base, any object, all user attributes, 500 a page.
    pub fn under(base: impl Into<String>) -> Self {
        let request = SearchRequest {
            base: base.into(),
            scope: Scope::Subtree,
            filter: "(objectClass=*)".to_owned(),
            attributes: Vec::new(),
            cursor: None,
            limit: 500,
        };
        Self { request }
    }

    /// Another scope.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.request.scope = scope;
        self
    }

    /// RFC 4515 text. Values in it are escaped with [`escape`].
    #[must_use]
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.request.filter = filter.into();
        self
    }

    /// The attributes to read. Operational ones (`entryUUID`) only when named.
    #[must_use]
    pub fn attributes<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.request.attributes = names.into_iter().map(Into::into).collect();
        self
    }

    /// Where to go on: the cursor of an earlier page.
    #[must_use]
    pub fn after(mut self, cursor: Option<Vec<u8>>) -> Self {
        self.request.cursor = cursor;
        self
    }

    /// The page size.
    #[must_use]
    pub fn limit(mut self, entries: u32) -> Self {
        self.request.limit = entries;
        self
    }

    /// What the host is asked.
    pub fn request(&self) -> &SearchRequest {
        &self.request
    }
}

/// The entries of a search, over all its pages.
#[derive(Debug)]
pub struct Entries<'d> {
    directory: &'d Directory,
    request: SearchRequest,
    ready: std::vec::IntoIter<LdapEntry>,
    last: bool,
}

impl Iterator for Entries<'_> {
    type Item = Result<LdapEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.ready.next() {
                return Some(Ok(entry));
            }
            if self.last {
                return None;
            }
            match self.directory.page(&self.request) {
                Ok(page) => {
                    self.last = page.cursor.is_none();
                    self.request.cursor = page.cursor;
                    self.ready = page.entries.into_iter();
                }
                Err(failure) => {
                    self.last = true;
                    return Some(Err(failure));
                }
            }
        }
    }
}

impl LdapEntry {
    /// An entry without attributes.
    pub fn new(dn: impl Into<String>) -> Self {
        Self {
            dn: dn.into(),
            attributes: Vec::new(),
        }
    }

    /// Adds an attribute with these values.
    #[must_use]
    pub fn with<V: Into<Vec<u8>>>(
        mut self,
        name: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        self.attributes
            .push((name.into(), values.into_iter().map(Into::into).collect()));
        self
    }

    /// All values of an attribute. LDAP names do not tell upper from lower case.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        self.attributes
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map_or(&[], |(_, values)| values)
    }

    /// All values of an attribute that are UTF-8.
    pub fn texts<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.values(name)
            .iter()
            .filter_map(|v| std::str::from_utf8(v).ok())
    }

    /// The first value of an attribute, as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }
}

impl From<LdapError> for Failure {
    fn from(error: LdapError) -> Self {
        fault::from_ldap(error)
    }
}

/// The filter as RFC 4515 text, attribute names translated by the pairs; `unsupported` when LDAP cannot say it.
pub fn render(filter: &[crate::Node], names: &[(String, String)]) -> Result<String> {
    raw::render(filter, names).map_err(|error| Failure::unsupported(error.message))
}

/// A value as it stands in a filter (RFC 4515 section 3).
pub fn escape(value: &str) -> String {
    escape_bytes(value.as_bytes())
}

/// Bytes as they stand in a filter (RFC 4515 section 3).
pub fn escape_bytes(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    for &byte in value {
        match byte {
            b'*' | b'(' | b')' | b'\\' | 0 | 0x80.. => push_hex(&mut out, byte),
            _ => out.push(char::from(byte)),
        }
    }
    out
}

/// A value as it stands in a DN (RFC 4514 section 2.4). Blanks at either end and control characters are written as hex,
/// which no parser trims and no log breaks on.
pub fn escape_dn(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        match c {
            ' ' if at == 0 || at == last => out.push_str("\\20"),
            '#' if at == 0 => out.push_str("\\#"),
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_ascii_control() => push_hex(&mut out, c as u8),
            c => out.push(c),
        }
    }
    out
}

fn push_hex(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push('\\');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_a_filter() {
        assert_eq!(escape("a*)(uid=\\\0é"), "a\\2a\\29\\28uid=\\5c\\00\\c3\\a9");
    }

    #[test]
    fn values_cannot_leave_a_dn() {
        assert_eq!(
            escape_dn(" #a,+\"\\<>;=b# "),
            "\\20#a\\,\\+\\\"\\\\\\<\\>\\;\\=b#\\20"
        );
        assert_eq!(escape_dn("#x\n"), "\\#x\\0a");
        assert_eq!(escape_dn(" "), "\\20");
        assert_eq!(escape_dn("José"), "José");
    }
}
