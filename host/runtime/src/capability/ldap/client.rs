//! The operations: search, add, modify, rename, delete.
//!
//! An operation is tried again, once, where that is certain to be safe: a search
//! whenever a pooled connection turns out to be dead, a write only when nothing of
//! it was sent. Otherwise the error says that the outcome is unknown, and who asked
//! has to look.

use std::collections::HashSet;
use std::sync::Arc;

use ldap3::controls::{Control, ControlType, PagedResults};
use ldap3::{Ldap, LdapError, LdapResult, Mod, SearchOptions};
use tokio::time::{Duration, Instant, timeout_at};

use super::connect::Endpoint;
use super::entry::Entry;
use super::error::{self, Error};
use super::escape::within_bounds;
use super::guarded;
use super::listing::Listings;
use super::pool::{Lease, Pool};
use crate::app::LdapTarget;

/// What a page holds if the caller does not say.
const DEFAULT_PAGE: u32 = 500;
const MAX_PAGE: u32 = 1000;

/// How far down to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The entry itself.
    Base,
    /// Its children.
    OneLevel,
    /// It and everything below.
    Subtree,
}

/// A search, or its continuation.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    /// Where to look.
    pub(crate) base: String,
    /// How far down.
    pub(crate) scope: Scope,
    /// RFC 4515 text.
    pub(crate) filter: String,
    /// What to return; empty means all user attributes.
    pub(crate) attributes: Vec<String>,
    /// Where the last page ended.
    pub(crate) cursor: Option<Vec<u8>>,
    /// Entries in a page; 0 leaves it to the host.
    pub(crate) limit: u32,
}

impl Search {
    /// Do both ask for the same, apart from the page?
    pub(super) fn continues(&self, other: &Self) -> bool {
        self.scope == other.scope
            && self.base == other.base
            && self.filter == other.filter
            && self.attributes == other.attributes
    }
}

/// A page of a search.
#[derive(Debug)]
pub(crate) struct Found {
    /// The entries.
    pub(crate) entries: Vec<Entry>,
    /// How to go on; none ends the listing.
    pub(crate) cursor: Option<Vec<u8>>,
}

/// One change of a modify operation.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Add values.
    Add(String, Vec<Vec<u8>>),
    /// Delete these values, or all if there are none.
    Delete(String, Vec<Vec<u8>>),
    /// Let these be all the values.
    Replace(String, Vec<Vec<u8>>),
    /// RFC 4525.
    Increment(String, Vec<u8>),
}

/// A write.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    /// A new entry.
    Add(Entry),
    /// Changes of one entry.
    Modify(String, Vec<Change>),
    /// A new RDN, and perhaps a new parent. The old RDN's value goes.
    Rename {
        /// What the entry is called.
        dn: String,
        /// Its new RDN.
        rdn: String,
        /// Its new parent.
        parent: Option<String>,
    },
    /// The end of an entry.
    Delete(String),
}

impl Write {
    fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "add",
            Self::Modify(..) => "modify",
            Self::Rename { .. } => "rename",
            Self::Delete(_) => "delete",
        }
    }

    fn dn(&self) -> &str {
        match self {
            Self::Add(Entry { dn, .. })
            | Self::Modify(dn, _)
            | Self::Rename { dn, .. }
            | Self::Delete(dn) => dn,
        }
    }

    fn check(&self) -> Result<(), Error> {
        match self {
            Self::Add(entry) => match entry
                .attributes
                .iter()
                .find(|(_, values)| values.is_empty())
            {
                Some((name, _)) => Err(Error::Request(format!(
                    "attribute `{name}` is added without a value"
                ))),
                None => Ok(()),
            },
            Self::Modify(_, changes) if changes.is_empty() => {
                Err(Error::Request("a modify without a change".to_owned()))
            }
            Self::Modify(_, changes) => {
                let empty = changes.iter().find_map(|change| match change {
                    Change::Add(name, values) if values.is_empty() => Some(name),
                    _ => None,
                });
                empty.map_or(Ok(()), |name| {
                    Err(Error::Request(format!(
                        "attribute `{name}` is added without a value"
                    )))
                })
            }
            Self::Rename { .. } | Self::Delete(_) => Ok(()),
        }
    }
}

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

/// One target of one app: a pool of bound connections, and the searches that have more pages.
pub(crate) struct Directory {
    pool: Pool,
    listings: Arc<Listings>,
    operation_timeout: Duration,
}

