//! The temporary configuration directory of `run`: one connector, one app, one token.

use std::path::Path;

use anyhow::Context as _;
use tempfile::TempDir;
use tombolo_runtime::{Access, Component};
use toml_edit::{DocumentMut, Item, Table, value};

use crate::cli::connector::given::{Given, layout_of};
use crate::config::app::is_sane_name;
use crate::config::edit::New;
use crate::config::{Layout, token};
use crate::files;

const HOST: &str =
    "[server]\nlisten = \"127.0.0.1:0\"\n\n[store]\npath = \"state\"\n\n[log]\nformat = \"json\"\n";

/// The directory; gone when dropped.
pub(super) struct Home {
    dir: TempDir,
    /// Of the connector and of the app.
    pub(super) name: String,
    /// What the author calls the endpoint with.
    pub(super) token: New,
}

impl Home {
    pub(super) fn make(component: &Component, wasm: &Path, given: &Given) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("tombolo-run-").tempdir()?;
        let layout = Layout::new(dir.path());
        let name = component.name().to_owned();
        let name = if is_sane_name(&name) {
            name
        } else {
            "connector".to_owned()
        };
        for folder in [
            layout.apps(),
            layout.connectors(),
            dir.path().join("secrets"),
        ] {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(layout.host_file(), HOST)?;
        std::fs::copy(wasm, layout.connector_file(&name))
            .with_context(|| format!("cannot copy `{}`", wasm.display()))?;
        let app = match given.app() {
            Some(app) => borrowed(app, &name, dir.path())?,
            None => made_up(component, given, &name, dir.path())?,
        };
        let file = layout.app_file(&name);
        std::fs::write(&file, app.to_string())?;
        let token = token::create(&file, &name, Some("run"), None)?;
        Ok(Self { dir, name, token })
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Another build; false when it is the same.
    pub(super) fn replace(&self, wasm: &Path) -> anyhow::Result<bool> {
        let at = Layout::new(self.path()).connector_file(&self.name);
        let new =
            std::fs::read(wasm).with_context(|| format!("cannot read `{}`", wasm.display()))?;
        if std::fs::read(&at).is_ok_and(|old| old == new) {
            return Ok(false);
        }
        files::replace(&at, &new)?;
        Ok(true)
    }
}

/// The app's own file, on this connector. What it points at is found through links: paths are relative to the directory.
fn borrowed(app: &Path, name: &str, home: &Path) -> anyhow::Result<DocumentMut> {
    let app = std::path::absolute(app)?;
    let text = std::fs::read_to_string(&app)?;
    let mut document: DocumentMut = text.parse()?;
    document["connector"] = value(name);
    // It pins the file that the operator has, and this is another.
    document.remove("sha256");
    let layout = layout_of(&app)?;
    for entry in std::fs::read_dir(layout.dir())? {
        let entry = entry?;
        let at = home.join(entry.file_name());
        let ours = ["apps", "connectors", "tombolo.toml", "state"];
        if !ours.iter().any(|name| entry.file_name() == *name) && !at.exists() {
            std::os::unix::fs::symlink(entry.path(), at)?;
        }
    }
    let secrets = layout.dir().join("secrets");
    if let Ok(entries) = std::fs::read_dir(secrets) {
        for entry in entries {
            let entry = entry?;
            std::os::unix::fs::symlink(entry.path(), home.join("secrets").join(entry.file_name()))?;
        }
    }
    Ok(document)
}

/// An app that grants what the manifest wants, of what can be made up.
fn made_up(
    component: &Component,
    given: &Given,
    name: &str,
    home: &Path,
) -> anyhow::Result<DocumentMut> {
    let manifest = component.manifest();
    let mut document = DocumentMut::new();
    document["connector"] = value(name);
    let mut auth = Table::new();
    auth["tokens"] = value(toml_edit::Array::new());
    document["auth"] = Item::Table(auth);
    let settings = given.settings()?;
    let text = toml::to_string(&settings).context("the settings cannot be written as TOML")?;
    let settings: DocumentMut = text.parse()?;
    document["settings"] = Item::Table(settings.as_table().clone());
    let mut directories = Table::new();
    for wanted in &manifest.directories {
        let path = match given.directory(&wanted.name) {
            Some(path) => std::path::absolute(path)?,
            None => {
                let path = home.join("data").join(&wanted.name);
                std::fs::create_dir_all(&path)?;
                path
            }
        };
        let mut granted = toml_edit::InlineTable::new();
        granted.insert("path", path.display().to_string().into());
        let access = match wanted.access {
            Access::ReadWrite => "read-write",
            Access::ReadOnly => "read-only",
        };
        granted.insert("access", access.into());
        directories[&wanted.name] = value(granted);
    }
    document["directories"] = Item::Table(directories);
    let mut secrets = Table::new();
    for wanted in &manifest.secrets {
        std::fs::write(home.join("secrets").join(&wanted.name), "no-secret-at-all")?;
        secrets[&wanted.name] = value(format!("file:secrets/{}", wanted.name));
    }
    document["secrets"] = Item::Table(secrets);
    Ok(document)
}
