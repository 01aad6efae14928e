//! From what a language's tool made to the connector: a component, with its manifest in it.

use std::borrow::Cow;

use serde_json::Value;
use wasi_preview1_component_adapter_provider as adapter;
use wasm_encoder::{ComponentSection as _, CustomSection};
use wit_component::{ComponentEncoder, StringEncoding};

use crate::build::BuildError;
use crate::project::Project;
use crate::world::World;

/// The custom section in which the host looks for the manifest.
const SECTION: &str = "tombolo:manifest";

/// Makes a component of a core module that speaks WASI preview 1, as Go and C compilers make them.
pub(crate) fn from_core(module: &[u8], world: &World) -> Result<Vec<u8>, BuildError> {
    encode(module, world).map_err(|why| BuildError::Componentize(format!("{why:#}")))
}

fn encode(module: &[u8], world: &World) -> anyhow::Result<Vec<u8>> {
    let mut module = module.to_vec();
    wit_component::embed_component_metadata(
        &mut module,
        &world.resolve,
        world.id,
        StringEncoding::UTF8,
    )?;
    ComponentEncoder::default()
        .module(&module)?
        .adapter(
            adapter::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
            adapter::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
        )?
        .validate(true)
        .encode()
}

/// Puts the manifest where the host reads it without running anything.
pub(crate) fn with_manifest(
    component: Vec<u8>,
    project: &Project,
    world: &World,
) -> Result<Vec<u8>, BuildError> {
    if has_manifest(&component) {
        return Err(BuildError::TwoManifests);
    }
    let mut manifest = project.manifest.clone();
    manifest.insert("wit".to_owned(), world.version.clone().into());
    let json = Value::Object(manifest).to_string();
    let section = CustomSection {
        name: SECTION.into(),
        data: Cow::Borrowed(json.as_bytes()),
    };
    let mut component = component;
    section.append_to_component(&mut component);
    Ok(component)
}

fn has_manifest(component: &[u8]) -> bool {
    wasmparser::Parser::new(0)
        .parse_all(component)
        .filter_map(Result::ok)
        .any(|payload| matches!(payload, wasmparser::Payload::CustomSection(section) if section.name() == SECTION))
}
