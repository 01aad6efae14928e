//! Which released contracts a component may have been built against, and how one of an older line is run.
//!
//! | a component's names say | what the host does |
//! |---|---|
//! | `1.x.y` | links it: within a major version wasmtime matches names, whichever of the two is newer |
//! | `0.1.x` | gives it the names of `1.0.0`, whose interfaces are those of `0.1.0` to the last field |
//! | anything else, or two lines at once | refuses it, and says both versions |
//!
//! Renaming touches a component's own imports and exports, which are what the host links and looks up, and nothing
//! within it: what its parts call each other is their business. The file keeps its bytes, its digest and its place in
//! the cache; only the compiler sees the new names.

use std::borrow::Cow;
use std::fmt;

use wasm_encoder::Encode as _;
use wasmparser::{
    BinaryReader, ComponentExportSectionReader, ComponentImportSectionReader, FromReader, Result,
    SectionLimited,
};

/// The package that all versions have in common.
pub(crate) const PACKAGE: &str = "tombolo:connector/";

/// The newest contract that this host speaks: what `wit/` says.
pub(crate) const CURRENT: Version = Version {
    major: 1,
    minor: 0,
    patch: 0,
};

/// What is told to whoever brings another.
pub(crate) const SPOKEN: &str = "1.x (and 0.1.x)";

/// A version of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    major: u64,
    minor: u64,
    patch: u64,
}

/// Versions whose interfaces fit each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// `0.1.x`: what there was before the contract was stable.
    First,
    /// `1.x`.
    Stable,
}

impl Version {
    /// Reads a released version; none of a preview, which fits nothing but itself.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        let version = Self {
            major: numbers.next()??,
            minor: numbers.next()??,
            patch: numbers.next()??,
        };
        numbers.next().is_none().then_some(version)
    }

    /// The line that this host can run it in.
    pub(crate) fn line(self) -> Option<Line> {
        match (self.major, self.minor) {
            (0, 1) => Some(Line::First),
            (1, _) => Some(Line::Stable),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The sections of a component that hold its own imports and exports.
const IMPORTS: u8 = 10;
const EXPORTS: u8 = 11;
/// What comes before the first section: magic number and version.
const PREAMBLE: usize = 8;

/// A validated component as the compiler is to see it: with the names of the line that this host links.
pub(crate) fn current(bytes: &[u8], line: Line) -> Result<Cow<'_, [u8]>> {
    match line {
        Line::Stable => Ok(Cow::Borrowed(bytes)),
        Line::First => renamed(bytes).map(Cow::Owned),
    }
}

fn renamed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut reader = BinaryReader::new(bytes, 0);
    let mut out = reader.read_bytes(PREAMBLE)?.to_vec();
    out.reserve(bytes.len());
    while !reader.eof() {
        let id = reader.read_u8()?;
        let size = reader.read_var_u32()?;
        let content = reader.read_bytes(size as usize)?;
        let section = BinaryReader::new(content, 0);
        let content = match id {
            IMPORTS => {
                let imports = ComponentImportSectionReader::new(section)?;
                Cow::Owned(with_names(content, imports, |import| import.name.0)?)
            }
            EXPORTS => {
                let exports = ComponentExportSectionReader::new(section)?;
                Cow::Owned(with_names(content, exports, |export| export.name.0)?)
            }
            _ => Cow::Borrowed(content),
        };
        out.push(id);
        content.encode(&mut out);
    }
    Ok(out)
}

/// A section's content, each item as it was but for its name. An item is one byte, its name, and the rest.
fn with_names<'a, T: FromReader<'a>>(
    content: &'a [u8],
    items: SectionLimited<'a, T>,
    name: impl Fn(&T) -> &'a str,
) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(content.len());
    items.count().encode(&mut out);
    let mut starts = Vec::new();
    for item in items.into_iter_with_offsets() {
        starts.push(item?.0);
    }
    let ends = starts.iter().skip(1).copied().chain([content.len()]);
    for (start, end) in starts.iter().copied().zip(ends) {
        let item = &content[start..end];
        let text = name(&BinaryReader::new(item, start).read()?);
        let mut rest = BinaryReader::new(item, start);
        out.push(rest.read_u8()?);
        rest.read_string()?;
        of_this_line(text).encode(&mut out);
        out.extend(rest.read_bytes(rest.bytes_remaining())?);
    }
    Ok(out)
}

