//! One target of one app: statements and transactions, within time and limits.
//!
//! A statement is tried again, once, where that is certain to be safe: when a pooled connection turns out to be
//! dead before the statement was sent. Whatever may have reached the database is never repeated; the error says
//! that the outcome is unknown, and who asked has to look.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::{Duration, Instant, timeout_at};

use super::answer::{Answer, Job};
use super::error::{Aftermath, Error};
use super::pool::{Lease, Pool, State};
use super::reach::Reach;
use super::session::{Access, Connect, Session};
use super::statement::{Dialect, Statement};
use super::{mysql, postgres, sqlite};
use crate::app::{SqlDriver, SqlTarget};
use crate::bindings::tombolo::connector::sql::Cell;

/// What a guest asks.
pub(super) struct Asked {
    pub(super) statement: String,
    pub(super) parameters: Vec<Cell>,
    /// Rows; 0 leaves it to the target.
    pub(super) limit: u32,
}

/// For whom it is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    /// When nobody waits any more.
    pub(super) deadline: Instant,
    /// How many bytes of an answer it may take.
    pub(super) max_bytes: usize,
}

/// One target of one app.
pub(crate) struct Database {
    dialect: Dialect,
    pool: Arc<Pool>,
    statement_timeout: Duration,
    max_rows: usize,
    access: Access,
}

/// What is done on a connection.
enum Work {
    /// A statement in a transaction of its own.
    Alone(Arc<Job>),
    /// A statement in an open transaction.
    Within(Arc<Job>),
    Begin,
    Commit,
}

impl Work {
    fn name(&self) -> &'static str {
        match self {
            Self::Alone(_) | Self::Within(_) => "the statement",
            Self::Begin => "beginning a transaction",
            Self::Commit => "the commit",
        }
    }

    /// If nobody knows how it ended, may the database have changed?
    fn may_change(&self) -> bool {
        match self {
            Self::Alone(job) => !job.statement.reads,
            // Its transaction goes with the connection.
            Self::Within(_) | Self::Begin => false,
            Self::Commit => true,
        }
    }

    /// What the connection is in when it went well.
    fn leaves(&self) -> State {
        match self {
            Self::Alone(_) | Self::Commit => State::Clean,
            Self::Within(_) | Self::Begin => State::Open,
        }
    }
}

/// An open transaction: it has a connection for itself until it ends.
pub(super) struct Open {
    database: Arc<Database>,
    lease: Mutex<Option<Lease>>,
}

impl Database {
    /// Checks the target; nothing is connected yet. The error is for the operator.
    pub(crate) fn new(name: &str, target: &SqlTarget) -> Result<Self, String> {
        let (dialect, connector): (_, Box<dyn Connect>) = match &target.driver {
            SqlDriver::Postgresql(server) => {
                let reach = Reach::new(name, server, 5432)?;
                (
                    Dialect::Postgres,
                    Box::new(postgres::Connector::new(reach, server)),
                )
            }
            SqlDriver::Mysql(server) => {
                let reach = Reach::new(name, server, 3306)?;
                (
                    Dialect::Mysql,
                    Box::new(mysql::Connector::new(reach, server)),
                )
            }
            SqlDriver::Sqlite(file) => (
                Dialect::Sqlite,
                Box::new(sqlite::Connector::new(name, file, target.read_only)),
            ),
            #[cfg(feature = "odbc")]
            SqlDriver::Odbc(source) => (
                Dialect::Odbc,
                Box::new(super::odbc::Connector::new(
                    name,
                    source,
                    target.connect_timeout,
                )),
            ),
            #[cfg(not(feature = "odbc"))]
            SqlDriver::Odbc(_) => {
                return Err(
                    "driver = \"odbc\" needs a host that is built with `--features odbc`"
                        .to_owned(),
                );
            }
        };
        Ok(Self {
            dialect,
            pool: Arc::new(Pool::new(
                connector,
                target.pool_size,
                target.connect_timeout,
            )),
            statement_timeout: target.statement_timeout,
            max_rows: target.max_rows,
            access: if target.read_only {
                Access::ReadOnly
            } else {
                Access::ReadWrite
            },
        })
    }

    /// One statement, in a transaction of its own.
    pub(super) async fn run(&self, asked: Asked, caller: Caller) -> Result<Answer, Error> {
        let work = Work::Alone(self.job(asked, caller)?);
        self.retrying(&work, self.deadline(caller))
            .await
            .map(|(answer, _)| answer)
    }

