//! A look at the bytes, before anything is compiled: valid, a component, of a contract we speak.
//!
//! Loading is hostile: a validator that only reads comes before the compiler.

use wasmparser::{Parser, Payload, Validator, WasmFeatures};

use super::manifest::{Manifest, SECTION};
use super::{Abilities, Digest, Inspection};
use crate::bind::LoadError;

/// Largest file. The largest honest ones (Python with its interpreter) have 18 MiB.
const FILE_BYTES: usize = 64 << 20;
/// Largest manifest.
const MANIFEST_BYTES: usize = 256 << 10;
/// The package, and the versions of it that this host speaks: `0.1.x`.
const PACKAGE: &str = "tombolo:connector/";
const CONTRACT: (u64, u64) = (0, 1);

/// What a look found.
#[derive(Debug)]
pub struct Found {
    /// What the file is.
    pub inspection: Inspection,
    /// What it can do.
    pub abilities: Abilities,
    /// What it says of itself.
    pub manifest: Option<Manifest>,
}

/// Validates and reads a file, without compiling or running anything of it.
pub fn look(bytes: &[u8]) -> Result<Found, LoadError> {
    if bytes.len() > FILE_BYTES {
        return Err(LoadError::TooLarge {
            size: bytes.len(),
            limit: FILE_BYTES,
        });
    }
    if !Parser::is_component(bytes) {
        let what = if Parser::is_core_wasm(bytes) {
            "a core module"
        } else {
            "no WebAssembly"
        };
        return Err(LoadError::NotAComponent { what });
    }
    let features = WasmFeatures::WASM3 | WasmFeatures::COMPONENT_MODEL;
    Validator::new_with_features(features)
        .validate_all(bytes)
        .map_err(|error| LoadError::Invalid(error.to_string()))?;

    let sections = Sections::read(bytes).map_err(|error| LoadError::Invalid(error.to_string()))?;
    let contract = contract_version(sections.imports.iter().chain(&sections.exports))?;
    let exported = |interface: &str| {
        sections
            .exports
            .iter()
            .any(|name| interface_of(name) == Some(interface))
    };
    for interface in ["connector", "read"] {
        if !exported(interface) {
            return Err(LoadError::NotAConnector { interface });
        }
    }
    let abilities = Abilities {
        write: exported("write"),
        members: exported("members"),
        password: exported("password"),
        delta: exported("delta"),
    };
    let manifest = match sections.manifest {
        Some(json) if json.len() > MANIFEST_BYTES => {
            return Err(LoadError::Manifest(format!(
                "it has {} bytes; {MANIFEST_BYTES} are allowed",
                json.len()
            )));
        }
        Some(json) => Some(Manifest::parse(json).map_err(LoadError::Manifest)?),
        None => None,
    };
    Ok(Found {
        inspection: Inspection {
            size: bytes.len(),
            digest: Digest::of(bytes),
            contract,
            imports: sections.imports,
            exports: sections.exports,
            modules: sections.modules,
        },
        abilities,
        manifest,
    })
}

#[derive(Default)]
struct Sections<'a> {
    imports: Vec<String>,
    exports: Vec<String>,
    manifest: Option<&'a [u8]>,
    modules: usize,
}

impl<'a> Sections<'a> {
    fn read(bytes: &'a [u8]) -> wasmparser::Result<Self> {
        let mut found = Self::default();
        // Nested modules and components come inline; names count at the outermost level only. The manifest is
        // where the tool chain left it: a Rust connector's sits in its core module.
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ModuleSection { .. } => {
                    depth += 1;
                    found.modules += 1;
                }
                Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(imports) if depth == 0 => {
                    for import in imports {
                        found.imports.push(import?.name.0.to_owned());
                    }
                }
                Payload::ComponentExportSection(exports) if depth == 0 => {
                    for export in exports {
                        found.exports.push(export?.name.0.to_owned());
                    }
                }
                Payload::CustomSection(section)
                    if section.name() == SECTION && found.manifest.is_none() =>
                {
                    found.manifest = Some(section.data());
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// `tombolo:connector/read@0.1.0` is `read`.
fn interface_of(name: &str) -> Option<&str> {
    Some(
        name.strip_prefix(PACKAGE)?
            .split('@')
            .next()
            .unwrap_or_default(),
    )
}

/// The one version of the contract that all names agree on.
fn contract_version<'n>(names: impl Iterator<Item = &'n String>) -> Result<String, LoadError> {
    let mut version: Option<&str> = None;
    for name in names {
        let Some(rest) = name.strip_prefix(PACKAGE) else {
            continue;
        };
        let found = rest.split_once('@').map_or("none", |(_, found)| found);
        let mut parts = found.split('.').map(str::parse::<u64>);
        let known = matches!((parts.next(), parts.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) == CONTRACT);
        if !known {
            return Err(LoadError::Contract {
                found: found.to_owned(),
                spoken: format!("{}.{}.x", CONTRACT.0, CONTRACT.1),
            });
        }
        version = Some(found);
    }
    version.map(str::to_owned).ok_or(LoadError::NotAConnector {
        interface: "connector",
    })
}
