//! What goes to a database and what comes back, within limits that hold while it comes.

use super::error::Error;
use super::statement::Statement;
use crate::bindings::tombolo::connector::sql::Cell;
use crate::contract::Scalar;

/// One statement to run.
pub(super) struct Job {
    pub(super) statement: Statement,
    pub(super) parameters: Vec<Cell>,
    /// Rows that the guest gets at most.
    pub(super) max_rows: usize,
    /// Bytes that it gets at most.
    pub(super) max_bytes: usize,
}

/// The rows so far.
#[derive(Default)]
pub(crate) struct Answer {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// Rows that a change touched.
    pub(super) affected: u64,
    /// There were more than the guest gets.
    pub(super) truncated: bool,
    /// What it weighs.
    pub(super) bytes: usize,
}

impl Answer {
    /// Are there as many rows as the guest gets? Then a further one is not even read.
    pub(super) fn is_full(&self, job: &Job) -> bool {
        self.rows.len() >= job.max_rows
    }

    /// Names the columns, before the first row.
    pub(super) fn columns<S: Into<String>>(
        &mut self,
        names: impl IntoIterator<Item = S>,
        job: &Job,
    ) -> Result<(), Error> {
        self.columns = names.into_iter().map(Into::into).collect();
        let weight = self.columns.iter().map(|name| name.len() + OVERHEAD).sum();
        self.weigh(weight, job)
    }

    /// One more row.
    pub(super) fn push(&mut self, row: Vec<Cell>, job: &Job) -> Result<(), Error> {
        self.weigh(OVERHEAD + row.iter().map(weight).sum::<usize>(), job)?;
        self.rows.push(row);
        Ok(())
    }

    fn weigh(&mut self, bytes: usize, job: &Job) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > job.max_bytes {
            return Err(Error::TooLarge(job.max_bytes));
        }
        Ok(())
    }
}

/// What a list, a string or a variant costs in the guest besides its content.
const OVERHEAD: usize = 16;

/// What a cell weighs.
pub(super) fn weight(cell: &Cell) -> usize {
    OVERHEAD
        + match cell {
            Cell::Null | Cell::Is(Scalar::Boolean(_) | Scalar::Integer(_)) => 0,
            Cell::Is(Scalar::Text(text) | Scalar::Decimal(text) | Scalar::Instant(text)) => {
                text.len()
            }
            Cell::Is(Scalar::Bytes(bytes)) => bytes.len(),
        }
}
