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
//! | the connector's file is wrong, the app's file changed or the host restarted | the revision that has proved itself is served; the trouble is reported |
//! | a new revision crashes in its first calls | the revision before it is served again; the trouble is reported |
//! | new, wrong | not served: 503; the trouble is reported |
//! | the app's file removed | gone: 404 |
//! | the connector's file removed | not served: 503, because its operator took the code away |
//!
//! | module | idea |
//! |---|---|
//! | `build` | from files to a generation |
//! | `choose` | which revision of the connector an app gets |
//! | `probation` | the watch over a new revision |
//! | `policy` | what holds for the connectors of every app |
//! | `pull` | connectors out of registries |
//! | `kept` | revisions that outlive a restart |
//! | [`facts`] | what an app's connector is and may |
//! | `explain` | what went wrong, told where it can be changed |
//! | `ecma` | which app stands in for which ECMA connector |
//! | `stamp` | has a file changed? |
//! | `watch` | when to look |
//! | [`status`] | what is told of it: `/readyz`, the status file, `tombolo app list` |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;
use tombolo_engine::App;
use tombolo_scim::discovery::AuthenticationScheme;
use tracing::{error, info, warn};

use crate::budget::Budgets;
use crate::config::auth::Auth;
use crate::config::material::Ending;
use crate::config::origin::Origin;
use crate::config::trust::Signed;
use crate::config::{Diagnostic, Layout, Report};
use crate::telemetry::metrics;

mod build;
mod choose;
mod ecma;
mod explain;
pub mod facts;
mod kept;
mod policy;
mod probation;
mod pull;
mod stamp;
pub mod status;
pub mod watch;

