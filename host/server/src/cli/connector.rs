//! `tombolo connector`: what files there are, what they are, want and cost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::{Value, json};
use tombolo_runtime::{
    Access, AppSpec, CompileWith, Component, Cost, Directory, HttpAuth, HttpTarget, LdapTarget,
    Limits, Options, Reach, Reuse, Runtime, SqlDriver, SqlTarget, SqliteFile, Target,
};

use super::Outcome;
use super::output::{self, Output};
use crate::config::Layout;
use crate::config::trust::{Signed, Trust, signature_path};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the connectors of a configuration directory.
    List {
        /// The configuration directory.
        dir: PathBuf,
    },
    /// Say what a connector is, what it can do, what it wants and what it costs, without giving it anything.
    Inspect {
        /// The `.wasm` file.
        file: PathBuf,
        /// A minisign public key, or `file:PATH` of one, that must have signed it; the signature is `FILE.minisig`.
        #[arg(long)]
        trusted_key: Option<String>,
    },
}

impl Command {
    pub(super) async fn run(self, output: Output) -> Outcome {
        match self {
            Self::List { dir } => list(&Layout::new(dir), output).await,
            Self::Inspect { file, trusted_key } => {
                inspect(&file, trusted_key.as_deref(), output).await
            }
        }
    }
}

async fn list(layout: &Layout, output: Output) -> Outcome {
    let (host, _) = layout.read_host();
    let runtime = super::serve::runtime(layout, &host)?;
    let apps: Vec<_> = layout
        .app_paths()?
        .iter()
        .filter_map(|path| layout.read_app(path).file)
        .collect();
    let trust = Trust::new(&host.connectors, layout.dir());
    let (mut documents, mut rows, mut ok) = (Vec::new(), Vec::new(), true);
    for path in layout.connector_paths()? {
        let name = stem(&path);
        let used: Vec<_> = apps
            .iter()
            .filter(|app| app.connector.value == name)
            .map(|app| app.name.clone())
            .collect();
        let (document, row) = match load(&runtime, &trust, &path).await {
            Ok((component, signed)) => {
                let manifest = component.manifest();
                let digest = component.digest().to_string();
                let row = vec![
                    name.clone(),
                    manifest.version.clone(),
                    output::short(&digest),
                    used.join(", "),
                    signed
                        .as_ref()
                        .map_or("-", |signed| &signed.comment)
                        .to_owned(),
                    manifest.description.clone(),
                ];
                (
                    json!({ "file": path, "name": name, "version": manifest.version, "sha256": digest, "apps": used, "signed": signed, "description": manifest.description }),
                    row,
                )
            }
            Err(why) => {
                ok = false;
                let why = format!("{why:#}");
                (
                    json!({ "file": path, "name": name, "apps": used, "error": why }),
                    vec![
                        name.clone(),
                        "-".to_owned(),
                        "-".to_owned(),
                        used.join(", "),
                        "-".to_owned(),
                        why,
                    ],
                )
            }
        };
        documents.push(document);
        rows.push(row);
    }
    match output {
        Output::Json => output::json(&documents)?,
        Output::Text => output::table(
            &["CONNECTOR", "VERSION", "REVISION", "APPS", "SIGNED", ""],
            &rows,
        ),
    }
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn inspect(file: &Path, trusted_key: Option<&str>, output: Output) -> Outcome {
    let trust = match trusted_key {
        Some(key) => Trust::in_key(key, Path::new("."))
            .map_err(|why| anyhow::anyhow!("`--trusted-key` {why}"))?,
        None => Trust::default(),
    };
    let compile_with =
        CompileWith::Child(std::env::current_exe().context("cannot find this executable")?);
    let runtime = Runtime::new(Options {
        cache: None,
        compile_with,
    })?;
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

fn stem(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Nothing of the file is parsed before its signature has been judged.
async fn load(
    runtime: &Runtime,
    trust: &Trust,
    path: &Path,
) -> anyhow::Result<(Arc<Component>, Option<Signed>)> {
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read `{shown}`"))?;
    let signature = std::fs::read_to_string(signature_path(path)).ok();
    let signed = trust
        .judge(&bytes, signature.as_deref())
        .map_err(|why| anyhow::anyhow!("`{shown}`: {why}\n  hint: {}", why.hint(&shown)))?;
    let component = runtime
        .load(&stem(path), bytes)
        .await
        .with_context(|| format!("`{shown}`"))?;
    Ok((component, signed))
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
