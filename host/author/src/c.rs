//! C: any clang with a WASI C library. `zig cc` is one that comes from a package registry as a whole.

use std::path::{Path, PathBuf};
use std::process::Command;

use wit_bindgen_core::Files;

use crate::build::{self, BuildError};
use crate::project::Project;
use crate::tool::{self, Tool};
use crate::world::World;

/// `python-zig` is how the package `ziglang` calls it.
const ZIG: Tool = Tool {
    names: &["zig", "python-zig"],
    folders: &[".venv/bin"],
    install: "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt (or set WASI_SDK_PATH)",
};

pub(crate) fn build(project: &Project, world: &World) -> Result<Vec<u8>, BuildError> {
    let mut compiler = compiler(project)?;
    let scratch = project.scratch();
    let bindings = scratch.join("bindings");
    generate(&bindings, world)?;
    let made = scratch.join("core.wasm");
    // zig's own stack of 16 MiB would be a quarter of what an app grants.
    tool::run(
        compiler
            .current_dir(&project.dir)
            .args([
                "-mexec-model=reactor",
                "-Os",
                "-std=c11",
                "-Wall",
                "-Wl,-z,stack-size=1048576",
            ])
            .args(
                project
                    .build
                    .exports
                    .iter()
                    .map(|a| format!("-DTOMBOLO_{}", a.interface().to_uppercase())),
            )
            .args(["-Ibuild/bindings", "-Isdk/c", "-o"])
            .arg(&made)
            .args(sources(&project.dir.join("src"))?)
            .args(sources(&project.dir.join("sdk/c"))?)
            .arg(bindings.join("component.c")),
    )?;
    build::read(&made)
}

fn compiler(project: &Project) -> Result<Command, BuildError> {
    let sdk = std::env::var_os("WASI_SDK_PATH").filter(|sdk| !sdk.is_empty());
    if let Some(sdk) = sdk {
        let mut clang = Command::new(Path::new(&sdk).join("bin/clang"));
        clang.args(["--target=wasm32-wasip1", "-Wl,--strip-debug"]);
        return Ok(clang);
    }
    let mut zig = Command::new(ZIG.find(&project.dir)?);
    zig.args(["cc", "-target", "wasm32-wasi", "-s"]);
    Ok(zig)
}

fn generate(folder: &Path, world: &World) -> Result<(), BuildError> {
    let options = wit_bindgen_c::Opts {
        // The type goes into the module when it becomes a component.
        no_object_file: true,
        ..Default::default()
    };
    let (mut files, mut resolve) = (Files::default(), world.resolve.clone());
    options
        .build()
        .generate(&mut resolve, world.id, &mut files)
        .map_err(|why| BuildError::Bindings(format!("{why:#}")))?;
    for (name, data) in files.iter() {
        build::write(&folder.join(name), data)?;
    }
    Ok(())
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let unreadable = |why| BuildError::Unreadable {
        file: folder.to_owned(),
        why,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|ending| ending == "c") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
