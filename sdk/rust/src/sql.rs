//! A database that the operator named as a target. The host keeps the connections, the TLS and the password.
//!
//! ```no_run
//! use tombolo_sdk::sql::{Database, Statements, Target, cells};
//! # fn f() -> tombolo_sdk::Result<()> {
//! let database = Target::new("database");
//! let found = database.query("SELECT id, login FROM person WHERE team = ?", &cells(["sales"]), 100)?;
//! for row in found.iter() {
//!     let (id, login): (i64, Option<String>) = (row.get("id")?, row.get("login")?);
//!     println!("{id} {login:?}");
//! }
//! let transaction = database.begin()?; // dropped without a commit, it rolls back
//! transaction.execute("DELETE FROM person WHERE team = ?", &cells(["sales"]))?;
//! transaction.commit()
//! # }
//! ```
//!
//! Values are parameters, always; only names become text, through [`Dialect::quote`]. A connector whose code takes a
//! `&dyn Database` is tested natively on an engine of the test's choice: [`Database`], [`Transaction`] and
//! [`Statements`] are three small traits.

use crate::host::sql as raw;
use crate::{Failure, Fault, Result, Scalar};

pub use raw::{Cell, Rows, SqlError};

mod dialect;

pub use dialect::Dialect;

/// What runs statements: a database, each on its own, or a transaction.
pub trait Statements {
    /// The rows that a statement answers, `limit` at most.
    fn query(&self, statement: &str, parameters: &[Cell], limit: u32) -> Result<Rows>;

    /// How many rows a statement changed.
    fn execute(&self, statement: &str, parameters: &[Cell]) -> Result<u64>;
}

/// What begins transactions.
pub trait Database: Statements {
    /// Begins one.
    fn begin(&self) -> Result<Box<dyn Transaction>>;
}

/// Statements that happen together or not at all. Dropped without a commit, it rolls back.
pub trait Transaction: Statements {
    /// Makes them happen.
    fn commit(self: Box<Self>) -> Result<()>;
}

/// A database behind a named target.
#[derive(Clone, Debug)]
pub struct Target {
    name: String,
}

impl Target {
    /// The database that the manifest calls by this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

impl Statements for Target {
    fn query(&self, statement: &str, parameters: &[Cell], limit: u32) -> Result<Rows> {
        Ok(raw::query(&self.name, statement, parameters, limit)?)
    }

    fn execute(&self, statement: &str, parameters: &[Cell]) -> Result<u64> {
        Ok(raw::execute(&self.name, statement, parameters)?)
    }
}

impl Database for Target {
    fn begin(&self) -> Result<Box<dyn Transaction>> {
        Ok(Box::new(raw::begin(&self.name)?))
    }
}

impl Statements for raw::Transaction {
    fn query(&self, statement: &str, parameters: &[Cell], limit: u32) -> Result<Rows> {
        Ok(Self::query(self, statement, parameters, limit)?)
    }

    fn execute(&self, statement: &str, parameters: &[Cell]) -> Result<u64> {
        Ok(Self::execute(self, statement, parameters)?)
    }
}

impl Transaction for raw::Transaction {
    fn commit(self: Box<Self>) -> Result<()> {
        Ok(Self::commit(&self)?)
    }
}

/// Parameters of one type: `cells(["a", "b"])`. Mixed ones are written `[1.into(), "a".into(), Cell::Null]`.
pub fn cells<C: Into<Cell>>(values: impl IntoIterator<Item = C>) -> Vec<Cell> {
    values.into_iter().map(Into::into).collect()
}

impl<S: Into<Scalar>> From<S> for Cell {
    fn from(value: S) -> Self {
        Self::Is(value.into())
    }
}

impl Cell {
    /// The value, or NULL when there is none.
    pub fn some(value: Option<impl Into<Scalar>>) -> Self {
        value.map_or(Self::Null, |value| Self::Is(value.into()))
    }

    /// The value; none of NULL.
    pub fn scalar(&self) -> Option<&Scalar> {
        match self {
            Self::Null => None,
            Self::Is(scalar) => Some(scalar),
        }
    }
}

impl Rows {
    /// The rows, one after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row {
            columns: &self.columns,
            cells,
        })
    }

    /// The first row.
    pub fn first(&self) -> Option<Row<'_>> {
        self.iter().next()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// One row, read by the names of its columns.
#[derive(Clone, Copy, Debug)]
pub struct Row<'r> {
    columns: &'r [String],
    cells: &'r [Cell],
}

impl<'r> Row<'r> {
    /// The cell of this column. Databases do not agree on the case of a name, so it does not count.
    pub fn cell(&self, name: &str) -> Result<&'r Cell> {
        self.columns
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name))
            .and_then(|at| self.cells.get(at))
            .ok_or_else(|| Failure::other(format!("the database answered no column `{name}`")))
    }

    /// The cell at this place; NULL beyond the last.
    pub fn at(&self, place: usize) -> &'r Cell {
        self.cells.get(place).unwrap_or(&Cell::Null)
    }

    /// All cells, in the order of the statement.
    pub fn cells(&self) -> &'r [Cell] {
        self.cells
    }

    /// The value of this column; `Option` where it may be NULL.
    pub fn get<T: FromCell>(&self, name: &str) -> Result<T> {
        T::from_cell(self.cell(name)?).ok_or_else(|| {
            Failure::other(format!(
                "the database's column `{name}` does not hold {}",
                T::WHAT
            ))
        })
    }
}

