//! `tombolo flow`: what is carried from one app into a sink, and what stands in its way.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::Outcome;
use super::order::give;
use super::output::{self, Output};
use crate::config::Layout;
use crate::control::{FlowOrder, Order};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the flows and whether they run.
    List {
        /// The configuration directory.
        dir: PathBuf,
    },
    /// Read the source and show what a run would send: counts and samples. Nothing is sent and nothing is kept.
    Plan {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        accept: Accept,
    },
    /// Read the source now, and wait until what has changed is delivered.
    Run {
        #[command(flatten)]
        which: Which,
        /// Read everything, even where the source tells of changes.
        #[arg(long)]
        full: bool,
        #[command(flatten)]
        accept: Accept,
        /// How many seconds to wait for deliveries; they go on without it.
        #[arg(long, default_value_t = 3600)]
        wait: u64,
    },
    /// Show where flows stand: what waits, what failed and why.
    Status {
        /// The configuration directory.
        dir: PathBuf,
        /// This flow only.
        flow: Option<String>,
    },
    /// Try those again whom the sink has refused.
    Retry {
        #[command(flatten)]
        which: Which,
        /// By key.
        #[arg(required_unless_present = "all")]
        keys: Vec<String>,
        /// All of them.
        #[arg(long, conflicts_with = "keys")]
        all: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The configuration directory.
    dir: PathBuf,
    /// The flow.
    flow: String,
}

#[derive(Debug, Args)]
pub(super) struct Accept {
    /// So many have really left: do not hold the run for it.
    #[arg(long)]
    accept_shrink: bool,
    /// The clock is right: do not hold the run for it.
    #[arg(long)]
    accept_clock: bool,
}

