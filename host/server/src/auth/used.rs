//! Assertions that were used once, remembered for as long as they are valid.
//!
//! RFC 7523, section 3, lets a server refuse an assertion that it has seen. `jti` names one; Entra's have none, and
//! `uti` instead; without either, the signed text itself is the name. Only what was accepted in every other respect is
//! remembered, so nobody but the accepted sender can fill the memory. It is written to the state directory, because an
//! assertion lives longer than a restart takes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tracing::error;

/// More are not remembered at a time; further ones have to wait.
const MOST: usize = 100_000;

/// What has been used.
#[derive(Debug)]
pub(super) struct Used {
    file: PathBuf,
    /// Until when, in seconds, by the digest of its name.
    until: Mutex<HashMap<String, i64>>,
}

/// How an attempt to use an assertion went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It was the first time.
    First,
    /// It was not.
    Again,
    /// Nobody can say, because it cannot be remembered.
    Unrecorded,
}

impl Used {
    /// What is remembered in this directory.
    pub(super) fn open(dir: &Path) -> std::io::Result<Self> {
        let file = dir.join("used-assertions.json");
        let until = match std::fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).map_err(std::io::Error::other)?,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => HashMap::new(),
            Err(why) => return Err(why),
        };
        Ok(Self {
            file,
            until: Mutex::new(until),
        })
    }

    /// Uses an assertion of this issuer, known by this name, valid until then.
    pub(super) fn take(&self, issuer: &str, name: &str, until: i64, now: Timestamp) -> Use {
        let mut digest = Sha256::new();
        digest.update((issuer.len() as u64).to_be_bytes());
        digest.update(issuer);
        digest.update(name);
        let key = hex::encode(digest.finalize());
        let mut used = self.until.lock();
        used.retain(|_, until| *until >= now.as_second());
        if used.contains_key(&key) {
            return Use::Again;
        }
        if used.len() >= MOST {
            return Use::Unrecorded;
        }
        used.insert(key.clone(), until);
        // On disk before the token is given out: a crash in between costs the client one more assertion, no more.
        if let Err(why) = self.write(&used) {
            error!(file = %self.file.display(), %why, "cannot record that an assertion was used; it is refused");
            used.remove(&key);
            return Use::Unrecorded;
        }
        Use::First
    }

    fn write(&self, used: &HashMap<String, i64>) -> std::io::Result<()> {
        let text = serde_json::to_vec(used).map_err(std::io::Error::other)?;
        crate::files::replace(&self.file, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_assertion_is_used_once_while_it_is_valid_and_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let used = Used::open(dir.path()).unwrap();
        assert_eq!(used.take("iss", "a", 100, at(0)), Use::First);
        assert_eq!(used.take("iss", "a", 100, at(50)), Use::Again);
        assert_eq!(used.take("iss", "b", 100, at(50)), Use::First);
        assert_eq!(used.take("other", "a", 100, at(50)), Use::First);
        drop(used);
        let used = Used::open(dir.path()).unwrap();
        assert_eq!(used.take("iss", "a", 100, at(100)), Use::Again);
        // Nobody would accept it any more, so nobody has to remember it.
        assert_eq!(used.take("iss", "c", 200, at(101)), Use::First);
        assert_eq!(used.until.lock().len(), 1);
    }

    #[test]
    fn what_cannot_be_recorded_is_not_accepted() {
        let dir = tempfile::tempdir().unwrap();
        let used = Used::open(&dir.path().join("gone")).unwrap();
        assert_eq!(used.take("iss", "a", 100, at(0)), Use::Unrecorded);
    }
}
