//! `apps/NAME.toml`: one configured use of a connector.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tombolo_engine::import::schedule::Imports;
use tombolo_engine::policy::Policy;
use tombolo_mapping::overrides::{Choice, Constant, Formula};
use tombolo_mapping::{Overrides, Shape};
use tombolo_runtime::Room;
use tombolo_scim::Dialect;

use super::auth::{self, Auth};
use super::diagnostic::{Diagnostic, Source};
use super::ecma::{self, Ecma};
use super::import;
use super::origin::Origin;
use super::policy;
use super::reader::{Entry, Located, Outline, Section, Sink, read_document};
use super::secret::SecretSource;
use super::target::{self, Target};
use super::upgrade::{self, Wishes};
use super::value;

/// A directory of files, granted to the connector.
#[derive(Clone, Debug)]
pub struct Directory {
    /// On the host, relative to the configuration directory.
    pub path: Located<PathBuf>,
    /// Whether the connector may change what is in it.
    pub writable: bool,
    /// How much it may hold, if so.
    pub room: Room,
}

/// A secret, granted to the connector.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Where it is.
    pub source: Located<SecretSource>,
    /// Whether the connector may see its bytes; else it gets a handle only.
    pub reveal: bool,
}

/// The limits of one app's calls; what is not said is the host's default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time of one call.
    pub wall: Option<Duration>,
    /// CPU time of one call.
    pub cpu: Option<Duration>,
    /// Memory of one instance.
    pub memory: Option<u64>,
    /// Table elements of one instance.
    pub tables: Option<usize>,
    /// Core instances that one instance is made of.
    pub instances: Option<usize>,
    /// Handles that one instance holds.
    pub resources: Option<usize>,
    /// What one call exchanges through host calls.
    pub host_call_bytes: Option<u64>,
    /// Requests to targets in one call.
    pub outbound_requests: Option<u32>,
    /// What one call sends to targets.
    pub outbound_bytes: Option<u64>,
    /// Size of one answer.
    pub response: Option<u64>,
    /// Log lines of one call.
    pub log_lines: Option<u32>,
    /// Size of all log lines of one call.
    pub log_bytes: Option<u64>,
    /// Lines of the audit record that one call may cause.
    pub audit_lines: Option<u32>,
    /// What the connector may keep in its state.
    pub state: Option<u64>,
    /// Calls at a time.
    pub concurrency: Option<usize>,
    /// Calls that wait for their turn.
    pub queue: Option<usize>,
    /// When calls stop being made.
    pub circuit: Circuit,
}

/// When calls to a connector that only fails stop; what is not said is the host's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    /// Failed calls in a row; 0 never stops.
    pub faults: Option<u32>,
    /// Until the first try.
    pub pause: Option<Duration>,
    /// The longest time between tries.
    pub max_pause: Option<Duration>,
}

/// How old an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Freshness {
    /// Ask the target, always.
    #[default]
    Live,
    /// Ask the target unless it was asked so long ago at most.
    Bounded(Duration),
    /// Answer from the mirror.
    Mirror,
}

/// Whether instances outlive a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reuse {
    /// Measure and decide.
    #[default]
    Auto,
    /// A new instance for every call.
    Fresh,
    /// Keep instances.
    Warm,
}

