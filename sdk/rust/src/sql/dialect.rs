//! What databases write differently: names, limits, locks.

use crate::{Failure, Result};
use std::fmt::Write as _;

/// How long a name may be; no database takes longer ones.
const LONGEST: usize = 128;

/// The SQL that a database speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// PostgreSQL, and what is like it.
    Postgresql,
    /// MySQL and MariaDB.
    Mysql,
    /// SQLite.
    Sqlite,
    /// Microsoft SQL Server.
    Sqlserver,
    /// Oracle Database.
    Oracle,
    /// ISO 9075 and no more: DB2 and others.
    Standard,
}

impl Dialect {
    /// A name as it stands in a statement: `hr.person` is a table in a schema. What no database takes for a name is
    /// refused. A quoted name is spelled exactly as the database spells it.
    pub fn quote(self, name: &str) -> Result<String> {
        let parts: Result<Vec<String>> = name.split('.').map(|part| self.quote_one(part)).collect();
        Ok(parts?.join("."))
    }

    /// A name without a schema, which may have a dot in it.
    pub fn quote_one(self, name: &str) -> Result<String> {
        let plain = !name.is_empty()
            && name.len() <= LONGEST
            && name.trim() == name
            && !name.chars().any(char::is_control);
        if !plain {
            return Err(Failure::invalid(format!(
                "{name:?} is no name of a table or a column"
            )));
        }
        Ok(match self {
            // SQLite takes "x" for a text when there is no column x; `x` it never does.
            Self::Mysql | Self::Sqlite => format!("`{}`", name.replace('`', "``")),
            Self::Sqlserver => format!("[{}]", name.replace(']', "]]")),
            Self::Postgresql | Self::Oracle | Self::Standard => {
                format!("\"{}\"", name.replace('"', "\"\""))
            }
        })
    }

    /// A query, limited to so many rows. `statement` begins with `SELECT ` and ends with its `ORDER BY`.
    pub fn limited(self, mut statement: String, rows: u32) -> String {
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Sqlserver => {
                let rest = statement.split_off("SELECT ".len());
                write!(statement, "TOP ({rows}) {rest}")
            }
            Self::Oracle | Self::Standard => {
                write!(statement, " FETCH FIRST {rows} ROWS ONLY")
            }
            Self::Postgresql | Self::Mysql | Self::Sqlite => {
                write!(statement, " LIMIT {rows}")
            }
        };
        statement
    }

    /// What stands at the end of a query that locks the rows it reads, where the dialect has such words.
    pub fn for_update(self) -> &'static str {
        match self {
            Self::Postgresql | Self::Mysql | Self::Oracle => " FOR UPDATE",
            Self::Sqlite | Self::Sqlserver | Self::Standard => "",
        }
    }

    /// What stands behind the table's alias in such a query, where the dialect says it there.
    pub fn lock_hint(self) -> &'static str {
        match self {
            Self::Sqlserver => " WITH (UPDLOCK, ROWLOCK)",
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(
            Dialect::Postgresql.quote("hr.person"),
            Ok("\"hr\".\"person\"".to_owned())
        );
        assert_eq!(
            Dialect::Postgresql.quote("a\"; --"),
            Ok("\"a\"\"; --\"".to_owned())
        );
        assert_eq!(Dialect::Mysql.quote("a`b"), Ok("`a``b`".to_owned()));
        assert_eq!(Dialect::Sqlserver.quote("a]b"), Ok("[a]]b]".to_owned()));
        for wrong in ["", "a.", " a", "a\n", "a\0"] {
            assert!(Dialect::Sqlite.quote(wrong).is_err(), "{wrong:?}");
        }
        assert!(Dialect::Oracle.quote(&"x".repeat(200)).is_err());
    }

    #[test]
    fn a_limit_stands_where_the_dialect_wants_it() {
        let limited =
            |dialect: Dialect| dialect.limited("SELECT a FROM t ORDER BY a".to_owned(), 3);
        assert_eq!(
            limited(Dialect::Sqlserver),
            "SELECT TOP (3) a FROM t ORDER BY a"
        );
        assert_eq!(
            limited(Dialect::Sqlite),
            "SELECT a FROM t ORDER BY a LIMIT 3"
        );
        assert!(limited(Dialect::Standard).ends_with("FETCH FIRST 3 ROWS ONLY"));
    }
}
