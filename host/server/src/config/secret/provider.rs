//! From a notation to a secret, whoever has it.
//!
//! Files are read when they are asked for. What is in Vault is [fetched](Providers::fetch) first, because that takes a
//! while, and then resolved like everything else; over an outage what was fetched last still resolves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use secrecy::SecretString;
use tokio::time::Instant;

use super::file::path as vault_path;
use super::vault::Vault;
use super::{ProviderFile, SecretError, SecretSource, VaultFile, file, full};
use crate::config::Layout;

/// Everybody who has secrets.
#[derive(Debug)]
pub struct Providers {
    dir: PathBuf,
    known: BTreeMap<String, Provider>,
}

#[derive(Debug)]
enum Provider {
    Directory(PathBuf),
    Vault(Box<Vault>),
}

impl Providers {
    /// As tombolo.toml has them. Nobody is asked yet.
    pub fn new(layout: &Layout, files: &BTreeMap<String, ProviderFile>) -> Self {
        let dir = layout.dir().to_owned();
        let provider = |(name, file): (&String, &ProviderFile)| {
            let provider = match file {
                ProviderFile::Directory { path, .. } => Provider::Directory(dir.join(path)),
                ProviderFile::Vault(vault) => {
                    Provider::Vault(Box::new(Vault::new(name, VaultFile::clone(vault), &dir)))
                }
            };
            (name.clone(), provider)
        };
        let known = files.iter().map(provider).collect();
        Self { dir, known }
    }

    /// The file that a secret is in, if it is in one.
    pub fn path(&self, source: &SecretSource) -> Option<PathBuf> {
        match source {
            SecretSource::Environment(_) => None,
            SecretSource::File(path) => Some(self.dir.join(path)),
            SecretSource::Provided { provider, key } => match self.known.get(provider)? {
                Provider::Directory(path) => is_file_name(key).then(|| path.join(key)),
                Provider::Vault(_) => None,
            },
        }
    }

    /// Whether others than the owner may read the file: `Some(mode)` if so.
    pub fn too_open(&self, source: &SecretSource) -> Option<u32> {
        source.too_open(&self.dir)
    }

    /// The secret.
    pub fn resolve(&self, source: &SecretSource) -> Result<SecretString, SecretError> {
        let SecretSource::Provided { provider, key } = source else {
            return source.resolve(&self.dir);
        };
        match self.provider(provider)? {
            Provider::Directory(path) if is_file_name(key) => full(source, file(&path.join(key))?),
            Provider::Directory(_) => Err(SecretError::Key(
                source.clone(),
                "is not the name of a file in the provider's directory",
            )),
            Provider::Vault(vault) => {
                let (path, field) = vault_key(source, key)?;
                let found = vault
                    .held(&path)
                    .ok_or_else(|| SecretError::NotAsked(source.clone()))?;
                let secret = found
                    .and_then(|secret| secret.field(field))
                    .map_err(|why| SecretError::Vault(source.clone(), why))?;
                full(source, secret)
            }
        }
    }

    /// Asks whoever has to be asked, unless it was done lately, and says when to do so again. What goes wrong is what
    /// [`resolve`](Self::resolve) then says, unless there is an older answer that will do.
    pub async fn fetch<'a>(
        &self,
        sources: impl IntoIterator<Item = &'a SecretSource>,
    ) -> Option<Instant> {
        let mut wanted: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for source in sources {
            let SecretSource::Provided { provider, key } = source else {
                continue;
            };
            if let Ok((path, _)) = vault_key(source, key) {
                wanted.entry(provider).or_default().insert(path);
            }
        }
        let mut again = None;
        for (name, paths) in wanted {
            if let Some(Provider::Vault(vault)) = self.known.get(name) {
                let due = vault.fetch(&paths).await;
                again = Some(again.map_or(due, |again: Instant| again.min(due)));
            }
        }
        again
    }

    fn provider(&self, name: &str) -> Result<&Provider, SecretError> {
        self.known.get(name).ok_or_else(|| SecretError::NoProvider {
            known: self.known.keys().cloned().collect(),
        })
    }
}

/// A name as Kubernetes allows it for a key of a secret, and none of its own beside them (`..data`).
fn is_file_name(key: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    key.chars().all(inner) && !key.starts_with("..") && !matches!(key, "" | ".")
}

/// `PATH#FIELD`
fn vault_key<'a>(source: &SecretSource, key: &'a str) -> Result<(String, &'a str), SecretError> {
    let split = key.rsplit_once('#').filter(|(_, field)| !field.is_empty());
    split
        .and_then(|(path, field)| Some((vault_path(path).ok()?, field)))
        .ok_or_else(|| {
            SecretError::Key(
                source.clone(),
                "is not a path in Vault with the name of a field behind it",
            )
        })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use secrecy::ExposeSecret as _;

    use super::*;

    fn source(text: &str) -> SecretSource {
        SecretSource::parse(text).unwrap()
    }

    fn mounted() -> (tempfile::TempDir, Providers) {
        let dir = tempfile::tempdir().unwrap();
        let files = ProviderFile::Directory {
            path: "mounted".into(),
            at: 0..0,
        };
        let layout = Layout::new(dir.path());
        let providers = Providers::new(&layout, &[("k8s".to_owned(), files)].into());
        (dir, providers)
    }

    #[test]
    fn a_file_of_a_mounted_directory_is_found_through_its_links() {
        let (dir, providers) = mounted();
        let at = |name: &str| dir.path().join("mounted").join(name);
        std::fs::create_dir_all(at("..2026")).unwrap();
        std::fs::write(at("..2026/hr.password"), "hunter2\n").unwrap();
        symlink("..2026", at("..data")).unwrap();
        symlink("..data/hr.password", at("hr.password")).unwrap();
        let secret = providers.resolve(&source("k8s:hr.password")).unwrap();
        assert_eq!(secret.expose_secret(), "hunter2");
        let path = providers.path(&source("k8s:hr.password")).unwrap();
        assert!(path.ends_with("mounted/hr.password"));
    }

    #[test]
    fn nothing_beside_the_directory_is_a_secret_of_it() {
        let (dir, providers) = mounted();
        std::fs::create_dir_all(dir.path().join("mounted/..data")).unwrap();
        std::fs::write(dir.path().join("other"), "x").unwrap();
        for key in [
            "k8s:../other",
            "k8s:..data",
            "k8s:a/b",
            "k8s:.",
            "k8s:/etc/passwd",
        ] {
            let error = providers.resolve(&source(key)).unwrap_err();
            assert!(matches!(error, SecretError::Key(..)), "{key}: {error}");
            assert_eq!(providers.path(&source(key)), None, "{key}");
        }
    }

    #[test]
    fn a_secret_with_a_colon_is_not_repeated_as_the_name_of_a_provider() {
        let (_dir, providers) = mounted();
        let error = providers.resolve(&source("hunter2:x")).unwrap_err();
        let said = format!("{error} {}", error.hint());
        assert!(said.contains("k8s") && !said.contains("hunter2"), "{said}");
    }

    #[test]
    fn a_vault_key_is_a_path_and_a_field() {
        let split = |key| vault_key(&source("vault:x"), key).ok();
        assert_eq!(
            split("hr/db#password"),
            Some(("hr/db".to_owned(), "password"))
        );
        assert_eq!(split("/hr#a#b"), Some(("hr#a".to_owned(), "b")));
        for bad in ["hr/db", "hr/db#", "#password", "../sys/x#y", "a//b#c"] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }
}
