//! The flows of a host, and how they change under way.
//!
//! As with apps, a changed file makes a new flow beside the old one, which works on until the new one is there; a wrong file
//! takes nothing down. What a flow knows is in the store, so the new one goes on where the old one stopped.
//!
//! | module | idea |
//! |---|---|
//! | `sinks` | from `[sink]` to a sink |
//! | `entra` | Entra's inbound provisioning |
//! | `scim` | SCIM servers |
//! | `shared` | what hosts share of a sink |
//! | `checked` | what only the apps' connectors can tell to be wrong |

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tombolo_engine::flow::{Apps, Flow};
use tombolo_engine::{App, Engine};
use tombolo_store::Store;
use tracing::{error, info};

use crate::config::flow::FlowFile;
use crate::config::secret::Providers;
use crate::config::{Diagnostic, Layout, Report, Source};
use crate::registry::{Found, Registry};
use crate::telemetry::metrics;

mod checked;
mod entra;
mod scim;
mod shared;
mod sinks;

pub use checked::check;
use sinks::Workshop;

/// How often the files are looked at. They are few and small: reading them tells best whether they have changed.
const LOOK: Duration = Duration::from_secs(1);

/// All flows of a host.
pub struct Flows {
    layout: Layout,
    engine: Arc<Engine>,
    workshop: Workshop,
    all: Mutex<BTreeMap<String, Entry>>,
    /// One look at a time.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct Entry {
    /// What the files were when this was made of them.
    text: String,
    flow: Option<Arc<Flow>>,
    trouble: Report,
}

/// A flow as it is listed.
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The flow, if its file can be used.
    pub flow: Option<Arc<Flow>>,
    /// What is wrong with its file as it is now.
    pub trouble: Report,
}

/// The registry, as a flow asks it.
struct Serving(Arc<Registry>);

impl Apps for Serving {
    fn app(&self, name: &str) -> Result<Arc<App>, String> {
        match self.0.find(name) {
            Found::Serving(generation) => Ok(Arc::clone(&generation.app)),
            Found::Down => Err(format!(
                "app `{name}` is not served: `tombolo app list` says why"
            )),
            Found::Absent => Err(format!("there is no app `{name}`")),
        }
    }
}

impl Flows {
    /// None until the first [`look`](Self::look).
    pub fn new(
        layout: Layout,
        engine: Arc<Engine>,
        registry: Arc<Registry>,
        store: Arc<dyn Store>,
        secrets: Arc<Providers>,
    ) -> Arc<Self> {
        let workshop = Workshop {
            layout: layout.clone(),
            apps: Arc::new(Serving(registry)),
            store,
            secrets,
        };
        Arc::new(Self {
            layout,
            engine,
            workshop,
            all: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
        })
    }

    /// The flow of this name.
    ///
    /// # Errors
    /// There is none, or its file is wrong.
    pub fn find(&self, name: &str) -> Result<Arc<Flow>, String> {
        match self.all.lock().get(name) {
            Some(Entry {
                flow: Some(flow), ..
            }) => Ok(Arc::clone(flow)),
            Some(_) => Err(format!(
                "the file of flow `{name}` is wrong: `tombolo check` says how"
            )),
            None => Err(format!(
                "there is no flow `{name}`: its file would be `flows/{name}.toml`"
            )),
        }
    }

    /// All of them.
    pub fn list(&self) -> Vec<Listed> {
        let all = self.all.lock();
        let listed = all.iter().map(|(name, entry)| Listed {
            name: name.clone(),
            flow: entry.flow.clone(),
            trouble: entry.trouble.clone(),
        });
        listed.collect()
    }

