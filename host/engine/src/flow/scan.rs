//! Everything: each entry of the source, and then who is missing.
//!
//! Nothing of a scan is queued before its end: until then nobody knows whether the listing is whole, whether a key comes
//! twice, and how many are missing. What may have changed is put aside, page by page, in the store; the commit that says
//! that the scan is over makes all of it valid at once (see [`promote`](super::promote)).

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use tombolo_runtime::contract::Page;
use tombolo_store::{Commit, Range};

use super::FlowError;
use super::book::{Book, encode};
use super::change::{Change, Word, decide};
use super::definition::Definition;
use super::form::{Fitted, Record};
use super::guard::{self, Accept};
use super::person::{Person, Place};
use super::promote::{Candidate, GONE, HERE};
use super::reading::{Reader, Reading, Seen};
use super::report::Run;

/// People looked at together.
const PEOPLE: usize = 1000;
/// What an earlier, unfinished scan has put aside, thrown away together.
const LEFT_OVER: usize = 1000;
/// More keys than this that come twice, and the key is none.
const TWICE: usize = 1000;

/// Whether anything is to come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Only what it would come to.
    Plan,
    /// All that follows.
    Run,
}

/// A scan under way.
pub(crate) struct Scan<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) fitted: &'a Fitted,
    pub(crate) book: &'a Book,
    pub(crate) reader: Reader<'a>,
    pub(crate) stop: &'a CancellationToken,
    pub(crate) mode: Mode,
    pub(crate) accept: Accept,
    pub(crate) run: &'a mut Run,
    /// What the source has, by a digest of the key: a million keys have room.
    seen: HashSet<u128>,
    /// Keys that came more than once.
    twice: BTreeSet<String>,
    /// Entries without a key that nobody can be found for.
    nameless: u64,
    /// How many of those who are in the source says have left.
    leaving: u64,
}

impl<'a> Scan<'a> {
    #[expect(clippy::too_many_arguments, reason = "what a scan is made of")]
    pub(crate) fn new(
        definition: &'a Definition,
        fitted: &'a Fitted,
        book: &'a Book,
        reader: Reader<'a>,
        stop: &'a CancellationToken,
        mode: Mode,
        accept: Accept,
        run: &'a mut Run,
    ) -> Self {
        Self {
            definition,
            fitted,
            book,
            reader,
            stop,
            mode,
            accept,
            run,
            seen: HashSet::new(),
            twice: BTreeSet::new(),
            nameless: 0,
            leaving: 0,
        }
    }

    /// Reads everything. Of a run what was found is valid when this ends well, and has only to be queued.
    pub(crate) async fn read_all(&mut self, token: Option<String>) -> Result<(), FlowError> {
        let now = Timestamp::now();
        if self.mode == Mode::Run {
            self.clear_candidates().await?;
        }
        let (mut cursor, mut cursors, mut total) = (None, HashSet::new(), None);
        loop {
            if self.stop.is_cancelled() {
                return Err(FlowError::Stopped);
            }
            let page: Page = self.reader.source.page(cursor.take()).await?;
            total = page.total.or(total);
            let mut commit = Commit::new();
            for entry in &page.entries {
                self.run.read += 1;
                let seen = self.reader.read(entry).await?;
                commit = self.take(&entry.anchor, seen, commit, now).await?;
            }
            if self.mode == Mode::Run && !commit.is_empty() {
                self.book.commit(commit).await?;
            }
            match page.cursor {
                None => break,
                Some(next) if cursors.insert(next.clone()) => cursor = Some(next),
                Some(_) => {
                    return Err(FlowError::Source(
                        "its listing goes in a circle, so nobody knows whether it is whole"
                            .to_owned(),
                    ));
                }
            }
        }
        if let Some(total) = total.filter(|total| *total > self.run.read) {
            return Err(FlowError::Source(format!(
                "it says that it has {total} entries and has listed {}",
                self.run.read
            )));
        }
        self.finish(token, now).await
    }

