//! `tombolo.toml`: the host itself.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tombolo_engine::audit::Keep;
use tombolo_store::sled::Behind;

use super::diagnostic::{Diagnostic, Source};
use super::reader::{Section, Sink, read_document};
use super::secret::{self, ProviderFile};
use super::store::{self, Database};
use super::trust::{self, ConnectorRules};
use super::upgrade::{self, Upgrade};
use super::value;

/// The largest request body, unless the file says otherwise.
const BODY_LIMIT: usize = 4 << 20;

/// Who may read `/readyz` and `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Monitoring {
    /// Peers on the loopback interface.
    #[default]
    Loopback,
    /// Everybody who reaches the listener.
    Any,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Certificate and key, PEM, relative to the configuration directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The leaf's private key.
    pub key: PathBuf,
    /// The authorities that sign clients' certificates, if clients may show some.
    pub client_ca: Option<PathBuf>,
}

/// What `tombolo.toml` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFile {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whether plain HTTP may leave the machine.
    pub plain_http: bool,
    /// The URL under which clients know the host, without a path; else the request's `Host` decides.
    pub public_url: Option<String>,
    /// HTTPS, if configured.
    pub tls: Option<TlsFiles>,
    /// Who may say for whom they pass a request on: `X-Forwarded-For`.
    pub trusted_proxies: Vec<IpNet>,
    /// Who may read the monitoring pages.
    pub monitoring: Monitoring,
    /// The state directory, relative to the configuration directory.
    pub store: PathBuf,
    /// What the store in the state directory is made with.
    pub behind: Behind,
    /// The database that holds the store; none: it is in the state directory.
    pub database: Option<Database>,
    /// The largest request body.
    pub body_limit: usize,
    /// How much one SCIM request may ask for.
    pub protocol: tombolo_scim::Limits,
    /// How many requests are worked on at a time.
    pub requests: usize,
    /// How long one request may take.
    pub deadline: Duration,
    /// How long a stopping host waits for what it has begun.
    pub drain: Duration,
    /// `tracing` directives: `info`, `tombolo=debug,info`.
    pub log_level: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How much of the audit is kept.
    pub audit: Keep,
    /// Whose connectors are let in.
    pub connectors: ConnectorRules,
    /// How new revisions are taken over, where an app's file does not say it.
    pub upgrade: Upgrade,
    /// Who has secrets, besides the environment and files.
    pub secret_providers: BTreeMap<String, ProviderFile>,
}

impl Default for HostFile {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8880)),
            plain_http: false,
            public_url: None,
            tls: None,
            trusted_proxies: Vec::new(),
            monitoring: Monitoring::default(),
            store: PathBuf::from("state"),
            behind: Behind::default(),
            database: None,
            body_limit: BODY_LIMIT,
            protocol: tombolo_scim::Limits {
                body_bytes: BODY_LIMIT,
                ..tombolo_scim::Limits::DEFAULT
            },
            requests: 512,
            deadline: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            log_level: "info".to_owned(),
            log_format: LogFormat::default(),
            audit: Keep::default(),
            connectors: ConnectorRules::default(),
            upgrade: Upgrade::default(),
            secret_providers: BTreeMap::new(),
        }
    }
}

impl HostFile {
    /// Reads the file's text. Nothing comes back only when it is no TOML at all.
    pub fn read(source: &Arc<Source>) -> (Option<Self>, Vec<Diagnostic>) {
        read_document(source, |root, sink, _| Some(read(root, sink)))
    }
}

