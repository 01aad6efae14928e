//! `tombolo app show`: one app as it is in the end, files, connector and grants taken together.

use std::process::ExitCode;

use anyhow::bail;
use serde_json::Value;

use super::Outcome;
use super::output::{self, Output};
use crate::config::Layout;
use crate::control::{self, Order};
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

/// What the running host knows of one object. The socket that is asked is the host's user's alone.
pub(super) async fn object(
    layout: &Layout,
    app: String,
    object: String,
    output: Output,
) -> Outcome {
    let mut found = Vec::new();
    let order = Order::Inspect {
        app: app.clone(),
        object: object.clone(),
    };
    let asked = control::ask(layout, order, |one| {
        found.push(one);
        Ok(())
    });
    Box::pin(asked).await?;
    if found.is_empty() {
        bail!(
            "nothing is known of `{object}` in app `{app}`\n  hint: give its SCIM id, the target's key of it, or its user name"
        );
    }
    match output {
        Output::Json => output::json(&found)?,
        Output::Text => found.iter().for_each(print_object),
    }
    Ok(ExitCode::SUCCESS)
}

fn print_object(object: &Value) {
    let word = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let mut rows = Vec::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        match value {
            Value::Object(parts) => {
                let parts = parts.iter().filter_map(|(part, value)| {
                    Some(vec![format!("{name}: {part}"), word(value)?])
                });
                rows.extend(parts);
            }
            Value::Array(items) if items.is_empty() => {}
            other => rows.extend(word(other).map(|text| vec![name.clone(), text])),
        }
    }
    output::table(&["WHAT", ""], &rows);
    println!();
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
    if app.budget.operations > 0 {
        row("error budget", app.budget.to_string());
    }
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
