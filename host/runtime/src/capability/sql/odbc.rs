//! Whatever an ODBC driver of this machine reaches (Oracle, DB2, SQL Server …), through `odbc-api`. A cargo feature,
//! because it needs the driver manager's library to link.
//!
//! The driver makes the connection: the host's egress policy cannot judge its address, and TLS is the driver's to do.
//! Texts and numbers cross as text, so that no digit is lost; the driver says of which type each column is. ODBC has
//! no time zones: a point in time is given and read as UTC, and it is the data source that has to be set so.

use std::sync::Arc;

use async_trait::async_trait;
use odbc_api::parameter::{InputParameter, WithDataType};
use odbc_api::{
    Bit, Connection, ConnectionOptions, Cursor, CursorRow, DataType, IntoParameter as _, Nullable,
    ResultSetMetadata as _, Utf16String,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Duration, Instant};

use super::answer::{Answer, Job};
use super::error::{Error, Stage};
use super::session::{Access, Connect, Session};
use super::value::{self, decimal, text};
use super::worker::Worker;
use crate::app::OdbcSource;
use crate::bindings::tombolo::connector::sql::Cell;
use crate::contract::Scalar;

/// `SQL_SS_TIMESTAMPOFFSET` and `SQL_GUID`, which the standard's list of types does not have.
const OFFSET: i16 = -155;
const GUID: i16 = -11;

/// Connects to one data source.
pub(super) struct Connector {
    target: String,
    connection: String,
    user: String,
    password: SecretString,
    seconds: u32,
}

impl Connector {
    pub(super) fn new(target: &str, source: &OdbcSource, connect_timeout: Duration) -> Self {
        Self {
            target: target.to_owned(),
            connection: source.connection.trim_end_matches(';').to_owned(),
            user: source.user.clone(),
            password: source.password.clone(),
            seconds: u32::try_from(connect_timeout.as_secs())
                .unwrap_or(u32::MAX)
                .max(1),
        }
    }

    fn attributes(&self) -> SecretString {
        let mut whole = self.connection.clone();
        for (key, value) in [
            ("UID", self.user.as_str()),
            ("PWD", self.password.expose_secret()),
        ] {
            if !value.is_empty() {
                whole.push_str(&format!(";{key}={}", attribute(value)));
            }
        }
        whole.into()
    }
}

/// A value that has a character of the syntax in it goes into braces.
fn attribute(value: &str) -> String {
    if value.contains(|c: char| "[]{}(),;?*=!@+ ".contains(c)) {
        format!("{{{}}}", value.replace('}', "}}"))
    } else {
        value.to_owned()
    }
}

#[async_trait]
impl Connect for Connector {
    async fn connect(&self) -> Result<Box<dyn Session>, Error> {
        let (attributes, target, seconds) = (self.attributes(), self.target.clone(), self.seconds);
        let worker = Worker::start(move || {
            let options = ConnectionOptions {
                login_timeout_sec: Some(seconds),
                ..ConnectionOptions::default()
            };
            let connected = odbc_api::environment().and_then(|environment| {
                let connection = environment
                    .connect_with_connection_string(attributes.expose_secret(), options)?;
                let vendor = Vendor::of(&connection.database_management_system_name()?);
                Ok(Source { connection, vendor })
            });
            connected.map_err(|error| refused(&target, &error))
        })
        .await?;
        Ok(Box::new(Handle { worker }))
    }
}

/// What the driver said may hold addresses: it is for the log.
fn refused(target: &str, error: &odbc_api::Error) -> Error {
    tracing::warn!(target, %error, "odbc connection failed");
    let state = match error {
        odbc_api::Error::Diagnostics { record, .. } => record.state.as_str().to_owned(),
        _ => "08001".to_owned(),
    };
    if state.starts_with("28") {
        return Error::Login { state };
    }
    let hint = if state == "IM002" || state == "01000" {
        ": is its driver installed, and its name in odbcinst.ini or odbc.ini?"
    } else {
        ""
    };
    Error::Connect(format!("the ODBC driver does not connect ({state}){hint}"))
}

/// Whose numbers an error has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vendor {
    SqlServer,
    Oracle,
    Other,
}

