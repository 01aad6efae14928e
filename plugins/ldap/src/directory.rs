//! The host's `ldap` capability in the shapes that this connector needs.

use tombolo_sdk::host::ldap::{self, LdapEntry, Modification, Scope, SearchPage, SearchRequest};
use tombolo_sdk::host::{ldap_password, ldap_sync};
use tombolo_sdk::ldap::changes::{Answer, Content, REFRESH_REQUIRED, Start};
use tombolo_sdk::{Failure, Result, Secret};

use crate::fault::{NO_SUCH_OBJECT, PROTOCOL_ERROR, UNAVAILABLE_EXTENSION, from_ldap};

/// The name of the target in the manifest.
const TARGET: &str = "directory";

/// As many entries as are read at once.
const PAGE: u32 = 500;

/// One change of an entry.
pub type Change = (Modification, String, Vec<Vec<u8>>);

/// What a change came to, for callers that know what to do about some results.
pub enum Outcome {
    /// It is done.
    Done,
    /// The directory said no, with this code.
    Refused(u32, Failure),
}

/// Values of an attribute, whatever case its name has.
pub fn values<'e>(entry: &'e LdapEntry, name: &str) -> &'e [Vec<u8>] {
    entry
        .attributes
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map_or(&[], |(_, values)| values)
}

/// The first value of an attribute, as text.
pub fn text<'e>(entry: &'e LdapEntry, name: &str) -> Option<&'e str> {
    values(entry, name)
        .first()
        .and_then(|value| std::str::from_utf8(value).ok())
}

/// One page below `base`.
pub fn page(
    base: &str,
    scope: Scope,
    filter: &str,
    attributes: &[String],
    cursor: Option<Vec<u8>>,
    limit: u32,
) -> Result<SearchPage> {
    let request = SearchRequest {
        base: base.to_owned(),
        scope,
        filter: filter.to_owned(),
        attributes: attributes.to_vec(),
        cursor,
        limit,
    };
    ldap::search(TARGET, &request).map_err(|error| match error.code {
        // A 404 would say that an object is missing; it is the place for all of them.
        Some(NO_SUCH_OBJECT) => missing_base(base).code(NO_SUCH_OBJECT),
        _ => from_ldap(error),
    })
}

fn missing_base(base: &str) -> Failure {
    Failure::other(format!(
        "the directory shows nothing at `{base}`: create it, set users.base and groups.base in [settings], or let the bind DN read it"
    ))
}

/// Everything below `base` that the filter finds.
pub fn all(
    base: &str,
    scope: Scope,
    filter: &str,
    attributes: &[String],
) -> Result<Vec<LdapEntry>> {
    let mut entries = Vec::new();
    let mut cursor = None;
    loop {
        let found = page(base, scope, filter, attributes, cursor, PAGE)?;
        entries.extend(found.entries);
        cursor = found.cursor;
        if cursor.is_none() {
            return Ok(entries);
        }
    }
}

/// The entry of this name, if it is there and the filter finds it.
pub fn read(dn: &str, filter: &str, attributes: &[String]) -> Result<Option<LdapEntry>> {
    let request = SearchRequest {
        base: dn.to_owned(),
        scope: Scope::Base,
        filter: filter.to_owned(),
        attributes: attributes.to_vec(),
        cursor: None,
        limit: 1,
    };
    match ldap::search(TARGET, &request) {
        Ok(found) => Ok(found.entries.into_iter().next()),
        Err(error) if error.code == Some(NO_SUCH_OBJECT) => Ok(None),
        Err(error) => Err(from_ldap(error)),
    }
}

/// Adds an entry.
pub fn add(entry: &LdapEntry, parent: &str) -> Result<()> {
    ldap::add(TARGET, entry).map_err(|error| match error.code {
        Some(NO_SUCH_OBJECT) => missing_base(parent).code(NO_SUCH_OBJECT),
        _ => from_ldap(error),
    })
}

/// Changes an entry, unless there is nothing to change.
pub fn modify(dn: &str, changes: &[Change]) -> Result<()> {
    match try_modify(dn, changes)? {
        Outcome::Done => Ok(()),
        Outcome::Refused(_, failure) => Err(failure),
    }
}

/// Changes an entry; a refusal is an outcome that the caller looks at.
pub fn try_modify(dn: &str, changes: &[Change]) -> Result<Outcome> {
    if changes.is_empty() {
        return Ok(Outcome::Done);
    }
    match ldap::modify(TARGET, dn, changes) {
        Ok(()) => Ok(Outcome::Done),
        Err(error) => match error.code {
            Some(code) => Ok(Outcome::Refused(code, from_ldap(error))),
            None => Err(from_ldap(error)),
        },
    }
}

/// Renames an entry, and moves it below another name if one is given; the answer is what it is called now.
pub fn rename(dn: &str, rdn: &str, parent: Option<&str>) -> Result<String> {
    ldap::rename(TARGET, dn, rdn, parent).map_err(from_ldap)
}

/// Deletes an entry.
pub fn delete(dn: &str) -> Result<()> {
    ldap::delete(TARGET, dn).map_err(from_ldap)
}

/// `(name=value)`, with the value escaped.
pub fn equals(name: &str, value: &str) -> String {
    format!("({name}={})", ldap::escape(value))
}

/// Sets the password of an entry, by the directory's own operation.
pub fn set_password(dn: &str, value: &Secret) -> Result<()> {
    ldap_password::modify(TARGET, dn, value, None).map_err(|error| match error.code {
        // RFC 4511, section 4.12: an extended operation that the server does not know.
        Some(PROTOCOL_ERROR) => Failure::unsupported(format!(
            "the directory has no operation for passwords (RFC 3062): {}",
            error.message
        ))
        .code(PROTOCOL_ERROR),
        _ => from_ldap(error),
    })
}

/// What has changed.
pub fn changes(content: &Content, start: &Start, limit: u32) -> Result<Answer> {
    ldap_sync::poll(TARGET, content.request(), start, limit).map_err(|error| match error.code {
        Some(REFRESH_REQUIRED) => Failure::invalid(format!(
            "the token is too old for the directory: start over with a full reading; it said: {}",
            error.message
        ))
        .code(REFRESH_REQUIRED),
        Some(UNAVAILABLE_EXTENSION) => Failure::unsupported(format!(
            "the directory does not tell what has changed (overlay syncprov): {}",
            error.message
        ))
        .code(UNAVAILABLE_EXTENSION),
        None if error.message.starts_with("that is no cookie") => {
            Failure::invalid("that is no token of this directory: start over with a full reading")
        }
        _ => from_ldap(error),
    })
}
