//! The hostile corpus (`tests/hostile`): its table, and its guests as files.
//!
//! A guest is one of three:
//!
//! - `wat/NAME.wat`, mostly a fragment of a core module that speaks the canonical ABI by hand. What a connector needs
//!   beside it comes from `prelude.wat`, unless the fragment exports that itself. A file that begins with
//!   `(component` is a whole component.
//! - `rust/src/attack/NAME.rs`, a module of one connector that attacks as its settings say (`do = "NAME"`).
//! - `bytes/NAME.toml`, a good component that is damaged as the file says.
//!
//! Whoever matches `userName eq "strike"` provokes the attack; any other name finds nobody.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::build;

/// What `describe` of the WAT guests answers.
const DESCRIBE: &str = r#"{"name":"hostile","version":"0.1.0","kinds":[{"kind":"user","resource":"User","attributes":[{"name":"login","type":"text","required":true,"unique":true,"scim":"userName"},{"name":"label","type":"text","scim":"displayName"}]}]}"#;

/// What a WAT guest may import and has to export.
const WORLD: &str = "package tombolo:hostile;
world hostile {
    include tombolo:connector/reader@1.0.0;
    import tombolo:connector/ldap@1.0.0;
    import tombolo:connector/http@1.0.0;
    import tombolo:connector/net@1.0.0;
    import tombolo:connector/sql@1.0.0;
}";

/// One attack and what has to come of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Attack {
    /// The guest's file, and the app's name with `-` for `_`.
    pub name: String,
    /// What it tries, for people.
    pub tries: String,
    /// What has to come of it.
    pub expect: Expect,
    /// What the caller must be told, in the answer's text.
    #[serde(default)]
    pub says: String,
    /// How the attack is provoked.
    #[serde(default)]
    pub via: Via,
    /// Whether the connector works for the next caller.
    #[serde(default = "yes")]
    pub sound: bool,
    /// More of the app's file; `{app}`, `{silent}`, `{web}` and `{web-port}` stand for its name and for bad servers.
    #[serde(default)]
    pub app: String,
}

/// What has to come of an attack: the kind of fault, as `/metrics` names it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// The app does not load.
    Refused,
    /// It has an answer, and that is harmless.
    Answer,
    /// The processor time ends it: in good time where the machine is fast, so an answer is fine too.
    CpuOrAnswer,
    /// It fails in the contract's words.
    Failure,
    /// It crashes.
    Trap,
    /// The wall clock ends it.
    Timeout,
    /// The processor clock ends it; or, where the machine has no time for it, the wall clock.
    Cpu,
    /// The memory limit ends it.
    Memory,
    /// Another limit ends it.
    Limit,
    /// Another limit ends it; or, where each step is slow, the processor clock.
    LimitOrCpu,
    /// Its answer breaks the contract.
    Broken,
}

impl Expect {
    /// The labels in `tombolo_connector_faults_total`, any one of which will do.
    pub fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Refused | Self::Answer | Self::CpuOrAnswer => &[],
            Self::Failure => &["failure"],
            Self::Trap => &["trap"],
            Self::Timeout => &["timeout"],
            Self::Cpu => &["cpu", "timeout"],
            Self::Memory => &["memory"],
            Self::Limit => &["limit"],
            Self::LimitOrCpu => &["limit", "cpu"],
            Self::Broken => &["broken"],
        }
    }
}

/// How an attack is provoked.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// By a match query for `strike`.
    #[default]
    Match,
    /// By a listing of everybody.
    List,
}

fn yes() -> bool {
    true
}

/// A guest's file.
#[derive(Clone, Debug)]
pub enum Guest {
    /// A file of its own.
    Bytes(Vec<u8>),
    /// A module of the Rust guest.
    Rust,
}

/// The whole table.
pub fn corpus() -> Result<Vec<Attack>> {
    #[derive(Deserialize)]
    struct Table {
        attack: Vec<Attack>,
    }
    let path = folder().join("corpus.toml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let table: Table = toml::from_str(&text).context("tests/hostile/corpus.toml")?;
    Ok(table.attack)
}

/// The names of all guests that there are files for.
pub fn files() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for (part, ending) in [("wat", "wat"), ("rust/src/attack", "rs"), ("bytes", "toml")] {
        for entry in std::fs::read_dir(folder().join(part))? {
            let path = entry?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if let Some(stem) = stem.filter(|stem| *stem != "mod")
                && path.extension().is_some_and(|found| found == ending)
            {
                names.push(stem.to_owned());
            }
        }
    }
    names.sort();
    Ok(names)
}

