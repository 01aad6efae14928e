//! `tombolo held`: what the breakers keep back.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Outcome;
use super::order::give;
use super::output::{self, Output};
use crate::config::Layout;
use crate::control::Order;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the disables and deletes that wait for a decision.
    List {
        /// The configuration directory.
        dir: PathBuf,
        /// Of this app only.
        app: Option<String>,
    },
    /// Do what is held.
    Approve {
        #[command(flatten)]
        which: Which,
        /// Also where the resource has changed since.
        #[arg(long)]
        anyway: bool,
    },
    /// Drop what is held: nothing is disabled or deleted.
    Reject {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The configuration directory.
    dir: PathBuf,
    /// The app.
    app: String,
    /// The resources, by SCIM id.
    #[arg(required_unless_present = "all")]
    resources: Vec<String>,
    /// Everything that is held in the app.
    #[arg(long, conflicts_with = "resources")]
    all: bool,
}

impl Command {
    pub(super) async fn run(self, output: Output) -> Outcome {
        match self {
            Self::List { dir, app } => list(&Layout::new(dir), app, output).await,
            Self::Approve { which, anyway } => decide(which, true, anyway, output).await,
            Self::Reject { which } => decide(which, false, false, output).await,
        }
    }
}

async fn list(layout: &Layout, app: Option<String>, output: Output) -> Outcome {
    let mut found = Vec::new();
    give(layout, Order::Held { app }, |item| {
        found.push(item);
        Ok(())
    })
    .await?;
    if output == Output::Json {
        output::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let rows: Vec<_> = found
        .iter()
        .map(|item| {
            let held = &item["held"];
            vec![
                text(&item["app"]),
                text(&held["action"]),
                text(&held["kind"]),
                text(&held["name"]),
                text(&held["at"]),
                text(&held["by"]["credential"]),
                text(&held["id"]),
            ]
        })
        .collect();
    output::table(
        &["APP", "ACTION", "KIND", "NAME", "SINCE", "BY", "ID"],
        &rows,
    );
    Ok(ExitCode::SUCCESS)
}

async fn decide(which: Which, approve: bool, anyway: bool, output: Output) -> Outcome {
    let order = Order::Decide {
        app: which.app,
        resources: which.resources,
        approve,
        anyway,
    };
    let mut items = Vec::new();
    let end = give(&Layout::new(which.dir), order, |item| {
        if output == Output::Text {
            let name = item["name"].as_str().unwrap_or_default();
            let id = item["resource"].as_str().unwrap_or_default();
            match item["why"].as_str() {
                None => {
                    let word = if approve { "done" } else { "dropped" };
                    println!(
                        "{word}: {} {name} {id}",
                        item["action"].as_str().unwrap_or_default()
                    );
                }
                Some(why) => println!("not done: {id}: {why}"),
            }
        }
        items.push(item);
        Ok(())
    })
    .await?;
    if output == Output::Json {
        output::json(&json!({ "items": items, "end": end }))?;
    } else {
        println!(
            "{} done, {} failed; `tombolo audit list --request {}` tells of them",
            end["done"],
            end["failed"],
            end["request"].as_str().unwrap_or_default()
        );
    }
    Ok(code(&end))
}

/// Whether everything went well.
pub(super) fn code(end: &Value) -> ExitCode {
    if end["failed"] == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