impl Vendor {
    fn of(name: &str) -> Self {
        if name.contains("SQL Server") {
            Self::SqlServer
        } else if name.contains("Oracle") {
            Self::Oracle
        } else {
            Self::Other
        }
    }

    /// The standard's state where the driver has a class only.
    fn state(self, number: i32, given: &str) -> &str {
        match (self, number) {
            (Self::SqlServer, 2601 | 2627) | (Self::Oracle, 1) => "23505",
            (Self::SqlServer, 547) | (Self::Oracle, 2291 | 2292) => "23503",
            (Self::SqlServer, 515) | (Self::Oracle, 1400 | 1407) => "23502",
            (Self::Oracle, 2290) => "23514",
            (Self::SqlServer, 1205 | 1222 | 3960) | (Self::Oracle, 60 | 8177) => "40001",
            (Self::SqlServer, 18456) | (Self::Oracle, 1017) => "28000",
            (Self::SqlServer, 229 | 230) | (Self::Oracle, 1031) => "42501",
            // The driver's own time-outs.
            _ if given.starts_with("HYT") => "57014",
            _ => given,
        }
    }
}

struct Source {
    connection: Connection<'static>,
    vendor: Vendor,
}

impl Source {
    /// Does the driver know that its connection is gone?
    fn is_dead(&self) -> bool {
        self.connection.is_dead().unwrap_or(false)
    }

    /// What an error of a session means.
    fn failed(&self, error: &odbc_api::Error, stage: Stage) -> Error {
        let odbc_api::Error::Diagnostics { record, .. } = error else {
            return Error::Database {
                state: "HY000".to_owned(),
                message: error.to_string(),
            };
        };
        let given = record.state.as_str();
        let message = String::from_utf16_lossy(&record.message);
        if given.starts_with("08") || tells_of_loss(given, &message) || self.is_dead() {
            return stage.into();
        }
        Error::Database {
            state: self.vendor.state(record.native_error, given).to_owned(),
            message,
        }
    }
}

/// psqlODBC says HY000, "general error", of a connection that is gone, and does not always know that it is. Taking
/// another error for this one costs a connection and no more.
fn tells_of_loss(state: &str, message: &str) -> bool {
    state == "HY000" && message.to_ascii_lowercase().contains("connection")
}

struct Handle {
    worker: Worker<Source>,
}

#[async_trait]
impl Session for Handle {
    async fn run(&mut self, job: &Arc<Job>, deadline: Instant) -> Result<Answer, Error> {
        let job = Arc::clone(job);
        self.worker
            .run(move |source| run(source, &job, deadline))
            .await
    }

    async fn begin(&mut self, _access: Access, _deadline: Instant) -> Result<(), Error> {
        // Read-only transactions are rolled back by who asked for them.
        self.worker
            .run(|source| {
                let begun = source.connection.set_autocommit(false);
                begun.map_err(|error| source.failed(&error, Stage::Before))
            })
            .await
    }

    async fn commit(&mut self) -> Result<(), Error> {
        self.worker
            .run(|source| {
                let connection = &source.connection;
                // psqlODBC forgets the transaction together with its connection, and then finds nothing to commit
                // and nothing wrong.
                if source.is_dead() {
                    return Err(Stage::Changing.into());
                }
                connection
                    .commit()
                    .map_err(|error| source.failed(&error, Stage::Changing))?;
                if source.is_dead() {
                    return Err(Stage::Changing.into());
                }
                connection
                    .set_autocommit(true)
                    .map_err(|error| source.failed(&error, Stage::Reading))
            })
            .await
    }

    async fn rollback(&mut self) -> Result<(), Error> {
        self.worker
            .run(|source| {
                let connection = &source.connection;
                connection
                    .rollback()
                    .and_then(|()| connection.set_autocommit(true))
                    .map_err(|error| source.failed(&error, Stage::Reading))
            })
            .await
    }

    async fn cancel(&mut self) {
        // The driver was given the time that the statement may take, and ends it itself.
        let _ = self.worker.run(|_| Ok(())).await;
    }
}

