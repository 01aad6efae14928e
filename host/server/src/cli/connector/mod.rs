//! `tombolo connector`: what files there are, what they are, want and cost.

mod build;
mod inspect;
mod list;
mod new;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use tombolo_runtime::{CompileWith, Component, Options, Runtime};

use super::Outcome;
use super::output::Output;
use crate::config::Layout;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a project in one of five languages that builds as it is.
    New(new::Arguments),
    /// Build a project's component, by its language's own tools.
    Build {
        /// The project: the directory with `connector.toml`.
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// List the connectors of a configuration directory.
    List {
        /// The configuration directory.
        dir: PathBuf,
    },
    /// Say what a connector is, what it can do, what it wants and what it costs, without giving it anything.
    Inspect {
        /// The `.wasm` file.
        file: PathBuf,
    },
}

impl Command {
    pub(super) async fn run(self, output: Output) -> Outcome {
        match self {
            Self::New(arguments) => new::new(arguments, output),
            Self::Build { dir } => build::build(&dir, output),
            Self::List { dir } => list::list(&Layout::new(dir), output).await,
            Self::Inspect { file } => inspect::inspect(&file, output).await,
        }
    }
}

/// A runtime for one look at one file: no cache, compiled in a child process as the host does.
fn runtime() -> anyhow::Result<Runtime> {
    let compile_with =
        CompileWith::Child(std::env::current_exe().context("cannot find this executable")?);
    Ok(Runtime::new(Options {
        cache: None,
        compile_with,
    })?)
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

async fn load(runtime: &Runtime, path: &Path) -> anyhow::Result<Arc<Component>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    runtime
        .load(&stem(path), bytes)
        .await
        .with_context(|| format!("`{}`", path.display()))
}
