//! MySQL and MariaDB, through `mysql_async`: it connects to the addresses that it is given while TLS verifies the
//! name, prepares every statement (so a server takes one statement and never two), and streams rows with their types.
//!
//! A change answers how many rows it found, not how many it changed, as the other databases do: zero means that
//! there is no such row. Sessions are strict, so that a value which does not fit is refused and not cut.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Column, Conn, DriverError, Opts, OptsBuilder, Params, SslOpts, Value};
use rustls::RootCertStore;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use super::answer::{Answer, Job};
use super::error::{Error, Stage};
use super::reach::{Protection, Reach, handshake};
use super::session::{Access, Connect, Session};
use super::value::{self, clock, decimal, text};
use crate::app::SqlServer;
use crate::bindings::tombolo::connector::sql::Cell;
use crate::contract::Scalar;

/// What every session begins with: what it says and hears must not depend on the server's settings.
const SETUP: &str = "SET time_zone = '+00:00', sql_mode = CONCAT(REPLACE(REPLACE(@@sql_mode, \
                     'NO_BACKSLASH_ESCAPES', ''), 'ANSI_QUOTES', ''), ',STRICT_ALL_TABLES')";
/// The character set that is none.
const BINARY: u16 = 63;

/// Makes connections to one server.
pub(super) struct Connector {
    reach: Reach,
    options: OptsBuilder,
    tls: Option<SslOpts>,
    password: SecretString,
}

impl Connector {
    pub(super) fn new(reach: Reach, server: &SqlServer) -> Self {
        let options = OptsBuilder::default()
            .ip_or_hostname(reach.host.clone())
            .tcp_port(reach.port)
            .user(Some(server.user.clone()))
            .db_name(Some(server.database.clone()))
            // It would go on over the path of a local socket that the server names.
            .prefer_socket(false)
            .tcp_nodelay(true)
            .client_found_rows(true)
            // Statements are prepared for one use: the schema may change under a kept one.
            .stmt_cache_size(0)
            .setup(vec![SETUP]);
        let tls = match reach.protection {
            Protection::Off => None,
            Protection::Prefer(_) | Protection::Require(_) => Some(
                SslOpts::default()
                    .with_disable_built_in_roots(true)
                    .with_root_certs(
                        roots(server.ca.clone())
                            .into_iter()
                            .map(Into::into)
                            .collect(),
                    ),
            ),
        };
        Self {
            reach,
            options,
            tls,
            password: server.password.clone(),
        }
    }

    async fn open(&self, tls: Option<SslOpts>) -> Result<Conn, mysql_async::Error> {
        let addresses = self
            .reach
            .addresses()
            .await
            .map_err(|error| mysql_async::Error::Other(Box::new(error)))?;
        let addresses: Vec<_> = addresses.iter().map(std::net::SocketAddr::ip).collect();
        let options = self
            .options
            .clone()
            .resolved_ips(Some(addresses))
            .pass(Some(self.password.expose_secret()))
            .ssl_opts(tls);
        Conn::new(Opts::from(options)).await
    }

    /// What the server said may hold addresses: they are for the log.
    fn refused(&self, error: mysql_async::Error) -> Error {
        let error = match error {
            mysql_async::Error::Other(other) => match other.downcast::<Error>() {
                Ok(own) => return *own,
                Err(other) => mysql_async::Error::Other(other),
            },
            error => error,
        };
        self.reach.failed(&error);
        match &error {
            mysql_async::Error::Server(server) => match server.code {
                // Access denied, to everything or to the database; no such database.
                1044 | 1045 | 1049 | 1698 | 4151 => Error::Login {
                    state: server.state.clone(),
                },
                _ => Error::Connect(format!(
                    "the server refuses the connection ({})",
                    server.code
                )),
            },
            mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer) => Error::NoTls,
            _ => handshake(&error).unwrap_or_else(|| {
                Error::Connect(match &error {
                    mysql_async::Error::Io(mysql_async::IoError::Io(io)) => io.kind().to_string(),
                    _ => "the server ended the connection".to_owned(),
                })
            }),
        }
    }
}