fn read(mut root: Section<'_>, sink: &Sink) -> HostFile {
    let mut host = HostFile::default();
    if let Some(mut server) = root.section("server") {
        let mut listen_span = server.span();
        if let Some(listen) = server.parsed("listen", |text| {
            text.parse::<SocketAddr>().map_err(|_| format!("must be an address and a port such as \"127.0.0.1:8880\" or \"[::]:443\", not `{text}`"))
        }) {
            host.listen = listen.value;
            listen_span = listen.span;
        }
        if let Some(plain) = server.flag("plain-http") {
            host.plain_http = plain;
        }
        host.public_url = server.parsed("public-url", public_url).map(|url| url.value);
        host.trusted_proxies = server
            .parsed_list("trusted-proxies", value::network)
            .unwrap_or_default();
        if let Some(monitoring) = server.choice(
            "monitoring",
            &[("loopback", Monitoring::Loopback), ("any", Monitoring::Any)],
        ) {
            host.monitoring = monitoring;
        }
        if let Some(mut tls) = server.section("tls") {
            let hint = "`[server.tls]` needs `certificate` and `key`, two PEM files";
            let certificate = tls.required_text("certificate", hint);
            let key = tls.required_text("key", hint);
            let client_ca = tls.text("client-ca");
            tls.finish();
            host.tls = certificate.zip(key).map(|(certificate, key)| TlsFiles {
                certificate: certificate.value.into(),
                key: key.value.into(),
                client_ca: client_ca.map(|file| file.value.into()),
            });
            if host.tls.is_none() {
                // It was meant to be encrypted: do not complain of plain HTTP besides.
                host.plain_http = true;
            }
        }
        if host.tls.is_none() && !host.plain_http && !host.listen.ip().is_loopback() {
            sink.error_hint(
                listen_span,
                format!("`{}` is not a loopback address and there is no `[server.tls]`", host.listen),
                "add `[server.tls]` with `certificate` and `key`, or set `plain-http = true` when a proxy on a trusted network ends TLS",
            );
        }
        server.finish();
    }
    if let Some(section) = root.section("store") {
        let store = store::read(section, sink);
        host.store = store.path.unwrap_or(host.store);
        host.behind = store.behind;
        host.database = store.database;
    }
    if let Some(mut limits) = root.section("limits") {
        if let Some(size) = limits.size("body") {
            host.body_limit = usize::try_from(size).unwrap_or(usize::MAX);
        }
        if let Some(requests) = limits.integer("requests", 1..=1_000_000) {
            host.requests = usize::try_from(requests).unwrap_or(usize::MAX);
        }
        if let Some(deadline) = limits.duration("deadline") {
            host.deadline = deadline;
        }
        if let Some(drain) = limits.duration("drain") {
            host.drain = drain;
        }
        protocol(&mut limits, &mut host, sink);
        limits.finish();
    }
    if let Some(mut log) = root.section("log") {
        if let Some(level) = log.parsed("level", |text| {
            text.parse::<tracing_subscriber::filter::Targets>()
                .map(|_| text.to_owned())
                .map_err(|_| format!("must be `error`, `warn`, `info`, `debug` or `trace`, or directives such as \"tombolo=debug,info\", not `{text}`"))
        }) {
            host.log_level = level.value;
        }
        if let Some(format) = log.choice(
            "format",
            &[("text", LogFormat::Text), ("json", LogFormat::Json)],
        ) {
            host.log_format = format;
        }
        log.finish();
    }
    if let Some(mut audit) = root.section("audit") {
        host.audit.age = audit.duration("keep");
        host.audit.accounts = audit.integer("most", 1_000..=1_000_000_000);
        audit.finish();
    }
    if let Some(connectors) = root.section("connectors") {
        host.connectors = trust::read(connectors, sink);
    }
    if let Some(section) = root.section("upgrade") {
        host.upgrade = upgrade::read(section).over(host.upgrade);
    }
    if let Some(section) = root.section("secret-providers") {
        host.secret_providers = secret::read(section, sink);
    }
    root.finish();
    host
}

/// The bounds of one SCIM request. What recurses has an upper bound of its own.
fn protocol(limits: &mut Section<'_>, host: &mut HostFile, sink: &Sink) {
    let protocol = &mut host.protocol;
    protocol.body_bytes = host.body_limit;
    let mut set = |key, range, place: &mut usize| {
        if let Some(number) = limits.integer(key, range) {
            *place = usize::try_from(number).unwrap_or(usize::MAX);
        }
    };
    set("json-depth", 8..=120, &mut protocol.json_depth);
    set(
        "patch-operations",
        1..=1_000_000,
        &mut protocol.patch_operations,
    );
    set("flattened-keys", 1..=100_000, &mut protocol.flattened_keys);
    set(
        "described-removals",
        1..=10_000,
        &mut protocol.described_removals,
    );
    set("filter-depth", 1..=256, &mut protocol.filter_depth);
    set("filter-terms", 1..=5_000, &mut protocol.filter_terms);
    set("attribute-names", 1..=10_000, &mut protocol.attribute_names);
    set(
        "bulk-operations",
        1..=1_000_000,
        &mut protocol.bulk_operations,
    );
    if let Some(most) = limits.integer("page-max", 1..=100_000) {
        protocol.max_page_size = most;
        protocol.page_size = protocol.page_size.min(most);
    }
    if let Some(size) = limits.integer("page", 1..=100_000) {
        if size > protocol.max_page_size {
            sink.error_hint(
                limits.span(),
                format!(
                    "`limits.page` is {size} and `limits.page-max` is {}",
                    protocol.max_page_size
                ),
                "make `page-max` at least as large as `page`",
            );
        }
        protocol.page_size = size;
    }
}

/// Scheme and authority, nothing behind: the paths are ours.
fn public_url(text: &str) -> Result<String, String> {
    let wrong = || {
        format!("must be a URL without a path such as \"https://scim.example.org\", not `{text}`")
    };
    let uri: http::Uri = text.trim_end_matches('/').parse().map_err(|_| wrong())?;
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme @ ("http" | "https")), Some(authority))
            if uri.path() == "/" && uri.query().is_none() =>
        {
            Ok(format!("{scheme}://{authority}"))
        }
        _ => Err(wrong()),
    }
}
