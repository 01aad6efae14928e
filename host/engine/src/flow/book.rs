//! The flow's part of the store: people, the queue, the watermark.
//!
//! Whoever reads the source and whoever empties the queue both write here; a lock makes them take turns, so that each commit
//! follows from what is there. Everything that one commit says (people, their places in the queue, the watermark that covers
//! them) is there together or not at all.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tombolo_store::key::last_text;
use tombolo_store::{Commit, CommitError, Range, Store};

use super::FlowError;
use super::change::{Change, Word, decide};
use super::definition::{Actions, Limit};
use super::guard::{self, Accept};
use super::keys::FlowKeys;
use super::lease::Lease;
use super::person::{Person, Place, Stage};
use super::report::Counts;

/// See the module.
pub(crate) struct Book {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: FlowKeys,
    pub(crate) lease: Lease,
    pub(crate) turn: Mutex<()>,
    pub(crate) actions: Actions,
}

/// How far the source has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watermark {
    /// Where the source's changes go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// When everything was last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scanned: Option<Timestamp>,
    /// A scan is over, and what it found is on its way into the queue.
    #[serde(default)]
    pub(crate) promoting: bool,
    /// The keys that the scan has found twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) twice: Vec<String>,
    /// How many are in.
    #[serde(default)]
    pub(crate) population: u64,
    /// The last moment that the flow has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) clock: Option<Timestamp>,
}

/// One thing that a source says, and where it would stand in the queue.
pub(crate) struct Said {
    pub(crate) key: String,
    pub(crate) word: Word,
    pub(crate) place: Place,
}

/// What a commit would do, before it is made.
pub(crate) struct Outlook {
    pub(crate) counts: Counts,
    /// How many of those who were in would be out.
    pub(crate) leaving: u64,
    /// How many would be in who were not.
    pub(crate) arriving: u64,
}

impl Book {
    pub(crate) async fn person(&self, key: &str) -> Result<Option<Person>, FlowError> {
        self.read(&self.keys.person(key)).await
    }

    /// The key that the source's anchor stands for.
    pub(crate) async fn key_of(&self, anchor: &str) -> Result<Option<String>, FlowError> {
        key_of(&*self.store, &self.keys, anchor).await
    }

    pub(crate) async fn watermark(&self) -> Result<Watermark, FlowError> {
        Ok(self.read(&self.keys.watermark()).await?.unwrap_or_default())
    }

    pub(crate) fn with_watermark(
        &self,
        commit: Commit,
        mark: &Watermark,
    ) -> Result<Commit, FlowError> {
        Ok(commit.put(self.keys.watermark(), encode(mark)?))
    }

    pub(crate) async fn read<T: for<'de> Deserialize<'de>>(
        &self,
        key: &[u8],
    ) -> Result<Option<T>, FlowError> {
        match self.store.get(key).await? {
            Some(bytes) => decode(&bytes).map(Some),
            None => Ok(None),
        }
    }

    /// One page of people behind `after`.
    pub(crate) async fn people(
        &self,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, String, Person)>, FlowError> {
        let mut range = Range::prefix(self.keys.people()).limit(limit);
        if let Some(after) = after {
            range = range.after(after);
        }
        let pairs = self.store.scan(range).await?;
        pairs
            .into_iter()
            .map(|(key, bytes)| {
                let name = last_text(&key).unwrap_or_default();
                Ok((key, name, decode(&bytes)?))
            })
            .collect()
    }