    /// Begins a transaction.
    pub(super) async fn begin(self: &Arc<Self>, caller: Caller) -> Result<Open, Error> {
        let (_, lease) = self.retrying(&Work::Begin, self.deadline(caller)).await?;
        Ok(Open {
            database: Arc::clone(self),
            lease: Mutex::new(Some(lease)),
        })
    }

    /// Once more on a new connection, if a pooled one was dead before anything was sent.
    async fn retrying(&self, work: &Work, deadline: Instant) -> Result<(Answer, Lease), Error> {
        let mut lease = self.pool.checkout(deadline).await?;
        match self.perform(&mut lease, work, deadline).await {
            Err(Error::Unsent) if !lease.fresh => {
                // Its place goes to the new one.
                drop(lease);
                lease = self.pool.connect(deadline).await?;
                let answer = self.perform(&mut lease, work, deadline).await?;
                Ok((answer, lease))
            }
            other => other.map(|answer| (answer, lease)),
        }
    }

    /// Once, in time. The lease knows afterwards, and if this future is dropped, what its connection is good for.
    async fn perform(
        &self,
        lease: &mut Lease,
        work: &Work,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let began = Instant::now();
        let before = lease.state;
        let session = lease.session()?;
        let result = match timeout_at(deadline, self.on(session, work, deadline)).await {
            Ok(result) => result,
            Err(_) => Err(Error::TimedOut {
                what: work.name(),
                after: began.elapsed(),
                maybe_done: work.may_change(),
            }),
        };
        lease.settle(before, work.leaves(), result.as_ref().err());
        result
    }

    async fn on(
        &self,
        session: &mut dyn Session,
        work: &Work,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        match work {
            Work::Alone(job) if self.access == Access::ReadOnly => {
                session.begin(Access::ReadOnly, deadline).await?;
                let answer = session.run(job, deadline).await;
                // An answer that stopped half-way leaves its connection to be closed.
                let after = answer
                    .as_ref()
                    .err()
                    .map_or(Aftermath::Sound, Error::aftermath);
                if matches!(after, Aftermath::Sound | Aftermath::RolledBack) {
                    session.rollback().await?;
                }
                answer
            }
            Work::Alone(job) | Work::Within(job) => session.run(job, deadline).await,
            Work::Begin => {
                session.begin(self.access, deadline).await?;
                Ok(Answer::default())
            }
            Work::Commit => {
                session.commit().await?;
                Ok(Answer::default())
            }
        }
    }

    fn job(&self, asked: Asked, caller: Caller) -> Result<Arc<Job>, Error> {
        let statement = Statement::parse(&asked.statement, self.dialect)?;
        if statement.placeholders != asked.parameters.len() {
            return Err(Error::Count {
                placeholders: statement.placeholders,
                given: asked.parameters.len(),
            });
        }
        if self.access == Access::ReadOnly && !statement.reads {
            return Err(Error::ReadOnly);
        }
        let max_rows = match asked.limit {
            0 => self.max_rows,
            limit => self
                .max_rows
                .min(usize::try_from(limit).unwrap_or(usize::MAX)),
        };
        Ok(Arc::new(Job {
            statement,
            parameters: asked.parameters,
            max_rows,
            max_bytes: caller.max_bytes,
        }))
    }

    fn deadline(&self, caller: Caller) -> Instant {
        caller.deadline.min(Instant::now() + self.statement_timeout)
    }
}

impl Open {
    /// One statement of the transaction.
    pub(super) async fn run(&self, asked: Asked, caller: Caller) -> Result<Answer, Error> {
        let work = Work::Within(self.database.job(asked, caller)?);
        // Taken, so that whatever ends this future ends the transaction.
        let mut lease = self.lease.lock().take().ok_or(Error::TransactionOver)?;
        let deadline = self.database.deadline(caller);
        let result = self.database.perform(&mut lease, &work, deadline).await;
        // After any other end the connection goes, and the transaction with it.
        if result
            .as_ref()
            .err()
            .map_or(Aftermath::Sound, Error::aftermath)
            == Aftermath::Sound
        {
            *self.lease.lock() = Some(lease);
        }
        result
    }

    /// Ends it well, or not at all; it is over in any case.
    pub(super) async fn commit(&self, caller: Caller) -> Result<(), Error> {
        let mut lease = self.lease.lock().take().ok_or(Error::TransactionOver)?;
        let deadline = self.database.deadline(caller);
        self.database
            .perform(&mut lease, &Work::Commit, deadline)
            .await
            .map(drop)
    }

    /// Rolls back what was not committed.
    pub(super) fn close(&self) {
        drop(self.lease.lock().take());
    }

    pub(super) fn is_open(&self) -> bool {
        self.lease.lock().is_some()
    }
}
