//! When a request needs an import.
//!
//! A listing is answered from the mirror. Before that the mirror is made as fresh as the app asks for, where this is
//! quick. Where it is not (a kind of 250,000), the import runs beside the requests, and they are answered with what the
//! mirror has; only a kind that was never imported has to be waited for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tombolo_runtime::contract::Fault;

use super::state::{Outcome, Sort, Status, Wish};
use crate::app::{App, Freshness};
use crate::audit::By;
use crate::error::Error;
use crate::kind::Kind;
use crate::request::Request;

/// An import counts as fresh for at least this many times what it took: somebody who pages through 250,000 accounts must
/// not start one with every page.
const WORTH: u32 = 20;
/// So long a request waits for an import, where the mirror could answer it.
const WAIT: Duration = Duration::from_secs(5);
/// Where reading everything takes longer, only what has changed is read between.
const DEAR: Duration = Duration::from_secs(1);
/// What an import has read that was broken off so long ago is not what the target has now.
const OLDEST: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
/// Kept from the request's deadline for its answer.
const MARGIN: Duration = Duration::from_millis(300);

impl App {
    /// Makes the mirror of a whole kind as fresh as the app asks for. Of several requests that want this at once, one
    /// does the work.
    pub(crate) async fn imported(&self, r: &Request, kind: &Kind) -> Result<(), Error> {
        if self.is_imported(kind) || self.closed().await?.is_some() {
            return Ok(());
        }
        let complete = self.import_state(kind).await?.0.full.is_some();
        if complete && self.freshness == Freshness::Mirror {
            return Ok(());
        }
        let (deadline, waited) = (r.deadline - MARGIN, Instant::now());
        let until = if complete {
            let long = self.shared.imported(&kind.name, true);
            let hopeless = long.is_some_and(|(_, took)| took > WAIT);
            let wait = if hopeless { Duration::ZERO } else { WAIT };
            deadline.min(tokio::time::Instant::now() + wait)
        } else {
            deadline
        };
        let not_yet = || {
            if complete {
                return Ok(());
            }
            let known = self.shared.import(&kind.name);
            Err(Error::Importing {
                kind: kind.ty().name.clone(),
                listed: known
                    .and_then(|status| status.running)
                    .map_or(0, |running| running.counts.listed),
            })
        };
        let lock = self.shared.import_lock(&kind.name);
        let guard = match Arc::clone(&lock).try_lock_owned() {
            Ok(guard) => guard,
            Err(_) => match tokio::time::timeout_at(until, lock.lock_owned()).await {
                Ok(guard) => guard,
                Err(_) => return not_yet(),
            },
        };
        // Whoever held the lock may have imported after this request came.
        let full = self.sort_for_request(kind) == Sort::Full;
        let done_meanwhile = self
            .shared
            .imported(&kind.name, full)
            .is_some_and(|(age, _)| age <= waited.elapsed());
        if done_meanwhile || self.is_imported(kind) {
            return Ok(());
        }
        let Some(app) = self.me.upgrade() else {
            return not_yet();
        };
        let wish = Wish {
            sort: self.sort_for_request(kind),
            by: By::default(),
            accepts: false,
            oldest: OLDEST,
        };
        let name = kind.name.clone();
        let work = tokio::spawn(async move {
            let _one = guard;
            let kind = app.kind_of_name(&name)?;
            app.run_import(kind, &wish).await.map(drop)
        });
        match tokio::time::timeout_at(until, work).await {
            Ok(Ok(Ok(()))) => Ok(()),
            // A connector that cannot list: the mirror is all there is.
            Ok(Ok(Err(error))) if error.fault() == Some(Fault::Unsupported) => Ok(()),
            // Another host is at it.
            Ok(Ok(Err(Error::Importing { .. }))) | Err(_) => not_yet(),
            Ok(Ok(Err(error))) => Err(error),
            Ok(Err(panic)) => {
                tracing::error!(app = self.name, %panic, "an import ended in a defect of the host");
                Err(Error::Defect)
            }
        }
    }

    /// Whether the mirror is as fresh as the app asks for.
    fn is_imported(&self, kind: &Kind) -> bool {
        let fresh = |full| {
            let Some((age, took)) = self.shared.imported(&kind.name, full) else {
                return false;
            };
            match self.freshness {
                Freshness::Live => age <= took * WORTH,
                Freshness::Bounded(bound) => age <= bound.max(took * WORTH),
                Freshness::Mirror => true,
            }
        };
        match self.sort_for_request(kind) {
            Sort::Full => fresh(true),
            // A full one is never older than the delta after it.
            Sort::Delta => fresh(false),
        }
    }

    /// Some deltas do not show what is gone, so that they only stand in for a full import that would be dear.
    fn sort_for_request(&self, kind: &Kind) -> Sort {
        match self.shared.imported(&kind.name, true) {
            Some((age, took))
                if took > DEAR && age <= took * WORTH && self.connector.abilities().delta =>
            {
                Sort::Delta
            }
            _ => Sort::Full,
        }
    }

    /// Whether an import has shown this recently enough what the target has of a kind.
    pub(crate) fn is_listed(&self, kind: &Kind) -> bool {
        let Freshness::Bounded(bound) = self.freshness else {
            return false;
        };
        let whole = |status: Status| {
            let last = status.last.map(|last| last.outcome);
            last == Some(Outcome::Whole)
        };
        self.shared
            .imported(&kind.name, true)
            .is_some_and(|(age, _)| age <= bound)
            && self.shared.import(&kind.name).is_some_and(whole)
    }
}
