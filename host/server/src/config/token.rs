//! Bearer tokens: made here, printed once, kept as a hash.
//!
//! The app's file is the operator's: an edit keeps every comment and blank that it does not have to touch, and the file
//! is replaced whole, so that a running host never reads half of it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRng as _;
use sha2::{Digest as _, Sha256};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

use super::app::MAX_TOKENS;

/// Makes tokens easy to find by those who look for leaked ones.
pub const PREFIX: &str = "tmb_";

/// Why the tokens of an app could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
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
    /// It holds something else where tokens should be.
    #[error(
        "`auth.tokens` in `{0}` is not an array of tables\n  hint: write `tokens = []` under `[auth]` and try again"
    )]
    Shape(String),
    /// A third one.
    #[error(
        "app `{app}` has {MAX_TOKENS} tokens already: {names}\n  hint: revoke one first: `tombolo token revoke DIR {app} NAME`"
    )]
    TooMany {
        /// Whose.
        app: String,
        /// What they are called.
        names: String,
    },
    /// The name is taken.
    #[error(
        "app `{app}` has a token called `{name}` already\n  hint: choose another with `--name`"
    )]
    Taken {
        /// Whose.
        app: String,
        /// Which.
        name: String,
    },
    /// There is no such token.
    #[error("app `{app}` has no token called `{name}`\n  hint: it has: {names}")]
    Unknown {
        /// Whose.
        app: String,
        /// Which.
        name: String,
        /// What there is.
        names: String,
    },
    /// The system has no random numbers.
    #[error("the system gave no random numbers: {0}")]
    Random(String),
}

/// A new token. Its text is shown once and kept nowhere.
#[derive(Debug)]
pub struct NewToken {
    /// What the operator calls it.
    pub name: String,
    /// What the client sends.
    pub token: secrecy::SecretString,
}

/// 256 random bits as text that needs no quoting anywhere.
pub fn random() -> Result<secrecy::SecretString, TokenError> {
    let mut bits = [0; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bits)
        .map_err(|why| TokenError::Random(why.to_string()))?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bits)).into())
}

/// What the file keeps of a token.
pub fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Adds a token to an app's file.
pub fn create(
    path: &Path,
    app: &str,
    name: Option<&str>,
    expires: Option<&str>,
) -> Result<NewToken, TokenError> {
    use secrecy::ExposeSecret as _;
    let mut document = open(path)?;
    let tokens = tokens(&mut document, path)?;
    let names = names(tokens);
    if names.len() >= MAX_TOKENS {
        return Err(TokenError::TooMany {
            app: app.to_owned(),
            names: listed(&names),
        });
    }
    let name = match name {
        Some(name) if names.iter().any(|taken| taken == name) => {
            return Err(TokenError::Taken {
                app: app.to_owned(),
                name: name.to_owned(),
            });
        }
        Some(name) => name.to_owned(),
        None => unused(&names),
    };
    let token = random()?;
    let mut entry = InlineTable::new();
    entry.insert("name", name.as_str().into());
    entry.insert("sha256", hex::encode(hash(token.expose_secret())).into());
    if let Some(expires) = expires {
        // Checked by the command line; a text works as well as TOML's own date.
        let value = expires
            .parse::<toml_edit::Datetime>()
            .map_or_else(|_| Value::from(expires), Value::from);
        entry.insert("expires", value);
    }
    push(tokens, entry);
    replace(path, &document.to_string())?;
    Ok(NewToken { name, token })
}

/// Takes a token out of an app's file.
pub fn revoke(path: &Path, app: &str, name: &str) -> Result<(), TokenError> {
    let mut document = open(path)?;
    let tokens = tokens(&mut document, path)?;
    let names = names(tokens);
    let Some(at) = names.iter().position(|found| found == name) else {
        return Err(TokenError::Unknown {
            app: app.to_owned(),
            name: name.to_owned(),
            names: listed(&names),
        });
    };
    match tokens {
        Item::Value(Value::Array(array)) => {
            array.remove(at);
        }
        Item::ArrayOfTables(tables) => {
            tables.remove(at);
        }
        _ => {}
    }
    replace(path, &document.to_string())
}

/// Replaces a file whole: readers see the old one or the new one.
pub fn replace(path: &Path, text: &str) -> Result<(), TokenError> {
    crate::files::replace(path, text.as_bytes()).map_err(|why| TokenError::File {
        action: "replace",
        file: path.display().to_string(),
        why,
    })
}

fn open(path: &Path) -> Result<DocumentMut, TokenError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|why| TokenError::File {
        action: "read",
        file: file.clone(),
        why,
    })?;
    text.parse().map_err(|why| TokenError::Syntax { file, why })
}

fn tokens<'a>(document: &'a mut DocumentMut, path: &Path) -> Result<&'a mut Item, TokenError> {
    let shape = || TokenError::Shape(path.display().to_string());
    let auth = document
        .entry("auth")
        .or_insert_with(|| Item::Table(Table::new()));
    let auth = auth.as_table_like_mut().ok_or_else(shape)?;
    let tokens = auth
        .entry("tokens")
        .or_insert_with(|| Item::Value(Value::Array(Array::new())));
    match tokens {
        Item::Value(Value::Array(array)) if array.iter().all(Value::is_inline_table) => Ok(tokens),
        Item::ArrayOfTables(_) => Ok(tokens),
        _ => Err(shape()),
    }
}

/// In order; one without a name is called by its place, as the reader does.
fn names(tokens: &Item) -> Vec<String> {
    let given: Vec<Option<String>> = match tokens {
        Item::Value(Value::Array(array)) => array
            .iter()
            .map(|token| Some(token.as_inline_table()?.get("name")?.as_str()?.to_owned()))
            .collect(),
        Item::ArrayOfTables(tables) => tables
            .iter()
            .map(|token| Some(token.get("name")?.as_str()?.to_owned()))
            .collect(),
        _ => Vec::new(),
    };
    given
        .into_iter()
        .enumerate()
        .map(|(n, name)| name.unwrap_or_else(|| format!("token-{}", n + 1)))
        .collect()
}

fn push(tokens: &mut Item, entry: InlineTable) {
    match tokens {
        Item::Value(Value::Array(array)) => {
            let mut value = Value::InlineTable(entry);
            value.decor_mut().set_prefix("\n  ");
            let mut rest: Vec<Value> = std::mem::take(array).into_iter().collect();
            for token in &mut rest {
                let prefix = token
                    .decor()
                    .prefix()
                    .and_then(|prefix| prefix.as_str())
                    .unwrap_or_default();
                if !prefix.contains('\n') {
                    token.decor_mut().set_prefix("\n  ");
                }
                // What stood before the closing bracket belongs to it, not between two tokens.
                if token
                    .decor()
                    .suffix()
                    .and_then(|suffix| suffix.as_str())
                    .is_some_and(|s| s.trim().is_empty())
                {
                    token.decor_mut().set_suffix("");
                }
            }
            rest.push(value);
            *array = rest.into_iter().fold(Array::new(), |mut array, token| {
                array.push_formatted(token);
                array
            });
            array.set_trailing("\n");
            array.set_trailing_comma(true);
        }
        Item::ArrayOfTables(tables) => tables.push(entry.into_table()),
        _ => {}
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn unused(names: &[String]) -> String {
    let mut n = names.len() + 1;
    loop {
        let name = format!("token-{n}");
        if !names.contains(&name) {
            return name;
        }
        n += 1;
    }
}
