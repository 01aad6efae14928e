//! `tombolo import`: what the target has, and what is not as it should be.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use tombolo_engine::import::finding::Sought;

use super::Outcome;
use super::held::code;
use super::order::give;
use super::output::{self, Output};
use crate::config::Layout;
use crate::control::{Import, Order};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Import now: what has changed, where the connector can say that, else everything.
    Run {
        #[command(flatten)]
        of: Of,
        /// Everything.
        #[arg(long)]
        full: bool,
        /// Everything; and what is missing is gone, however much it is.
        #[arg(long)]
        accept: bool,
    },
    /// Say what is being imported, and how the last imports ended.
    Status {
        /// The configuration directory.
        dir: PathBuf,
        /// Of this app only.
        app: Option<String>,
    },
    /// List what imports have found: orphans, local accounts, drift, ambiguity.
    Report {
        #[command(flatten)]
        of: Of,
        /// Only this.
        #[arg(long, value_enum)]
        only: Option<Only>,
    },
    /// Write again what was last written through the host. Without `--yes` it shows what that would do.
    Repair(Which),
    /// Make accounts that were in the target before the client's. Without `--yes` it shows which could be.
    Adopt(Which),
}

#[derive(Debug, Args)]
pub(super) struct Of {
    /// The configuration directory.
    dir: PathBuf,
    /// The app.
    app: String,
    /// Of this kind only.
    #[arg(long)]
    kind: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The configuration directory.
    dir: PathBuf,
    /// The app.
    app: String,
    /// The resources, by SCIM id; none: all of them.
    resources: Vec<String>,
    /// Do it.
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Only {
    /// Links whose object has gone.
    Orphans,
    /// Accounts that no client has written to.
    Local,
    /// Other values than were written.
    Drift,
    /// Values that do not tell objects apart.
    Ambiguous,
}

impl Command {
    pub(super) async fn run(self, output: Output) -> Outcome {
        match self {
            Self::Run { of, full, accept } => run(of, full, accept, output).await,
            Self::Status { dir, app } => status(&Layout::new(dir), app, output).await,
            Self::Report { of, only } => report(of, only, output).await,
            Self::Repair(which) => {
                let order = Import::Repair {
                    app: which.app,
                    resources: which.resources,
                    yes: which.yes,
                };
                decide(&Layout::new(which.dir), order, output).await
            }
            Self::Adopt(which) => {
                let order = Import::Adopt {
                    app: which.app,
                    resources: which.resources,
                    yes: which.yes,
                };
                decide(&Layout::new(which.dir), order, output).await
            }
        }
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

async fn run(of: Of, full: bool, accept: bool, output: Output) -> Outcome {
    let order = Order::Import(Import::Run {
        app: of.app,
        kind: of.kind,
        full,
        accept,
    });
    let shows = std::io::stderr().is_terminal();
    let end = give(&Layout::new(of.dir), order, |running| {
        for one in running.as_array().into_iter().flatten().filter(|_| shows) {
            let far = &one["running"];
            eprintln!(
                "{}: {} read, {} new, {} changed",
                text(&one["kind"]),
                far["counts"]["listed"],
                far["counts"]["new"],
                far["counts"]["changed"]
            );
        }
        Ok(())
    })
    .await?;
    let kinds = end["kinds"].as_array().cloned().unwrap_or_default();
    let whole = kinds.iter().all(|one| one["import"]["outcome"] == "whole");
    if output == Output::Json {
        output::json(&end)?;
    } else {
        output::table(&ENDED, &kinds.iter().map(ended).collect::<Vec<_>>());
        for one in &kinds {
            if let Some(note) = one["import"]["note"].as_str() {
                println!("{}: {note}", text(&one["kind"]));
            }
        }
    }
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

const ENDED: [&str; 12] = [
    "KIND",
    "IMPORT",
    "OUTCOME",
    "READ",
    "NEW",
    "CHANGED",
    "MISSING",
    "GONE",
    "ORPHANS",
    "LOCAL",
    "DRIFTED",
    "AMBIGUOUS",
];

/// The row of an import that has ended.
fn ended(one: &Value) -> Vec<String> {
    let import = &one["import"];
    let (counts, found) = (&import["counts"], &import["found"]);
    [
        &one["kind"],
        &import["sort"],
        &import["outcome"],
        &counts["listed"],
        &counts["new"],
        &counts["changed"],
        &counts["missing"],
        &counts["gone"],
        &found["orphans"],
        &found["local"],
        &found["drifted"],
        &found["ambiguous"],
    ]
    .into_iter()
    .map(text)
    .collect()
}

async fn status(layout: &Layout, app: Option<String>, output: Output) -> Outcome {
    let mut found = Vec::new();
    give(layout, Order::Import(Import::Status { app }), |item| {
        found.push(item);
        Ok(())
    })
    .await?;
    if output == Output::Json {
        output::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = found
        .iter()
        .map(|item| {
            let (status, last) = (&item["status"], &item["status"]["last"]);
            let running = match status["running"].as_object() {
                Some(running) => format!("{} read", running["counts"]["listed"]),
                None => "-".to_owned(),
            };
            vec![
                text(&item["app"]),
                text(&status["kind"]),
                running,
                text(&status["full"]["began"]),
                text(&last["sort"]),
                text(&last["outcome"]),
                text(&last["ended"]),
            ]
        })
        .collect();
    output::table(
        &[
            "APP",
            "KIND",
            "RUNNING",
            "LAST FULL",
            "LAST",
            "OUTCOME",
            "ENDED",
        ],
        &rows,
    );
    Ok(ExitCode::SUCCESS)
}

async fn report(of: Of, only: Option<Only>, output: Output) -> Outcome {
    let order = Order::Import(Import::Report {
        app: of.app,
        kind: of.kind,
        sought: only.map(|only| match only {
            Only::Orphans => Sought::Orphans,
            Only::Local => Sought::Local,
            Only::Drift => Sought::Drift,
            Only::Ambiguous => Sought::Ambiguous,
        }),
    });
    let mut found = Vec::new();
    give(&Layout::new(of.dir), order, |item| {
        found.push(item);
        Ok(())
    })
    .await?;
    if output == Output::Json {
        output::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = found.iter().flat_map(rows).collect();
    output::table(&["FINDING", "KIND", "NAME", "WHAT", "SINCE", "ID"], &rows);
    Ok(ExitCode::SUCCESS)
}

/// The rows of a finding: one an attribute, where it has such.
fn rows(item: &Value) -> Vec<Vec<String>> {
    let row = |what: String, since: &Value| {
        vec![
            text(&item["finding"]),
            text(&item["kind"]),
            text(&item["name"]),
            what,
            text(since),
            text(&item["id"]),
        ]
    };
    match item["finding"].as_str() {
        Some("drift") => item["differences"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| row(difference(one), &one["since"]))
            .collect(),
        Some("ambiguous") => {
            let ids: Vec<String> = item["ids"]
                .as_array()
                .into_iter()
                .flatten()
                .map(text)
                .collect();
            let what = format!(
                "{} `{}`: {}",
                text(&item["attribute"]),
                text(&item["value"]),
                ids.join(" ")
            );
            vec![row(what, &Value::Null)]
        }
        _ => vec![row(text(&item["anchor"]), &item["since"])],
    }
}

fn difference(one: &Value) -> String {
    format!(
        "{}: {} instead of {}",
        text(&one["attribute"]),
        text(&one["found"]),
        text(&one["expected"])
    )
}

async fn decide(layout: &Layout, order: Import, output: Output) -> Outcome {
    let adopts = matches!(order, Import::Adopt { .. });
    let mut items = Vec::new();
    let end = give(layout, Order::Import(order), |item| {
        if output == Output::Text {
            show(&item);
        }
        items.push(item);
        Ok(())
    })
    .await?;
    if output == Output::Json {
        output::json(&json!({ "items": items, "end": end }))?;
        return Ok(code(&end));
    }
    let dry = end["dry"] == true;
    println!(
        "{} {}, {} {}",
        end["done"],
        match (adopts, dry) {
            (true, true) => "can be adopted",
            (true, false) => "adopted",
            (false, true) => "can be repaired",
            (false, false) => "repaired",
        },
        end["failed"],
        if dry { "cannot be" } else { "not" }
    );
    if dry {
        println!("nothing was changed; `--yes` does it");
    } else {
        println!(
            "`tombolo audit list --request {}` tells of them",
            text(&end["request"])
        );
    }
    Ok(code(&end))
}

fn show(item: &Value) {
    let of = if item["adoption"].is_object() {
        &item["adoption"]
    } else {
        &item["repair"]
    };
    println!("{} {}", text(&of["name"]), text(&item["resource"]));
    for why in [&item["why"], &of["why"]] {
        if let Some(why) = why.as_str() {
            println!("  no: {why}");
        }
    }
    for one in of["differences"].as_array().into_iter().flatten() {
        println!("  {}", difference(one));
    }
}
