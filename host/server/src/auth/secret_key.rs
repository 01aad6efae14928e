//! The keys that this host has for itself: one signs access tokens, another seals first passwords.
//!
//! Made at first use and kept in the state directory, readable by its owner only, so that tokens outlive a restart.
//! Whoever removes the file makes every access token of the host invalid at its next start, or loses the passwords that wait.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rand::TryRng as _;
use zeroize::Zeroizing;

/// As many bits as HMAC-SHA-256 can use.
pub(super) const LENGTH: usize = 32;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read or made.
    #[error("cannot {action} the host's key `{}`: {why}", file.display())]
    File {
        /// Read or make.
        action: &'static str,
        /// Where.
        file: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// It is no key of ours.
    #[error(
        "`{}` is not a key of this host's\n  hint: remove it; the host makes another, and what the old one signed or sealed is void", .0.display()
    )]
    Content(PathBuf),
    /// Somebody else may have read it.
    #[error(
        "others than its owner may read `{}` (mode {mode:o})\n  hint: remove it, if somebody may have; else chmod 600", file.display()
    )]
    TooOpen {
        /// Where.
        file: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The system has no random numbers.
    #[error("the system gave no random numbers: {0}")]
    Random(String),
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// Signing access tokens.
    Tokens,
    /// Sealing first passwords.
    Passwords,
}

impl For {
    fn name(self) -> &'static str {
        match self {
            Self::Tokens => "access-tokens",
            Self::Passwords => "first-passwords",
        }
    }
}

/// The key that signs access tokens, in this directory; made if it is not there.
pub(super) fn open(dir: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    open_for(dir, For::Tokens)
}

/// The key for a purpose.
pub(super) fn open_for(dir: &Path, purpose: For) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let file = dir.join(format!("{}.key", purpose.name()));
    match read(&file) {
        Err(KeyError::File { why, .. }) if why.kind() == std::io::ErrorKind::NotFound => {
            make(dir, &file, purpose)?;
            // Read again: another host may have been first, and then its key is the one.
            read(&file)
        }
        outcome => outcome,
    }
}

/// Puts another key in the place of the one that is there.
pub(super) fn replace(dir: &Path, key: &[u8]) -> Result<(), KeyError> {
    let file = dir.join("access-tokens.key");
    crate::files::replace(&file, key).map_err(|why| KeyError::File {
        action: "make",
        file,
        why,
    })
}

fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = |why| KeyError::File {
        action: "read",
        file: file.to_owned(),
        why,
    };
    let mode = std::fs::metadata(file)
        .map_err(failed)?
        .permissions()
        .mode()
        & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::TooOpen {
            file: file.to_owned(),
            mode,
        });
    }
    let key = Zeroizing::new(std::fs::read(file).map_err(failed)?);
    if key.len() == LENGTH {
        Ok(key)
    } else {
        Err(KeyError::Content(file.to_owned()))
    }
}

fn make(dir: &Path, file: &Path, purpose: For) -> Result<(), KeyError> {
    let failed = |why| KeyError::File {
        action: "make",
        file: file.to_owned(),
        why,
    };
    let mut key = Zeroizing::new([0; LENGTH]);
    rand::rngs::SysRng
        .try_fill_bytes(key.as_mut())
        .map_err(|why| KeyError::Random(why.to_string()))?;
    // Written whole beside, and linked: a name that is there always names a whole key, and the first one wins.
    let beside = dir.join(format!(".{}.{}.new", purpose.name(), std::process::id()));
    let written = (|| {
        let mut out = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        out.write_all(key.as_ref())?;
        out.sync_all()?;
        match std::fs::hard_link(&beside, file) {
            Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        }
    })();
    // What matters is whether the key is there now.
    let _ = std::fs::remove_file(&beside);
    written.map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_only_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path()).unwrap();
        assert_eq!(*first, *open(dir.path()).unwrap());
        assert!(first.iter().any(|byte| *byte != 0));
        let file = dir.path().join("access-tokens.key");
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);

        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(open(dir.path()), Err(KeyError::TooOpen { .. })));
    }

    #[test]
    fn a_file_that_is_no_key_is_named_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).unwrap();
        let file = dir.path().join("access-tokens.key");
        std::fs::write(&file, "short").unwrap();
        let error = open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("access-tokens.key") && !error.contains("short"));
    }
}
