//! What a connector is given by `test` and `inspect`: what an app's file grants, or directories that are made for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};
use tempfile::TempDir;
use tombolo_runtime::{AppSpec, Component, Directory, Limits, Reuse, Room};

use crate::cli::output;
use crate::config::{AppFile, Layout, Report};
use crate::registry;

/// How a connector is given what it wants.
#[derive(Debug, Args)]
pub(in crate::cli) struct Given {
    /// An app's file, `DIR/apps/NAME.toml`: its settings, targets, secrets, directories and limits count.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["settings", "directories"])]
    app: Option<PathBuf>,
    /// The connector's settings, a TOML or JSON file.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// A directory for it, instead of an empty one. May be repeated.
    #[arg(long = "directory", value_name = "NAME=PATH", value_parser = named_path)]
    directories: Vec<(String, PathBuf)>,
}

fn named_path(text: &str) -> Result<(String, PathBuf), String> {
    let (name, path) = text
        .split_once('=')
        .ok_or_else(|| "say it as NAME=PATH".to_owned())?;
    Ok((name.to_owned(), path.into()))
}

/// What it was given; the directories that were made for it go with it.
pub(super) struct Granted {
    pub(super) spec: AppSpec,
    _made: TempDir,
}

impl Given {
    /// Puts it together.
    pub(super) async fn grant(&self, component: &Component) -> anyhow::Result<Granted> {
        let made = tempfile::Builder::new().prefix("tombolo-kit-").tempdir()?;
        let spec = match &self.app {
            Some(app) => from_app(app).await?,
            None => self.made_up(component, made.path())?,
        };
        Ok(Granted { spec, _made: made })
    }

    /// The app's file, if there is one.
    pub(super) fn app(&self) -> Option<&Path> {
        self.app.as_deref()
    }

    /// The directory that was given by this name.
    pub(super) fn directory(&self, name: &str) -> Option<&Path> {
        let given = self.directories.iter().find(|(given, _)| given == name);
        given.map(|(_, path)| path.as_path())
    }

    /// The settings, of the app or of their own file.
    pub(super) fn settings(&self) -> anyhow::Result<Value> {
        if let Some(app) = &self.app {
            return Ok(app_file(app)?.1.settings);
        }
        self.settings
            .as_deref()
            .map_or_else(|| Ok(json!({})), read_settings)
    }

    fn made_up(&self, component: &Component, made: &Path) -> anyhow::Result<AppSpec> {
        let manifest = component.manifest();
        let mut directories = Vec::new();
        for wanted in &manifest.directories {
            let given = self.directory(&wanted.name);
            let host = match given {
                Some(path) => path
                    .canonicalize()
                    .with_context(|| format!("directory `{}`", path.display()))?,
                None => {
                    let path = made.join(&wanted.name);
                    std::fs::create_dir_all(&path)?;
                    path
                }
            };
            directories.push(Directory {
                name: wanted.name.clone(),
                host,
                writable: true,
                room: Room::default(),
            });
        }
        Ok(AppSpec {
            app: "kit".to_owned(),
            settings: self.settings()?,
            targets: BTreeMap::new(),
            secrets: manifest
                .secrets
                .iter()
                .map(|secret| (secret.name.clone(), "no-secret-at-all".to_owned().into()))
                .collect(),
            directories,
            state: Arc::new(tombolo_runtime::state::Memory::default()),
            limits: Limits::default(),
            reuse: Reuse::Auto,
        })
    }
}

/// What `DIR/apps/NAME.toml` grants.
async fn from_app(path: &Path) -> anyhow::Result<AppSpec> {
    let (layout, file) = app_file(path)?;
    let mut report = Report::default();
    let spec = registry::grants(&layout, &file, &mut report).await;
    usable(path, spec, &report)
}

/// What `DIR/apps/NAME.toml` says, with nothing fetched that it points at.
fn app_file(path: &Path) -> anyhow::Result<(Layout, AppFile)> {
    let path = std::path::absolute(path)?;
    let layout = layout_of(&path)?;
    let found = layout.read_app(&path);
    let file = found.file.filter(|_| !found.report.has_errors());
    Ok((layout, usable(&path, file, &found.report)?))
}

fn usable<T>(path: &Path, made: Option<T>, report: &Report) -> anyhow::Result<T> {
    if !report.0.is_empty() {
        output::report(report);
    }
    made.with_context(|| format!("`{}` cannot be used: {}", path.display(), report.summary()))
}

/// The configuration directory that an app's file is in.
pub(super) fn layout_of(app: &Path) -> anyhow::Result<Layout> {
    let apps = app.parent().filter(|apps| apps.ends_with("apps"));
    let Some(dir) = apps.and_then(Path::parent) else {
        bail!(
            "`{}` is in no directory `apps`\n  hint: give the file of an app where the host would look for it, such as `conf/apps/hr.toml`",
            app.display()
        );
    };
    Ok(Layout::new(dir))
}

fn read_settings(path: &Path) -> anyhow::Result<Value> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{shown}`"))?;
    if path.extension().is_some_and(|ending| ending == "json") {
        return serde_json::from_str(&text).with_context(|| format!("`{shown}` is not JSON"));
    }
    let table: toml::Table =
        toml::from_str(&text).with_context(|| format!("`{shown}` is not TOML"))?;
    // An app's file may be given whole.
    let settings = match table.get("settings") {
        Some(toml::Value::Table(settings)) if table.contains_key("connector") => settings.clone(),
        _ => table,
    };
    Ok(serde_json::to_value(settings)?)
}