fn run(source: &Source, job: &Job, deadline: Instant) -> Result<Answer, Error> {
    let stage = Stage::sent(job.statement.reads);
    let unsent = |error: odbc_api::Error| source.failed(&error, Stage::Before);
    let lost = |error: odbc_api::Error| source.failed(&error, stage);
    let mut parameters = Vec::with_capacity(job.parameters.len());
    for (position, cell) in job.parameters.iter().enumerate() {
        parameters.push(parameter(cell).map_err(|why| Error::Parameter {
            position: position + 1,
            why,
        })?);
    }
    let mut statement = source
        .connection
        .prepare(&job.statement.text)
        .map_err(unsent)?;
    let left = deadline.saturating_duration_since(Instant::now()).as_secs() + 1;
    if let Err(error) = statement.set_query_timeout_sec(usize::try_from(left).unwrap_or(usize::MAX))
    {
        tracing::debug!(%error, "odbc: the driver has no time-out for statements");
    }
    let mut answer = Answer::default();
    if let Some(mut cursor) = statement.execute(parameters.as_slice()).map_err(lost)? {
        let count = u16::try_from(cursor.num_result_cols().map_err(lost)?).unwrap_or(0);
        let mut columns = Vec::with_capacity(count.into());
        for at in 1..=count {
            let name = cursor.col_name(at).map_err(lost)?;
            columns.push((name, cursor.col_data_type(at).map_err(lost)?));
        }
        answer.columns(columns.iter().map(|(name, _)| name.as_str()), job)?;
        while let Some(mut row) = cursor.next_row().map_err(lost)? {
            if answer.is_full(job) {
                answer.truncated = true;
                break;
            }
            let mut cells = Vec::with_capacity(columns.len());
            for (at, (name, kind)) in (1..).zip(&columns) {
                let cell = cell(&mut row, at, kind).map_err(lost)?;
                cells.push(cell.ok_or_else(|| Error::Value {
                    column: name.clone(),
                    why: "the driver's text is not UTF-16".to_owned(),
                })?);
            }
            answer.push(cells, job)?;
        }
        return Ok(answer);
    }
    let affected = statement.row_count().map_err(lost)?;
    answer.affected = affected
        .and_then(|rows| u64::try_from(rows).ok())
        .unwrap_or(0);
    Ok(answer)
}

fn parameter(cell: &Cell) -> Result<Box<dyn InputParameter>, String> {
    let wide = |text: &str| Utf16String::from_str(text);
    let Cell::Is(scalar) = cell else {
        return Ok(Box::new(None::<Utf16String>.into_parameter()));
    };
    Ok(match scalar {
        // Drivers take a NUL for the end and store what is before it.
        Scalar::Text(text) if text.contains('\0') => {
            return Err("ODBC drivers cut a text off at a NUL".to_owned());
        }
        Scalar::Text(text) => Box::new(wide(text).into_parameter()),
        Scalar::Boolean(value) => Box::new(Bit::from_bool(*value)),
        Scalar::Integer(value) => Box::new(*value),
        Scalar::Decimal(number) => {
            let data_type =
                numeric(number).ok_or("a decimal is digits, with a point and a sign if need be")?;
            Box::new(WithDataType {
                value: wide(number).into_parameter(),
                data_type,
            })
        }
        Scalar::Instant(instant) => {
            let at = value::utc(instant)?.to_string().replace('T', " ");
            Box::new(WithDataType {
                value: wide(&at).into_parameter(),
                data_type: DataType::Timestamp { precision: 6 },
            })
        }
        Scalar::Bytes(bytes) => Box::new(bytes.clone().into_parameter()),
    })
}

