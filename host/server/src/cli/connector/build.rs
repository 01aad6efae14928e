//! `tombolo connector build`: a project's component, with its manifest in it, looked at as the host will look at it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use serde_json::json;
use tombolo_author::Project;

use crate::cli::Outcome;
use crate::cli::output::{self, Output};
use crate::files;

pub(super) fn build(dir: &Path, output: Output) -> Outcome {
    let began = Instant::now();
    let project = Project::read(dir)?;
    let bytes = tombolo_author::build(&project)?;
    let took = began.elapsed();
    let seen = tombolo_runtime::look(&bytes)
        .context("what was built is nothing that a host would load")?;
    // Beside the project as it was named, not as an absolute path.
    let file: PathBuf = dir.join(project.component().file_name().unwrap_or_default());
    files::replace(&file, &bytes).with_context(|| format!("cannot write `{}`", file.display()))?;
    match output {
        Output::Json => output::json(&json!({
            "name": project.name(),
            "lang": project.language().name(),
            "file": file,
            "sha256": seen.inspection.digest.to_string(),
            "size": seen.inspection.size,
            "contract": seen.inspection.contract,
            "seconds": took.as_secs_f64(),
        }))?,
        Output::Text => println!(
            "`{}` has {} bytes, built in {:.1} s\nTest it with: tombolo connector test {0}",
            file.display(),
            seen.inspection.size,
            took.as_secs_f64()
        ),
    }
    Ok(ExitCode::SUCCESS)
}
