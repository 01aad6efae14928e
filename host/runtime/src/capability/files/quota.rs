//! How much a directory holds, and whether it may hold more.
//!
//! Counted are the sizes of the files as `stat` tells them (a sparse file counts whole), each file once however many
//! names it has, and the number of names: of files, links and directories alike. A file that was deleted and is still
//! open somewhere counts until it is closed.
//!
//! The number is kept up with each change by a guest, one change at a time, and taken anew by walking the directory
//! before the first change, a while after the last walk, before a change is refused, and after a change of which nobody
//! knows how it ended. So what others put there or take away is seen too.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::Place;
use crate::app::{Directory, Room};

/// Without a reason, a directory is walked again after this long.
const STALE: Duration = Duration::from_mins(1);
/// A change is refused without another walk so long after the last one, so that a guest cannot make the host walk
/// without end. The operator hears of it as often.
const PATIENCE: Duration = Duration::from_secs(1);
const REMINDER: Duration = Duration::from_mins(1);

/// The directory may not hold more.
#[derive(Debug, thiserror::Error)]
#[error("the directory holds as much as it may")]
pub(super) struct Full;

/// What a change adds at most.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Growth {
    pub(super) bytes: u64,
    pub(super) files: u64,
}

impl Growth {
    pub(super) const FILE: Self = Self { bytes: 0, files: 1 };
}

/// One granted directory.
pub(crate) struct Quota {
    app: String,
    name: String,
    top: PathBuf,
    room: Room,
    place: Place,
    ledger: Arc<Mutex<Ledger>>,
    told: parking_lot::Mutex<Option<Instant>>,
}

/// The ledgers of all apps: who shares a directory shares what is known of it.
#[derive(Default)]
pub(crate) struct Ledgers(parking_lot::Mutex<HashMap<Key, Weak<Mutex<Ledger>>>>);

/// A directory, and what it may hold: a walk ends where there is more.
type Key = (PathBuf, Room);

/// What is known of one directory.
#[derive(Default)]
struct Ledger {
    bytes: u64,
    files: u64,
    /// When it was walked; none if the numbers say nothing.
    walked: Option<Instant>,
    /// The walk found more than there may be and ended there.
    over: bool,
    /// Files that guests have open.
    open: Vec<Weak<File>>,
    /// Those of them that have no name any more.
    orphans: Vec<Weak<File>>,
}

/// A change in progress: no other one of this directory is. Dropped before it is settled, it leaves the number in doubt.
#[must_use = "settle it"]
pub(super) struct Change {
    quota: Arc<Quota>,
    ledger: OwnedMutexGuard<Ledger>,
    settled: bool,
}

impl Quota {
    pub(super) fn new(app: &str, directory: &Directory, place: Place, ledgers: &Ledgers) -> Self {
        let top = &directory.host;
        let top = top.canonicalize().unwrap_or_else(|_| top.clone());
        Self {
            app: app.to_owned(),
            name: directory.name.clone(),
            room: directory.room,
            place,
            ledger: ledgers.of(&top, directory.room),
            top,
            told: parking_lot::Mutex::default(),
        }
    }

    /// Whether two descriptors lie in one directory.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ledger, &other.ledger)
    }

    /// Waits for its turn. Here, and not in a thread: a thousand waiting streams must not take the threads that the one
    /// needs whose turn it is.
    pub(super) async fn begin(self: &Arc<Self>) -> Change {
        Change {
            quota: Arc::clone(self),
            ledger: Arc::clone(&self.ledger).lock_owned().await,
            settled: false,
        }
    }

    /// At once, if nobody else's change is in progress and this is a place to wait in.
    pub(super) fn begin_here(self: &Arc<Self>) -> Option<Change> {
        if self.place == Place::Aside {
            return None;
        }
        let ledger = Arc::clone(&self.ledger).try_lock_owned().ok()?;
        Some(Change {
            quota: Arc::clone(self),
            ledger,
            settled: false,
        })
    }

    /// Where what may take a while is done.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The same as [`Self::begin`], if there is room for so much more.
    pub(super) async fn begin_with(self: &Arc<Self>, growth: Growth) -> io::Result<Change> {
        self.begin().await.admitted(growth).await
    }

    /// Tells the operator, now and then.
    fn tell(&self, ledger: &Ledger) {
        let mut told = self.told.lock();
        if told.is_none_or(|at| at.elapsed() >= REMINDER) {
            *told = Some(Instant::now());
            tracing::warn!(
                app = self.app,
                directory = self.name,
                bytes = ledger.bytes,
                files = ledger.files,
                max_bytes = self.room.bytes,
                max_files = self.room.files,
                "the directory holds as much as the app's file allows (`max-size`, `max-files`): the connector cannot write more"
            );
        }
    }
}

