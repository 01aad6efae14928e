//! When to look at the files: when the system says that something happened, and every two seconds besides, because
//! network file systems and container mounts say nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::Registry;
use super::stamp::Stamps;
use crate::http::tls::Certificate;

/// Without any notice, a change is seen after this long.
const RESCAN: Duration = Duration::from_secs(2);
/// A copy or a checkout touches files in bursts; one look at the end of the burst is enough.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// How often tokens that are about to end are named in the log.
const REMINDER: Duration = Duration::from_hours(24);

/// Asks for a look now (`SIGHUP`).
pub type Nudge = mpsc::Sender<()>;

/// Looks until it is told to stop. `changed` is called after each look that found something.
pub async fn watch(
    registry: Arc<Registry>,
    certificate: Option<Arc<Certificate>>,
    mut nudges: mpsc::Receiver<()>,
    stop: CancellationToken,
    changed: impl Fn(&Registry) + Send,
) {
    let (tell, mut noticed) = mpsc::channel(1);
    let _watcher = listen(&registry, certificate.as_deref(), tell);
    let mut pair = certificate.as_deref().map(stamps);
    let host_file = registry.layout().host_file();
    let mut reminded = tokio::time::Instant::now();
    let mut host_stamp = Stamps::take([host_file.clone()]);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(RESCAN) => {}
            Some(()) = noticed.recv() => {
                tokio::time::sleep(DEBOUNCE).await;
                // One look answers every notice so far.
                while noticed.try_recv().is_ok() {}
            }
            Some(()) = nudges.recv() => {
                info!("asked to look at the files");
                registry.ask_registries();
            }
            () = registry.judged.notified() => changed(&registry),
        }
        registry.judge_all();
        if registry.look_settled().await {
            changed(&registry);
        }
        if let (Some(certificate), Some(before)) = (&certificate, &mut pair) {
            reload(certificate, before);
        }
        if reminded.elapsed() >= REMINDER {
            reminded = tokio::time::Instant::now();
            registry.remind_of_expiry(jiff::Timestamp::now());
        }
        if host_stamp.have_changed(&host_file) {
            host_stamp = Stamps::take([host_file.clone()]);
            warn!("`tombolo.toml` has changed; its settings are taken over at the next start");
        }
    }
}

fn stamps(certificate: &Certificate) -> Stamps {
    Stamps::take(certificate.files().map(Path::to_owned))
}

fn reload(certificate: &Certificate, before: &mut Stamps) {
    let now = stamps(certificate);
    if now == *before {
        return;
    }
    // Certificate and key are two files: between the two changes they do not fit, and the next look tries again.
    match certificate.reload() {
        Ok(()) => {
            info!("certificate reloaded; new connections use it");
            *before = now;
        }
        Err(why) => error!(%why, "certificate not reloaded, the old one is still shown"),
    }
}

/// A watcher on the directories, as long as it is kept. Without one the rescan does.
fn listen(
    registry: &Registry,
    certificate: Option<&Certificate>,
    notices: mpsc::Sender<()>,
) -> Option<notify::RecommendedWatcher> {
    let handler = move |event: notify::Result<notify::Event>| {
        // Reading is no change, and our own looks read.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // A full channel has a notice in it already.
            let _ = notices.try_send(());
        }
    };
    let mut watcher = notify::recommended_watcher(handler)
        .inspect_err(
            |why| warn!(%why, "the system does not tell of changes; looking every two seconds"),
        )
        .ok()?;
    let layout = registry.layout();
    let mut directories = vec![layout.apps(), layout.connectors()];
    directories.extend(
        certificate
            .into_iter()
            .flat_map(Certificate::files)
            .filter_map(|file| Some(file.parent()?.to_owned())),
    );
    for directory in directories {
        if let Err(why) = watcher.watch(&directory, RecursiveMode::NonRecursive) {
            warn!(directory = %directory.display(), %why, "cannot be watched; looking every two seconds");
        }
    }
    Some(watcher)
}