/// The type that holds a number as it is written.
fn numeric(number: &str) -> Option<DataType> {
    let digits = number.trim_start_matches(['-', '+']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !all(whole) || !all(fraction) {
        return None;
    }
    Some(DataType::Numeric {
        precision: whole.len() + fraction.len(),
        scale: i16::try_from(fraction.len()).ok()?,
    })
}

/// None if a text is not one.
fn cell(
    row: &mut CursorRow<'_>,
    at: u16,
    kind: &DataType,
) -> Result<Option<Cell>, odbc_api::Error> {
    match kind {
        DataType::Binary { .. } | DataType::Varbinary { .. } | DataType::LongVarbinary { .. } => {
            let mut bytes = Vec::new();
            let there = row.get_binary(at, &mut bytes)?;
            return Ok(Some(if there {
                value::bytes(bytes)
            } else {
                Cell::Null
            }));
        }
        DataType::Real => {
            let mut number = Nullable::<f32>::null();
            row.get_data(at, &mut number)?;
            return Ok(Some(number.into_opt().map_or(Cell::Null, value::single)));
        }
        DataType::Float { .. } | DataType::Double => {
            let mut number = Nullable::<f64>::null();
            row.get_data(at, &mut number)?;
            return Ok(Some(number.into_opt().map_or(Cell::Null, value::double)));
        }
        _ => {}
    }
    let mut wide = Vec::new();
    if !row.get_wide_text(at, &mut wide)? {
        return Ok(Some(Cell::Null));
    }
    Ok(String::from_utf16(&wide)
        .ok()
        .map(|text| spelled(text, kind)))
}

/// A value that came as text.
fn spelled(given: String, kind: &DataType) -> Cell {
    match kind {
        DataType::Bit => value::boolean(given != "0"),
        DataType::TinyInt | DataType::SmallInt | DataType::Integer | DataType::BigInt => given
            .parse::<i64>()
            .map_or_else(|_| decimal(given.as_str()), value::integer),
        DataType::Numeric { .. } | DataType::Decimal { .. } => exact(given),
        DataType::Timestamp { .. } => text(given.replacen(' ', "T", 1)),
        DataType::Other { data_type, .. } if data_type.0 == GUID => {
            text(given.to_ascii_lowercase())
        }
        DataType::Other { data_type, .. } if data_type.0 == OFFSET => {
            // `2024-01-31 10:20:30.1234567 +02:00`
            let spelled = given.replacen(' ', "T", 1).replace(' ', "");
            match spelled.parse::<jiff::Timestamp>() {
                Ok(at) => value::instant(at),
                Err(_) => text(given),
            }
        }
        _ => text(given),
    }
}

/// Some drivers leave the zero before the point out. What is no number (`NaN`) is text.
fn exact(given: String) -> Cell {
    if numeric(&given).is_none() {
        return text(given);
    }
    if let Some(fraction) = given.strip_prefix('.') {
        return decimal(format!("0.{fraction}"));
    }
    match given.strip_prefix("-.") {
        Some(fraction) => decimal(format!("-0.{fraction}")),
        None => decimal(given),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendors_numbers_say_which_constraint_it_was() {
        let server = Vendor::of("Microsoft SQL Server");
        for (number, state) in [
            (2627, "23505"),
            (2601, "23505"),
            (547, "23503"),
            (515, "23502"),
            (1205, "40001"),
            (18456, "28000"),
        ] {
            assert_eq!(server.state(number, "23000"), state);
        }
        assert_eq!(Vendor::of("Oracle").state(1, "23000"), "23505");
        assert_eq!(Vendor::of("PostgreSQL").state(1, "23505"), "23505");
        assert_eq!(Vendor::of("DB2/LINUX").state(0, "HYT00"), "57014");
    }

    #[test]
    fn a_general_error_is_a_loss_where_it_speaks_of_the_connection() {
        assert!(tells_of_loss("HY000", "The connection has been lost;"));
        assert!(tells_of_loss(
            "HY000",
            "server closed the connection unexpectedly"
        ));
        assert!(!tells_of_loss(
            "42601",
            "syntax error at or near \"connection\""
        ));
        assert!(!tells_of_loss("HY000", "division by zero"));
    }

    #[test]
    fn a_password_cannot_leave_its_attribute() {
        assert_eq!(attribute("plain"), "plain");
        assert_eq!(attribute("a;SERVER=evil"), "{a;SERVER=evil}");
        assert_eq!(attribute("a}b"), "{a}}b}");
    }

    #[test]
    fn decimals_keep_their_digits_and_are_digits() {
        assert!(matches!(
            numeric("-12.50"),
            Some(DataType::Numeric {
                precision: 4,
                scale: 2
            })
        ));
        for wrong in ["", "-", ".", "1e5", "1.2.3", "NaN", "1;"] {
            assert!(numeric(wrong).is_none(), "{wrong}");
        }
        assert!(
            matches!(exact("-.5".to_owned()), Cell::Is(Scalar::Decimal(text)) if text == "-0.5")
        );
    }
}