/// `tombolo:connector/read@0.1.0` is `tombolo:connector/read@1.0.0`; other packages keep their names.
fn of_this_line(name: &str) -> Cow<'_, str> {
    match name.rsplit_once('@') {
        Some((interface, version))
            if interface.starts_with(PACKAGE)
                && Version::parse(version).and_then(Version::line) == Some(Line::First) =>
        {
            Cow::Owned(format!("{interface}@{CURRENT}"))
        }
        _ => Cow::Borrowed(name),
    }
}

#[cfg(test)]
mod tests {
    use wasmparser::{Parser, Payload, Validator, WasmFeatures};

    use super::*;

    /// The names of a valid component's own imports and exports.
    fn names(bytes: &[u8]) -> Vec<String> {
        let features = WasmFeatures::WASM3 | WasmFeatures::COMPONENT_MODEL;
        Validator::new_with_features(features)
            .validate_all(bytes)
            .unwrap();
        let (mut depth, mut found) = (0, Vec::new());
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.unwrap() {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(section) if depth == 0 => {
                    found.extend(section.into_iter().map(|i| i.unwrap().name.0.to_owned()));
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    found.extend(section.into_iter().map(|i| i.unwrap().name.0.to_owned()));
                }
                _ => {}
            }
        }
        found
    }

    #[test]
    fn lines_follow_the_versions() {
        for (text, line) in [
            ("0.1.0", Some(Line::First)),
            ("0.1.27", Some(Line::First)),
            ("1.0.0", Some(Line::Stable)),
            ("1.300.2", Some(Line::Stable)),
            ("0.2.0", None),
            ("0.0.9", None),
            ("2.0.0", None),
            ("1.0.0-rc.1", None),
            ("1.0", None),
            ("1.0.0.0", None),
            ("none", None),
        ] {
            assert_eq!(Version::parse(text).and_then(Version::line), line, "{text}");
        }
        assert!(Version::parse("1.2.0") > Some(CURRENT));
    }

    #[test]
    fn only_the_components_own_names_change() {
        let text = r#"(component
            (import "tombolo:connector/log@0.1.12" (instance $log (export "f" (func))))
            (import "wasi:cli/environment@0.1.0" (instance (export "g" (func))))
            (component $part
                (import "tombolo:connector/log@0.1.12" (instance $inner (export "f" (func))))
                (export "tombolo:connector/read@0.1.12" (instance $inner)))
            (instance $made (instantiate $part (with "tombolo:connector/log@0.1.12" (instance $log))))
            (alias export $made "tombolo:connector/read@0.1.12" (instance $read))
            (export "tombolo:connector/read@0.1.12" (instance $read))
            (export "tombolo:other/thing@0.1.12" (instance $read)))"#;
        let bytes = wat::parse_str(text).unwrap();
        let new = current(&bytes, Line::First).unwrap();
        assert_eq!(
            names(&new),
            [
                "tombolo:connector/log@1.0.0",
                "wasi:cli/environment@0.1.0",
                "tombolo:connector/read@1.0.0",
                "tombolo:other/thing@0.1.12",
            ]
        );
        // What the parts call each other, and the other package.
        let text = String::from_utf8_lossy(&new);
        assert_eq!(text.matches("@0.1.12").count(), 5, "{text}");
    }

    #[test]
    fn a_component_of_this_line_is_left_alone() {
        let bytes = wat::parse_str("(component)").unwrap();
        assert!(matches!(current(&bytes, Line::Stable), Ok(Cow::Borrowed(same)) if same == bytes));
        assert_eq!(current(&bytes, Line::First).unwrap(), bytes);
    }
}