impl Ledgers {
    fn of(&self, top: &Path, room: Room) -> Arc<Mutex<Ledger>> {
        let mut all = self.0.lock();
        all.retain(|_, ledger| ledger.strong_count() > 0);
        let key = (top.to_owned(), room);
        if let Some(ledger) = all.get(&key).and_then(Weak::upgrade) {
            return ledger;
        }
        let ledger = Arc::default();
        all.insert(key, Arc::downgrade(&ledger));
        ledger
    }
}

impl Change {
    /// Itself, if there is room for so much more.
    pub(super) async fn admitted(mut self, growth: Growth) -> io::Result<Self> {
        let place = self.quota.place;
        let admit = move || {
            self.admit(growth)?;
            Ok(self)
        };
        place.run(admit).await
    }

    /// Whether there is room for so much more. May walk the directory: not for a thread that must not wait.
    pub(super) fn admit(&mut self, growth: Growth) -> io::Result<()> {
        let admitted = self.look_for_room(growth);
        // Nothing has happened.
        self.settled = admitted.is_err() && self.ledger.walked.is_some();
        admitted
    }

    fn look_for_room(&mut self, growth: Growth) -> io::Result<()> {
        let (ledger, room) = (&mut *self.ledger, self.quota.room);
        if ledger.walked.is_none_or(|at| at.elapsed() >= STALE) {
            ledger.walk(&self.quota.top, room)?;
        }
        if ledger.has_room(growth, room) {
            return Ok(());
        }
        if ledger.walked.is_some_and(|at| at.elapsed() >= PATIENCE) {
            ledger.walk(&self.quota.top, room)?;
            if ledger.has_room(growth, room) {
                return Ok(());
            }
        }
        self.quota.tell(ledger);
        Err(io::Error::other(Full))
    }

    /// It is over, and this came of it.
    pub(super) fn settle(mut self, bytes: i64, files: i64) {
        self.ledger.bytes = self.ledger.bytes.saturating_add_signed(bytes);
        self.ledger.files = self.ledger.files.saturating_add_signed(files);
        self.settled = true;
    }

    /// It is over, and nothing came of it.
    pub(super) fn settle_unchanged(self) {
        self.settle(0, 0);
    }

    /// It is over, and a name is gone; `bytes` is what the file had if that was its last one.
    pub(super) fn settle_removed(mut self, bytes: u64) {
        self.ledger.adopt();
        self.settle(0_i64.saturating_sub_unsigned(bytes), -1);
    }

    /// Remembers a file that a guest has open: whatever becomes of its name, its bytes are there.
    pub(super) fn track(&mut self, file: &Arc<File>) {
        let open = &mut self.ledger.open;
        if open.len() == open.capacity() {
            open.retain(|file| file.strong_count() > 0);
        }
        open.push(Arc::downgrade(file));
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        if !self.settled {
            self.ledger.walked = None;
        }
    }
}

impl Ledger {
    fn has_room(&self, growth: Growth, room: Room) -> bool {
        let fits = |held: u64, more: u64, most: u64| more == 0 || held.saturating_add(more) <= most;
        !self.over
            && fits(self.files, growth.files, room.files)
            && fits(
                self.bytes.saturating_add(self.orphaned()),
                growth.bytes,
                room.bytes,
            )
    }

    fn walk(&mut self, top: &Path, room: Room) -> io::Result<()> {
        self.walked = None;
        let found = walk(top, room).inspect_err(|why| {
            tracing::warn!(directory = %top.display(), %why, "what the directory holds cannot be counted, so nothing may be written there");
        })?;
        (self.bytes, self.files) = (found.bytes, found.files);
        self.over = found.bytes > room.bytes || found.files > room.files;
        self.adopt();
        self.walked = Some(Instant::now());
        Ok(())
    }

    /// Sorts out the open files whose last name is gone.
    fn adopt(&mut self) {
        let orphans = &mut self.orphans;
        self.open.retain(|open| {
            let Some(file) = open.upgrade() else {
                return false;
            };
            let nameless = file.metadata().is_ok_and(|found| found.nlink() == 0);
            if nameless {
                orphans.push(Weak::clone(open));
            }
            !nameless
        });
    }

