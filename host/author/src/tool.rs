//! The languages' own tools: found in the project or on the path, run, and quoted when they fail.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::build::BuildError;

/// A program that a build needs, and how to get it.
pub(crate) struct Tool {
    /// Names under which it may lie, the best first.
    pub(crate) names: &'static [&'static str],
    /// Folders of the project in which its language's package manager puts programs.
    pub(crate) folders: &'static [&'static str],
    /// The commands that install it.
    pub(crate) install: &'static str,
}

impl Tool {
    /// The program: the project's own before the machine's.
    pub(crate) fn find(&self, project: &Path) -> Result<PathBuf, BuildError> {
        let own = self.folders.iter().map(|folder| project.join(folder));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = own.chain(std::env::split_paths(&path)).collect();
        self.names
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
            .find(|program| program.is_file())
            .ok_or_else(|| BuildError::MissingTool {
                tool: self.names[0].to_owned(),
                install: self.install.to_owned(),
            })
    }
}

/// Runs a tool to its end; what it said is part of the error when it fails.
pub(crate) fn run(command: &mut Command) -> Result<Vec<u8>, BuildError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|why| BuildError::Start {
            tool: program.clone(),
            why,
        })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stdout));
    Err(BuildError::Failed {
        tool: program,
        said: said.trim().to_owned(),
    })
}
