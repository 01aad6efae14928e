//! One target of one app: its operations, and which of them may be tried again.
//!
//! An operation is tried again, once, where that is certain to be safe: what changes nothing
//! whenever a pooled connection turns out to be dead, a write only when nothing of
//! it was sent. Otherwise the error says that the outcome is unknown, and who asked
//! has to look.

use std::sync::Arc;

use ldap3::{LdapError, LdapResult};
use tokio::time::{Duration, Instant, timeout_at};

use super::connect::{Connection, Endpoint};
use super::error::{self, Error};
use super::escape::within_bounds;
use super::guarded;
use super::operation::{self, Answer, Operation, Question, Write};
use super::pool::{Lease, Pool};
use super::search::{self, Found, Part, Search};
use super::shelf::Shelf;
use super::sync::{Batch, Poll, Rounds};
use crate::app::{LdapTarget, Referrals};

/// How long a listing is kept for its next page: long enough for a slow reader, short enough for a server's patience.
const LISTING: Duration = Duration::from_mins(2);

/// For whom an operation is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller<'a> {
    /// The app, for logs.
    pub(crate) app: &'a str,
    /// When nobody waits any more.
    pub(crate) deadline: Instant,
    /// How many bytes of an answer it may take.
    pub(crate) max_answer: usize,
}

/// A search that has more pages, or a sorted list that is kept in order.
struct Listing {
    connection: Connection,
    /// The server's.
    cookie: Vec<u8>,
    /// What was asked: a cursor continues its own search and no other.
    search: Search,
}

/// One target of one app: a pool of bound connections, and what goes on over several calls.
pub(crate) struct Directory {
    pub(super) pool: Pool,
    pub(super) rounds: Rounds,
    listings: Arc<Shelf<Listing>>,
    operation_timeout: Duration,
}

impl Directory {
    /// Checks the target; nothing is connected yet. The error is for the operator.
    pub(crate) fn new(name: &str, target: &LdapTarget) -> Result<Self, String> {
        let pool = Pool::new(Endpoint::new(name, target)?, target.pool_size);
        let most = pool.size().max(2);
        Ok(Self {
            pool,
            rounds: Rounds::new(most),
            listings: Shelf::new(most, LISTING),
            operation_timeout: target.operation_timeout,
        })
    }

    /// One part of a search.
    pub(crate) async fn search(&self, search: &Search, caller: Caller<'_>) -> Result<Found, Error> {
        let started = Instant::now();
        let result = self.search_untold(search, caller).await;
        let entries = result.as_ref().map_or(0, |found| found.entries.len());
        self.tell(
            caller,
            "search",
            &search.base,
            started,
            entries,
            result.as_ref().err(),
        );
        result
    }

    async fn search_untold(&self, search: &Search, caller: Caller<'_>) -> Result<Found, Error> {
        search.check()?;
        check_filter(&search.filter)?;
        let mut deadline = self.deadline(caller);
        if let Some(limit) = search.time_limit {
            deadline = deadline.min(Instant::now() + limit);
        }
        if let Some(cursor) = &search.cursor {
            // A slot first: a listing taken off the shelf must not wait, and then be lost.
            let slot = self.pool.slot(deadline).await?;
            let kept = self
                .listings
                .take(cursor, |listing| listing.search.continues(search))
                .and_then(|mut kept| kept.connection.is_alive().then_some(kept));
            // A window is a place in a list: another connection finds it too.
            let starts_over = matches!(search.part, Part::Window { .. });
            if let Some(kept) = kept {
                let lease = Lease::new(kept.connection, slot);
                match self
                    .part(lease, search, &kept.cookie, deadline, caller.max_answer)
                    .await
                {
                    Err(Error::Lost { .. }) if !starts_over => return Err(Error::ListingExpired),
                    Err(Error::Lost { .. }) => {}
                    other => return other,
                }
            } else if !starts_over {
                return Err(Error::ListingExpired);
            }
        }
        let lease = self.pool.checkout(deadline).await?;
        let fresh = lease.fresh;
        match self
            .part(lease, search, &[], deadline, caller.max_answer)
            .await
        {
            Err(Error::Lost { .. }) if !fresh => {
                let lease = self.pool.connect(deadline).await?;
                self.part(lease, search, &[], deadline, caller.max_answer)
                    .await
            }
            other => other,
        }
    }

