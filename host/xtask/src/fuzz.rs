//! The parsers against inputs that nobody thought of: `cargo fuzz` over every target in `host/scim/fuzz` and
//! `host/mapping/fuzz`.
//!
//! The committed corpus is only read; what a run finds goes below `target/`.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use tombolo_tests::build::{root, target};

use crate::FuzzOptions;
use crate::shell::{cargo, describe};

/// The targets, and the crates whose `fuzz/Cargo.toml` has them.
const TARGETS: [(&str, &str); 7] = [
    ("filter", "scim"),
    ("path", "scim"),
    ("patch", "scim"),
    ("bulk", "scim"),
    ("body", "scim"),
    ("expression", "mapping"),
    ("agent", "mapping"),
];
/// No input of a request's size may take longer, in seconds: the parsers are linear.
const SLOWEST: u64 = 10;
/// The largest input that is tried.
const LARGEST: u64 = 64 << 10;

/// `cargo xtask fuzz`.
pub(crate) fn run(options: &FuzzOptions) -> Result<ExitCode> {
    prerequisites()?;
    let names = TARGETS.map(|(name, _)| name);
    for name in &options.targets {
        ensure!(
            names.contains(&name.as_str()),
            "there is no fuzz target `{name}`; there are {}",
            names.join(", ")
        );
    }
    let mut found = Vec::new();
    for (name, room) in TARGETS {
        if !options.targets.is_empty() && !options.targets.iter().any(|wanted| wanted == name) {
            continue;
        }
        println!("\n==== fuzz: {name}, {} s", options.seconds);
        if !fuzz(name, room, options.seconds)? {
            found.push(name);
        }
    }
    if found.is_empty() {
        println!("\nno finding");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "\nfindings in {}: the inputs lie below fuzz/artifacts of their crate; repeat one with `cargo +nightly fuzz run TARGET FILE`",
        found.join(", ")
    );
    Ok(ExitCode::FAILURE)
}

fn prerequisites() -> Result<()> {
    let is_there = |command: &mut Command| command.output().is_ok_and(|out| out.status.success());
    if !is_there(Command::new("cargo").args(["+nightly", "--version"])) {
        bail!(
            "fuzzing needs a nightly toolchain: rustup toolchain install nightly --profile minimal"
        );
    }
    if !is_there(cargo().args(["fuzz", "--version"])) {
        bail!("fuzzing needs cargo-fuzz: cargo install cargo-fuzz --locked");
    }
    Ok(())
}

/// Whether the target ran without a finding.
fn fuzz(name: &str, room: &str, seconds: u64) -> Result<bool> {
    let home = root().join("host").join(room).join("fuzz");
    let found = target().join("fuzz").join(name);
    std::fs::create_dir_all(&found).with_context(|| found.display().to_string())?;
    let mut command = Command::new("cargo");
    command
        .current_dir(&home)
        // Another cargo's toolchain and flags are not this one's.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .args(["+nightly", "fuzz", "run", name])
        .arg(&found)
        .arg(home.join("corpus").join(name))
        .args(["--", "-verbosity=0", "-print_final_stats=1"])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={SLOWEST}"))
        .arg(format!("-max_len={LARGEST}"));
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", describe(&command)))?;
    Ok(status.success())
}
