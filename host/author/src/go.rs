//! Go: the stock compiler, for `wasip1`.

use std::path::Path;
use std::process::Command;

use wit_bindgen_core::Files;

use crate::build::{self, BuildError};
use crate::project::Project;
use crate::tool::{self, Tool};
use crate::world::World;

const GO: Tool = Tool {
    names: &["go"],
    folders: &[".venv/bin"],
    install: "install Go 1.24 or newer (https://go.dev/dl), or: python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
};

/// Where the generated code looks for what it needs.
const RUNTIME: &str = "go.bytecodealliance.org/pkg/wit/";

pub(crate) fn build(project: &Project, world: &World) -> Result<Vec<u8>, BuildError> {
    let program = GO.find(&project.dir)?;
    let scratch = project.scratch();
    generate(&project.dir.join("sdk/go/bindings"), world)?;
    let made = scratch.join("core.wasm");
    tool::run(
        Command::new(program)
            .current_dir(&project.dir)
            .env("GOOS", "wasip1")
            .env("GOARCH", "wasm")
            // Everything is in the project: no proxy, no checksum server, no other toolchain is asked.
            .envs([
                ("GOFLAGS", "-mod=mod"),
                ("GOPROXY", "off"),
                ("GOTOOLCHAIN", "local"),
            ])
            .args([
                "build",
                "-buildmode=c-shared",
                "-trimpath",
                "-ldflags=-s -w -checklinkname=0",
                "-o",
            ])
            .arg(&made)
            .arg("."),
    )?;
    build::read(&made)
}

fn generate(folder: &Path, world: &World) -> Result<(), BuildError> {
    let options = wit_bindgen_go::Opts {
        format: wit_bindgen_go::Format::False,
        pkg_name: Some("tombolo/bindings".to_owned()),
        export_pkg_name: Some("tombolo/exports".to_owned()),
        ..Default::default()
    };
    let (mut files, mut resolve) = (Files::default(), world.resolve.clone());
    options
        .build()
        .generate(&mut resolve, world.id, &mut files)
        .map_err(|why| BuildError::Bindings(format!("{why:#}")))?;
    for (name, data) in files.iter() {
        // What it wants of a module on the net is in the SDK.
        let text = String::from_utf8_lossy(data).replace(RUNTIME, "tombolo/abi/");
        build::write(&folder.join(name), text)?;
    }
    Ok(())
}
