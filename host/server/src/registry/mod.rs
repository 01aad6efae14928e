//! The apps that are served, and how they change under way.
//!
//! Each app is a [`Generation`]: engine, tokens, connector revision, made from one state of its files. A request takes
//! its generation once and keeps it to its end; a change of files makes a new generation beside the old one and swaps
//! them. So the next request sees the change, and a running one is not disturbed.
//!
//! | what happened to the files | what becomes of the app |
//! |---|---|
//! | new, correct | served |
//! | changed, correct | the new generation is served, the old one drains |
//! | changed, wrong | the old generation is served; the trouble is reported |
//! | new, wrong | not served: 503; the trouble is reported |
//! | the app's file removed | gone: 404 |
//! | the connector's file removed | not served: 503, because its operator took the code away |
//!
//! | module | idea |
//! |---|---|
//! | `build` | from files to a generation |
//! | `ecma` | which app stands in for which ECMA connector |
//! | `stamp` | has a file changed? |
//! | `watch` | when to look |
//! | [`status`] | what is told of it: `/readyz`, the status file, `tombolo app list` |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::Mutex;
use tombolo_engine::App;
use tombolo_scim::discovery::AuthenticationScheme;
use tracing::{error, info, warn};

use crate::config::auth::Auth;
use crate::config::material::Ending;
use crate::config::{Layout, Report};
use crate::telemetry::metrics;

mod build;
mod ecma;
mod stamp;
pub mod status;
pub mod watch;

pub use build::{Builder, Trial, grants, try_app};
use ecma::Claim;
use stamp::Stamps;

/// One app as made from one state of its files.
pub struct Generation {
    /// What does the work.
    pub app: Arc<App>,
    /// Who may call.
    pub auth: Auth,
    /// The same as ServiceProviderConfig says it.
    pub authentication: Vec<AuthenticationScheme>,
    /// The name of the ECMA connector that it stands in for.
    pub ecma: Option<String>,
    /// The connector's name in the app's file.
    pub connector: String,
    /// SHA-256 of the connector's file.
    pub digest: String,
    /// Since when it is served.
    pub since: Timestamp,
    /// A digest over everything it was made from.
    fingerprint: [u8; 32],
}

/// An app as the registry knows it.
#[derive(Clone)]
pub struct Entry {
    /// What is served; none when the app cannot be.
    pub generation: Option<Arc<Generation>>,
    /// What is wrong with the files as they are now.
    pub trouble: Option<Trouble>,
    stamps: Stamps,
    /// The ECMA connector's name that the file asks for.
    claim: Claim,
}

/// Why the files as they are now are not what is served.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// Since when.
    pub since: Timestamp,
    /// What is wrong.
    pub report: Report,
}

/// What a request finds under an app's name.
pub enum Found {
    /// The app.
    Serving(Arc<Generation>),
    /// It is configured and cannot be served.
    Down,
    /// There is no such app.
    Absent,
}

type Apps = BTreeMap<String, Entry>;

/// All apps of a host.
pub struct Registry {
    layout: Layout,
    builder: Builder,
    apps: ArcSwap<Apps>,
    /// One look at a time.
    looking: Mutex<()>,
}

/// How long a file must keep still before it is believed to be whole.
const SETTLE: Duration = Duration::from_millis(150);

impl Registry {
    /// Empty until the first [`look`](Self::look).
    pub fn new(layout: Layout, builder: Builder) -> Arc<Self> {
        Arc::new(Self {
            layout,
            builder,
            apps: ArcSwap::default(),
            looking: Mutex::default(),
        })
    }

    /// The app of this name.
    pub fn find(&self, name: &str) -> Found {
        match self.apps.load().get(name) {
            Some(Entry {
                generation: Some(generation),
                ..
            }) => Found::Serving(Arc::clone(generation)),
            Some(_) => Found::Down,
            None => Found::Absent,
        }
    }

    /// The app that stands in for the ECMA connector of this name.
    pub fn find_ecma(&self, name: &str) -> Found {
        ecma::find(&self.apps.load(), name)
    }

    /// All of them, as they are now.
    pub fn apps(&self) -> Arc<BTreeMap<String, Entry>> {
        self.apps.load_full()
    }

    /// The files.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether anything was changed by looking at the files now, without waiting for them to keep still.
    pub async fn look(&self) -> bool {
        self.look_after(Duration::ZERO).await
    }

    /// The same, acting only on files that two looks, a moment apart, find alike: a file that is being written is not
    /// read in the middle.
    pub async fn look_settled(&self) -> bool {
        self.look_after(SETTLE).await
    }

