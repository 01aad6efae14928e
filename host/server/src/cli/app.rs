//! `tombolo app`: what is configured, what runs, and whether it works.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tombolo_runtime::contract::Query;
use tombolo_runtime::{Call, CallError};

use super::Outcome;
use super::order::give;
use super::output::{self, Output};
use crate::budget::Spent;
use crate::config::value;
use crate::config::{Diagnostic, HostFile, Layout, Report};
use crate::control::Order;
use crate::registry::facts::Facts;
use crate::registry::status::{AppStatus, HostStatus, State};
use crate::registry::{self, Policy, Trial};

/// What a test waits for the target.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List every app with its connector, revision and state; of the running host, when one runs.
    List {
        /// The configuration directory.
        dir: PathBuf,
    },
    /// Show one app as it is in the end: connector, signature, grants, limits, the revision it would go back to.
    Show {
        /// The configuration directory.
        dir: PathBuf,
        /// The app.
        app: String,
        /// What the running host knows of one object, by SCIM id, anchor or user name, instead.
        #[arg(long)]
        object: Option<String>,
    },
    /// Reach the targets: the connector's own check, and one object of each kind, with timings. Changes nothing.
    Test {
        /// The configuration directory.
        dir: PathBuf,
        /// One app only.
        app: Option<String>,
    },
    /// Stop an app's writes: they are answered with 503 until they are resumed. Reads go on, from what the host knows.
    Pause {
        /// The configuration directory.
        dir: PathBuf,
        /// The app.
        app: String,
        /// When it ends by itself: a time with its offset, or so long from now ("2h").
        #[arg(long, value_parser = ahead)]
        until: Option<Timestamp>,
    },
    /// Let the writes of a paused app through again.
    Resume {
        /// The configuration directory.
        dir: PathBuf,
        /// The app.
        app: String,
    },
}

/// A time, or how long from now it is.
fn ahead(text: &str) -> Result<Timestamp, String> {
    let Ok(left) = value::duration(text) else {
        return value::instant(text);
    };
    SignedDuration::try_from(left)
        .ok()
        .and_then(|left| Timestamp::now().checked_add(left).ok())
        .ok_or_else(|| format!("`{text}` is too far ahead"))
}

async fn pause(
    layout: &Layout,
    app: String,
    pause: bool,
    until: Option<Timestamp>,
    output: Output,
) -> Outcome {
    let order = Order::Pause { app, pause, until };
    let end = give(layout, order, |_| Ok(())).await?;
    if output == Output::Json {
        output::json(&end)?;
        return Ok(ExitCode::SUCCESS);
    }
    match (end["closed"].as_bool(), end["opens"].as_str()) {
        (Some(true), Some(opens)) => println!("writes are refused until {opens}"),
        (Some(true), None) => println!("writes are refused until `tombolo app resume`"),
        _ => println!("writes go through"),
    }
    Ok(ExitCode::SUCCESS)
}

impl Command {
    pub(super) async fn run(self, output: Output) -> Outcome {
        match self {
            Self::List { dir } => list(&Layout::new(dir), output).await,
            Self::Pause { dir, app, until } => {
                pause(&Layout::new(dir), app, true, until, output).await
            }
            Self::Resume { dir, app } => pause(&Layout::new(dir), app, false, None, output).await,
            Self::Show {
                dir,
                app,
                object: Some(object),
            } => super::show::object(&Layout::new(dir), app, object, output).await,
            Self::Show { dir, app, .. } => super::show::run(&Layout::new(dir), &app, output).await,
            Self::Test { dir, app } => test(&Layout::new(dir), app.as_deref(), output).await,
        }
    }
}

