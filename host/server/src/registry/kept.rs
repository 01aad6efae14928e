//! The revisions that have proved themselves, and those that have not, kept over a restart.
//!
//! In `state/revisions/`: `DIGEST.wasm` (and `DIGEST.wasm.minisig`) is a connector that some app has used; `APP.json`
//! says which of them has proved itself in an app, and which were taken back. A host that starts while the file in
//! `connectors/` is bad serves what is kept.
//!
//! A kept file is no less suspect than any other: its digest is compared, and pins and signatures are held against it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use crate::config::trust::signature_path;

/// Most taken-back revisions that are remembered of one app.
const REJECTED: usize = 16;
/// A file that no app has proved is kept this long: it may be on probation.
const UNPROVED: Duration = Duration::from_hours(7 * 24);

/// A connector's file and the signature beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) signature: Option<String>,
}

/// What is remembered of one app.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Record {
    /// The revision that has proved itself.
    proved: Option<Proved>,
    /// The revisions that were taken back, oldest first.
    #[serde(default)]
    rejected: Vec<Rejected>,
}

/// A revision that has proved itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Proved {
    /// The connector's name in the app's file: another connector is no other revision.
    connector: String,
    /// SHA-256 of its file.
    sha256: String,
}

/// A revision that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// SHA-256 of the connector's file.
    pub sha256: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

/// The directory, and what was read of it.
#[derive(Debug)]
pub struct Kept {
    directory: PathBuf,
    records: Mutex<BTreeMap<String, Record>>,
}

impl Kept {
    /// Within the store's directory. It is made when there is something to keep.
    pub fn new(store: &Path) -> Self {
        Self {
            directory: store.join("revisions"),
            records: Mutex::default(),
        }
    }

    /// The digest of the revision of this connector that has proved itself in an app.
    pub(super) fn proved(&self, app: &str, connector: &str) -> Option<String> {
        let proved = self.record(app).proved;
        Some(
            proved
                .filter(|proved| proved.connector == connector)?
                .sha256,
        )
    }

    /// The revisions that were taken back in an app.
    pub fn rejected(&self, app: &str) -> Vec<Rejected> {
        self.record(app).rejected
    }

    /// Why this revision was taken back, if it was.
    pub(super) fn rejection(&self, app: &str, digest: &str) -> Option<Rejected> {
        let rejected = self.record(app).rejected;
        rejected.into_iter().find(|one| one.sha256 == digest)
    }

    /// Keeps a connector's file under its digest.
    pub(super) fn keep(&self, digest: &str, file: &File) {
        let path = self.path(digest);
        if path.exists() {
            return;
        }
        let written = fs::create_dir_all(&self.directory).and_then(|()| {
            if let Some(signature) = &file.signature {
                crate::files::replace(&signature_path(&path), signature.as_bytes())?;
            }
            crate::files::replace(&path, &file.bytes)
        });
        self.told(written, "the connector's file is not kept for a restart");
    }

    /// A kept file, if it is what it was.
    pub(super) fn file(&self, digest: &str) -> Option<File> {
        let path = self.path(digest);
        let bytes = fs::read(&path).ok()?;
        if hex::encode(Sha256::digest(&bytes)) != digest {
            warn!(path = %path.display(), "a kept connector was damaged; it is not used");
            let _ = fs::remove_file(path);
            return None;
        }
        let signature = fs::read_to_string(signature_path(&path)).ok();
        Some(File { bytes, signature })
    }

    /// This revision is the one to return to.
    pub(super) fn prove(&self, app: &str, connector: &str, digest: &str) {
        if self.proved(app, connector).as_deref() == Some(digest) {
            return;
        }
        self.change(app, |record| {
            record.proved = Some(Proved {
                connector: connector.to_owned(),
                sha256: digest.to_owned(),
            });
            // Whoever takes a rejected one all the same has said so in the app's file.
            record.rejected.retain(|one| one.sha256 != digest);
        });
        self.prune();
    }

    /// This revision is not to be used again.
    pub(super) fn reject(&self, app: &str, rejected: Rejected) {
        self.change(app, |record| {
            record.rejected.retain(|one| one.sha256 != rejected.sha256);
            record.rejected.push(rejected);
            let surplus = record.rejected.len().saturating_sub(REJECTED);
            record.rejected.drain(..surplus);
        });
    }

    /// The app is gone.
    pub(super) fn forget(&self, app: &str) {
        self.records.lock().remove(app);
        // What is not there needs no removing.
        let _ = fs::remove_file(self.record_path(app));
        self.prune();
    }