impl Directory {
    /// Checks the target; nothing is connected yet. The error is for the operator.
    pub(crate) fn new(name: &str, target: &LdapTarget) -> Result<Self, String> {
        let pool = Pool::new(Endpoint::new(name, target)?, target.pool_size);
        let listings = Listings::new(pool.size().max(2));
        Ok(Self {
            pool,
            listings,
            operation_timeout: target.operation_timeout,
        })
    }

    /// One page of a search.
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
        within_bounds(&search.filter).map_err(Error::Filter)?;
        if ldap3::parse_filter(&search.filter).is_err() {
            return Err(Error::Filter("it is not RFC 4515 text".to_owned()));
        }
        let deadline = self.deadline(caller);
        if let Some(cursor) = &search.cursor {
            // A slot first: a listing taken off the shelf must not wait, and then be lost.
            let slot = self.pool.slot(deadline).await?;
            let listing = self
                .listings
                .take(cursor, search)
                .ok_or(Error::ListingExpired)?;
            let lease = Lease::new(listing.connection, slot);
            return match self
                .page(lease, search, listing.cookie, deadline, caller.max_answer)
                .await
            {
                Err(Error::Lost { .. }) => Err(Error::ListingExpired),
                other => other,
            };
        }
        let lease = self.pool.checkout(deadline).await?;
        let fresh = lease.fresh;
        match self
            .page(lease, search, Vec::new(), deadline, caller.max_answer)
            .await
        {
            Err(Error::Lost { .. }) if !fresh => {
                let lease = self.pool.connect(deadline).await?;
                self.page(lease, search, Vec::new(), deadline, caller.max_answer)
                    .await
            }
            other => other,
        }
    }

    async fn page(
        &self,
        mut lease: Lease,
        search: &Search,
        cookie: Vec<u8>,
        deadline: Instant,
        max_answer: usize,
    ) -> Result<Found, Error> {
        let started = Instant::now();
        let work = read_page(
            &mut lease.connection.ldap,
            search,
            cookie,
            deadline,
            max_answer,
        );
        let (entries, result, cookie) = match timeout_at(deadline, guarded(work)).await {
            Err(_) => {
                return Err(Error::TimedOut {
                    what: "the search",
                    after: started.elapsed(),
                });
            }
            Ok(None) => return Err(Error::Malformed("a search")),
            Ok(Some(outcome)) => outcome?,
        };
        if wants_bind(&result) {
            return Err(Error::Lost {
                operation: "search",
                maybe_done: false,
            });
        }
        if let Err(error) = verdict("search", result) {
            self.return_after(&error, lease);
            return Err(error);
        }
        let cursor = if cookie.is_empty() {
            self.pool.give_back(lease);
            None
        } else {
            Some(self.listings.keep(lease.connection, cookie, search))
        };
        Ok(Found { entries, cursor })
    }

    /// One write.
    pub(crate) async fn write(&self, write: &Write, caller: Caller<'_>) -> Result<(), Error> {
        let started = Instant::now();
        let result = self.write_untold(write, caller).await;
        self.tell(
            caller,
            write.name(),
            write.dn(),
            started,
            0,
            result.as_ref().err(),
        );
        result
    }

    async fn write_untold(&self, write: &Write, caller: Caller<'_>) -> Result<(), Error> {
        write.check()?;
        let deadline = self.deadline(caller);
        let lease = self.pool.checkout(deadline).await?;
        let fresh = lease.fresh;
        match self.write_once(lease, write, deadline).await {
            Err(Error::Lost {
                maybe_done: false, ..
            }) if !fresh => {
                let lease = self.pool.connect(deadline).await?;
                self.write_once(lease, write, deadline).await
            }
            other => other,
        }
    }

    async fn write_once(
        &self,
        mut lease: Lease,
        write: &Write,
        deadline: Instant,
    ) -> Result<(), Error> {
        let started = Instant::now();
        let operation = write.name();
        let result = match timeout_at(
            deadline,
            guarded(perform(&mut lease.connection.ldap, write)),
        )
        .await
        {
            Err(_) => {
                return Err(Error::TimedOut {
                    what: operation,
                    after: started.elapsed(),
                });
            }
            Ok(None) => return Err(Error::Malformed(operation)),
            // Refused by the connection's own task, which had ended: no byte was sent.
            Ok(Some(Err(LdapError::OpSend { .. }))) => {
                return Err(Error::Lost {
                    operation,
                    maybe_done: false,
                });
            }
            Ok(Some(Err(_))) => {
                return Err(Error::Lost {
                    operation,
                    maybe_done: true,
                });
            }
            Ok(Some(Ok(result))) => result,
        };
        if wants_bind(&result) {
            return Err(Error::Lost {
                operation,
                maybe_done: false,
            });
        }
        match verdict(operation, result) {
            Ok(()) => {
                self.pool.give_back(lease);
                Ok(())
            }
            Err(error) => {
                self.return_after(&error, lease);
                Err(error)
            }
        }
    }

    /// A server that is busy or going down may serve the next caller better over a new connection.
    fn return_after(&self, error: &Error, lease: Lease) {
        if !matches!(error.code(), Some(51 | 52)) {
            self.pool.give_back(lease);
        }
    }

    fn deadline(&self, caller: Caller<'_>) -> Instant {
        caller.deadline.min(Instant::now() + self.operation_timeout)
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

async fn read_page(
    ldap: &mut Ldap,
    search: &Search,
    cookie: Vec<u8>,
    deadline: Instant,
    max_answer: usize,
) -> Result<(Vec<Entry>, LdapResult, Vec<u8>), Error> {
    let lost = |_: LdapError| Error::Lost {
        operation: "search",
        maybe_done: false,
    };
    let scope = match search.scope {
        Scope::Base => ldap3::Scope::Base,
        Scope::OneLevel => ldap3::Scope::OneLevel,
        Scope::Subtree => ldap3::Scope::Subtree,
    };
    // The server should stop working when nobody waits any more.
    let seconds = deadline.saturating_duration_since(Instant::now()).as_secs() + 1;
    ldap.with_search_options(
        SearchOptions::new().timelimit(i32::try_from(seconds).unwrap_or(i32::MAX)),
    );
    if search.scope != Scope::Base {
        let size = if search.limit == 0 {
            DEFAULT_PAGE
        } else {
            search.limit.min(MAX_PAGE)
        };
        ldap.with_controls(PagedResults {
            size: size.cast_signed(),
            cookie,
        });
    }
    let mut stream = ldap
        .streaming_search(
            &search.base,
            scope,
            &search.filter,
            search.attributes.clone(),
        )
        .await
        .map_err(lost)?;
    let mut entries = Vec::new();
    let mut size = 0_usize;
    while let Some(item) = stream.next().await.map_err(lost)? {
        // Continuation references point at other servers; they are not followed.
        if item.is_ref() || item.is_intermediate() {
            continue;
        }
        let entry = Entry::read(item).ok_or(Error::Malformed("a search"))?;
        size += entry.size();
        if size > max_answer {
            return Err(Error::TooLarge(max_answer));
        }
        entries.push(entry);
    }
    let result = stream.finish().await;
    let cookie = result
        .ctrls
        .iter()
        .find(|Control(kind, _)| matches!(kind, Some(ControlType::PagedResults)))
        .map_or_else(Vec::new, |Control(_, raw)| {
            raw.parse::<PagedResults>().cookie
        });
    Ok((entries, result, cookie))
}

async fn perform(ldap: &mut Ldap, write: &Write) -> Result<LdapResult, LdapError> {
    match write {
        Write::Add(entry) => {
            let attributes = entry
                .attributes
                .iter()
                .map(|(name, values)| (name.as_bytes(), set(values)))
                .collect::<Vec<_>>();
            ldap.add(&entry.dn, attributes).await
        }
        Write::Modify(dn, changes) => {
            let changes = changes
                .iter()
                .map(|change| match change {
                    Change::Add(name, values) => Mod::Add(name.as_bytes(), set(values)),
                    Change::Delete(name, values) => Mod::Delete(name.as_bytes(), set(values)),
                    Change::Replace(name, values) => Mod::Replace(name.as_bytes(), set(values)),
                    Change::Increment(name, by) => Mod::Increment(name.as_bytes(), by.as_slice()),
                })
                .collect::<Vec<_>>();
            ldap.modify(dn, changes).await
        }
        Write::Rename { dn, rdn, parent } => ldap.modifydn(dn, rdn, true, parent.as_deref()).await,
        Write::Delete(dn) => ldap.delete(dn).await,
    }
}

fn set(values: &[Vec<u8>]) -> HashSet<&[u8]> {
    values.iter().map(Vec::as_slice).collect()
}

/// Active Directory forgets the bind of a long-lived connection, and says so
/// instead of closing it. Nothing was done then.
fn wants_bind(result: &LdapResult) -> bool {
    result.rc == 1 && result.text.to_ascii_lowercase().contains("bind")
}

fn verdict(operation: &'static str, result: LdapResult) -> Result<(), Error> {
    match result.rc {
        0 => Ok(()),
        error::REFERRAL => {
            tracing::warn!(operation, referrals = ?result.refs, "ldap referral not followed");
            Err(Error::Referral { operation })
        }
        code => Err(Error::Result {
            operation,
            code,
            text: result.text,
        }),
    }
}
