//! What the rest of the capability asks of a driver.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

use super::answer::{Answer, Job};
use super::error::Error;

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadWrite,
    ReadOnly,
}

/// One connection. A future of it that is dropped leaves it in no state to be used again, only to be
/// cancelled and closed.
#[async_trait]
pub(super) trait Session: Send {
    /// Runs one statement to its end. A connection that turns out to be dead before the statement was sent is
    /// [`Error::Unsent`]: then, and only then, it may be tried on another.
    async fn run(&mut self, job: &Arc<Job>, deadline: Instant) -> Result<Answer, Error>;

    /// Begins a transaction.
    async fn begin(&mut self, access: Access, deadline: Instant) -> Result<(), Error>;

    /// Ends it well.
    async fn commit(&mut self) -> Result<(), Error>;

    /// Ends it as if it had not been.
    async fn rollback(&mut self) -> Result<(), Error>;

    /// Makes the server stop the statement in progress, as far as it can be told.
    async fn cancel(&mut self);
}

/// Makes connections to one target.
#[async_trait]
pub(super) trait Connect: Send + Sync {
    /// A connection that is logged in and speaks UTF-8 and UTC.
    async fn connect(&self) -> Result<Box<dyn Session>, Error>;
}
