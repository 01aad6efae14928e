//! Who was seen in a listing: eight bytes each, a page of them under one key.
//!
//! What a listing lacks is told by these marks and the links: a pass over the links, in the order of their keys, looks
//! each of them up among the marks. Only so many marks are in memory at a time; of more, a pass is made over each part
//! of them. Two anchors of one mark cost nothing but that an object which is gone is noticed an import later.

use sha2::{Digest as _, Sha256};
use tombolo_runtime::contract::Entry;
use tombolo_store::{Commit, Range};

use crate::app::App;
use crate::error::Error;
use crate::keys::{Keys, short};
use crate::kind::Kind;

/// Marks in memory at a time: 8 MB of them.
const TOGETHER: u64 = 1 << 20;
/// Pages of marks that are read or removed at a time.
const CHUNK: usize = 64;

/// The mark of an anchor, as it stands in the key of its link.
pub(crate) fn sum(anchor: &str) -> u64 {
    let digest = Sha256::digest(anchor.as_bytes());
    let head: [u8; 8] = std::array::from_fn(|n| digest[n]);
    u64::from_be_bytes(head)
}

/// Adds the marks of a page to a commit.
pub(crate) fn put<'e>(
    keys: &Keys,
    kind: &Kind,
    page: u64,
    seen: impl Iterator<Item = &'e Entry>,
    commit: Commit,
) -> Commit {
    let sums: Vec<u8> = seen
        .flat_map(|entry| sum(&short(&entry.anchor)).to_be_bytes())
        .collect();
    if sums.is_empty() {
        return commit;
    }
    commit.put(keys.import_mark(&kind.name, page), sums)
}

/// A part of all marks.
pub(crate) struct Part {
    sums: Vec<u64>,
    number: u64,
    parts: u64,
}

/// In how many parts so many marks are looked at.
pub(crate) fn parts(marks: u64) -> u64 {
    marks.div_ceil(TOGETHER).max(1)
}

impl Part {
    /// Whether this part can tell of it.
    pub(crate) fn concerns(&self, sum: u64) -> bool {
        sum % self.parts == self.number
    }

    /// Whether it was seen.
    pub(crate) fn has(&self, sum: u64) -> bool {
        self.sums.binary_search(&sum).is_ok()
    }
}

impl App {
    /// Reads one part of the marks.
    pub(crate) async fn marks(&self, kind: &Kind, number: u64, parts: u64) -> Result<Part, Error> {
        let room = self.keys.import_marks(&kind.name);
        let mut part = Part {
            sums: Vec::new(),
            number,
            parts,
        };
        let mut range = Range::prefix(&room).limit(CHUNK);
        loop {
            let pages = self.store.scan(range).await?;
            let Some((last, _)) = pages.last() else { break };
            range = Range::prefix(&room).after(last.clone()).limit(CHUNK);
            for (_, bytes) in &pages {
                let (sums, _) = bytes.as_chunks::<8>();
                let sums = sums.iter().map(|sum| u64::from_be_bytes(*sum));
                part.sums.extend(sums.filter(|sum| sum % parts == number));
            }
        }
        part.sums.sort_unstable();
        Ok(part)
    }

    /// Removes all marks.
    pub(crate) async fn clear_marks(&self, kind: &Kind) -> Result<(), Error> {
        let room = self.keys.import_marks(&kind.name);
        loop {
            let pages = self.store.scan(Range::prefix(&room).limit(CHUNK)).await?;
            if pages.is_empty() {
                return Ok(());
            }
            let commit = pages
                .into_iter()
                .fold(Commit::new(), |commit, (key, _)| commit.delete(key));
            self.store.commit(commit).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mark_is_in_one_part_and_a_million_need_one() {
        assert_eq!(parts(0), 1);
        assert_eq!(parts(1_000_000), 1);
        assert_eq!(parts(3_000_000), 3);
        let sums: Vec<u64> = (0..1000).map(|n| sum(&format!("anchor {n}"))).collect();
        let part = |number| {
            let mut own: Vec<u64> = sums.iter().copied().filter(|s| s % 3 == number).collect();
            own.sort_unstable();
            Part {
                sums: own,
                number,
                parts: 3,
            }
        };
        let all: Vec<Part> = (0..3).map(part).collect();
        for sum in &sums {
            let concerned: Vec<&Part> = all.iter().filter(|part| part.concerns(*sum)).collect();
            assert!(concerned.len() == 1 && concerned[0].has(*sum));
        }
        let stranger = sum("nobody");
        assert!(!all.iter().any(|part| part.has(stranger)));
    }
}