impl Attack {
    /// The app's name.
    pub fn app_name(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The guest's file.
    pub fn guest(&self) -> Result<Guest> {
        guest(&self.name)
    }
}

/// The guest of that name.
pub fn guest(name: &str) -> Result<Guest> {
    let file = |part: &str| folder().join(part);
    if let Ok(text) = std::fs::read_to_string(file(&format!("wat/{name}.wat"))) {
        let bytes = component(&text).with_context(|| format!("wat/{name}.wat"))?;
        return Ok(Guest::Bytes(bytes));
    }
    if let Ok(text) = std::fs::read_to_string(file(&format!("bytes/{name}.toml"))) {
        let recipe: Recipe = toml::from_str(&text).with_context(|| format!("bytes/{name}.toml"))?;
        return Ok(Guest::Bytes(recipe.bytes()?));
    }
    if file(&format!("rust/src/attack/{name}.rs")).exists() {
        return Ok(Guest::Rust);
    }
    bail!("tests/hostile has no guest `{name}`")
}

/// The connector that holds all Rust guests.
pub fn rust() -> Result<PathBuf> {
    build::component("tombolo-test-hostile", "test_hostile")
}

fn folder() -> PathBuf {
    build::root().join("tests/hostile")
}

/// How a file is made that is no good.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Recipe {
    /// Text that stands in place of a component.
    text: Option<String>,
    /// Keeps so many hundredths of the file.
    cut: Option<usize>,
    /// Turns the bits of one byte in so many.
    damage: Option<usize>,
    /// Appends so many MiB of zeros.
    append: Option<usize>,
    /// Appends a custom section of so many MiB.
    section: Option<usize>,
    /// The manifest: so often this text.
    manifest: Option<(String, usize)>,
}

impl Recipe {
    fn bytes(&self) -> Result<Vec<u8>> {
        if let Some(text) = &self.text {
            return Ok(text.clone().into_bytes());
        }
        let mut bytes = component("")?;
        if let Some(cut) = self.cut {
            bytes.truncate(bytes.len() * cut / 100);
        }
        if let Some(step) = self.damage {
            // The first eight bytes say what the file is; it should get further than that.
            for byte in bytes[8..].iter_mut().step_by(step) {
                *byte ^= 0x55;
            }
        }
        if let Some(mib) = self.append {
            bytes.resize(bytes.len() + (mib << 20), 0);
        }
        if let Some(mib) = self.section {
            custom(&mut bytes, "padding", &vec![0x20; mib << 20]);
        }
        if let Some((text, times)) = &self.manifest {
            custom(
                &mut bytes,
                "tombolo:manifest",
                text.repeat(*times).as_bytes(),
            );
        }
        Ok(bytes)
    }
}

/// Appends a custom section.
fn custom(bytes: &mut Vec<u8>, name: &str, content: &[u8]) {
    let mut section = Vec::new();
    leb128(&mut section, name.len());
    section.extend_from_slice(name.as_bytes());
    section.extend_from_slice(content);
    bytes.push(0);
    leb128(bytes, section.len());
    bytes.extend(section);
}

fn leb128(bytes: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// A component from its text, or from a fragment of its core module.
pub fn component(text: &str) -> Result<Vec<u8>> {
    let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with(";;");
    let first = text.lines().find(code).unwrap_or_default();
    if first.starts_with("(component") {
        return Ok(wat::parse_str(
            text.replace("{describe}", &quoted(DESCRIBE)),
        )?);
    }
    if first.starts_with("(module") {
        return Ok(wat::parse_str(text)?);
    }
    let mut module = wat::parse_str(whole(text)?).context("the core module")?;
    let mut resolve = Resolve::default();
    resolve.push_dir(build::root().join("wit"))?;
    let package = resolve.push_str("hostile.wit", WORLD)?;
    let world = resolve.select_world(&[package], None)?;
    let strings = if text.contains(";; strings: latin1+utf16") {
        StringEncoding::CompactUTF16
    } else {
        StringEncoding::UTF8
    };
    embed_component_metadata(&mut module, &resolve, world, strings)?;
    // What is wrong with it the host has to find out.
    ComponentEncoder::default()
        .validate(false)
        .module(&module)?
        .encode()
}

/// The fragment, and from the prelude what it lacks.
fn whole(fragment: &str) -> Result<String> {
    let prelude = std::fs::read_to_string(folder().join("prelude.wat"))?;
    let mut module = format!("(module\n{fragment}\n");
    // Everything before the first heading is for people.
    for part in prelude.split("\n;;; ").skip(1) {
        let (heading, code) = part.split_once('\n').unwrap_or((part, ""));
        if !fragment.contains(heading) {
            module.push_str(code);
        }
    }
    module.push(')');
    Ok(module
        .replace("{describe}", &quoted(DESCRIBE))
        .replace("{describe-length}", &DESCRIBE.len().to_string()))
}

/// As a string of the text format.
fn quoted(text: &str) -> String {
    text.replace('"', "\\22")
}
