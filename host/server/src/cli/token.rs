//! `tombolo token`: an app's bearer tokens.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::Outcome;
use super::output::{self, Output};
use crate::config::app::Token;
use crate::config::{Layout, token, value};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token, write its hash into the app's file, and print the token this once.
    New {
        /// The configuration directory.
        dir: PathBuf,
        /// The app.
        app: String,
        /// What to call the token.
        #[arg(long)]
        name: Option<String>,
        /// From when on it is refused: a date such as 2027-05-01, or a time with its offset.
        #[arg(long, value_parser = |text: &str| value::instant(text).map(|_| text.to_owned()))]
        expires: Option<String>,
    },
    /// List an app's tokens. Their text is known to nobody but the client.
    List {
        /// The configuration directory.
        dir: PathBuf,
        /// The app.
        app: String,
    },
    /// Take a token out of the app's file; it is refused from then on.
    Revoke {
        /// The configuration directory.
        dir: PathBuf,
        /// The app.
        app: String,
        /// The token.
        name: String,
    },
}

impl Command {
    pub(super) fn run(self, output: Output) -> Outcome {
        match self {
            Self::New {
                dir,
                app,
                name,
                expires,
            } => {
                let new = token::create(
                    &file(&dir, &app)?,
                    &app,
                    name.as_deref(),
                    expires.as_deref(),
                )?;
                match output {
                    Output::Json => output::json(
                        &json!({ "app": app, "name": new.name, "token": new.token.expose_secret() }),
                    )?,
                    Output::Text => {
                        println!("{}", new.token.expose_secret());
                        eprintln!("token `{}` of app `{app}`; it is shown this once", new.name);
                    }
                }
            }
            Self::List { dir, app } => list(&dir, &app, output)?,
            Self::Revoke { dir, app, name } => {
                token::revoke(&file(&dir, &app)?, &app, &name)?;
                match output {
                    Output::Json => {
                        output::json(&json!({ "app": app, "name": name, "revoked": true }))?;
                    }
                    Output::Text => println!("token `{name}` of app `{app}` is revoked"),
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn file(dir: &Path, app: &str) -> anyhow::Result<PathBuf> {
    let path = Layout::new(dir).app_file(app);
    if !path.is_file() {
        bail!(
            "there is no app `{app}`: `{}` is not there\n  hint: `tombolo app list {}` lists the apps",
            path.display(),
            dir.display()
        );
    }
    Ok(path)
}

fn list(dir: &Path, app: &str, output: Output) -> anyhow::Result<()> {
    let found = Layout::new(dir).read_app(&file(dir, app)?);
    let Some(read) = found.file else {
        output::report(&found.report);
        bail!("the file of app `{app}` cannot be read");
    };
    let now = Timestamp::now();
    match output {
        Output::Json => {
            let tokens = read.tokens.iter().map(|token| {
                json!({ "name": token.name, "sha256": hex::encode(token.sha256), "expires": token.expires, "state": state(token, now) })
            });
            output::json(&tokens.collect::<Vec<_>>())
        }
        Output::Text => {
            let rows: Vec<_> = read
                .tokens
                .iter()
                .map(|token| {
                    let expires = token
                        .expires
                        .map_or_else(|| "never".to_owned(), |at| at.to_string());
                    vec![
                        token.name.clone(),
                        state(token, now).to_owned(),
                        expires,
                        output::short(&hex::encode(token.sha256)),
                    ]
                })
                .collect();
            output::table(&["NAME", "STATE", "EXPIRES", "SHA-256"], &rows);
            Ok(())
        }
    }
}

fn state(token: &Token, now: Timestamp) -> &'static str {
    if token.expires.is_some_and(|expires| expires <= now) {
        "expired"
    } else {
        "valid"
    }
}
