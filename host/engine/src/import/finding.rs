//! What imports find, kept until it is otherwise: orphans, local accounts, ambiguity. Drift is a module of its own.
//!
//! | | is | until |
//! |---|---|---|
//! | orphan | a link that a client knew, whose object has gone from the target | 30 days have gone by |
//! | local | an object that no client has written to, and nobody has adopted | somebody does |
//! | ambiguous | a value that is to tell objects apart, and several have it | the next full import finds it once |

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;
use tombolo_store::key::{Segment, segments};
use tombolo_store::{Commit, Range};

use super::drift::Repair;
use crate::app::App;
use crate::audit::label;
use crate::error::Error;
use crate::keys::id_of;
use crate::kind::Kind;
use crate::reconcile::Stored;
use crate::record::{decode, encode};

/// Keys that are read at a time.
const CHUNK: usize = 1000;
/// How long an orphan is told of.
const ORPHANS: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Of objects with the same value so many are named.
const NAMED: usize = 20;

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sought {
    /// Links whose object has gone.
    Orphans,
    /// Objects that no client has written to.
    Local,
    /// Other values than were written.
    Drift,
    /// Values that do not tell objects apart.
    Ambiguous,
}

/// One thing that an import has found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "finding", rename_all = "kebab-case")]
pub enum Finding {
    /// The object of a link has gone from the target.
    Orphan {
        /// The SCIM id that it had.
        id: String,
        /// The resource type.
        kind: String,
        /// What was kept of it.
        #[serde(flatten)]
        orphan: Orphan,
    },
    /// No client has written to it.
    Local {
        /// Its SCIM id.
        id: String,
        /// The resource type.
        kind: String,
        /// The target's key.
        anchor: String,
        /// A name by which people know it.
        name: Option<String>,
        /// When it was first seen.
        since: Timestamp,
    },
    /// It has other values than were written through the host.
    Drift(Repair),
    /// Several objects have a value that is to tell them apart.
    Ambiguous {
        /// The resource type.
        kind: String,
        /// The attribute.
        attribute: String,
        /// The value, case folded.
        value: String,
        /// The SCIM ids of those that have it.
        ids: BTreeSet<String>,
    },
}

/// What is kept of a link whose object has gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    /// The target's key.
    pub anchor: String,
    /// A name by which people knew it.
    pub name: Option<String>,
    /// When it was found to be gone.
    pub since: Timestamp,
}

impl App {
    /// Adds to the commit that ends a link what is told of it. Of an object that no client knew nothing is.
    pub(crate) fn put_orphan(
        &self,
        kind: &Kind,
        id: &str,
        stored: &Stored,
        commit: Commit,
    ) -> Result<Commit, Error> {
        if stored.record.found {
            return Ok(commit);
        }
        let orphan = Orphan {
            anchor: stored.record.anchor.clone(),
            name: label(&stored.record.resource),
            since: Timestamp::now(),
        };
        Ok(commit.put(self.keys.orphan(&kind.ty().name, id), encode(&orphan)?))
    }

    pub(crate) async fn forget_old_orphans(&self, kind: &Kind) -> Result<(), Error> {
        let room = self.keys.orphans(&kind.ty().name);
        let mut range = Range::prefix(&room).limit(CHUNK);
        loop {
            let pairs = self.store.scan(range).await?;
            let Some((last, _)) = pairs.last() else {
                return Ok(());
            };
            range = Range::prefix(&room).after(last.clone()).limit(CHUNK);
            let mut commit = Commit::new();
            for (key, bytes) in &pairs {
                let orphan: Orphan = decode("an orphan", bytes)?;
                if Timestamp::now().duration_since(orphan.since) > ORPHANS {
                    commit = commit.delete(key.clone());
                }
            }
            if !commit.is_empty() {
                self.store.commit(commit).await?;
            }
        }
    }

    /// Notes anew which values several objects have: one pass over the indexes by which objects are told apart. What
    /// it holds is one value and its objects.
    pub(crate) async fn find_ambiguous(&self, kind: &Kind) -> Result<(), Error> {
        let ty = &kind.ty().name;
        let room = self.keys.ambiguities(ty);
        loop {
            let old = self.store.scan(Range::prefix(&room).limit(CHUNK)).await?;
            if old.is_empty() {
                break;
            }
            let commit = old
                .into_iter()
                .fold(Commit::new(), |commit, (key, _)| commit.delete(key));
            self.store.commit(commit).await?;
        }
        for index in kind.matching() {
            let all = self.keys.index(ty, &index.label);
            let mut range = Range::prefix(&all).limit(CHUNK);
            let mut same: Option<(String, BTreeSet<String>)> = None;
            loop {
                let pairs = self.store.scan(range).await?;
                let Some((last, _)) = pairs.last() else { break };
                range = Range::prefix(&all).after(last.clone()).limit(CHUNK);
                let mut commit = Commit::new();
                for (key, _) in &pairs {
                    let Some(value) = value_of(key) else { continue };
                    match &mut same {
                        Some((known, ids)) if *known == value => {
                            if ids.len() < NAMED {
                                ids.insert(id_of(key));
                            }
                        }
                        _ => {
                            let fresh = Some((value, BTreeSet::from([id_of(key)])));
                            let done = std::mem::replace(&mut same, fresh);
                            commit = self.put_ambiguity(kind, &index.label, done, commit)?;
                        }
                    }
                }
                if !commit.is_empty() {
                    self.store.commit(commit).await?;
                }
                tokio::task::yield_now().await;
            }
            let commit = self.put_ambiguity(kind, &index.label, same, Commit::new())?;
            if !commit.is_empty() {
                self.store.commit(commit).await?;
            }
        }
        Ok(())
    }

