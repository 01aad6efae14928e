//! `tombolo serve`: the host, from its files to its last answer.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tombolo_engine::Engine;
use tombolo_engine::hosts::Hosts;
use tombolo_runtime::{CompileWith, Options, Runtime};
use tombolo_store::archive;
use tracing::{error, info, warn};

use super::Outcome;
use super::output;
use crate::auth::{self, Guard};
use crate::config::{HostFile, Layout};
use crate::control::Listening;
use crate::flows::Flows;
use crate::http::route::Face;
use crate::http::tls::Certificate;
use crate::http::{Host, listener};
use crate::registry::status::{self, HostStatus};
use crate::registry::{Builder, Policy, Registry, watch};
use crate::store;
use crate::telemetry;

/// How old the status file may be as to what fails.
const BUDGETS: Duration = Duration::from_secs(5);
/// So long a starting host waits for its database.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) async fn run(dir: &Path, listen: Option<SocketAddr>) -> Outcome {
    let layout = Layout::new(std::path::absolute(dir)?);
    let Some(host) = configured(&layout, listen)? else {
        return Ok(ExitCode::FAILURE);
    };
    telemetry::log::start(&host.log_level, host.log_format);
    // Heard, so that a file that may not grow is an error of the write, as on a full disk, and not the end of the process.
    let _too_large = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
    let metrics = telemetry::metrics::start()
        .map_err(anyhow::Error::msg)
        .context("cannot record metrics")?;

    let state = layout.dir().join(&host.store);
    tell_of_another(&state);
    let opened = store::open(&layout, &host, PATIENCE).await?;
    if archive::is_unfinished(&*opened.store).await? {
        bail!("{}", super::store::UNFINISHED);
    }
    let store = Arc::clone(&opened.store);
    tombolo_engine::bring_forward(&*store).await?;
    let hosts = if opened.shared {
        auth::share_key(&*store, &state).await?;
        Hosts::join(Arc::clone(&store), store::place(&state)?).await?
    } else {
        Hosts::alone()
    };
    let engine = if opened.shared {
        Engine::among(Arc::clone(&store), Arc::clone(&hosts))
    } else {
        Engine::new(Arc::clone(&store))
    };
    let key = auth::key_of_passwords(&state)?;
    let engine = Arc::new(engine.sealing(&key));
    let guard = Guard::open(&state, host.trusted_proxies.clone())?;
    engine.keep_audit(host.audit.clone());
    let runtime = runtime(&layout, &host)?;
    let circuits = runtime.circuits();
    let policy = Policy::new(&layout, &host);
    let secrets = Arc::clone(&policy.secrets);
    let registry = Registry::new(
        layout.clone(),
        Builder::new(runtime, Arc::clone(&engine), host.protocol, policy),
    );
    let certificate = certificate(&layout, &host)?;
    let tls = certificate
        .as_ref()
        .map(Certificate::server_config)
        .transpose()?;
    let socket = TcpListener::bind(host.listen).await.with_context(|| {
        format!(
            "cannot listen on `{}`\n  hint: choose another address with `--listen`",
            host.listen
        )
    })?;
    registry.look().await;

    let scheme = if tls.is_some() { "https" } else { "http" };
    let here = format!("{scheme}://{}", socket.local_addr()?);
    announce(
        &registry,
        &here,
        host.public_url.as_deref().unwrap_or(&here),
    );
    let flows = Flows::new(
        layout.clone(),
        Arc::clone(&engine),
        Arc::clone(&registry),
        Arc::clone(&store),
        secrets,
    );
    flows.look().await;
    let listening = Listening::start(
        &state,
        Arc::clone(&engine),
        Arc::clone(&registry),
        Arc::clone(&flows),
    );
    if let Err(why) = &listening {
        warn!(%why, "orders such as `tombolo audit list` cannot be taken while the host runs");
    }
    let teller = Teller {
        state,
        url: here,
        started: Timestamp::now(),
    };
    teller.tell(&registry);

    let stop = CancellationToken::new();
    let (nudge, nudges) = mpsc::channel(1);
    on_signals(stop.clone(), nudge)?;
    let told = teller.clone();
    let watching = watch::watch(
        Arc::clone(&registry),
        certificate,
        nudges,
        stop.clone(),
        move |registry| told.tell(registry),
    );
    let watching = tokio::spawn(watching);

    let carrying = tokio::spawn(Arc::clone(&flows).keep_looking(stop.clone()));
    let circuits = tokio::spawn(tell_of_circuits(
        circuits,
        teller.clone(),
        Arc::clone(&registry),
    ));
    let budgets = tokio::spawn(tell_of_budgets(teller.clone(), Arc::clone(&registry)));

    let router = Host::new(registry, guard, store, metrics, &host).router();
    let drained = listener::serve(socket, tls, router, stop, host.drain).await;
    // What they write goes through the apps: first they stop, then the writes are waited for.
    if tokio::time::timeout(host.drain, flows.stop())
        .await
        .is_err()
    {
        warn!("a flow was not stopped in time; it goes on from there at the next start");
    }
    let written = engine.drain(host.drain).await;
    drop(listening);
    hosts.leave().await;
    teller.end();
    circuits.abort();
    budgets.abort();
    carrying.abort();
    watching.abort();
    if !drained || !written {
        warn!(
            seconds = host.drain.as_secs(),
            "some requests were not finished in time; what they began is settled at the next start"
        );
    }
    info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// `tombolo.toml` with the command line's word on it; none when it is wrong, which has been said by then.
