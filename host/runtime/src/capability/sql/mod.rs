//! `sql`: statements on databases by name.
//!
//! A guest says a statement and its parameters; where the database is, whom it trusts and as whom the host is logged
//! in are the operator's. Values are parameters, never part of the text, and texts that reach a guest name no address.
//!
//! | module | idea |
//! |---|---|
//! | `database` | statements and transactions of one target, and what may be tried again |
//! | `pool` | connections between calls, and what becomes of one that is let go |
//! | `statement` | where the placeholders are, and what is not passed on |
//! | `answer` | rows within limits |
//! | `session` | what a driver has to do |
//! | `postgres`, `mysql`, `sqlite`, `odbc` | the drivers, each with its types |
//! | `reach` | from the operator's target to a vetted address |
//! | `worker` | a thread for a driver that waits where it stands |
//! | `value`, `error` | what came back |

mod answer;
mod database;
mod error;
mod mysql;
#[cfg(feature = "odbc")]
mod odbc;
mod pool;
mod postgres;
mod reach;
mod session;
mod sqlite;
mod statement;
#[cfg(test)]
mod tests;
mod value;
mod worker;

use std::sync::Arc;

use wasmtime::component::Resource;

use super::outbound::Outcome;
use crate::bindings::tombolo::connector::sql::{Cell, Host, HostTransaction, Rows, SqlError};
use crate::guest::Guest;
use crate::interference::Struck;
use answer::{Answer, weight};
pub(crate) use database::Database;
use database::{Asked, Caller, Open};
use error::Error;

/// Transactions that one call may have open: each holds a connection.
const TRANSACTIONS: usize = 4;
/// What a guest is told of an error.
const MESSAGE_BYTES: usize = 4096;

/// An open transaction, as the guest holds it. Whatever ends the guest rolls it back.
#[allow(unreachable_pub)] // the bindings name it in what they generate
pub struct Transaction {
    target: String,
    open: Arc<Open>,
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.open.close();
    }
}

/// What one call has begun. A guest that keeps a handle beyond its call keeps nothing.
#[derive(Default)]
pub(crate) struct Transactions(Vec<Arc<Open>>);

impl Transactions {
    fn add(&mut self, open: Arc<Open>) {
        self.0.retain(|open| open.is_open());
        self.0.push(open);
    }

    fn is_full(&mut self) -> bool {
        self.0.retain(|open| open.is_open());
        self.0.len() >= TRANSACTIONS
    }

    /// The call is over: what is still open is rolled back.
    pub(crate) fn end(&mut self) {
        for open in self.0.drain(..) {
            open.close();
        }
    }
}

impl Drop for Transactions {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the audit record says of a statement.
fn outcome(error: Option<&Error>) -> Outcome {
    match error {
        None => Outcome::Done,
        Some(Error::NotGranted(_) | Error::Egress(_)) => Outcome::Denied,
        Some(
            Error::Resolve
            | Error::Connect(_)
            | Error::Tls(_)
            | Error::NoTls
            | Error::TimedOut { .. }
            | Error::PoolBusy(_)
            | Error::Unsent
            | Error::Lost { .. },
        ) => Outcome::Failed,
        Some(error) => Outcome::Refused(Some(error.state().to_owned())),
    }
}

impl Guest {
    fn caller(&self) -> Caller {
        Caller {
            deadline: self.deadline(),
            max_bytes: self.grants.limits.host_call_bytes,
        }
    }

    fn database(&self, target: &str) -> Result<Arc<Database>, Error> {
        self.grants
            .targets
            .sql(target)
            .ok_or_else(|| Error::NotGranted(target.to_owned()))
    }

    fn sql_error(&self, error: &Error) -> SqlError {
        SqlError {
            sqlstate: Some(error.state().to_owned()),
            message: self.grants.redactor.text(&error.to_string(), MESSAGE_BYTES),
        }
    }

    /// Every statement, and the beginning and end of a transaction, goes through here: counted, and recorded.
    async fn sql<T>(
        &mut self,
        operation: &'static str,
        target: &str,
        sent: usize,
        work: impl Future<Output = Result<(T, usize), Error>>,
    ) -> wasmtime::Result<Result<T, SqlError>> {
        let call = self.outbound("sql", operation, target, sent)?;
        let broken = |struck| Error::Lost {
            maybe_done: struck == Struck::After,
        };
        let done = call.fate().around(work, broken).await;
        let received = done.as_ref().map_or(0, |(_, received)| *received);
        call.end(&outcome(done.as_ref().err()), received);
        match done {
            Ok((value, received)) => {
                self.charge_bytes(received)?;
                Ok(Ok(value))
            }
            Err(error) => Ok(Err(self.sql_error(&error))),
        }
    }

