//! What has changed since a token: the directory's own account of it (RFC 4533), where it keeps one.

use tombolo_sdk::ldap::LdapEntry;
use tombolo_sdk::ldap::changes::{Content, Deletions, Kind as What, Start};
use tombolo_sdk::{Change, Changes, Failure, Result};

use crate::kind::Kind;
use crate::settings::{AnchorFormat, Settings};
use crate::{anchor, directory, entry};

/// What RFC 4533 knows entries by.
const ID: &str = "entryUUID";

/// Changes of one kind, at most `limit`.
pub fn since(settings: &Settings, kind: &Kind, token: Option<&str>, limit: u32) -> Result<Changes> {
    if !kind.anchor.eq_ignore_ascii_case(ID) || kind.format != AnchorFormat::String {
        return Err(Failure::unsupported(format!(
            "the directory tells what is gone by its {ID}, and anchor-attribute is `{}`",
            kind.anchor
        )));
    }
    let no_token =
        || Failure::invalid("that is no token of this directory: start over with a full reading");
    let start = match token {
        None => Start::Now,
        Some(token) => Start::After(anchor::unhex(token).ok_or_else(no_token)?),
    };
    let content = Content::syncrepl(&kind.base, &kind.filter)
        .scope(kind.scope)
        .attributes(kind.to_read(&[]));
    let answer = directory::changes(&content, &start, limit)?;
    if answer.ends == Some(Deletions::Implied) {
        return Err(Failure::invalid(
            "the directory no longer knows what is gone since that token: start over with a full reading, and let it remember more (overlay syncprov: olcSpSessionlog)",
        ));
    }
    let mut found = Vec::new();
    let mut gone = Vec::new();
    for change in answer.changes {
        match (change.kind, change.dn) {
            (What::Deleted, _) => gone.push(Change::Gone(change.id)),
            (What::Added | What::Changed, Some(dn)) => found.push(LdapEntry {
                dn,
                attributes: change.attributes,
            }),
            (What::Added | What::Changed, None) | (What::Present, _) => {}
        }
    }
    let entries = entry::entries(settings, kind, &found, &[])?;
    let mut changes: Vec<Change> = entries.into_iter().map(Change::Changed).collect();
    changes.extend(gone);
    Ok(Changes {
        changes,
        token: anchor::cursor_text(&answer.cookie),
        more: answer.ends.is_none(),
    })
}
