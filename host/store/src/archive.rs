//! A whole store as a stream of bytes, and back: backups, and the way from one engine to the other.
//!
//! The stream is a head ([`MAGIC`] and the format's version), chunks of pairs, and an end. A chunk is its length, a checksum
//! and pairs, each the lengths of key and value and then the two; the end is a chunk of length zero that says how many pairs
//! there were. Numbers are big-endian. The checksum (CRC-32) is over everything from the head to the end of the chunk, so a
//! stream that was changed, cut or put together from two is found out at that chunk. Nothing is held in memory but a chunk.
//!
//! A store that is being filled is marked as such until it is whole, and no host serves a store with that mark.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::{Commit, CommitError, Key, Pair, Range, Store, StoreError, Walk};

const MAGIC: &[u8; 14] = b"tombolo store\n";
const VERSION: u32 = 1;
/// A chunk ends here; a pair that is larger is a chunk of its own.
const CHUNK: usize = 1 << 20;
/// No chunk is larger: what a damaged length would make us take.
const LARGEST: u32 = 1 << 30;

/// What went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Keys.
    pub pairs: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// Why a store could not be written out or filled.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file could not be read or written.
    #[error("the backup cannot be {action}: {why}")]
    File {
        /// Read or written.
        action: &'static str,
        /// What the system said.
        why: std::io::Error,
    },
    /// It is something else.
    #[error("this is not a backup of a tombolo store")]
    Foreign,
    /// A newer tombolo has made it.
    #[error(
        "the backup has format {found}, and this tombolo knows formats up to {VERSION}: take the tombolo that made it, or a newer one"
    )]
    Newer {
        /// Its format.
        found: u32,
    },
    /// It is not what was written.
    #[error(
        "the backup is damaged behind {pairs} keys ({what}); take another one: what it holds is not whole"
    )]
    Damaged {
        /// What was read before.
        pairs: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// There is something in the store already.
    #[error(
        "the store that is to be filled is not empty; give an empty directory, or a `schema` that is not there yet"
    )]
    NotEmpty,
}

/// The mark of a store that is being filled.
fn mark() -> Key {
    Key::of("+filling")
}

/// Whether the store was being filled and that did not come to its end.
pub async fn is_unfinished(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.get(&mark()).await?.is_some())
}

/// Writes everything to `out`. `seen` hears of the progress.
pub async fn backup(
    store: &dyn Store,
    out: &mut (impl AsyncWrite + Unpin + Send),
    seen: impl FnMut(Totals),
) -> Result<Totals, ArchiveError> {
    write(store.walk().await?, out, seen).await
}

/// Writes what a walk shows, as the backup of a store that holds just that.
pub async fn write(
    mut walk: Box<dyn Walk>,
    out: &mut (impl AsyncWrite + Unpin + Send),
    mut seen: impl FnMut(Totals),
) -> Result<Totals, ArchiveError> {
    let mut out = Writer::begin(out).await?;
    loop {
        let page = walk.next().await?;
        if page.is_empty() {
            break;
        }
        for (key, value) in page {
            out.add(&key, &value).await?;
        }
        seen(out.totals);
    }
    out.end().await
}

/// Reads a backup to its end; all that it takes is found to be whole.
pub async fn verify(
    input: &mut (impl AsyncRead + Unpin + Send),
    mut seen: impl FnMut(Totals),
) -> Result<Totals, ArchiveError> {
    let mut input = Reader::begin(input).await?;
    while input.chunk().await?.is_some() {
        seen(input.totals);
    }
    Ok(input.totals)
}

/// Fills an empty store from a backup.
pub async fn restore(
    input: &mut (impl AsyncRead + Unpin + Send),
    store: &dyn Store,
    mut seen: impl FnMut(Totals),
) -> Result<Totals, ArchiveError> {
    let mut input = Reader::begin(input).await?;
    let filling = Filling::begin(store).await?;
    while let Some(pairs) = input.chunk().await? {
        filling.add(pairs).await?;
        seen(input.totals);
    }
    filling.end().await?;
    Ok(input.totals)
}

/// Fills an empty store with everything that another holds.
pub async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    mut seen: impl FnMut(Totals),
) -> Result<Totals, ArchiveError> {
    let mut walk = from.walk().await?;
    let filling = Filling::begin(to).await?;
    let mut totals = Totals::default();
    loop {
        let page = walk.next().await?;
        if page.is_empty() {
            break;
        }
        for (key, value) in &page {
            totals.add(key, value);
        }
        filling.add(page).await?;
        seen(totals);
    }
    filling.end().await?;
    Ok(totals)
}

impl Totals {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.pairs += 1;
        self.bytes += (key.len() + value.len()) as u64;
    }
}

/// A store that is being filled.
struct Filling<'s> {
    store: &'s dyn Store,
}

impl<'s> Filling<'s> {
    async fn begin(store: &'s dyn Store) -> Result<Self, ArchiveError> {
        if !store.scan(Range::all().limit(1)).await?.is_empty() {
            return Err(ArchiveError::NotEmpty);
        }
        commit(store, Commit::new().absent(mark()).put(mark(), "")).await?;
        Ok(Self { store })
    }

