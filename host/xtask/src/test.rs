//! Everything that can be checked, with one closing summary.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::TestOptions;
use crate::shell::{cargo, describe, has};

const WASM: &str = "wasm32-wasip2";
/// What an ordinary build leaves out, and is checked nevertheless.
const FEATURES: &str = "--features=tombolo/odbc";

/// One line of the summary.
struct Step {
    name: &'static str,
    took: Duration,
    passed: usize,
    failed: usize,
    skipped: usize,
    good: bool,
}

/// `cargo xtask test`.
pub(crate) fn run(options: &TestOptions) -> Result<ExitCode> {
    prerequisites()?;
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|o| o == name);
    let mut steps = Vec::new();
    if wanted("format") {
        steps.push(step("format", &mut command(&["fmt", "--all", "--check"]))?);
    }
    if wanted("lints") {
        let lints = [
            "clippy",
            "--workspace",
            "--all-targets",
            FEATURES,
            "--",
            "--deny",
            "warnings",
        ];
        steps.push(step("lints", &mut command(&lints))?);
    }
    if wanted("tests") {
        // One selection of packages for everything: another one would unify
        // features otherwise and compile the engine a second time.
        let mut tests = command(&["test", "--workspace", "--no-fail-fast", FEATURES]);
        tests.env(
            "TOMBOLO_BIN",
            tombolo_tests::build::target().join("debug/tombolo"),
        );
        steps.push(step("tests", &mut tests)?);
    }
    Ok(summary(&steps))
}

/// The target that connectors are built for, added if rustup is there to do it.
pub(crate) fn ensure_wasm_target() -> Result<()> {
    let installed = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .output();
    let Ok(installed) = installed else {
        // No rustup: the toolchain came another way and may have the target; if not, cargo says so.
        return Ok(());
    };
    if String::from_utf8_lossy(&installed.stdout)
        .lines()
        .any(|line| line == WASM)
    {
        return Ok(());
    }
    crate::shell::run(Command::new("rustup").args(["target", "add", WASM]))
        .context("connectors are built for wasm32-wasip2, and the target cannot be added")
}

fn prerequisites() -> Result<()> {
    ensure_wasm_target()?;
    let needed = [
        ("slapd", "slapd"),
        ("ldapsearch", "ldap-utils"),
        ("samba", "samba"),
        ("samba-tool", "samba-common-bin"),
        ("openssl", "openssl"),
        ("psql", "postgresql"),
        ("mariadbd", "mariadb-server"),
        ("sslscan", "sslscan"),
        ("docker-registry", "docker-registry"),
        ("fiu-run", "fiu-utils"),
        ("node", "nodejs"),
        ("npm", "npm"),
        ("python3", "python3 python3-venv"),
    ];
    let libraries = [
        ("libodbc.so", "unixodbc-dev"),
        ("odbc/psqlodbcw.so", "odbc-postgresql"),
        (
            "samba/ldb/samldb.so",
            "samba-dsdb-modules samba-ad-provision",
        ),
        ("samba/vfs/xattr_tdb.so", "samba-vfs-modules"),
    ];
    tombolo_tests::redmine::tree()?;
    tombolo_tests::openbao::program()?;
    let missing: Vec<(&str, &str)> = needed
        .into_iter()
        .filter(|(program, _)| !has(program))
        .chain(libraries.into_iter().filter(|(file, _)| !has_library(file)))
        .collect();
    if !missing.is_empty() {
        let programs: Vec<&str> = missing.iter().map(|(program, _)| *program).collect();
        let packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
        bail!(
            "the tests run against real servers, and {} is not installed.\n       Debian, Ubuntu: apt-get install {}",
            programs.join(", "),
            packages.join(" ")
        );
    }
    Ok(())
}

/// Is it in a folder of libraries, the architecture's own or the common one?
fn has_library(file: &str) -> bool {
    let folder = |path: &str| {
        std::fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    folder("/usr/lib")
        .chain(["/usr/lib".into(), "/usr/local/lib".into()])
        .any(|path| path.join(file).exists())
}

fn command(arguments: &[&str]) -> Command {
    let mut command = cargo();
    command.args(arguments);
    command
}

/// Runs one step, passes its output on, and adds up cargo's result lines.
fn step(name: &'static str, command: &mut Command) -> Result<Step> {
    println!("\n==== {name}: {}", describe(command));
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", describe(command)))?;
    let mut step = Step {
        name,
        took: Duration::ZERO,
        passed: 0,
        failed: 0,
        skipped: 0,
        good: false,
    };
    if let Some(out) = child.stdout.take() {
        for line in BufReader::new(out).lines() {
            let line = line?;
            println!("{line}");
            if let Some(counts) = line.strip_prefix("test result: ") {
                step.passed += count(counts, "passed");
                step.failed += count(counts, "failed");
                step.skipped += count(counts, "ignored");
            }
        }
    }
    step.good = child.wait()?.success();
    step.took = began.elapsed();
    if step.passed + step.failed + step.skipped == 0 {
        // A check without tests of its own counts as one.
        step.passed = usize::from(step.good);
        step.failed = usize::from(!step.good);
    } else if !step.good && step.failed == 0 {
        // A test program that ended without a result, or one that did not build.
        step.failed = 1;
    }
    Ok(step)
}

/// The number before a word in `ok. 3 passed; 0 failed; 1 ignored`.
fn count(line: &str, word: &str) -> usize {
    line.split([';', '.'])
        .filter_map(|part| part.trim().strip_suffix(word))
        .find_map(|number| number.trim().parse().ok())
        .unwrap_or(0)
}

fn summary(steps: &[Step]) -> ExitCode {
    println!("\n==== summary");
    let rows: Vec<Vec<String>> = steps
        .iter()
        .map(|s| {
            vec![
                s.name.to_owned(),
                if s.good { "ok" } else { "FAILED" }.to_owned(),
                s.passed.to_string(),
                s.failed.to_string(),
                s.skipped.to_string(),
                format!("{:.0} s", s.took.as_secs_f64()),
            ]
        })
        .collect();
    crate::table::print(
        &["step", "result", "passed", "failed", "skipped", "time"],
        &rows,
    );
    let sum = |field: fn(&Step) -> usize| steps.iter().map(field).sum::<usize>();
    println!(
        "\n{} passed, {} failed, {} skipped",
        sum(|s| s.passed),
        sum(|s| s.failed),
        sum(|s| s.skipped)
    );
    if steps.iter().all(|s| s.good) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_result_line_is_counted() {
        let line =
            "FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(
            (
                count(line, "passed"),
                count(line, "failed"),
                count(line, "ignored")
            ),
            (12, 3, 1)
        );
    }
}