/// What is trusted: the operator's authorities, or those of the system that can be read.
fn roots(ca: Option<Vec<u8>>) -> Vec<Vec<u8>> {
    if let Some(pem) = ca {
        return vec![pem];
    }
    rustls_native_certs::load_native_certs()
        .certs
        .into_iter()
        .filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok())
        .map(|certificate| certificate.to_vec())
        .collect()
}

#[async_trait]
impl Connect for Connector {
    async fn connect(&self) -> Result<Box<dyn Session>, Error> {
        let connected = match self.open(self.tls.clone()).await {
            Err(mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer))
                if matches!(self.reach.protection, Protection::Prefer(_)) =>
            {
                self.open(None).await
            }
            other => other,
        };
        let connection = connected.map_err(|error| self.refused(error))?;
        Ok(Box::new(Connection {
            // The same options, with the addresses as they were.
            again: connection.opts().clone(),
            connection,
        }))
    }
}

struct Connection {
    connection: Conn,
    again: Opts,
}

impl Connection {
    async fn rows(
        &mut self,
        statement: &mysql_async::Statement,
        parameters: Vec<Value>,
        job: &Job,
    ) -> Result<Answer, Error> {
        let stage = Stage::sent(job.statement.reads);
        let lost = |error| failed(&error, stage);
        let mut answer = Answer::default();
        let parameters = if parameters.is_empty() {
            Params::Empty
        } else {
            Params::Positional(parameters)
        };
        let mut result = self
            .connection
            .exec_iter(statement, parameters)
            .await
            .map_err(lost)?;
        let columns = result.columns().unwrap_or_else(|| Arc::from(Vec::new()));
        answer.columns(columns.iter().map(Column::name_str), job)?;
        answer.affected = result.affected_rows();
        while let Some(row) = result.next().await.map_err(lost)? {
            if answer.is_full(job) {
                // Read on and thrown away: there is no other way to the end of an answer.
                answer.truncated = true;
                continue;
            }
            let mut cells = Vec::with_capacity(columns.len());
            for (value, column) in row.unwrap().into_iter().zip(columns.iter()) {
                cells.push(cell(value, column)?);
            }
            answer.push(cells, job)?;
        }
        // A procedure ends with a status of its own.
        result.drop_result().await.map_err(lost)?;
        Ok(answer)
    }

    async fn simple(&mut self, statement: &str, stage: Stage) -> Result<(), Error> {
        self.connection
            .query_drop(statement)
            .await
            .map_err(|error| failed(&error, stage))
    }
}

#[async_trait]
impl Session for Connection {
    async fn run(&mut self, job: &Arc<Job>, _deadline: Instant) -> Result<Answer, Error> {
        let mut parameters = Vec::with_capacity(job.parameters.len());
        for (position, cell) in job.parameters.iter().enumerate() {
            parameters.push(parameter(cell).map_err(|why| Error::Parameter {
                position: position + 1,
                why,
            })?);
        }
        // Nothing is executed by this, so nothing can have been done.
        let statement = self
            .connection
            .prep(job.statement.text.as_str())
            .await
            .map_err(|error| failed(&error, Stage::Before))?;
        if usize::from(statement.num_params()) != parameters.len() {
            let placeholders = usize::from(statement.num_params());
            self.connection
                .close(statement)
                .await
                .map_err(|error| failed(&error, Stage::Before))?;
            return Err(Error::Count {
                placeholders,
                given: parameters.len(),
            });
        }
        let answer = self.rows(&statement, parameters, job).await;
        let unfinished = matches!(
            answer,
            Err(Error::TooLarge(_) | Error::Value { .. } | Error::Lost { .. })
        );
        if !unfinished && let Err(error) = self.connection.close(statement).await {
            // What was asked is done; the connection is not to be used again.
            tracing::debug!(%error, "sql: a statement is not closed");
        }
        answer
    }

    async fn begin(&mut self, access: Access, _deadline: Instant) -> Result<(), Error> {
        let statement = match access {
            Access::ReadWrite => "START TRANSACTION",
            Access::ReadOnly => "START TRANSACTION READ ONLY",
        };
        self.simple(statement, Stage::Before).await
    }

