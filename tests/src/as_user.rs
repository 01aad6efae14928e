//! Database servers refuse to run as root: for root they run as their package's user.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// `program`, as `user` if we are root and as ourselves if not.
pub(crate) fn command(program: &Path, user: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={user}"))
        .arg(format!("--regid={user}"))
        .args(["--init-groups", "--"])
        .arg(program);
    command
}

/// Lets `user` own `directory` and what is in it, if that is not us.
pub(crate) fn give(directory: &Path, user: &str) -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    run(Command::new("chown")
        .arg("-R")
        .arg(format!("{user}:"))
        .arg(directory))
}

/// Runs it to its end; its complaints are the error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().display().to_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    ensure!(
        output.status.success(),
        "{name}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

pub(crate) fn is_root() -> bool {
    // The owner of this process's own entry is who we are.
    std::fs::metadata("/proc/self")
        .is_ok_and(|entry| std::os::unix::fs::MetadataExt::uid(&entry) == 0)
}
