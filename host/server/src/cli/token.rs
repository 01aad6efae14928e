//! `tombolo token`: an app's bearer tokens.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::Outcome;
use super::output::{self, Output};
use crate::config::auth::Credential;
use crate::config::material::{EXPIRY_WARNING_DAYS, Ending};
use crate::config::{AppFile, Layout, token, value};

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
                        &json!({ "app": app, "name": new.name, "token": new.text.expose_secret() }),
                    )?,
                    Output::Text => {
                        println!("{}", new.text.expose_secret());
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

/// The app's file, which must be there.
pub(super) fn file(dir: &Path, app: &str) -> anyhow::Result<PathBuf> {
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

/// What it says.
pub(super) fn read(dir: &Path, app: &str) -> anyhow::Result<AppFile> {
    let found = Layout::new(dir).read_app(&file(dir, app)?);
    let Some(read) = found.file else {
        output::report(&found.report);
        bail!("the file of app `{app}` cannot be read");
    };
    Ok(read)
}

fn list(dir: &Path, app: &str, output: Output) -> anyhow::Result<()> {
    let read = read(dir, app)?;
    let now = Timestamp::now();
    match output {
        Output::Json => {
            let tokens = read.auth.tokens.iter().map(|token| json(token, now));
            output::json(&tokens.collect::<Vec<_>>())
        }
        Output::Text => {
            let tokens = &read.auth.tokens;
            let rows: Vec<_> = tokens.iter().map(|token| row(token, now)).collect();
            output::table(&["NAME", "STATE", "EXPIRES", "SHA-256"], &rows);
            warn_of_endings(&read, dir, now, |ending| ending.client.is_none());
            Ok(())
        }
    }
}

/// Says on standard error what ends soon, and what to do.
pub(super) fn warn_of_endings(
    app: &AppFile,
    dir: &Path,
    now: Timestamp,
    which: impl Fn(&Ending<'_>) -> bool,
) {
    for ending in Ending::of(&app.auth, now).filter(which) {
        let remedy = ending.remedy(&dir.display().to_string(), &app.name);
        eprintln!("warning: {ending}\n  hint: {remedy}");
    }
}

/// A credential for programs.
pub(super) fn json(credential: &Credential, now: Timestamp) -> serde_json::Value {
    json!({
        "name": credential.name,
        "sha256": hex::encode(credential.sha256),
        "expires": credential.expires,
        "state": state(credential, now),
    })
}

/// The same for people: name, state, end, the beginning of its hash.
pub(super) fn row(credential: &Credential, now: Timestamp) -> Vec<String> {
    let expires = credential
        .expires
        .map_or_else(|| "never".to_owned(), |at| at.to_string());
    vec![
        credential.name.clone(),
        state(credential, now).to_owned(),
        expires,
        output::short(&hex::encode(credential.sha256)),
    ]
}

fn state(credential: &Credential, now: Timestamp) -> &'static str {
    let soon = SignedDuration::from_hours(24 * EXPIRY_WARNING_DAYS);
    match credential
        .expires
        .map(|expires| expires.duration_since(now))
    {
        Some(left) if left <= SignedDuration::ZERO => "expired",
        Some(left) if left < soon => "expires soon",
        _ => "valid",
    }
}
