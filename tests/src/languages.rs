//! The tools of the languages that connectors are written in, from their package registries, in a place of their own
//! under the target directory: what an author installs by the lines that `tombolo connector build` prints.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

use crate::build;

/// The tools, installed.
pub struct Tools(PathBuf);

impl Tools {
    /// Installs what the templates say, if it is not there.
    pub fn installed() -> &'static Self {
        static TOOLS: OnceLock<Tools> = OnceLock::new();
        TOOLS.get_or_init(|| Self::install().expect("the languages' tools must be there"))
    }

    fn install() -> Result<Self> {
        let home = build::target().join("languages");
        let templates = build::root().join("host/author/templates");
        let mut wanted = String::new();
        for language in ["python", "c", "go"] {
            wanted += &std::fs::read_to_string(templates.join(language).join("requirements.txt"))?;
        }
        let package = std::fs::read_to_string(templates.join("javascript/package.json"))?;
        let package = package.replace("{{name}}", "tools");
        let mark = home.join("installed");
        if std::fs::read_to_string(&mark).is_ok_and(|found| found == format!("{wanted}{package}")) {
            return Ok(Self(home));
        }
        std::fs::create_dir_all(&home)?;
        std::fs::write(home.join("requirements.txt"), &wanted)?;
        std::fs::write(home.join("package.json"), &package)?;
        let venv = home.join("venv");
        quiet(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&venv),
        )
        .context("no virtual environment (Debian, Ubuntu: apt-get install python3-venv)")?;
        quiet(
            Command::new(venv.join("bin/pip"))
                .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
                .arg(home.join("requirements.txt")),
        )?;
        quiet(
            Command::new("npm")
                .args(["install", "--no-audit", "--no-fund"])
                .current_dir(&home),
        )
        .context("no npm (Debian, Ubuntu: apt-get install nodejs npm)")?;
        std::fs::write(mark, format!("{wanted}{package}"))?;
        Ok(Self(home))
    }

    /// A program with the tools on its path, and their caches where they are found again.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let own = ["venv/bin", "node_modules/.bin"].map(|folder| self.0.join(folder));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(own.into_iter().chain(std::env::split_paths(&path)));
        let mut command = Command::new(program);
        command
            .env("PATH", path.unwrap_or_default())
            .env("GOCACHE", self.0.join("go"))
            .env("ZIG_GLOBAL_CACHE_DIR", self.0.join("zig"))
            .env("CARGO_TARGET_DIR", self.0.join("rust"))
            .stdin(Stdio::null());
        // What this test's own cargo set is about another build.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_") && !["CARGO_HOME", "CARGO_TARGET_DIR"].contains(&&*text) {
                command.env_remove(&name);
            }
        }
        command
    }

    /// The host's binary with the tools on its path.
    pub fn tombolo(&self, arguments: &[&str]) -> Result<Output> {
        let binary = build::tombolo();
        let output = self.command(&binary).args(arguments).output();
        output.with_context(|| format!("cannot start {}", binary.display()))
    }
}

/// Runs a program that must succeed.
pub fn quiet(command: &mut Command) -> Result<()> {
    let name = Path::new(command.get_program()).display().to_string();
    let output = command
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    ensure!(
        output.status.success(),
        "{name} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
