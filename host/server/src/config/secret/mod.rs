//! Secrets are named in the files and live elsewhere.
//!
//! | notation | where the secret is |
//! |---|---|
//! | `env:NAME` | in an environment variable of the host |
//! | `file:PATH` | in a file, relative to the configuration directory |
//! | `PROVIDER:KEY` | with a provider that `[secret-providers.PROVIDER]` in tombolo.toml describes |
//!
//! | module | idea |
//! |---|---|
//! | `file` | what `[secret-providers]` says |
//! | [`provider`] | from a notation to a secret, whoever has it |
//! | `vault` | HashiCorp Vault and OpenBao: signing in, reading, and what is kept over an outage |

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

mod file;
pub mod provider;
mod vault;

pub use file::{ProviderFile, VaultAuth, VaultFile};
pub(super) use file::{check, read};
pub use provider::Providers;
use vault::VaultError;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of the host.
    Environment(String),
    /// A file, relative to the configuration directory.
    File(PathBuf),
    /// With a provider.
    Provided {
        /// Its name in tombolo.toml, if it has one there.
        provider: String,
        /// What the secret is called there.
        key: String,
    },
}

/// Why a secret could not be had. Says nothing of its value.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment variable `{0}` is not set")]
    Unset(String),
    /// The variable holds something that is no text.
    #[error("the environment variable `{0}` is not valid UTF-8")]
    NotText(String),
    /// The file cannot be read.
    #[error("cannot read the secret file `{}`: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// There is nothing in it.
    #[error("{0} is empty")]
    Empty(SecretSource),
    /// No such provider. What stands there may be a secret with a colon in it, so it is not repeated.
    #[error("a secret is named by a provider that tombolo.toml does not have")]
    NoProvider {
        /// Those it has, for the hint.
        known: Vec<String>,
    },
    /// The provider cannot have a secret of this name.
    #[error("`{0}` {1}")]
    Key(SecretSource, &'static str),
    /// Vault does not give it.
    #[error("{0}: {1}")]
    Vault(SecretSource, VaultError),
    /// Nobody asked the provider, because only files are looked at.
    #[error("{0} was not looked up, because only files are looked at")]
    NotAsked(SecretSource),
}

impl SecretError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unset(name) => {
                format!("start tombolo with `{name}` in its environment, or use \"file:PATH\"")
            }
            Self::NotText(_) => "use \"file:PATH\" or set the variable to text".to_owned(),
            Self::Unreadable { .. } => {
                "create the file, readable by the user that runs tombolo and by nobody else"
                    .to_owned()
            }
            Self::Empty(_) => "put the secret there".to_owned(),
            Self::NoProvider { known } if known.is_empty() => {
                "write \"env:NAME\" or \"file:PATH\", or describe the provider: `[secret-providers.NAME]` in tombolo.toml; never write the secret itself".to_owned()
            }
            Self::NoProvider { known } => format!(
                "tombolo.toml has: {}; never write the secret itself",
                known.join(", ")
            ),
            Self::Key(..) => {
                "write \"PROVIDER:NAME\" for a directory, \"PROVIDER:PATH#FIELD\" for Vault".to_owned()
            }
            Self::Vault(_, why) => why.hint().to_owned(),
            Self::NotAsked(_) => "leave out `--files-only` to look it up".to_owned(),
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Provided { provider, key } => write!(f, "{provider}:{key}"),
        }
    }
}

impl SecretSource {
    /// Reads the notation. The error never repeats the text, which may be the secret itself.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("env:") {
            let sane =
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            return if sane {
                Ok(Self::Environment(name.to_owned()))
            } else {
                Err("needs the name of an environment variable after `env:`".to_owned())
            };
        }
        match text.strip_prefix("file:") {
            Some("") => return Err("needs a path after `file:`".to_owned()),
            Some(path) => return Ok(Self::File(PathBuf::from(path))),
            None => {}
        }
        match text.split_once(':') {
            Some((provider, key)) if file::is_provider_name(provider) && !key.is_empty() => {
                Ok(Self::Provided {
                    provider: provider.to_owned(),
                    key: key.to_owned(),
                })
            }
            _ => Err(
                "must not hold the secret itself: write \"env:NAME\", \"file:PATH\" or \"PROVIDER:KEY\"".to_owned(),
            ),
        }
    }

    /// The same for what is needed before there are providers, or by one.
    pub(in crate::config) fn parse_own(text: &str) -> Result<Self, String> {
        match Self::parse(text) {
            Ok(Self::Provided { .. }) | Err(_) => {
                Err("must be \"env:NAME\" or \"file:PATH\"".to_owned())
            }
            own => own,
        }
    }
}

impl SecretSource {
    /// A secret that needs no provider.
    pub(in crate::config) fn resolve(&self, dir: &Path) -> Result<SecretString, SecretError> {
        let secret = match self {
            Self::Environment(name) => environment(name)?,
            Self::File(path) => file(&dir.join(path))?,
            Self::Provided { .. } => return Err(SecretError::NoProvider { known: Vec::new() }),
        };
        full(self, secret)
    }

    /// Whether others than the owner may read the file: `Some(mode)` if so. Who mounts a directory of secrets sees to
    /// that himself.
    pub(in crate::config) fn too_open(&self, dir: &Path) -> Option<u32> {
        let Self::File(path) = self else {
            return None;
        };
        let metadata = std::fs::metadata(dir.join(path)).ok()?;
        let mode = metadata.permissions().mode() & 0o777;
        (mode & 0o077 != 0).then_some(mode)
    }
}

fn environment(name: &str) -> Result<String, SecretError> {
    std::env::var(name).map_err(|why| match why {
        std::env::VarError::NotPresent => SecretError::Unset(name.to_owned()),
        std::env::VarError::NotUnicode(_) => SecretError::NotText(name.to_owned()),
    })
}

/// A file's last line break is not part of the secret.
fn file(path: &Path) -> Result<String, SecretError> {
    let mut text = std::fs::read_to_string(path).map_err(|why| SecretError::Unreadable {
        path: path.to_owned(),
        why,
    })?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

fn full(source: &SecretSource, secret: String) -> Result<SecretString, SecretError> {
    if secret.is_empty() {
        Err(SecretError::Empty(source.clone()))
    } else {
        Ok(secret.into())
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_literal_secret_is_refused_and_not_repeated() {
        for literal in ["hunter2", "hunter2:", ":hunter2", "Hunter2:x", "hun ter2:x"] {
            let error = SecretSource::parse(literal).unwrap_err();
            assert!(
                error.contains("env:NAME") && !error.contains("unter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_secret_file_loses_its_last_line_break_only() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("s"), " a b \r\n").unwrap();
        let source = SecretSource::parse("file:s").unwrap();
        let secret = source.resolve(dir.path()).unwrap();
        assert_eq!(secret.expose_secret(), " a b ");
    }

    #[test]
    fn a_missing_variable_is_named() {
        let source = SecretSource::parse("env:TOMBOLO_SURELY_UNSET").unwrap();
        let error = source.resolve(Path::new("/")).unwrap_err();
        assert!(error.to_string().contains("`TOMBOLO_SURELY_UNSET`"));
    }
}