    /// Looks at the files, once.
    pub async fn look(&self) {
        let _one = self.looking.lock().await;
        let texts = match self.layout.flow_texts() {
            Ok(texts) => texts,
            Err(why) => {
                error!(%why, "cannot list the flows; those that run go on");
                return;
            }
        };
        let gone: Vec<String> = {
            let all = self.all.lock();
            all.keys()
                .filter(|name| !texts.contains_key(*name))
                .cloned()
                .collect()
        };
        for name in gone {
            let entry = self.all.lock().remove(&name);
            info!(flow = name, "flow removed");
            if let Some(flow) = entry.and_then(|entry| entry.flow) {
                flow.stop().await;
            }
        }
        let files: BTreeMap<String, (Arc<Source>, Option<FlowFile>, Report)> = texts
            .iter()
            .map(|(name, text)| (name.clone(), self.layout.read_flow(name, text)))
            .map(|(name, found)| (name, (found.source, found.file, found.report)))
            .collect();
        for (name, text) in &texts {
            // What another flow's keys lead to is part of what this one is made of.
            let referred = files[name]
                .1
                .as_ref()
                .and_then(|file| file.definition.references.clone());
            let other = referred.as_ref().and_then(|name| texts.get(name));
            let made_of = format!("{text:?}\0{other:?}");
            let old = self.all.lock().get(name).cloned().unwrap_or_default();
            if old.text == made_of {
                continue;
            }
            let entry = self.renew(name, made_of, &files, old).await;
            self.all.lock().insert(name.clone(), entry);
        }
    }

    async fn renew(
        &self,
        name: &str,
        text: String,
        files: &BTreeMap<String, (Arc<Source>, Option<FlowFile>, Report)>,
        old: Entry,
    ) -> Entry {
        let (_, file, report) = &files[name];
        let made = match file {
            Some(file) if !report.has_errors() => self.make(file, files).await,
            _ => Err(report.clone()),
        };
        match made {
            Ok(flow) => {
                let reloaded = old.flow.is_some();
                if let Some(old) = old.flow {
                    old.stop().await;
                }
                flow.start();
                info!(flow = name, reloaded, "flow runs");
                Entry {
                    text,
                    flow: Some(flow),
                    trouble: Report::default(),
                }
            }
            Err(trouble) => {
                for problem in &trouble.0 {
                    error!(flow = name, "not taken over: {}", problem.line());
                }
                Entry {
                    text,
                    flow: old.flow,
                    trouble,
                }
            }
        }
    }

    async fn make(
        &self,
        file: &FlowFile,
        files: &BTreeMap<String, (Arc<Source>, Option<FlowFile>, Report)>,
    ) -> Result<Arc<Flow>, Report> {
        let wrong = |path: &[&str], message: String| {
            let span = file.outline.nearest(path);
            Report(vec![Diagnostic::error(&file.source, span, message)])
        };
        let referred = match &file.definition.references {
            None => None,
            Some(name) => {
                let other = files.get(name).and_then(|(_, other, _)| other.as_ref());
                let missing = || wrong(&["references"], format!("there is no flow `{name}`"));
                Some(sinks::identity(&other.ok_or_else(missing)?.sink))
            }
        };
        let sink = self.workshop.sink(file).await;
        let sink = sink.map_err(|why| wrong(&["sink"], why))?;
        Ok(Flow::new(
            &self.engine,
            file.definition.clone(),
            Arc::clone(&self.workshop.apps),
            sink,
            referred.as_deref(),
        ))
    }

    /// Looks until it is told to stop, and tells the metrics how the flows are.
    pub async fn keep_looking(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            self.look().await;
            for listed in self.list() {
                if let Some(flow) = &listed.flow {
                    metrics::flow(&listed.name, &flow.gauges());
                }
            }
        }
    }

    /// Ends them all, each at a point from which it goes on.
    pub async fn stop(&self) {
        let flows: Vec<_> = {
            let mut all = self.all.lock();
            std::mem::take(&mut *all)
                .into_values()
                .filter_map(|entry| entry.flow)
                .collect()
        };
        for flow in flows {
            flow.stop().await;
        }
    }
}
