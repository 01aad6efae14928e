//! `tombolo app show`: one app as it is in the end, files, connector and grants taken together.

use std::process::ExitCode;

use anyhow::bail;

use super::Outcome;
use super::output::{self, Output};
use crate::config::Layout;
use crate::registry::facts::Facts;
use crate::registry::status::{AppStatus, HostStatus, State};

pub(super) async fn run(layout: &Layout, app: &str, output: Output) -> Outcome {
    let (host, _) = layout.read_host();
    let running = HostStatus::read(&layout.dir().join(&host.store));
    let apps = match &running {
        Some(running) => running.apps.clone(),
        None => super::app::fresh(layout, &host, Some(app)).await?,
    };
    let Some(shown) = apps.into_iter().find(|found| found.name == app) else {
        bail!(
            "there is no app `{app}`\n  hint: `tombolo app list {}` lists the apps",
            layout.dir().display()
        );
    };
    match output {
        Output::Json => output::json(&shown)?,
        Output::Text => print(&shown, running.is_some()),
    }
    Ok(if shown.state == State::Serving {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(app: &AppStatus, running: bool) {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            rows.push(vec![name.to_owned(), value]);
        }
    };
    row("state", super::app::word(app.state, running).to_owned());
    row(
        "since",
        app.since.map(|since| since.to_string()).unwrap_or_default(),
    );
    if let Some(facts) = &app.facts {
        connector(facts, &mut row);
    }
    row(
        "goes back to",
        app.previous
            .as_ref()
            .map(|digest| format!("{digest}, while the revision above is on probation"))
            .unwrap_or_default(),
    );
    for rejected in &app.rejected {
        row(
            "taken back",
            format!("{} at {}: {}", rejected.sha256, rejected.at, rejected.why),
        );
    }
    output::table(&["APP", &app.name], &rows);
    if let Some(facts) = &app.facts {
        granted(facts);
    }
    for problem in app.problems.iter().chain(&app.warnings) {
        println!("\n{problem}");
    }
}

fn connector(facts: &Facts, row: &mut impl FnMut(&str, String)) {
    let manifest = &facts.manifest;
    row(
        "connector",
        format!(
            "{} ({} {})",
            facts.connector, manifest.name, manifest.version
        ),
    );
    row("", manifest.description.clone());
    row("sha256", facts.sha256.clone());
    row(
        "signed",
        facts.signed.as_ref().map_or_else(
            || "not verified".to_owned(),
            |signed| format!("with the key {}: {}", signed.key, signed.comment),
        ),
    );
    row("contract", manifest.wit.clone());
    row("abilities", facts.abilities.join(", "));
    row("instances", facts.instances.clone());
}

fn granted(facts: &Facts) {
    let granted = &facts.granted;
    let mut rows: Vec<Vec<String>> = Vec::new();
    for target in &granted.targets {
        rows.push(vec![
            format!("target ({})", target.kind),
            target.name.clone(),
            target.address.clone(),
        ]);
    }
    for directory in &granted.directories {
        rows.push(vec![
            format!(
                "directory ({}{})",
                directory.access.word(),
                directory.most()
            ),
            directory.name.clone(),
            directory.path.clone(),
        ]);
    }
    for (name, reveal) in &granted.secrets {
        let how = if *reveal {
            "the connector may see it"
        } else {
            "a handle"
        };
        rows.push(vec!["secret".to_owned(), name.clone(), how.to_owned()]);
    }
    println!();
    if rows.is_empty() {
        println!("It may reach nothing.");
    } else {
        output::table(&["MAY REACH", "NAME", ""], &rows);
    }
    for withheld in &granted.withheld {
        println!("withheld, because the connector does not ask for it: {withheld}");
    }
    println!();
    let limits: Vec<Vec<String>> = granted
        .limits
        .iter()
        .map(|(name, value)| vec![name.clone(), value.clone()])
        .collect();
    output::table(&["LIMIT", ""], &limits);
}