/// What an app's file says.
#[derive(Clone, Debug)]
pub struct AppFile {
    /// The file's name without `.toml`; part of the URL.
    pub name: String,
    /// The text it came from.
    pub source: Arc<Source>,
    /// Where each key stands.
    pub outline: Outline,
    /// The connector: NAME of `connectors/NAME.wasm`, or a reference.
    pub connector: Located<String>,
    /// Where it comes from.
    pub origin: Origin,
    /// The digest that the connector must have.
    pub pin: Option<Located<[u8; 32]>>,
    /// Who may call.
    pub auth: Auth,
    /// The connector's own settings.
    pub settings: serde_json::Value,
    /// Granted endpoints.
    pub targets: BTreeMap<String, Target>,
    /// Granted directories.
    pub directories: BTreeMap<String, Directory>,
    /// Granted secrets.
    pub secrets: BTreeMap<String, Secret>,
    /// What the operator wants otherwise than the connector suggests, by kind.
    pub mapping: BTreeMap<String, Overrides>,
    /// The ECMA connector that it stands in for, if it does.
    pub ecma: Option<Ecma>,
    /// Limits of a call.
    pub limits: Limits,
    /// How old an answer may be.
    pub freshness: Freshness,
    /// How strictly SCIM requests are read.
    pub dialect: Dialect,
    /// Whether instances outlive a call.
    pub reuse: Reuse,
    /// How a new revision of the connector is taken over.
    pub upgrade: Wishes,
    /// What is wanted of disables and deletes.
    pub policy: Policy,
    /// What is wanted of imports.
    pub imports: Imports,
}

impl AppFile {
    /// Its connector as messages name it.
    pub fn shown_connector(&self) -> String {
        self.origin.shown(&self.connector.value)
    }

    /// How the app shows its objects.
    pub fn shape(&self) -> Shape {
        if self.ecma.is_some() {
            Shape::Ecma
        } else {
            Shape::Scim
        }
    }

    /// Reads an app's text. Nothing comes back when it is no TOML or names no connector.
    pub fn read(name: &str, source: &Arc<Source>) -> (Option<Self>, Vec<Diagnostic>) {
        read_document(source, |root, sink, outline| {
            read(name, source, root, sink, outline)
        })
    }
}

/// Whether a name may be part of a URL, a file name and a metric's label.
pub fn is_sane_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn read(
    name: &str,
    source: &Arc<Source>,
    mut root: Section<'_>,
    sink: &Sink,
    outline: Outline,
) -> Option<AppFile> {
    if !is_sane_name(name) {
        sink.error_hint(
            0..0,
            format!("`{name}` cannot be the name of an app"),
            "rename the file: letters, digits, `-` and `_`, at most 64, beginning with a letter or digit",
        );
    }
    let connector = root
        .required_text(
            "connector",
            "name a file in `connectors/` without its `.wasm`, such as `connector = \"csv\"`",
        )
        .and_then(|connector| match Origin::parse(&connector.value) {
            Ok(origin) => Some((connector, origin)),
            Err((message, hint)) => {
                sink.error_hint(connector.span, message, hint);
                None
            }
        });
    let pin = root.parsed("sha256", value::sha256);
    let auth = auth::read(root.section("auth"), sink);
    let settings = root
        .section("settings")
        .map_or_else(|| serde_json::json!({}), |section| section.to_json());
    let targets = root
        .section("targets")
        .map(|section| target::read(section, sink))
        .unwrap_or_default();
    let directories = root
        .section("directories")
        .map(|section| directories(section, sink))
        .unwrap_or_default();
    let secrets = root
        .section("secrets")
        .map(|section| secrets(section, sink))
        .unwrap_or_default();
    let mapping = root
        .section("mapping")
        .map(|section| mapping(section, sink))
        .unwrap_or_default();
    let ecma = root
        .section("ecma")
        .map(|section| ecma::read(name, section, sink));
    let limits = root.section("limits").map(limits).unwrap_or_default();
    let freshness = root
        .section("reads")
        .and_then(freshness)
        .unwrap_or_default();
    let dialect = root.section("scim").and_then(dialect).unwrap_or_default();
    let reuse = root
        .section("instances")
        .and_then(reuse)
        .unwrap_or_default();
    let upgrade = root
        .section("upgrade")
        .map(upgrade::read)
        .unwrap_or_default();
    let policy = policy::read(&mut root, sink);
    let imports = root
        .section("import")
        .map(|section| import::read(section, sink))
        .unwrap_or_default();
    root.finish();
    let (connector, origin) = connector?;
    Some(AppFile {
        name: name.to_owned(),
        source: Arc::clone(source),
        outline,
        connector,
        origin,
        pin,
        auth,
        settings,
        targets,
        directories,
        secrets,
        mapping,
        ecma,
        limits,
        freshness,
        dialect,
        reuse,
        upgrade,
        policy,
        imports,
    })
}

