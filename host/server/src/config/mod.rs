//! The operator's files.
//!
//! | module | idea |
//! |---|---|
//! | [`diagnostic`] | what is wrong, where, what to do |
//! | `mask` | lines that can be shown although a secret was written into them |
//! | [`reader`] | walks TOML and collects everything that is wrong |
//! | `json` | TOML values as JSON |
//! | [`value`] | durations, sizes, dates |
//! | [`secret`] | `env:NAME`, `file:PATH` and `PROVIDER:KEY`; who has secrets |
//! | [`host`] | `tombolo.toml` |
//! | [`store`] | `[store]` in it |
//! | [`app`] | `apps/NAME.toml` |
//! | [`flow`] | `flows/NAME.toml` |
//! | [`sink`] | `[sink]` in it |
//! | [`auth`] | `[auth]` in it |
//! | [`issuer`] | the sections of it that are about somebody else's signature |
//! | [`target`] | `[targets.NAME]` in it |
//! | [`ecma`] | `[ecma]` in it |
//! | [`material`] | what an app's file points at: connector, secrets, certificates, directories |
//! | [`origin`] | where a connector comes from: a file, or a registry |
//! | [`trust`] | whose connectors are let in |
//! | `policy` | what is wanted of disables and deletes |
//! | [`upgrade`] | how a new revision is taken over |
//! | [`edit`] | changing a list of credentials in an app's file, and nothing else of it |
//! | [`token`] | making and revoking tokens in an app's file |
//! | [`client`] | the same for OAuth clients and their secrets |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub mod app;
pub mod auth;
pub mod client;
pub mod diagnostic;
pub mod ecma;
pub mod edit;
pub mod flow;
pub mod host;
mod import;
pub mod issuer;
mod json;
mod mask;
pub mod material;
pub mod origin;
mod policy;
pub mod reader;
pub mod secret;
pub mod sink;
pub mod store;
pub mod target;
pub mod token;
pub mod trust;
pub mod upgrade;
pub mod value;

pub use app::AppFile;
pub use diagnostic::{Diagnostic, Place, Report, Severity, Source};
pub use host::HostFile;
pub use material::Material;

/// A configuration directory and the names of what is in it.
#[derive(Clone, Debug)]
pub struct Layout {
    dir: PathBuf,
}

/// A flow's text, or why it cannot be read.
pub type FlowText = Result<String, String>;

/// One file of `flows/`, read.
#[derive(Debug)]
pub struct FoundFlow {
    /// Its text.
    pub source: Arc<Source>,
    /// What it says, when it can be made out.
    pub file: Option<flow::FlowFile>,
    /// What is wrong with it.
    pub report: Report,
}

/// One file of `apps/`, read.
#[derive(Debug)]
pub struct FoundApp {
    /// Its name, from the file's name.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it says, when it can be made out.
    pub file: Option<AppFile>,
    /// What is wrong with it.
    pub report: Report,
}

impl Layout {
    /// The directory need not be there yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The directory itself; every relative path in the files starts here.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `tombolo.toml`.
    pub fn host_file(&self) -> PathBuf {
        self.dir.join("tombolo.toml")
    }

    /// `apps/`.
    pub fn apps(&self) -> PathBuf {
        self.dir.join("apps")
    }

    /// `apps/NAME.toml`.
    pub fn app_file(&self, name: &str) -> PathBuf {
        self.apps().join(format!("{name}.toml"))
    }

    /// `flows/`.
    pub fn flows(&self) -> PathBuf {
        self.dir.join("flows")
    }

    /// The texts of `flows/*.toml`, by name, or why one cannot be read: a file that is there and unreadable is not one
    /// that was taken away.
    pub fn flow_texts(&self) -> std::io::Result<BTreeMap<String, FlowText>> {
        let paths = files_with(&self.flows(), "toml")?;
        let texts = paths.into_iter().filter_map(|path| {
            let name = path.file_stem()?.to_string_lossy().into_owned();
            match std::fs::read_to_string(&path) {
                // Taken away since the folder was listed.
                Err(why) if why.kind() == std::io::ErrorKind::NotFound => None,
                text => Some((name, text.map_err(|why| why.to_string()))),
            }
        });
        Ok(texts.collect())
    }

