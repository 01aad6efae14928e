//! One check at work: it asks the connector, remembers what was asked and what came, and says what is wrong.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;
use tombolo_runtime::contract::{
    Attribute, Changes, Edit, Entry, Failure, Fault, MemberPage, Node, Page, Query,
};
use tombolo_runtime::{CallError, Connector};

use crate::case::{Case, Finding, Played, Stop};
use crate::stage::Stage;
use crate::values::{self, Show};

/// Most pages of one listing: far more than the kit's objects fill.
const PAGES: usize = 20_000;
/// Most findings of one check: the first tell the story.
const FINDINGS: usize = 12;

/// A check at work.
pub(crate) struct Play<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) case: &'static Case,
    /// Whom it asks.
    pub(crate) connector: &'a Connector,
    pub(crate) findings: Mutex<Vec<Finding>>,
    /// What is worth knowing and is no fault.
    pub(crate) notes: Mutex<Vec<String>>,
    calls: AtomicUsize,
}

/// What was asked, and what came.
#[must_use = "say what should have come"]
pub(crate) struct Asked<T> {
    pub(crate) asked: String,
    pub(crate) came: Result<T, CallError>,
}

impl<T: Show> Asked<T> {
    fn came(&self) -> String {
        match &self.came {
            Ok(answer) => answer.show(),
            Err(error) => values::error(error),
        }
    }

    /// The answer, which must be one.
    pub(crate) fn ok(self, expected: &str) -> Played<T> {
        match self.came {
            Ok(answer) => Ok(answer),
            Err(error) => Err(stop(self.asked, expected, values::error(&error))),
        }
    }

    /// The failure, which must be one of these.
    pub(crate) fn refused(self, faults: &[Fault]) -> Played<Failure> {
        let words: Vec<String> = faults
            .iter()
            .map(|fault| format!("`{}`", values::fault(*fault)))
            .collect();
        let came = self.came();
        match self.came {
            Err(CallError::Failure(failure)) if faults.contains(&failure.fault) => Ok(failure),
            _ => Err(stop(self.asked, words.join(" or "), came)),
        }
    }

    /// None when the connector says that it cannot (`unsupported`); else the answer, which must be one.
    pub(crate) fn supported(self, expected: &str) -> Played<Option<T>> {
        match self.came {
            Err(CallError::Failure(failure)) if failure.fault == Fault::Unsupported => Ok(None),
            Ok(answer) => Ok(Some(answer)),
            Err(error) => Err(stop(
                self.asked,
                format!("{expected}, or `unsupported`"),
                values::error(&error),
            )),
        }
    }
}

/// A finding that ends the check.
pub(crate) fn stop(
    asked: impl Into<String>,
    expected: impl Into<String>,
    came: impl Into<String>,
) -> Stop {
    Stop::Failed(Box::new(Finding {
        asked: asked.into(),
        expected: expected.into(),
        came: came.into(),
    }))
}

pub(crate) fn skip<T>(why: impl Into<String>) -> Played<T> {
    Err(Stop::Skipped(why.into()))
}

impl<'a> Play<'a> {
    pub(crate) fn new(stage: &'a Stage, case: &'static Case) -> Self {
        Self {
            stage,
            case,
            connector: &stage.fresh,
            findings: Mutex::default(),
            notes: Mutex::default(),
            calls: AtomicUsize::new(0),
        }
    }

