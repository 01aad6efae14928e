//! `tombolo connector inspect`: what one file is, can do, wants and costs, without giving it anything.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tombolo_kit::badge::Badge;
use tombolo_runtime::{Access, Call, Component, Connector, Limits, Producer, Reuse, Runtime};

use super::given::Given;
use super::{load, runtime};
use crate::cli::Outcome;
use crate::cli::output::{self, Output};
use crate::config::trust::Trust;

pub(super) async fn inspect(
    file: &Path,
    trusted_key: Option<&str>,
    given: &Given,
    output: Output,
) -> Outcome {
    let trust = match trusted_key {
        Some(key) => Trust::in_key(key, Path::new("."))
            .map_err(|why| anyhow::anyhow!("`--trusted-key` {why}"))?,
        None => Trust::default(),
    };
    let runtime = runtime()?;
    let began = Instant::now();
    let (component, signed) = load(&runtime, &trust, file).await?;
    let cold = began.elapsed();
    let facts = Facts {
        cold,
        trial: trial(&runtime, &component, given.settings()?).await,
        badge: Badge::read(file),
    };
    match output {
        Output::Json => {
            let mut document = facts.document(&component);
            document["signed"] = json!(signed);
            output::json(&document)?;
        }
        Output::Text => {
            facts.show(&component);
            if let Some(signed) = signed {
                println!("\nsigned with the key {}: {}", signed.key, signed.comment);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is known beside the file itself.
struct Facts {
    /// Validating and compiling it, without a cache.
    cold: Duration,
    trial: Result<Trial, String>,
    badge: Option<Badge>,
}

/// What a trial without any grant has told.
struct Trial {
    connector: Connector,
    /// The most linear memory that `describe` took.
    memory: u64,
}

/// Binds the connector to nothing. `describe` is the only call that is made.
async fn trial(
    runtime: &Runtime,
    component: &std::sync::Arc<Component>,
    settings: Value,
) -> Result<Trial, String> {
    let connector = runtime
        .try_out(component, settings)
        .await
        .map_err(|why| why.to_string())?;
    let call = Call {
        request_id: "inspect".to_owned(),
        deadline: tokio::time::Instant::now() + Limits::default().wall,
    };
    connector
        .describe_now(&call)
        .await
        .map_err(|why| why.to_string())?;
    let memory = connector.stats().read().memory_peak;
    Ok(Trial { connector, memory })
}

fn abilities(component: &Component) -> Vec<&'static str> {
    let found = component.abilities();
    let all = [
        (true, "read"),
        (found.write, "write"),
        (found.members, "members"),
        (found.password, "password"),
        (found.delta, "delta"),
    ];
    all.into_iter()
        .filter(|(has, _)| *has)
        .map(|(_, name)| name)
        .collect()
}

fn access(access: Access) -> &'static str {
    match access {
        Access::ReadWrite => "read-write",
        Access::ReadOnly => "read-only",
    }
}

fn reuse(reuse: Reuse) -> &'static str {
    match reuse {
        Reuse::Auto => "auto",
        Reuse::Fresh => "fresh",
        Reuse::Warm => "warm",
    }
}

/// `Rust`, `rustc 1.95.0`, in the order of the file.
fn made_with(producers: &[Producer]) -> String {
    let words: Vec<String> = producers
        .iter()
        .map(|producer| {
            format!("{} {}", producer.name, producer.version)
                .trim()
                .to_owned()
        })
        .collect();
    words.join(", ")
}

/// The `[limits]` that an app of it should have: calls take more than `describe` does, and the default is 64 MiB.
fn suggested_limits(memory: u64) -> String {
    let default = Limits::default().memory as u64;
    if memory * 4 <= default {
        "the defaults are enough".to_owned()
    } else {
        let mebibytes = (memory * 4).next_power_of_two() >> 20;
        format!("[limits] memory = \"{mebibytes}MiB\"")
    }
}

impl Facts {
    /// The kit's verdict on this very build.
    fn kit(&self, component: &Component) -> String {
        match &self.badge {
            Some(badge) if badge.sha256 == component.digest().to_string() => badge.line(),
            Some(badge) => format!("not run on this build; on another one: {}", badge.line()),
            None => "not run; `tombolo connector test FILE` does".to_owned(),
        }
    }

    fn document(&self, component: &Component) -> Value {
        let (manifest, inspection) = (component.manifest(), component.inspect());
        let mut document = json!({
            "name": manifest.name,
            "version": manifest.version,
            "description": manifest.description,
            "contract": inspection.contract,
            "sha256": component.digest().to_string(),
            "size": inspection.size,
            "producers": inspection.producers,
            "abilities": abilities(component),
            "targets": manifest.targets.iter().map(|t| json!({ "name": t.name, "kind": t.kind, "required": t.required, "description": t.description })).collect::<Vec<_>>(),
            "directories": manifest.directories.iter().map(|d| json!({ "name": d.name, "access": access(d.access), "required": d.required, "description": d.description })).collect::<Vec<_>>(),
            "secrets": manifest.secrets.iter().map(|s| json!({ "name": s.name, "required": s.required, "description": s.description })).collect::<Vec<_>>(),
            "settings": manifest.settings,
            "grants": component.grant_lines(),
            "imports": inspection.imports,
            "exports": inspection.exports,
            "coldLoadMilliseconds": self.cold.as_secs_f64() * 1e3,
            "kit": self.badge.as_ref().filter(|badge| badge.sha256 == component.digest().to_string()),
        });
        match &self.trial {
            Ok(trial) => {
                let cost = trial.connector.cost();
                document["cost"] = json!({
                    "coldMicroseconds": (cost.instantiate + cost.call).as_secs_f64() * 1e6,
                    "warmMicroseconds": cost.call.as_secs_f64() * 1e6,
                    "reuse": reuse(cost.reuse),
                    "memoryBytes": trial.memory,
                });
                document["describes"] = trial.connector.description().clone();
            }
            Err(why) => document["cost"] = json!({ "unknown": why }),
        }
        document
    }

    fn show(&self, component: &Component) {
        let (manifest, inspection) = (component.manifest(), component.inspect());
        let line = |name: &str, value: &str| println!("{name:<12}{value}");
        line("name", &manifest.name);
        line("version", &manifest.version);
        if !manifest.description.is_empty() {
            line("", &manifest.description);
        }
        line("contract", &inspection.contract);
        line("sha256", &component.digest().to_string());
        line("size", &format!("{} bytes", inspection.size));
        if !inspection.producers.is_empty() {
            line("made with", &made_with(&inspection.producers));
        }
        line("abilities", &abilities(component).join(", "));
        line("cold load", &output::duration(self.cold));
        match &self.trial {
            Ok(trial) => {
                let cost = trial.connector.cost();
                line("cold call", &output::duration(cost.instantiate + cost.call));
                line("warm call", &output::duration(cost.call));
                line("instances", reuse(cost.reuse));
                line("memory", &format!("{} KiB", trial.memory >> 10));
                line("limits", &suggested_limits(trial.memory));
            }
            Err(why) => line(
                "cost",
                &format!("not measured: {}", why.lines().next().unwrap_or_default()),
            ),
        }
        line("kit", &self.kit(component));
        wants(component);
        println!("\nexports");
        for export in &inspection.exports {
            println!("  {export}");
        }
        println!("\nimports");
        for import in &inspection.imports {
            println!("  {import}");
        }
    }
}

/// What it wants of an app, and the lines that grant it.
fn wants(component: &Component) {
    let manifest = component.manifest();
    let need = |required: bool| if required { "required" } else { "optional" };
    let mut wants: Vec<Vec<String>> = Vec::new();
    let mut want = |what: String, name: &str, required: bool, description: &str| {
        wants.push(vec![
            what,
            name.to_owned(),
            need(required).to_owned(),
            description.to_owned(),
        ]);
    };
    for target in &manifest.targets {
        want(
            format!("target ({})", target.kind),
            &target.name,
            target.required,
            &target.description,
        );
    }
    for directory in &manifest.directories {
        want(
            format!("directory ({})", access(directory.access)),
            &directory.name,
            directory.required,
            &directory.description,
        );
    }
    for secret in &manifest.secrets {
        want(
            "secret".to_owned(),
            &secret.name,
            secret.required,
            &secret.description,
        );
    }
    let required: Vec<&str> = manifest
        .settings
        .as_ref()
        .and_then(|s| s["required"].as_array())
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, schema) in manifest
        .settings
        .as_ref()
        .and_then(|settings| settings["properties"].as_object())
        .into_iter()
        .flatten()
    {
        let kind = schema["type"].as_str().unwrap_or("any");
        let mut description = schema["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if let Some(default) = schema.get("default") {
            let with_default = format!("{description} (default {default})");
            description = with_default.trim().into();
        }
        want(
            format!("setting ({kind})"),
            name,
            required.contains(&name.as_str()),
            &description,
        );
    }
    if wants.is_empty() {
        println!("\nIt wants nothing.");
        return;
    }
    println!();
    output::table(&["WANTS", "NAME", "", ""], &wants);
    let lines = component.grant_lines();
    if !lines.is_empty() {
        println!("\nin the app's file");
        for line in lines.lines() {
            println!("  {line}");
        }
    }
}
