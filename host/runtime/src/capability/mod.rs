//! What a guest can import, one file each. Everything is linked for every guest, because an import is no
//! evidence of need (Python imports all of WASI); what is not granted is refused when it is called, and a
//! refusal is an ordinary error, never a trap, wherever the interface has one.
//!
//! A new capability is a file here with the `Host` implementation for [`Guest`], and, if it needs something that
//! outlives an instance (a pool, a client), a place in [`Targets`].

pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod files;
pub(crate) mod http;
pub(crate) mod ldap;
pub(crate) mod log;
pub(crate) mod net;
pub(crate) mod outbound;
pub(crate) mod reveal;
pub(crate) mod secrets;
pub(crate) mod sql;
pub(crate) mod state;
pub(crate) mod stdio;
pub(crate) mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};

use crate::app::{Directory, GrantedSecret, Limits, Target};
use crate::bindings::{Full, vocabulary::tombolo::connector::types};
use crate::egress::{self, Resolver};
use crate::granted::Granted;
use crate::guest::Guest;
use crate::interference::Interference;
use crate::redact::Redactor;
use crate::state::StateStore;

/// What one app was granted, in the form that its instances share.
pub(crate) struct Grants {
    pub(crate) app: String,
    pub(crate) connector: String,
    /// The beginning of the component's digest, for logs.
    pub(crate) revision: String,
    pub(crate) settings: String,
    pub(crate) secrets: BTreeMap<String, GrantedSecret>,
    pub(crate) targets: Targets,
    pub(crate) directories: Vec<Directory>,
    pub(crate) state: Arc<dyn StateStore>,
    pub(crate) limits: Limits,
    pub(crate) redactor: Redactor,
    /// All of it, for people.
    pub(crate) granted: Granted,
    /// Faults put into host calls on purpose; none for an app that serves.
    pub(crate) interference: Option<Arc<dyn Interference>>,
}

/// The host side of an app's named targets: pools and clients that outlive an instance, one set an app.
#[derive(Default)]
pub(crate) struct Targets {
    ldap: BTreeMap<String, Arc<ldap::Directory>>,
    sql: BTreeMap<String, Arc<sql::Database>>,
    http: BTreeMap<String, Arc<http::Site>>,
    net: BTreeMap<String, Arc<net::Endpoint>>,
}

impl Targets {
    /// Prepares every target; nothing is connected yet.
    pub(crate) fn prepare(targets: &BTreeMap<String, Target>) -> Result<Self, TargetError> {
        let mut prepared = Self::default();
        let resolver: Arc<dyn Resolver> = Arc::new(egress::System);
        for (name, target) in targets {
            let wrong = |reason| TargetError {
                name: name.clone(),
                reason,
            };
            match target {
                Target::Ldap(spec) => {
                    let directory = ldap::Directory::new(name, spec).map_err(wrong)?;
                    prepared.ldap.insert(name.clone(), Arc::new(directory));
                }
                Target::Sql(spec) => {
                    let database = sql::Database::new(name, spec).map_err(wrong)?;
                    prepared.sql.insert(name.clone(), Arc::new(database));
                }
                Target::Http(spec) => {
                    let site = http::Site::new(name, spec, &resolver).map_err(wrong)?;
                    prepared.http.insert(name.clone(), Arc::new(site));
                }
                Target::Net(spec) => {
                    let endpoint = net::Endpoint::new(name, spec, &resolver).map_err(wrong)?;
                    prepared.net.insert(name.clone(), Arc::new(endpoint));
                }
            }
        }
        Ok(prepared)
    }

    pub(crate) fn ldap(&self, name: &str) -> Option<Arc<ldap::Directory>> {
        self.ldap.get(name).cloned()
    }

    pub(crate) fn sql(&self, name: &str) -> Option<Arc<sql::Database>> {
        self.sql.get(name).cloned()
    }

    pub(crate) fn http(&self, name: &str) -> Option<Arc<http::Site>> {
        self.http.get(name).cloned()
    }

    pub(crate) fn net(&self, name: &str) -> Option<Arc<net::Endpoint>> {
        self.net.get(name).cloned()
    }
}

/// A target whose description in the operator's file cannot work.
#[derive(Debug, thiserror::Error)]
#[error("target `{name}`: {reason}")]
pub(crate) struct TargetError {
    pub(crate) name: String,
    pub(crate) reason: String,
}

impl types::Host for Guest {}

/// Links everything a guest can import: the contract's interfaces, WASI 0.2 and `wasi:http`.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    Full::add_to_linker::<_, HasSelf<Guest>>(linker, |guest| guest)?;
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    http::link(linker)
}
