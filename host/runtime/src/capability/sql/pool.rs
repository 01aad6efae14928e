//! Connections of one target, kept between calls, and what becomes of one that is let go.
//!
//! A connection comes back only when nothing is under way on it. Let go in a transaction, it is rolled back
//! first; let go in a statement (time-out, trap, a caller who went away), the server is told to stop, and the
//! connection is closed. Until that is done it keeps its place in the pool, so that a server never sees more
//! connections than the operator allowed.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, Instant, timeout, timeout_at};

use super::error::{Aftermath, Error};
use super::session::{Connect, Session};

/// Firewalls forget silent connections, some after a few minutes.
const MAX_IDLE: Duration = Duration::from_mins(1);
/// What rolling back or cancelling may take when nobody waits for it.
const TIDY: Duration = Duration::from_secs(5);

/// The connections of one target.
pub(super) struct Pool {
    connector: Box<dyn Connect>,
    connect_timeout: Duration,
    slots: Arc<Semaphore>,
    size: usize,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    session: Box<dyn Session>,
    since: Instant,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing.
    Clean,
    /// It is in a transaction, between statements.
    Open,
    /// A statement is under way.
    Running,
    /// It is of no use any more.
    Broken,
}

/// A connection in use.
pub(super) struct Lease {
    session: Option<Box<dyn Session>>,
    pool: Arc<Pool>,
    slot: Option<OwnedSemaphorePermit>,
    pub(super) state: State,
    /// Made for this call: if it is dead, the database is, not the pool.
    pub(super) fresh: bool,
}

impl Pool {
    pub(super) fn new(connector: Box<dyn Connect>, size: usize, connect_timeout: Duration) -> Self {
        let size = size.max(1);
        Self {
            connector,
            connect_timeout,
            slots: Arc::new(Semaphore::new(size)),
            size,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// A connection from the pool, or a new one.
    pub(super) async fn checkout(self: &Arc<Self>, deadline: Instant) -> Result<Lease, Error> {
        let slot = self.slot(deadline).await?;
        let pooled = {
            let mut idle = self.idle.lock();
            idle.retain(|idle| idle.since.elapsed() < MAX_IDLE);
            idle.pop()
        };
        match pooled {
            Some(idle) => Ok(self.lease(idle.session, slot, false)),
            None => self.connect_in(slot, deadline).await,
        }
    }

    /// A new connection, for a second try.
    pub(super) async fn connect(self: &Arc<Self>, deadline: Instant) -> Result<Lease, Error> {
        // What ended one pooled connection has probably ended the others.
        self.idle.lock().clear();
        let slot = self.slot(deadline).await?;
        self.connect_in(slot, deadline).await
    }

    async fn slot(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Error> {
        match timeout_at(deadline, Arc::clone(&self.slots).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Error::PoolBusy(self.size)),
        }
    }

    async fn connect_in(
        self: &Arc<Self>,
        slot: OwnedSemaphorePermit,
        deadline: Instant,
    ) -> Result<Lease, Error> {
        let began = Instant::now();
        let limit = deadline.min(began + self.connect_timeout);
        let session = timeout_at(limit, self.connector.connect())
            .await
            .map_err(|_| Error::TimedOut {
                what: "connecting to the database",
                after: limit - began,
                maybe_done: false,
            })??;
        Ok(self.lease(session, slot, true))
    }

    fn lease(
        self: &Arc<Self>,
        session: Box<dyn Session>,
        slot: OwnedSemaphorePermit,
        fresh: bool,
    ) -> Lease {
        Lease {
            session: Some(session),
            pool: Arc::clone(self),
            slot: Some(slot),
            state: State::Clean,
            fresh,
        }
    }

    fn keep(&self, session: Box<dyn Session>) {
        let since = Instant::now();
        let mut idle = self.idle.lock();
        idle.retain(|idle| idle.since.elapsed() < MAX_IDLE);
        if idle.len() < self.size {
            idle.push(Idle { session, since });
        }
    }
}

impl Lease {
    /// The connection, for something that is under way from now on, until [`settle`](Self::settle) says otherwise.
    pub(super) fn session(&mut self) -> Result<&mut dyn Session, Error> {
        self.state = State::Running;
        match &mut self.session {
            Some(session) => Ok(session.as_mut()),
            None => Err(Error::TransactionOver),
        }
    }

    /// It is over: what the connection was in before, what it is in when all went well, and whether it did.
    pub(super) fn settle(&mut self, before: State, after: State, error: Option<&Error>) {
        self.state = match error.map(Error::aftermath) {
            None => after,
            Some(Aftermath::Sound) => before,
            Some(Aftermath::RolledBack) if before == State::Clean => State::Clean,
            // Rolling back once more is harmless, and certain.
            Some(Aftermath::RolledBack) => State::Open,
            Some(Aftermath::Unfinished) => State::Running,
            Some(Aftermath::Broken) => State::Broken,
        };
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut session) = self.session.take() else {
            return;
        };
        let running = match self.state {
            State::Clean => return self.pool.keep(session),
            State::Broken => return,
            State::Open => false,
            State::Running => true,
        };
        // Without a runtime the connection is only closed; the server rolls back then.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (pool, slot) = (Arc::clone(&self.pool), self.slot.take());
        runtime.spawn(async move {
            let tidy = async {
                if running {
                    session.cancel().await;
                    return None;
                }
                session.rollback().await.ok().map(|()| session)
            };
            if let Ok(Some(session)) = timeout(TIDY, tidy).await {
                pool.keep(session);
            }
            drop(slot);
        });
    }
}