    /// Commits, if this host runs the flow.
    pub(crate) async fn commit(&self, commit: Commit) -> Result<(), FlowError> {
        match self.store.commit(self.lease.guard(commit)?).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conflict { .. }) => Err(FlowError::Elsewhere),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }

    /// Decides what follows from what was said, and commits it together with `extra` and the watermark that covers it;
    /// unless more would leave than `guard` lets.
    pub(crate) async fn say(
        &self,
        said: Vec<Said>,
        mut extra: Commit,
        mark: &mut Watermark,
        guard: Option<(&Limit, Accept)>,
    ) -> Result<Outlook, FlowError> {
        let now = Timestamp::now();
        let _turn = self.turn.lock().await;
        let mut people: HashMap<String, (Option<Person>, Option<Person>)> = HashMap::new();
        let mut changes: HashMap<String, Change> = HashMap::new();
        let mut outlook = Outlook {
            counts: Counts::default(),
            leaving: 0,
            arriving: 0,
        };
        for Said { key, word, place } in said {
            if !people.contains_key(&key) {
                let old = self.person(&key).await?;
                people.insert(key.clone(), (old.clone(), old));
            }
            let Some((_, present)) = people.get_mut(&key) else {
                continue;
            };
            let decision = decide(present.as_ref(), word, now, self.actions, place);
            match decision.change {
                Some(change) => {
                    outlook.counts.add(change);
                    changes.insert(key.clone(), change);
                }
                None => outlook.counts.note_unchanged(decision.person.as_ref(), now),
            }
            *present = decision.person;
        }
        for (key, (old, new)) in &people {
            let was_in = old.as_ref().is_some_and(|person| person.is_in);
            let is_in = new.as_ref().is_some_and(|person| person.is_in);
            if was_in && !is_in {
                outlook.leaving += 1;
                extra = extra.put(self.keys.left(now, key), "");
            }
            outlook.arriving += u64::from(!was_in && is_in);
            extra = self.put(
                extra,
                key,
                old.as_ref(),
                new.as_ref(),
                changes.get(key).copied(),
            )?;
        }
        if let Some((limit, accept)) = guard {
            let population = mark.population;
            guard::leavers(self, limit, outlook.leaving, population, now, accept).await?;
        }
        let moved = Watermark {
            population: (mark.population + outlook.arriving).saturating_sub(outlook.leaving),
            clock: Some(now),
            ..mark.clone()
        };
        self.commit(self.with_watermark(extra, &moved)?).await?;
        *mark = moved;
        Ok(outlook)
    }

    /// Adds to a commit what makes `new` of `old`: the person, and every key that follows from it.
    pub(crate) fn put(
        &self,
        mut commit: Commit,
        key: &str,
        old: Option<&Person>,
        new: Option<&Person>,
        change: Option<Change>,
    ) -> Result<Commit, FlowError> {
        if old == new {
            return Ok(commit);
        }
        let place = |person: Option<&Person>| match person.map(|person| &person.stage) {
            Some(Stage::Queued(place)) => Some(*place),
            _ => None,
        };
        let (before, after) = (place(old), place(new));
        if let Some(before) = before.filter(|_| before != after) {
            commit = commit.delete(self.keys.queued(before, key));
        }
        if let (Some(after), Some(change)) = (after, change) {
            commit = commit.put(self.keys.queued(after, key), encode(&change)?);
        }
        let staged = |person: Option<&Person>| {
            person.is_some_and(|person| matches!(person.stage, Stage::Staged { .. }))
        };
        match (staged(old), staged(new)) {
            (false, true) => commit = commit.put(self.keys.staged(key), ""),
            (true, false) => commit = commit.delete(self.keys.staged(key)),
            _ => {}
        }
        let due = |person: Option<&Person>| person.and_then(|person| person.due);
        if due(old) != due(new) {
            if let Some(at) = due(old) {
                commit = commit.delete(self.keys.due(at, key));
            }
            if let Some(at) = due(new) {
                commit = commit.put(self.keys.due(at, key), "");
            }
        }
        let anchor = |person: Option<&Person>| person.map(|person| person.fact.anchor.clone());
        if anchor(old) != anchor(new) {
            if let Some(anchor) = anchor(old) {
                commit = commit.delete(self.keys.anchor(&anchor));
            }
            if let Some(anchor) = anchor(new) {
                commit = commit.put(self.keys.anchor(&anchor), key);
            }
        }
        let lacks = |person: Option<&Person>| {
            person
                .map(|person| person.lacks.clone())
                .unwrap_or_default()
        };
        for referred in lacks(old) {
            commit = commit.delete(self.keys.lacking(&referred, key));
        }
        for referred in lacks(new) {
            commit = commit.put(self.keys.lacking(&referred, key), "");
        }
        Ok(match new {
            Some(person) => commit.put(self.keys.person(key), encode(person)?),
            None => commit.delete(self.keys.person(key)),
        })
    }
}

/// The key that an anchor stands for in a flow.
pub(crate) async fn key_of(
    store: &dyn Store,
    keys: &FlowKeys,
    anchor: &str,
) -> Result<Option<String>, FlowError> {
    let key = store.get(&keys.anchor(anchor)).await?;
    Ok(key.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, FlowError> {
    serde_json::to_vec(value).map_err(|why| FlowError::Corrupt(why.to_string()))
}

pub(crate) fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, FlowError> {
    serde_json::from_slice(bytes).map_err(|why| FlowError::Corrupt(why.to_string()))
}
