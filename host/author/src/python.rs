//! Python: componentize-py, which brings its own interpreter and takes a snapshot of it after the imports.

use std::process::Command;

use crate::build::{self, BuildError};
use crate::project::Project;
use crate::tool::{self, Tool};
use crate::world::{WORLD, World};

const COMPONENTIZE: Tool = Tool {
    names: &["componentize-py"],
    folders: &[".venv/bin"],
    install: "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
};

/// The module in which componentize-py looks for the exports.
const ENTRY: &str = "\
import connector
from tombolo.component import exports_of

globals().update(exports_of(connector))
";

pub(crate) fn build(project: &Project, world: &World) -> Result<Vec<u8>, BuildError> {
    let program = COMPONENTIZE.find(&project.dir)?;
    let scratch = project.scratch();
    build::write(&scratch.join("entry/tombolo_entry.py"), ENTRY)?;
    let made = scratch.join("component.wasm");
    tool::run(
        Command::new(program)
            .current_dir(&project.dir)
            .arg("-d")
            .arg(&world.folder)
            .args(["-w", WORLD, "componentize", "tombolo_entry"])
            // Not --stub-wasi: with it clocks trap, and every instance draws the same random numbers.
            .args(["-p", "build/entry", "-p", ".", "-p", "sdk/python"])
            .arg("-o")
            .arg(&made),
    )?;
    build::read(&made)
}
