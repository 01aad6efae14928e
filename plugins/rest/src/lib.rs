//! The connector for JSON and XML APIs: the operator's `[settings]` say what the API looks like, and no code is written.
//!
//! For: REST, SOAP, and whatever else answers HTTP requests with JSON or XML. See `docs/rest.md` and `examples/`.
//!
//! May not know: where the API is and as whom it is spoken to; that is the target `api` of the operator's file. Nor SCIM.
//!
//! | module | idea |
//! |---|---|
//! | [`settings`] | what the operator says |
//! | [`template`] | values put into requests, written as their place wants |
//! | [`path`], [`tree`] | finding things in answers |
//! | [`object`] | objects as entries, values as the API wants them |
//! | [`api`] | one request and what its answer means |
//! | [`list`], [`write`], [`members`] | the operations |

pub mod api;
pub mod list;
pub mod members;
pub mod object;
pub mod path;
pub mod settings;
pub mod template;
pub mod tree;
pub mod write;

use tombolo_sdk::http::Service;
use tombolo_sdk::schema::Description;
use tombolo_sdk::{
    Attribute, Connector, Edit, Entry, MemberPage, Members, Page, Query, Read, Result, Write, host,
};

use crate::api::Api;
use crate::settings::Settings;
use crate::template::Scope;

/// The connector of one app.
pub struct Rest {
    api: Api,
}

impl Rest {
    /// The API that the settings describe, over a service.
    pub fn new(settings: Settings, service: Service) -> Self {
        Self {
            api: Api::new(settings, service),
        }
    }
}

impl Connector for Rest {
    fn open() -> Result<Self> {
        let settings = Settings::parse(&host::config::settings())?;
        Ok(Self::new(settings, Service::new("api")))
    }

    fn describe(&self) -> Result<Description> {
        self.api.settings().describe()
    }

    fn check(&self) -> Result<()> {
        self.describe()?;
        let check = &self.api.settings().check;
        self.api.call("GET", check, &Scope::new()).map(drop)
    }
}

impl Read for Rest {
    fn get(&self, kind: &str, anchor: &str, wanted: &[String]) -> Result<Entry> {
        let kind = self.api.settings().kind(kind)?;
        let (entry, _) = list::get(&self.api, kind, anchor)?;
        Ok(entry.keep(wanted))
    }

    fn search(&self, kind: &str, query: &Query) -> Result<Page> {
        list::search(&self.api, self.api.settings().kind(kind)?, query)
    }
}

impl Write for Rest {
    fn create(&self, kind: &str, attributes: &[Attribute], request: &str) -> Result<Entry> {
        write::create(
            &self.api,
            self.api.settings().kind(kind)?,
            attributes,
            request,
        )
    }

    fn update(
        &self,
        kind: &str,
        anchor: &str,
        edits: &[Edit],
        if_version: Option<&str>,
        request: &str,
    ) -> Result<Entry> {
        let kind = self.api.settings().kind(kind)?;
        write::update(&self.api, kind, anchor, edits, if_version, request)
    }

    fn delete(&self, kind: &str, anchor: &str, request: &str) -> Result<()> {
        write::delete(&self.api, self.api.settings().kind(kind)?, anchor, request)
    }
}

impl Members for Rest {
    fn list_members(&self, group: &str, cursor: Option<&str>, limit: u32) -> Result<MemberPage> {
        members::list(&self.api, group, cursor, limit)
    }

    fn change_members(
        &self,
        group: &str,
        add: &[String],
        remove: &[String],
        request: &str,
    ) -> Result<()> {
        members::change(&self.api, group, add, remove, request)
    }
}

tombolo_sdk::export!(Rest: read, write, members; manifest = "manifest.json");

#[cfg(test)]
mod tests;