/// What a cell can be read as.
pub trait FromCell: Sized {
    /// In an error's words.
    const WHAT: &'static str;

    /// The value; none when the cell holds something else.
    fn from_cell(cell: &Cell) -> Option<Self>;
}

macro_rules! from_cell {
    ($type:ty, $what:literal, $($pattern:pat => $value:expr),+) => {
        impl FromCell for $type {
            const WHAT: &'static str = $what;

            fn from_cell(cell: &Cell) -> Option<Self> {
                match cell.scalar()? {
                    $($pattern => $value,)+
                    _ => None,
                }
            }
        }
    };
}

from_cell!(String, "text",
    Scalar::Text(text) | Scalar::Decimal(text) | Scalar::Instant(text) => Some(text.clone()));
from_cell!(i64, "a whole number",
    Scalar::Integer(value) => Some(*value),
    Scalar::Decimal(text) | Scalar::Text(text) => text.parse().ok());
// MySQL, SQLite and Oracle keep truth in numbers.
from_cell!(bool, "a truth value",
    Scalar::Boolean(value) => Some(*value),
    Scalar::Integer(value @ (0 | 1)) => Some(*value == 1));
from_cell!(Vec<u8>, "bytes", Scalar::Bytes(bytes) => Some(bytes.clone()));

impl FromCell for Scalar {
    const WHAT: &'static str = "a value";

    fn from_cell(cell: &Cell) -> Option<Self> {
        cell.scalar().cloned()
    }
}

impl<T: FromCell> FromCell for Option<T> {
    const WHAT: &'static str = T::WHAT;

    fn from_cell(cell: &Cell) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell @ Cell::Is(_) => T::from_cell(cell).map(Some),
        }
    }
}

/// SQLSTATE of a value that is there once and was given twice.
pub const UNIQUE_VIOLATION: &str = "23505";

impl From<SqlError> for Failure {
    /// ISO 9075's SQLSTATE (its class is the first two characters), with PostgreSQL's and ODBC's additions, as what the
    /// host has to do about it.
    fn from(error: SqlError) -> Self {
        let state = error.sqlstate.as_deref().unwrap_or_default();
        let fault = match (state.get(..2).unwrap_or_default(), state) {
            (_, UNIQUE_VIOLATION) => Fault::AlreadyExists,
            (_, "57014" | "HYT00" | "HYT01") => Fault::Timeout,
            (_, "42501") => Fault::Forbidden,
            (_, "55P03") | ("40" | "53", _) => Fault::Busy,
            // P0001 and 45000 are what procedures and triggers raise on purpose.
            ("22" | "23" | "44", _) | (_, "P0001" | "45000") => Fault::Invalid,
            ("28", _) => Fault::Unauthenticated,
            ("0A", _) => Fault::Unsupported,
            // Without a state the database was not reached, or was lost on the way.
            ("" | "08" | "57" | "58", _) => Fault::Unavailable,
            _ => Fault::Other,
        };
        let mut failure = Self::new(fault, error.message);
        failure.target_code = error.sqlstate;
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Rows {
        Rows {
            columns: vec!["ID".to_owned(), "login".to_owned(), "active".to_owned()],
            rows: vec![vec![7.into(), Cell::Null, 1.into()]],
            truncated: false,
        }
    }

    #[test]
    fn a_row_is_read_by_name_and_type() {
        let rows = rows();
        let row = rows.first().expect("a row");
        assert_eq!(row.get::<i64>("id"), Ok(7));
        assert_eq!(row.get::<Option<String>>("login"), Ok(None));
        assert_eq!(row.get::<bool>("active"), Ok(true));
        let failure = row.get::<String>("login").expect_err("NULL");
        assert!(
            failure.message.contains("`login` does not hold text"),
            "{failure:?}"
        );
        assert!(row.cell("nothing").is_err());
    }

    #[test]
    fn a_sqlstate_becomes_what_the_host_must_do() {
        let fault = |state: &str| {
            Failure::from(SqlError {
                sqlstate: (!state.is_empty()).then(|| state.to_owned()),
                message: String::new(),
            })
            .fault
        };
        let table = [
            ("23505", Fault::AlreadyExists),
            ("23503", Fault::Invalid),
            ("23502", Fault::Invalid),
            ("22001", Fault::Invalid),
            ("P0001", Fault::Invalid),
            ("45000", Fault::Invalid),
            ("40001", Fault::Busy),
            ("40P01", Fault::Busy),
            ("55P03", Fault::Busy),
            ("53300", Fault::Busy),
            ("08006", Fault::Unavailable),
            ("57P01", Fault::Unavailable),
            ("", Fault::Unavailable),
            ("57014", Fault::Timeout),
            ("HYT00", Fault::Timeout),
            ("28P01", Fault::Unauthenticated),
            ("42501", Fault::Forbidden),
            ("0A000", Fault::Unsupported),
            ("42P01", Fault::Other),
            ("é", Fault::Other),
        ];
        for (state, expected) in table {
            assert_eq!(fault(state), expected, "{state}");
        }
    }
}
