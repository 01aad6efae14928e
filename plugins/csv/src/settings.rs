//! The app's `[settings]`.

use serde::Deserialize;
use std::collections::BTreeMap;
use tombolo_sdk::{Failure, Result};

/// What the operator may say. The manifest's schema has checked it.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// The file with one row a person.
    pub people: String,
    /// The file with one row a group.
    pub groups: String,
    /// The file with one row a membership.
    pub memberships: String,
    /// What separates the fields: one character, or `tab`.
    pub delimiter: String,
    /// Further columns of the people file.
    pub columns: Columns,
}

/// Further columns: names, or names with what is said about them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Columns {
    /// Only names: shown to SCIM where the operator maps them.
    Names(Vec<String>),
    /// Names and suggestions.
    Described(BTreeMap<String, Column>),
}

/// What is said about a further column.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Column {
    /// The SCIM path.
    Scim(String),
    /// The SCIM path and a description, both optional.
    Full {
        /// The SCIM path.
        #[serde(default)]
        scim: Option<String>,
        /// For people.
        #[serde(default)]
        description: Option<String>,
    },
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            people: "people.csv".to_owned(),
            groups: "groups.csv".to_owned(),
            memberships: "memberships.csv".to_owned(),
            delimiter: ",".to_owned(),
            columns: Columns::Names(Vec::new()),
        }
    }
}

impl Settings {
    /// The delimiter as a byte.
    pub fn delimiter(&self) -> Result<u8> {
        match self.delimiter.as_bytes() {
            b"tab" => Ok(b'\t'),
            [one] if one.is_ascii() && !matches!(one, b'"' | b'\r' | b'\n') => Ok(*one),
            _ => Err(Failure::invalid(format!(
                "settings: delimiter {:?} is neither one ASCII character nor \"tab\"",
                self.delimiter
            ))),
        }
    }

    /// The further columns: name, SCIM path, description.
    pub fn columns(&self) -> Vec<(&str, Option<&str>, Option<&str>)> {
        match &self.columns {
            Columns::Names(names) => names.iter().map(|n| (n.as_str(), None, None)).collect(),
            Columns::Described(columns) => columns
                .iter()
                .map(|(name, column)| match column {
                    Column::Scim(path) => (name.as_str(), Some(path.as_str()), None),
                    Column::Full { scim, description } => {
                        (name.as_str(), scim.as_deref(), description.as_deref())
                    }
                })
                .collect(),
        }
    }
}