    async fn commit(&mut self) -> Result<(), Error> {
        self.simple("COMMIT", Stage::Changing).await
    }

    async fn rollback(&mut self) -> Result<(), Error> {
        self.simple("ROLLBACK", Stage::Reading).await
    }

    async fn cancel(&mut self) {
        // The server does not notice that a connection was closed until it has something to say on it.
        let kill = async {
            let mut other = Conn::new(self.again.clone()).await?;
            other
                .query_drop(format!("KILL CONNECTION {}", self.connection.id()))
                .await?;
            other.disconnect().await
        };
        if let Err(error) = kill.await {
            tracing::debug!(%error, "sql cancel");
        }
    }
}

fn parameter(cell: &Cell) -> Result<Value, String> {
    let Cell::Is(scalar) = cell else {
        return Ok(Value::NULL);
    };
    Ok(match scalar {
        Scalar::Text(text) | Scalar::Decimal(text) => Value::Bytes(text.clone().into_bytes()),
        Scalar::Boolean(value) => Value::Int((*value).into()),
        Scalar::Integer(value) => Value::Int(*value),
        Scalar::Instant(instant) => {
            let at = value::utc(instant)?;
            let year =
                u16::try_from(at.year()).map_err(|_| "MySQL knows no years before 0".to_owned())?;
            let part = |part: i8| part.unsigned_abs();
            Value::Date(
                year,
                part(at.month()),
                part(at.day()),
                part(at.hour()),
                part(at.minute()),
                part(at.second()),
                at.subsec_nanosecond().unsigned_abs() / 1000,
            )
        }
        Scalar::Bytes(bytes) => Value::Bytes(bytes.clone()),
    })
}

fn cell(value: Value, column: &Column) -> Result<Cell, Error> {
    use ColumnType::{
        MYSQL_TYPE_BIT, MYSQL_TYPE_DATE, MYSQL_TYPE_DECIMAL, MYSQL_TYPE_NEWDECIMAL,
        MYSQL_TYPE_TIMESTAMP, MYSQL_TYPE_TIMESTAMP2, MYSQL_TYPE_TINY,
    };
    let kind = column.column_type();
    Ok(match value {
        Value::NULL => Cell::Null,
        // What `BOOLEAN` is an alias of. Another number in such a column stays what it is.
        Value::Int(n @ (0 | 1)) if kind == MYSQL_TYPE_TINY && column.column_length() == 1 => {
            value::boolean(n == 1)
        }
        Value::UInt(n @ (0 | 1)) if kind == MYSQL_TYPE_TINY && column.column_length() == 1 => {
            value::boolean(n == 1)
        }
        Value::Int(n) if column.flags().contains(ColumnFlags::UNSIGNED_FLAG) => {
            value::unsigned(n.cast_unsigned())
        }
        Value::Int(n) => value::integer(n),
        Value::UInt(n) => value::unsigned(n),
        Value::Float(n) => value::single(n),
        Value::Double(n) => value::double(n),
        Value::Date(year, month, day, hour, minute, second, micro) => {
            let date = format!("{year:04}-{month:02}-{day:02}");
            if kind == MYSQL_TYPE_DATE {
                return Ok(text(date));
            }
            let micros = (u64::from(hour) * 3600 + u64::from(minute) * 60 + u64::from(second))
                * 1_000_000
                + u64::from(micro);
            let local = format!("{date}T{}", clock(micros));
            let zoned = matches!(kind, MYSQL_TYPE_TIMESTAMP | MYSQL_TYPE_TIMESTAMP2);
            // The zero date is no instant.
            match local.parse::<DateTime>() {
                Ok(at) if zoned => at
                    .to_zoned(TimeZone::UTC)
                    .map_or_else(|_| text(local), |at| value::instant(at.timestamp())),
                _ => text(local),
            }
        }
        Value::Time(negative, days, hours, minutes, seconds, micros) => {
            let sign = if negative { "-" } else { "" };
            let hours = u64::from(days) * 24 + u64::from(hours);
            let seconds = (hours * 60 + u64::from(minutes)) * 60 + u64::from(seconds);
            text(format!(
                "{sign}{}",
                clock(seconds * 1_000_000 + u64::from(micros))
            ))
        }
        Value::Bytes(bytes) if kind == MYSQL_TYPE_BIT => match bytes.as_slice() {
            [bit @ (0 | 1)] if column.column_length() == 1 => value::boolean(*bit == 1),
            _ => value::bytes(bytes),
        },
        Value::Bytes(bytes) if matches!(kind, MYSQL_TYPE_DECIMAL | MYSQL_TYPE_NEWDECIMAL) => {
            decimal(utf8(bytes, column)?)
        }
        Value::Bytes(bytes) if is_binary(column) => value::bytes(bytes),
        Value::Bytes(bytes) => text(utf8(bytes, column)?),
    })
}

