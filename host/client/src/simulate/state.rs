//! What the service keeps between cycles: links, watermark, escrow, quarantine, and the simulated time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::escrow::{Entry, Escrow};
use super::quarantine::Quarantine;
use super::tenant::Tenant;

/// Written by a version that this one can read.
const VERSION: u32 = 1;

/// How an object came to be linked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// It was there, and may have references already.
    #[default]
    Matched,
    /// The service made it, without references.
    Created,
}

/// A user that the service manages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserLink {
    /// The id in the target.
    pub id: String,
    /// What was last written of `active`.
    pub active: bool,
    /// Unassigned when last looked at: a deletion after that reaches nobody (entra.md 1.7).
    pub unassigned: bool,
    /// The manager that was written last, by the source's id.
    pub manager: Option<String>,
    /// Whether a manager was ever written; then the target must have just that.
    pub manager_written: bool,
    /// A manager that was out of scope when it was met; not looked at again until a restart.
    pub manager_skipped: Option<String>,
    /// How it came to be linked.
    pub origin: Origin,
}

/// A group that the service manages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupLink {
    /// The id in the target.
    pub id: String,
    /// The members that were written, by the source's ids.
    pub members: BTreeSet<String>,
    /// Members that were out of scope when they were met; not looked at again until a restart (entra.md 1.6).
    pub skipped: BTreeSet<String>,
    /// How it came to be linked.
    pub origin: Origin,
}

/// The whole of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    version: u32,
    /// The tenant URL that the links belong to.
    pub url: String,
    /// How many cycles were played.
    pub cycles: u64,
    /// The simulated time of the next cycle.
    pub clock: Timestamp,
    /// The source as the last complete cycle saw it; none before an initial cycle.
    pub watermark: Option<Tenant>,
    /// The source as the last cycle saw it, when that cycle did not complete.
    pub unseen: Option<Tenant>,
    /// Users by the source's id.
    pub users: BTreeMap<String, UserLink>,
    /// Groups by the source's id.
    pub groups: BTreeMap<String, GroupLink>,
    /// What failed.
    pub escrow: Escrow,
    /// Whether and why the job is in quarantine.
    pub quarantine: Option<Quarantine>,
}

/// Why a state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The operating system said no.
    #[error("cannot {what} the state `{}`: {why}", path.display())]
    File {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// It is no state.
    #[error("`{}` is no state of this simulator: {why}; remove it, or name another file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It belongs to another target.
    #[error("`{}` has the links of {url}: name another file, or --restart", path.display())]
    Elsewhere {
        /// The file.
        path: PathBuf,
        /// Whose links they are.
        url: String,
    },
}

impl State {
    /// A job that has seen nothing yet.
    pub fn new(url: impl Into<String>, clock: Timestamp) -> Self {
        Self {
            version: VERSION,
            url: url.into(),
            cycles: 0,
            clock,
            watermark: None,
            unseen: None,
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            escrow: Escrow::default(),
            quarantine: None,
        }
    }

    /// The state in a file; none if there is no file.
    pub fn load(path: &Path) -> Result<Option<Self>, StateError> {
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(why) => {
                return Err(StateError::File {
                    what: "read",
                    path: path.to_owned(),
                    why,
                });
            }
        };
        let unreadable = |why: String| StateError::Unreadable {
            path: path.to_owned(),
            why,
        };
        let state: Self = serde_json::from_reader(BufReader::new(file))
            .map_err(|why| unreadable(why.to_string()))?;
        if state.version != VERSION {
            return Err(unreadable(format!("its version is {}", state.version)));
        }
        Ok(Some(state))
    }

    /// Writes it beside the old one, and puts it in its place.
    pub fn save(&self, path: &Path) -> Result<(), StateError> {
        let failed = |why| StateError::File {
            what: "write",
            path: path.to_owned(),
            why,
        };
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let mut out = BufWriter::new(file.as_file_mut());
        serde_json::to_writer(&mut out, self).map_err(|why| failed(why.into()))?;
        out.flush().map_err(failed)?;
        drop(out);
        file.persist(path).map_err(|why| failed(why.error))?;
        Ok(())
    }

    /// A restart with `resetScope: Full`: links, watermark, escrow and quarantine go; the tenant and its time stay.
    pub fn restart(&mut self) {
        let watermark = self.watermark.take();
        self.unseen = self.unseen.take().or(watermark);
        self.users.clear();
        self.groups.clear();
        self.escrow = Escrow::default();
        self.quarantine = None;
    }

    /// The source as it was last seen; a generated tenant is changed from here.
    pub fn tenant(&self) -> Option<&Tenant> {
        self.unseen.as_ref().or(self.watermark.as_ref())
    }

    /// A user is gone from the target, and with it every reference to it.
    pub(crate) fn forget_user(&mut self, key: &str) {
        self.users.remove(key);
        for link in self.users.values_mut() {
            if link.manager.as_deref() == Some(key) {
                link.manager = None;
            }
        }
        for link in self.groups.values_mut() {
            link.members.remove(key);
            link.skipped.remove(key);
        }
        self.escrow.settled(&Entry::Manager(key.to_owned()));
    }

    /// A group is gone from the target.
    pub(crate) fn forget_group(&mut self, key: &str) {
        self.groups.remove(key);
        self.escrow.settled(&Entry::Members(key.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::failure::{ErrorCode, Failure};

    #[test]
    fn a_state_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        assert!(State::load(&path).unwrap().is_none());
        let mut state = State::new("https://x/scim", Timestamp::UNIX_EPOCH);
        state.users.insert(
            "1".to_owned(),
            UserLink {
                id: "a".to_owned(),
                active: true,
                ..UserLink::default()
            },
        );
        state.groups.insert(
            "g".to_owned(),
            GroupLink {
                id: "b".to_owned(),
                members: BTreeSet::from(["1".to_owned()]),
                ..GroupLink::default()
            },
        );
        state.escrow.failed(
            Entry::Members("g".to_owned()),
            Timestamp::UNIX_EPOCH,
            Failure::new(ErrorCode::Timeout, "late"),
        );
        state.watermark = Some(Tenant::default());
        state.save(&path).unwrap();
        assert_eq!(State::load(&path).unwrap(), Some(state.clone()));
        state.forget_user("1");
        assert!(state.groups["g"].members.is_empty());
        std::fs::write(&path, "[]").unwrap();
        assert!(
            State::load(&path)
                .unwrap_err()
                .to_string()
                .contains("is no state of this simulator")
        );
    }
}