    /// One entry.
    async fn take(
        &mut self,
        anchor: &str,
        seen: Seen,
        commit: Commit,
        now: Timestamp,
    ) -> Result<Commit, FlowError> {
        match seen {
            Seen::In(reading) => self.take_reading(*reading, commit, now).await,
            Seen::Out { .. } => Ok(commit),
            Seen::Unusable { key, why } => {
                self.run.unusable(&key, why);
                self.note(&key);
                Ok(commit)
            }
            Seen::NoKey { why } => {
                match self.book.key_of(anchor).await? {
                    // He is there, and nobody takes him for a leaver.
                    Some(key) => {
                        self.run.unusable(&key, why);
                        self.seen.insert(mark(&key));
                    }
                    None => {
                        self.run.unusable(anchor, why);
                        self.nameless += 1;
                    }
                }
                Ok(commit)
            }
        }
    }

    /// Notes a key; whether it is new.
    fn note(&mut self, key: &str) -> bool {
        let new = self.seen.insert(mark(key));
        if !new && self.twice.insert(key.to_owned()) {
            self.run.unusable(
                key,
                "the source has this key more than once; nothing is sent of it",
            );
        }
        new
    }

    async fn take_reading(
        &mut self,
        reading: Reading,
        mut commit: Commit,
        now: Timestamp,
    ) -> Result<Commit, FlowError> {
        if !self.note(&reading.key) {
            return Ok(commit);
        }
        let Reading {
            key,
            fact,
            unresolved,
        } = reading;
        let old = self.book.person(&key).await?;
        if old
            .as_ref()
            .is_none_or(|old| old.fact.anchor != fact.anchor)
        {
            // At once: others may refer to it.
            commit = commit.put(self.book.keys.anchor(&fact.anchor), key.as_str());
        }
        let word = Word::Has(fact.clone());
        let decision = decide(
            old.as_ref(),
            word,
            now,
            self.definition.actions,
            Place { rank: 1, number: 0 },
        );
        let unsure = unresolved.is_some();
        if decision.person == old && !unsure {
            self.run.counts.note_unchanged(old.as_ref(), now);
            return Ok(commit);
        }
        if decision.change == Some(Change::Leaver) && old.as_ref().is_some_and(|old| old.is_in) {
            self.leaving += 1;
        }
        if self.mode == Mode::Plan {
            self.plan(
                &key,
                old.as_ref(),
                decision.person.as_ref(),
                decision.change,
                now,
            );
            return Ok(commit);
        }
        let candidate = Candidate {
            fact: Some(fact),
            object: unresolved,
        };
        Ok(commit.put(self.book.keys.candidate(HERE, &key), encode(&candidate)?))
    }

    fn plan(
        &mut self,
        key: &str,
        old: Option<&Person>,
        new: Option<&Person>,
        change: Option<Change>,
        now: Timestamp,
    ) {
        let Some(change) = change else {
            self.run.counts.note_unchanged(new, now);
            return;
        };
        self.run.counts.add(change);
        if self.run.wants_sample(change) {
            let aim = |person: Option<&Person>| person.and_then(|person| person.aim(now));
            let empty = Record::default();
            // What was never sent differs in everything.
            let before = old.filter(|old| old.wanted.is_some()).map(|old| {
                if old.is_in {
                    old.fact.record.clone()
                } else {
                    old.fact.record.left()
                }
            });
            let after = aim(new).map(|aim| aim.record);
            let (before, after) = differing(
                self.fitted,
                before.as_ref().unwrap_or(&empty),
                after.as_ref().unwrap_or(&empty),
            );
            self.run.samples.push(super::report::Sample {
                key: key.to_owned(),
                change,
                before,
                after,
            });
        }
    }

