//! SQLite files, through `rusqlite` with the library built in, so that it is the same everywhere.
//!
//! The library waits where it stands: each connection has a thread. A value is what SQLite stores, whatever its
//! column was declared as; only a declared BOOLEAN makes booleans of 0 and 1.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::config::DbConfig;
use rusqlite::ffi::{self, ErrorCode};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, InterruptHandle, OpenFlags};
use tokio::time::{Duration, Instant};

use super::answer::{Answer, Job};
use super::error::Error;
use super::session::{Access, Connect, Session};
use super::value::{self, text};
use super::worker::Worker;
use crate::app::SqliteFile;
use crate::bindings::tombolo::connector::sql::Cell;
use crate::contract::Scalar;

/// Opens one file.
pub(super) struct Connector {
    target: String,
    path: PathBuf,
    flags: OpenFlags,
}

impl Connector {
    pub(super) fn new(target: &str, file: &SqliteFile, read_only: bool) -> Self {
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags |= if read_only {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        } else {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        };
        if file.create && !read_only {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        Self {
            target: target.to_owned(),
            path: file.path.clone(),
            flags,
        }
    }
}

#[async_trait]
impl Connect for Connector {
    async fn connect(&self) -> Result<Box<dyn Session>, Error> {
        let (path, flags, target) = (self.path.clone(), self.flags, self.target.clone());
        let worker = Worker::start(move || {
            open(&path, flags).map_err(|error| {
                tracing::warn!(target, path = %path.display(), %error, "sqlite file not opened");
                let reason = match error.sqlite_error_code() {
                    Some(ErrorCode::CannotOpen) => "the file is not there, or may not be opened",
                    Some(ErrorCode::NotADatabase) => "the file is not a SQLite database",
                    _ => "the file cannot be used; the host's log says why",
                };
                Error::Connect(reason.to_owned())
            })
        })
        .await?;
        let interrupt = worker
            .run(|connection| Ok(connection.get_interrupt_handle()))
            .await?;
        Ok(Box::new(File { worker, interrupt }))
    }
}

fn open(path: &std::path::Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    // A file from elsewhere may hold a schema that attacks (sqlite.org/security.html), and a statement must
    // not reach a second file.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    // Opening is lazy: this is where a file that is none shows.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(connection)
}

struct File {
    worker: Worker<Connection>,
    interrupt: InterruptHandle,
}

impl File {
    async fn simple(&self, statement: &'static str, wait: Duration) -> Result<(), Error> {
        self.worker
            .run(move |connection| {
                connection.busy_timeout(wait).map_err(failed)?;
                connection.execute_batch(statement).map_err(failed)
            })
            .await
    }
}

#[async_trait]
impl Session for File {
    async fn run(&mut self, job: &Arc<Job>, deadline: Instant) -> Result<Answer, Error> {
        let job = Arc::clone(job);
        self.worker
            .run(move |connection| {
                connection
                    .busy_timeout(remaining(deadline))
                    .map_err(failed)?;
                let in_transaction = !connection.is_autocommit();
                let answer = run(connection, &job);
                // Some errors roll everything back (sqlite.org/lang_transaction.html), and a following statement
                // would run outside of any transaction.
                match answer {
                    Err(Error::Database { state, message })
                        if in_transaction && connection.is_autocommit() =>
                    {
                        let state = if state.starts_with("40") {
                            state
                        } else {
                            "40000".to_owned()
                        };
                        Err(Error::Database { state, message })
                    }
                    answer => answer,
                }
            })
            .await
    }

    async fn begin(&mut self, access: Access, deadline: Instant) -> Result<(), Error> {
        // Immediate: a transaction that reads first and writes later can lose its place to another writer.
        let statement = match access {
            Access::ReadWrite => "BEGIN IMMEDIATE",
            Access::ReadOnly => "BEGIN",
        };
        self.simple(statement, remaining(deadline)).await
    }

    async fn commit(&mut self) -> Result<(), Error> {
        self.worker
            .run(|connection| connection.execute_batch("COMMIT").map_err(failed))
            .await
    }

    async fn rollback(&mut self) -> Result<(), Error> {
        self.worker
            .run(|connection| {
                if connection.is_autocommit() {
                    return Ok(());
                }
                connection.execute_batch("ROLLBACK").map_err(failed)
            })
            .await
    }

