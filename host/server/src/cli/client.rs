//! `tombolo client`: an app's OAuth 2.0 clients and their secrets.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::Outcome;
use super::output::{self, Output};
use super::token::{self, file};
use crate::config::{client, value};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a secret for a client, and the client if it is not there; write its hash into the app's file, and print the
    /// secret this once.
    New {
        /// The configuration directory.
        dir: PathBuf,
        /// The app.
        app: String,
        /// The client's id, as it is entered at the identity provider.
        client: String,
        /// What to call the secret.
        #[arg(long)]
        name: Option<String>,
        /// From when on it is refused: a date such as 2027-05-01, or a time with its offset.
        #[arg(long, value_parser = |text: &str| value::instant(text).map(|_| text.to_owned()))]
        expires: Option<String>,
    },
    /// List an app's clients and their secrets. The secrets' text is known to nobody but the client.
    List {
        /// The configuration directory.
        dir: PathBuf,
        /// The app.
        app: String,
    },
    /// Take a secret out of the app's file, or a client with all of them; their access tokens are refused from then on.
    Revoke {
        /// The configuration directory.
        dir: PathBuf,
        /// The app.
        app: String,
        /// The client.
        client: String,
        /// One secret only.
        secret: Option<String>,
    },
}

impl Command {
    pub(super) fn run(self, output: Output) -> Outcome {
        match self {
            Self::New {
                dir,
                app,
                client,
                name,
                expires,
            } => {
                let path = file(&dir, &app)?;
                let new =
                    client::create(&path, &app, &client, name.as_deref(), expires.as_deref())?;
                match output {
                    Output::Json => output::json(&json!({
                        "app": app,
                        "client": client,
                        "name": new.name,
                        "secret": new.text.expose_secret(),
                        "endpoint": format!("/apps/{app}/oauth2/token"),
                    }))?,
                    Output::Text => {
                        println!("{}", new.text.expose_secret());
                        eprintln!(
                            "secret `{}` of client `{client}` of app `{app}`; it is shown this once\ntoken endpoint: /apps/{app}/oauth2/token",
                            new.name
                        );
                    }
                }
            }
            Self::List { dir, app } => list(&dir, &app, output)?,
            Self::Revoke {
                dir,
                app,
                client,
                secret,
            } => {
                client::revoke(&file(&dir, &app)?, &app, &client, secret.as_deref())?;
                match output {
                    Output::Json => output::json(
                        &json!({ "app": app, "client": client, "name": secret, "revoked": true }),
                    )?,
                    Output::Text => match secret {
                        Some(secret) => println!(
                            "secret `{secret}` of client `{client}` of app `{app}` is revoked, and its access tokens"
                        ),
                        None => println!(
                            "client `{client}` of app `{app}` is revoked, and its access tokens"
                        ),
                    },
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list(dir: &Path, app: &str, output: Output) -> anyhow::Result<()> {
    let read = token::read(dir, app)?;
    let now = Timestamp::now();
    let clients = &read.auth.clients;
    match output {
        Output::Json => {
            let clients = clients.iter().map(|client| {
                let secrets = client.secrets.iter().map(|secret| token::json(secret, now));
                json!({ "client": client.id, "secrets": secrets.collect::<Vec<_>>() })
            });
            output::json(&clients.collect::<Vec<_>>())
        }
        Output::Text => {
            let rows: Vec<_> = clients
                .iter()
                .flat_map(|client| {
                    client.secrets.iter().map(|secret| {
                        let mut row = vec![client.id.clone()];
                        row.extend(token::row(secret, now));
                        row
                    })
                })
                .collect();
            output::table(&["CLIENT", "SECRET", "STATE", "EXPIRES", "SHA-256"], &rows);
            token::warn_of_endings(&read, dir, now, |ending| ending.client.is_some());
            Ok(())
        }
    }
}
