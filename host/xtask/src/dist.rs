//! What is shipped: `dist/tombolo` and `dist/connectors/*.wasm`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tombolo_tests::build::{connector, root, target};

use crate::shell::{cargo, run};

/// The connectors that are shipped.
const CONNECTORS: [&str; 5] = ["active-directory", "csv", "ldap", "rest", "sql"];

/// Builds everything; returns the host's binary. `TOMBOLO_BIN` names one that is there already.
pub(crate) fn build() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("TOMBOLO_BIN") {
        return Ok(given.into());
    }
    crate::test::ensure_wasm_target()?;
    eprintln!("building the connectors for wasm32-wasip2 …");
    let dist = root().join("dist");
    for name in CONNECTORS {
        let built = connector(name)?;
        copy(&built, &dist.join(format!("connectors/{name}.wasm")))?;
    }
    eprintln!("building the host …");
    run(cargo().args([
        "build",
        "--release",
        "--package",
        "tombolo",
        "--bin",
        "tombolo",
    ]))?;
    let binary = dist.join("tombolo");
    copy(&target().join("release/tombolo"), &binary)?;
    Ok(binary)
}

/// `cargo xtask dist`.
pub(crate) fn run_task() -> Result<()> {
    let binary = build()?;
    let mut files = vec![binary];
    files.extend(
        CONNECTORS
            .iter()
            .map(|name| root().join(format!("dist/connectors/{name}.wasm"))),
    );
    for file in files {
        let size = std::fs::metadata(&file)?.len();
        let shown = file.strip_prefix(root()).unwrap_or(&file);
        println!("{:<36} {:>8} KiB", shown.display(), size / 1024);
    }
    Ok(())
}

/// Replaces a file whole: it may be running.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("a file lies in a folder")?;
    std::fs::create_dir_all(folder)?;
    let temporary = folder.join(format!(
        ".{}.new",
        to.file_name().unwrap_or_default().to_string_lossy()
    ));
    std::fs::copy(from, &temporary).with_context(|| from.display().to_string())?;
    std::fs::rename(&temporary, to).with_context(|| to.display().to_string())?;
    Ok(())
}
