//! What the operator grants one app.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

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
    pub secrets: BTreeMap<String, SecretString>,
    /// Directories, preopened for the guest as `/NAME`.
    pub directories: Vec<Directory>,
    /// Where the `state` capability keeps its items.
    pub state: Arc<dyn StateStore>,
    /// What one instance and one call may use.
    pub limits: Limits,
    /// Whether instances are kept between calls.
    pub reuse: Reuse,
}

/// A granted endpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Target {
    /// An LDAP directory.
    Ldap(LdapTarget),
}

impl Target {
    /// The word for it in the operator's file: `kind = "ldap"`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ldap(_) => "ldap",
        }
    }

    /// What must never leave in a message.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        match self {
            Self::Ldap(target) => std::iter::once(&target.password),
        }
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
    /// Handles an instance may hold.
    pub resources: usize,
    /// Bytes that may cross to the host in one call, and back from host calls.
    pub host_call_bytes: usize,
    /// Calls at once.
    pub concurrency: usize,
    /// Log lines a call may write; the rest is counted.
    pub log_lines: u32,
    /// Bytes the app's state may hold.
    pub state_bytes: u64,
    /// Bytes of one answer.
    pub response_bytes: usize,
    /// Requests to targets in one call.
    pub outbound_requests: u32,
    /// Bytes sent to targets in one call.
    pub outbound_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(30),
            cpu: Duration::from_secs(5),
            memory: 64 << 20,
            tables: 100_000,
            resources: 512,
            host_call_bytes: 8 << 20,
            concurrency: 8,
            log_lines: 200,
            state_bytes: 16 << 20,
            response_bytes: 8 << 20,
            outbound_requests: 10_000,
            outbound_bytes: 64 << 20,
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
