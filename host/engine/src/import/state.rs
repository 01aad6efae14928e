//! What the store knows of a kind's imports: the one under way, the last one, and where the next delta begins.
//!
//! It is one value a kind, and it is also the lease. Whoever imports writes it with every page, under the condition that
//! it still is what he wrote last; of two hosts one goes on, and the other finds out before he has counted a page.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tombolo_store::{Commit, CommitError};
use uuid::Uuid;

use crate::app::App;
use crate::audit::By;
use crate::error::Error;
use crate::hosts::Standing;
use crate::kind::Kind;
use crate::record::{decode, encode};

/// An import that was left alone for so long begins anew: what it has seen is too old to tell what is gone.
pub(crate) const STALE: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// Every object.
    Full,
    /// What has changed since the last import.
    Delta,
}

/// How an import ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The mirror is what the target has.
    Whole,
    /// The listing led nowhere; nothing was taken for gone.
    CutShort,
    /// So much was missing that nothing was taken for gone.
    Shrunk,
    /// The target or the connector failed; it goes on where it stopped.
    Failed,
}

/// What an import has seen and done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Objects that the target has shown.
    pub listed: u64,
    /// Of these: linked for the first time.
    pub new: u64,
    /// Of these: other than the mirror had them.
    pub changed: u64,
    /// Linked objects that the target has not shown, or said to be gone.
    pub missing: u64,
    /// Of these: gone, and the target was asked for each.
    pub gone: u64,
}

/// What there is to look at, after an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Links whose object has gone from the target.
    pub orphans: u64,
    /// Objects that no client has written to.
    pub local: u64,
    /// Objects that have other values than were written through the host.
    pub drifted: u64,
    /// Values that are to tell objects apart and do not.
    pub ambiguous: u64,
}

/// An import that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// What was read.
    pub sort: Sort,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Pages that were read.
    pub pages: u64,
    /// How often it went on after it had been broken off.
    pub resumed: u32,
    /// Its token was too old, so that everything was read.
    #[serde(default)]
    pub fell_back: bool,
    /// What it has seen and done.
    pub counts: Counts,
    /// What there is to look at since.
    pub found: Totals,
    /// What to know of its end, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a full import is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// The listing is read.
    #[default]
    Listing,
    /// It has ended; what it lacks is looked at.
    Absences,
}

/// An import under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Its id: what it does has it in logs and in the audit.
    pub(crate) id: String,
    pub(crate) sort: Sort,
    pub(crate) began: Timestamp,
    pub(crate) by: By,
    /// The host that works on it, where there are several.
    #[serde(default)]
    pub(crate) host: Option<String>,
    /// Where it goes on: a cursor of the listing, or a token.
    #[serde(default)]
    pub(crate) at: Option<String>,
    pub(crate) pages: u64,
    #[serde(default)]
    pub(crate) resumed: u32,
    #[serde(default)]
    pub(crate) fell_back: bool,
    /// Changes after the beginning of a full import have this token.
    #[serde(default)]
    pub(crate) token: Option<String>,
    /// There were links when it began: who is seen is marked.
    #[serde(default)]
    pub(crate) marks: bool,
    #[serde(default)]
    pub(crate) phase: Phase,
    /// Somebody has said that what is missing is gone, however much it is.
    #[serde(default)]
    pub(crate) accepts: bool,
    pub(crate) counts: Counts,
}

/// What is kept of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The import under way, or broken off.
    #[serde(default)]
    pub(crate) run: Option<Run>,
    /// The last full one that ended whole.
    #[serde(default)]
    pub(crate) full: Option<Ended>,
    /// The last one, however it ended.
    #[serde(default)]
    pub(crate) last: Option<Ended>,
    /// Where the next delta begins.
    #[serde(default)]
    pub(crate) token: Option<String>,
}

/// How the imports of a kind stand: for people, and for metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The connector's name of the kind.
    pub kind: String,
    /// The resource type.
    pub resource: String,
    /// What is under way, and how far it is.
    pub running: Option<Running>,
    /// The last full import that ended whole.
    pub full: Option<Ended>,
    /// The last one, however it ended.
    pub last: Option<Ended>,
}

/// An import under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Running {
    /// What is read.
    pub sort: Sort,
    /// When it began.
    pub began: Timestamp,
    /// Pages so far.
    pub pages: u64,
    /// What it has seen and done so far.
    pub counts: Counts,
}

impl State {
    pub(crate) fn status(&self, kind: &Kind) -> Status {
        Status {
            kind: kind.name.clone(),
            resource: kind.ty().name.clone(),
            running: self.run.as_ref().map(|run| Running {
                sort: run.sort,
                began: run.began,
                pages: run.pages,
                counts: run.counts,
            }),
            full: self.full.clone(),
            last: self.last.clone(),
        }
    }
}

/// What is wanted of an import.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) sort: Sort,
    pub(crate) by: By,
    pub(crate) accepts: bool,
    /// One that was broken off is gone on with if it is no older.
    pub(crate) oldest: jiff::SignedDuration,
}

impl Run {
    fn new(wish: &Wish, host: Option<String>) -> Self {
        let id = format!("import-{}", Uuid::now_v7());
        Self {
            by: By {
                request: id.clone(),
                ..wish.by.clone()
            },
            id,
            sort: wish.sort,
            began: Timestamp::now(),
            host,
            at: None,
            pages: 0,
            resumed: 0,
            fell_back: false,
            token: None,
            marks: false,
            phase: Phase::Listing,
            accepts: wish.accepts,
            counts: Counts::default(),
        }
    }

    /// Whether it is worth going on with, for who wants this.
    fn serves(&self, wish: &Wish) -> bool {
        Timestamp::now().duration_since(self.began) < wish.oldest
            && !wish.accepts
            && (self.sort == Sort::Full || wish.sort == Sort::Delta)
    }
}