    fn put_ambiguity(
        &self,
        kind: &Kind,
        label: &str,
        same: Option<(String, BTreeSet<String>)>,
        commit: Commit,
    ) -> Result<Commit, Error> {
        match same {
            Some((value, ids)) if ids.len() > 1 => {
                let key = self.keys.ambiguity(&kind.ty().name, label, &value);
                Ok(commit.put(key, encode(&ids)?))
            }
            _ => Ok(commit),
        }
    }

    /// Notes that several objects have what a client wanted one object by.
    pub(crate) async fn note_ambiguity(
        &self,
        kind: &Kind,
        label: &str,
        value: &str,
        ids: &BTreeSet<String>,
    ) -> Result<(), Error> {
        let key = self.keys.ambiguity(&kind.ty().name, label, value);
        let commit = Commit::new().put(key, encode(ids)?);
        Ok(self.store.commit(commit).await?)
    }

    /// Hands over what imports have found, until nobody takes it any more.
    ///
    /// # Errors
    /// The store fails, or there is no such kind.
    pub async fn findings(
        &self,
        kind: Option<&str>,
        sought: Option<Sought>,
        items: &Sender<Finding>,
    ) -> Result<(), Error> {
        for kind in self.kinds_named(kind)? {
            let ty = &kind.ty().name;
            for what in [
                Sought::Orphans,
                Sought::Drift,
                Sought::Ambiguous,
                Sought::Local,
            ] {
                if sought.is_some_and(|sought| sought != what) {
                    continue;
                }
                let room = match what {
                    Sought::Orphans => self.keys.orphans(ty),
                    Sought::Local => self.keys.locals(ty),
                    Sought::Drift => self.keys.drifts(ty),
                    Sought::Ambiguous => self.keys.ambiguities(ty),
                };
                let mut range = Range::prefix(&room).limit(CHUNK);
                loop {
                    let pairs = self.store.scan(range).await?;
                    let Some((last, _)) = pairs.last() else { break };
                    range = Range::prefix(&room).after(last.clone()).limit(CHUNK);
                    for (key, bytes) in &pairs {
                        let Some(finding) = self.finding(kind, what, key, bytes).await? else {
                            continue;
                        };
                        if items.send(finding).await.is_err() {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    async fn finding(
        &self,
        kind: &Kind,
        what: Sought,
        key: &[u8],
        bytes: &[u8],
    ) -> Result<Option<Finding>, Error> {
        let (id, ty) = (id_of(key), kind.ty().name.clone());
        Ok(match what {
            Sought::Orphans => Some(Finding::Orphan {
                id,
                kind: ty,
                orphan: decode("an orphan", bytes)?,
            }),
            Sought::Local => self.load(kind, &id).await?.map(|stored| Finding::Local {
                id,
                kind: ty,
                name: label(&stored.record.resource),
                anchor: stored.record.anchor,
                since: stored.record.created,
            }),
            Sought::Drift => {
                let drift = decode("a drift", bytes)?;
                let stored = self.load(kind, &id).await?;
                stored.map(|stored| Finding::Drift(Self::repair_of(kind, id, &stored, &drift)))
            }
            Sought::Ambiguous => {
                let parts = segments(key).unwrap_or_default();
                let texts: Vec<&str> = parts.iter().filter_map(Segment::as_text).collect();
                let [.., attribute, value] = texts.as_slice() else {
                    return Ok(None);
                };
                Some(Finding::Ambiguous {
                    kind: ty,
                    attribute: (*attribute).to_owned(),
                    value: (*value).to_owned(),
                    ids: decode("an ambiguity", bytes)?,
                })
            }
        })
    }

    /// Those that have this value of an index.
    pub(crate) async fn with_value(
        &self,
        kind: &Kind,
        label: &str,
        value: &str,
    ) -> Result<BTreeSet<String>, Error> {
        let prefix = self.keys.indexed(&kind.ty().name, label, value);
        let found = self.store.scan(Range::prefix(prefix).limit(NAMED)).await?;
        Ok(found.iter().map(|(key, _)| id_of(key)).collect())
    }
}

/// The value in a key of an index: app, room, type, attribute, value, id.
fn value_of(key: &[u8]) -> Option<String> {
    let parts = segments(key)?;
    let (_, before) = parts.split_last()?;
    before.last()?.as_text().map(str::to_owned)
}
