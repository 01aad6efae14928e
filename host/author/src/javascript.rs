//! JavaScript: componentize-qjs, which runs the modules once and takes a snapshot of the engine.

use std::process::Command;

use crate::build::{self, BuildError};
use crate::project::Project;
use crate::tool::{self, Tool};
use crate::world::{WORLD, World};

const NODE: Tool = Tool {
    names: &["node", "nodejs"],
    folders: &[],
    install: "install Node.js 18 or newer (https://nodejs.org; Debian, Ubuntu: apt-get install nodejs npm)",
};

const COMPONENTIZE: Tool = Tool {
    names: &["componentize-qjs"],
    folders: &["node_modules/.bin"],
    install: "npm install",
};

pub(crate) fn build(project: &Project, world: &World) -> Result<Vec<u8>, BuildError> {
    NODE.find(&project.dir)?;
    let program = COMPONENTIZE.find(&project.dir)?;
    let scratch = project.scratch();
    let entry = scratch.join("entry.js");
    build::write(&entry, self::entry(world))?;
    let made = scratch.join("component.wasm");
    tool::run(
        Command::new(program)
            .current_dir(&project.dir)
            .arg("--wit")
            .arg(&world.folder)
            .args(["--world", WORLD, "--sync", "--module-root", "."])
            .arg("--js")
            .arg(&entry)
            .arg("--output")
            .arg(&made),
    )?;
    build::read(&made)
}

/// The module with the component's exports. The contract's version is in the names of what it imports, and nowhere else.
fn entry(world: &World) -> String {
    let mut text = String::new();
    for interface in &world.imports {
        let version = &world.version;
        text.push_str(&format!(
            "import {interface} from \"tombolo:connector/{interface}@{version}\";\n"
        ));
    }
    text.push_str(&format!(
        "import {{ attach }} from \"../sdk/javascript/host.js\";\n\
         import {{ exportsOf }} from \"../sdk/javascript/component.js\";\n\
         import {{ connector as it }} from \"../connector.js\";\n\n\
         attach({{ {} }});\n\
         export const {{ connector, read, write, members, password, delta }} = exportsOf(it);\n",
        world.imports.join(", ")
    ));
    text
}
