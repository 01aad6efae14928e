//! `cargo xtask golden`: the connectors of the contract that `wit/` says, built once and for ever, for `tests/golden`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use tombolo_tests::build::{root, target};
use tombolo_tests::languages::Tools;

use crate::shell::{cargo, run};

/// The file, the package and its artifact.
const CONNECTORS: [(&str, &str, &str); 6] = [
    ("csv", "tombolo-connector-csv", "connector_csv"),
    ("ldap", "tombolo-connector-ldap", "connector_ldap"),
    ("rest", "tombolo-connector-rest", "connector_rest"),
    ("sql", "tombolo-connector-sql", "connector_sql"),
    ("memory", "tombolo-test-memory", "test_memory"),
    ("everything", "tombolo-test-hostile", "test_hostile"),
];
/// Languages whose components are small enough to be kept for ever.
const LANGUAGES: [&str; 2] = ["c", "javascript"];

pub(crate) fn run_task() -> Result<()> {
    crate::test::ensure_wasm_target()?;
    let version = version()?;
    let folder = root().join("tests/golden").join(&version);
    ensure!(
        !folder.exists(),
        "tests/golden/{version} is there: what was released is never built again"
    );
    // Complete, or not there at all.
    let making = tempfile::tempdir_in(root().join("tests/golden"))?;
    rust(making.path())?;
    for language in LANGUAGES {
        staff(language, making.path())?;
    }
    fs::rename(making.keep(), &folder)?;
    for entry in fs::read_dir(&folder)? {
        let entry = entry?;
        let size = entry.metadata()?.len() / 1024;
        println!("{:<28} {size:>8} KiB", entry.file_name().display());
    }
    println!("now add tests/golden/{version} to the repository");
    Ok(())
}

/// As `wit/` says it.
fn version() -> Result<String> {
    let text = fs::read_to_string(root().join("wit/types.wit"))?;
    let version = text
        .split_once("package tombolo:connector@")
        .and_then(|(_, rest)| rest.split_once(';'));
    Ok(version
        .context("wit/types.wit names no version")?
        .0
        .to_owned())
}

fn rust(folder: &Path) -> Result<()> {
    let directory = target().join("golden");
    // What is kept for ever says nothing of the machine it was made on.
    let home = std::env::var_os("CARGO_HOME").map_or_else(
        || {
            let home = std::env::var_os("HOME").unwrap_or_default();
            Path::new(&home).join(".cargo")
        },
        Into::into,
    );
    let flags = format!(
        "--remap-path-prefix={}=/cargo --remap-path-prefix={}=/tombolo",
        home.display(),
        root().display()
    );
    let mut build = cargo();
    build
        .args([
            "build",
            "--target",
            "wasm32-wasip2",
            "--profile",
            "connector",
        ])
        .arg("--target-dir")
        .arg(&directory)
        .env("RUSTFLAGS", flags);
    for (_, package, _) in CONNECTORS {
        build.args(["--package", package]);
    }
    run(&mut build)?;
    for (name, _, artifact) in CONNECTORS {
        let built = directory.join(format!("wasm32-wasip2/connector/{artifact}.wasm"));
        copy(&built, &folder.join(format!("{name}.wasm")))?;
    }
    Ok(())
}

/// What an author gets by `connector new` and `connector build`.
fn staff(language: &str, folder: &Path) -> Result<()> {
    let tools = Tools::installed();
    let home = tempfile::tempdir()?;
    let project = home.path().join("staff");
    let at = project
        .to_str()
        .context("the directory's name is not UTF-8")?;
    for arguments in [
        &["connector", "new", "staff", "--lang", language, "--dir", at][..],
        &["connector", "build", at],
    ] {
        let output = tools.tombolo(arguments)?;
        ensure!(
            output.status.success(),
            "{}\n{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    copy(
        &project.join("staff.wasm"),
        &folder.join(format!("staff-{language}.wasm")),
    )
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    Ok(())
}
