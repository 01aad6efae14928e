//! Rust: cargo, for `wasm32-wasip2`, which makes a component by itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::build::{self, BuildError};
use crate::project::Project;
use crate::tool::{self, Tool};

const TARGET: &str = "wasm32-wasip2";

const CARGO: Tool = Tool {
    names: &["cargo"],
    folders: &[],
    install: "install Rust with rustup (https://rustup.rs), then: rustup target add wasm32-wasip2",
};

pub(crate) fn build(project: &Project) -> Result<Vec<u8>, BuildError> {
    let program = CARGO.find(&project.dir)?;
    let mut cargo = Command::new(&program);
    cargo
        .current_dir(&project.dir)
        .args(["build", "--release", "--lib", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics"]);
    let said = tool::run(&mut cargo).map_err(with_hint)?;
    let made = artifact(&String::from_utf8_lossy(&said)).ok_or_else(|| BuildError::Failed {
        tool: program.display().to_string(),
        said: "it made no `.wasm` file: the library's crate-type must hold `cdylib`".to_owned(),
    })?;
    build::read(&made)
}

/// The last `.wasm` file that cargo says it made: the project's own, its dependencies come before.
fn artifact(messages: &str) -> Option<PathBuf> {
    let mut files = messages.lines().rev().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let files = message["filenames"].as_array()?;
        let wasm = |file: &&str| Path::new(file).extension().is_some_and(|end| end == "wasm");
        let file = files.iter().filter_map(Value::as_str).find(wasm)?;
        Some(PathBuf::from(file))
    });
    files.next()
}

fn with_hint(error: BuildError) -> BuildError {
    match error {
        BuildError::Failed { tool, said }
            if said.contains(TARGET) && said.contains("can't find crate for") =>
        {
            BuildError::FailedWithHint {
                tool,
                said,
                hint: format!("rustup target add {TARGET}"),
            }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_component_is_the_project_s() {
        let messages = "{\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/libserde.rlib\"]}\n\
            {\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/a.wasm\"]}\n{\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(artifact(messages), Some(PathBuf::from("/t/a.wasm")));
        assert_eq!(artifact("{\"filenames\":[]}"), None);
    }

    #[test]
    fn a_missing_target_is_told_with_the_command() {
        let said = "error[E0463]: can't find crate for `std`\n note: the `wasm32-wasip2` target may not be installed";
        let error = with_hint(BuildError::Failed {
            tool: "cargo".to_owned(),
            said: said.to_owned(),
        });
        assert!(
            error
                .to_string()
                .ends_with("hint: rustup target add wasm32-wasip2")
        );
    }
}
