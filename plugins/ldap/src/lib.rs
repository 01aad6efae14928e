//! The connector for LDAP directories: people and groups of OpenLDAP and of what is like it.
//!
//! For: directories with `inetOrgPerson` people and `groupOfNames`, `groupOfUniqueNames` or `posixGroup` groups. An
//! entry's anchor is its `entryUUID`, so entries may be renamed and moved by anybody.
//!
//! May not know: where the directory is and as whom it is bound; that is the target `directory` of the operator's
//! file. Nor SCIM: attributes are called what the directory calls them.
//!
//! | module | idea |
//! |---|---|
//! | [`settings`] | what the operator says |
//! | [`kind`], [`attribute`] | what is offered, and how values are written |
//! | [`directory`], [`fault`] | the host's capability, and its errors as faults (the SDK's) |
//! | [`dn`] (the SDK's), [`anchor`] | names that change and keys that do not |
//! | [`entry`], [`create`], [`update`] | reading and writing entries |
//! | [`references`], [`members`] | DNs in values |
//! | [`filter`] | searching |
//! | [`password`], [`delta`] | passwords, and what has changed |

pub mod anchor;
pub mod attribute;
pub mod create;
pub mod delta;
pub mod directory;
pub mod entry;
pub mod filter;
pub mod kind;
pub mod members;
pub mod password;
pub mod references;
pub mod settings;
pub mod update;

pub use tombolo_sdk::ldap::{dn, fault};
use tombolo_sdk::schema::Description;
use tombolo_sdk::{
    Attribute, Changes, Connector, Delta, Edit, Entry, Failure, MemberPage, Members, Page,
    Password, Query, Read, Result, Secret, Write, host,
};

use crate::kind::Kind;
use crate::settings::Settings;

/// The connector of one app.
pub struct Directory {
    settings: Settings,
}

impl Connector for Directory {
    fn open() -> Result<Self> {
        Ok(Self {
            settings: Settings::parse(&host::config::settings())?,
        })
    }

    fn describe(&self) -> Result<Description> {
        Ok(kind::describe(&self.settings))
    }

    fn check(&self) -> Result<()> {
        for kind in [Kind::user(&self.settings), Kind::group(&self.settings)] {
            let found = directory::read(
                &kind.base,
                "(objectClass=*)",
                std::slice::from_ref(&kind.anchor),
            )?;
            let base = found.ok_or_else(|| {
                Failure::other(format!(
                    "the directory shows nothing at `{}`: create it, set {}s.base in [settings], or let the bind DN read it",
                    kind.base, kind.name
                ))
            })?;
            if directory::values(&base, &kind.anchor).is_empty() {
                return Err(Failure::other(format!(
                    "the directory shows no `{}`: set anchor-attribute in [settings], or let the bind DN read it",
                    kind.anchor
                )));
            }
        }
        Ok(())
    }
}

impl Read for Directory {
    fn get(&self, kind: &str, anchor: &str, wanted: &[String]) -> Result<Entry> {
        let kind = Kind::of(&self.settings, kind)?;
        let found = entry::find(&kind, anchor, &kind.to_read(wanted))?;
        let mut entries = entry::entries(&self.settings, &kind, &[found], wanted)?;
        entries.pop().ok_or_else(|| Failure::not_found(anchor))
    }

    fn search(&self, kind: &str, query: &Query) -> Result<Page> {
        let kind = Kind::of(&self.settings, kind)?;
        let filter = match &query.filter {
            Some(filter) => filter::text(&self.settings, &kind, filter)?,
            None => kind.filter.clone(),
        };
        let cursor = match &query.cursor {
            Some(cursor) => {
                Some(anchor::unhex(cursor).ok_or_else(|| Failure::invalid("that is no cursor"))?)
            }
            None => None,
        };
        let attributes = kind.to_read(&query.attributes);
        let found = directory::page(
            &kind.base,
            kind.scope,
            &filter,
            &attributes,
            cursor,
            query.limit,
        )?;
        Ok(Page {
            entries: entry::entries(&self.settings, &kind, &found.entries, &query.attributes)?,
            cursor: found.cursor.as_deref().map(anchor::cursor_text),
            total: None,
        })
    }
}

impl Write for Directory {
    fn create(&self, kind: &str, attributes: &[Attribute], _request: &str) -> Result<Entry> {
        create::create(&self.settings, &Kind::of(&self.settings, kind)?, attributes)
    }

    fn update(
        &self,
        kind: &str,
        anchor: &str,
        edits: &[Edit],
        if_version: Option<&str>,
        _request: &str,
    ) -> Result<Entry> {
        update::update(
            &self.settings,
            &Kind::of(&self.settings, kind)?,
            anchor,
            edits,
            if_version,
        )
    }

    fn delete(&self, kind: &str, anchor: &str, _request: &str) -> Result<()> {
        update::delete(&self.settings, &Kind::of(&self.settings, kind)?, anchor)
    }
}

impl Members for Directory {
    fn list_members(&self, group: &str, cursor: Option<&str>, limit: u32) -> Result<MemberPage> {
        members::list(&self.settings, group, cursor, limit)
    }

    fn change_members(
        &self,
        group: &str,
        add: &[String],
        remove: &[String],
        _request: &str,
    ) -> Result<()> {
        members::change(&self.settings, group, add, remove)
    }
}

impl Password for Directory {
    fn set_password(&self, anchor: &str, value: &Secret, must_change: bool) -> Result<()> {
        password::set(&self.settings, anchor, value, must_change)
    }
}

impl Delta for Directory {
    fn since(&self, kind: &str, token: Option<&str>, limit: u32) -> Result<Changes> {
        let kind = Kind::of(&self.settings, kind)?;
        delta::since(&self.settings, &kind, token, limit)
    }
}

tombolo_sdk::export!(Directory: read, write, members, password, delta; manifest = "manifest.json");
