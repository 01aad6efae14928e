//! What has changed in a directory, as the directory itself remembers it.
//!
//! ```no_run
//! use tombolo_sdk::ldap::{Directory, changes::{Content, Kind, Start}};
//! # fn f(cookie: Option<Vec<u8>>) -> tombolo_sdk::Result<()> {
//! let people = Content::syncrepl("ou=people,dc=example,dc=org", "(uid=*)").attributes(["uid", "mail"]);
//! let start = cookie.map_or(Start::Content, Start::After);
//! let answer = Directory::new("directory").changes(&people, &start, 500)?;
//! for change in &answer.changes {
//!     println!("{} {}", change.id, change.kind == Kind::Deleted);
//! }
//! // Keep answer.cookie, with what came before it, and go on while answer.ends is none.
//! # Ok(()) }
//! ```

use super::{Directory, Scope};
use crate::Result;
use crate::host::ldap_sync as raw;

pub use raw::{Answer, Change, Deletions, DirsyncOptions, Kind, Request, Start};

/// RFC 4533, e-syncRefreshRequired: the cookie is too old, start over.
pub const REFRESH_REQUIRED: u32 = 4096;

/// What is kept track of: the entries that a filter finds under a base.
#[derive(Clone, Debug)]
pub struct Content {
    request: raw::Request,
}

impl Content {
    /// By RFC 4533: OpenLDAP with the overlay `syncprov`, 389 Directory Server.
    pub fn syncrepl(base: impl Into<String>, filter: impl Into<String>) -> Self {
        Self::by(raw::Method::Syncrepl, base.into(), filter.into())
    }

    /// By Active Directory's DirSync. The base is that of a naming context.
    pub fn dirsync(
        base: impl Into<String>,
        filter: impl Into<String>,
        options: DirsyncOptions,
    ) -> Self {
        Self::by(raw::Method::Dirsync(options), base.into(), filter.into())
    }

    fn by(method: raw::Method, base: String, filter: String) -> Self {
        let request = raw::Request {
            base,
            scope: Scope::Subtree,
            filter,
            attributes: Vec::new(),
            method,
        };
        Self { request }
    }

    /// Another scope.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.request.scope = scope;
        self
    }

    /// The attributes to read.
    #[must_use]
    pub fn attributes<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.request.attributes = names.into_iter().map(Into::into).collect();
        self
    }

    /// What the host is asked.
    pub fn request(&self) -> &raw::Request {
        &self.request
    }
}

impl Directory {
    /// At most `limit` changes; 0 leaves it to the host.
    pub fn changes(&self, content: &Content, start: &Start, limit: u32) -> Result<Answer> {
        Ok(raw::poll(&self.target, &content.request, start, limit)?)
    }
}
