//! A look at the bytes, before anything is compiled: valid, a component, of a contract we speak.
//!
//! Loading is hostile: a validator that only reads comes before the compiler.

use wasmparser::{
    ComponentInstance, KnownCustom, Parser, Payload, ProducersSectionReader, Validator,
    WasmFeatures,
};

use super::manifest::{Manifest, SECTION};
use super::version::{self, Line, PACKAGE, Version};
use super::{Abilities, Digest, Inspection, Producer};
use crate::bind::LoadError;

/// Largest file. The largest honest ones (Python with its interpreter) have 18 MiB.
const FILE_BYTES: usize = 64 << 20;
/// Most of what a file is made of, over all its modules: more than four times what the largest honest ones have.
/// Small parts are cheap to write down and dear to compile.
const PARTS: [(&str, usize); 4] = [
    ("functions", 300_000),
    ("types", 200_000),
    ("modules and components", 1_000),
    ("imports and exports", 200_000),
];
/// Largest manifest.
const MANIFEST_BYTES: usize = 256 << 10;
/// Most producers that are told, and the longest word of one: a stranger writes them.
const PRODUCERS: usize = 32;
const PRODUCER_CHARS: usize = 80;
/// Most instances that a component can come to. An honest one comes to a few dozen: its parts re-export types and
/// instantiate nothing.
const INSTANCES: u64 = 10_000;
/// What a look found.
#[derive(Debug)]
pub struct Found {
    /// What the file is.
    pub inspection: Inspection,
    /// What it can do.
    pub abilities: Abilities,
    /// What it says of itself.
    pub manifest: Option<Manifest>,
    /// The contract it was built against.
    pub(crate) version: Version,
    /// How it is run.
    pub(crate) line: Line,
}

/// Refuses a file by its size alone, so that nobody need read it.
pub fn allowed_size(bytes: u64) -> Result<(), LoadError> {
    let size = usize::try_from(bytes).unwrap_or(usize::MAX);
    if size > FILE_BYTES {
        return Err(LoadError::TooLarge {
            size,
            limit: FILE_BYTES,
        });
    }
    Ok(())
}

/// Validates and reads a file, without compiling or running anything of it.
pub fn look(bytes: &[u8]) -> Result<Found, LoadError> {
    allowed_size(bytes.len() as u64)?;
    if !Parser::is_component(bytes) {
        let what = if Parser::is_core_wasm(bytes) {
            "a core module"
        } else {
            "no WebAssembly"
        };
        return Err(LoadError::NotAComponent { what });
    }
    let sections = Sections::read(bytes).map_err(|error| LoadError::Invalid(error.to_string()))?;
    for ((what, limit), found) in PARTS.into_iter().zip(sections.parts) {
        if found > limit {
            return Err(LoadError::TooMany { what, found, limit });
        }
    }
    let features = WasmFeatures::WASM3 | WasmFeatures::COMPONENT_MODEL;
    Validator::new_with_features(features)
        .validate_all(bytes)
        .map_err(|error| LoadError::Invalid(error.to_string()))?;

    let sections = Sections::read(bytes).map_err(|error| LoadError::Invalid(error.to_string()))?;
    if sections.instances > INSTANCES {
        return Err(LoadError::Compile(format!(
            "its parts instantiate each other so often that more than {INSTANCES} instances can come of it"
        )));
    }
    let (version, line) = contract_version(sections.imports.iter().chain(&sections.exports))?;
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
            contract: version.to_string(),
            imports: sections.imports,
            exports: sections.exports,
            modules: sections.modules,
            producers: sections.producers,
        },
        abilities,
        manifest,
        version,
        line,
    })
}

#[derive(Default)]
struct Sections<'a> {
    imports: Vec<String>,
    exports: Vec<String>,
    manifest: Option<&'a [u8]>,
    modules: usize,
    producers: Vec<Producer>,
    /// An upper bound of all instances that come of instantiating the component.
    instances: u64,
    /// In the order of [`PARTS`].
    parts: [usize; 4],
}