    async fn look_after(&self, settle: Duration) -> bool {
        let _one_at_a_time = self.looking.lock().await;
        let paths = match self.layout.app_paths() {
            Ok(paths) => paths,
            Err(why) => {
                error!(directory = %self.layout.apps().display(), %why, "cannot list the apps; keeping those that run");
                return false;
            }
        };
        let current = self.apps.load_full();
        let names: Vec<_> = paths
            .into_iter()
            .filter_map(|path| Some((path.file_stem()?.to_string_lossy().into_owned(), path)))
            .collect();
        let changed: Vec<_> = names
            .iter()
            .filter(|(name, path)| {
                current
                    .get(name)
                    .is_none_or(|entry| entry.stamps.have_changed(path))
                    || ecma::may_try_again(&current, name)
            })
            .collect();
        let removed: Vec<_> = current
            .keys()
            .filter(|name| !names.iter().any(|(there, _)| there == *name))
            .cloned()
            .collect();
        if changed.is_empty() && removed.is_empty() {
            return false;
        }
        let first: Vec<_> = changed
            .iter()
            .map(|(name, path)| stamps(&current, name, path))
            .collect();
        if !settle.is_zero() {
            tokio::time::sleep(settle).await;
        }
        let mut any = false;
        for ((name, path), first) in changed.into_iter().zip(first) {
            if !settle.is_zero() && stamps(&current, name, path) != first {
                continue; // Still being written: the next look finds it.
            }
            let attempt = self.builder.attempt(&self.layout, path).await;
            let attempt = ecma::settle_claim(&self.apps.load(), name, attempt);
            let entry = settle_entry(name, current.get(name), attempt);
            self.put(name, Some(&entry));
            any = true;
        }
        for name in removed {
            if !self.layout.app_file(&name).exists() {
                info!(app = name, "app removed");
                self.put(&name, None);
                any = true;
            }
        }
        any
    }

    /// Names the credentials that have ended or are about to: an expired one stops an identity provider's whole job.
    pub fn remind_of_expiry(&self, now: Timestamp) {
        for (app, entry) in self.apps.load().iter() {
            if let Some(generation) = &entry.generation {
                for ending in Ending::of(&generation.auth, now) {
                    warn!(app, "{ending}; {}", ending.remedy("DIR", app));
                }
            }
        }
    }

    fn put(&self, name: &str, entry: Option<&Entry>) {
        self.apps.rcu(|apps| {
            let mut apps = Apps::clone(apps);
            match entry {
                Some(entry) => apps.insert(name.to_owned(), entry.clone()),
                None => apps.remove(name),
            };
            apps
        });
    }
}

/// Decides between what runs and what was tried; see the table above.
fn settle_entry(name: &str, old: Option<&Entry>, attempt: build::Attempt) -> Entry {
    let running = old.and_then(|entry| entry.generation.clone());
    let build::Attempt {
        stamps,
        fingerprint,
        outcome,
        warnings,
        connector,
        claim,
    } = attempt;
    match outcome {
        Ok(_)
            if running
                .as_ref()
                .is_some_and(|running| Some(running.fingerprint) == fingerprint) =>
        {
            Entry {
                generation: running,
                trouble: None,
                stamps,
                claim,
            }
        }
        Ok(generation) => {
            for warning in &warnings.0 {
                warn!(app = name, "{}", warning.line());
            }
            let revision = &generation.digest[..12];
            if running.is_some() {
                info!(
                    app = name,
                    connector = generation.connector,
                    revision,
                    "app reloaded; requests under way finish on the old revision"
                );
            } else {
                info!(
                    app = name,
                    connector = generation.connector,
                    revision,
                    "app serving"
                );
            }
            metrics::reload(name, true);
            Entry {
                generation: Some(generation),
                trouble: None,
                stamps,
                claim,
            }
        }
        Err(report) => {
            metrics::reload(name, false);
            let taken_away = matches!(&connector, build::ConnectorFile::Missing(connector)
                if running.as_ref().is_some_and(|running| running.connector == *connector));
            let generation = running.filter(|_| !taken_away);
            let claim = match (claim, old) {
                (Claim::None, Some(old)) => old.claim.clone(),
                (claim, _) => claim,
            };
            for problem in &report.0 {
                if generation.is_some() {
                    error!(
                        app = name,
                        "not taken over, the app runs on as it was: {}",
                        problem.line()
                    );
                } else {
                    error!(app = name, "the app cannot be served: {}", problem.line());
                }
            }
            Entry {
                generation,
                trouble: Some(Trouble {
                    since: Timestamp::now(),
                    report,
                }),
                stamps,
                claim,
            }
        }
    }
}

/// The stamps of everything the app was made of last time, as they are now.
fn stamps(current: &Apps, name: &str, path: &std::path::Path) -> Stamps {
    current.get(name).map_or_else(
        || Stamps::take([path.to_owned()]),
        |entry| entry.stamps.again(path),
    )
}