impl Command {
    pub(super) async fn run(self, output: Output) -> Outcome {
        match self {
            Self::List { dir } => list(&Layout::new(dir), output).await,
            Self::Plan { which, accept } => plan(which, &accept, output).await,
            Self::Run {
                which,
                full,
                accept,
                wait,
            } => run(which, full, &accept, wait, output).await,
            Self::Status { dir, flow } => status(&Layout::new(dir), flow, output).await,
            Self::Retry { which, keys, .. } => retry(which, keys, output).await,
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

async fn collect(layout: &Layout, order: FlowOrder) -> anyhow::Result<(Vec<Value>, Value)> {
    let mut items = Vec::new();
    let end = give(layout, Order::Flow(order), |item| {
        items.push(item);
        Ok(())
    })
    .await?;
    Ok((items, end))
}

async fn list(layout: &Layout, output: Output) -> Outcome {
    let (items, _) = collect(layout, FlowOrder::List).await?;
    if output == Output::Json {
        output::json(&items)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = items
        .iter()
        .map(|item| {
            ["name", "state", "source", "sink", "last-good"]
                .iter()
                .map(|key| text(&item[*key]))
                .collect()
        })
        .collect();
    output::table(&["FLOW", "STATE", "SOURCE", "SINK", "LAST GOOD RUN"], &rows);
    for item in &items {
        for trouble in item["trouble"].as_array().into_iter().flatten() {
            println!("{}: {}", text(&item["name"]), text(trouble));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a run, or a plan of one, came to.
fn show_run(run: &Value) {
    let counts = &run["counts"];
    println!(
        "read {}: {} joiners, {} movers, {} leavers, {} rehires, {} unchanged, {} before their time",
        run["read"],
        counts["joiners"],
        counts["movers"],
        counts["leavers"],
        counts["rehires"],
        counts["unchanged"],
        counts["waiting"]
    );
    if run["unusable"] != 0 {
        println!("{} entries cannot be used:", run["unusable"]);
        for wrong in run["wrong"].as_array().into_iter().flatten() {
            println!("  {}: {}", text(&wrong["entry"]), text(&wrong["reason"]));
        }
    }
    match run["end"]["state"].as_str() {
        Some("held") => println!(
            "held, nothing of it is sent: {}\n  hint: {}",
            text(&run["end"]["reason"]),
            text(&run["end"]["remedy"])
        ),
        Some("failed") => println!("failed: {}", text(&run["end"]["reason"])),
        _ => {}
    }
}

fn code(run: &Value) -> ExitCode {
    if run["end"]["state"] == "done" {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn plan(which: Which, accept: &Accept, output: Output) -> Outcome {
    let order = FlowOrder::Plan {
        flow: which.flow,
        accept_clock: accept.accept_clock,
        accept_shrink: accept.accept_shrink,
    };
    let (_, plan) = collect(&Layout::new(which.dir), order).await?;
    if output == Output::Json {
        output::json(&plan)?;
        return Ok(code(&plan));
    }
    show_run(&plan);
    for sample in plan["samples"].as_array().into_iter().flatten() {
        println!("{} {}", text(&sample["change"]), text(&sample["key"]));
        for (name, value) in sample["before"].as_object().into_iter().flatten() {
            println!("  - {name} = {value}");
        }
        for (name, value) in sample["after"].as_object().into_iter().flatten() {
            println!("  + {name} = {value}");
        }
    }
    println!("nothing was sent; `tombolo flow run` does it");
    Ok(code(&plan))
}

async fn run(which: Which, full: bool, accept: &Accept, wait: u64, output: Output) -> Outcome {
    let order = FlowOrder::Run {
        flow: which.flow,
        full,
        accept_shrink: accept.accept_shrink,
        accept_clock: accept.accept_clock,
        wait,
    };
    let (_, end) = collect(&Layout::new(which.dir), order).await?;
    if output == Output::Json {
        output::json(&end)?;
    } else {
        show_run(&end["run"]);
        show_standing(&end["standing"]);
    }
    let good = end["run"]["end"]["state"] == "done" && end["settled"] == true;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn show_standing(standing: &Value) {
    println!(
        "{}: {} known, {} in, {} waiting for the sink ({} leavers), {} staged, {} failing, {} given up, {} before their time",
        text(&standing["flow"]),
        standing["people"],
        standing["present"],
        standing["queued"],
        standing["leavers-queued"],
        standing["staged"],
        standing["failing"],
        standing["dead"],
        standing["waiting"]
    );
    if let Some(pause) = standing["pause"].as_str() {
        println!("  paused: {pause}");
    }
    for letter in standing["letters"].as_array().into_iter().flatten() {
        let again = match letter["again"].as_str() {
            Some(at) => format!("again at {at}"),
            None => "given up; `tombolo flow retry` tries again".to_owned(),
        };
        println!(
            "  {} {} ({} times, {again}): {}",
            text(&letter["key"]),
            text(&letter["name"]),
            letter["attempts"],
            text(&letter["reason"])
        );
    }
}

async fn status(layout: &Layout, flow: Option<String>, output: Output) -> Outcome {
    let (items, _) = collect(layout, FlowOrder::Status { flow }).await?;
    if output == Output::Json {
        output::json(&items)?;
        return Ok(ExitCode::SUCCESS);
    }
    for standing in &items {
        show_standing(standing);
        let last = &standing["last"];
        if !last.is_null() {
            println!(
                "  last run: {} ({}), everything last read: {}",
                text(&last["began"]),
                text(&last["end"]["state"]),
                text(&standing["scanned"])
            );
            if last["end"]["state"] != "done" || last["unusable"] != 0 {
                show_run(last);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn retry(which: Which, keys: Vec<String>, output: Output) -> Outcome {
    let order = FlowOrder::Retry {
        flow: which.flow,
        keys,
    };
    let (_, end) = collect(&Layout::new(which.dir), order).await?;
    if output == Output::Json {
        output::json(&end)?;
    } else {
        println!("{} are tried again", end["retried"]);
    }
    Ok(ExitCode::SUCCESS)
}
