//! The write-ahead log: one write and one flush make a group of commits durable.
//!
//! sled can flush too, but wakes all of its threads for it and writes its pages twice; as the promise of every single
//! commit that was a third of what a PATCH cost. So a group goes into this log first, then into sled's memory, and sled
//! is flushed once in a while ([`super::checkpoint`]).
//!
//! Two files take turns. Each holds one *generation* of records; a generation begins only when the one before the last
//! is in sled for good, so the two files together always hold everything that sled might not have. After a crash both
//! are played into sled again, the older one first: a record says what a key's value *is*, so playing one twice does no
//! harm. A record that was not whole when the machine stopped was never acknowledged.
//!
//! | bytes | of a record |
//! |---|---|
//! | 8 | generation |
//! | 8 | number within the generation, from 0 |
//! | 4 | length of the writes |
//! | 4 | CRC-32 of everything else |
//! | n | writes: 1 for put or 2 for delete, then key and value, each after its length in 4 bytes |
//!
//! All numbers are little-endian. A file is used again and again, since a flush is cheap where the blocks are there
//! already; what an older generation left behind the last record has another generation or number in its head.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::FlushHook;
use super::room::Room;
use crate::commit::Images;

/// A generation ends when it has this many bytes.
pub(super) const GENERATION_BYTES: u64 = 16 << 20;
/// Blocks are made ready this far ahead: a file that grows costs the file system a second write at each flush.
const AHEAD: u64 = 1 << 20;
/// The buffer of records keeps this much between them; one flood is not paid for in memory for ever.
const RECORD_BYTES: usize = 1 << 20;

const HEAD: usize = 24;
const PUT: u8 = 1;
const DELETE: u8 = 2;

/// Why a group was not written down.
#[derive(Debug)]
pub(super) enum Failed {
    /// There is no room for it. Nothing was written.
    NoRoom(io::Error),
    /// What is on the disk now, nobody knows.
    Unknown(io::Error),
}

/// See the module.
pub(super) struct Wal {
    files: [Segment; 2],
    room: Room,
    generation: u64,
    number: u64,
    limit: u64,
    record: Vec<u8>,
    before_flush: Option<FlushHook>,
}

struct Segment {
    file: File,
    /// Where the next record goes.
    end: u64,
    /// Up to here the file has blocks.
    ready: u64,
}

impl Wal {
    /// Opens the log in a directory, and gives `play` every group that it holds, in order. They stay in the log until
    /// [`Wal::clear`].
    pub(super) fn open(
        directory: &Path,
        limit: u64,
        room: Room,
        before_flush: Option<FlushHook>,
        mut play: impl FnMut(Images) -> io::Result<()>,
    ) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let open = |name: &str| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(directory.join(name))
        };
        let files = [open("0")?, open("1")?];
        let mut found = [Reader::new(&files[0])?, Reader::new(&files[1])?];
        found.sort_by_key(|reader| reader.generation);
        // The newest: `clear` must know which file is the older one.
        let generation = found[1].generation.unwrap_or(0);
        for mut reader in found {
            while let Some(group) = reader.next()? {
                play(group)?;
            }
        }
        super::checkpoint::sync_directory(directory)?;
        Ok(Self {
            files: files.map(|file| Segment {
                file,
                end: 0,
                ready: 0,
            }),
            generation,
            number: 0,
            limit,
            room,
            record: Vec::new(),
            before_flush,
        })
    }

    /// Forgets everything: it is in sled for good. What is written next begins a new life of the log.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        for turn in self.oldest_first() {
            let segment = &mut self.files[slot(turn)];
            segment.file.set_len(0)?;
            segment.file.sync_all()?;
            (segment.end, segment.ready) = (0, 0);
        }
        (self.generation, self.number) = (0, 0);
        Ok(())
    }

    /// The newest generation alone may be played again. The one before it alone may not: it would take back what came
    /// after it. Two generations on, the same file is in use.
    fn oldest_first(&self) -> [u64; 2] {
        [self.generation + 1, self.generation]
    }

    /// Whether the generation has had its share.
    pub(super) fn is_full(&self) -> bool {
        self.files[slot(self.generation)].end >= self.limit
    }

    /// Begins the next generation, in the file of the one before this. That one must be in sled for good.
    pub(super) fn turn(&mut self) {
        self.generation += 1;
        self.number = 0;
        self.files[slot(self.generation)].end = 0;
    }

    /// Writes a group down. It survives the loss of power when this returns.
    pub(super) fn append(&mut self, group: &Images) -> Result<(), Failed> {
        encode(&mut self.record, self.generation, self.number, group).map_err(Failed::Unknown)?;
        let length = self.record.len() as u64;
        self.make_room(length).map_err(Failed::NoRoom)?;
        self.write().map_err(Failed::Unknown)?;
        self.files[slot(self.generation)].end += length;
        self.number += 1;
        self.record.shrink_to(RECORD_BYTES);
        Ok(())
    }

    /// Sees that so many bytes can be written: by the log now, and by sled later. What of it fails has harmed nothing.
    pub(super) fn make_room(&mut self, length: u64) -> io::Result<()> {
        self.room.check(self.limit)?;
        let segment = &mut self.files[slot(self.generation)];
        segment.reserve(segment.end + length)
    }

    fn write(&mut self) -> io::Result<()> {
        let segment = &self.files[slot(self.generation)];
        segment.file.write_all_at(&self.record, segment.end)?;
        if let Some(hook) = &mut self.before_flush {
            hook()?;
        }
        segment.file.sync_data()
    }
}

