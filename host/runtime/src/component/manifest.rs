//! The manifest: static JSON in the custom section `tombolo:manifest`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bind::schema;
use crate::redact::printable;

/// The name of the custom section.
pub(crate) const SECTION: &str = "tombolo:manifest";

/// What a connector is and wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The connector's name.
    pub name: String,
    /// The connector's own version.
    pub version: String,
    /// One or two sentences.
    #[serde(default)]
    pub description: String,
    /// The version of the contract it was built against.
    pub wit: String,
    /// Whether its writes may run side by side.
    #[serde(default)]
    pub writes: Writes,
    /// Named endpoints it asks for.
    #[serde(default)]
    pub targets: Vec<WantedTarget>,
    /// Directories it wants to see as `/NAME`.
    #[serde(default)]
    pub directories: Vec<WantedDirectory>,
    /// Secrets it opens by name.
    #[serde(default)]
    pub secrets: Vec<WantedSecret>,
    /// JSON Schema of the app's settings; none allows any.
    #[serde(default)]
    pub settings: Option<Value>,
}

/// Whether a connector's writes may run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Writes {
    /// As many as the app's concurrency.
    #[default]
    Parallel,
    /// One at a time in an app: the target has no atomic changes of its own (files).
    Serial,
}

/// A target it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedTarget {
    /// The name it uses.
    pub name: String,
    /// What kind of endpoint: `ldap`.
    pub kind: String,
    /// Does it work without?
    #[serde(default = "yes")]
    pub required: bool,
    /// What for.
    #[serde(default)]
    pub description: String,
}

/// A directory it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedDirectory {
    /// The guest sees `/NAME`.
    pub name: String,
    /// What it does there.
    pub access: Access,
    /// Does it work without?
    #[serde(default = "yes")]
    pub required: bool,
    /// What for.
    #[serde(default)]
    pub description: String,
}

/// What a guest may do in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Look.
    ReadOnly,
    /// Look and change.
    ReadWrite,
}

impl Access {
    /// As the files spell it.
    pub fn word(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
        }
    }
}

/// A secret it asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedSecret {
    /// The name it opens.
    pub name: String,
    /// Does it need to see the bytes?
    #[serde(default)]
    pub reveal: bool,
    /// Does it work without?
    #[serde(default = "yes")]
    pub required: bool,
    /// What for.
    #[serde(default)]
    pub description: String,
}

fn yes() -> bool {
    true
}

impl Manifest {
    /// Reads the section; the error says what is wrong where.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, String> {
        let value: Value =
            serde_json::from_slice(json).map_err(|error| format!("it is not JSON: {error}"))?;
        if let Some(text) = painted(&value) {
            return Err(format!(
                "a text has characters that do something to a terminal: {}",
                printable(&text.chars().take(64).collect::<String>())
            ));
        }
        schema::MANIFEST.check(&value)?;
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    /// What a file without the section is taken for.
    pub(crate) fn absent(name: &str, wit: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: "0".to_owned(),
            description: String::new(),
            wit: wit.to_owned(),
            writes: Writes::default(),
            targets: Vec::new(),
            directories: Vec::new(),
            secrets: Vec::new(),
            settings: None,
        }
    }
}

/// The first text, of any depth, that holds more than characters to read: operators read it on their terminals.
fn painted(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => {
            let mut pieces = text.split(['\n', '\t']);
            pieces
                .any(|piece| printable(piece) != piece)
                .then_some(text)
        }
        Value::Array(items) => items.iter().find_map(painted),
        Value::Object(members) => members.iter().find_map(|(name, value)| {
            (printable(name) != *name)
                .then_some(name.as_str())
                .or_else(|| painted(value))
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}