pub use build::{Builder, Trial, grants, try_app};
use ecma::Claim;
use explain::short;
pub use kept::{Kept, Rejected};
pub use policy::Policy;
pub use probation::Probation;
use probation::{Reason, Verdict};
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
    /// Where it comes from.
    pub origin: Origin,
    /// SHA-256 of the connector's file.
    pub digest: String,
    /// Whose signature it has, when trusted keys are named.
    pub signed: Option<Signed>,
    /// Since when it is served.
    pub since: Timestamp,
    /// The watch over it, while another revision is the proved one.
    probation: Option<Probation>,
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
    /// When to look at the files again although they have not changed.
    again: Option<Instant>,
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
    /// A revision was taken back or has proved itself: there is something to tell.
    judged: Notify,
    /// What of it fails.
    pub(crate) budgets: Budgets,
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
            judged: Notify::new(),
            budgets: Budgets::default(),
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
                    .is_none_or(|entry| entry.is_due() || entry.stamps.have_changed(path))
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
            let old = self.apps.load().get(name).cloned();
            let running = old.as_ref().and_then(|old| old.generation.as_ref());
            let attempt = self.builder.attempt(&self.layout, path, running).await;
            let attempt = ecma::settle_claim(&self.apps.load(), name, attempt);
            let entry = settle_entry(name, old.as_ref(), attempt);
            if self.put(name, running, &entry) {
                if let Some(served) = &entry.generation
                    && served.probation.is_none()
                {
                    let kept = &self.builder.policy.kept;
                    kept.prove(name, &served.connector, &served.digest);
                }
                any = true;
            }
        }
        for name in removed {
            if !self.layout.app_file(&name).exists() {
                info!(app = name, "app removed");
                self.builder.policy.kept.forget(&name);
                self.apps.rcu(|apps| {
                    let mut apps = Apps::clone(apps);
                    apps.remove(&name);
                    apps
                });
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

    /// Makes the next look ask registries again what the apps' references stand for.
    fn ask_registries(&self) {
        self.apps.rcu(|apps| {
            let mut apps = Apps::clone(apps);
            for entry in apps.values_mut() {
                let served = entry.generation.as_ref();
                if served.is_none_or(|served| served.origin != Origin::File) {
                    entry.again = Some(Instant::now());
                }
            }
            apps
        });
    }

    /// Looks at how a generation on probation behaves; asked after each request, so it is cheap while all is well.
    pub fn judge(&self, generation: &Arc<Generation>) {
        let conduct = || generation.app.connector().stats().conduct();
        let verdict = generation
            .probation
            .as_ref()
            .and_then(|probation| probation.verdict(conduct()));
        let (app, connector) = (generation.app.name(), generation.connector.as_str());
        let revision = short(&generation.digest);
        match verdict {
            None => return,
            Some(Verdict::Proved(conduct)) => {
                let kept = &self.builder.policy.kept;
                kept.prove(app, connector, &generation.digest);
                info!(
                    app,
                    connector,
                    revision,
                    calls = conduct.calls,
                    faults = conduct.misdeeds,
                    "the new revision has proved itself"
                );
            }
            Some(Verdict::Failed(previous, reason)) => {
                self.take_back(generation, &previous, reason);
            }
        }
        self.judged.notify_one();
    }

    /// The same for all of them: time passes without requests too.
    fn judge_all(&self) {
        for entry in self.apps.load().values() {
            if let Some(generation) = &entry.generation {
                self.judge(generation);
            }
        }
    }

    /// Serves the revision before a bad one again. Requests under way end on the bad one; what it leaves unsettled in the
    /// journal is settled by whoever is served.
    fn take_back(&self, bad: &Generation, previous: &Arc<Generation>, reason: Reason) {
        let (app, connector) = (bad.app.name(), bad.connector.as_str());
        let rejected = Rejected {
            sha256: bad.digest.clone(),
            at: Timestamp::now(),
            why: reason.to_string(),
        };
        let message = format!(
            "revision {} was taken back: {reason}; revision {} serves again",
            short(&bad.digest),
            short(&previous.digest)
        );
        let found = Diagnostic::file(bad.origin.shown(connector), message)
            .hint("the log has the faults; put another build there");
        error!(app, connector, "{}", found.line());
        // Before the swap: a look that is under way must not take the bad one over again.
        self.builder.policy.kept.reject(app, rejected);
        self.apps.rcu(|apps| {
            let mut apps = Apps::clone(apps);
            if let Some(entry) = apps.get_mut(app)
                && let Some(serving) = &entry.generation
                && serving.digest == bad.digest
            {
                // The app's file may have changed in between: what is served is then another generation of the bad revision.
                let previous = serving
                    .probation
                    .as_ref()
                    .and_then(Probation::previous)
                    .unwrap_or_else(|| Arc::clone(previous));
                entry.generation = Some(previous);
                entry.trouble = Some(Trouble {
                    since: Timestamp::now(),
                    report: Report(vec![found.clone()]),
                });
                // The next look holds the files against what is served now.
                entry.stamps = Stamps::default();
            }
            apps
        });
        metrics::rollback(app);
        previous.app.settle_in_background();
    }

    /// Puts an entry in, unless what is served has become another than the one it was held against.
    fn put(&self, name: &str, running: Option<&Arc<Generation>>, entry: &Entry) -> bool {
        let mut done = false;
        self.apps.rcu(|apps| {
            let serving = apps.get(name).and_then(|entry| entry.generation.as_ref());
            done = match (serving, running) {
                (Some(serving), Some(running)) => Arc::ptr_eq(serving, running),
                (None, None) => true,
                _ => false,
            };
            let mut apps = Apps::clone(apps);
            if done {
                apps.insert(name.to_owned(), entry.clone());
            }
            apps
        });
        done
    }
}

impl Entry {
    /// The revision to return to, while what is served is on probation.
    pub fn previous(&self) -> Option<Arc<Generation>> {
        self.generation.as_ref()?.probation.as_ref()?.previous()
    }

    fn is_due(&self) -> bool {
        self.again.is_some_and(|again| Instant::now() >= again)
    }
}

/// Decides between what runs and what was tried; see the table above.
fn settle_entry(name: &str, old: Option<&Entry>, attempt: build::Attempt) -> Entry {
    let running = old.and_then(|entry| entry.generation.clone());
    let build::Attempt {
        stamps,
        outcome,
        refused,
        again,
        warnings,
        connector,
        claim,
    } = attempt;
    let (generation, trouble, claim) = match outcome {
        Ok(generation) => {
            let same = running
                .as_ref()
                .is_some_and(|running| Arc::ptr_eq(running, &generation));
            if !same {
                announce(name, &generation, running.is_some(), &warnings);
            }
            if !same || refused.is_some() {
                metrics::reload(name, refused.is_none());
            }
            (
                Some(generation),
                refused.map(|one| Report(vec![one])),
                claim,
            )
        }
        Err(report) => {
            metrics::reload(name, false);
            let taken_away = matches!(&connector, build::ConnectorFile::Missing(connector)
                if running.as_ref().is_some_and(|running| running.connector == *connector));
            let claim = match (claim, old) {
                (Claim::None, Some(old)) => old.claim.clone(),
                (claim, _) => claim,
            };
            (running.filter(|_| !taken_away), Some(report), claim)
        }
    };
    for problem in trouble.iter().flat_map(|report| &report.0) {
        if let Some(generation) = &generation {
            error!(
                app = name,
                revision = short(&generation.digest),
                "not taken over, the app runs on as it was: {}",
                problem.line()
            );
        } else {
            error!(app = name, "the app cannot be served: {}", problem.line());
        }
    }
    Entry {
        generation,
        trouble: trouble.map(|report| Trouble {
            since: Timestamp::now(),
            report,
        }),
        stamps,
        again,
        claim,
    }
}

/// A generation takes its place.
fn announce(name: &str, generation: &Generation, reloaded: bool, warnings: &Report) {
    for warning in &warnings.0 {
        warn!(app = name, "{}", warning.line());
    }
    let (connector, revision) = (generation.connector.as_str(), short(&generation.digest));
    let on_probation = generation.probation.is_some();
    if reloaded {
        info!(
            app = name,
            connector,
            revision,
            on_probation,
            "app reloaded; requests under way finish on the old revision"
        );
    } else {
        info!(app = name, connector, revision, on_probation, "app serving");
    }
}

/// The stamps of everything the app was made of last time, as they are now.
fn stamps(current: &Apps, name: &str, path: &std::path::Path) -> Stamps {
    current.get(name).map_or_else(
        || Stamps::take([path.to_owned()]),
        |entry| entry.stamps.again(path),
    )
}
