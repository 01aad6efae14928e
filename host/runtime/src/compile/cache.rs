//! Machine code on disk, keyed by content, wasmtime's version and settings, authenticated by a key of this machine.
//!
//! A file is `tag(32) · key(32) · code`; the tag is HMAC-SHA256 over the rest. Whatever does not verify is
//! ignored, logged and compiled again: a cache that lies would run outside the sandbox.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use tracing::{debug, warn};
use wasmtime::Engine;
use zeroize::Zeroizing;

use crate::component::{Digest, version};

type Tag = Hmac<Sha256>;

const TAG_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
/// Most entries; the oldest go first. Each wasmtime patch and each new build of a connector is another.
const ENTRIES: usize = 64;
/// Most bytes of all entries.
const BYTES: u64 = 2 << 30;
/// An entry that nobody has used for so long goes.
const AGE: Duration = Duration::from_hours(90 * 24);

/// The cache directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the directory for compiled connectors, {}, cannot be used: {reason}", path.display())]
pub struct CacheError {
    path: PathBuf,
    reason: String,
}

/// What an entry is found by.
#[derive(Clone, Copy)]
pub(crate) struct Key([u8; KEY_BYTES]);

/// A private directory of authenticated entries.
pub(crate) struct Cache {
    directory: PathBuf,
    secret: Zeroizing<[u8; 32]>,
}

struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

