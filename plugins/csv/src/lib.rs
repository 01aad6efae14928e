//! The csv connector: people, groups and memberships in files of one granted directory.
//!
//! It knows files and columns, nothing of SCIM beyond the paths it suggests. Each call reads the file it needs; each
//! write replaces one file atomically. The manifest asks the host to let one write run at a time, because files have
//! no changes of their own and WASI has no locks; what somebody else writes meanwhile is noticed and kept.
//!
//! | | |
//! |---|---|
//! | [`settings`](mod@settings) | the app's `[settings]` |
//! | `table` | a CSV file in memory, edited record by record |
//! | `file` | reading and atomically replacing it |
//! | `objects`, `cell` | rows as objects, cells as scalars |
//! | `people`, `groups` | the two kinds, and memberships |

mod cell;
mod file;
mod groups;
mod objects;
mod people;
mod settings;
mod table;

use file::TableFile;
use groups::Memberships;
use objects::{ID, Objects};
pub use settings::{Column, Columns, Settings};
use std::path::Path;
use tombolo_sdk::schema::{Description, Kind};
use tombolo_sdk::{
    Attribute, Connector, Edit, Entry, Failure, MemberPage, Members, Page, Query, Read, Result,
    Write,
};

/// Where the host shows the granted directory.
const DATA: &str = "/data";

/// The files of one app.
#[derive(Clone, Debug)]
pub struct Csv {
    people: Objects,
    groups: Objects,
    memberships: Memberships,
}

impl Csv {
    /// The files in a directory.
    pub fn at(directory: &Path, settings: &Settings) -> Result<Self> {
        let delimiter = settings.delimiter()?;
        let objects = |name: &str, kind: Kind| {
            let columns =
                std::iter::once(ID).chain(kind.attributes.iter().map(|f| f.name.as_str()));
            let columns = columns.map(str::to_owned).collect();
            Ok::<_, Failure>(Objects {
                file: TableFile::new(directory, name, delimiter, columns)?,
                kind,
            })
        };
        let columns = groups::COLUMNS.map(str::to_owned).to_vec();
        Ok(Self {
            people: objects(&settings.people, people::kind(settings))?,
            groups: objects(&settings.groups, groups::kind())?,
            memberships: Memberships {
                file: TableFile::new(directory, &settings.memberships, delimiter, columns)?,
            },
        })
    }

    fn objects(&self, kind: &str) -> Result<&Objects> {
        [&self.people, &self.groups]
            .into_iter()
            .find(|o| o.kind.kind == kind)
            .ok_or_else(|| Failure::no_such_kind(kind))
    }
}

impl Connector for Csv {
    fn open() -> Result<Self> {
        Self::at(Path::new(DATA), &tombolo_sdk::settings()?)
    }

    fn describe(&self) -> Result<Description> {
        let description = Description::new("csv", env!("CARGO_PKG_VERSION"));
        Ok(description
            .kind(self.people.kind.clone())
            .kind(self.groups.kind.clone()))
    }

    fn check(&self) -> Result<()> {
        self.people.check()?;
        self.groups.check()?;
        self.memberships.check()
    }
}

impl Read for Csv {
    fn get(&self, kind: &str, anchor: &str, wanted: &[String]) -> Result<Entry> {
        self.objects(kind)?.get(anchor, wanted)
    }

    fn search(&self, kind: &str, query: &Query) -> Result<Page> {
        self.objects(kind)?.search(query)
    }
}

impl Write for Csv {
    fn create(&self, kind: &str, attributes: &[Attribute], request: &str) -> Result<Entry> {
        self.objects(kind)?.create(attributes, request)
    }

    fn update(
        &self,
        kind: &str,
        anchor: &str,
        edits: &[Edit],
        if_version: Option<&str>,
        _request: &str,
    ) -> Result<Entry> {
        self.objects(kind)?.update(anchor, edits, if_version)
    }

    fn delete(&self, kind: &str, anchor: &str, _request: &str) -> Result<()> {
        let objects = self.objects(kind)?;
        objects.get(anchor, &[])?;
        // Memberships first: a host that is killed in between repeats the delete, and finds the object to delete.
        if objects.kind.kind == self.groups.kind.kind {
            self.memberships.forget_group(anchor)?;
        } else {
            self.memberships.forget_member(anchor)?;
        }
        objects.delete(anchor)
    }
}

impl Members for Csv {
    fn list_members(&self, group: &str, cursor: Option<&str>, limit: u32) -> Result<MemberPage> {
        self.groups.get(group, &[])?;
        self.memberships.list(group, cursor, limit)
    }

    fn change_members(
        &self,
        group: &str,
        add: &[String],
        remove: &[String],
        _request: &str,
    ) -> Result<()> {
        self.groups.get(group, &[])?;
        groups::known(&self.people, add)?;
        self.memberships.change(group, add, remove)
    }
}

tombolo_sdk::export!(Csv: read, write, members; manifest = "manifest.json");

#[cfg(test)]
mod tests;
