//! The world that a project's component lives in: made from its `exports` and `imports`, over its own copy of the
//! contract.
//!
//! Every binding generator wants a world; none that an author would have to write.

use std::path::{Path, PathBuf};

use wit_parser::{Resolve, UnresolvedPackageGroup, WorldId};

use crate::build::BuildError;
use crate::project::Project;

/// The world's name. Not `connector`: componentize-py names a module after it.
pub(crate) const WORLD: &str = "component";

/// A world, resolved, and the folder in which the languages' tools find it.
pub(crate) struct World {
    pub(crate) resolve: Resolve,
    pub(crate) id: WorldId,
    /// The version of `tombolo:connector`.
    pub(crate) version: String,
    /// A folder with the world's package, and the contract in `deps/`.
    pub(crate) folder: PathBuf,
    /// The interfaces it imports from the contract.
    pub(crate) imports: Vec<&'static str>,
}

/// What every connector has of the host: the world `host`.
const HOST: [&str; 5] = ["config", "secrets", "context", "log", "state"];

impl World {
    /// Makes the project's world.
    pub(crate) fn of(project: &Project) -> Result<Self, BuildError> {
        let contract = project.dir.join("wit");
        let fail = |why: String| BuildError::Contract {
            dir: contract.clone(),
            why,
        };
        let mut resolve = Resolve::default();
        let (package, _) = resolve
            .push_dir(&contract)
            .map_err(|why| fail(format!("{why:#}")))?;
        let name = &resolve.packages[package].name;
        let version = name
            .version
            .as_ref()
            .map(ToString::to_string)
            .ok_or_else(|| fail(format!("the package {name} has no version")))?;

        let imports: Vec<&'static str> = HOST
            .into_iter()
            .chain(project.build.imports.iter().map(|c| c.interface()))
            .collect();
        let text = text(
            &version,
            &imports,
            project.build.exports.iter().map(|a| a.interface()),
        );
        let group = UnresolvedPackageGroup::parse("world.wit", &text)
            .map_err(|(map, why)| fail(why.render(&map)))?;
        let package = resolve
            .push_group(group)
            .map_err(|why| fail(format!("{why:#}")))?;
        let id = resolve
            .select_world(&[package], Some(WORLD))
            .map_err(|why| fail(format!("{why:#}")))?;
        let folder = project.scratch().join("wit");
        lay(&folder, &contract, &text).map_err(|why| fail(why.to_string()))?;
        Ok(Self {
            resolve,
            id,
            version,
            folder,
            imports,
        })
    }
}

fn text<'n>(version: &str, imports: &[&str], exports: impl Iterator<Item = &'n str>) -> String {
    let mut text = format!("package tombolo:build;\n\nworld {WORLD} {{\n");
    for import in imports {
        text.push_str(&format!("  import tombolo:connector/{import}@{version};\n"));
    }
    for export in ["connector", "read"].into_iter().chain(exports) {
        text.push_str(&format!("  export tombolo:connector/{export}@{version};\n"));
    }
    text.push_str("}\n");
    text
}

/// Lays the folder anew, as all tools of the component model expect it.
fn lay(folder: &Path, contract: &Path, text: &str) -> std::io::Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    let deps = folder.join("deps/connector");
    std::fs::create_dir_all(&deps)?;
    for entry in std::fs::read_dir(contract)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "wit")
            && let Some(name) = path.file_name()
        {
            std::fs::copy(&path, deps.join(name))?;
        }
    }
    std::fs::write(folder.join("world.wit"), text)
}
