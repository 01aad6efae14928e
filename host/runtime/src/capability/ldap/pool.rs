//! Bound connections of one target, kept between calls.
//!
//! Last in, first out: with little to do, one connection stays warm and the others
//! age. A connection is bound once, when it is made. What is broken, old, or was
//! dropped in the middle of an operation never comes back.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, Instant, timeout_at};

use super::connect::{Connection, Endpoint};
use super::error::Error;

/// Firewalls forget silent connections, some after a few minutes.
const MAX_IDLE: Duration = Duration::from_mins(1);

/// The connections of one target.
pub(super) struct Pool {
    pub(super) endpoint: Endpoint,
    slots: Arc<Semaphore>,
    size: usize,
    idle: Mutex<Vec<Connection>>,
}

/// The right to use a connection.
pub(super) struct Slot {
    _permit: OwnedSemaphorePermit,
}

/// A connection in use. Dropped without [`Pool::give_back`], it is closed.
pub(super) struct Lease {
    pub(super) connection: Connection,
    /// Made for this call: if it is dead, the directory is, not the pool.
    pub(super) fresh: bool,
    slot: Slot,
}

impl Lease {
    /// A connection that outlives its slot.
    pub(super) fn apart(self) -> (Connection, Slot) {
        (self.connection, self.slot)
    }

    pub(super) fn new(connection: Connection, slot: Slot) -> Self {
        Self {
            connection,
            fresh: false,
            slot,
        }
    }
}

impl Pool {
    pub(super) fn new(endpoint: Endpoint, size: usize) -> Self {
        let size = size.max(1);
        Self {
            endpoint,
            slots: Arc::new(Semaphore::new(size)),
            size,
            idle: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Waits for the right to use a connection.
    pub(super) async fn slot(&self, deadline: Instant) -> Result<Slot, Error> {
        match timeout_at(deadline, Arc::clone(&self.slots).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Slot { _permit: permit }),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Error::PoolBusy(self.size)),
        }
    }

    /// A connection from the pool, or a new one.
    pub(super) async fn checkout(&self, deadline: Instant) -> Result<Lease, Error> {
        let slot = self.slot(deadline).await?;
        match self.pop() {
            Some(connection) => Ok(Lease {
                connection,
                fresh: false,
                slot,
            }),
            None => self.connect_in(slot, deadline).await,
        }
    }

    /// A new connection, for a second try.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Lease, Error> {
        // What ended one pooled connection has probably ended the others.
        self.idle.lock().clear();
        let slot = self.slot(deadline).await?;
        self.connect_in(slot, deadline).await
    }

    async fn connect_in(&self, slot: Slot, deadline: Instant) -> Result<Lease, Error> {
        let connection = self.endpoint.connect(deadline).await?;
        Ok(Lease {
            connection,
            fresh: true,
            slot,
        })
    }

    fn pop(&self) -> Option<Connection> {
        let mut idle = self.idle.lock();
        idle.retain_mut(|connection| connection.used.elapsed() < MAX_IDLE && connection.is_alive());
        idle.pop()
    }

    /// Returns a connection on which the last operation ended well.
    pub(super) fn give_back(&self, lease: Lease) {
        self.shelve(lease.connection);
    }

    /// The same, of a connection whose slot has gone back already.
    pub(super) fn shelve(&self, mut connection: Connection) {
        if connection.guard.has_ended() || connection.ldap.is_closed() {
            return;
        }
        connection.used = Instant::now();
        let mut idle = self.idle.lock();
        idle.retain_mut(|other| other.used.elapsed() < MAX_IDLE && other.is_alive());
        if idle.len() < self.size {
            idle.push(connection);
        }
    }
}
