//! The host's `ldap` capability in the shapes that this connector needs.

use tombolo_sdk::ldap::fault::NO_SUCH_OBJECT;
use tombolo_sdk::ldap::{
    Change, Directory, LdapEntry, Scope, Search, SearchPage, SearchRequest, escape, escape_bytes,
    guid,
};
use tombolo_sdk::{Failure, Result};

/// What an entry is known by for ever.
pub const ID: &str = "objectGUID";
/// What changes with every change of an entry on this domain controller.
pub const VERSION: &str = "uSNChanged";

/// Any entry.
pub const ANY: &str = "(objectClass=*)";
/// None: Active Directory knows no empty `or` (RFC 4526).
pub const NONE: &str = "(!(objectClass=*))";

/// As many entries as are read at once.
const PAGE: u32 = 500;

/// What a change came to, for callers that know what to do about some results.
pub enum Outcome {
    /// It is done.
    Done,
    /// The directory said no, with this code.
    Refused(u32, Failure),
}

/// The domain controller behind the target.
pub fn target() -> Directory {
    Directory::new("directory")
}

fn missing(base: &str) -> Failure {
    Failure::other(format!(
        "the directory shows nothing at `{base}`: create it, set base, users and groups in [settings], or let the account read it"
    ))
    .code(NO_SUCH_OBJECT)
}

fn is_missing(failure: &Failure) -> bool {
    failure.target_code.as_deref() == Some("32")
}

/// One page below `base`.
pub fn page(
    base: &str,
    filter: &str,
    attributes: &[String],
    cursor: Option<Vec<u8>>,
    limit: u32,
) -> Result<SearchPage> {
    let request = SearchRequest {
        base: base.to_owned(),
        scope: Scope::Subtree,
        filter: filter.to_owned(),
        attributes: attributes.to_vec(),
        cursor,
        limit,
    };
    // A 404 would say that an object is missing; it is the place for all of them.
    target().page(&request).map_err(|failure| {
        if is_missing(&failure) {
            missing(base)
        } else {
            failure
        }
    })
}

/// Everything below `base` that the filter finds.
pub fn all(base: &str, filter: &str, attributes: &[String]) -> Result<Vec<LdapEntry>> {
    let directory = target();
    let search = Search::under(base)
        .filter(filter)
        .attributes(attributes)
        .limit(PAGE);
    directory.search(search).collect()
}

/// Is there an entry in the domain that the filter finds?
pub fn exists(base: &str, filter: &str) -> Result<bool> {
    let found = page(base, filter, &["1.1".to_owned()], None, 1)?;
    Ok(!found.entries.is_empty())
}

/// The entry of this name, if it is there.
pub fn read(dn: &str, attributes: &[String]) -> Result<Option<LdapEntry>> {
    target().get(dn, ANY, attributes)
}

/// Adds an entry.
pub fn add(entry: &LdapEntry, parent: &str) -> Result<()> {
    target().add(entry).map_err(|failure| {
        if is_missing(&failure) {
            missing(parent)
        } else {
            failure
        }
    })
}

/// Changes an entry, unless there is nothing to change; a refusal is an outcome that the caller looks at.
pub fn try_modify(dn: &str, changes: &[Change]) -> Result<Outcome> {
    if changes.is_empty() {
        return Ok(Outcome::Done);
    }
    match target().modify(dn, changes) {
        Ok(()) => Ok(Outcome::Done),
        Err(failure) => match failure.target_code.as_deref().map(str::parse) {
            Some(Ok(code)) => Ok(Outcome::Refused(code, failure)),
            _ => Err(failure),
        },
    }
}

/// `(name=value)`, with the value escaped.
pub fn equals(name: &str, value: &str) -> String {
    format!("({name}={})", escape(value))
}

/// The condition that finds the entry with this anchor; none if there can be no such entry.
pub fn identified(anchor: &str) -> Option<String> {
    let bytes = guid::bytes(anchor)?;
    Some(equals_bytes(ID, &bytes))
}

/// `(name=value)` of bytes.
pub fn equals_bytes(name: &str, value: &[u8]) -> String {
    format!("({name}={})", escape_bytes(value))
}

/// The anchor of an entry.
pub fn anchor(entry: &LdapEntry) -> Option<String> {
    entry.values(ID).first().and_then(|value| guid::text(value))
}
