//! `[targets.NAME]` of an app's file: endpoints that its connector may speak to, by name.

mod http;
mod net;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use self::http::{Auth, HttpTarget, Identity, OAuth};
pub use self::net::NetTarget;
use super::reader::{Located, Section, Sink, suggestion};
use super::secret::SecretSource;

mod sql;

pub use sql::{SqlDriver, SqlServer, SqlTarget, SqlTls};

/// A directory server and how to reach it.
#[derive(Clone, Debug)]
pub struct LdapTarget {
    /// `ldaps://host[:port]` or `ldap://host[:port]`.
    pub url: String,
    /// Whether an `ldap://` connection is upgraded before anything is said.
    pub start_tls: bool,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca: Option<Located<PathBuf>>,
    /// Who binds.
    pub bind_dn: String,
    /// With which password.
    pub password: Option<Located<SecretSource>>,
    /// How many connections are kept.
    pub pool_size: usize,
    /// How long a connection may take to come up.
    pub connect_timeout: Duration,
    /// How long one operation may take.
    pub operation_timeout: Duration,
}

/// A named endpoint, granted to the connector.
#[derive(Clone, Debug)]
pub enum Target {
    /// A directory.
    Ldap(LdapTarget),
    /// A database.
    Sql(SqlTarget),
    /// An HTTP service.
    Http(Box<HttpTarget>),
    /// A service that takes TCP connections.
    Net(Box<NetTarget>),
}

impl Target {
    /// The file of the authorities that it trusts.
    pub fn ca(&self) -> Option<&Located<PathBuf>> {
        match self {
            Self::Ldap(target) => target.ca.as_ref(),
            Self::Sql(target) => target.ca.as_ref(),
            Self::Http(target) => target.ca.as_ref(),
            Self::Net(target) => target.ca.as_ref(),
        }
    }

    /// The password, token or key of its account.
    pub fn secret(&self) -> Option<&Located<SecretSource>> {
        match self {
            Self::Ldap(target) => target.password.as_ref(),
            Self::Sql(target) => target.password.as_ref(),
            Self::Http(target) => target.auth.secret(),
            Self::Net(_) => None,
        }
    }

    /// Our certificate for it.
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Http(target) => target.identity.as_ref(),
            Self::Net(target) => target.identity.as_ref(),
            Self::Ldap(_) | Self::Sql(_) => None,
        }
    }
}

/// The words of `kind`.
const KINDS: [&str; 4] = ["ldap", "sql", "http", "net"];

pub(super) fn read(section: Section<'_>, sink: &Sink) -> BTreeMap<String, Target> {
    let mut targets = BTreeMap::new();
    for (name, mut section) in section.named_sections() {
        let hint = "say what the target is, such as `kind = \"ldap\"`";
        let Some(kind) = section.required_text("kind", hint) else {
            continue;
        };
        let target = match kind.value.as_str() {
            "ldap" => ldap(&name, &mut section, sink).map(Target::Ldap),
            "sql" => sql::read(&name, &mut section, sink).map(Target::Sql),
            "http" => {
                http::read(&name, &mut section, sink).map(|http| Target::Http(Box::new(http)))
            }
            "net" => net::read(&name, &mut section, sink).map(|net| Target::Net(Box::new(net))),
            other => {
                sink.error_hint(
                    kind.span,
                    format!("`targets.{name}.kind` cannot be `{other}`"),
                    suggestion(other, &KINDS),
                );
                continue;
            }
        };
        if let Some(target) = target {
            targets.insert(name, target);
        }
        section.finish();
    }
    targets
}

fn ldap(name: &str, section: &mut Section<'_>, sink: &Sink) -> Option<LdapTarget> {
    let url = section.required_text("url", "such as `url = \"ldaps://ldap.example.org\"`");
    let start_tls = section.flag("start-tls").unwrap_or(false);
    if let Some(url) = &url {
        let (encrypted, known) = match url.value.split_once("://") {
            Some(("ldaps", host)) => (true, !host.is_empty()),
            Some(("ldap", host)) => (start_tls, !host.is_empty()),
            _ => (true, false),
        };
        if !known {
            sink.error_hint(
                url.span.clone(),
                format!("`targets.{name}.url` is not an LDAP URL: `{}`", url.value),
                "write \"ldaps://HOST\", or \"ldap://HOST\" with `start-tls = true`",
            );
        } else if !encrypted && section.has("password") && !is_loopback(&url.value) {
            sink.error_hint(
                url.span.clone(),
                format!("`targets.{name}` would send its password unencrypted"),
                "use \"ldaps://\", or set `start-tls = true`",
            );
        }
        if start_tls && url.value.starts_with("ldaps:") {
            sink.error_hint(
                url.span.clone(),
                format!("`targets.{name}` has both \"ldaps://\" and `start-tls`"),
                "remove `start-tls`: an \"ldaps://\" connection is encrypted from its first byte",
            );
        }
    }
    let ca = section.text("ca").map(|path| Located {
        value: PathBuf::from(path.value),
        span: path.span,
    });
    let bind_dn = section
        .text("bind-dn")
        .map(|dn| dn.value)
        .unwrap_or_default();
    let password = section.parsed("password", SecretSource::parse);
    if !bind_dn.is_empty() && password.is_none() && !section.has("password") {
        sink.error_hint(
            section.span(),
            format!("`targets.{name}` has a `bind-dn` and no `password`"),
            "add `password = \"env:NAME\"` or `password = \"file:PATH\"`",
        );
    }
    let pool_size = section
        .integer("pool-size", 1..=1024)
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(8);
    let connect_timeout = section
        .duration("connect-timeout")
        .unwrap_or(Duration::from_secs(5));
    let operation_timeout = section
        .duration("operation-timeout")
        .unwrap_or(Duration::from_secs(20));
    Some(LdapTarget {
        url: url?.value,
        start_tls,
        ca,
        bind_dn,
        password,
        pool_size,
        connect_timeout,
        operation_timeout,
    })
}

fn is_loopback(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = if let Some(v6) = authority.strip_prefix('[') {
        v6.split(']').next().unwrap_or_default()
    } else {
        authority.split(':').next().unwrap_or_default()
    };
    is_loopback_host(host)
}

fn is_loopback_host(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}
