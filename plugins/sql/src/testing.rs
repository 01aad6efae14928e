//! A real database for unit tests: SQLite in memory, behind the traits that the host's target has. And models from TOML.

use std::cell::RefCell;
use std::rc::Rc;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, ErrorCode, ffi, params_from_iter};
use tombolo_sdk::sql::{Cell, Database, Rows, SqlError, Statements, Transaction};
use tombolo_sdk::{Failure, Result, Scalar};

use crate::Sql;
use crate::model::Model;
use crate::settings::Settings;

/// Settings in TOML, or an app's file that has them; on SQLite.
pub(crate) fn settings(toml: &str) -> Result<Settings> {
    let mut table: toml::Table = toml::from_str(toml).expect("TOML");
    if let Some(toml::Value::Table(settings)) = table.remove("settings") {
        table = settings;
    }
    table.insert("dialect".to_owned(), "sqlite".into());
    Settings::parse(&serde_json::to_string(&table).expect("JSON"))
}

pub(crate) fn try_model(toml: &str) -> Result<Model> {
    Model::new(&settings(toml)?)
}

pub(crate) fn model(toml: &str) -> Model {
    try_model(toml).unwrap_or_else(|failure| panic!("{}", failure.message))
}

/// The database. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Lite {
    connection: Rc<Connection>,
    /// Statements that changed something.
    writes: Rc<RefCell<Vec<String>>>,
    /// At most so many rows of one answer.
    pub(crate) cap: usize,
}

impl Lite {
    pub(crate) fn new(schema: &str) -> Self {
        let connection = Connection::open_in_memory().expect("SQLite");
        connection
            .execute_batch(&format!("PRAGMA foreign_keys = ON; {schema}"))
            .expect("the schema");
        Self {
            connection: Rc::new(connection),
            writes: Rc::default(),
            cap: 10_000,
        }
    }

    /// The connector on it.
    pub(crate) fn connector(&self, toml: &str) -> Sql {
        let settings = settings(toml).unwrap_or_else(|failure| panic!("{}", failure.message));
        Sql::on(Box::new(self.clone()), &settings)
            .unwrap_or_else(|failure| panic!("{}", failure.message))
    }

    /// Runs statements as somebody else would.
    pub(crate) fn run(&self, sql: &str) {
        self.connection.execute_batch(sql).expect("run");
    }

    /// The rows of a query, cell by cell, with bars between them.
    pub(crate) fn table(&self, sql: &str) -> Vec<String> {
        let rows = self.rows(sql, &[], 0).expect("rows");
        let line = |row: &Vec<Cell>| {
            let cells = row
                .iter()
                .map(|cell| crate::key::text(cell).unwrap_or_else(|| "-".to_owned()));
            cells.collect::<Vec<_>>().join("|")
        };
        rows.rows.iter().map(line).collect()
    }

    /// The writing statements since the last look.
    pub(crate) fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.writes.borrow_mut())
    }

    fn rows(&self, statement: &str, parameters: &[Cell], limit: u32) -> Result<Rows> {
        let fail = |error: &rusqlite::Error| failure(error, statement);
        let mut prepared = self.connection.prepare(statement).map_err(|e| fail(&e))?;
        assert_eq!(prepared.parameter_count(), parameters.len(), "{statement}");
        if !prepared.readonly() {
            self.writes.borrow_mut().push(statement.to_owned());
        }
        let columns: Vec<String> = prepared.column_names().map(str::to_owned).collect();
        let limit = match usize::try_from(limit).expect("small") {
            0 => self.cap,
            limit => limit.min(self.cap),
        };
        let mut found = prepared
            .query(params_from_iter(parameters.iter().map(value)))
            .map_err(|e| fail(&e))?;
        let mut rows = Vec::new();
        let mut truncated = false;
        while let Some(row) = found.next().map_err(|e| fail(&e))? {
            if rows.len() == limit {
                truncated = true;
                break;
            }
            let cells = (0..columns.len()).map(|at| cell(row.get_ref(at).expect("a cell")));
            rows.push(cells.collect());
        }
        Ok(Rows {
            columns,
            rows,
            truncated,
        })
    }
}

impl Statements for Lite {
    fn query(&self, statement: &str, parameters: &[Cell], limit: u32) -> Result<Rows> {
        self.rows(statement, parameters, limit)
    }

    fn execute(&self, statement: &str, parameters: &[Cell]) -> Result<u64> {
        self.writes.borrow_mut().push(statement.to_owned());
        let done = self
            .connection
            .execute(statement, params_from_iter(parameters.iter().map(value)));
        done.map(|rows| rows as u64)
            .map_err(|error| failure(&error, statement))
    }
}

impl Database for Lite {
    fn begin(&self) -> Result<Box<dyn Transaction>> {
        self.run("BEGIN");
        Ok(Box::new(Open {
            on: self.clone(),
            done: false,
        }))
    }
}

struct Open {
    on: Lite,
    done: bool,
}

impl Statements for Open {
    fn query(&self, statement: &str, parameters: &[Cell], limit: u32) -> Result<Rows> {
        self.on.query(statement, parameters, limit)
    }

    fn execute(&self, statement: &str, parameters: &[Cell]) -> Result<u64> {
        self.on.execute(statement, parameters)
    }
}

impl Transaction for Open {
    fn commit(mut self: Box<Self>) -> Result<()> {
        self.done = true;
        self.on.run("COMMIT");
        Ok(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.done {
            self.on.run("ROLLBACK");
        }
    }
}

fn value(cell: &Cell) -> Value {
    match cell.scalar() {
        None => Value::Null,
        Some(Scalar::Integer(value)) => Value::Integer(*value),
        Some(Scalar::Boolean(value)) => Value::Integer((*value).into()),
        Some(Scalar::Bytes(bytes)) => Value::Blob(bytes.clone()),
        Some(Scalar::Text(text) | Scalar::Decimal(text) | Scalar::Instant(text)) => {
            Value::Text(text.clone())
        }
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(value) => value.into(),
        ValueRef::Real(value) => Cell::Is(Scalar::Decimal(value.to_string())),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned().into(),
        ValueRef::Blob(bytes) => bytes.to_vec().into(),
    }
}

fn failure(error: &rusqlite::Error, statement: &str) -> Failure {
    let state = match error.sqlite_error() {
        Some(ffi::Error {
            extended_code: 2067 | 1555,
            ..
        }) => "23505",
        Some(ffi::Error {
            extended_code: 787, ..
        }) => "23503",
        Some(ffi::Error {
            extended_code: 1299,
            ..
        }) => "23502",
        Some(ffi::Error {
            code: ErrorCode::ConstraintViolation,
            ..
        }) => "23000",
        _ => "42000",
    };
    Failure::from(SqlError {
        sqlstate: Some(state.to_owned()),
        message: format!("{error} in {statement}"),
    })
}
