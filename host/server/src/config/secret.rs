//! Secrets are named in the files and live elsewhere: `env:NAME` or `file:PATH`.

use std::fmt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of the host.
    Environment(String),
    /// A file, relative to the configuration directory.
    File(PathBuf),
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
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
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
            Some("") => Err("needs a path after `file:`".to_owned()),
            Some(path) => Ok(Self::File(PathBuf::from(path))),
            None => Err(
                "must not hold the secret itself: write \"env:NAME\" or \"file:PATH\"".to_owned(),
            ),
        }
    }

    /// The file it is in, if it is in one.
    pub fn path(&self, dir: &Path) -> Option<PathBuf> {
        match self {
            Self::Environment(_) => None,
            Self::File(path) => Some(dir.join(path)),
        }
    }

    /// Fetches the secret. A file's last line break is not part of it.
    pub fn resolve(&self, dir: &Path) -> Result<SecretString, SecretError> {
        let secret = match self {
            Self::Environment(name) => std::env::var(name).map_err(|why| match why {
                std::env::VarError::NotPresent => SecretError::Unset(name.clone()),
                std::env::VarError::NotUnicode(_) => SecretError::NotText(name.clone()),
            })?,
            Self::File(path) => {
                let path = dir.join(path);
                let mut text = std::fs::read_to_string(&path)
                    .map_err(|why| SecretError::Unreadable { path, why })?;
                if text.ends_with('\n') {
                    text.pop();
                    if text.ends_with('\r') {
                        text.pop();
                    }
                }
                text
            }
        };
        if secret.is_empty() {
            Err(SecretError::Empty(self.clone()))
        } else {
            Ok(secret.into())
        }
    }

    /// Whether others than the owner may read the file: `Some(mode)` if so.
    pub fn too_open(&self, dir: &Path) -> Option<u32> {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(self.path(dir)?)
            .ok()?
            .permissions()
            .mode()
            & 0o777;
        (mode & 0o077 != 0).then_some(mode)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_literal_secret_is_refused_and_not_repeated() {
        let error = SecretSource::parse("hunter2").unwrap_err();
        assert!(
            error.contains("env:NAME") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn a_secret_file_loses_its_last_line_break_only() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("s"), " a b \r\n").unwrap();
        let secret = SecretSource::parse("file:s")
            .unwrap()
            .resolve(dir.path())
            .unwrap();
        assert_eq!(secret.expose_secret(), " a b ");
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = SecretSource::parse("env:TOMBOLO_SURELY_UNSET")
            .unwrap()
            .resolve(Path::new("/"))
            .unwrap_err();
        assert!(error.to_string().contains("`TOMBOLO_SURELY_UNSET`"));
    }
}