    async fn add(&self, pairs: Vec<Pair>) -> Result<(), ArchiveError> {
        let commits = pairs
            .into_iter()
            .filter(|(key, _)| *key != mark().as_bytes())
            .fold(Commit::new(), |c, (key, value)| c.put(key, value));
        commit(self.store, commits).await
    }

    async fn end(self) -> Result<(), ArchiveError> {
        commit(self.store, Commit::new().exists(mark()).delete(mark())).await
    }
}

async fn commit(store: &dyn Store, commit: Commit) -> Result<(), ArchiveError> {
    store.commit(commit).await.map_err(|error| match error {
        CommitError::Conflict { .. } => ArchiveError::NotEmpty,
        CommitError::Store(error) => error.into(),
    })
}

/// Writes the stream.
struct Writer<'o, O> {
    out: &'o mut O,
    sum: crc32fast::Hasher,
    chunk: Vec<u8>,
    totals: Totals,
}

impl<'o, O: AsyncWrite + Unpin + Send> Writer<'o, O> {
    async fn begin(out: &'o mut O) -> Result<Self, ArchiveError> {
        let mut writer = Self {
            out,
            sum: crc32fast::Hasher::new(),
            chunk: Vec::new(),
            totals: Totals::default(),
        };
        let head = [MAGIC.as_slice(), &VERSION.to_be_bytes()].concat();
        writer.sum.update(&head);
        writer.send(&head).await?;
        Ok(writer)
    }

    async fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), ArchiveError> {
        self.totals.add(key, value);
        for part in [key, value] {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            self.chunk.extend(length.to_be_bytes());
        }
        self.chunk.extend(key);
        self.chunk.extend(value);
        if self.chunk.len() >= CHUNK {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ArchiveError> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::take(&mut self.chunk);
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        self.sum.update(&length.to_be_bytes());
        self.sum.update(&chunk);
        let sum = self.sum.clone().finalize();
        self.send(&length.to_be_bytes()).await?;
        self.send(&sum.to_be_bytes()).await?;
        self.send(&chunk).await
    }

    async fn end(mut self) -> Result<Totals, ArchiveError> {
        self.flush().await?;
        self.sum.update(&0_u32.to_be_bytes());
        self.sum.update(&self.totals.pairs.to_be_bytes());
        let sum = self.sum.clone().finalize();
        self.send(&0_u32.to_be_bytes()).await?;
        self.send(&sum.to_be_bytes()).await?;
        self.send(&self.totals.pairs.to_be_bytes()).await?;
        self.out.flush().await.map_err(unwritable)?;
        Ok(self.totals)
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.out.write_all(bytes).await.map_err(unwritable)
    }
}

/// Reads the stream.
struct Reader<'i, I> {
    input: &'i mut I,
    sum: crc32fast::Hasher,
    totals: Totals,
}

impl<'i, I: AsyncRead + Unpin + Send> Reader<'i, I> {
    async fn begin(input: &'i mut I) -> Result<Self, ArchiveError> {
        let mut head = [0; MAGIC.len() + 4];
        match input.read_exact(&mut head).await {
            Err(why) if why.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(ArchiveError::Foreign);
            }
            other => other.map_err(unreadable)?,
        };
        let (magic, version) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(ArchiveError::Foreign);
        }
        let found = version.iter().fold(0, |n, byte| n << 8 | u32::from(*byte));
        if found > VERSION {
            return Err(ArchiveError::Newer { found });
        }
        let mut sum = crc32fast::Hasher::new();
        sum.update(&head);
        Ok(Self {
            input,
            sum,
            totals: Totals::default(),
        })
    }

    /// The next pairs; none at the end.
    async fn chunk(&mut self) -> Result<Option<Vec<Pair>>, ArchiveError> {
        let length = u32::from_be_bytes(self.take().await?);
        let wanted = u32::from_be_bytes(self.take().await?);
        self.sum.update(&length.to_be_bytes());
        if length == 0 {
            let pairs: [u8; 8] = self.take().await?;
            self.sum.update(&pairs);
            let whole = self.sum.clone().finalize() == wanted;
            if !whole || u64::from_be_bytes(pairs) != self.totals.pairs {
                return Err(self.damaged("its end does not fit"));
            }
            return Ok(None);
        }
        if length > LARGEST {
            return Err(self.damaged("an impossible length"));
        }
        let mut chunk = vec![0; length as usize];
        let read = self.input.read_exact(&mut chunk).await;
        self.whole(read)?;
        self.sum.update(&chunk);
        if self.sum.clone().finalize() != wanted {
            return Err(self.damaged("a checksum does not fit"));
        }
        let mut pairs = Vec::new();
        let mut rest = chunk.as_slice();
        while !rest.is_empty() {
            let Some((key, value, after)) = pair(rest) else {
                return Err(self.damaged("a pair does not fit its chunk"));
            };
            self.totals.add(key, value);
            pairs.push((key.to_vec(), value.to_vec()));
            rest = after;
        }
        Ok(Some(pairs))
    }

    async fn take<const N: usize>(&mut self) -> Result<[u8; N], ArchiveError> {
        let mut bytes = [0; N];
        let read = self.input.read_exact(&mut bytes).await;
        self.whole(read)?;
        Ok(bytes)
    }

    fn whole(&self, read: std::io::Result<usize>) -> Result<(), ArchiveError> {
        match read {
            Ok(_) => Ok(()),
            Err(why) if why.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.damaged("it ends too early"))
            }
            Err(why) => Err(unreadable(why)),
        }
    }

    fn damaged(&self, what: &'static str) -> ArchiveError {
        ArchiveError::Damaged {
            pairs: self.totals.pairs,
            what,
        }
    }
}