/// The state of a kind's imports in the hands of who works on it.
pub(crate) struct Desk<'a> {
    app: &'a App,
    pub(crate) kind: &'a Kind,
    pub(crate) state: State,
    pub(crate) run: Run,
    bytes: Option<Vec<u8>>,
}

impl<'a> Desk<'a> {
    /// Begins an import, or goes on with the one that was broken off.
    pub(crate) async fn take(app: &'a App, kind: &'a Kind, wish: &Wish) -> Result<Self, Error> {
        let (mut state, bytes) = app.import_state(kind).await?;
        let left = match state.run.take() {
            Some(run) => match app.hosts.standing(run.host.as_deref()).await? {
                Standing::Theirs => {
                    return Err(Error::Importing {
                        kind: kind.ty().name.clone(),
                        listed: run.counts.listed,
                    });
                }
                Standing::Ours | Standing::Nobodys => Some(run).filter(|run| run.serves(wish)),
            },
            None => None,
        };
        let host = app.hosts.me();
        let mut desk = Self {
            app,
            kind,
            run: match left {
                Some(run) => {
                    tracing::info!(
                        app = app.name,
                        kind = kind.name,
                        import = run.id,
                        page = run.pages,
                        "an import that was broken off goes on"
                    );
                    Run {
                        host,
                        resumed: run.resumed + 1,
                        ..run
                    }
                }
                None => Run::new(wish, host),
            },
            state,
            bytes,
        };
        if desk.run.pages == 0 && desk.run.phase == Phase::Listing {
            desk.begin().await?;
        }
        // A delta of one page is written once, at its end. Among several hosts it has to be told that somebody is at it.
        if desk.run.sort == Sort::Full || app.hosts.many() {
            desk.save(Commit::new()).await?;
        }
        Ok(desk)
    }

    /// What has to be known before the first page.
    async fn begin(&mut self) -> Result<(), Error> {
        if self.run.sort == Sort::Delta {
            self.run.at.clone_from(&self.state.token);
            if self.run.at.is_some() && self.app.connector.abilities().delta {
                return Ok(());
            }
            self.run.sort = Sort::Full;
            self.run.at = None;
        }
        self.app.clear_marks(self.kind).await?;
        let anchors = self.app.keys.anchors(&self.kind.ty().name);
        let any = tombolo_store::Range::prefix(anchors).limit(1);
        self.run.marks = !self.app.store.scan(any).await?.is_empty();
        // Asked before the listing, so that nothing falls between the two.
        self.run.token = self.app.token_now(self.kind, &self.run).await;
        Ok(())
    }

    /// From the first page again: what was left off cannot be gone on with.
    pub(crate) async fn start_over(&mut self, sort: Sort) -> Result<(), Error> {
        self.run = Run {
            sort,
            at: None,
            pages: 0,
            fell_back: self.run.fell_back || sort != self.run.sort,
            phase: Phase::Listing,
            // What was taken in stays so, and is not new when it is shown again.
            counts: Counts {
                new: self.run.counts.new,
                changed: self.run.counts.changed,
                ..Counts::default()
            },
            began: Timestamp::now(),
            ..self.run.clone()
        };
        if sort == Sort::Full {
            self.state.token = None;
        }
        self.begin().await?;
        self.save(Commit::new()).await
    }

    /// Writes down how far it is, and with it what else `commit` has.
    pub(crate) async fn save(&mut self, commit: Commit) -> Result<(), Error> {
        let mut state = self.state.clone();
        state.run = Some(self.run.clone());
        let commit = self.app.hosts.vouch(commit)?;
        self.write(state, commit).await
    }

    /// Writes down that it has ended.
    pub(crate) async fn end(&mut self, ended: &Ended) -> Result<(), Error> {
        let mut state = self.state.clone();
        state.run = None;
        state.last = Some(ended.clone());
        match (ended.outcome, ended.sort) {
            (Outcome::Failed, _) => state.run = Some(self.run.clone()),
            (Outcome::Whole, Sort::Full) => {
                state.full = Some(ended.clone());
                state.token.clone_from(&self.run.token);
            }
            (Outcome::Whole, Sort::Delta) => state.token.clone_from(&self.run.at),
            (Outcome::CutShort | Outcome::Shrunk, _) => {}
        }
        self.write(state, Commit::new()).await
    }

    async fn write(&mut self, state: State, commit: Commit) -> Result<(), Error> {
        let key = self.app.keys.import(&self.kind.name);
        let bytes = encode(&state)?;
        let commit = match &self.bytes {
            Some(before) => commit.equals(&key, before.clone()),
            None => commit.absent(&key),
        };
        match self.app.store.commit(commit.put(&key, bytes.clone())).await {
            Ok(()) => {
                let status = state.status(self.kind);
                self.app.shared.set_import(status);
                self.state = state;
                self.bytes = Some(bytes);
                Ok(())
            }
            Err(CommitError::Conflict { .. }) => Err(Error::Importing {
                kind: self.kind.ty().name.clone(),
                listed: self.run.counts.listed,
            }),
            Err(CommitError::Store(error)) => Err(error.into()),
        }
    }
}

impl App {
    /// What the store knows of a kind's imports, and the bytes of it.
    pub(crate) async fn import_state(
        &self,
        kind: &Kind,
    ) -> Result<(State, Option<Vec<u8>>), Error> {
        match self.store.get(&self.keys.import(&kind.name)).await? {
            Some(bytes) => Ok((decode("the state of an import", &bytes)?, Some(bytes))),
            None => Ok((State::default(), None)),
        }
    }
}
