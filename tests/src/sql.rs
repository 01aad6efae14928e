//! The databases that the sql connector is tested on, seen from outside: by their own command-line clients, and SQLite by
//! its library. And the apps of `plugins/sql/examples`, on them.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::build::root;
use crate::host::{Directory, Start, TOKEN, digest};
use crate::mariadb::MariaDb;
use crate::postgres::Postgres;

/// Environment variable that holds the database's password.
pub const PASSWORD_VARIABLE: &str = "TEST_DATABASE_PASSWORD";
const PASSWORD: &str = "database-password";

/// A row as its cells' texts; none is NULL.
pub type Row = Vec<Option<String>>;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Engine {
    Postgresql,
    /// PostgreSQL through its ODBC driver.
    Odbc,
    Mariadb,
    Sqlite,
}

/// A database with a schema in it. Gone when dropped.
pub enum Database {
    /// A server.
    Postgresql(Postgres),
    /// A server that is reached through ODBC.
    Odbc(Postgres),
    /// A server.
    Mariadb(MariaDb),
    /// A file in the host's directory.
    Sqlite(PathBuf),
}

impl Database {
    /// An empty one.
    pub fn start(engine: Engine, directory: &Directory) -> Result<Self> {
        Ok(match engine {
            Engine::Postgresql => Self::Postgresql(Postgres::start(PASSWORD)?),
            Engine::Odbc => Self::Odbc(Postgres::start(PASSWORD)?),
            Engine::Mariadb => Self::Mariadb(MariaDb::start(PASSWORD)?),
            Engine::Sqlite => {
                let path = directory.write("data/app.sqlite", "")?;
                // Readers do not wait for a writer, nor he for them.
                Connection::open(&path)?.pragma_update(None, "journal_mode", "wal")?;
                Self::Sqlite(path)
            }
        })
    }

    /// Runs a script; its tables belong to the host's account.
    pub fn run(&self, script: &str) -> Result<()> {
        match self {
            Self::Postgresql(server) | Self::Odbc(server) => {
                let script = format!("SET ROLE {};\n{script}", crate::postgres::USER);
                server.sql(&script).map(drop)
            }
            Self::Mariadb(server) => server.sql(script).map(drop),
            Self::Sqlite(path) => Ok(Connection::open(path)?.execute_batch(script)?),
        }
    }

    /// The rows of a query.
    pub fn rows(&self, query: &str) -> Result<Vec<Row>> {
        match self {
            Self::Postgresql(server) | Self::Odbc(server) => {
                let text = server.sql(&format!("COPY ({query}) TO STDOUT"))?;
                Ok(lines(&text, "\\N"))
            }
            Self::Mariadb(server) => Ok(lines(&server.sql(query)?, "NULL")),
            Self::Sqlite(path) => {
                let connection = Connection::open(path)?;
                let mut statement = connection.prepare(query)?;
                let columns = statement.column_count();
                let mut found = statement.query([])?;
                let mut rows = Vec::new();
                while let Some(row) = found.next()? {
                    let cells: Result<Row> = (0..columns)
                        .map(|at| {
                            Ok(match row.get_ref(at)? {
                                ValueRef::Null => None,
                                ValueRef::Integer(value) => Some(value.to_string()),
                                ValueRef::Text(text) => Some(String::from_utf8(text.to_vec())?),
                                other => bail!("a test does not read {other:?}"),
                            })
                        })
                        .collect();
                    rows.push(cells?);
                }
                Ok(rows)
            }
        }
    }

    /// The one number that a query answers.
    pub fn number(&self, query: &str) -> Result<i64> {
        let rows = self.rows(query)?;
        let cell = rows.first().and_then(|row| row.first()).cloned().flatten();
        Ok(cell.context("no number")?.parse()?)
    }

    /// The server's address, for a proxy in front of it.
    pub fn address(&self) -> Result<String> {
        match self {
            Self::Postgresql(server) | Self::Odbc(server) => {
                Ok(format!("127.0.0.1:{}", server.port()))
            }
            Self::Mariadb(server) => Ok(format!("127.0.0.1:{}", server.port())),
            Self::Sqlite(_) => bail!("a file has no address"),
        }
    }

    /// Stops the server and starts it again.
    pub fn restart(&mut self) -> Result<()> {
        match self {
            Self::Postgresql(server) | Self::Odbc(server) => server.restart(),
            Self::Mariadb(server) => server.restart(),
            Self::Sqlite(_) => Ok(()),
        }
    }

