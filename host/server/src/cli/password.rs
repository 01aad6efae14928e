//! `tombolo password`: the first passwords that the host has given.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::Outcome;
use super::order::give;
use super::output::{self, Output};
use crate::config::Layout;
use crate::control::Order;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List whose first passwords wait to be taken, and whose the target refused.
    List {
        /// The configuration directory.
        dir: PathBuf,
        /// Of this app only.
        app: Option<String>,
    },
    /// Print one. It is handed over once: from then on the host does not have it.
    Take(Whose),
    /// Have another one set, in the place of one that was lost or refused.
    Renew(Whose),
}

#[derive(Debug, Args)]
pub(super) struct Whose {
    /// The configuration directory.
    dir: PathBuf,
    /// The app.
    app: String,
    /// The person, by SCIM id.
    resource: String,
}

impl Command {
    pub(super) async fn run(self, output: Output) -> Outcome {
        match self {
            Self::List { dir, app } => list(&Layout::new(dir), app, output).await,
            Self::Take(Whose { dir, app, resource }) => {
                let order = Order::TakePassword { app, resource };
                let taken = give(&Layout::new(dir), order, |_| Ok(())).await?;
                match output {
                    Output::Json => output::json(&taken)?,
                    Output::Text => println!("{}", taken["password"].as_str().unwrap_or_default()),
                }
                Ok(ExitCode::SUCCESS)
            }
            Self::Renew(Whose { dir, app, resource }) => {
                let order = Order::RenewPassword { app, resource };
                let renewed = give(&Layout::new(dir), order, |_| Ok(())).await?;
                match output {
                    Output::Json => output::json(&renewed)?,
                    Output::Text => println!(
                        "set; `tombolo password take` prints it, or says why the target refused it"
                    ),
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

async fn list(layout: &Layout, app: Option<String>, output: Output) -> Outcome {
    let mut found = Vec::new();
    give(layout, Order::Passwords { app }, |item| {
        found.push(item);
        Ok(())
    })
    .await?;
    if output == Output::Json {
        output::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let row = |item: &Value| {
        ["app", "name", "at", "refused", "resource"]
            .map(|column| text(&item[column]))
            .to_vec()
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    output::table(&["APP", "NAME", "SINCE", "REFUSED", "ID"], &rows);
    Ok(ExitCode::SUCCESS)
}