    async fn part(
        &self,
        mut lease: Lease,
        search: &Search,
        cookie: &[u8],
        deadline: Instant,
        max_answer: usize,
    ) -> Result<Found, Error> {
        let started = Instant::now();
        let work = search::read(&mut lease.connection, search, cookie, deadline, max_answer);
        let read = match timeout_at(deadline, guarded(work)).await {
            Err(_) => {
                return Err(Error::TimedOut {
                    what: "the search",
                    after: started.elapsed(),
                });
            }
            Ok(None) => return Err(Error::Malformed("a search")),
            Ok(Some(outcome)) => outcome?,
        };
        if let Err(error) = self.verdict("search", read.result, read.referrals) {
            self.return_after(&error, lease);
            return Err(error);
        }
        let cursor = if read.cookie.is_empty() {
            self.pool.give_back(lease);
            None
        } else {
            let key = self.listings.keep(Listing {
                connection: lease.connection,
                cookie: read.cookie,
                search: Search {
                    cursor: None,
                    ..search.clone()
                },
            });
            Some(key.to_vec())
        };
        Ok(Found {
            entries: read.entries,
            cursor,
            position: read.position,
        })
    }

    /// One write.
    pub(crate) async fn write(&self, write: &Write, caller: Caller<'_>) -> Result<(), Error> {
        self.operate(Operation::Write(write), caller)
            .await
            .map(drop)
    }

    /// One question.
    pub(crate) async fn ask(
        &self,
        question: &Question,
        caller: Caller<'_>,
    ) -> Result<Answer, Error> {
        self.operate(Operation::Ask(question), caller).await
    }

    /// What has changed.
    pub(crate) async fn poll(&self, poll: &Poll, caller: Caller<'_>) -> Result<Batch, Error> {
        let started = Instant::now();
        check_filter(&poll.filter)?;
        let result = poll
            .go(self, self.deadline(caller), caller.max_answer)
            .await;
        let entries = result.as_ref().map_or(0, |changes| changes.changes.len());
        self.tell(
            caller,
            "poll",
            &poll.base,
            started,
            entries,
            result.as_ref().err(),
        );
        result
    }

    async fn operate(&self, operation: Operation<'_>, caller: Caller<'_>) -> Result<Answer, Error> {
        let started = Instant::now();
        let result = self.operate_untold(operation, caller).await;
        self.tell(
            caller,
            operation.name(),
            operation.dn(),
            started,
            0,
            result.as_ref().err(),
        );
        result
    }

    async fn operate_untold(
        &self,
        operation: Operation<'_>,
        caller: Caller<'_>,
    ) -> Result<Answer, Error> {
        operation.check()?;
        let deadline = self.deadline(caller);
        let lease = self.pool.checkout(deadline).await?;
        let fresh = lease.fresh;
        match self
            .once(lease, operation, deadline, caller.max_answer)
            .await
        {
            Err(Error::Lost {
                maybe_done: false, ..
            }) if !fresh => {
                let lease = self.pool.connect(deadline).await?;
                self.once(lease, operation, deadline, caller.max_answer)
                    .await
            }
            other => other,
        }
    }

