//! `tombolo init`: a directory that serves at once.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::Outcome;
use super::output::{self, Output};
use crate::config::{Layout, token};
use crate::{embedded, files};

const HOST: &str = include_str!("init/tombolo.toml");
const DEMO: &str = include_str!("init/demo.toml");
const IGNORE: &str = include_str!("init/gitignore");

pub(super) fn run(dir: &Path, listen: SocketAddr, output: Output) -> Outcome {
    if std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        bail!(
            "`{}` is not empty\n  hint: choose a directory that is empty or not there yet",
            dir.display()
        );
    }
    let layout = Layout::new(dir);
    for made in [
        layout.apps(),
        layout.connectors(),
        dir.join("data/demo"),
        dir.join("secrets"),
    ] {
        std::fs::create_dir_all(&made)
            .with_context(|| format!("cannot make `{}`", made.display()))?;
    }
    private(&dir.join("secrets"))?;
    write(
        &layout.host_file(),
        HOST.replace("127.0.0.1:8880", &listen.to_string())
            .as_bytes(),
    )?;
    write(&layout.connector_file("csv"), embedded::CSV)?;
    write(&dir.join(".gitignore"), IGNORE.as_bytes())?;
    let demo = layout.app_file("demo");
    write(&demo, DEMO.as_bytes())?;
    let new = token::create(&demo, "demo", Some("first"), None)?;
    let url = format!("http://{listen}/apps/demo/scim/v2");
    let token = new.text.expose_secret();
    match output {
        Output::Json => output::json(&json!({ "url": url, "token": token }))?,
        Output::Text => {
            println!("SCIM URL  {url}\ntoken     {token}\n");
            println!(
                "The token is shown this once. Start the host with: tombolo serve {}",
                dir.display()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    files::replace(path, bytes).with_context(|| format!("cannot write `{}`", path.display()))
}

/// For its owner only.
fn private(dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot protect `{}`", dir.display()))
}
