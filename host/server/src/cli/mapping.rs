//! `tombolo mapping`: what an app makes of a person, and mappings from and to other products.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use tombolo_mapping::bring::document::Schema;
use tombolo_mapping::bring::{Brought, entra, export, mim};
use tombolo_mapping::explain::{Explained, Told};
use tombolo_mapping::overrides::Constant;
use tombolo_mapping::{
    Environment, Kind, Mapping, ObjectValue, Readings, References, Scalar, Scope, Shape,
};
use tombolo_scim::resource::{Resource, read_with};
use uuid::Uuid;

use super::Outcome;
use super::output::{self, Output};
use crate::config::Layout;
use crate::registry::{Policy, Trial};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what an app makes of a person, flow by flow, and what it reads back. Touches no target.
    Try {
        /// The configuration directory.
        dir: PathBuf,
        /// The app.
        app: String,
        /// A SCIM resource, as a client would send it (JSON).
        #[arg(long, required_unless_present = "object")]
        person: Option<PathBuf>,
        /// An object of the target to read instead: `{ "ATTRIBUTE": "VALUE" }` (JSON).
        #[arg(long)]
        object: Option<PathBuf>,
        /// The connector's kind of object.
        #[arg(long, default_value = "user")]
        kind: String,
    },
    /// Bring over Entra's synchronization schema (JSON), or a MIM or ECMA2 management agent (XML), and print the tables for an app's file.
    Import {
        /// The file.
        file: PathBuf,
        /// The configuration directory of the app that the tables are for; with it their attributes are the connector's.
        #[arg(long, requires = "app")]
        dir: Option<PathBuf>,
        /// The app.
        #[arg(long, requires = "dir")]
        app: Option<String>,
        /// The kind of object in the file, such as `User` or `person`.
        #[arg(long)]
        object: Option<String>,
        /// The connector's kind that they become.
        #[arg(long, default_value = "user")]
        kind: String,
    },
    /// Print an app's mapping as Entra's synchronization schema.
    Export {
        /// The configuration directory.
        dir: PathBuf,
        /// The app.
        app: String,
    },
}