impl<'a> Sections<'a> {
    fn read(bytes: &'a [u8]) -> wasmparser::Result<Self> {
        let mut found = Self {
            instances: 1,
            ..Self::default()
        };
        // Nested modules and components come inline; names count at the outermost level only. The manifest is
        // where the tool chain left it: a Rust connector's sits in its core module.
        let mut depth = 0_usize;
        // How many others each part instantiates; the innermost last.
        let mut others = vec![0_u64];
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload?;
            if let Some((part, count)) = counted(&payload) {
                found.parts[part] = found.parts[part].saturating_add(count as usize);
            }
            match payload {
                Payload::ModuleSection { .. } => {
                    depth += 1;
                    others.push(0);
                    found.modules += 1;
                }
                Payload::ComponentSection { .. } => {
                    depth += 1;
                    others.push(0);
                }
                // A part that instantiates n others comes to at most 1 + n times what the largest of them does, and
                // none can contain itself; so the product over all parts is a bound, however they hand each other on.
                Payload::End(_) => {
                    depth = depth.saturating_sub(1);
                    let others = others.pop().unwrap_or_default();
                    found.instances = found.instances.saturating_mul(1 + others);
                }
                Payload::ComponentInstanceSection(instances) => {
                    for instance in instances {
                        if let ComponentInstance::Instantiate { .. } = instance?
                            && let Some(others) = others.last_mut()
                        {
                            *others += 1;
                        }
                    }
                }
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
                Payload::CustomSection(section) => {
                    if let KnownCustom::Producers(fields) = section.as_known() {
                        found.made_by(fields);
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Reads a `producers` section. Nobody depends on it: one that is damaged says nothing.
    fn made_by(&mut self, fields: ProducersSectionReader<'_>) {
        for field in fields.into_iter().flatten() {
            for value in field.values.into_iter().flatten() {
                let producer = Producer {
                    role: field.name.chars().take(PRODUCER_CHARS).collect(),
                    name: value.name.chars().take(PRODUCER_CHARS).collect(),
                    version: value.version.chars().take(PRODUCER_CHARS).collect(),
                };
                if self.producers.len() < PRODUCERS && !self.producers.contains(&producer) {
                    self.producers.push(producer);
                }
            }
        }
    }
}

/// Which of [`PARTS`] a section adds to, and how many. The file is not validated yet: these are its own words.
fn counted(payload: &Payload<'_>) -> Option<(usize, u32)> {
    Some(match payload {
        Payload::FunctionSection(section) => (0, section.count()),
        Payload::ComponentCanonicalSection(section) => (0, section.count()),
        Payload::TypeSection(section) => (1, section.count()),
        Payload::CoreTypeSection(section) => (1, section.count()),
        Payload::ComponentTypeSection(section) => (1, section.count()),
        Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => (2, 1),
        Payload::ImportSection(section) => (3, section.count()),
        Payload::ExportSection(section) => (3, section.count()),
        Payload::ComponentImportSection(section) => (3, section.count()),
        Payload::ComponentExportSection(section) => (3, section.count()),
        Payload::InstanceSection(section) => (3, section.count()),
        Payload::ComponentInstanceSection(section) => (3, section.count()),
        Payload::ComponentAliasSection(section) => (3, section.count()),
        _ => return None,
    })
}

/// `tombolo:connector/read@1.0.0` is `read`.
fn interface_of(name: &str) -> Option<&str> {
    Some(
        name.strip_prefix(PACKAGE)?
            .split('@')
            .next()
            .unwrap_or_default(),
    )
}

/// The version of the contract that the names speak, and its line: the newest, where a component was put together
/// from parts of one line.
fn contract_version<'n>(
    names: impl Iterator<Item = &'n String>,
) -> Result<(Version, Line), LoadError> {
    let mut spoken: Option<(Version, Line)> = None;
    for name in names {
        let Some(rest) = name.strip_prefix(PACKAGE) else {
            continue;
        };
        let found = rest.split_once('@').map_or("none", |(_, found)| found);
        let refused = |found: String| LoadError::Contract {
            found,
            spoken: version::SPOKEN,
        };
        let known = Version::parse(found).and_then(|found| Some((found, found.line()?)));
        let Some((found, line)) = known else {
            return Err(refused(found.to_owned()));
        };
        spoken = match spoken {
            Some((other, other_line)) if other_line != line => {
                let (older, newer) = (other.min(found), other.max(found));
                return Err(refused(format!("{older} and {newer} at once")));
            }
            Some((other, _)) => Some((other.max(found), line)),
            None => Some((found, line)),
        };
    }
    spoken.ok_or(LoadError::NotAConnector {
        interface: "connector",
    })
}
