//! From what a scan has found to the queue: leavers first, managers before those who report to them.
//!
//! A batch leaves what was put aside in the commit that queues it, so this can be broken off anywhere and goes on from there.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tombolo_mapping::Object;
use tombolo_store::key::{last_text, segments};
use tombolo_store::{Commit, Range};

use super::FlowError;
use super::book::{Book, Said, decode};
use super::change::Word;
use super::definition::Limit;
use super::fact::Fact;
use super::guard;
use super::person::Place;
use super::reading::{Reader, Seen};
use super::report::Run;

/// The class of those whom the source has no more.
pub(crate) const GONE: u64 = 0;
/// The class of those whom it has.
pub(crate) const HERE: u64 = 1;
/// Queued together.
const BATCH: usize = 200;
/// So many managers above one another are told apart.
const DEEPEST: u64 = 40;

/// What a scan has found of somebody.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Candidate {
    /// None: he is gone.
    pub(crate) fact: Option<Fact>,
    /// The object, when it refers to others whom the scan had not seen yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<Object>,
}

/// Queues what the last scan has found, if that is not done yet. `queued` is called after each batch.
pub(crate) async fn promote(
    book: &Book,
    reader: &Reader<'_>,
    limit: &Limit,
    stop: &CancellationToken,
    run: &mut Run,
    queued: impl Fn(),
) -> Result<(), FlowError> {
    let mut mark = book.watermark().await?;
    if !mark.promoting {
        return Ok(());
    }
    let depths = Depths::of(book, reader).await?;
    let now = Timestamp::now();
    let number = u64::try_from(now.as_microsecond()).unwrap_or(0);
    loop {
        if stop.is_cancelled() {
            return Err(FlowError::Stopped);
        }
        let range = Range::prefix(book.keys.candidates()).limit(BATCH);
        let found = book.store.scan(range).await?;
        if found.is_empty() {
            break;
        }
        let (mut said, mut commit) = (Vec::new(), Commit::new());
        for (stored, bytes) in found {
            let key = last_text(&stored).unwrap_or_default();
            commit = commit.delete(stored);
            if mark.twice.contains(&key) {
                continue;
            }
            let Some(word) = word(reader, &key, decode(&bytes)?, run).await? else {
                continue;
            };
            let rank = 1 + depths.of_key(&key);
            let place = Place { rank, number };
            said.push(Said { key, word, place });
        }
        let outlook = book.say(said, commit, &mut mark, None).await?;
        run.counts.include(&outlook.counts);
        queued();
    }
    mark.promoting = false;
    mark.twice.clear();
    let swept = guard::sweep(book, limit, now, Commit::new()).await?;
    book.commit(book.with_watermark(swept, &mark)?).await
}

/// What a candidate says, now that everybody is known.
async fn word(
    reader: &Reader<'_>,
    key: &str,
    candidate: Candidate,
    run: &mut Run,
) -> Result<Option<Word>, FlowError> {
    let Some(fact) = candidate.fact else {
        return Ok(Some(Word::HasNot));
    };
    let Some(object) = candidate.object else {
        return Ok(Some(Word::Has(fact)));
    };
    Ok(match reader.read_object(&fact.anchor, object).await? {
        Seen::In(reading) => Some(Word::Has(reading.fact)),
        Seen::Unusable { why, .. } => {
            run.unusable(key, why);
            None
        }
        Seen::Out { .. } | Seen::NoKey { .. } => None,
    })
}

/// How many managers somebody has above him, of those who are queued with him.
struct Depths {
    hasher: RandomState,
    managers: HashMap<u64, u64>,
}

impl Depths {
    async fn of(book: &Book, reader: &Reader<'_>) -> Result<Self, FlowError> {
        let mut depths = Self {
            hasher: RandomState::new(),
            managers: HashMap::new(),
        };
        let mut after: Option<Vec<u8>> = None;
        loop {
            let mut range = Range::prefix(book.keys.candidates()).limit(BATCH);
            if let Some(after) = after.take() {
                range = range.after(after);
            }
            let found = book.store.scan(range).await?;
            let Some((last, _)) = found.last() else {
                return Ok(depths);
            };
            after = Some(last.clone());
            for (stored, bytes) in &found {
                let here = segments(stored)
                    .is_some_and(|parts| parts.iter().any(|part| part.as_number() == Some(HERE)));
                if !here {
                    continue;
                }
                let candidate: Candidate = decode(bytes)?;
                let Some(mut fact) = candidate.fact else {
                    continue;
                };
                // His manager came after him.
                if let Some(object) = candidate.object
                    && let Seen::In(reading) = reader.read_object(&fact.anchor, object).await?
                {
                    fact = reading.fact;
                }
                let key = last_text(stored).unwrap_or_default();
                depths.note(&key, fact.record.manager());
            }
        }
    }

    fn note(&mut self, key: &str, manager: Option<&str>) {
        // His own manager is nobody's, and one that is not queued does not count.
        let manager = manager.map_or(0, |manager| self.hasher.hash_one(manager));
        self.managers.insert(self.hasher.hash_one(key), manager);
    }

    fn of_key(&self, key: &str) -> u64 {
        let (mut depth, mut at) = (0, self.hasher.hash_one(key));
        while depth < DEEPEST {
            match self.managers.get(&at) {
                Some(manager) if self.managers.contains_key(manager) && *manager != at => {
                    at = *manager;
                    depth += 1;
                }
                _ => break,
            }
        }
        depth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_queued_managers_and_survives_a_circle() {
        let mut depths = Depths {
            hasher: RandomState::new(),
            managers: HashMap::new(),
        };
        for (key, manager) in [
            ("1", None),
            ("2", Some("1")),
            ("3", Some("2")),
            ("4", Some("nobody")),
            ("5", Some("6")),
            ("6", Some("5")),
            ("7", Some("7")),
        ] {
            depths.note(key, manager);
        }
        let all: Vec<u64> = ["1", "2", "3", "4", "7"]
            .iter()
            .map(|key| depths.of_key(key))
            .collect();
        assert_eq!(all, [0, 1, 2, 0, 0]);
        assert_eq!(depths.of_key("5"), DEEPEST);
    }
}