impl Cache {
    /// Opens or creates the directory (0700) and its key (0600).
    pub(crate) fn open(directory: &Path) -> Result<Self, CacheError> {
        let fail = |reason: String| CacheError {
            path: directory.to_owned(),
            reason,
        };
        let io = |what: &'static str| move |error: io::Error| fail(format!("{what}: {error}"));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(io("creating it"))?;
        let metadata = fs::metadata(directory).map_err(io("looking at it"))?;
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(fail("it belongs to another user".to_owned()));
        }
        if metadata.mode() & 0o077 != 0 {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
                .map_err(io("making it private"))?;
        }
        let secret = secret(&directory.join("key")).map_err(io("its key"))?;
        Ok(Self {
            directory: directory.to_owned(),
            secret,
        })
    }

    /// The key of a component for an engine.
    pub(crate) fn key(engine: &Engine, digest: Digest) -> Key {
        let mut hasher = Sha256Hasher(Sha256::new());
        hasher.write(b"tombolo compiled component 2\0");
        // A component of an older contract is compiled with the names of this one.
        hasher.write(version::CURRENT.to_string().as_bytes());
        hasher.write(b"\0");
        hasher.write(digest.as_bytes());
        // Covers wasmtime's version, the target and every setting that shapes code.
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Key(hasher.0.finalize().into())
    }

    /// The code, if it is there and is what this machine wrote.
    pub(crate) fn get(&self, key: Key) -> Option<Vec<u8>> {
        let path = self.path(key);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    warn!(path = %path.display(), %error, "a cached connector cannot be read; it is compiled again");
                }
                return None;
            }
        };
        let mut bytes = Vec::new();
        if let Err(error) = file.read_to_end(&mut bytes) {
            warn!(path = %path.display(), %error, "a cached connector cannot be read; it is compiled again");
            return None;
        }
        if !self.verified(key, &bytes) {
            warn!(path = %path.display(), "a cached connector was damaged or tampered with; it is ignored and compiled again");
            return None;
        }
        debug!(path = %path.display(), "compiled connector from the cache");
        // The oldest are pruned by this time.
        let _ = file.set_modified(SystemTime::now());
        bytes.drain(..TAG_BYTES + KEY_BYTES);
        Some(bytes)
    }

    fn verified(&self, key: Key, bytes: &[u8]) -> bool {
        let Some((tag, rest)) = bytes.split_at_checked(TAG_BYTES) else {
            return false;
        };
        if !rest.starts_with(&key.0) {
            return false;
        }
        let mut mac = self.mac();
        mac.update(rest);
        mac.verify_slice(tag).is_ok()
    }

    /// Writes an entry; a reader sees all of it or nothing.
    pub(crate) fn put(&self, key: Key, code: &[u8]) -> io::Result<()> {
        let mut mac = self.mac();
        mac.update(&key.0);
        mac.update(code);
        let tag = mac.finalize().into_bytes();
        let temporary = self.directory.join(format!(
            ".{}.{:016x}",
            hex::encode(key.0),
            rand::random::<u64>()
        ));
        let written = private(&temporary).and_then(|mut file| {
            file.write_all(&tag)?;
            file.write_all(&key.0)?;
            file.write_all(code)?;
            file.sync_data()
        });
        if let Err(error) = written.and_then(|()| fs::rename(&temporary, self.path(key))) {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        self.prune();
        Ok(())
    }

    /// Lets go of what was not used for long, and of the oldest beyond what the directory may hold. What an entry was
    /// used last shows in its time: [`get`](Self::get) sets it.
    fn prune(&self) {
        let Ok(listing) = fs::read_dir(&self.directory) else {
            return;
        };
        let mut entries: Vec<(SystemTime, u64, PathBuf)> = listing
            .filter_map(Result::ok)
            .filter(|entry| {
                entry
                    .path()
                    .extension()
                    .is_some_and(|extension| extension == "cwasm")
            })
            .filter_map(|entry| {
                let metadata = entry.metadata().ok()?;
                Some((metadata.modified().ok()?, metadata.len(), entry.path()))
            })
            .collect();
        entries.sort_by(|a, b| b.cmp(a));
        let now = SystemTime::now();
        let (mut kept, mut bytes) = (0, 0_u64);
        for (used, size, path) in entries {
            let stale = now.duration_since(used).is_ok_and(|age| age > AGE);
            bytes = bytes.saturating_add(size);
            // The newest stays whatever its size: it has just been compiled.
            if kept > 0 && (stale || kept >= ENTRIES || bytes > BYTES) {
                let _ = fs::remove_file(path);
            } else {
                kept += 1;
            }
        }
    }

    fn path(&self, key: Key) -> PathBuf {
        self.directory.join(format!("{}.cwasm", hex::encode(key.0)))
    }

    fn mac(&self) -> Tag {
        Tag::new_from_slice(&*self.secret).expect("HMAC takes a key of any length")
    }
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// The machine's key: read, or made on first use. Two processes that start at once agree, because a link to a
/// complete file is made by one of them only.
fn secret(path: &Path) -> io::Result<Zeroizing<[u8; 32]>> {
    if !path.exists() {
        let fresh: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
        let temporary = path.with_extension(format!("{:016x}", rand::random::<u64>()));
        let mut file = private(&temporary)?;
        file.write_all(&*fresh)?;
        file.sync_data()?;
        let linked = fs::hard_link(&temporary, path);
        fs::remove_file(&temporary)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    let metadata = fs::metadata(path)?;
    if metadata.mode() & 0o077 != 0 {
        // Others may have read it, and then written entries with it.
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "others can read it; delete the directory, it is made again",
        ));
    }
    let mut secret = Zeroizing::new([0_u8; 32]);
    let mut file = File::open(path)?;
    file.read_exact(&mut *secret)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(cache: &Cache, key: Key) -> PathBuf {
        cache.put(key, b"code").unwrap();
        cache.path(key)
    }

    #[test]
    fn an_entry_returns_only_unchanged_and_under_its_own_key() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("cache")).unwrap();
        let (one, two) = (Key([1; 32]), Key([2; 32]));
        let path = entry(&cache, one);
        assert_eq!(cache.get(one).unwrap(), b"code");
        fs::copy(&path, cache.path(two)).unwrap();
        assert!(cache.get(two).is_none());

        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, bad).unwrap();
            assert!(cache.get(one).is_none(), "byte {at}");
            fs::write(&path, &good[..at]).unwrap();
            assert!(cache.get(one).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn another_machines_key_makes_every_entry_void() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        entry(&cache, Key([1; 32]));
        fs::remove_file(directory.path().join("key")).unwrap();
        assert!(
            Cache::open(directory.path())
                .unwrap()
                .get(Key([1; 32]))
                .is_none()
        );
    }

    #[test]
    fn directory_and_key_are_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cache");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Cache::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        assert_eq!(
            fs::metadata(path.join("key")).unwrap().mode() & 0o777,
            0o600
        );
        fs::set_permissions(path.join("key"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Cache::open(&path).is_err());
    }

    #[test]
    fn what_nobody_uses_goes_and_so_does_what_takes_too_much_room() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let age = |path: PathBuf, days: u64, size: Option<u64>| {
            let file = File::options().append(true).open(path).unwrap();
            if let Some(size) = size {
                // Sparse: it takes no room in fact.
                file.set_len(size).unwrap();
            }
            let used = SystemTime::now() - Duration::from_hours(24 * days);
            file.set_modified(used).unwrap();
        };
        age(entry(&cache, Key([1; 32])), 91, None);
        age(entry(&cache, Key([2; 32])), 2, Some(BYTES));
        age(entry(&cache, Key([3; 32])), 1, None);
        entry(&cache, Key([4; 32]));
        assert!(cache.get(Key([1; 32])).is_none());
        assert!(!cache.path(Key([2; 32])).exists());
        assert!(cache.get(Key([3; 32])).is_some());
        assert!(cache.get(Key([4; 32])).is_some());
    }

    #[test]
    fn the_oldest_entries_go_first() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        for number in 0..=u8::try_from(ENTRIES).unwrap() {
            let path = entry(&cache, Key([number; 32]));
            if number == 0 {
                File::options()
                    .append(true)
                    .open(path)
                    .unwrap()
                    .set_modified(SystemTime::UNIX_EPOCH)
                    .unwrap();
            }
        }
        assert!(cache.get(Key([0; 32])).is_none());
        assert!(cache.get(Key([1; 32])).is_some());
    }
}
