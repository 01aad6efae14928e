//! `tombolo connector inspect`: what one file is, can do, wants and costs, without giving it anything.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tombolo_runtime::{
    Access, AppSpec, Component, Cost, Directory, HttpAuth, HttpTarget, LdapTarget, Limits, Reach,
    Reuse, Runtime, SqlDriver, SqlTarget, SqliteFile, Target,
};

use super::{load, runtime};
use crate::cli::Outcome;
use crate::cli::output::{self, Output};
use crate::config::trust::Trust;

pub(super) async fn inspect(file: &Path, trusted_key: Option<&str>, output: Output) -> Outcome {
    let trust = match trusted_key {
        Some(key) => Trust::in_key(key, Path::new("."))
            .map_err(|why| anyhow::anyhow!("`--trusted-key` {why}"))?,
        None => Trust::default(),
    };
    let runtime = runtime()?;
    let (component, signed) = load(&runtime, &trust, file).await?;
    let cost = cost(&runtime, &component).await;
    match output {
        Output::Json => {
            let mut document = document(&component, &cost);
            document["signed"] = json!(signed);
            output::json(&document)?;
        }
        Output::Text => {
            show(&component, &cost);
            if let Some(signed) = signed {
                println!("\nsigned with the key {}: {}", signed.key, signed.comment);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A target where nobody listens.
fn nowhere(kind: &str, empty: &Path) -> Option<Target> {
    let second = Duration::from_secs(1);
    Some(match kind {
        "ldap" => Target::Ldap(LdapTarget {
            url: "ldaps://127.0.0.1:1".to_owned(),
            start_tls: false,
            ca: None,
            bind_dn: String::new(),
            password: String::new().into(),
            pool_size: 1,
            connect_timeout: second,
            operation_timeout: second,
        }),
        "http" => Target::Http(HttpTarget {
            url: "https://127.0.0.1:1".to_owned(),
            ca: None,
            pins: Vec::new(),
            identity: None,
            auth: HttpAuth::None,
            methods: None,
            reach: Reach::Private,
            connect_timeout: second,
            timeout: second,
            concurrency: 1,
            rate: None,
        }),
        // Never opened: `describe` reaches no target.
        "sql" => Target::Sql(SqlTarget {
            driver: SqlDriver::Sqlite(SqliteFile {
                path: empty.join("none"),
                create: false,
            }),
            pool_size: 1,
            connect_timeout: second,
            statement_timeout: second,
            max_rows: 1,
            read_only: true,
        }),
        _ => return None,
    })
}

/// Binds the connector to nothing that is real: an empty directory, a target where nobody listens. `describe` is the
/// only call that is made.
async fn cost(runtime: &Runtime, component: &Arc<Component>) -> Result<(Cost, Value), String> {
    let empty = tempfile::tempdir().map_err(|why| why.to_string())?;
    let manifest = component.manifest();
    let spec = AppSpec {
        app: "inspect".to_owned(),
        settings: json!({}),
        targets: manifest
            .targets
            .iter()
            .filter_map(|t| Some((t.name.clone(), nowhere(&t.kind, empty.path())?)))
            .collect(),
        secrets: manifest
            .secrets
            .iter()
            .map(|secret| (secret.name.clone(), "inspect".to_owned().into()))
            .collect::<BTreeMap<_, _>>(),
        directories: manifest
            .directories
            .iter()
            .map(|wanted| Directory {
                name: wanted.name.clone(),
                host: empty.path().to_owned(),
                writable: true,
            })
            .collect(),
        state: Arc::new(tombolo_runtime::state::Memory::default()),
        limits: Limits::default(),
        reuse: Reuse::Auto,
    };
    let connector = runtime
        .bind(component, spec)
        .await
        .map_err(|why| why.to_string())?;
    Ok((connector.cost(), connector.description().clone()))
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

fn document(component: &Component, cost: &Result<(Cost, Value), String>) -> Value {
    let (manifest, inspection) = (component.manifest(), component.inspect());
    let mut document = json!({
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "contract": inspection.contract,
        "sha256": component.digest().to_string(),
        "size": inspection.size,
        "abilities": abilities(component),
        "targets": manifest.targets.iter().map(|t| json!({ "name": t.name, "kind": t.kind, "required": t.required, "description": t.description })).collect::<Vec<_>>(),
        "directories": manifest.directories.iter().map(|d| json!({ "name": d.name, "access": access(d.access), "required": d.required, "description": d.description })).collect::<Vec<_>>(),
        "secrets": manifest.secrets.iter().map(|s| json!({ "name": s.name, "required": s.required, "description": s.description })).collect::<Vec<_>>(),
        "settings": manifest.settings,
        "imports": inspection.imports,
        "exports": inspection.exports,
    });
    match cost {
        Ok((cost, description)) => {
            document["cost"] = json!({
                "coldMicroseconds": (cost.instantiate + cost.call).as_secs_f64() * 1e6,
                "warmMicroseconds": cost.call.as_secs_f64() * 1e6,
                "reuse": reuse(cost.reuse),
            });
            document["describes"] = description.clone();
        }
        Err(why) => document["cost"] = json!({ "unknown": why }),
    }
    document
}

fn show(component: &Component, cost: &Result<(Cost, Value), String>) {
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
    line("abilities", &abilities(component).join(", "));
    match cost {
        Ok((cost, _)) => {
            line("cold call", &output::duration(cost.instantiate + cost.call));
            line("warm call", &output::duration(cost.call));
            line("instances", reuse(cost.reuse));
        }
        Err(why) => line(
            "cost",
            &format!("not measured: {}", why.lines().next().unwrap_or_default()),
        ),
    }
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
    } else {
        println!();
        output::table(&["WANTS", "NAME", "", ""], &wants);
    }
    println!("\nimports");
    for import in &inspection.imports {
        println!("  {import}");
    }
}
