//! One import, from its beginning or from where it was broken off, to its end.
//!
//! Each page is taken into the mirror, object by object, and then the cursor behind it is written down. So a crash
//! repeats one page at most, and a page that is repeated changes nothing. An object that is as the mirror has it costs
//! three reads of the store and no write; a page of such costs one write.
//!
//! What a listing lacks is no proof that it is gone (half a listing looks just like mass termination). It has to have
//! come to its end, it must not lack more than its owner lets it, and each object is asked for by itself.

use std::time::Instant;

use futures::FutureExt;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use tombolo_runtime::Call;
use tombolo_runtime::contract::{Change, Entry, Fault};
use tombolo_store::{Commit, Range};

use super::marks;
use super::state::{Desk, Ended, Outcome, Phase, Run, Sort, Totals, Wish};
use super::walk::{End, PAGE, Walk};
use crate::app::App;
use crate::error::Error;
use crate::keys::id_of;
use crate::kind::Kind;
use crate::reconcile::{Taken, What};
use crate::request::Request;
use crate::scope::is_made_up;

/// Entries taken into the mirror at a time, so that their commits share flushes.
const TOGETHER: usize = 64;
/// Objects that are asked for at a time.
const ASKED: usize = 8;
/// Links that are looked at at a time.
const CHUNK: usize = 1000;
/// What one call of the connector may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_mins(1);

/// What became of a delta.
enum Changes {
    /// All of them are in the mirror.
    Taken(Outcome),
    /// The connector cannot say what has changed: its token is too old, or it keeps no account.
    Unknown,
}