    /// Who is missing; whether all of it is to be believed; and then it is valid.
    async fn finish(&mut self, token: Option<String>, now: Timestamp) -> Result<(), FlowError> {
        if self.twice.len() > TWICE {
            return Err(FlowError::Held {
                reason: format!(
                    "{} keys come more than once: what `key` is made of does not tell people apart",
                    self.twice.len()
                ),
                remedy: "correct `key` in the flow's file, or the source".to_owned(),
            });
        }
        let (population, missing) = self.missing(now).await?;
        if self.definition.actions.leave && !self.accept.shrink {
            self.doubt(population, missing)?;
        }
        let leaving = self.leaving;
        guard::leavers(
            self.book,
            &self.definition.limit,
            leaving,
            population,
            now,
            self.accept,
        )
        .await?;
        if self.mode == Mode::Plan {
            return Ok(());
        }
        let mut mark = self.book.watermark().await?;
        mark.token = token.or(mark.token);
        mark.scanned = Some(now);
        mark.promoting = true;
        mark.twice = self.twice.iter().cloned().collect();
        mark.population = population;
        mark.clock = Some(now);
        let commit = self.book.with_watermark(Commit::new(), &mark)?;
        self.book.commit(commit).await
    }

    /// Looks for everybody whom the source does not have any more; how many are in, and how many are missing.
    async fn missing(&mut self, now: Timestamp) -> Result<(u64, u64), FlowError> {
        let (mut population, mut missing, mut after) = (0, 0, None);
        loop {
            let people = self.book.people(after.take(), PEOPLE).await?;
            let Some((last, ..)) = people.last() else {
                break;
            };
            after = Some(last.clone());
            let mut commit = Commit::new();
            for (_, key, person) in people {
                population += u64::from(person.is_in);
                if !person.present || self.seen.contains(&mark(&key)) {
                    continue;
                }
                missing += 1;
                self.leaving += u64::from(person.is_in);
                if self.mode == Mode::Plan {
                    let decision = decide(
                        Some(&person),
                        Word::HasNot,
                        now,
                        self.definition.actions,
                        Place { rank: 0, number: 0 },
                    );
                    self.plan(
                        &key,
                        Some(&person),
                        decision.person.as_ref(),
                        decision.change,
                        now,
                    );
                    continue;
                }
                let candidate = Candidate {
                    fact: None,
                    object: None,
                };
                commit = commit.put(self.book.keys.candidate(GONE, &key), encode(&candidate)?);
            }
            if !commit.is_empty() {
                self.book.commit(commit).await?;
            }
        }
        Ok((population, missing))
    }

    /// What looks like a source that does not say all it knows.
    fn doubt(&self, population: u64, missing: u64) -> Result<(), FlowError> {
        let remedy = || {
            "look at the source; if this is right: `tombolo flow run DIR NAME --accept-shrink`"
                .to_owned()
        };
        if self.run.read == 0 && population > 0 {
            return Err(FlowError::Held {
                reason: format!("the source has nobody, and {population} are in"),
                remedy: remedy(),
            });
        }
        if self.nameless > 0 && missing > 0 {
            return Err(FlowError::Held {
                reason: format!(
                    "{} entries have no key and {missing} people are missing: they may be the same",
                    self.nameless
                ),
                remedy: remedy(),
            });
        }
        Ok(())
    }

    async fn clear_candidates(&self) -> Result<(), FlowError> {
        loop {
            let range = Range::prefix(self.book.keys.candidates()).limit(LEFT_OVER);
            let found = self.book.store.scan(range).await?;
            if found.is_empty() {
                return Ok(());
            }
            let clear = found
                .into_iter()
                .fold(Commit::new(), |commit, (key, _)| commit.delete(key));
            self.book.commit(clear).await?;
        }
    }
}

fn mark(key: &str) -> u128 {
    let digest = Sha256::digest(key.as_bytes());
    digest
        .first_chunk()
        .map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

/// The attributes in which two records differ, without the values that no log may show.
fn differing(
    fitted: &Fitted,
    before: &Record,
    after: &Record,
) -> (Map<String, Value>, Map<String, Value>) {
    let only = |of: &Record, other: &Record| {
        let mut shown = Map::new();
        for (name, value) in &of.attributes {
            if other.attributes.get(name) != Some(value) {
                let hidden = fitted.redacts(name);
                let value = if hidden {
                    Value::from("[Redact]")
                } else {
                    value.clone()
                };
                shown.insert(name.clone(), value);
            }
        }
        shown
    };
    (only(before, after), only(after, before))
}