    async fn statement(
        &mut self,
        operation: &'static str,
        target: &str,
        asked: Asked,
    ) -> wasmtime::Result<Result<Answer, SqlError>> {
        let (database, caller) = (self.database(target), self.caller());
        let sent = size(&asked);
        let work = async { weighed(database?.run(asked, caller).await?) };
        self.sql(operation, target, sent, work).await
    }

    async fn in_transaction(
        &mut self,
        operation: &'static str,
        transaction: &Resource<Transaction>,
        asked: Asked,
    ) -> wasmtime::Result<Result<Answer, SqlError>> {
        let Transaction { target, open } = self.table.get(transaction)?;
        let (target, open, caller) = (target.clone(), Arc::clone(open), self.caller());
        let sent = size(&asked);
        let work = async { weighed(open.run(asked, caller).await?) };
        self.sql(operation, &target, sent, work).await
    }
}

fn size(asked: &Asked) -> usize {
    asked.statement.len() + asked.parameters.iter().map(weight).sum::<usize>()
}

#[allow(clippy::unnecessary_wraps)] // it ends a chain of `?`
fn weighed(answer: Answer) -> Result<(Answer, usize), Error> {
    let bytes = answer.bytes;
    Ok((answer, bytes))
}

fn rows(answer: Answer) -> Rows {
    Rows {
        columns: answer.columns,
        rows: answer.rows,
        truncated: answer.truncated,
    }
}

/// A change may answer rows (`RETURNING`); who executes it does not want them.
fn execution(statement: String, parameters: Vec<Cell>) -> Asked {
    Asked {
        statement,
        parameters,
        limit: 1,
    }
}

impl Host for Guest {
    async fn query(
        &mut self,
        target: String,
        statement: String,
        parameters: Vec<Cell>,
        limit: u32,
    ) -> wasmtime::Result<Result<Rows, SqlError>> {
        let asked = Asked {
            statement,
            parameters,
            limit,
        };
        Ok(self.statement("query", &target, asked).await?.map(rows))
    }

    async fn execute(
        &mut self,
        target: String,
        statement: String,
        parameters: Vec<Cell>,
    ) -> wasmtime::Result<Result<u64, SqlError>> {
        let asked = execution(statement, parameters);
        let answer = self.statement("execute", &target, asked).await?;
        Ok(answer.map(|answer| answer.affected))
    }

    async fn begin(
        &mut self,
        target: String,
    ) -> wasmtime::Result<Result<Resource<Transaction>, SqlError>> {
        let full = self.call.transactions.is_full();
        let (database, caller) = (self.database(&target), self.caller());
        let work = async {
            if full {
                return Err(Error::Transactions(TRANSACTIONS));
            }
            Ok((database?.begin(caller).await?, 0))
        };
        let open = match self.sql("begin", &target, 0, work).await? {
            Ok(open) => Arc::new(open),
            Err(error) => return Ok(Err(error)),
        };
        self.call.transactions.add(Arc::clone(&open));
        Ok(Ok(self.table.push(Transaction { target, open })?))
    }
}

impl HostTransaction for Guest {
    async fn query(
        &mut self,
        transaction: Resource<Transaction>,
        statement: String,
        parameters: Vec<Cell>,
        limit: u32,
    ) -> wasmtime::Result<Result<Rows, SqlError>> {
        let asked = Asked {
            statement,
            parameters,
            limit,
        };
        Ok(self
            .in_transaction("query", &transaction, asked)
            .await?
            .map(rows))
    }

    async fn execute(
        &mut self,
        transaction: Resource<Transaction>,
        statement: String,
        parameters: Vec<Cell>,
    ) -> wasmtime::Result<Result<u64, SqlError>> {
        let asked = execution(statement, parameters);
        let answer = self.in_transaction("execute", &transaction, asked).await?;
        Ok(answer.map(|answer| answer.affected))
    }

    async fn commit(
        &mut self,
        transaction: Resource<Transaction>,
    ) -> wasmtime::Result<Result<(), SqlError>> {
        let Transaction { target, open } = self.table.get(&transaction)?;
        let (target, open, caller) = (target.clone(), Arc::clone(open), self.caller());
        let work = async { Ok((open.commit(caller).await?, 0)) };
        self.sql("commit", &target, 0, work).await
    }

    async fn drop(&mut self, transaction: Resource<Transaction>) -> wasmtime::Result<()> {
        self.table.delete(transaction)?;
        Ok(())
    }
}
