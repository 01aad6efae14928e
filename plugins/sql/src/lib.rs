//! The connector for SQL databases: people, groups and whatever else is in tables that somebody else designed.
//!
//! For: PostgreSQL, MySQL and MariaDB, SQLite, SQL Server, and what ODBC reaches. The settings say which tables, views or
//! statements hold which kind; `examples/` has three schemas with their settings.
//!
//! May not know: where the database is and as whom one signs in; that is the target `database` of the operator's file.
//! Nor SCIM. Values are parameters of statements, always; names come from the settings, checked and quoted.
//!
//! | module | idea |
//! |---|---|
//! | [`settings`] | what the operator says |
//! | [`model`], [`consistency`] | what it means together |
//! | [`statement`], [`template`] | SQL with parameters; the operator's own |
//! | [`column`], [`key`], [`links`] | cells as values, as anchors, as references |
//! | [`read`], [`search`], [`filter`] | rows as entries; pages; conditions |
//! | [`create`], [`update`], [`write`](mod@write), [`references`] | changes, each in one transaction |
//! | [`anew`](mod@anew) | a transaction that was rolled back for another's sake, again |
//! | [`members`] | a row a membership |
//! | [`delta`] | what has changed |
//! | [`check`], [`describe`] | what is there, what is offered |

pub mod anew;
pub mod check;
pub mod column;
pub mod consistency;
pub mod create;
pub mod delta;
pub mod describe;
pub mod filter;
pub mod key;
pub mod links;
pub mod members;
pub mod model;
pub mod read;
pub mod references;
pub mod search;
pub mod settings;
pub mod statement;
pub mod template;
pub mod update;
pub mod write;

use tombolo_sdk::schema::Description;
use tombolo_sdk::sql::{Database, Target};
use tombolo_sdk::{
    Attribute, Changes, Connector, Delta, Edit, Entry, MemberPage, Members, Page, Query, Read,
    Result, Write, host,
};

use crate::anew::anew;
use crate::model::Model;
use crate::settings::Settings;

/// What the manifest calls the database.
const TARGET: &str = "database";

/// The connector of one app.
pub struct Sql {
    model: Model,
    database: Box<dyn Database>,
}

impl Sql {
    /// The connector on any database.
    pub fn on(database: Box<dyn Database>, settings: &Settings) -> Result<Self> {
        Ok(Self {
            model: Model::new(settings)?,
            database,
        })
    }
}

impl Connector for Sql {
    fn open() -> Result<Self> {
        let settings = Settings::parse(&host::config::settings())?;
        Self::on(Box::new(Target::new(TARGET)), &settings)
    }

    fn describe(&self) -> Result<Description> {
        Ok(describe::description(&self.model))
    }

    fn check(&self) -> Result<()> {
        check::check(&self.model, &*self.database)
    }
}

impl Read for Sql {
    fn get(&self, kind: &str, anchor: &str, wanted: &[String]) -> Result<Entry> {
        let kind = self.model.kind(kind)?;
        search::get(&self.model, &*self.database, kind, anchor, wanted)
    }

    fn search(&self, kind: &str, query: &Query) -> Result<Page> {
        let kind = self.model.kind(kind)?;
        search::search(&self.model, &*self.database, kind, query)
    }
}

impl Write for Sql {
    fn create(&self, kind: &str, attributes: &[Attribute], request: &str) -> Result<Entry> {
        let kind = self.model.kind(kind)?;
        anew(|| create::create(&self.model, &*self.database, kind, attributes, request))
    }

    fn update(
        &self,
        kind: &str,
        anchor: &str,
        edits: &[Edit],
        if_version: Option<&str>,
        request: &str,
    ) -> Result<Entry> {
        let kind = self.model.kind(kind)?;
        let database = &*self.database;
        anew(|| {
            update::update(
                &self.model,
                database,
                kind,
                anchor,
                edits,
                if_version,
                request,
            )
        })
    }

    fn delete(&self, kind: &str, anchor: &str, request: &str) -> Result<()> {
        let kind = self.model.kind(kind)?;
        anew(|| update::delete(&self.model, &*self.database, kind, anchor, request))
    }
}

impl Members for Sql {
    fn list_members(&self, group: &str, cursor: Option<&str>, limit: u32) -> Result<MemberPage> {
        members::list(&self.model, &*self.database, group, cursor, limit)
    }

    fn change_members(
        &self,
        group: &str,
        add: &[String],
        remove: &[String],
        request: &str,
    ) -> Result<()> {
        anew(|| members::change(&self.model, &*self.database, group, add, remove, request))
    }
}

impl Delta for Sql {
    fn since(&self, kind: &str, token: Option<&str>, limit: u32) -> Result<Changes> {
        let kind = self.model.kind(kind)?;
        delta::since(&self.model, &*self.database, kind, token, limit)
    }
}

tombolo_sdk::export!(Sql: read, write, members, delta; manifest = "manifest.json");

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
