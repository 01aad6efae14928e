//! `tombolo connector build`: from a project to a component with its manifest, by the language's own tools.

use std::path::{Path, PathBuf};

use crate::language::Language;
use crate::project::{Project, ProjectError};
use crate::world::World;
use crate::{c, component, go, javascript, python, rust};

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "their texts say it")]
pub enum BuildError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error("the contract in `{}`: {why}", .dir.display())]
    Contract { dir: PathBuf, why: String },
    #[error("`{tool}` is not installed\n  hint: {install}")]
    MissingTool { tool: String, install: String },
    #[error("cannot start `{tool}`: {why}")]
    Start { tool: String, why: std::io::Error },
    #[error("`{tool}` failed:\n{said}")]
    Failed { tool: String, said: String },
    #[error("`{tool}` failed:\n{said}\n  hint: {hint}")]
    FailedWithHint {
        tool: String,
        said: String,
        hint: String,
    },
    #[error("what the compiler made is no connector: {0}")]
    Componentize(String),
    #[error(
        "the component brings a manifest already, and `connector.toml` is another\n  hint: leave `manifest = …` out of `export!`"
    )]
    TwoManifests,
    #[error("cannot make the bindings: {0}")]
    Bindings(String),
    #[error("cannot write `{}`: {why}", .file.display())]
    Unwritable { file: PathBuf, why: std::io::Error },
    #[error("cannot read `{}`: {why}", .file.display())]
    Unreadable { file: PathBuf, why: std::io::Error },
}

/// Builds a project's component, and answers its bytes: where they go is the caller's to say.
pub fn build(project: &Project) -> Result<Vec<u8>, BuildError> {
    let world = World::of(project)?;
    let component = match project.language() {
        Language::Rust => rust::build(project)?,
        Language::Python => python::build(project, &world)?,
        Language::Javascript => javascript::build(project, &world)?,
        Language::Go => component::from_core(&go::build(project, &world)?, &world)?,
        Language::C => component::from_core(&c::build(project, &world)?, &world)?,
    };
    component::with_manifest(component, project, &world)
}

/// Writes a file on the way, with its folders. One that is there already stays untouched: compilers find it in their
/// caches, and who watches the project sees no change.
pub(crate) fn write(file: &Path, data: impl AsRef<[u8]>) -> Result<(), BuildError> {
    if std::fs::read(file).is_ok_and(|found| found == data.as_ref()) {
        return Ok(());
    }
    let parent = file.parent().unwrap_or(file);
    std::fs::create_dir_all(parent)
        .and_then(|()| std::fs::write(file, data))
        .map_err(|why| BuildError::Unwritable {
            file: file.to_owned(),
            why,
        })
}

/// Reads what a tool made.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(file).map_err(|why| BuildError::Unreadable {
        file: file.to_owned(),
        why,
    })
}