    async fn once(
        &self,
        mut lease: Lease,
        operation: Operation<'_>,
        deadline: Instant,
        max_answer: usize,
    ) -> Result<Answer, Error> {
        let started = Instant::now();
        let name = operation.name();
        let connection = &mut lease.connection;
        if !operation.may_cross(connection.privacy) {
            self.pool.give_back(lease);
            return Err(Error::Unprotected);
        }
        connection.guard.begin(max_answer);
        let work = guarded(operation::perform(&mut connection.ldap, operation));
        let done = match timeout_at(deadline, work).await {
            Err(_) => {
                return Err(Error::TimedOut {
                    what: name,
                    after: started.elapsed(),
                });
            }
            Ok(None) => return Err(Error::Malformed(name)),
            // Refused by the connection's own task, which had ended: no byte was sent.
            Ok(Some(Err(LdapError::OpSend { .. }))) => {
                return Err(connection.lost(name, false, max_answer));
            }
            Ok(Some(Err(_))) => {
                return Err(connection.lost(name, operation.changes(), max_answer));
            }
            Ok(Some(Ok(done))) => done,
        };
        connection.guard.taken();
        let judged = match operation.answer(&done) {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => {
                let mut result = done.result;
                result.text = operation.discreet(result.text);
                self.verdict(name, result, Vec::new())
                    .map(|()| Answer::Done)
            }
            Err(error) => Err(error),
        };
        match judged {
            Ok(answer) => {
                self.pool.give_back(lease);
                Ok(answer)
            }
            Err(error) => {
                self.return_after(&error, lease);
                Err(error)
            }
        }
    }

    /// A server that is busy or going down may serve the next caller better over a new connection, and one that has
    /// lost the bind certainly does.
    pub(super) fn return_after(&self, error: &Error, lease: Lease) {
        let unbound = matches!(error, Error::Lost { .. });
        if !unbound && !matches!(error.code(), Some(51 | 52)) {
            self.pool.give_back(lease);
        }
    }

    fn deadline(&self, caller: Caller<'_>) -> Instant {
        caller.deadline.min(Instant::now() + self.operation_timeout)
    }

    pub(super) fn verdict(
        &self,
        operation: &'static str,
        result: LdapResult,
        passed_over: Vec<String>,
    ) -> Result<(), Error> {
        if wants_bind(&result) {
            return Err(Error::Lost {
                operation,
                maybe_done: false,
            });
        }
        let tells = self.pool.endpoint.referrals == Referrals::Error;
        match result.rc {
            0 if tells && !passed_over.is_empty() => Err(Error::Referral {
                operation,
                to: passed_over,
            }),
            0 => Ok(()),
            error::REFERRAL => {
                tracing::warn!(operation, referrals = ?result.refs, "ldap referral not followed");
                let to = if tells { result.refs } else { Vec::new() };
                Err(Error::Referral { operation, to })
            }
            code => Err(Error::Result {
                operation,
                code,
                text: result.text,
            }),
        }
    }

    /// Names what was done, never a value.
    fn tell(
        &self,
        caller: Caller<'_>,
        operation: &str,
        dn: &str,
        started: Instant,
        entries: usize,
        error: Option<&Error>,
    ) {
        let ms = started.elapsed().as_millis();
        let code = error.map_or(Some(0), Error::code);
        let target = &self.pool.endpoint.name;
        match error {
            None => tracing::debug!(
                app = caller.app,
                target,
                operation,
                dn,
                code,
                entries,
                ms,
                "ldap"
            ),
            Some(error) => {
                tracing::debug!(app = caller.app, target, operation, dn, code, ms, %error, "ldap");
            }
        }
    }
}

fn check_filter(filter: &str) -> Result<(), Error> {
    within_bounds(filter).map_err(Error::Filter)?;
    if ldap3::parse_filter(filter).is_err() {
        return Err(Error::Filter("it is not RFC 4515 text".to_owned()));
    }
    Ok(())
}

/// Active Directory forgets the bind of a long-lived connection, and says so
/// instead of closing it. Nothing was done then.
fn wants_bind(result: &LdapResult) -> bool {
    result.rc == 1 && result.text.to_ascii_lowercase().contains("bind")
}