/// JSON and the like have the binary character set, and are text nevertheless.
fn is_binary(column: &Column) -> bool {
    column.character_set() == BINARY && column.column_type() != ColumnType::MYSQL_TYPE_JSON
}

fn utf8(bytes: Vec<u8>, column: &Column) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|_| Error::Value {
        column: column.name_str().into_owned(),
        why: "the server's text is not UTF-8".to_owned(),
    })
}

/// What an error of a session means.
fn failed(error: &mysql_async::Error, stage: Stage) -> Error {
    match error {
        mysql_async::Error::Server(server) => Error::Database {
            state: state(server.code, &server.state).to_owned(),
            message: server.message.clone(),
        },
        _ => stage.into(),
    }
}

/// The standard's state where MySQL has a class only, or none.
fn state(code: u16, given: &str) -> &str {
    match code {
        // Duplicate entry, also with the key's name; duplicate key on write; in a foreign key's table.
        1022 | 1062 | 1169 | 1586 | 1761 | 1762 => "23505",
        1216 | 1217 | 1451 | 1452 => "23503",
        // Column cannot be null, has no default.
        1048 | 1364 => "23502",
        // Check constraints, of MySQL and of MariaDB.
        3819 | 4025 => "23514",
        // Lock wait time-out, deadlock, record changed since it was read.
        1020 | 1205 | 1213 => "40001",
        // Interrupted, and out of its own time.
        1317 | 1969 | 3024 => "57014",
        1142 | 1143 | 1227 | 1370 => "42501",
        _ => given,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_become_the_state_that_says_which() {
        assert_eq!(state(1062, "23000"), "23505");
        assert_eq!(state(1452, "23000"), "23503");
        assert_eq!(state(1048, "23000"), "23502");
        assert_eq!(state(1205, "HY000"), "40001");
        assert_eq!(state(1146, "42S02"), "42S02");
    }

    fn shown(value: Value, column: &Column) -> String {
        match cell(value, column).expect("a value") {
            Cell::Is(Scalar::Text(text) | Scalar::Decimal(text) | Scalar::Instant(text)) => text,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_zero_date_is_text_and_never_another_day() {
        let timestamp = Column::new(ColumnType::MYSQL_TYPE_TIMESTAMP);
        let zero = Value::Date(0, 0, 0, 0, 0, 0, 0);
        assert_eq!(shown(zero.clone(), &timestamp), "0000-00-00T00:00:00");
        assert_eq!(
            shown(zero, &Column::new(ColumnType::MYSQL_TYPE_DATE)),
            "0000-00-00"
        );
        let some = Value::Date(2024, 1, 31, 10, 20, 30, 500_000);
        assert_eq!(shown(some.clone(), &timestamp), "2024-01-31T10:20:30.5Z");
        assert_eq!(
            shown(some, &Column::new(ColumnType::MYSQL_TYPE_DATETIME)),
            "2024-01-31T10:20:30.5"
        );
    }

    #[test]
    fn times_may_be_longer_than_a_day() {
        let time = Column::new(ColumnType::MYSQL_TYPE_TIME);
        assert_eq!(
            shown(Value::Time(true, 34, 22, 59, 59, 0), &time),
            "-838:59:59"
        );
    }
}
