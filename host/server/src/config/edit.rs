//! Changes a list of credentials in an app's file, and nothing else of it.
//!
//! The file is the operator's: an edit keeps every comment and blank that it does not have to touch, and the file is
//! replaced whole, so that a running host never reads half of it. A credential is made here, shown once, and kept as a
//! hash.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

/// Why the credentials of an app could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file cannot be read or replaced.
    #[error("cannot {action} `{file}`: {why}")]
    File {
        /// Read or replace.
        action: &'static str,
        /// Which.
        file: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// It is no TOML.
    #[error("`{file}` is not valid TOML: {why}\n  hint: `tombolo check` says where")]
    Syntax {
        /// Which.
        file: String,
        /// What the parser said.
        why: toml_edit::TomlError,
    },
    /// It holds something else where the credentials should be.
    #[error(
        "`{place}` in `{file}` is not an array of tables\n  hint: write `{place} = []` and try again"
    )]
    Shape {
        /// Which.
        file: String,
        /// The key's path.
        place: String,
    },
    /// One more than may be valid at a time.
    #[error("{owner} has {most} {word}s already: {names}\n  hint: revoke one first: `{revoke}`")]
    TooMany {
        /// Whose.
        owner: String,
        /// Token or secret.
        word: &'static str,
        /// How many there may be.
        most: usize,
        /// What they are called.
        names: String,
        /// How to make room.
        revoke: String,
    },
    /// The name is taken.
    #[error("{owner} has a {word} called `{name}` already\n  hint: choose another with `--name`")]
    Taken {
        /// Whose.
        owner: String,
        /// Token or secret.
        word: &'static str,
        /// Which.
        name: String,
    },
    /// There is none of this name.
    #[error("{owner} has no {word} called `{name}`\n  hint: it has: {names}")]
    Unknown {
        /// Whose.
        owner: String,
        /// Token, secret or client.
        word: &'static str,
        /// Which.
        name: String,
        /// What there is.
        names: String,
    },
    /// It could not be written in a header, a form or a URL without being encoded.
    #[error(
        "`{0}` cannot be the id of a client\n  hint: letters, digits, `-`, `.`, `_` and `~`, at most 128"
    )]
    ClientId(String),
    /// The system has no random numbers.
    #[error("the system gave no random numbers: {0}")]
    Random(String),
}

/// A new credential. Its text is shown once and kept nowhere.
#[derive(Debug)]
pub struct New {
    /// What the operator calls it.
    pub name: String,
    /// What the client sends.
    pub text: SecretString,
}

/// What is said of a list of credentials, and how many it may hold.
pub(super) struct Sort {
    pub(super) word: &'static str,
    pub(super) most: usize,
    /// Makes credentials easy to find by those who look for leaked ones.
    pub(super) prefix: &'static str,
    /// Whose.
    pub(super) owner: String,
    /// The command that makes room.
    pub(super) revoke: String,
}

/// What the file keeps of a credential. SHA-256 without salt or stretching is enough: it has 256 random bits, and there
/// is nothing to guess.
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// 256 random bits as text that needs no quoting anywhere.
pub(super) fn random(prefix: &str) -> Result<SecretString, EditError> {
    let mut bits = [0; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bits)
        .map_err(|why| EditError::Random(why.to_string()))?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bits)).into())
}

/// An app's file, being changed.
pub(super) struct AppText {
    path: PathBuf,
    document: DocumentMut,
}

impl AppText {
    pub(super) fn open(path: &Path) -> Result<Self, EditError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|why| EditError::File {
            action: "read",
            file: file.clone(),
            why,
        })?;
        let document = text
            .parse()
            .map_err(|why| EditError::Syntax { file, why })?;
        Ok(Self {
            path: path.to_owned(),
            document,
        })
    }

    /// Replaces the file whole: readers see the old one or the new one.
    pub(super) fn save(&self) -> Result<(), EditError> {
        crate::files::replace(&self.path, self.document.to_string().as_bytes()).map_err(|why| {
            EditError::File {
                action: "replace",
                file: self.path.display().to_string(),
                why,
            }
        })
    }

    /// The table at a path, made if it is not there; its parents are written only as part of its name.
    pub(super) fn table(
        &mut self,
        path: &[&str],
    ) -> Result<&mut dyn toml_edit::TableLike, EditError> {
        let shape = EditError::Shape {
            file: self.path.display().to_string(),
            place: path.join("."),
        };
        let mut table: &mut dyn toml_edit::TableLike = self.document.as_table_mut();
        for (depth, key) in path.iter().enumerate() {
            let item = table.entry(key).or_insert_with(|| {
                let mut made = Table::new();
                made.set_implicit(depth + 1 < path.len());
                Item::Table(made)
            });
            let Some(inner) = item.as_table_like_mut() else {
                return Err(shape);
            };
            table = inner;
        }
        Ok(table)
    }

    /// The list of credentials at a path, made if it is not there.
    pub(super) fn credentials(&mut self, path: &[&str]) -> Result<&mut Item, EditError> {
        let shape = EditError::Shape {
            file: self.path.display().to_string(),
            place: path.join("."),
        };
        let Some((key, parents)) = path.split_last() else {
            return Err(shape);
        };
        let list = self
            .table(parents)?
            .entry(key)
            .or_insert_with(|| Item::Value(Value::Array(Array::new())));
        match list {
            Item::Value(Value::Array(array)) if array.iter().all(Value::is_inline_table) => {
                Ok(list)
            }
            Item::ArrayOfTables(_) => Ok(list),
            _ => Err(shape),
        }
    }
}

