//! What the author of a Tombolo connector uses: traits to implement, types to speak in, and one macro.
//!
//! A connector knows its target and nothing else. It never sees SCIM, HTTP, tokens, addresses or passwords; the host
//! normalises every request before it arrives here, and keeps every credential.
//!
//! ```no_run
//! use tombolo_sdk::schema::{Description, Kind};
//! use tombolo_sdk::{Attribute, Attributes, Connector, Edit, Entry, Failure, Filter, Page, Query, Read, Result, Write};
//!
//! /// One file a person: `/data/ID` holds the user name.
//! struct Files;
//!
//! impl Connector for Files {
//!     fn open() -> Result<Self> {
//!         Ok(Self)
//!     }
//!
//!     fn describe(&self) -> Result<Description> {
//!         Ok(Description::new("files", "0.1.0").kind(Kind::user().text("name").required().unique().scim("userName")))
//!     }
//!
//!     fn check(&self) -> Result<()> {
//!         std::fs::read_dir("/data").map(drop).map_err(Failure::from)
//!     }
//! }
//!
//! impl Read for Files {
//!     fn get(&self, _kind: &str, anchor: &str, wanted: &[String]) -> Result<Entry> {
//!         let name = std::fs::read_to_string(format!("/data/{anchor}")).map_err(|_| Failure::not_found(anchor))?;
//!         Ok(Entry::new(anchor).with("name", name).keep(wanted))
//!     }
//!
//!     fn search(&self, kind: &str, query: &Query) -> Result<Page> {
//!         let description = self.describe()?;
//!         let filter = query.filter.as_deref().map(Filter::read).transpose()?;
//!         let mut entries = Vec::new();
//!         for file in std::fs::read_dir("/data")? {
//!             let entry = self.get(kind, &file?.file_name().to_string_lossy(), &[])?;
//!             if filter.as_ref().is_none_or(|f| f.matches(&description.kinds[0], &entry)) {
//!                 entries.push(entry);
//!             }
//!         }
//!         entries.sort_by(|a, b| a.anchor.cmp(&b.anchor));
//!         let (page, cursor) = tombolo_sdk::paging::page(&entries, |e| &e.anchor, query.cursor.as_deref(), query.limit);
//!         Ok(Page { entries: page.into_iter().cloned().collect(), cursor, total: None })
//!     }
//! }
//!
//! impl Write for Files {
//!     fn create(&self, kind: &str, attributes: &[Attribute], request: &str) -> Result<Entry> {
//!         // The request is stable across retries: so is the anchor made of it.
//!         std::fs::write(format!("/data/{request}"), attributes.required("name")?)?;
//!         self.get(kind, request, &[])
//!     }
//!
//!     fn update(&self, kind: &str, anchor: &str, edits: &[Edit], _: Option<&str>, _: &str) -> Result<Entry> {
//!         let mut entry = self.get(kind, anchor, &[])?;
//!         entry.apply(edits);
//!         std::fs::write(format!("/data/{anchor}"), entry.required("name")?)?;
//!         Ok(entry)
//!     }
//!
//!     fn delete(&self, _kind: &str, anchor: &str, _: &str) -> Result<()> {
//!         std::fs::remove_file(format!("/data/{anchor}")).map_err(|_| Failure::not_found(anchor))
//!     }
//! }
//!
//! // In the crate's lib.rs (crate-type cdylib), with a manifest.json beside Cargo.toml:
//! // tombolo_sdk::export!(Files: read, write; manifest = "manifest.json");
//! ```
//!
//! Build it with `cargo build --target wasm32-wasip2 --release`; the `.wasm` file is the connector.
//!
//! # Map
//!
//! | | |
//! |---|---|
//! | [`Connector`], [`Read`], [`Write`], [`Members`], [`Password`], [`Delta`] | one trait an ability; [`export!`] chooses which the component has |
//! | [`Entry`], [`Attribute`], [`Value`], [`Scalar`], [`Edit`], [`Attributes`] | what passes the boundary |
//! | [`Failure`], [`Fault`], [`Result`] | what went wrong, and so what the host does |
//! | [`schema`] | the builder of the describe document |
//! | [`Filter`], [`paging`] | answering searches |
//! | [`settings`], [`context`], [`state`], [`log`], [`secret`] | what the host offers every connector |
//! | [`http`] | the host's HTTP client, behind a named target |
//! | [`ldap`] | the host's LDAP client, behind a named target |
//! | [`sql`] | the host's SQL client, behind a named target |
//! | [`net`] | a byte stream to a named target |
//! | [`host`] | the bare imports, for what has no wrapper |
//!
//! Instances may be fresh for every call: a `static` promises nothing. Natively (`cargo test`) the same crate builds,
//! with settings, log and state from [`testing`].

extern crate self as tombolo_sdk;

mod bindings;
mod connector;
mod entry;
mod environment;
mod export;
mod failure;
pub mod filter;
pub mod http;
pub mod ldap;
pub mod net;
pub mod paging;
pub mod schema;
pub mod sql;
mod typed;

pub use bindings::delta::{Change, Changes};
pub use bindings::host;
pub use bindings::host::secrets::Secret;
pub use bindings::host::types::{
    Attribute, Comparison, Edit, EditKind, Entry, Failure, Fault, Node, Page, Part, Query, Scalar,
    Value,
};
pub use bindings::members::MemberPage;
pub use connector::{Connector, Delta, Members, Password, Read, Write};
pub use entry::Attributes;
#[cfg(not(target_arch = "wasm32"))]
pub use environment::testing;
pub use environment::{context, log, secret, settings, state};
pub use failure::Result;
pub use filter::Filter;

/// What [`export!`] expands to: not for authors.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings::{connector, delta, members, password, read, write};
    pub use wit_bindgen;
}
