//! From files to a generation: configuration, material, component, connector, engine.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Weak};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::Instant;
use tombolo_engine::{AppConfig, AppError, Engine, fits};
use tombolo_mapping::Kind;
use tombolo_runtime::{
    AppSpec, Component, Connector, Directory, GrantedSecret, HttpAuth, LdapBind, Limits, LoadError,
    NetTarget, OAuthClient, Runtime, StateStore, Target,
};

use super::Generation;
use super::choose::Choice;
use super::ecma::Claim;
use super::explain::{app_error, load_error, mapping_error, rejection};
use super::policy::Policy;
use super::stamp::Stamps;
use crate::auth::schemes;
use crate::config::app::{AppFile, Freshness, Reuse};
use crate::config::material::{self, Material};
use crate::config::origin::Origin;
use crate::config::secret::Providers;
use crate::config::target;
use crate::config::trust::{Signed, Trust};
use crate::config::{Diagnostic, Layout, Report, Severity};

/// A component by its name and the digest of its bytes.
type Loaded = (String, [u8; 32]);

/// Makes generations; knows the components that are loaded already.
pub struct Builder {
    runtime: Runtime,
    pub(super) policy: Policy,
    engine: Arc<Engine>,
    /// How much one SCIM request may ask for.
    limits: tombolo_scim::Limits,
    /// By name and digest: apps on the same file share its code.
    loaded: Mutex<HashMap<Loaded, Weak<Component>>>,
}

/// What came of trying an app's files.
pub(super) struct Attempt {
    /// Of every file that was looked at, taken before it was read.
    pub(super) stamps: Stamps,
    /// The generation, or why there is none.
    pub(super) outcome: Result<Arc<Generation>, Report>,
    /// Why it is not of the connector's file as it is.
    pub(super) refused: Option<Diagnostic>,
    /// When to try again although no file has changed.
    pub(super) again: Option<Instant>,
    /// What is wrong and does not matter enough.
    pub(super) warnings: Report,
    /// What is known of the connector's file.
    pub(super) connector: ConnectorFile,
    /// The ECMA connector's name that the file asks for.
    pub(super) claim: Claim,
}

/// Whether the connector's file is there.
pub(super) enum ConnectorFile {
    /// It is, or nobody got so far as to look.
    Present,
    /// It is not.
    Missing(String),
}

impl Builder {
    /// On a runtime and an engine.
    pub fn new(
        runtime: Runtime,
        engine: Arc<Engine>,
        limits: tombolo_scim::Limits,
        policy: Policy,
    ) -> Self {
        Self {
            runtime,
            policy,
            engine,
            limits,
            loaded: Mutex::default(),
        }
    }

    /// Tries an app's files beside the generation that is served.
    pub(super) async fn attempt(
        &self,
        layout: &Layout,
        path: &Path,
        running: Option<&Arc<Generation>>,
    ) -> Attempt {
        // Before reading: a change while this runs must differ from what is remembered.
        let before = Stamps::take([path.to_owned()]);
        let found = layout.read_app(path);
        let claim = match found.file.as_ref().and_then(ecma_name) {
            Some(name) => Claim::Held(name),
            None => Claim::None,
        };
        let failed = |stamps, report, connector, again| Attempt {
            stamps,
            outcome: Err(report),
            refused: None,
            again,
            warnings: Report::default(),
            connector,
            claim: claim.clone(),
        };
        let Some(file) = found.file else {
            return failed(before, errors(found.report), ConnectorFile::Present, None);
        };
        let Policy { trust, secrets, .. } = &self.policy;
        let inputs = material::inputs(layout, secrets, &file);
        let stamps = Stamps::take(inputs.into_iter().chain([path.to_owned()]));
        let rotation = secrets.fetch(material::secrets(&file)).await;
        let gathered =
            aside(|| material::gather_apart(layout, trust, secrets, &file, Timestamp::now()));
        let missing =
            file.origin == Origin::File && !layout.connector_file(&file.connector.value).exists();
        let mut report = found.report;
        report.0.extend(gathered.report.0);
        if missing || report.has_errors() {
            report.0.extend(gathered.connector);
            let connector = if missing {
                ConnectorFile::Missing(file.connector.value.clone())
            } else {
                ConnectorFile::Present
            };
            return failed(stamps, errors(report), connector, rotation);
        }
        let mut material = gathered.material;
        let fetched = self.policy.fetch(&file, &mut material).await;
        let Choice {
            outcome,
            refused,
            again,
        } = self
            .choose(
                &file,
                material,
                gathered.connector.or(fetched.err()),
                running,
            )
            .await;
        Attempt {
            stamps,
            outcome: outcome.map_err(|found| Report(vec![found])),
            refused,
            again: again.into_iter().chain(rotation).min(),
            warnings: report,
            connector: ConnectorFile::Present,
            claim,
        }
    }