/// The first pair of a chunk, and what is behind it.
fn pair(chunk: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (key, rest) = chunk.split_first_chunk::<4>()?;
    let (value, rest) = rest.split_first_chunk::<4>()?;
    let (key, rest) = rest.split_at_checked(u32::from_be_bytes(*key) as usize)?;
    let (value, rest) = rest.split_at_checked(u32::from_be_bytes(*value) as usize)?;
    Some((key, value, rest))
}

fn unreadable(why: std::io::Error) -> ArchiveError {
    ArchiveError::File {
        action: "read",
        why,
    }
}

fn unwritable(why: std::io::Error) -> ArchiveError {
    ArchiveError::File {
        action: "written",
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sled::SledStore;

    fn store() -> (tempfile::TempDir, SledStore) {
        let dir = tempfile::tempdir().expect("a directory");
        let store = SledStore::open(dir.path().join("store")).expect("the store opens");
        (dir, store)
    }

    async fn filled() -> (tempfile::TempDir, SledStore) {
        let (dir, store) = store();
        for n in 0..40_u64 {
            let commit = (0..30).fold(Commit::new(), |c, m| {
                let value = vec![7; usize::try_from(n * m).unwrap_or(0)];
                c.put(Key::of("k").number(n).number(m), value)
            });
            let large = vec![u8::try_from(n).unwrap_or(0); 100_000];
            let commit = commit.put(Key::of("large").number(n), large);
            store.commit(commit).await.expect("the commit goes through");
        }
        (dir, store)
    }

    async fn everything(store: &dyn Store) -> Vec<Pair> {
        store
            .scan(Range::all())
            .await
            .expect("the scan goes through")
    }

    #[tokio::test]
    async fn what_is_restored_is_what_was_backed_up() {
        let (_dir, from) = filled().await;
        let mut bytes = Vec::new();
        let told = backup(&from, &mut bytes, |_| ()).await.expect("a backup");
        assert_eq!(told.pairs, 1240);
        let checked = verify(&mut bytes.as_slice(), |_| ()).await;
        assert_eq!(checked.expect("whole"), told);
        let (_dir, to) = store();
        let restored = restore(&mut bytes.as_slice(), &to, |_| ()).await;
        assert_eq!(restored.expect("restored"), told);
        assert!(!is_unfinished(&to).await.expect("readable"));
        assert_eq!(everything(&to).await, everything(&from).await);
        let again = restore(&mut bytes.as_slice(), &to, |_| ()).await;
        assert!(matches!(again, Err(ArchiveError::NotEmpty)), "{again:?}");
        let (_dir, copied) = store();
        assert_eq!(copy(&from, &copied, |_| ()).await.expect("copied"), told);
        assert_eq!(everything(&copied).await, everything(&from).await);
    }

    #[tokio::test]
    async fn a_byte_that_is_changed_or_missing_is_found() {
        let (_dir, from) = filled().await;
        let mut bytes = Vec::new();
        backup(&from, &mut bytes, |_| ()).await.expect("a backup");
        for at in (0..bytes.len())
            .step_by(bytes.len() / 61)
            .chain([14, 17, 18, bytes.len() - 1])
        {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(
                verify(&mut changed.as_slice(), |_| ()).await.is_err(),
                "byte {at}"
            );
            let cut = &bytes[..at];
            assert!(verify(&mut &*cut, |_| ()).await.is_err(), "cut at {at}");
        }
        let newer = [MAGIC.as_slice(), &2_u32.to_be_bytes()].concat();
        let refused = verify(&mut newer.as_slice(), |_| ()).await;
        assert!(matches!(refused, Err(ArchiveError::Newer { found: 2 })));
        let foreign = verify(&mut b"something else altogether".as_slice(), |_| ()).await;
        assert!(matches!(foreign, Err(ArchiveError::Foreign)));
    }

    #[tokio::test]
    async fn a_store_that_was_not_filled_to_its_end_says_so() {
        let (_dir, from) = filled().await;
        let mut bytes = Vec::new();
        backup(&from, &mut bytes, |_| ()).await.expect("a backup");
        bytes.truncate(bytes.len() - 9);
        let (_dir, to) = store();
        let damaged = restore(&mut bytes.as_slice(), &to, |_| ()).await;
        assert!(matches!(damaged, Err(ArchiveError::Damaged { .. })));
        assert!(is_unfinished(&to).await.expect("readable"));
    }
}