/// Adds a credential to a list.
pub(super) fn add(
    list: &mut Item,
    sort: &Sort,
    name: Option<&str>,
    expires: Option<&str>,
) -> Result<New, EditError> {
    let names = names(list, sort.word);
    if names.len() >= sort.most {
        return Err(EditError::TooMany {
            owner: sort.owner.clone(),
            word: sort.word,
            most: sort.most,
            names: listed(&names),
            revoke: sort.revoke.clone(),
        });
    }
    let name = match name {
        Some(name) if names.iter().any(|taken| taken == name) => {
            return Err(EditError::Taken {
                owner: sort.owner.clone(),
                word: sort.word,
                name: name.to_owned(),
            });
        }
        Some(name) => name.to_owned(),
        None => unused(&names, sort.word),
    };
    let text = random(sort.prefix)?;
    let mut entry = InlineTable::new();
    entry.insert("name", name.as_str().into());
    entry.insert("sha256", hex::encode(hash(text.expose_secret())).into());
    if let Some(expires) = expires {
        // Checked by the command line; a text works as well as TOML's own date.
        let value = expires
            .parse::<toml_edit::Datetime>()
            .map_or_else(|_| Value::from(expires), Value::from);
        entry.insert("expires", value);
    }
    push(list, entry);
    Ok(New { name, text })
}

/// Takes a credential out of a list.
pub(super) fn remove(list: &mut Item, sort: &Sort, name: &str) -> Result<(), EditError> {
    let names = names(list, sort.word);
    let Some(at) = names.iter().position(|found| found == name) else {
        return Err(EditError::Unknown {
            owner: sort.owner.clone(),
            word: sort.word,
            name: name.to_owned(),
            names: listed(&names),
        });
    };
    match list {
        Item::Value(Value::Array(array)) => {
            array.remove(at);
        }
        Item::ArrayOfTables(tables) => {
            tables.remove(at);
        }
        _ => {}
    }
    Ok(())
}

/// In order; one without a name is called by its place, as the reader does.
fn names(list: &Item, word: &str) -> Vec<String> {
    let given: Vec<Option<String>> = match list {
        Item::Value(Value::Array(array)) => array
            .iter()
            .map(|entry| Some(entry.as_inline_table()?.get("name")?.as_str()?.to_owned()))
            .collect(),
        Item::ArrayOfTables(tables) => tables
            .iter()
            .map(|entry| Some(entry.get("name")?.as_str()?.to_owned()))
            .collect(),
        _ => Vec::new(),
    };
    given
        .into_iter()
        .enumerate()
        .map(|(n, name)| name.unwrap_or_else(|| format!("{word}-{}", n + 1)))
        .collect()
}

fn push(list: &mut Item, entry: InlineTable) {
    match list {
        Item::Value(Value::Array(array)) => {
            let mut value = Value::InlineTable(entry);
            value.decor_mut().set_prefix("\n  ");
            let mut rest: Vec<Value> = std::mem::take(array).into_iter().collect();
            for entry in &mut rest {
                let prefix = entry
                    .decor()
                    .prefix()
                    .and_then(|prefix| prefix.as_str())
                    .unwrap_or_default();
                if !prefix.contains('\n') {
                    entry.decor_mut().set_prefix("\n  ");
                }
                // What stood before the closing bracket belongs to it, not between two entries.
                if entry
                    .decor()
                    .suffix()
                    .and_then(|suffix| suffix.as_str())
                    .is_some_and(|s| s.trim().is_empty())
                {
                    entry.decor_mut().set_suffix("");
                }
            }
            rest.push(value);
            *array = rest.into_iter().fold(Array::new(), |mut array, entry| {
                array.push_formatted(entry);
                array
            });
            array.set_trailing("\n");
            array.set_trailing_comma(true);
        }
        Item::ArrayOfTables(tables) => tables.push(entry.into_table()),
        _ => {}
    }
}

pub(super) fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn unused(names: &[String], word: &str) -> String {
    let mut n = names.len() + 1;
    loop {
        let name = format!("{word}-{n}");
        if !names.contains(&name) {
            return name;
        }
        n += 1;
    }
}