impl Segment {
    /// Makes blocks ready for what is about to be written up to `end`, and for what comes after it.
    fn reserve(&mut self, end: u64) -> io::Result<()> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        if end <= self.ready {
            return Ok(());
        }
        let wanted = end + AHEAD;
        while self.ready < wanted {
            self.file.write_all_at(&ZEROS, self.ready)?;
            self.ready += ZEROS.len() as u64;
        }
        Ok(())
    }
}

fn slot(generation: u64) -> usize {
    usize::from(generation % 2 == 1)
}

fn encode(record: &mut Vec<u8>, generation: u64, number: u64, group: &Images) -> io::Result<()> {
    record.clear();
    record.extend_from_slice(&generation.to_le_bytes());
    record.extend_from_slice(&number.to_le_bytes());
    record.extend_from_slice(&[0; 8]);
    for (key, value) in group {
        record.push(if value.is_some() { PUT } else { DELETE });
        bytes(record, key)?;
        if let Some(value) = value {
            bytes(record, value)?;
        }
    }
    let length = length(record.len() - HEAD)?;
    record[16..20].copy_from_slice(&length.to_le_bytes());
    let sum = checksum(&record[..20], &record[HEAD..]);
    record[20..24].copy_from_slice(&sum.to_le_bytes());
    Ok(())
}

fn bytes(record: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    record.extend_from_slice(&length(bytes.len())?.to_le_bytes());
    record.extend_from_slice(bytes);
    Ok(())
}

fn length(bytes: usize) -> io::Result<u32> {
    u32::try_from(bytes).map_err(|_| io::Error::other("a commit of 4 GiB or more is not possible"))
}

fn checksum(head: &[u8], writes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(writes);
    hasher.finalize()
}

/// Reads one file's generation, up to the first record that is none of it.
struct Reader<'f> {
    file: &'f File,
    size: u64,
    at: u64,
    /// The first record's; none when the file has no whole record.
    generation: Option<u64>,
    number: u64,
}

impl<'f> Reader<'f> {
    fn new(file: &'f File) -> io::Result<Self> {
        let mut reader = Self {
            file,
            size: file.metadata()?.len(),
            at: 0,
            generation: None,
            number: 0,
        };
        reader.generation = reader.record()?.map(|(generation, ..)| generation);
        Ok(reader)
    }

    fn next(&mut self) -> io::Result<Option<Images>> {
        let Some((generation, number, writes)) = self.record()? else {
            return Ok(None);
        };
        if self.generation != Some(generation) || self.number != number {
            return Ok(None);
        }
        self.number += 1;
        self.at += (HEAD + writes.len()) as u64;
        decode(&writes)
            .map(Some)
            .ok_or_else(|| io::Error::other("a whole record of the write-ahead log has no meaning"))
    }

    /// The record at this place, if a whole one is there.
    fn record(&self) -> io::Result<Option<(u64, u64, Vec<u8>)>> {
        let left = self.size.saturating_sub(self.at);
        if left < HEAD as u64 {
            return Ok(None);
        }
        let mut head = [0; HEAD];
        self.file.read_exact_at(&mut head, self.at)?;
        let (generation, number) = (number_at(&head, 0), number_at(&head, 8));
        let length = u32::from_le_bytes([head[16], head[17], head[18], head[19]]);
        let sum = u32::from_le_bytes([head[20], head[21], head[22], head[23]]);
        if u64::from(length) > left - HEAD as u64 {
            return Ok(None);
        }
        let mut writes = vec![0; length as usize];
        self.file
            .read_exact_at(&mut writes, self.at + HEAD as u64)?;
        let whole = checksum(&head[..20], &writes) == sum;
        Ok(whole.then_some((generation, number, writes)))
    }
}

fn number_at(head: &[u8; HEAD], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&head[at..at + 8]);
    u64::from_le_bytes(bytes)
}

/// The writes of a record whose checksum is right; none if they are not ours.
fn decode(mut writes: &[u8]) -> Option<Images> {
    let mut group = Images::new();
    while let Some((kind, rest)) = writes.split_first() {
        writes = rest;
        let key = take(&mut writes)?;
        let value = match *kind {
            PUT => Some(take(&mut writes)?),
            DELETE => None,
            _ => return None,
        };
        group.insert(key, value);
    }
    Some(group)
}