    /// Reads one flow's file.
    pub fn read_flow(&self, name: &str, text: &FlowText) -> FoundFlow {
        let path = self.flows().join(format!("{name}.toml"));
        let source = Source::new(&self.dir, &path, text.clone().unwrap_or_default());
        let (file, found) = match text {
            Ok(_) => flow::FlowFile::read(name, &source),
            Err(why) => {
                let unreadable = Diagnostic::file(
                    format!("flows/{name}.toml"),
                    format!("cannot be read: {why}"),
                );
                (None, vec![unreadable])
            }
        };
        FoundFlow {
            source,
            file,
            report: Report(found),
        }
    }

    /// `connectors/`.
    pub fn connectors(&self) -> PathBuf {
        self.dir.join("connectors")
    }

    /// `connectors/NAME.wasm`.
    pub fn connector_file(&self, name: &str) -> PathBuf {
        self.connectors().join(format!("{name}.wasm"))
    }

    /// `connectors/NAME.wasm.minisig`.
    pub fn signature_file(&self, name: &str) -> PathBuf {
        self.connectors().join(format!("{name}.wasm.minisig"))
    }

    /// Reads `tombolo.toml`. Defaults come back beside the errors, so that the apps can be checked too.
    pub fn read_host(&self) -> (HostFile, Report) {
        self.read_host_from(&self.host_file())
    }

    /// The same, from a copy of it.
    pub fn read_host_from(&self, path: &Path) -> (HostFile, Report) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(why) => {
                let shown = path.strip_prefix(&self.dir).unwrap_or(path);
                let found =
                    Diagnostic::file(shown, format!("cannot be read: {why}")).hint(format!(
                        "`tombolo init {}` writes a working configuration",
                        self.dir.display()
                    ));
                return (HostFile::default(), Report(vec![found]));
            }
        };
        let source = Source::new(&self.dir, path, text);
        let (host, mut found) = HostFile::read(&source);
        let host = host.unwrap_or_default();
        found.extend(trust::check(&host.connectors, &self.dir, &source));
        found.extend(secret::check(&host.secret_providers, &self.dir, &source));
        if let Some(database) = &host.database {
            found.extend(store::check(database, &self.dir, &source));
        }
        if let Some(tls) = &host.tls {
            let files = [("certificate", &tls.certificate), ("key", &tls.key)];
            let authorities = tls.client_ca.iter().map(|file| ("client-ca", file));
            for (key, file) in files.into_iter().chain(authorities) {
                if let Err(why) = std::fs::File::open(self.dir.join(file)) {
                    let at = source.text.find(&file.display().to_string()).unwrap_or(0);
                    let span = at..at + file.as_os_str().len();
                    let message = format!("cannot read the {key} `{}`: {why}", file.display());
                    found.push(
                        Diagnostic::error(&source, span, message)
                            .hint("put the PEM file there, readable by tombolo"),
                    );
                }
            }
        }
        (host, Report(found))
    }

    /// The paths of `apps/*.toml`, sorted. Hidden files and editors' leavings are not apps.
    pub fn app_paths(&self) -> std::io::Result<Vec<PathBuf>> {
        files_with(&self.apps(), "toml")
    }

    /// The paths of `connectors/*.wasm`, sorted.
    pub fn connector_paths(&self) -> std::io::Result<Vec<PathBuf>> {
        files_with(&self.connectors(), "wasm")
    }

    /// Reads one app's file.
    pub fn read_app(&self, path: &Path) -> FoundApp {
        let name = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        let (file, report) = match std::fs::read_to_string(path) {
            Ok(text) => {
                let source = Source::new(&self.dir, path, text);
                let (file, found) = AppFile::read(&name, &source);
                (file, Report(found))
            }
            Err(why) => {
                let shown = path.strip_prefix(&self.dir).unwrap_or(path);
                (
                    None,
                    Report(vec![Diagnostic::file(
                        shown,
                        format!("cannot be read: {why}"),
                    )]),
                )
            }
        };
        FoundApp {
            name,
            path: path.to_owned(),
            file,
            report,
        }
    }
}

fn files_with(dir: &Path, extension: &str) -> std::io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(why),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_none_or(|name| name.to_string_lossy().starts_with(['.', '#']));
        if !hidden && path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
