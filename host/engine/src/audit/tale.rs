//! An operation while it runs: whose it is, what it did so far.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use parking_lot::Mutex;
use tombolo_runtime::CallError;
use uuid::Uuid;

use super::account::{Account, Action, By, CallMade, Change, Outcome, Problem};
use crate::error::Error;

/// How much of an error's text is kept.
const DETAIL: usize = 1000;

/// What an operation has done so far; the copies of a request share it.
#[derive(Clone, Debug)]
pub(crate) struct Tale {
    began: Instant,
    so_far: Arc<Mutex<SoFar>>,
}

#[derive(Debug, Default)]
struct SoFar {
    calls: Vec<CallMade>,
    /// Something of it has been written into the audit.
    told: bool,
}

impl Default for Tale {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            so_far: Arc::default(),
        }
    }
}

impl Tale {
    /// A call of the connector has ended.
    pub(crate) fn called<T>(
        &self,
        call: &'static str,
        began: Instant,
        result: &Result<T, CallError>,
    ) {
        self.so_far.lock().calls.push(CallMade {
            call: call.to_owned(),
            us: micros(began),
            answer: match result {
                Ok(_) => "ok".to_owned(),
                Err(CallError::Failure(failure)) => {
                    let code = failure.target_code.as_deref().unwrap_or_default();
                    let said = format!("{:?} {code} {}", failure.fault, failure.message);
                    brief(&said)
                }
                Err(other) => brief(&other.to_string()),
            },
        });
    }

    /// An account of it has been written; what comes now is another step.
    pub(crate) fn written(&self) {
        let mut so_far = self.so_far.lock();
        so_far.told = true;
        so_far.calls.clear();
    }

    /// Whether an account of it has been written.
    pub(crate) fn is_told(&self) -> bool {
        self.so_far.lock().told
    }
}

/// On whose behalf, and what, one step of an operation is.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) by: By,
    pub(crate) action: Action,
    pub(crate) tale: Tale,
    pub(crate) settled: bool,
    pub(crate) undoes: Option<String>,
    pub(crate) held: Option<String>,
}

impl Told {
    pub(crate) fn new(action: Action, by: By, tale: Tale) -> Self {
        Self {
            by,
            action,
            tale,
            settled: false,
            undoes: None,
            held: None,
        }
    }

    /// The host found something out by itself.
    pub(crate) fn by_host(action: Action) -> Self {
        Self::new(action, By::default(), Tale::default())
    }

    /// The account of a step that is done.
    pub(crate) fn success(
        &self,
        app: &str,
        kind: &str,
        id: &str,
        anchor: &str,
        name: Option<String>,
        change: Change,
    ) -> Account {
        let mut account = self.account(app, kind, Some(id), Outcome::Success);
        account.calls.clone_from(&self.tale.so_far.lock().calls);
        account.anchor = Some(anchor.to_owned());
        account.name = name;
        account.before = change.before;
        account.after = change.after;
        account.members = change.members;
        account.groups = change.groups;
        account
    }

    /// The account of an operation that changed nothing.
    pub(crate) fn ended(
        &self,
        app: &str,
        kind: &str,
        id: Option<&str>,
        failed: Option<&Error>,
    ) -> Account {
        let outcome = match failed {
            None => Outcome::Unchanged,
            Some(error) if error.outcome_unknown() => Outcome::Unknown,
            Some(_) => Outcome::Failure,
        };
        let mut account = self.account(app, kind, id, outcome);
        account.calls = std::mem::take(&mut self.tale.so_far.lock().calls);
        account.problem = failed.map(|error| {
            let scim = error.to_scim();
            Problem {
                status: scim.status,
                code: scim.scim_type.map(|code| code.as_str().to_owned()),
                detail: brief(&scim.detail),
            }
        });
        account
    }

    /// An account with what is known in any case.
    pub(crate) fn account(
        &self,
        app: &str,
        kind: &str,
        id: Option<&str>,
        outcome: Outcome,
    ) -> Account {
        Account {
            id: Uuid::now_v7().to_string(),
            at: Timestamp::now(),
            app: app.to_owned(),
            by: self.by.clone(),
            action: self.action,
            kind: kind.to_owned(),
            resource: id.map(str::to_owned),
            anchor: None,
            name: None,
            outcome,
            settled: self.settled,
            us: micros(self.tale.began),
            calls: Vec::new(),
            before: serde_json::Map::new(),
            after: serde_json::Map::new(),
            members: None,
            groups: Vec::new(),
            problem: None,
            undoes: self.undoes.clone(),
            held: self.held.clone(),
        }
    }
}

fn micros(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn brief(text: &str) -> String {
    text.chars().take(DETAIL).collect()
}
