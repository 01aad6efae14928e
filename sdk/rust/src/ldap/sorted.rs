//! Searches that the server sorts, by page or by window.

use std::time::Duration;

use super::{Directory, Scope};
use crate::Result;
use crate::host::ldap_search as raw;

pub use raw::{Answer, Place, Position, SortKey};

/// A search with an order: base, scope, filter, attributes, sort keys, and which part of it.
///
/// ```no_run
/// use tombolo_sdk::ldap::{Directory, sorted::Sorted};
/// # fn f() -> tombolo_sdk::Result<()> {
/// let people = Sorted::under("ou=people,dc=example,dc=org").filter("(uid=*)").by("sn");
/// let found = Directory::new("directory").sorted(&people.limit(50))?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Sorted {
    request: raw::Request,
}

impl Sorted {
    /// The whole subtree under a base, any object, all user attributes, no order, 500 a page.
    pub fn under(base: impl Into<String>) -> Self {
        let request = raw::Request {
            base: base.into(),
            scope: Scope::Subtree,
            filter: "(objectClass=*)".to_owned(),
            attributes: Vec::new(),
            types_only: false,
            sort: Vec::new(),
            part: raw::Part::Page(raw::Page {
                limit: 500,
                cursor: None,
            }),
            time_limit_ms: None,
        };
        Self { request }
    }

    /// Another scope.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.request.scope = scope;
        self
    }

    /// RFC 4515 text. Values in it are escaped with [`escape`](super::escape).
    #[must_use]
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.request.filter = filter.into();
        self
    }

    /// The attributes to read.
    #[must_use]
    pub fn attributes<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.request.attributes = names.into_iter().map(Into::into).collect();
        self
    }

    /// Only which attributes an entry has.
    #[must_use]
    pub fn types_only(mut self) -> Self {
        self.request.types_only = true;
        self
    }

    /// One more sort key, ascending.
    #[must_use]
    pub fn by(self, attribute: impl Into<String>) -> Self {
        self.key(attribute.into(), false)
    }

    /// One more sort key, descending.
    #[must_use]
    pub fn by_descending(self, attribute: impl Into<String>) -> Self {
        self.key(attribute.into(), true)
    }

    /// The ordering rule of the last key, by name or OID, where the attribute has none of its own.
    #[must_use]
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        if let Some(key) = self.request.sort.last_mut() {
            key.rule = Some(rule.into());
        }
        self
    }

    fn key(mut self, attribute: String, descending: bool) -> Self {
        self.request.sort.push(SortKey {
            attribute,
            rule: None,
            descending,
        });
        self
    }

    /// The first so many entries.
    #[must_use]
    pub fn limit(mut self, limit: u32) -> Self {
        self.request.part = raw::Part::Page(raw::Page {
            limit,
            cursor: None,
        });
        self
    }

    /// The entries around a place. It needs a sort key.
    #[must_use]
    pub fn window(mut self, at: Place, before: u32, after: u32) -> Self {
        self.request.part = raw::Part::Window(raw::Window {
            at,
            before,
            after,
            cursor: None,
        });
        self
    }

    /// Go on from an earlier answer: the next page, or another window of the same list.
    #[must_use]
    pub fn after(mut self, cursor: Option<Vec<u8>>) -> Self {
        match &mut self.request.part {
            raw::Part::Page(page) => page.cursor = cursor,
            raw::Part::Window(window) => window.cursor = cursor,
        }
        self
    }

    /// How long the server may take.
    #[must_use]
    pub fn within(mut self, time: Duration) -> Self {
        self.request.time_limit_ms = Some(u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
        self
    }
}

impl Directory {
    /// A part of a search that the server sorts.
    pub fn sorted(&self, search: &Sorted) -> Result<Answer> {
        Ok(raw::search(&self.target, &search.request)?)
    }
}
