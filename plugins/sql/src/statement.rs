//! Statements: text that consists of checked names and of placeholders, and the values that go with it.

use tombolo_sdk::sql::{Cell, Dialect, Rows, Statements};
use tombolo_sdk::{Failure, Result};

/// A name of the operator's, quoted as the database wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    plain: String,
    quoted: String,
}

impl Name {
    /// A table, which may have its schema before it.
    pub fn table(dialect: Dialect, name: &str) -> Result<Self> {
        Ok(Self {
            plain: name.to_owned(),
            quoted: dialect.quote(name)?,
        })
    }

    /// A column.
    pub fn column(dialect: Dialect, name: &str) -> Result<Self> {
        Ok(Self {
            plain: name.to_owned(),
            quoted: dialect.quote_one(name)?,
        })
    }

    /// As the operator wrote it.
    pub fn plain(&self) -> &str {
        &self.plain
    }

    /// As it stands in a statement.
    pub fn quoted(&self) -> &str {
        &self.quoted
    }
}

/// A statement under construction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sql {
    /// The text, with a `?` for each parameter.
    pub text: String,
    /// The parameters.
    pub parameters: Vec<Cell>,
}

impl Sql {
    /// One that begins so.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            parameters: Vec::new(),
        }
    }

    /// Adds text: words of SQL, never a value.
    pub fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a name.
    pub fn name(&mut self, name: &Name) -> &mut Self {
        self.push(name.quoted())
    }

    /// Adds a column of the table with this alias.
    pub fn column(&mut self, alias: &str, name: &Name) -> &mut Self {
        self.push(alias).push(".").name(name)
    }

    /// Adds a value.
    pub fn bind(&mut self, cell: Cell) -> &mut Self {
        self.parameters.push(cell);
        self.push("?")
    }

    /// Adds another statement's text and parameters.
    pub fn append(&mut self, other: Self) -> &mut Self {
        self.parameters.extend(other.parameters);
        self.push(&other.text)
    }

    /// Adds things with something between them.
    pub fn join<T>(
        &mut self,
        things: impl IntoIterator<Item = T>,
        between: &str,
        mut each: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        for (at, thing) in things.into_iter().enumerate() {
            if at > 0 {
                self.push(between);
            }
            each(self, thing);
        }
        self
    }

    /// Adds `column = value`, or `column IS NULL`.
    pub fn equals(&mut self, alias: Option<&str>, name: &Name, cell: &Cell) -> &mut Self {
        match alias {
            Some(alias) => self.column(alias, name),
            None => self.name(name),
        };
        match cell {
            Cell::Null => self.push(" IS NULL"),
            cell @ Cell::Is(_) => self.push(" = ").bind(cell.clone()),
        }
    }

    /// Adds a condition that is true of rows that have one of these tuples in these columns.
    pub fn one_of(&mut self, alias: &str, columns: &[&Name], tuples: &[&[Cell]]) -> &mut Self {
        if let [column] = columns {
            self.column(alias, column).push(" IN (");
            let cells = tuples.iter().filter_map(|tuple| tuple.first());
            return self
                .join(cells, ", ", |sql, cell| {
                    sql.bind(cell.clone());
                })
                .push(")");
        }
        self.push("(")
            .join(tuples, " OR ", |sql, tuple| {
                sql.push("(")
                    .join(
                        columns.iter().zip(*tuple),
                        " AND ",
                        |sql, (column, cell)| {
                            sql.equals(Some(alias), column, cell);
                        },
                    )
                    .push(")");
            })
            .push(")")
    }

    /// Adds a condition that is true of rows that come after this one in the order of these columns.
    pub fn after(&mut self, alias: &str, columns: &[&Name], last: &[Cell]) -> &mut Self {
        self.push("(")
            .join(0..columns.len().min(last.len()), " OR ", |sql, at| {
                sql.push("(");
                for (column, cell) in columns[..at].iter().zip(last) {
                    sql.equals(Some(alias), column, cell).push(" AND ");
                }
                sql.column(alias, columns[at])
                    .push(" > ")
                    .bind(last[at].clone())
                    .push(")");
            })
            .push(")")
    }

    /// Its rows, `limit` at most.
    pub fn query(&self, on: &dyn Statements, limit: u32) -> Result<Rows> {
        on.query(&self.text, &self.parameters, limit)
    }

    /// All of its rows; more than the host hands out at once are refused.
    pub fn all(&self, on: &dyn Statements) -> Result<Rows> {
        let rows = self.query(on, 0)?;
        if rows.truncated {
            return Err(Failure::other(
                "the database has more rows of one answer than the host hands out: raise max-rows of the target",
            ));
        }
        Ok(rows)
    }

    /// How many rows it changed.
    pub fn execute(&self, on: &dyn Statements) -> Result<u64> {
        on.execute(&self.text, &self.parameters)
    }
}

/// How many tuples of so many columns are asked for in one statement: SQL Server takes 2,100 parameters, Oracle 1,000
/// in a list.
pub fn chunk(columns: usize) -> usize {
    (500 / columns.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Name {
        Name::column(Dialect::Postgresql, name).expect("a name")
    }

    #[test]
    fn values_are_parameters_and_names_are_quoted() {
        let mut sql = Sql::new("SELECT 1 FROM t WHERE ");
        sql.one_of(
            "t",
            &[&name("org"), &name("no\"x")],
            &[&["a' OR 1=1".into(), 1.into()], &[Cell::Null, 2.into()]],
        );
        assert_eq!(
            sql.text,
            "SELECT 1 FROM t WHERE ((t.\"org\" = ? AND t.\"no\"\"x\" = ?) OR (t.\"org\" IS NULL AND t.\"no\"\"x\" = ?))"
        );
        assert_eq!(sql.parameters.len(), 3);
    }

    #[test]
    fn the_row_after_another_is_said_without_row_values() {
        let mut sql = Sql::default();
        sql.after("t", &[&name("a"), &name("b")], &[1.into(), 2.into()]);
        assert_eq!(sql.text, "((t.\"a\" > ?) OR (t.\"a\" = ? AND t.\"b\" > ?))");
        assert_eq!(sql.parameters, [1.into(), 1.into(), 2.into()]);
    }
}