    /// The same check, asking another binding of the connector.
    pub(crate) fn on(&self, connector: &'a Connector) -> Play<'a> {
        Play {
            connector,
            ..Play::new(self.stage, self.case)
        }
    }

    /// What another [`Play`] of the same check has found.
    pub(crate) fn take_over(&self, other: &Play<'_>) {
        self.findings.lock().extend(other.findings.lock().drain(..));
        self.calls.fetch_add(other.calls(), Ordering::Relaxed);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// One thing is wrong; the check goes on.
    pub(crate) fn wrong(
        &self,
        asked: impl Into<String>,
        expected: impl Into<String>,
        came: impl Into<String>,
    ) {
        let mut findings = self.findings.lock();
        if findings.len() < FINDINGS {
            findings.push(Finding {
                asked: asked.into(),
                expected: expected.into(),
                came: came.into(),
            });
        }
    }

    /// Keeps the finding that would have ended the check, and goes on.
    pub(crate) fn go_on<T>(&self, played: Played<T>) -> Played<Option<T>> {
        match played {
            Ok(value) => Ok(Some(value)),
            Err(Stop::Failed(finding)) => {
                self.wrong(finding.asked, finding.expected, finding.came);
                Ok(None)
            }
            Err(skipped) => Err(skipped),
        }
    }

    pub(crate) fn note(&self, note: impl Into<String>) {
        let note = note.into();
        let mut notes = self.notes.lock();
        if notes.len() < FINDINGS && !notes.contains(&note) {
            notes.push(note);
        }
    }

    async fn ask<T>(
        &self,
        what: &'static str,
        asked: String,
        doing: impl Future<Output = Result<T, CallError>>,
    ) -> Asked<T> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let began = Instant::now();
        let came = doing.await;
        if came.is_ok() {
            self.stage.took(what, began.elapsed());
        }
        Asked { asked, came }
    }

    pub(crate) async fn check(&self) -> Asked<()> {
        let call = self.stage.call();
        self.ask("check", "check".to_owned(), self.connector.check(&call))
            .await
    }

    pub(crate) async fn get(&self, kind: &str, anchor: &str, attributes: &[&str]) -> Asked<Entry> {
        let names: Vec<String> = attributes.iter().map(|name| (*name).to_owned()).collect();
        let only = if names.is_empty() {
            String::new()
        } else {
            format!(" of {}", names.join(", "))
        };
        let asked = format!("get {kind} {}{only}", anchor.escape_debug());
        let call = self.stage.call();
        self.ask(
            "get",
            asked,
            self.connector.get(&call, kind, anchor, &names),
        )
        .await
    }

    pub(crate) async fn search(&self, kind: &str, query: Query) -> Asked<Page> {
        let filter = query.filter.as_deref();
        let asked = format!(
            "search {kind}{}, limit {}{}",
            filter
                .map(|filter| format!(" where {}", values::filter(filter)))
                .unwrap_or_default(),
            query.limit,
            query
                .cursor
                .as_ref()
                .map(|cursor| format!(
                    ", after cursor \"{}\"",
                    cursor.escape_debug().take(60).collect::<String>()
                ))
                .unwrap_or_default()
        );
        let call = self.stage.call();
        self.ask("search", asked, self.connector.search(&call, kind, query))
            .await
    }

    pub(crate) async fn create(
        &self,
        kind: &str,
        attributes: &[Attribute],
        request: &str,
    ) -> Asked<Entry> {
        let asked = format!(
            "create {kind} with {} (request {request})",
            values::attributes(attributes)
        );
        let call = self.stage.call();
        let came = self
            .ask(
                "create",
                asked,
                self.connector.create(&call, kind, attributes, request),
            )
            .await;
        if let Ok(entry) = &came.came {
            self.made(kind, &entry.anchor);
        }
        came
    }

    /// Something was made, and has to go at the end of the check.
    pub(crate) fn made(&self, kind: &str, anchor: &str) {
        let mut made = self.stage.made.lock();
        made.passing.insert((kind.to_owned(), anchor.to_owned()));
    }

    /// It stays until the end of the run.
    pub(crate) fn keep(&self, kind: &str, anchor: &str) {
        let mut made = self.stage.made.lock();
        let what = (kind.to_owned(), anchor.to_owned());
        made.passing.remove(&what);
        made.kept.insert(what);
    }

    pub(crate) async fn update(
        &self,
        kind: &str,
        anchor: &str,
        edits: &[Edit],
        if_version: Option<&str>,
    ) -> Asked<Entry> {
        let request = self.stage.sampler.request();
        self.update_as(kind, anchor, edits, if_version, &request)
            .await
    }

    pub(crate) async fn update_as(
        &self,
        kind: &str,
        anchor: &str,
        edits: &[Edit],
        if_version: Option<&str>,
        request: &str,
    ) -> Asked<Entry> {
        let version = if_version
            .map(|version| format!(", if its version is {version}"))
            .unwrap_or_default();
        let asked = format!(
            "update {kind} {}: {}{version}",
            anchor.escape_debug(),
            values::edits(edits)
        );
        let call = self.stage.call();
        let came = self
            .ask(
                "update",
                asked,
                self.connector
                    .update(&call, kind, anchor, edits, if_version, request),
            )
            .await;
        if let Ok(entry) = &came.came
            && entry.anchor != anchor
        {
            let mut made = self.stage.made.lock();
            if made.passing.remove(&(kind.to_owned(), anchor.to_owned())) {
                made.passing.insert((kind.to_owned(), entry.anchor.clone()));
            }
        }
        came
    }

    pub(crate) async fn delete(&self, kind: &str, anchor: &str) -> Asked<()> {
        let request = self.stage.sampler.request();
        self.delete_as(kind, anchor, &request).await
    }

    pub(crate) async fn delete_as(&self, kind: &str, anchor: &str, request: &str) -> Asked<()> {
        let asked = format!(
            "delete {kind} {} (request {request})",
            anchor.escape_debug()
        );
        let call = self.stage.call();
        self.ask(
            "delete",
            asked,
            self.connector.delete(&call, kind, anchor, request),
        )
        .await
    }

    pub(crate) async fn list_members(
        &self,
        group: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Asked<MemberPage> {
        let asked = format!("list-members {}, limit {limit}", group.escape_debug());
        let call = self.stage.call();
        self.ask(
            "list-members",
            asked,
            self.connector.list_members(&call, group, cursor, limit),
        )
        .await
    }

    pub(crate) async fn change_members(
        &self,
        group: &str,
        add: &[String],
        remove: &[String],
    ) -> Asked<()> {
        let request = self.stage.sampler.request();
        let asked = format!(
            "change-members {}: add {}, remove {}",
            group.escape_debug(),
            add.to_vec().show(),
            remove.to_vec().show()
        );
        let call = self.stage.call();
        self.ask(
            "change-members",
            asked,
            self.connector
                .change_members(&call, group, add, remove, &request),
        )
        .await
    }

    pub(crate) async fn set_password(&self, anchor: &str, password: &str) -> Asked<()> {
        let asked = format!("set-password {}", anchor.escape_debug());
        let call = self.stage.call();
        let secret = password.to_owned().into();
        self.ask(
            "set-password",
            asked,
            self.connector.set_password(&call, anchor, secret, false),
        )
        .await
    }

    pub(crate) async fn since(
        &self,
        kind: &str,
        token: Option<&str>,
        limit: u32,
    ) -> Asked<Changes> {
        let shown = token.map_or("now".to_owned(), |token| {
            format!("\"{}\"", token.escape_debug().take(60).collect::<String>())
        });
        let asked = format!("changes of {kind} since {shown}, limit {limit}");
        let call = self.stage.call();
        self.ask(
            "since",
            asked,
            self.connector.since(&call, kind, token, limit),
        )
        .await
    }

    /// Every page of a listing; each page on whatever instance comes.
    pub(crate) async fn walk(
        &self,
        kind: &str,
        filter: Option<&[Node]>,
        limit: u32,
    ) -> Asked<Vec<Entry>> {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        let mut asked = String::new();
        for _ in 0..PAGES {
            let query = Query {
                filter: filter.map(<[Node]>::to_vec),
                attributes: Vec::new(),
                cursor: cursor.clone(),
                limit,
            };
            let page = self.search(kind, query).await;
            if asked.is_empty() {
                asked.clone_from(&page.asked);
                asked.push_str(", page after page");
            }
            match page.came {
                Ok(page) => {
                    all.extend(page.entries);
                    if page.cursor.is_none() {
                        return Asked {
                            asked,
                            came: Ok(all),
                        };
                    }
                    if page.cursor == cursor {
                        let why = "the same cursor came twice: the listing never ends".to_owned();
                        return Asked {
                            asked,
                            came: Err(CallError::Host(why)),
                        };
                    }
                    cursor = page.cursor;
                }
                Err(error) => {
                    return Asked {
                        asked: page.asked,
                        came: Err(error),
                    };
                }
            }
        }
        let came = Err(CallError::Host(format!("no end after {PAGES} pages")));
        Asked { asked, came }
    }

    /// All members of a group.
    pub(crate) async fn members(&self, group: &str, limit: u32) -> Asked<Vec<String>> {
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        let asked = format!(
            "list-members {}, limit {limit}, page after page",
            group.escape_debug()
        );
        for _ in 0..PAGES {
            let page = self.list_members(group, cursor.as_deref(), limit).await;
            match page.came {
                Ok(page) => {
                    all.extend(page.members);
                    if page.cursor.is_none() {
                        return Asked {
                            asked,
                            came: Ok(all),
                        };
                    }
                    if page.cursor == cursor {
                        let why = "the same cursor came twice: the listing never ends".to_owned();
                        return Asked {
                            asked,
                            came: Err(CallError::Host(why)),
                        };
                    }
                    cursor = page.cursor;
                }
                Err(error) => {
                    return Asked {
                        asked,
                        came: Err(error),
                    };
                }
            }
        }
        let came = Err(CallError::Host(format!("no end after {PAGES} pages")));
        Asked { asked, came }
    }
}
