//! What the operator grants one app.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

mod http;
mod net;
mod sql;

use secrecy::SecretString;

pub use self::http::{ClientIdentity, HttpAuth, HttpTarget, OAuthClient, Rate, TokenRequest};
pub use self::net::{NetTarget, NetTls};
pub use self::sql::{OdbcSource, SqlDriver, SqlServer, SqlTarget, SqlTls, SqliteFile};
use crate::state::StateStore;

/// Everything [`bind`](crate::Runtime::bind) needs to turn a component into an app's connector.
#[derive(Clone)]
pub struct AppSpec {
    /// The app's name, for logs.
    pub app: String,
    /// The app's `[settings]`, checked against the manifest's JSON Schema.
    pub settings: serde_json::Value,
    /// Named endpoints with their credentials.
    pub targets: BTreeMap<String, Target>,
    /// Named secrets; the guest gets handles only.
    pub secrets: BTreeMap<String, GrantedSecret>,
    /// Directories, preopened for the guest as `/NAME`.
    pub directories: Vec<Directory>,
    /// Where the `state` capability keeps its items.
    pub state: Arc<dyn StateStore>,
    /// What one instance and one call may use.
    pub limits: Limits,
    /// Whether instances are kept between calls.
    pub reuse: Reuse,
}

/// A granted secret.
#[derive(Clone, Debug)]
pub struct GrantedSecret {
    /// What the host puts where the connector uses its handle.
    pub value: SecretString,
    /// May the connector itself see the bytes?
    pub reveal: bool,
}

impl From<SecretString> for GrantedSecret {
    /// Not to be revealed.
    fn from(value: SecretString) -> Self {
        Self {
            value,
            reveal: false,
        }
    }
}

impl From<&str> for GrantedSecret {
    fn from(value: &str) -> Self {
        SecretString::from(value).into()
    }
}

impl From<String> for GrantedSecret {
    fn from(value: String) -> Self {
        SecretString::from(value).into()
    }
}

/// A granted endpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Target {
    /// An LDAP directory.
    Ldap(LdapTarget),
    /// A database.
    Sql(SqlTarget),
    /// An HTTP service.
    Http(HttpTarget),
    /// A service that takes TCP connections.
    Net(NetTarget),
}

impl Target {
    /// The word for it in the operator's file: `kind = "ldap"`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ldap(_) => "ldap",
            Self::Sql(_) => "sql",
            Self::Http(_) => "http",
            Self::Net(_) => "net",
        }
    }

    /// Where it is. No kind of target lets credentials stand in there.
    pub fn address(&self) -> String {
        match self {
            Self::Ldap(target) => target.url.clone(),
            Self::Sql(target) => target.address(),
            Self::Http(target) => target.url.clone(),
            Self::Net(target) => target.place(),
        }
    }

    /// What must never leave in a message.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        match self {
            Self::Ldap(target) => Some(&target.password),
            Self::Sql(target) => target.secret(),
            Self::Http(target) => target.auth.secret(),
            Self::Net(_) => None,
        }
        .into_iter()
    }
}

/// An LDAP directory: where it is, whom to trust, as whom to bind.
#[derive(Clone, Debug)]
pub struct LdapTarget {
    /// `ldaps://host:port` or `ldap://host:port`.
    pub url: String,
    /// Upgrade an `ldap://` connection before binding.
    pub start_tls: bool,
    /// Own certificate authorities, PEM; none means the system's.
    pub ca: Option<Vec<u8>>,
    /// The DN to bind as; empty binds anonymously.
    pub bind_dn: String,
    /// The bind password.
    pub password: SecretString,
    /// How many connections an app may hold.
    pub pool_size: usize,
    /// Time for TCP, TLS and bind together.
    pub connect_timeout: Duration,
    /// Time for one operation, within the call's own deadline.
    pub operation_timeout: Duration,
}

/// A preopened directory: the guest sees `/NAME`.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The name that the manifest uses.
    pub name: String,
    /// The directory on this machine.
    pub host: PathBuf,
    /// May the guest change it?
    pub writable: bool,
}

/// What one instance and one call may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall clock of a call, waiting included; the caller's deadline may be earlier.
    pub wall: Duration,
    /// Processor time of a call.
    pub cpu: Duration,
    /// Bytes of linear memory, summed over all memories of an instance.
    pub memory: usize,
    /// Elements, summed over all tables of an instance.
    pub tables: usize,
    /// Core instances that one instance of a component may be made of.
    pub instances: usize,
    /// Handles an instance may hold.
    pub resources: usize,
    /// Bytes of one host call's arguments, and bytes of all items that host calls keep or give in one call.
    pub host_call_bytes: usize,
    /// Calls at once; the engine gives an app at most a quarter of its instances.
    pub concurrency: usize,
    /// Calls that may wait for a slot; the next one is refused at once.
    pub queue: usize,
    /// Log lines a call may write; the rest is counted.
    pub log_lines: u32,
    /// Bytes of log lines a call may write; the rest is counted.
    pub log_bytes: usize,
    /// Bytes the app's state may hold.
    pub state_bytes: u64,
    /// Bytes of one answer.
    pub response_bytes: usize,
    /// Requests to targets in one call.
    pub outbound_requests: u32,
    /// Bytes sent to targets in one call.
    pub outbound_bytes: usize,
    /// When calls stop being made.
    pub circuit: Circuit,
}

/// When calls to a connector that only fails stop being made, and when they are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// Failed calls in a row; 0 never stops.
    pub faults: u32,
    /// Time until the first try.
    pub pause: Duration,
    /// The pause doubles with each try that fails, up to this.
    pub max_pause: Duration,
}

impl Default for Circuit {
    fn default() -> Self {
        Self {
            // More than the slots of an app: what one moment's outage does to all calls under way opens nothing.
            faults: 10,
            pause: Duration::from_secs(1),
            max_pause: Duration::from_secs(30),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(30),
            cpu: Duration::from_secs(5),
            memory: 64 << 20,
            tables: 100_000,
            instances: 64,
            resources: 512,
            host_call_bytes: 8 << 20,
            concurrency: 8,
            queue: 256,
            log_lines: 200,
            log_bytes: 256 << 10,
            state_bytes: 16 << 20,
            response_bytes: 8 << 20,
            outbound_requests: 10_000,
            outbound_bytes: 64 << 20,
            circuit: Circuit::default(),
        }
    }
}

/// Whether instances are kept between calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reuse {
    /// Measured at bind: fresh where a fresh call is cheap, else warm.
    #[default]
    Auto,
    /// A new instance for every call.
    Fresh,
    /// Instances are pooled and recycled by calls, age and growth.
    Warm,
}