fn take(from: &mut &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = from.split_first_chunk::<4>()?;
    let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *from = rest;
    Some(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(pairs: &[(&str, Option<&str>)]) -> Images {
        pairs
            .iter()
            .map(|(key, value)| {
                (
                    key.as_bytes().to_vec(),
                    value.map(|v| v.as_bytes().to_vec()),
                )
            })
            .collect()
    }

    fn open(directory: &Path) -> (Wal, Vec<Images>) {
        let mut played = Vec::new();
        let wal = Wal::open(
            directory,
            GENERATION_BYTES,
            Room::new(directory, None),
            None,
            |group| {
                played.push(group);
                Ok(())
            },
        )
        .unwrap();
        (wal, played)
    }

    fn fresh(directory: &Path) -> Wal {
        let (mut wal, _) = open(directory);
        wal.clear().unwrap();
        wal
    }

    #[test]
    fn what_was_appended_is_played_in_order_over_both_generations() {
        let dir = tempfile::tempdir().unwrap();
        let mut wal = fresh(dir.path());
        let groups = [
            group(&[("a", Some("1")), ("b", Some(""))]),
            group(&[("a", None)]),
            group(&[("c", Some("3"))]),
        ];
        wal.append(&groups[0]).unwrap();
        wal.append(&groups[1]).unwrap();
        wal.turn();
        wal.append(&groups[2]).unwrap();
        drop(wal);
        assert_eq!(open(dir.path()).1, groups);
        // Until it is cleared, again and again.
        let (mut wal, played) = open(dir.path());
        assert_eq!(played, groups);
        wal.clear().unwrap();
        drop(wal);
        assert_eq!(open(dir.path()).1, Vec::<Images>::new());
    }

    #[test]
    fn a_file_used_again_shows_nothing_of_its_past() {
        let dir = tempfile::tempdir().unwrap();
        let mut wal = fresh(dir.path());
        for n in 0..10 {
            wal.append(&group(&[("old", Some(&n.to_string()))]))
                .unwrap();
        }
        wal.turn();
        wal.append(&group(&[("between", Some("x"))])).unwrap();
        wal.turn();
        // Records of the same size as those that lie behind it.
        wal.append(&group(&[("old", Some("n"))])).unwrap();
        drop(wal);
        let wanted = [
            group(&[("between", Some("x"))]),
            group(&[("old", Some("n"))]),
        ];
        assert_eq!(open(dir.path()).1, wanted);
    }

    #[test]
    fn the_older_generation_is_forgotten_first_whichever_file_has_it() {
        for turns in 1..4 {
            let dir = tempfile::tempdir().unwrap();
            let mut wal = fresh(dir.path());
            wal.append(&group(&[("a", Some("0"))])).unwrap();
            for turn in 1..=turns {
                wal.turn();
                wal.append(&group(&[("a", Some(&turn.to_string()))]))
                    .unwrap();
            }
            drop(wal);
            let (wal, _) = open(dir.path());
            // A crash after the first of the two.
            let first = slot(wal.oldest_first()[0]);
            wal.files[first].file.set_len(0).unwrap();
            drop(wal);
            let newest = group(&[("a", Some(&turns.to_string()))]);
            assert_eq!(open(dir.path()).1, [newest], "{turns} turns");
        }
    }

    #[test]
    fn a_record_torn_anywhere_ends_the_log_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut wal = fresh(dir.path());
        let first = group(&[("a", Some("1"))]);
        wal.append(&first).unwrap();
        let begin = wal.files[0].end;
        wal.append(&group(&[("b", Some("22")), ("c", None)]))
            .unwrap();
        let end = wal.files[0].end;
        drop(wal);
        let path = dir.path().join("0");
        let whole = std::fs::read(&path).unwrap();
        for at in begin..end {
            let mut torn = whole.clone();
            // Zeros where the write did not get to, and garbage where it went wrong.
            torn[usize::try_from(at).unwrap()] ^= 0x5a;
            std::fs::write(&path, &torn).unwrap();
            assert_eq!(
                open(dir.path()).1,
                std::slice::from_ref(&first),
                "byte {at}"
            );
            std::fs::write(&path, &whole[..usize::try_from(at).unwrap()]).unwrap();
            assert_eq!(
                open(dir.path()).1,
                std::slice::from_ref(&first),
                "cut at {at}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_at_all_are_read_without_harm(junk in proptest::collection::vec(any::<u8>(), 0..400)) {
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("0"), &junk).unwrap();
            std::fs::write(dir.path().join("1"), &junk).unwrap();
            prop_assert_eq!(open(dir.path()).1, Vec::<Images>::new());
        }

        #[test]
        fn any_group_comes_back_as_it_was(
            groups in proptest::collection::vec(
                proptest::collection::btree_map(
                    proptest::collection::vec(any::<u8>(), 0..20),
                    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50)),
                    0..6,
                ),
                0..8,
            )
        ) {
            let dir = tempfile::tempdir().unwrap();
            let mut wal = fresh(dir.path());
            for group in &groups {
                wal.append(group).unwrap();
            }
            drop(wal);
            prop_assert_eq!(open(dir.path()).1, groups);
        }
    }
}
