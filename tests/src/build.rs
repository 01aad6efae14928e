//! Where the binary and the connectors are. Each is built at most once a
//! process; cargo's own lock keeps test processes apart.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

/// The workspace's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the workspace")
}

/// The workspace's target directory.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The host's binary: `TOMBOLO_BIN`, or a debug build made now.
pub fn tombolo() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            if let Some(given) = std::env::var_os("TOMBOLO_BIN") {
                return PathBuf::from(given);
            }
            cargo(&["build", "--package", "tombolo", "--bin", "tombolo"])
                .expect("the host must build");
            target().join("debug/tombolo")
        })
        .clone()
}

/// A shipped connector (`active-directory`, `csv`, `ldap`, `rest`, `sql`) as a component.
pub fn connector(name: &str) -> Result<PathBuf> {
    component(
        &format!("tombolo-connector-{name}"),
        &format!("connector_{}", name.replace('-', "_")),
    )
}

/// The test guest (see `tests/guest`) as a component.
pub fn guest() -> Result<PathBuf> {
    component("tombolo-test-guest", "test_guest")
}

/// The connector without a target (see `tests/memory`) as a component.
pub fn memory() -> Result<PathBuf> {
    component("tombolo-test-memory", "test_memory")
}

/// The connector that is wrong as its settings say (see `tests/broken`) as a component.
pub fn broken() -> Result<PathBuf> {
    component("tombolo-test-broken", "test_broken")
}

/// Builds one package for `wasm32-wasip2` with the profile `connector` and
/// returns the component's path.
pub fn component(package: &str, artifact: &str) -> Result<PathBuf> {
    // The directory that the server's build script uses, so that nothing is
    // compiled twice.
    let directory = target().join("connectors");
    cargo(&[
        "build",
        "--package",
        package,
        "--target",
        "wasm32-wasip2",
        "--profile",
        "connector",
        "--target-dir",
        directory
            .to_str()
            .context("the target directory's name is not UTF-8")?,
    ])?;
    let path = directory.join(format!("wasm32-wasip2/connector/{artifact}.wasm"));
    ensure!(path.exists(), "{} was not built", path.display());
    Ok(path)
}

fn cargo(arguments: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .arg("--quiet")
        .args(arguments)
        .current_dir(root())
        .output()
        .with_context(|| format!("cannot start cargo {}", arguments.join(" ")))?;
    ensure!(
        output.status.success(),
        "cargo {} failed:\n{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