impl Command {
    pub(super) async fn run(self, output: Output) -> Outcome {
        match self {
            Self::Try {
                dir,
                app,
                person,
                object,
                kind,
            } => {
                let loaded = load(&dir, &app).await?;
                let mut mapping = loaded.mapping(&kind)?;
                match (object, person) {
                    (Some(object), _) => read_back(&mapping, &object, output),
                    (None, Some(person)) => {
                        let scope = loaded.scope(&mut mapping)?;
                        try_person(&mapping, scope.as_ref(), &person, output)
                    }
                    (None, None) => bail!("name a file: `--person` or `--object`"),
                }
            }
            Self::Import {
                file,
                dir,
                app,
                object,
                kind,
            } => {
                let known = match (dir, app) {
                    (Some(dir), Some(app)) => Some(load(&dir, &app).await?.kind(&kind)?),
                    _ => None,
                };
                import(&file, object.as_deref(), &kind, known.as_ref(), output)
            }
            Self::Export { dir, app } => {
                let loaded = load(&dir, &app).await?;
                let mut mappings = Vec::new();
                for kind in loaded.kinds() {
                    mappings.extend(loaded.shown(&kind)?);
                }
                let scopes = &loaded.0.file.policy.scope;
                let everybody = Scope::everybody();
                let pairs: Vec<(&Mapping, &Scope)> = mappings
                    .iter()
                    .map(|mapping| {
                        let scope = scopes.get(&mapping.resource_type().name);
                        (mapping, scope.unwrap_or(&everybody))
                    })
                    .collect();
                output::json(&export::export(&app, &pairs))?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// An app whose connector has been loaded.
struct Loaded(Trial);

async fn load(dir: &Path, app: &str) -> anyhow::Result<Loaded> {
    let layout = Layout::new(dir);
    let (host, _) = layout.read_host();
    let runtime = super::serve::runtime(&layout, &host)?;
    let policy = Policy::new(&layout, &host);
    let paths = layout.app_paths()?;
    let mut paths = paths.iter();
    let Some(path) = paths.find(|path| path.file_stem().is_some_and(|stem| stem == app)) else {
        bail!(
            "there is no app `{app}`\n  hint: `tombolo app list {}` lists the apps",
            layout.dir().display()
        );
    };
    let (_, report, trial) = super::app::attempt(&runtime, &layout, &policy, path).await;
    match trial {
        Some(trial) if !report.has_errors() => Ok(Loaded(trial)),
        _ => {
            output::report(&report);
            bail!("app `{app}` cannot be loaded as it is");
        }
    }
}

impl Loaded {
    fn kinds(&self) -> Vec<Kind> {
        let described = self.0.connector.description().get("kinds");
        let described = described.and_then(Value::as_array).into_iter().flatten();
        described
            .filter_map(|kind| serde_json::from_value(kind.clone()).ok())
            .collect()
    }

    fn kind(&self, name: &str) -> anyhow::Result<Kind> {
        let kinds = self.kinds();
        let names: Vec<String> = kinds
            .iter()
            .map(|kind| format!("`{}`", kind.kind))
            .collect();
        kinds
            .into_iter()
            .find(|kind| kind.kind == name)
            .with_context(|| {
                format!(
                    "the connector has no kind `{name}`; it has {}",
                    names.join(", ")
                )
            })
    }

    fn shown(&self, kind: &Kind) -> anyhow::Result<Option<Mapping>> {
        let file = &self.0.file;
        let overrides = file.mapping.get(&kind.kind).cloned().unwrap_or_default();
        Ok(file.shape().mapping(kind, &overrides)?)
    }

    /// The scope of the mapping's type, and where the attributes stand that it looks at.
    fn scope(&self, mapping: &mut Mapping) -> anyhow::Result<Option<(Scope, Readings)>> {
        let ty = &mapping.resource_type().name;
        let Some(scope) = self.0.file.policy.scope.get(ty).cloned() else {
            return Ok(None);
        };
        let readings = mapping
            .readings(scope.attributes())
            .map_err(|why| anyhow::anyhow!("`[[scope]]`: {why}"))?;
        Ok(Some((scope, readings)))
    }

    fn mapping(&self, name: &str) -> anyhow::Result<Mapping> {
        let kind = self.kind(name)?;
        let ecma = self.0.file.shape() == Shape::Ecma;
        self.shown(&kind)?.with_context(|| {
            let why = if ecma {
                ": an ECMA app shows users only"
            } else {
                ""
            };
            format!("the app does not show the kind `{name}`{why}")
        })
    }
}

/// The world as a trial sees it: every value is free, and chance is real.
struct Trying;

impl Environment for Trying {
    fn now(&self) -> Option<jiff::Timestamp> {
        Some(jiff::Timestamp::now())
    }
    fn random(&self, _: &str, _: u64) -> Option<u64> {
        let bytes = *Uuid::new_v4().as_bytes();
        bytes.last_chunk::<8>().copied().map(u64::from_le_bytes)
    }
    fn is_free(&self, _: &str, _: &str) -> Option<bool> {
        Some(true)
    }
}

fn try_person(
    mapping: &Mapping,
    scope: Option<&(Scope, Readings)>,
    file: &Path,
    output: Output,
) -> Outcome {
    let body = read(file)?;
    let ty = mapping.resource_type();
    let rules = tombolo_scim::Rules::ENTRA;
    let document = read_with(&rules, ty, body.as_bytes())
        .map_err(|error| anyhow::anyhow!("`{}`: {}", file.display(), error.detail))?;
    let verdict = scope.map(|(scope, readings)| {
        scope.includes(&|name| readings.value(ty, &document.resource, name))
    });
    let mut references = References::new();
    for reference in mapping.reference_ids(&document.resource) {
        let anchor = format!("(anchor of {})", reference.value);
        references.link(&reference.kind, &reference.value, &anchor);
    }
    let told = mapping.explain(&document.resource, &references, &Trying);
    let failed = told
        .iter()
        .any(|flow| matches!(flow.outcome, Told::Failed(_)));
    let (problem, back) = match mapping.to_new_object(&document.resource, &references, &Trying) {
        Err(error) => (Some(error.to_string()), None),
        Ok(object) => {
            let missing = mapping.require(&object).err();
            let mut resource = Resource::default();
            mapping.overlay(&mut resource, &object, &references);
            let back = Value::Object(resource.as_map().clone());
            (missing.map(|error| error.to_string()), Some(back))
        }
    };
    match output {
        Output::Json => output::json(&json!({
            "before": document.resource.as_map(),
            "ignored": document.ignored,
            "in-scope": verdict,
            "flows": told.iter().map(flow_json).collect::<Vec<_>>(),
            "problem": problem,
            "back": back,
        }))?,
        Output::Text => {
            println!("{}", pretty(document.resource.as_map())?);
            if !document.ignored.is_empty() {
                println!("\nnot in the app's schema: {}", document.ignored.join(", "));
            }
            match verdict {
                Some(true) => println!("\nin scope"),
                Some(false) => println!(
                    "\nOUT OF SCOPE: the app would not create it, or would disable it; what follows is what it would make of it"
                ),
                None => {}
            }
            println!();
            let rows: Vec<Vec<String>> = told.iter().map(flow_row).collect();
            output::table(&["ATTRIBUTE", "VALUE", "FROM"], &rows);
            if let Some(back) = &back {
                println!("\nread back from the target alone:\n{}", pretty(back)?);
            }
            if let Some(problem) = &problem {
                println!("\nrefused: {problem}");
            }
        }
    }
    Ok(if failed || problem.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn read_back(mapping: &Mapping, file: &Path, output: Output) -> Outcome {
    let body = read(file)?;
    let written: BTreeMap<String, Constant> = serde_json::from_str(&body)
        .with_context(|| format!("`{}` is no object of attributes", file.display()))?;
    let object = mapping
        .object_of(&written)
        .map_err(|why| anyhow::anyhow!("`{}`: {why}", file.display()))?;
    let mut references = References::new();
    for reference in mapping.reference_anchors(&object) {
        let id = format!("(id of {})", reference.value);
        references.link(&reference.kind, &id, &reference.value);
    }
    let mut resource = Resource::default();
    mapping.overlay(&mut resource, &object, &references);
    match output {
        Output::Json => output::json(&json!({ "object": object, "resource": resource.as_map() }))?,
        Output::Text => println!("{}", pretty(resource.as_map())?),
    }
    Ok(ExitCode::SUCCESS)
}

fn flow_row(flow: &Explained) -> Vec<String> {
    let values = |values: &[ObjectValue]| {
        let shown: Vec<String> = values
            .iter()
            .map(|value| shown(value).to_string())
            .collect();
        shown.join(", ")
    };
    let value = match &flow.outcome {
        Told::Values(_) | Told::Default(_) if flow.secret => "(not shown)".to_owned(),
        Told::Values(list) => values(list),
        Told::Default(list) => format!("{} (default)", values(list)),
        Told::Nothing => "-".to_owned(),
        Told::LeftAlone => "(left alone)".to_owned(),
        Told::ReadOnly => "(only read)".to_owned(),
        Told::Failed(error) => format!("FAILS: {error}"),
    };
    let once = if flow.once { " (when created)" } else { "" };
    vec![
        flow.attribute.clone(),
        value,
        format!("{}{once}", flow.from),
    ]
}

fn flow_json(flow: &Explained) -> Value {
    let list = |values: &[ObjectValue]| -> Value {
        if flow.secret {
            return Value::Null;
        }
        values.iter().map(shown).collect()
    };
    let (outcome, values, error) = match &flow.outcome {
        Told::Values(values) => ("values", list(values), None),
        Told::Default(values) => ("default", list(values), None),
        Told::Nothing => ("nothing", Value::Null, None),
        Told::LeftAlone => ("left-alone", Value::Null, None),
        Told::ReadOnly => ("only-read", Value::Null, None),
        Told::Failed(error) => ("failed", Value::Null, Some(error.to_string())),
    };
    json!({
        "attribute": flow.attribute, "from": flow.from, "once": flow.once, "secret": flow.secret,
        "outcome": outcome, "values": values, "error": error,
    })
}

/// A value as JSON has it; bytes by their number.
fn shown(value: &ObjectValue) -> Value {
    let scalar = |scalar: &Scalar| match scalar {
        Scalar::Text(text) | Scalar::Decimal(text) | Scalar::Instant(text) => json!(text),
        Scalar::Boolean(value) => json!(value),
        Scalar::Integer(number) => json!(number),
        Scalar::Bytes(bytes) => json!(format!("({} bytes)", bytes.len())),
    };
    match value {
        ObjectValue::Simple(simple) => scalar(simple),
        ObjectValue::Complex(parts) => parts
            .iter()
            .map(|(name, values)| (name.clone(), values.iter().map(scalar).collect::<Value>()))
            .collect(),
    }
}

fn import(
    file: &Path,
    object: Option<&str>,
    name: &str,
    kind: Option<&Kind>,
    output: Output,
) -> Outcome {
    let text = read(file)?;
    let wrong = |error| anyhow::anyhow!("`{}`: {error}", file.display());
    let brought = if text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('<')
    {
        let agent = mim::Agent::read(&text).map_err(wrong)?;
        let only = agent.objects().into_iter().next().unwrap_or_default();
        mim::bring(&agent, object.unwrap_or(&only), kind).map_err(wrong)?
    } else {
        let schema = Schema::read(&text).map_err(wrong)?;
        entra::bring(&schema, object.unwrap_or("User"), kind).map_err(wrong)?
    };
    // A mapping that the app would refuse is worth nothing.
    let refused = kind.and_then(|kind| Mapping::new(kind, &brought.overrides).err());
    match output {
        Output::Json => output::json(&json!({
            "mapping": { name: brought.overrides },
            "scope": brought.scope.table(),
            "notes": brought.notes.iter().map(|note| json!({
                "attribute": note.attribute, "fate": note.fate.as_str(), "text": note.text,
            })).collect::<Vec<_>>(),
            "refused": refused.as_ref().map(ToString::to_string),
        }))?,
        Output::Text => print_tables(name, &brought)?,
    }
    match refused {
        None => Ok(ExitCode::SUCCESS),
        Some(why) => {
            eprintln!("the app would refuse it:\n{why}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// What goes into an app's file, with what has to be looked at above it.
fn print_tables(name: &str, brought: &Brought) -> anyhow::Result<()> {
    for note in &brought.notes {
        println!("# {note}");
    }
    let mut document = toml::Table::new();
    let mut mapping = toml::Table::new();
    mapping.insert(name.to_owned(), toml::Value::try_from(&brought.overrides)?);
    document.insert("mapping".to_owned(), toml::Value::Table(mapping));
    println!("\n{}", toml::to_string(&document)?.trim_end());
    let scope = brought.scope.table();
    if !scope.0.is_empty() {
        println!("\n# Who is in scope there; scope is Entra's affair as long as Entra provisions:");
        let mut table = toml::Table::new();
        table.insert("scope".to_owned(), toml::Value::try_from(&scope)?);
        for line in toml::to_string(&table)?.lines() {
            println!("{}", format!("# {line}").trim_end());
        }
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))
}

fn pretty(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)?)
}