    fn record(&self, app: &str) -> Record {
        let mut records = self.records.lock();
        if let Some(record) = records.get(app) {
            return record.clone();
        }
        let record = read(&self.record_path(app)).unwrap_or_default();
        records.insert(app.to_owned(), record.clone());
        record
    }

    fn change(&self, app: &str, change: impl FnOnce(&mut Record)) {
        let mut record = self.record(app);
        change(&mut record);
        let written = serde_json::to_vec_pretty(&record)
            .map_err(io::Error::other)
            .and_then(|text| {
                fs::create_dir_all(&self.directory)?;
                crate::files::replace(&self.record_path(app), &text)
            });
        self.told(
            written,
            "which revision has proved itself is not kept for a restart",
        );
        self.records.lock().insert(app.to_owned(), record);
    }

    fn told(&self, written: io::Result<()>, what: &str) {
        if let Err(why) = written {
            warn!(directory = %self.directory.display(), %why, "{what}");
        }
    }

    /// Lets go of files that no app has proved.
    fn prune(&self) {
        let Ok(listing) = fs::read_dir(&self.directory) else {
            return;
        };
        let paths: Vec<PathBuf> = listing
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect();
        let has = |path: &Path, extension: &str| path.extension().is_some_and(|e| e == extension);
        let proved: BTreeSet<String> = paths
            .iter()
            .filter(|path| has(path, "json"))
            .filter_map(|path| Some(read(path)?.proved?.sha256))
            .collect();
        for path in paths.iter().filter(|path| has(path, "wasm")) {
            let digest = path.file_stem().unwrap_or_default().to_string_lossy();
            if !proved.contains(&*digest) && is_old(path) {
                let _ = fs::remove_file(path);
                let _ = fs::remove_file(signature_path(path));
            }
        }
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.directory.join(format!("{digest}.wasm"))
    }

    fn record_path(&self, app: &str) -> PathBuf {
        self.directory.join(format!("{app}.json"))
    }
}

fn is_old(path: &Path) -> bool {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
        .and_then(|modified| SystemTime::now().duration_since(modified).ok())
        .is_some_and(|age| age > UNPROVED)
}

fn read(path: &Path) -> Option<Record> {
    let text = fs::read(path).ok()?;
    serde_json::from_slice(&text)
        .inspect_err(
            |why| warn!(path = %path.display(), %why, "cannot be made out; it is written anew"),
        )
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    fn file(bytes: &[u8]) -> File {
        File {
            bytes: bytes.to_vec(),
            signature: Some("signed".to_owned()),
        }
    }

    #[test]
    fn what_is_kept_is_there_after_a_restart_and_only_unchanged() {
        let store = tempfile::tempdir().unwrap();
        let digest = digest(b"one");
        let kept = Kept::new(store.path());
        assert_eq!(kept.file(&digest), None);
        kept.keep(&digest, &file(b"one"));
        kept.prove("hr", "csv", &digest);
        let rejected = Rejected {
            sha256: "bad".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            why: "it crashed".to_owned(),
        };
        kept.reject("hr", rejected.clone());

        let kept = Kept::new(store.path());
        assert_eq!(kept.proved("hr", "csv"), Some(digest.clone()));
        assert_eq!(kept.proved("hr", "sql"), None);
        assert_eq!(kept.proved("other", "csv"), None);
        assert_eq!(kept.rejection("hr", "bad"), Some(rejected));
        assert_eq!(kept.rejection("other", "bad"), None);
        assert_eq!(kept.file(&digest), Some(file(b"one")));
        fs::write(kept.path(&digest), b"two").unwrap();
        assert_eq!(kept.file(&digest), None);
        kept.forget("hr");
        assert_eq!(Kept::new(store.path()).proved("hr", "csv"), None);
    }

    #[test]
    fn a_file_goes_when_no_app_has_proved_it_and_it_is_old() {
        let store = tempfile::tempdir().unwrap();
        let kept = Kept::new(store.path());
        let (one, two, three) = (digest(b"1"), digest(b"2"), digest(b"3"));
        for (digest, bytes) in [(&one, b"1"), (&two, b"2"), (&three, b"3")] {
            kept.keep(digest, &file(bytes));
        }
        for digest in [&one, &two] {
            let old = fs::File::options()
                .append(true)
                .open(kept.path(digest))
                .unwrap();
            old.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        kept.prove("hr", "csv", &two);
        assert_eq!(kept.file(&one), None);
        assert!(kept.file(&two).is_some() && kept.file(&three).is_some());
    }
}