impl App {
    /// Imports a kind. The caller holds its import lock.
    pub(crate) async fn run_import(&self, kind: &Kind, wish: &Wish) -> Result<Ended, Error> {
        let began = Instant::now();
        let mut desk = Desk::take(self, kind, wish).await?;
        let worked = match desk.run.sort {
            Sort::Full => self.read_all(&mut desk).await,
            Sort::Delta => match self.read_changes(&mut desk).await {
                Ok(Changes::Taken(outcome)) => Ok(outcome),
                Ok(Changes::Unknown) => match desk.start_over(Sort::Full).await {
                    Ok(()) => self.read_all(&mut desk).await,
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            },
        };
        match worked {
            Ok(outcome) => {
                let ended = self.ended(&desk, outcome, None).await?;
                desk.end(&ended).await?;
                if ended.sort == Sort::Full {
                    self.clear_marks(kind).await?;
                }
                // One that was broken off is as old as its beginning.
                let age = Timestamp::now().duration_since(ended.began);
                let age = std::time::Duration::try_from(age).unwrap_or_default();
                let full = ended.sort == Sort::Full;
                self.shared
                    .set_imported(&kind.name, full, age, began.elapsed());
                self.tell_of_import(kind, &desk.run, &ended);
                Ok(ended)
            }
            // Somebody else goes on with it.
            Err(error @ Error::Importing { .. }) => Err(error),
            Err(error) => {
                let why = error.to_scim().detail;
                let ended = self.ended(&desk, Outcome::Failed, Some(why)).await?;
                desk.end(&ended).await?;
                self.tell_of_import(kind, &desk.run, &ended);
                Err(error)
            }
        }
    }

    async fn read_all(&self, desk: &mut Desk<'_>) -> Result<Outcome, Error> {
        if desk.run.phase == Phase::Listing && self.list_all(desk).await? == End::Astray {
            return Ok(Outcome::CutShort);
        }
        let outcome = self.tell_absent(desk).await?;
        self.find_ambiguous(desk.kind).await?;
        self.forget_old_orphans(desk.kind).await?;
        Ok(outcome)
    }

    async fn list_all(&self, desk: &mut Desk<'_>) -> Result<End, Error> {
        let kind = desk.kind;
        let mut resumed = desk.run.at.is_some();
        let mut walk = Walk::new(&kind.name, desk.run.at.clone());
        loop {
            let asked = Instant::now();
            let page = walk.next(&self.connector, &call_of(&desk.run)).await;
            let entries = match page.map_err(|error| self.target(error)) {
                Ok(Some(entries)) => entries,
                Ok(None) => return Ok(walk.ended().unwrap_or(End::Astray)),
                // A place of another time, which the target may have forgotten: a directory does so with the connection.
                Err(error) if resumed && self.lists_anew(desk).await => {
                    tracing::info!(app = self.name, kind = kind.name, %error, "the listing cannot be gone on with; it begins anew");
                    desk.start_over(Sort::Full).await?;
                    walk = Walk::new(&kind.name, None);
                    resumed = false;
                    continue;
                }
                Err(error) => return Err(error),
            };
            resumed = false;
            let taken = self.take_page(desk, &entries, asked).await?;
            let commit = if desk.run.marks {
                let known = entries.iter().zip(&taken);
                // Who is new is known by the time of its record.
                let known = known.filter(|(_, what)| !matches!(what, None | Some(What::New)));
                let known = known.map(|(entry, _)| entry);
                marks::put(&self.keys, kind, desk.run.pages, known, Commit::new())
            } else {
                Commit::new()
            };
            desk.run.at = walk.cursor().map(str::to_owned);
            desk.run.pages += 1;
            if walk.ended() == Some(End::Whole) {
                desk.run.phase = Phase::Absences;
            }
            desk.save(commit).await?;
        }
    }

    /// Whether the target answers to who begins a listing: then it is the place that it does not know any more.
    async fn lists_anew(&self, desk: &Desk<'_>) -> bool {
        let first = Walk::new(&desk.kind.name, None)
            .next(&self.connector, &call_of(&desk.run))
            .await;
        first.is_ok()
    }

    /// Takes a page into the mirror; what each of its entries was.
    async fn take_page(
        &self,
        desk: &mut Desk<'_>,
        entries: &[Entry],
        asked: Instant,
    ) -> Result<Vec<Option<What>>, Error> {
        let kind = desk.kind;
        let taking: Vec<_> = entries
            .iter()
            .map(|entry| self.take_in(kind, entry, asked).boxed())
            .collect();
        let taken: Vec<Option<Taken>> = stream::iter(taking)
            .buffered(TOGETHER)
            .try_collect()
            .await?;
        let taken: Vec<Option<What>> = taken
            .into_iter()
            .map(|taken| taken.map(|taken| taken.what))
            .collect();
        let counts = &mut desk.run.counts;
        for what in &taken {
            counts.listed += 1;
            match what {
                Some(What::New) => counts.new += 1,
                Some(What::Changed) => counts.changed += 1,
                Some(What::Same | What::Written) | None => {}
            }
        }
        Ok(taken)
    }

    /// What was linked when the import began, and was not listed.
    async fn tell_absent(&self, desk: &mut Desk<'_>) -> Result<Outcome, Error> {
        if !desk.run.marks {
            return Ok(Outcome::Whole);
        }
        let kind = desk.kind;
        let anchors = self.keys.anchors(&kind.ty().name);
        let linked = self.store.count(&anchors).await?;
        let allowed = self.imports.may_be_gone(linked);
        let (mut missing, mut ids) = (0, Vec::new());
        let parts = marks::parts(desk.run.counts.listed);
        for number in 0..parts {
            let part = self.marks(kind, number, parts).await?;
            let mut range = Range::prefix(&anchors).limit(CHUNK);
            loop {
                let links = self.store.scan(range).await?;
                let Some((last, _)) = links.last() else { break };
                range = Range::prefix(&anchors).after(last.clone()).limit(CHUNK);
                // What is out of the app's scope was never there.
                let real = |key: &[u8]| !is_made_up(&id_of(key));
                for (key, id) in links.iter().filter(|(key, _)| real(key)) {
                    let sum = marks::sum(&id_of(key));
                    if !part.concerns(sum) || part.has(sum) {
                        continue;
                    }
                    let id = String::from_utf8_lossy(id).into_owned();
                    if self.is_newer(kind, &id, &desk.run).await? {
                        continue;
                    }
                    missing += 1;
                    if missing <= allowed || desk.run.accepts {
                        ids.push(id);
                    }
                }
                tokio::task::yield_now().await;
            }
        }
        desk.run.counts.missing = missing;
        if missing > allowed && !desk.run.accepts {
            tracing::warn!(
                app = self.name,
                kind = kind.name,
                missing,
                linked,
                "an import lacks so much that nothing is taken for gone; `tombolo import run --accept` says that it is"
            );
            return Ok(Outcome::Shrunk);
        }
        desk.run.counts.gone = self.ask_for(kind, &ids, &desk.run).await?;
        Ok(Outcome::Whole)
    }

    /// Whether something is known of `id` that is newer than the listing.
    async fn is_newer(&self, kind: &Kind, id: &str, run: &Run) -> Result<bool, Error> {
        let stored = self.load(kind, id).await?;
        Ok(stored.is_none_or(|stored| stored.record.modified >= run.began))
    }

    /// Asks for each of these by itself; how many are gone.
    async fn ask_for(&self, kind: &Kind, ids: &[String], run: &Run) -> Result<u64, Error> {
        let asking: Vec<_> = ids
            .iter()
            .map(|id| {
                async move {
                    let Some(stored) = self.load(kind, id).await? else {
                        return Ok(1);
                    };
                    let deadline = tokio::time::Instant::now() + PATIENCE;
                    let r = Request::new(String::new(), deadline, run.by.clone());
                    match self.asked(&r, kind, id, stored).await {
                        Ok(_) => Ok(0),
                        Err(Error::NotFound { .. }) => Ok(1),
                        Err(error) => Err(error),
                    }
                }
                .boxed()
            })
            .collect();
        stream::iter(asking)
            .buffer_unordered(ASKED)
            .try_fold(0, |all, gone| std::future::ready(Ok(all + gone)))
            .await
    }

    async fn read_changes(&self, desk: &mut Desk<'_>) -> Result<Changes, Error> {
        let kind = desk.kind;
        loop {
            let asked = Instant::now();
            let token = desk.run.at.clone();
            let call = call_of(&desk.run);
            let answer = self
                .connector
                .since(&call, &kind.name, token.as_deref(), PAGE)
                .await;
            let answer = match answer.map_err(|error| self.target(error)) {
                Ok(answer) => answer,
                Err(error)
                    if matches!(error.fault(), Some(Fault::Invalid | Fault::Unsupported)) =>
                {
                    tracing::info!(app = self.name, kind = kind.name, %error, "everything is read, since what has changed is not known");
                    return Ok(Changes::Unknown);
                }
                Err(error) => return Err(error),
            };
            let (mut changed, mut gone) = (Vec::new(), Vec::new());
            for change in answer.changes {
                match change {
                    Change::Changed(entry) => changed.push(entry),
                    Change::Gone(anchor) => gone.extend(self.linked(kind, &anchor).await?),
                }
            }
            self.take_page(desk, &changed, asked).await?;
            if !gone.is_empty() {
                desk.run.counts.missing += gone.len() as u64;
                let anchors = self.keys.anchors(&kind.ty().name);
                let linked = self.store.count(&anchors).await? + desk.run.counts.gone;
                let allowed = self.imports.may_be_gone(linked);
                if desk.run.counts.missing > allowed && !desk.run.accepts {
                    return Ok(Changes::Taken(Outcome::Shrunk));
                }
                desk.run.counts.gone += self.ask_for(kind, &gone, &desk.run).await?;
            }
            let moved = token.as_deref() != Some(answer.token.as_str());
            desk.run.at = Some(answer.token);
            desk.run.pages += 1;
            if !answer.more {
                return Ok(Changes::Taken(Outcome::Whole));
            }
            if !moved {
                return Ok(Changes::Taken(Outcome::CutShort));
            }
            desk.save(Commit::new()).await?;
        }
    }

    /// The token of this moment; none where the connector cannot say what changes after it.
    pub(crate) async fn token_now(&self, kind: &Kind, run: &Run) -> Option<String> {
        if !self.connector.abilities().delta {
            return None;
        }
        let call = call_of(run);
        match self.connector.since(&call, &kind.name, None, PAGE).await {
            Ok(answer) => Some(answer.token),
            Err(error) => {
                tracing::debug!(app = self.name, kind = kind.name, %error, "no changes can be asked for after this import");
                None
            }
        }
    }

    async fn ended(
        &self,
        desk: &Desk<'_>,
        outcome: Outcome,
        why: Option<String>,
    ) -> Result<Ended, Error> {
        let run = &desk.run;
        let note = match outcome {
            Outcome::Whole => None,
            Outcome::CutShort => Some(
                "the connector's listing led nowhere before its end; nothing was taken for gone"
                    .to_owned(),
            ),
            Outcome::Shrunk => Some(format!(
                "{} objects are missing, more than `[import] may-be-gone` lets go at once; nothing was taken for gone. \
                 Look at the target and at what the connector lists; `tombolo import run --accept` takes them for gone",
                run.counts.missing
            )),
            Outcome::Failed => why,
        };
        let before = desk.state.last.as_ref().map(|last| last.found);
        let found = match (run.sort, before) {
            // Counting walks over all of them.
            (Sort::Delta, Some(before)) if run.counts.listed == 0 && run.counts.gone == 0 => before,
            _ => self.totals(desk.kind).await?,
        };
        Ok(Ended {
            sort: run.sort,
            outcome,
            began: run.began,
            ended: Timestamp::now(),
            pages: run.pages,
            resumed: run.resumed,
            fell_back: run.fell_back,
            counts: run.counts,
            found,
            note,
        })
    }

    async fn totals(&self, kind: &Kind) -> Result<Totals, Error> {
        let ty = &kind.ty().name;
        Ok(Totals {
            orphans: self.store.count(&self.keys.orphans(ty)).await?,
            local: self.store.count(&self.keys.locals(ty)).await?,
            drifted: self.store.count(&self.keys.drifts(ty)).await?,
            ambiguous: self.store.count(&self.keys.ambiguities(ty)).await?,
        })
    }
}

fn call_of(run: &Run) -> Call {
    Call {
        request_id: run.id.clone(),
        deadline: tokio::time::Instant::now() + PATIENCE,
    }
}
