//! `tombolo connector`: what files there are, what they are, want and cost.

mod given;
mod inspect;
mod list;
mod run;
mod test;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use tombolo_runtime::{CompileWith, Component, Options, Runtime};

use super::Outcome;
use super::output::Output;
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
        #[command(flatten)]
        given: given::Given,
    },
    /// Serve a connector on loopback while it is written: what is saved is built and taken over at once.
    Run(Box<run::Arguments>),
    /// Test a connector against the contract: everything that an author should know before an operator does.
    Test(Box<test::Arguments>),
}

impl Command {
    pub(super) async fn run(self, output: Output) -> Outcome {
        match self {
            Self::List { dir } => list::list(&Layout::new(dir), output).await,
            Self::Inspect {
                file,
                trusted_key,
                given,
            } => inspect::inspect(&file, trusted_key.as_deref(), &given, output).await,
            Self::Run(arguments) => Box::pin(run::run(*arguments)).await,
            Self::Test(arguments) => Box::pin(test::test(*arguments, output)).await,
        }
    }
}

/// A runtime for one look at one file: no cache, compiled in a child process as the host does.
fn runtime() -> anyhow::Result<Runtime> {
    let compile_with =
        CompileWith::Child(std::env::current_exe().context("cannot find this executable")?);
    Ok(Runtime::new(Options {
        compile_with,
        ..Options::default()
    })?)
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