    /// A generation of exactly this material.
    pub(super) async fn build(
        &self,
        file: &AppFile,
        material: Material,
    ) -> Result<Generation, BuildError> {
        let (fingerprint, digest) = (material.fingerprint(), material.connector.hex());
        let signed = material.connector.signed.clone();
        let component = self.component(file, &material).await?;
        let spec = spec(file, material, self.engine.state_for(&file.name));
        let connector = self.runtime.bind(&component, spec).await?;
        let config = AppConfig {
            name: file.name.clone(),
            connector,
            overrides: file.mapping.clone(),
            freshness: freshness(file.freshness),
            shape: file.shape(),
            rules: tombolo_scim::Rules {
                dialect: file.dialect,
                limits: self.limits,
            },
            policy: file.policy.clone(),
            imports: file.imports.clone(),
        };
        let app = self.engine.app(config)?;
        Ok(Generation {
            app,
            ecma: ecma_name(file),
            authentication: schemes(&file.auth),
            auth: file.auth.clone(),
            connector: file.connector.value.clone(),
            origin: file.origin.clone(),
            digest,
            signed,
            since: Timestamp::now(),
            fingerprint,
            probation: None,
        })
    }

    async fn component(
        &self,
        file: &AppFile,
        material: &Material,
    ) -> Result<Arc<Component>, LoadError> {
        let code = &material.connector;
        let key = (file.connector.value.clone(), code.digest);
        if let Some(component) = self.loaded.lock().get(&key).and_then(Weak::upgrade) {
            return Ok(component);
        }
        let load = self.runtime.load(&file.connector.value, code.bytes.clone());
        let component = load.await?;
        let mut loaded = self.loaded.lock();
        loaded.retain(|_, component| component.strong_count() > 0);
        loaded.insert(key, Arc::downgrade(&component));
        Ok(component)
    }
}

