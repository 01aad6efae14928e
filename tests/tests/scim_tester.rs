//! A conformance suite that nobody here wrote: PyPI's `scim2-tester`, through
//! `scim2-cli`, in a virtual environment of its own under the target directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tombolo_tests::host::{Directory, Host, TOKEN};
use tombolo_tests::{apps, build};

/// Pinned, so that the suite changes when we choose.
const PACKAGES: [&str; 2] = ["scim2-cli==0.6.0", "scim2-tester==0.5.2"];

#[tokio::test(flavor = "multi_thread")]
async fn scim2_tester_passes_without_a_failure_against_csv_in_both_modes() -> Result<()> {
    let scim2 = suite()?;
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "entra", "")?;
    apps::csv(&directory, "strict", "[scim]\nmode = \"strict\"\n")?;
    let host = Host::start(&directory).await?;
    for app in ["entra", "strict"] {
        passes(&scim2, host.scim(app)?.base()).with_context(|| format!("{app} mode"))?;
    }
    Ok(())
}

fn passes(scim2: &Path, url: &str) -> Result<()> {
    let output = Command::new(scim2)
        .args(["--url", url, "test", "--verbose"])
        .env("SCIM_CLI_HEADERS", format!("Authorization: Bearer {TOKEN}"))
        .output()
        .context("cannot start scim2")?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    println!("{text}");
    let failures: Vec<&str> = text
        .lines()
        .filter(|l| l.starts_with("ERROR") || l.starts_with("FAIL") || l.starts_with("CRITICAL"))
        .collect();
    ensure!(
        failures.is_empty(),
        "{} failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
    ensure!(
        text.lines().filter(|l| l.starts_with("SUCCESS")).count() > 10,
        "the suite checked next to nothing"
    );
    ensure!(output.status.success(), "scim2 test: {}", output.status);
    Ok(())
}

/// The suite's program, installed if it is not there.
fn suite() -> Result<PathBuf> {
    let home = build::target().join("scim2-tester");
    let mark = home.join(PACKAGES.join(" ").replace(' ', "+"));
    let program = home.join("bin/scim2");
    if mark.exists() {
        return Ok(program);
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&home))
    .context("no virtual environment (Debian: apt-get install python3-venv)")?;
    run(Command::new(home.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check"])
        .args(PACKAGES))?;
    ensure!(
        Path::new(&program).exists(),
        "{} was not installed",
        program.display()
    );
    std::fs::write(mark, "")?;
    Ok(program)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
