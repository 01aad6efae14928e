//! What has changed in a directory, a bounded part of it a call.
//!
//! Neither of the two protocols knows pages that suit a caller: an answer to RFC 4533 is as long as what has
//! changed, and Active Directory chooses for itself. So a *round* of changes lives on the host between calls: what
//! came and was not given out, and the stream it comes from, which the guard holds back meanwhile. A round that was lost
//! (too slow a caller, a restart) begins again at the server's cookie, and the answer says so.
//!
//! | module | idea |
//! |---|---|
//! | `round` | what is left of a round, and giving it out |
//! | `syncrepl` | RFC 4533, refreshOnly |
//! | `dirsync` | \[MS-ADTS\] 3.1.1.3.4.1.3 |
//! | `token` | the cookie that a connector holds |

mod dirsync;
mod round;
mod syncrepl;
mod token;

use std::sync::Arc;

use tokio::time::{Duration, Instant, timeout_at};

use super::client::Directory;
use super::entry::Entry;
use super::error::Error;
use super::guarded;
use super::pool::Lease;
use super::search::Scope;
use super::shelf::Shelf;
use round::{Round, Source};
use token::{Binding, Token};

/// How long a round waits for its next call. The server's worker waits with it.
const WAIT: Duration = Duration::from_secs(30);

/// What an answer holds if the caller does not say.
const DEFAULT_LIMIT: u32 = 500;
const MAX_LIMIT: u32 = 1000;

/// How the directory remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// RFC 4533.
    Syncrepl,
    /// Active Directory's, with its flags.
    DirSync(u32),
}

/// From where on.
#[derive(Clone, Debug)]
pub(crate) enum Start {
    /// Everything there is.
    Content,
    /// Nothing that there is.
    Now,
    /// Where an earlier answer ended.
    After(Vec<u8>),
}

/// A request for changes.
#[derive(Clone, Debug)]
pub(crate) struct Poll {
    pub(crate) base: String,
    pub(crate) scope: Scope,
    /// RFC 4515 text.
    pub(crate) filter: String,
    pub(crate) attributes: Vec<String>,
    pub(crate) method: Method,
    pub(crate) start: Start,
    /// Changes in an answer; 0 leaves it to the host.
    pub(crate) limit: u32,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Present,
    /// It is new.
    Added,
    /// It is new or different.
    Changed,
    /// It is gone.
    Deleted,
}

/// One entry and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    /// A UUID as text.
    pub(crate) id: String,
    /// None where only the id is known.
    pub(crate) entry: Option<Entry>,
}

impl Change {
    /// Roughly what it costs to hand over.
    pub(super) fn size(&self) -> usize {
        self.id.len() + 16 + self.entry.as_ref().map_or(0, Entry::size)
    }
}

/// How one learns what is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deletions {
    /// It was told.
    Told,
    /// It was not mentioned.
    Implied,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) changes: Vec<Change>,
    pub(crate) cookie: Vec<u8>,
    /// The first of a round.
    pub(crate) begins: bool,
    /// The last of it.
    pub(crate) ends: Option<Deletions>,
}

/// The rounds of one target between calls.
#[derive(Clone)]
pub(crate) struct Rounds(Arc<Shelf<Round>>);

impl Rounds {
    pub(super) fn new(most: usize) -> Self {
        Self(Shelf::new(most, WAIT))
    }
}

/// What a call has to work with.
#[derive(Clone, Copy)]
struct Bounds {
    deadline: Instant,
    max_answer: usize,
    limit: usize,
}

impl Poll {
    /// One answer.
    pub(super) async fn go(
        &self,
        directory: &Directory,
        deadline: Instant,
        max_answer: usize,
    ) -> Result<Batch, Error> {
        let limit = match self.limit {
            0 => DEFAULT_LIMIT,
            limit => limit.min(MAX_LIMIT),
        };
        let bounds = Bounds {
            deadline,
            max_answer,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        };
        let binding = Binding::of(self);
        let token = match &self.start {
            Start::Content | Start::Now => Token::beginning(),
            Start::After(cookie) => Token::read(cookie, binding).ok_or(Error::Cookie)?,
        };
        if let Some(key) = token.key {
            // A slot first: a round taken off the shelf must not wait, and then be lost.
            let slot = directory.pool.slot(deadline).await?;
            let kept = directory
                .rounds
                .0
                .take(&key, |round| round.binding == binding);
            if let Some(round) = kept {
                match self.go_on(directory, round, false, bounds).await {
                    Err(Error::Lost { .. }) => {}
                    other => return other,
                }
            }
            drop(slot);
        }
        let lease = directory.pool.checkout(deadline).await?;
        let fresh = lease.fresh;
        match self.begin(directory, lease, &token, bounds).await {
            Err(Error::Lost { .. }) if !fresh => {
                let lease = directory.pool.connect(deadline).await?;
                self.begin(directory, lease, &token, bounds).await
            }
            other => other,
        }
    }

    async fn begin(
        &self,
        directory: &Directory,
        lease: Lease,
        token: &Token,
        bounds: Bounds,
    ) -> Result<Batch, Error> {
        match self.method {
            Method::Syncrepl => {
                let (connection, _slot) = lease.apart();
                let begun = syncrepl::begin(self, connection, token, bounds);
                let round = within(bounds, begun).await?;
                // A stream begins anew wherever it begins.
                self.go_on(directory, round, true, bounds).await
            }
            Method::DirSync(flags) => {
                let asked = dirsync::exchange(self, flags, directory, lease, token, bounds);
                let round = within(bounds, asked).await?;
                // Each exchange goes on from the one before.
                self.go_on(directory, round, !token.midway, bounds).await
            }
        }
    }

    /// Gives out what has come, and reads on as far as there is room.
    async fn go_on(
        &self,
        directory: &Directory,
        mut round: Round,
        begins: bool,
        bounds: Bounds,
    ) -> Result<Batch, Error> {
        let keep = !matches!(self.start, Start::Now);
        let changes = within(bounds, round.give(directory, bounds, keep)).await?;
        let token = match &round.source {
            Source::Over { cookie, ends } if round.rest.is_empty() => {
                let token = Token {
                    midway: ends.is_none(),
                    key: None,
                    cookie: cookie.clone(),
                };
                return Ok(Batch {
                    changes,
                    cookie: token.write(round.binding),
                    begins,
                    ends: *ends,
                });
            }
            Source::Over { .. } | Source::Stream(_) => Token {
                midway: true,
                key: None,
                cookie: round.since.clone(),
            },
        };
        let binding = round.binding;
        let key = directory.rounds.0.keep(round);
        let token = Token {
            key: Some(key),
            ..token
        };
        Ok(Batch {
            changes,
            cookie: token.write(binding),
            begins,
            ends: None,
        })
    }
}

/// The work, if it ends in time and the library survives it.
async fn within<T>(
    bounds: Bounds,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let started = Instant::now();
    match timeout_at(bounds.deadline, guarded(work)).await {
        Err(_) => Err(Error::TimedOut {
            what: "the poll",
            after: started.elapsed(),
        }),
        Ok(None) => Err(Error::Malformed("a poll")),
        Ok(Some(outcome)) => outcome,
    }
}