async fn list(layout: &Layout, output: Output) -> Outcome {
    let (host, _) = layout.read_host();
    let running = HostStatus::read(&layout.dir().join(&host.store));
    let apps = match &running {
        Some(running) => running.apps.clone(),
        None => fresh(layout, &host, None).await?,
    };
    let failed = apps.iter().any(|app| app.state != State::Serving);
    match output {
        Output::Json => output::json(
            &json!({ "host": running.as_ref().map(|host| json!({ "pid": host.pid, "url": host.url, "version": host.version, "started": host.started })), "apps": apps }),
        )?,
        Output::Text => {
            let rows: Vec<_> = apps
                .iter()
                .map(|app| {
                    let serves = matches!(app.state, State::Serving | State::Stale);
                    let word = if serves && app.circuit.is_some() {
                        "circuit open"
                    } else if app.previous.is_some() {
                        "serving, on probation"
                    } else {
                        word(app.state, running.is_some())
                    };
                    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
                    vec![
                        app.name.clone(),
                        or_dash(app.connector.clone()),
                        or_dash(app.revision.as_deref().map(output::short)),
                        word.to_owned(),
                    ]
                })
                .collect();
            output::table(&["APP", "CONNECTOR", "REVISION", "STATE"], &rows);
            for app in &apps {
                for problem in app.problems.iter().chain(&app.warnings) {
                    println!("\n{}: {problem}", app.name);
                }
                if app.budget.failures + app.budget.references > 0 {
                    println!("\n{}: {}", app.name, app.budget);
                }
                if let Some(circuit) = &app.circuit {
                    println!(
                        "\n{}: since {:.0} its connector is called only to see whether it works again; the last call failed: {}",
                        app.name, circuit.since, circuit.cause
                    );
                }
            }
            match &running {
                Some(host) => println!("\nrunning at {} (process {})", host.url, host.pid),
                None => println!("\nno host runs on this directory"),
            }
        }
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// What becomes of requests, in a few words.
pub(super) fn word(state: State, running: bool) -> &'static str {
    match (state, running) {
        (State::Serving, true) => "serving",
        (State::Serving, false) => "ready",
        (State::Stale, _) => "serving the old revision",
        (State::Failed, _) => "failed",
    }
}

/// What a host would say that started now: of all apps, or of one.
pub(super) async fn fresh(
    layout: &Layout,
    host: &HostFile,
    only: Option<&str>,
) -> anyhow::Result<Vec<AppStatus>> {
    let runtime = super::serve::runtime(layout, host)?;
    let policy = Policy::new(layout, host);
    let mut apps = Vec::new();
    for path in layout.app_paths()? {
        if only.is_some_and(|only| path.file_stem().is_none_or(|stem| stem != only)) {
            continue;
        }
        let (name, report, trial) = attempt(&runtime, layout, &policy, &path).await;
        let failed = trial.is_none() || report.has_errors();
        apps.push(AppStatus {
            name: name.clone(),
            connector: trial
                .as_ref()
                .map(|trial| trial.file.connector.value.clone()),
            revision: trial
                .as_ref()
                .map(|trial| trial.connector.component().digest().to_string()),
            state: if failed {
                State::Failed
            } else {
                State::Serving
            },
            since: None,
            previous: None,
            rejected: policy.kept.rejected(&name),
            facts: trial.as_ref().map(|trial| {
                let name = &trial.file.connector.value;
                Facts::of(name, &trial.connector, trial.signed.clone())
            }),
            problems: report.0.iter().map(Diagnostic::line).collect(),
            tokens: Vec::new(),
            secrets: Vec::new(),
            circuit: None,
            budget: Spent::default(),
            // Among the problems already: nothing runs whose files were right once.
            warnings: Vec::new(),
        });
    }
    Ok(apps)
}

pub(super) async fn attempt(
    runtime: &tombolo_runtime::Runtime,
    layout: &Layout,
    policy: &Policy,
    path: &Path,
) -> (String, Report, Option<Trial>) {
    let found = layout.read_app(path);
    let mut report = found.report;
    let trial = match found.file {
        Some(file) if !report.has_errors() => {
            registry::try_app(runtime, layout, policy, file, &mut report).await
        }
        _ => None,
    };
    (found.name, report, trial)
}

async fn test(layout: &Layout, only: Option<&str>, output: Output) -> Outcome {
    let (host, _) = layout.read_host();
    let runtime = super::serve::runtime(layout, &host)?;
    let policy = Policy::new(layout, &host);
    let mut paths = layout.app_paths()?;
    if let Some(only) = only {
        paths.retain(|path| path.file_stem().is_some_and(|stem| stem == only));
        if paths.is_empty() {
            bail!(
                "there is no app `{only}`\n  hint: `tombolo app list {}` lists the apps",
                layout.dir().display()
            );
        }
    }
    let (mut documents, mut rows, mut ok) = (Vec::new(), Vec::new(), true);
    for path in paths {
        let (name, report, trial) = attempt(&runtime, layout, &policy, &path).await;
        let steps = match trial {
            Some(trial) if !report.has_errors() => probe(&trial).await,
            _ => {
                if output == Output::Text {
                    output::report(&report);
                }
                vec![Step {
                    what: "load".to_owned(),
                    took: Duration::ZERO,
                    outcome: Err(report.summary()),
                }]
            }
        };
        ok &= steps.iter().all(|step| step.outcome.is_ok());
        rows.extend(steps.iter().map(|step| step.row(&name)));
        documents.push(
            json!({ "app": name, "steps": steps.iter().map(Step::to_json).collect::<Vec<_>>() }),
        );
    }
    match output {
        Output::Json => output::json(&json!({ "ok": ok, "apps": documents }))?,
        Output::Text => output::table(&["APP", "STEP", "TOOK", "OUTCOME"], &rows),
    }
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// One thing that was tried.
struct Step {
    what: String,
    took: Duration,
    outcome: Result<String, String>,
}

impl Step {
    async fn of(what: String, doing: impl Future<Output = Result<String, CallError>>) -> Self {
        let began = Instant::now();
        let outcome = doing.await.map_err(|why| why.to_string());
        Self {
            what,
            took: began.elapsed(),
            outcome,
        }
    }

    fn row(&self, app: &str) -> Vec<String> {
        let outcome = match &self.outcome {
            Ok(found) => found.clone(),
            Err(why) => format!("failed: {why}"),
        };
        vec![
            app.to_owned(),
            self.what.clone(),
            output::duration(self.took),
            outcome,
        ]
    }

    fn to_json(&self) -> Value {
        json!({
            "step": self.what,
            "ok": self.outcome.is_ok(),
            "milliseconds": self.took.as_secs_f64() * 1e3,
            "outcome": self.outcome.as_ref().unwrap_or_else(|why| why),
        })
    }
}

async fn probe(trial: &Trial) -> Vec<Step> {
    let call = || Call {
        request_id: format!("test-{}", uuid::Uuid::now_v7()),
        deadline: tokio::time::Instant::now() + PATIENCE,
    };
    let connector = &trial.connector;
    let check = async {
        connector
            .check(&call())
            .await
            .map(|()| "the target answers".to_owned())
    };
    let mut steps = vec![Step::of("check".to_owned(), check).await];
    let kinds = connector.description()["kinds"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for kind in kinds.iter().filter_map(|kind| kind["kind"].as_str()) {
        let search = async {
            let query = Query {
                filter: None,
                attributes: Vec::new(),
                cursor: None,
                limit: 1,
            };
            let page = connector.search(&call(), kind, query).await?;
            Ok(match page.total {
                Some(total) => format!("{total} objects"),
                None if page.entries.is_empty() => "no object".to_owned(),
                None => "objects found".to_owned(),
            })
        };
        steps.push(Step::of(format!("search {kind}"), search).await);
    }
    steps
}
