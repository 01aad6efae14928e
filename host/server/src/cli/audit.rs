//! `tombolo audit`: who did what, and proof of it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use tombolo_engine::audit::{Account, Search, Verdict};

use super::Outcome;
use super::order::give;
use super::output::{self, Output};
use crate::config::{Layout, value};
use crate::control::Order;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List what was done, the newest last.
    List {
        /// The configuration directory.
        dir: PathBuf,
        #[command(flatten)]
        filter: Filter,
        /// The newest so many only.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show one record whole.
    Show {
        /// The configuration directory.
        dir: PathBuf,
        /// The record's id.
        id: String,
    },
    /// Write records as JSON lines in the shape of Entra's provisioning log.
    Export {
        /// The configuration directory.
        dir: PathBuf,
        #[command(flatten)]
        filter: Filter,
        /// The records as they are kept, not in Entra's shape.
        #[arg(long)]
        raw: bool,
    },
    /// Take back what records tell of: a create, a change, a delete. Without `--yes` it shows what that would do.
    Undo {
        /// The configuration directory.
        dir: PathBuf,
        /// One record; else every one that the other options name.
        id: Option<String>,
        #[command(flatten)]
        filter: Filter,
        /// Do it.
        #[arg(long)]
        yes: bool,
        /// Also where the resource has changed since.
        #[arg(long)]
        anyway: bool,
    },
    /// Look whether anybody has changed a record, and say which.
    Verify {
        /// The configuration directory.
        dir: PathBuf,
        /// The newest seal of a chain as an earlier `verify` said it: it must be there still.
        #[arg(long, value_name = "SHA256")]
        anchor: Option<String>,
    },
}

/// Which records.
#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Of this app.
    #[arg(long)]
    app: Option<String>,
    /// Of this resource: SCIM id, the target's key, or its user name.
    #[arg(long)]
    resource: Option<String>,
    /// Of this operation of Entra's: its ActivityId.
    #[arg(long)]
    activity: Option<String>,
    /// Of this request.
    #[arg(long)]
    request: Option<String>,
    /// Not before this time, or not longer ago: `2027-05-01`, `2h`.
    #[arg(long, value_parser = moment)]
    since: Option<Timestamp>,
    /// Before this time, or longer ago.
    #[arg(long, value_parser = moment)]
    until: Option<Timestamp>,
}

impl Filter {
    pub(super) fn search(self) -> Search {
        Search {
            app: self.app,
            id: None,
            resource: self.resource,
            activity: self.activity,
            request: self.request,
            since: self.since,
            until: self.until,
            newest: None,
        }
    }
}

/// A time, or how long ago it was.
fn moment(text: &str) -> Result<Timestamp, String> {
    let Ok(ago) = value::duration(text) else {
        return value::instant(text);
    };
    SignedDuration::try_from(ago)
        .ok()
        .and_then(|ago| Timestamp::now().checked_sub(ago).ok())
        .ok_or_else(|| format!("`{text}` is too long ago"))
}

impl Command {
    pub(super) async fn run(self, output: Output) -> Outcome {
        match self {
            Self::List { dir, filter, limit } => {
                let search = Search {
                    newest: Some(limit),
                    ..filter.search()
                };
                list(&Layout::new(dir), search, output).await
            }
            Self::Show { dir, id } => show(&Layout::new(dir), id).await,
            Self::Export { dir, filter, raw } => {
                let order = Order::Audit {
                    search: filter.search(),
                    summary: !raw,
                };
                let layout = Layout::new(dir);
                give(&layout, order, |item| {
                    writeln!(std::io::stdout().lock(), "{item}")?;
                    Ok(())
                })
                .await?;
                Ok(ExitCode::SUCCESS)
            }
            Self::Undo {
                dir,
                id,
                filter,
                yes,
                anyway,
            } => {
                let search = Search {
                    id,
                    ..filter.search()
                };
                if search == Search::default() {
                    bail!(
                        "nothing says what to take back\n  hint: name a record, or `--activity`, `--request`, `--resource`, or `--app` with `--since`"
                    );
                }
                let order = Order::Undo {
                    search,
                    yes,
                    anyway,
                };
                super::undo::run(&Layout::new(dir), order, output).await
            }
            Self::Verify { dir, anchor } => verify(&Layout::new(dir), anchor, output).await,
        }
    }
}

/// The records that are looked for.
pub(super) async fn records(layout: &Layout, search: Search) -> anyhow::Result<Vec<Account>> {
    let mut found = Vec::new();
    let order = Order::Audit {
        search,
        summary: false,
    };
    give(layout, order, |item| {
        found.push(serde_json::from_value(item)?);
        Ok(())
    })
    .await?;
    Ok(found)
}

async fn list(layout: &Layout, search: Search, output: Output) -> Outcome {
    let found = records(layout, search).await?;
    if output == Output::Json {
        output::json(&found)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = found
        .iter()
        .map(|account| {
            let who = account
                .by
                .operator
                .as_ref()
                .or(account.by.credential.as_ref());
            vec![
                format!("{:.0}", account.at),
                account.app.clone(),
                word(&account.action),
                word(&account.outcome),
                account.kind.clone(),
                account
                    .name
                    .clone()
                    .or_else(|| account.resource.clone())
                    .unwrap_or_else(|| "-".to_owned()),
                who.cloned().unwrap_or_else(|| "the host".to_owned()),
                account.id.clone(),
            ]
        })
        .collect();
    let heads = [
        "WHEN", "APP", "ACTION", "OUTCOME", "KIND", "NAME", "BY", "ID",
    ];
    output::table(&heads, &rows);
    Ok(ExitCode::SUCCESS)
}

/// The word that JSON has for a value of a closed set.
fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

async fn show(layout: &Layout, id: String) -> Outcome {
    let search = Search {
        id: Some(id.clone()),
        ..Search::default()
    };
    let Some(account) = records(layout, search).await?.pop() else {
        bail!(
            "there is no record `{id}`\n  hint: `tombolo audit list {}` lists the newest",
            layout.dir().display()
        );
    };
    output::json(&account)?;
    Ok(ExitCode::SUCCESS)
}

async fn verify(layout: &Layout, anchor: Option<String>, output: Output) -> Outcome {
    let verdict = give(layout, Order::AuditVerify { anchor }, |_| Ok(())).await?;
    let verdict: Verdict = serde_json::from_value(verdict)?;
    let holds = verdict.breaks.is_empty();
    if output == Output::Json {
        output::json(&verdict)?;
    } else {
        for found in &verdict.breaks {
            let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
            println!(
                "broken: chain {}, seal {}, record {}: {}",
                found.stream,
                number(found.seal),
                number(found.account),
                found.what
            );
        }
        println!(
            "{} records under {} seals in {} chains; {} not sealed yet, {} let go in order",
            verdict.accounts, verdict.seals, verdict.streams, verdict.unsealed, verdict.let_go
        );
        for (stream, head) in &verdict.heads {
            println!("chain {stream} ends in {head}");
        }
        println!(
            "{}",
            if holds {
                "the audit is whole"
            } else {
                "the audit is NOT whole"
            }
        );
    }
    Ok(if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