fn configured(layout: &Layout, listen: Option<SocketAddr>) -> anyhow::Result<Option<HostFile>> {
    let (mut host, report) = layout.read_host();
    if !report.0.is_empty() {
        output::report(&report);
    }
    if report.has_errors() {
        return Ok(None);
    }
    if let Some(listen) = listen {
        if !listen.ip().is_loopback() && host.tls.is_none() && !host.plain_http {
            bail!(
                "`{listen}` is not a loopback address and there is no `[server.tls]`\n  hint: add `[server.tls]` to `tombolo.toml`, or set `plain-http = true` when a proxy on a trusted network ends TLS"
            );
        }
        host.listen = listen;
    }
    Ok(Some(host))
}

/// A runtime that compiles in a child process and remembers what it compiled.
pub(super) fn runtime(layout: &Layout, host: &HostFile) -> anyhow::Result<Runtime> {
    let executable = std::env::current_exe()
        .context("cannot find this executable, which compiles connectors")?;
    let cache = layout.dir().join(&host.store).join("compiled");
    let options = Options {
        cache: Some(cache),
        compile_with: CompileWith::Child(executable),
        ..Options::default()
    };
    Ok(Runtime::new(options)?)
}

fn tell_of_another(state: &Path) {
    if let Some(other) = HostStatus::read(state).filter(|other| other.pid != std::process::id()) {
        warn!(
            pid = other.pid,
            "another host may be running on this directory"
        );
    }
}

fn certificate(layout: &Layout, host: &HostFile) -> anyhow::Result<Option<Arc<Certificate>>> {
    let Some(tls) = &host.tls else {
        return Ok(None);
    };
    let (certificate, key) = (
        layout.dir().join(&tls.certificate),
        layout.dir().join(&tls.key),
    );
    let client_ca = tls.client_ca.as_ref().map(|file| layout.dir().join(file));
    Ok(Some(Certificate::load(
        &certificate,
        &key,
        client_ca.as_deref(),
    )?))
}

fn announce(registry: &Registry, here: &str, public: &str) {
    for (name, entry) in registry.apps().iter() {
        if let Some(generation) = &entry.generation {
            info!("app `{name}`: {public}{}", Face::Scim.base(name));
            if let Some(ecma) = &generation.ecma {
                info!("app `{name}`: {public}{}", Face::Ecma.base(ecma));
            }
        }
    }
    info!("listening on {here}");
    // On standard output, for whoever started the host with port 0.
    println!("listening on {here}");
}

/// Keeps the status file.
#[derive(Clone)]
struct Teller {
    state: std::path::PathBuf,
    url: String,
    started: Timestamp,
}

impl Teller {
    fn tell(&self, registry: &Registry) {
        let status = HostStatus {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            url: self.url.clone(),
            started: self.started,
            apps: status::apps(registry),
        };
        if let Err(why) = status.write(&self.state) {
            error!(%why, "cannot write the status file; `tombolo app list` will not know what runs");
        }
    }

    fn end(&self) {
        // A missing file says the same as a removed one.
        let _ = std::fs::remove_file(status::file(&self.state));
    }
}

/// Keeps the status file true of circuits, which open and close without a file's change.
async fn tell_of_circuits(
    mut changes: tokio::sync::watch::Receiver<u64>,
    teller: Teller,
    registry: Arc<Registry>,
) {
    while changes.changed().await.is_ok() {
        teller.tell(&registry);
    }
}

/// And of what fails, which changes with each request.
async fn tell_of_budgets(teller: Teller, registry: Arc<Registry>) {
    let mut ticks = tokio::time::interval(BUDGETS);
    let mut told = Vec::new();
    loop {
        ticks.tick().await;
        let spent: Vec<_> = registry
            .apps()
            .keys()
            .map(|app| registry.budgets.spent(app))
            .collect();
        if spent != told {
            teller.tell(&registry);
            told = spent;
        }
    }
}

/// SIGTERM and SIGINT stop, SIGHUP looks at the files.
fn on_signals(stop: CancellationToken, nudge: watch::Nudge) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => {
                    // A full channel has a nudge in it already.
                    let _ = nudge.try_send(());
                }
            }
        }
        info!("asked to stop");
        stop.cancel();
    });
    Ok(())
}
