//! `tombolo auth`: what the host saw of those who tried to sign in.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::Outcome;
use super::output::{self, Output};
use super::token;
use crate::auth::observed::{self, Against, Observed};
use crate::config::auth::Auth;
use crate::config::{AppFile, Layout};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what the last refused assertion or token really said, and the line to put into the app's file.
    Observe {
        /// The configuration directory.
        dir: PathBuf,
        /// The app.
        app: String,
    },
}

impl Command {
    pub(super) fn run(self, output: Output) -> Outcome {
        let Self::Observe { dir, app } = self;
        observe(&dir, &app, output)
    }
}

fn observe(dir: &Path, app: &str, output: Output) -> Outcome {
    let file = token::read(dir, app)?;
    let layout = Layout::new(dir);
    let (host, _) = layout.read_host();
    let last = observed::read(&layout.dir().join(&host.store), app)?;
    if output == Output::Json {
        let lines = last.own.as_ref().map(|own| lines(&file, own));
        output::json(
            &json!({ "app": app, "own": last.own, "lines": lines, "foreign": last.foreign }),
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    if last.own.is_none() && last.foreign.is_none() {
        println!(
            "no genuine token was refused for app `{app}`\n\nA token is shown here if its signature was right. What was refused for another reason is in the\nhost's log, under `authentication`."
        );
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(own) = &last.own {
        show(own);
        advise(&file, own);
    }
    if let Some(foreign) = &last.foreign {
        if last.own.is_some() {
            println!();
        }
        show(foreign);
        println!(
            "\nIt is from another tenant than the app's file names. Put that tenant there only if it is yours:\nMicrosoft signs the tokens of all tenants with the same keys."
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn show(observed: &Observed) {
    let or_none = |claim: &Option<String>| claim.clone().unwrap_or_else(|| "none".to_owned());
    println!("refused at {}, reason `{}`", observed.at, observed.reason);
    println!("  issuer    {}", or_none(&observed.issuer));
    println!("  audience  {}", observed.audience.join(", "));
    println!("  subject   {}", or_none(&observed.subject));
    println!("  tenant    {}", or_none(&observed.tenant));
    println!("  key       {}", observed.key);
    let expires = jiff::Timestamp::from_second(observed.expires);
    let expires = expires.map_or_else(|_| observed.expires.to_string(), |at| at.to_string());
    println!("  expires   {expires}");
}

fn advise(file: &AppFile, own: &Observed) {
    let lines = lines(file, own);
    let section = section(own.against);
    if lines.is_empty() {
        println!("\n`{section}` accepts its audience and its subject now.");
        return;
    }
    println!(
        "\nIf that is your Entra, put this into `apps/{}.toml`, in the place of the lines of the same name:\n\n{section}",
        file.name
    );
    for line in lines {
        println!("{line}");
    }
}

fn lines(file: &AppFile, own: &Observed) -> Vec<String> {
    let (audiences, subjects) = accepted(&file.auth, own.against);
    own.lines(audiences, subjects)
}

/// What the app's file accepts now.
fn accepted(auth: &Auth, against: Against) -> (&[String], &[String]) {
    let of_federation = auth
        .federation
        .as_ref()
        .map(|it| (it.audiences.as_slice(), it.subjects.as_slice()));
    let of_entra = auth
        .entra
        .as_ref()
        .map(|it| (it.audiences.as_slice(), it.subjects.as_slice()));
    match against {
        Against::Federation => of_federation,
        Against::Entra => of_entra,
    }
    .unwrap_or_default()
}

fn section(against: Against) -> &'static str {
    match against {
        Against::Federation => "[auth.federation]",
        Against::Entra => "[auth.entra]",
    }
}