    async fn cancel(&mut self) {
        self.interrupt.interrupt();
        // What was asked before is over when this is.
        let _ = self.worker.run(|_| Ok(())).await;
    }
}

/// A little less than there is, so that the library's own error comes before the host's.
fn remaining(deadline: Instant) -> Duration {
    deadline
        .saturating_duration_since(Instant::now())
        .saturating_sub(Duration::from_millis(50))
}

fn run(connection: &Connection, job: &Job) -> Result<Answer, Error> {
    let mut statement = connection.prepare(&job.statement.text).map_err(failed)?;
    if statement.parameter_count() != job.parameters.len() {
        return Err(Error::Count {
            placeholders: statement.parameter_count(),
            given: job.parameters.len(),
        });
    }
    for (index, cell) in job.parameters.iter().enumerate() {
        statement
            .raw_bind_parameter(index + 1, parameter(cell))
            .map_err(failed)?;
    }
    let mut answer = Answer::default();
    let columns: Vec<(String, bool)> = statement
        .columns()
        .map(|column| (column.name().to_owned(), is_boolean(column.decl_type())))
        .collect();
    answer.columns(columns.iter().map(|(name, _)| name.as_str()), job)?;
    let before = connection.total_changes();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(failed)? {
        if answer.is_full(job) {
            // All changes of a statement are made before its first row, so nothing is lost by stopping here.
            answer.truncated = true;
            break;
        }
        let mut cells = Vec::with_capacity(columns.len());
        for (index, (_, boolean)) in columns.iter().enumerate() {
            cells.push(cell(row.get_ref(index).map_err(failed)?, *boolean));
        }
        answer.push(cells, job)?;
    }
    drop(rows);
    // What a statement that changes no row (a CREATE) would answer is the count of the one before.
    if connection.total_changes() != before {
        answer.affected = connection.changes();
    }
    Ok(answer)
}

fn is_boolean(declared: Option<&str>) -> bool {
    declared.is_some_and(|kind| {
        kind.eq_ignore_ascii_case("boolean") || kind.eq_ignore_ascii_case("bool")
    })
}

fn parameter(cell: &Cell) -> ToSqlOutput<'_> {
    match cell {
        Cell::Null => ToSqlOutput::Owned(Value::Null),
        Cell::Is(Scalar::Text(text) | Scalar::Decimal(text) | Scalar::Instant(text)) => {
            ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))
        }
        Cell::Is(Scalar::Boolean(value)) => ToSqlOutput::Owned(Value::Integer((*value).into())),
        Cell::Is(Scalar::Integer(value)) => ToSqlOutput::Owned(Value::Integer(*value)),
        Cell::Is(Scalar::Bytes(bytes)) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
    }
}

fn cell(stored: ValueRef<'_>, boolean: bool) -> Cell {
    match stored {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(n @ (0 | 1)) if boolean => value::boolean(n == 1),
        ValueRef::Integer(n) => value::integer(n),
        ValueRef::Real(n) => value::double(n),
        // SQLite takes any bytes for text; what is not text is handed over as what it is.
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(valid) => text(valid),
            Err(_) => value::bytes(bytes),
        },
        ValueRef::Blob(bytes) => value::bytes(bytes),
    }
}

fn failed(error: rusqlite::Error) -> Error {
    match error {
        rusqlite::Error::SqliteFailure(error, message) => Error::Database {
            state: state(error).to_owned(),
            message: message.unwrap_or_else(|| error.to_string()),
        },
        rusqlite::Error::SqlInputError { error, msg, .. } => Error::Database {
            state: state(error).to_owned(),
            message: msg,
        },
        error => Error::Database {
            state: "HY000".to_owned(),
            message: error.to_string(),
        },
    }
}

/// The nearest SQLSTATE.
fn state(error: ffi::Error) -> &'static str {
    match error.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_ROWID => {
            return "23505";
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => return "23503",
        ffi::SQLITE_CONSTRAINT_NOTNULL => return "23502",
        ffi::SQLITE_CONSTRAINT_CHECK => return "23514",
        _ => {}
    }
    match error.code {
        ErrorCode::ConstraintViolation => "23000",
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => "40001",
        ErrorCode::OperationInterrupted => "57014",
        ErrorCode::ReadOnly => "25006",
        ErrorCode::AuthorizationForStatementDenied | ErrorCode::PermissionDenied => "42501",
        ErrorCode::DiskFull | ErrorCode::OutOfMemory => "53000",
        ErrorCode::SystemIoFailure => "58030",
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => "XX001",
        ErrorCode::TypeMismatch => "42804",
        ErrorCode::TooBig => "54000",
        ErrorCode::Unknown => "42000",
        _ => "HY000",
    }
}