    /// An example's app on this database, by way of a proxy or directly, with more keys of its target.
    pub fn app(
        &self,
        directory: &Directory,
        name: &str,
        example: &str,
        through: Option<SocketAddr>,
        more: &str,
    ) -> Result<()> {
        let mut app: toml::Table = toml::from_str(&read(&format!("{example}.toml"))?)?;
        let (dialect, target) = match self {
            Self::Postgresql(server) => ("postgresql", at("postgresql", through, server.port())),
            Self::Odbc(server) => ("postgresql", odbc(through, server.port())),
            Self::Mariadb(server) => ("mysql", at("mariadb", through, server.port())),
            Self::Sqlite(_) => (
                "sqlite",
                "driver = \"sqlite\"\npath = \"data/app.sqlite\"\n".to_owned(),
            ),
        };
        let settings = app.get_mut("settings").and_then(toml::Value::as_table_mut);
        settings
            .context("settings")?
            .insert("dialect".to_owned(), dialect.into());
        let target: toml::Table = toml::from_str(&format!("kind = \"sql\"\n{target}\n{more}"))?;
        let targets = app.get_mut("targets").and_then(toml::Value::as_table_mut);
        targets
            .context("targets")?
            .insert("database".to_owned(), target.into());
        let auth = format!(
            "tokens = [{{ name = \"test\", sha256 = \"{}\" }}]",
            digest(TOKEN)
        );
        app.insert(
            "auth".to_owned(),
            toml::from_str::<toml::Table>(&auth)?.into(),
        );
        directory.write(&format!("apps/{name}.toml"), toml::to_string(&app)?)?;
        Ok(())
    }
}

/// How a host is started that has such an app.
pub fn with_password() -> Start {
    Start {
        environment: vec![(PASSWORD_VARIABLE.to_owned(), PASSWORD.to_owned())],
        ..Start::default()
    }
}

/// A file of the connector's examples.
pub fn read(name: &str) -> Result<String> {
    let path = root().join("plugins/sql/examples").join(name);
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

fn at(driver: &str, through: Option<SocketAddr>, port: u16) -> String {
    let port = through.map_or(port, |proxy| proxy.port());
    format!(
        "driver = \"{driver}\"\nhost = \"127.0.0.1\"\nport = {port}\ndatabase = \"{}\"\nuser = \"{}\"\n\
         password = \"env:{PASSWORD_VARIABLE}\"\ntls = \"off\"\n",
        crate::postgres::DATABASE,
        crate::postgres::USER
    )
}

fn odbc(through: Option<SocketAddr>, port: u16) -> String {
    let port = through.map_or(port, |proxy| proxy.port());
    format!(
        "driver = \"odbc\"\nuser = \"{}\"\npassword = \"env:{PASSWORD_VARIABLE}\"\n\
         connection = \"DRIVER={{PostgreSQL Unicode}};SERVER=127.0.0.1;PORT={port};DATABASE={};SSLMODE=disable;\
         BoolsAsChar=0;ConnSettings=SET+TimeZone='UTC'%3BSET+idle_in_transaction_session_timeout=3000\"\n",
        crate::postgres::USER,
        crate::postgres::DATABASE
    )
}

/// Lines of cells with tabs between them, escaped as both servers' clients do.
fn lines(text: &str, null: &str) -> Vec<Row> {
    let cell = |cell: &str| (cell != null).then(|| unescape(cell));
    text.lines()
        .map(|line| line.split('\t').map(cell).collect())
        .collect()
}

fn unescape(cell: &str) -> String {
    let mut out = String::with_capacity(cell.len());
    let mut characters = cell.chars();
    while let Some(c) = characters.next() {
        match (c, c == '\\') {
            (_, true) => match characters.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('0') => out.push('\0'),
                Some(other) => out.push(other),
                None => {}
            },
            (c, false) => out.push(c),
        }
    }
    out
}

/// Fails with the first differences.
pub fn nothing_wrong(wrong: &[String]) -> Result<()> {
    ensure!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(10)].join("\n")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_escapes_comes_back() {
        assert_eq!(
            lines("a\\tb\t\\N\tc\\\\d\\ne\n\tx", "\\N"),
            [
                vec![Some("a\tb".to_owned()), None, Some("c\\d\ne".to_owned())],
                vec![Some(String::new()), Some("x".to_owned())]
            ]
        );
    }
}