fn directories(section: Section<'_>, sink: &Sink) -> BTreeMap<String, Directory> {
    let mut directories = BTreeMap::new();
    for (name, mut section) in section.named_sections() {
        let path = section.required_text(
            "path",
            "the directory on this machine, such as `path = \"data/hr\"`",
        );
        let writable = section
            .choice(
                "access",
                &[("read", false), ("read-only", false), ("read-write", true)],
            )
            .unwrap_or(false);
        let room = room(&mut section, writable, sink);
        section.finish();
        if let Some(path) = path {
            let path = Located {
                value: PathBuf::from(path.value),
                span: path.span,
            };
            let directory = Directory {
                path,
                writable,
                room,
            };
            directories.insert(name, directory);
        }
    }
    directories
}

fn room(section: &mut Section<'_>, writable: bool, sink: &Sink) -> Room {
    for key in ["max-size", "max-files"] {
        if section.has(key) && !writable {
            sink.error_hint(
                section.span(),
                format!("`{key}` of a directory that may only be read says nothing"),
                "add `access = \"read-write\"`, or take it out",
            );
        }
    }
    let default = Room::default();
    Room {
        bytes: section.size("max-size").unwrap_or(default.bytes),
        files: section
            .integer("max-files", 1..=10_000_000)
            .unwrap_or(default.files),
    }
}

fn secrets(section: Section<'_>, sink: &Sink) -> BTreeMap<String, Secret> {
    let mut secrets = BTreeMap::new();
    for (key, entry) in section.named_entries() {
        let secret = match entry {
            Entry::Table(mut section) => {
                let hint = "where the secret is, such as `{ from = \"env:NAME\", reveal = true }`";
                let source = section.required_text("from", hint);
                let reveal = section.flag("reveal").unwrap_or(false);
                section.finish();
                source.map(|source| (SecretSource::parse(&source.value), source.span, reveal))
            }
            Entry::Value(value) => {
                let parsed = value
                    .get_ref()
                    .as_str()
                    .map_or_else(|| Err("must be a string".to_owned()), SecretSource::parse);
                Some((parsed, value.span(), false))
            }
        };
        match secret {
            Some((Ok(value), span, reveal)) => {
                let source = Located { value, span };
                secrets.insert(key.value, Secret { source, reveal });
            }
            Some((Err(why), span, _)) => sink.error(span, format!("`secrets.{}` {why}", key.value)),
            None => {}
        }
    }
    secrets
}