    /// What files without a name take.
    fn orphaned(&self) -> u64 {
        let files = self.orphans.iter().filter_map(Weak::upgrade);
        let found = files.filter_map(|file| file.metadata().ok());
        let sizes: HashMap<_, _> = found.map(|found| (identity(&found), found.len())).collect();
        sizes.values().sum()
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// Counts what is under a directory, without following a link out of it; ends early when it is more than there may be.
fn walk(top: &Path, room: Room) -> io::Result<Growth> {
    let (mut held, mut seen) = (Growth::default(), HashSet::new());
    let mut left = vec![top.to_owned()];
    while let Some(directory) = left.pop() {
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            // Gone since; or somebody else's, and the guest cannot look into it either (`lost+found`).
            Err(why) if is_nobodys(&why) => continue,
            Err(why) => return Err(why),
        };
        for entry in entries {
            let entry = entry?;
            let found = match entry.metadata() {
                Ok(found) => found,
                Err(why) if is_nobodys(&why) => continue,
                Err(why) => return Err(why),
            };
            held.files += 1;
            if found.is_dir() {
                left.push(entry.path());
            } else if found.nlink() <= 1 || seen.insert(identity(&found)) {
                held.bytes = held.bytes.saturating_add(found.len());
            }
            if held.files > room.files || held.bytes > room.bytes {
                return Ok(held);
            }
        }
    }
    Ok(held)
}

fn is_nobodys(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const ROOM: Room = Room {
        bytes: 1000,
        files: 10,
    };

    fn quota(top: &Path, ledgers: &Ledgers) -> Arc<Quota> {
        let directory = Directory {
            name: "data".to_owned(),
            host: top.to_owned(),
            writable: true,
            room: ROOM,
        };
        Arc::new(Quota::new("app", &directory, Place::Aside, ledgers))
    }

    fn bytes(bytes: u64) -> Growth {
        Growth { bytes, files: 0 }
    }

    #[test]
    fn links_are_counted_and_not_followed() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(outside.path().join("large"), [0; 900]).unwrap();
        symlink(outside.path(), dir.path().join("out")).unwrap();
        std::fs::create_dir(dir.path().join("d")).unwrap();
        std::fs::write(dir.path().join("d/a"), [0; 100]).unwrap();
        std::fs::hard_link(dir.path().join("d/a"), dir.path().join("b")).unwrap();
        let held = walk(dir.path(), ROOM).unwrap();
        let link = outside.path().as_os_str().len() as u64;
        assert_eq!((held.bytes, held.files), (100 + link, 4));
    }

    #[tokio::test]
    async fn what_is_there_already_counts_and_what_others_take_away_does_not() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("old"), [0; 800]).unwrap();
        let quota = quota(dir.path(), &Ledgers::default());
        assert!(quota.begin_with(bytes(201)).await.is_err());
        quota.begin_with(bytes(200)).await.unwrap().settle(200, 0);
        assert!(quota.begin_with(bytes(1)).await.is_err());
        std::fs::remove_file(dir.path().join("old")).unwrap();
        // As if a while had passed.
        quota.ledger.lock().await.walked = None;
        quota
            .begin_with(bytes(1000))
            .await
            .unwrap()
            .settle_unchanged();
    }

    #[tokio::test]
    async fn a_change_of_unknown_outcome_is_counted_by_looking() {
        let dir = tempfile::tempdir().unwrap();
        let quota = quota(dir.path(), &Ledgers::default());
        drop(quota.begin_with(bytes(10)).await.unwrap());
        std::fs::write(dir.path().join("done"), [0; 995]).unwrap();
        assert!(quota.begin_with(bytes(10)).await.is_err());
    }

    #[tokio::test]
    async fn two_apps_on_one_directory_share_what_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let ledgers = Ledgers::default();
        let (one, other) = (quota(dir.path(), &ledgers), quota(dir.path(), &ledgers));
        one.begin_with(bytes(600)).await.unwrap().settle(600, 0);
        assert!(other.begin_with(bytes(600)).await.is_err());
    }

    #[tokio::test]
    async fn a_deleted_file_counts_as_long_as_it_is_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, [0; 900]).unwrap();
        let quota = quota(dir.path(), &Ledgers::default());
        let open = Arc::new(File::open(&path).unwrap());
        let mut change = quota.begin_with(Growth::FILE).await.unwrap();
        change.track(&open);
        change.settle_unchanged();
        let change = quota.begin().await;
        std::fs::remove_file(&path).unwrap();
        change.settle_removed(900);
        assert!(quota.begin_with(bytes(101)).await.is_err());
        drop(open);
        quota
            .begin_with(bytes(1000))
            .await
            .unwrap()
            .settle_unchanged();
    }
}
