//! What has changed since a token: DirSync (\[MS-ADTS\] 3.1.1.3.4.1.3), with tombstones for what is gone.
//!
//! The directory tells parts of what changed anywhere in the domain; what is of this app is read whole. A token says
//! of which domain it is, and when it was given, by the directory's own clock: tombstones are not kept for ever.

use jiff::civil::DateTime;
use tombolo_sdk::ldap::changes::{Content, DirsyncOptions, Kind as What, Start};
use tombolo_sdk::{Change, Changes, Failure, Result};

use crate::attribute::Offered;
use crate::directory;
use crate::entry;
use crate::kind::{Kind, Which};
use crate::references;

/// The shortest time for which a domain remembers what it deleted, unless somebody set a shorter one
/// (`tombstoneLifetime`, \[MS-ADTS\] 6.1.1.2.4.1.1).
const REMEMBERED: i64 = 60 * 24 * 3600;

/// Where an answer ended.
#[derive(Debug, PartialEq, Eq)]
struct Token {
    domain: String,
    /// Seconds since 1970.
    given: i64,
    cookie: Vec<u8>,
}

impl Token {
    fn text(&self) -> String {
        let cookie = hex::encode(&self.cookie);
        format!("{}.{}.{cookie}", self.domain, self.given)
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let token = Self {
            domain: parts.next()?.to_owned(),
            given: parts.next()?.parse().ok()?,
            cookie: hex::decode(parts.next()?).ok()?,
        };
        parts.next().is_none().then_some(token)
    }
}

fn over(why: &str) -> Failure {
    Failure::invalid(format!("{why}: start over with a full reading"))
}

/// Changes of one kind, about `limit`.
pub fn since(kind: &Kind<'_>, token: Option<&str>, limit: u32) -> Result<Changes> {
    let token = token
        .map(|text| Token::read(text).ok_or_else(|| over("that is no token of a domain")))
        .transpose()?;
    let domain = directory::read(&kind.settings.base, &[directory::ID.to_owned()])?;
    let domain = domain.as_ref().and_then(directory::anchor).ok_or_else(|| {
        Failure::other(format!(
            "the directory shows no domain at `{}`: set base in [settings]",
            kind.settings.base
        ))
    })?;
    let now = clock()?;
    if let Some(token) = &token {
        check(token, &domain, now)?;
    }
    let start = token.map_or(Start::Now, |token| Start::After(token.cookie));
    let content = Content::dirsync(
        &kind.settings.base,
        kind.class_filter(),
        DirsyncOptions::INCREMENTAL_VALUES,
    )
    .attributes(watched(kind));
    let answer = directory::target()
        .changes(&content, &start, limit)
        .map_err(explain)?;
    let (mut seen, mut gone) = (Vec::new(), Vec::new());
    for change in answer.changes {
        match change.kind {
            What::Deleted => gone.push(change.id),
            What::Added | What::Changed => seen.push(change.id),
            What::Present => {}
        }
    }
    let asked: Vec<&str> = seen.iter().map(String::as_str).collect();
    let found = references::entries(kind, &asked, &kind.to_read(&[]))?;
    // What was moved out of reach, or no longer fits, is gone for this app.
    gone.extend(seen.iter().filter(|id| !found.contains_key(*id)).cloned());
    let found: Vec<_> = found.into_values().collect();
    let entries = entry::entries(kind, &found, &[])?;
    let mut changes: Vec<Change> = entries.into_iter().map(Change::Changed).collect();
    changes.extend(gone.into_iter().map(Change::Gone));
    let token = Token {
        domain,
        given: now,
        cookie: answer.cookie,
    };
    Ok(Changes {
        changes,
        token: token.text(),
        more: answer.ends.is_none(),
    })
}

fn check(token: &Token, domain: &str, now: i64) -> Result<()> {
    if token.domain != domain {
        return Err(over(
            "the token is of another domain than the one at the target",
        ));
    }
    if now - token.given > REMEMBERED {
        return Err(over(
            "the token is so old that the domain may have forgotten what it deleted since",
        ));
    }
    Ok(())
}

/// The attributes whose changes count: what is shown, where the entry is, and who is in a group.
fn watched(kind: &Kind<'_>) -> Vec<String> {
    let offered = kind.offered.iter().filter_map(Offered::source);
    let mut names: Vec<String> = offered.map(str::to_owned).collect();
    names.push("name".to_owned());
    if kind.which == Which::Group {
        names.push("member".to_owned());
    }
    names
}

/// The directory's own time.
fn clock() -> Result<i64> {
    let root = directory::target().root_dse()?;
    let time = root.0.text("currentTime").and_then(seconds);
    time.ok_or_else(|| {
        Failure::other("the directory does not tell the time: it is no Active Directory")
    })
}

/// `20261124160740.0Z`
fn seconds(text: &str) -> Option<i64> {
    let time = DateTime::strptime("%Y%m%d%H%M%S", text.get(..14)?).ok()?;
    Some(
        time.to_zoned(jiff::tz::TimeZone::UTC)
            .ok()?
            .timestamp()
            .as_second(),
    )
}

fn explain(failure: Failure) -> Failure {
    match failure.target_code.as_deref() {
        // Windows and Samba each have a way to say that a cookie is none.
        Some("2" | "53" | "80") => over(&format!(
            "the directory does not take the token; it said: {}",
            failure.message
        )),
        Some("50") => Failure::forbidden(format!(
            "the account may not read what has changed: give it the right Replicating Directory Changes on `DC=…` of the domain; the directory said: {}",
            failure.message
        ))
        .code(50),
        None if failure.message.starts_with("that is no cookie") => {
            over("that is no token of this directory")
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_another_domain_or_time_starts_over() {
        let token = Token {
            domain: "f81d4fae-7dec-11d0-a765-00a0c91e6bf6".to_owned(),
            given: 1000,
            cookie: vec![1, 2],
        };
        let domain = token.domain.clone();
        assert_eq!(Token::read(&token.text()), Some(token));
        let token = |given| Token {
            domain: domain.clone(),
            given,
            cookie: Vec::new(),
        };
        assert!(check(&token(1000), &domain, 1000 + REMEMBERED).is_ok());
        assert!(check(&token(1000), &domain, 1001 + REMEMBERED).is_err());
        // A clock that was set back is no reason.
        assert!(check(&token(1000), &domain, 0).is_ok());
        assert!(check(&token(1000), "another", 1000).is_err());
        for text in ["", "a.b.c", "a.1", "a.1.00.x"] {
            assert_eq!(Token::read(text), None, "{text}");
        }
    }

    #[test]
    fn the_directorys_time_is_read() {
        assert_eq!(seconds("19700102000000.0Z"), Some(86_400));
        assert_eq!(seconds("now"), None);
    }
}