/// Why there is no generation of some material.
#[derive(Debug, thiserror::Error)]
pub(super) enum BuildError {
    /// The connector cannot be loaded or bound.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It cannot be mapped.
    #[error(transparent)]
    App(#[from] AppError),
}

/// By which name the app is called as an ECMA connector.
fn ecma_name(file: &AppFile) -> Option<String> {
    file.ecma.as_ref().map(|ecma| ecma.name.value.clone())
}

/// Reads and hashes files without keeping an executor's thread from the requests that wait for it.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|executor| executor.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// An app put together without an engine, to see whether it would work.
pub struct Trial {
    /// What its file says.
    pub file: AppFile,
    /// Its connector, bound.
    pub connector: Connector,
    /// Whose signature the connector has.
    pub signed: Option<Signed>,
}

/// Loads, binds and maps an app as the host would, beside a host that may be running: nothing is kept.
pub async fn try_app(
    runtime: &Runtime,
    layout: &Layout,
    policy: &Policy,
    file: AppFile,
    report: &mut Report,
) -> Option<Trial> {
    let Policy { trust, secrets, .. } = policy;
    secrets.fetch(material::secrets(&file)).await;
    let (mut material, mut found) =
        material::gather(layout, trust, secrets, &file, Timestamp::now());
    found
        .0
        .extend(policy.fetch(&file, &mut material).await.err());
    let complete = !found.has_errors();
    report.0.extend(found.0);
    if !complete {
        return None;
    }
    let upgrade = file.upgrade.over(policy.upgrade);
    report
        .0
        .extend(rejection(&file, &material, &policy.kept, upgrade));
    let signed = material.connector.signed.clone();
    let loaded = match runtime
        .load(&file.connector.value, material.connector.bytes.clone())
        .await
    {
        Ok(component) => {
            let state: Arc<dyn StateStore> = Arc::new(tombolo_runtime::state::Memory::default());
            runtime.bind(&component, spec(&file, material, state)).await
        }
        Err(why) => Err(why),
    };
    match loaded {
        Ok(connector) => {
            report.0.extend(mapping_errors(&file, &connector));
            Some(Trial {
                file,
                connector,
                signed,
            })
        }
        Err(why) => {
            report.0.push(load_error(&file, &why, None));
            None
        }
    }
}

/// What an app's files grant, with a state of its own: for trying another file than the app's connector with it.
pub async fn grants(layout: &Layout, file: &AppFile, report: &mut Report) -> Option<AppSpec> {
    let (host, _) = layout.read_host();
    let secrets = Providers::new(layout, &host.secret_providers);
    secrets.fetch(material::secrets(file)).await;
    let (trust, now) = (Trust::default(), Timestamp::now());
    let (material, found) = material::gather(layout, &trust, &secrets, file, now);
    let complete = !found.has_errors();
    report.0.extend(found.0);
    let state = Arc::new(tombolo_runtime::state::Memory::default());
    complete.then(|| spec(file, material, state))
}

/// What the engine would say of the app's mapping.
fn mapping_errors(file: &AppFile, connector: &Connector) -> Vec<Diagnostic> {
    let described = connector
        .description()
        .get("kinds")
        .and_then(|kinds| kinds.as_array());
    let kinds: Vec<Kind> = described
        .into_iter()
        .flatten()
        .filter_map(|kind| serde_json::from_value(kind.clone()).ok())
        .collect();
    let (mut found, mut shown, mut types) = (Vec::new(), 0, Vec::new());
    for kind in &kinds {
        let overrides = file.mapping.get(&kind.kind).cloned().unwrap_or_default();
        match file.shape().mapping(kind, &overrides) {
            Ok(None) => {}
            Ok(Some(mapping)) => {
                shown += 1;
                let known = mapping.resource_type().name.clone();
                types.push(known);
                let fits = fits(file.shape(), kind, connector, &file.policy, mapping);
                found.extend(fits.err().map(|why| app_error(file, &why)));
            }
            Err(why) => found.extend(
                why.problems
                    .iter()
                    .map(|problem| mapping_error(file, &kind.kind, problem)),
            ),
        }
    }
    if shown == 0 && found.is_empty() && !kinds.is_empty() {
        let why = AppError::NoUsers {
            connector: file.connector.value.clone(),
        };
        found.push(app_error(file, &why));
    }
    for ty in file.policy.scope.keys().filter(|ty| !types.contains(*ty)) {
        let message = format!("`[[scope]]`: the app has no resource type `{ty}`");
        let types: Vec<&str> = types.iter().map(String::as_str).collect();
        let at = file.outline.nearest(&["scope"]);
        found.push(
            Diagnostic::error(&file.source, at, message)
                .hint(crate::config::reader::suggestion(ty, &types)),
        );
    }
    let known: Vec<&str> = kinds.iter().map(|kind| kind.kind.as_str()).collect();
    for kind in file
        .mapping
        .keys()
        .filter(|kind| !known.contains(&kind.as_str()))
    {
        let span = file.outline.nearest(&["mapping", kind]);
        let message = format!("connector `{}` has no kind `{kind}`", file.connector.value);
        found.push(
            Diagnostic::error(&file.source, span, message)
                .hint(crate::config::reader::suggestion(kind, &known)),
        );
    }
    found
}

/// A report's errors alone.
fn errors(mut report: Report) -> Report {
    report.0.retain(|found| found.severity == Severity::Error);
    report
}

fn sql_target(
    file: &target::SqlTarget,
    ca: Option<Vec<u8>>,
    password: secrecy::SecretString,
    path: std::path::PathBuf,
) -> tombolo_runtime::SqlTarget {
    use target::SqlDriver as From;
    use tombolo_runtime::{OdbcSource, SqlDriver, SqlServer, SqlTls, SqliteFile};
    let server = |server: &target::SqlServer, password| SqlServer {
        host: server.host.clone(),
        port: server.port,
        database: server.database.clone(),
        user: server.user.clone(),
        password,
        tls: match server.tls {
            target::SqlTls::Require => SqlTls::Require,
            target::SqlTls::Prefer => SqlTls::Prefer,
            target::SqlTls::Off => SqlTls::Off,
        },
        ca,
    };
    tombolo_runtime::SqlTarget {
        driver: match &file.driver {
            From::Postgresql(at) => SqlDriver::Postgresql(server(at, password)),
            From::Mysql(at) => SqlDriver::Mysql(server(at, password)),
            From::Sqlite { create, .. } => SqlDriver::Sqlite(SqliteFile {
                path,
                create: *create,
            }),
            From::Odbc { connection, user } => SqlDriver::Odbc(OdbcSource {
                connection: connection.clone(),
                user: user.clone(),
                password,
            }),
        },
        pool_size: file.pool_size,
        connect_timeout: file.connect_timeout,
        statement_timeout: file.statement_timeout,
        max_rows: file.max_rows,
        read_only: file.read_only,
    }
}

fn http_target(
    name: &str,
    http: &target::HttpTarget,
    material: &mut Material,
) -> tombolo_runtime::HttpTarget {
    let secret = material.passwords.remove(name).unwrap_or_default();
    let auth = match &http.auth {
        target::Auth::None => HttpAuth::None,
        target::Auth::Basic(user, _) => HttpAuth::Basic {
            user: user.clone(),
            password: secret,
        },
        target::Auth::Bearer(_) => HttpAuth::Bearer { token: secret },
        target::Auth::ApiKey(header, _) => HttpAuth::ApiKey {
            header: header.clone(),
            value: secret,
        },
        target::Auth::OAuth(client) => HttpAuth::OAuth(OAuthClient {
            token_url: client.token_url.clone(),
            client_id: client.client_id.clone(),
            client_secret: secret,
            scope: client.scope.clone(),
            request: client.request,
            ca: material.token_authorities.remove(name),
        }),
    };
    tombolo_runtime::HttpTarget {
        url: http.url.clone(),
        ca: material.authorities.remove(name),
        pins: http.pins.clone(),
        identity: material.identities.remove(name),
        auth,
        methods: http.methods.clone(),
        reach: http.reach,
        connect_timeout: http.connect_timeout,
        timeout: http.timeout,
        concurrency: http.concurrency,
        rate: http.rate,
    }
}

fn spec(file: &AppFile, mut material: Material, state: Arc<dyn StateStore>) -> AppSpec {
    let mut targets = BTreeMap::new();
    for (name, target) in &file.targets {
        let target = match target {
            target::Target::Ldap(ldap) => Target::Ldap(tombolo_runtime::LdapTarget {
                url: ldap.url.clone(),
                start_tls: ldap.start_tls,
                ca: material.authorities.remove(name),
                identity: material.identities.remove(name),
                bind: match &ldap.bind {
                    target::LdapBind::Anonymous => LdapBind::Anonymous,
                    target::LdapBind::Simple(dn, _) => LdapBind::Simple {
                        dn: dn.clone(),
                        password: material.passwords.remove(name).unwrap_or_default(),
                    },
                    target::LdapBind::External => LdapBind::External,
                },
                referrals: ldap.referrals,
                pool_size: ldap.pool_size,
                connect_timeout: ldap.connect_timeout,
                operation_timeout: ldap.operation_timeout,
            }),
            target::Target::Sql(sql) => {
                let ca = material.authorities.remove(name);
                let password = material.passwords.remove(name).unwrap_or_default();
                let file = material.databases.remove(name).unwrap_or_default();
                Target::Sql(sql_target(sql, ca, password, file))
            }
            target::Target::Http(http) => Target::Http(http_target(name, http, &mut material)),
            target::Target::Net(net) => Target::Net(NetTarget {
                address: net.address.clone(),
                tls: net.tls,
                server_name: net.server_name.clone(),
                ca: material.authorities.remove(name),
                pins: net.pins.clone(),
                identity: material.identities.remove(name),
                reach: net.reach,
                connect_timeout: net.connect_timeout,
                idle_timeout: net.idle_timeout,
                connections: net.connections,
            }),
        };
        targets.insert(name.clone(), target);
    }
    let directories = file
        .directories
        .iter()
        .filter_map(|(name, granted)| {
            let host = material.directories.remove(name)?;
            Some(Directory {
                name: name.clone(),
                host,
                writable: granted.writable,
                room: granted.room,
            })
        })
        .collect();
    let limits = limits(&file.limits);
    AppSpec {
        app: file.name.clone(),
        settings: file.settings.clone(),
        targets,
        secrets: material
            .secrets
            .into_iter()
            .map(|(name, value)| {
                let reveal = file.secrets.get(&name).is_some_and(|secret| secret.reveal);
                (name, GrantedSecret { value, reveal })
            })
            .collect(),
        directories,
        state,
        limits,
        reuse: match file.reuse {
            Reuse::Auto => tombolo_runtime::Reuse::Auto,
            Reuse::Fresh => tombolo_runtime::Reuse::Fresh,
            Reuse::Warm => tombolo_runtime::Reuse::Warm,
        },
    }
}

/// What the file says, and where it says nothing the runtime's default.
fn limits(said: &crate::config::app::Limits) -> Limits {
    fn bytes(said: Option<u64>, default: usize) -> usize {
        said.map_or(default, |n| usize::try_from(n).unwrap_or(usize::MAX))
    }
    let defaults = Limits::default();
    Limits {
        wall: said.wall.unwrap_or(defaults.wall),
        cpu: said.cpu.unwrap_or(defaults.cpu),
        memory: bytes(said.memory, defaults.memory),
        tables: said.tables.unwrap_or(defaults.tables),
        instances: said.instances.unwrap_or(defaults.instances),
        resources: said.resources.unwrap_or(defaults.resources),
        host_call_bytes: bytes(said.host_call_bytes, defaults.host_call_bytes),
        concurrency: said.concurrency.unwrap_or(defaults.concurrency),
        queue: said.queue.unwrap_or(defaults.queue),
        log_lines: said.log_lines.unwrap_or(defaults.log_lines),
        audit_lines: said.audit_lines.unwrap_or(defaults.audit_lines),
        log_bytes: bytes(said.log_bytes, defaults.log_bytes),
        state_bytes: said.state.unwrap_or(defaults.state_bytes),
        response_bytes: bytes(said.response, defaults.response_bytes),
        outbound_requests: said.outbound_requests.unwrap_or(defaults.outbound_requests),
        outbound_bytes: bytes(said.outbound_bytes, defaults.outbound_bytes),
        circuit: tombolo_runtime::Circuit {
            faults: said.circuit.faults.unwrap_or(defaults.circuit.faults),
            pause: said.circuit.pause.unwrap_or(defaults.circuit.pause),
            max_pause: said.circuit.max_pause.unwrap_or(defaults.circuit.max_pause),
        },
    }
}

fn freshness(freshness: Freshness) -> tombolo_engine::Freshness {
    match freshness {
        Freshness::Live => tombolo_engine::Freshness::Live,
        Freshness::Bounded(age) => tombolo_engine::Freshness::Bounded(age),
        Freshness::Mirror => tombolo_engine::Freshness::Mirror,
    }
}