fn mapping(section: Section<'_>, sink: &Sink) -> BTreeMap<String, Overrides> {
    let mut kinds = BTreeMap::new();
    for (kind, mut section) in section.named_sections() {
        let mut overrides = Overrides::none();
        if let Some(constants) = section.section("constants") {
            for (name, value) in constants.named_json() {
                match serde_json::from_value::<Constant>(value) {
                    Ok(constant) => overrides = overrides.constant(&name.value, constant),
                    Err(_) => sink.error_hint(
                        name.span,
                        format!(
                            "`mapping.{kind}.constants.{}` cannot be a constant",
                            name.value
                        ),
                        "a constant is a text, a whole number, true or false, or an array of them",
                    ),
                }
            }
        }
        if let Some(expressions) = section.section("expressions") {
            for (name, value) in expressions.named_json() {
                match serde_json::from_value::<Formula>(value) {
                    Ok(formula) => overrides = overrides.express(&name.value, formula),
                    Err(why) => sink.error(
                        name.span,
                        format!("`mapping.{kind}.expressions.{}`: {why}", name.value),
                    ),
                }
            }
        }
        overrides.default_domain = section.text("default-domain").map(|domain| domain.value);
        for (path, entry) in section.named_entries() {
            if ["constants", "expressions", "default-domain"].contains(&path.value.as_str()) {
                continue;
            }
            overrides = match entry {
                Entry::Table(table) => match serde_json::from_value::<Choice>(table.to_json()) {
                    Ok(choice) => overrides.choose(&path.value, choice),
                    Err(why) => {
                        let message = format!("`mapping.{kind}.\"{}\"`: {why}", path.value);
                        sink.error(path.span, message);
                        overrides
                    }
                },
                Entry::Value(value) => {
                    match (value.get_ref().as_str(), value.get_ref().as_bool()) {
                        (Some(attribute), _) if !attribute.trim().is_empty() => {
                            overrides.map(&path.value, attribute)
                        }
                        (_, Some(false)) => overrides.unmap(&path.value),
                        _ => {
                            sink.error_hint(
                            value.span(),
                            format!("`mapping.{kind}.\"{}\"` must name an attribute of the object or be `false`", path.value),
                            "write `\"name.familyName\" = \"sn\"`, or `= false` for what must not be mapped; quote a path that has a dot in it",
                        );
                            overrides
                        }
                    }
                }
            };
        }
        kinds.insert(kind, overrides);
    }
    kinds
}

fn limits(mut section: Section<'_>) -> Limits {
    let mut number = |key, range| {
        let found = section.integer(key, range);
        found.and_then(|n| u32::try_from(n).ok())
    };
    let (outbound_requests, log_lines, audit_lines) = (
        number("outbound-requests", 1..=10_000_000),
        number("log-lines", 0..=100_000),
        number("audit-lines", 1..=10_000_000),
    );
    let mut count = |key, range| number(key, range).and_then(|n| usize::try_from(n).ok());
    let limits = Limits {
        // The engine's own tables end there.
        tables: count("tables", 1..=100_000),
        instances: count("instances", 1..=1_000),
        resources: count("resources", 1..=100_000),
        concurrency: count("concurrency", 1..=4096),
        queue: count("queue", 0..=100_000),
        outbound_requests,
        log_lines,
        audit_lines,
        wall: section.duration("wall"),
        cpu: section.duration("cpu"),
        memory: section.size("memory"),
        host_call_bytes: section.size("host-call-bytes"),
        outbound_bytes: section.size("outbound-bytes"),
        response: section.size("response"),
        log_bytes: section.size("log-bytes"),
        state: section.size("state"),
        circuit: section.section("circuit").map(circuit).unwrap_or_default(),
    };
    section.finish();
    limits
}

fn circuit(mut section: Section<'_>) -> Circuit {
    let circuit = Circuit {
        faults: section
            .integer("faults", 0..=1_000_000)
            .and_then(|n| u32::try_from(n).ok()),
        pause: section.duration("pause"),
        max_pause: section.duration("max-pause"),
    };
    section.finish();
    circuit
}

fn freshness(mut section: Section<'_>) -> Option<Freshness> {
    let found = section.parsed("freshness", |text| match text {
        "live" => Ok(Freshness::Live),
        "mirror" => Ok(Freshness::Mirror),
        other => value::duration(other).map(Freshness::Bounded).map_err(|_| {
            format!("must be \"live\", \"mirror\" or a duration such as \"30s\", not `{other}`")
        }),
    });
    section.finish();
    found.map(|found| found.value)
}

fn dialect(mut section: Section<'_>) -> Option<Dialect> {
    let words = [("entra", Dialect::Entra), ("strict", Dialect::Strict)];
    let found = section.choice("mode", &words);
    section.finish();
    found
}

fn reuse(mut section: Section<'_>) -> Option<Reuse> {
    let words = [
        ("auto", Reuse::Auto),
        ("fresh", Reuse::Fresh),
        ("warm", Reuse::Warm),
    ];
    let found = section.choice("reuse", &words);
    section.finish();
    found
}
