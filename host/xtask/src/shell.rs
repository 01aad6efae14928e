//! Running programs.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use tombolo_tests::build::root;

/// The cargo that runs this.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a program with our own output, and fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let text = describe(command);
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {text}"))?;
    ensure!(status.success(), "{text}: {status}");
    Ok(())
}

/// Whether a program is on the path, or where system programs are.
pub(crate) fn has(program: &str) -> bool {
    std::env::var_os("PATH")
        .iter()
        .flat_map(std::env::split_paths)
        .chain(
            ["/usr/sbin", "/sbin"]
                .iter()
                .map(|p| Path::new(p).to_owned()),
        )
        .any(|folder| folder.join(program).is_file())
}

/// A command as one would type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
