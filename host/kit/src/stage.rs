//! What all checks of a run share: the connector, bound in several ways, and what the run has made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tombolo_runtime::contract::{Entry, Value};
use tombolo_runtime::{AppSpec, Call, CallError, Component, Connector, LoadError, Reuse, Runtime};

use crate::chaos::Plan;
use crate::describe::{Description, Kind};
use crate::sample::Sampler;
use crate::{Fixed, Settings, Subject};

/// What one call may take. The app's own `limits.wall` is usually shorter.
const PATIENCE: Duration = Duration::from_secs(60);

/// The connector, bound in three ways to the same targets and the same state.
pub(crate) struct Stage {
    pub(crate) runtime: Runtime,
    pub(crate) component: Arc<Component>,
    pub(crate) spec: AppSpec,
    pub(crate) settings: Settings,
    pub(crate) description: Description,
    /// A new instance for every call: what a check asks unless it says otherwise.
    pub(crate) fresh: Connector,
    /// Instances that are kept.
    pub(crate) warm: Connector,
    /// Fresh, with faults as the plan has them.
    pub(crate) struck: Connector,
    pub(crate) plan: Arc<Plan>,
    /// Host calls to targets that the trial made.
    pub(crate) trial_calls: usize,
    pub(crate) sampler: Sampler,
    /// Optional attributes whose sample values the target refused, and what it said.
    pub(crate) avoided: Mutex<BTreeMap<(String, String), String>>,
    /// Objects that several checks look at, and none changes.
    pub(crate) crowds: tokio::sync::Mutex<BTreeMap<String, Arc<Vec<Entry>>>>,
    pub(crate) made: Mutex<Made>,
    pub(crate) times: Mutex<BTreeMap<&'static str, Vec<Duration>>>,
}

/// What the run has made and has to take away again: kind and anchor.
#[derive(Default)]
pub(crate) struct Made {
    pub(crate) passing: BTreeSet<(String, String)>,
    /// What stays to the end of the run.
    pub(crate) kept: BTreeSet<(String, String)>,
}

impl Stage {
    pub(crate) async fn new(subject: Subject, settings: Settings) -> Result<Self, LoadError> {
        let Subject {
            runtime,
            component,
            mut spec,
        } = subject;
        // Faults are what is looked for: no number of them may keep the next call from being made.
        spec.limits.circuit.faults = 0;
        let bound = |reuse| AppSpec {
            reuse,
            ..spec.clone()
        };
        let fresh = runtime.bind(&component, bound(Reuse::Fresh)).await?;
        let warm = runtime.bind(&component, bound(Reuse::Warm)).await?;
        let plan = Arc::new(Plan::default());
        let struck = runtime
            .bind_with_interference(&component, bound(Reuse::Fresh), Arc::clone(&plan) as _)
            .await?;
        let trial_calls = plan.calls_to_targets();
        let description = serde_json::from_value(fresh.description().clone())
            .map_err(|why| LoadError::Describe(why.to_string()))?;
        Ok(Self {
            runtime,
            component,
            spec,
            settings,
            description,
            fresh,
            warm,
            struck,
            plan,
            trial_calls,
            sampler: Sampler::new(),
            avoided: Mutex::default(),
            crowds: tokio::sync::Mutex::default(),
            made: Mutex::default(),
            times: Mutex::default(),
        })
    }

    pub(crate) fn call(&self) -> Call {
        Call {
            request_id: format!("{}-c{}", self.sampler.prefix(), self.sampler.next()),
            deadline: Instant::now() + PATIENCE,
        }
    }

    /// What the operator wants an attribute of every object to be.
    pub(crate) fn fixed(&self, kind: &str, attribute: &str) -> Option<&Value> {
        let mut fixed = self.settings.fixed.iter();
        fixed
            .find(|Fixed { path, .. }| path.0 == kind && path.1 == attribute)
            .map(|fixed| &fixed.value)
    }

    /// Kinds in the order in which they can be made: what others refer to first.
    pub(crate) fn kinds(&self) -> Vec<&Kind> {
        let mut kinds: Vec<&Kind> = self.description.kinds.iter().collect();
        kinds.sort_by_key(|kind| kind.is_group());
        kinds
    }

    pub(crate) fn took(&self, what: &'static str, time: Duration) {
        self.times.lock().entry(what).or_default().push(time);
    }

    /// Takes away what a check has made; with `all`, everything. Says what is left, and why.
    pub(crate) async fn sweep(&self, all: bool) -> Vec<Leftover> {
        let mut todo: Vec<(String, String)> = {
            let mut made = self.made.lock();
            let mut todo: Vec<_> = std::mem::take(&mut made.passing).into_iter().collect();
            if all {
                todo.extend(std::mem::take(&mut made.kept));
            }
            todo
        };
        // Groups go before their members; what refers to others goes when it is tried again.
        todo.sort_by_key(|(kind, _)| !self.description.kind(kind).is_some_and(Kind::is_group));
        let mut left = Vec::new();
        for _ in 0..2 {
            left.clear();
            for (kind, anchor) in std::mem::take(&mut todo) {
                let request = self.sampler.request();
                let gone = self
                    .fresh
                    .delete(&self.call(), &kind, &anchor, &request)
                    .await;
                match gone {
                    Ok(()) => {}
                    Err(CallError::Failure(failure))
                        if failure.fault == tombolo_runtime::contract::Fault::NotFound => {}
                    Err(why) => {
                        left.push(Leftover {
                            kind: kind.clone(),
                            anchor: anchor.clone(),
                            why: crate::values::error(&why),
                        });
                        todo.push((kind, anchor));
                    }
                }
            }
        }
        left
    }
}

/// What could not be taken away.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Leftover {
    /// Its kind.
    pub kind: String,
    /// Its anchor.
    pub anchor: String,
    /// Why it is still there.
    pub why: String,
}
