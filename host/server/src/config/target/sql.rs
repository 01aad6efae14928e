//! `kind = "sql"`: a database that a connector may ask by name.

use std::path::{Component, PathBuf};
use std::time::Duration;

use super::super::reader::{Located, Section, Sink, suggestion};
use super::super::secret::SecretSource;
use super::is_loopback_host;

/// A database and how to reach it.
#[derive(Clone, Debug)]
pub struct SqlTarget {
    /// Which one.
    pub driver: SqlDriver,
    /// The password of its account.
    pub password: Option<Located<SecretSource>>,
    /// PEM file of the authorities to trust instead of the system's.
    pub ca: Option<Located<PathBuf>>,
    /// How many connections are kept.
    pub pool_size: usize,
    /// How long a connection may take to come up.
    pub connect_timeout: Duration,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// How many rows one answer holds at most.
    pub max_rows: usize,
    /// Whether whatever would change something is refused.
    pub read_only: bool,
}

/// Which database, and where.
#[derive(Clone, Debug)]
pub enum SqlDriver {
    /// PostgreSQL.
    Postgresql(SqlServer),
    /// MySQL and MariaDB.
    Mysql(SqlServer),
    /// A file of SQLite.
    Sqlite {
        /// Where, below the configuration directory.
        path: Located<PathBuf>,
        /// Whether it is made when it is not there.
        create: bool,
    },
    /// A data source of this machine's ODBC.
    Odbc {
        /// Without user and password.
        connection: String,
        /// The account, if the data source does not say.
        user: String,
    },
}

/// A database server.
#[derive(Clone, Debug)]
pub struct SqlServer {
    /// Name or address.
    pub host: String,
    /// None is the driver's own.
    pub port: Option<u16>,
    /// The database there.
    pub database: String,
    /// The account.
    pub user: String,
    /// How the connection is protected.
    pub tls: SqlTls,
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlTls {
    /// TLS or nothing.
    Require,
    /// TLS if the server offers it.
    Prefer,
    /// None.
    Off,
}

#[derive(Clone, Copy)]
enum Driver {
    Postgresql,
    Mysql,
    Sqlite,
    Odbc,
}

const DRIVERS: [(&str, Driver); 5] = [
    ("postgresql", Driver::Postgresql),
    ("mysql", Driver::Mysql),
    ("mariadb", Driver::Mysql),
    ("sqlite", Driver::Sqlite),
    ("odbc", Driver::Odbc),
];

pub(super) fn read(name: &str, section: &mut Section<'_>, sink: &Sink) -> Option<SqlTarget> {
    let driver = driver(name, section, sink);
    let password = section.parsed("password", SecretSource::parse);
    let ca = section.text("ca").map(|path| Located {
        value: PathBuf::from(path.value),
        span: path.span,
    });
    let pool_size = section
        .integer("pool-size", 1..=1024)
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(4);
    let max_rows = section
        .integer("max-rows", 1..=10_000_000)
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(10_000);
    let target = SqlTarget {
        password,
        ca,
        pool_size,
        connect_timeout: section
            .duration("connect-timeout")
            .unwrap_or(Duration::from_secs(5)),
        statement_timeout: section
            .duration("statement-timeout")
            .unwrap_or(Duration::from_secs(20)),
        max_rows,
        read_only: section.flag("read-only").unwrap_or(false),
        driver: driver?,
    };
    if matches!(target.driver, SqlDriver::Sqlite { .. })
        && let Some(password) = &target.password
    {
        sink.error_hint(
            password.span.clone(),
            format!("`targets.{name}` is a file, and has no password"),
            "remove `password`: who may read the file is the system's to say",
        );
    }
    Some(target)
}

fn driver(name: &str, section: &mut Section<'_>, sink: &Sink) -> Option<SqlDriver> {
    let word = section.required_text("driver", "such as `driver = \"postgresql\"`")?;
    let Some((_, driver)) = DRIVERS.iter().find(|(known, _)| *known == word.value) else {
        let (message, hint) = if matches!(word.value.as_str(), "sqlserver" | "mssql") {
            (
                "reaches Microsoft SQL Server through ODBC".to_owned(),
                "write `driver = \"odbc\"` with Microsoft's driver or FreeTDS".to_owned(),
            )
        } else {
            let known: Vec<_> = DRIVERS.iter().map(|(known, _)| *known).collect();
            (
                format!("cannot be `{}`", word.value),
                suggestion(&word.value, &known),
            )
        };
        sink.error_hint(
            word.span,
            format!("`targets.{name}.driver` {message}"),
            hint,
        );
        return None;
    };
    match driver {
        Driver::Postgresql => server(name, section, sink).map(SqlDriver::Postgresql),
        Driver::Mysql => server(name, section, sink).map(SqlDriver::Mysql),
        Driver::Sqlite => {
            let create = section.flag("create").unwrap_or(false);
            let path = section.required_text("path", "such as `path = \"data/hr.sqlite\"`")?;
            let within = PathBuf::from(&path.value);
            if !within
                .components()
                .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
            {
                sink.error_hint(
                    path.span,
                    format!("`targets.{name}.path` leaves the configuration directory"),
                    "give a path below it, such as \"data/hr.sqlite\"; a link there may lead elsewhere",
                );
                return None;
            }
            Some(SqlDriver::Sqlite {
                path: Located {
                    value: within,
                    span: path.span,
                },
                create,
            })
        }
        Driver::Odbc => {
            let connection =
                section.required_text("connection", "such as `connection = \"DSN=hr\"`")?;
            let user = section
                .text("user")
                .map(|user| user.value)
                .unwrap_or_default();
            let keys = connection.value.to_ascii_uppercase();
            let holds = |key: &str| {
                keys.split(';')
                    .any(|part| part.trim_start().starts_with(key))
            };
            if holds("PWD") || holds("PASSWORD") {
                sink.error_hint(
                    connection.span,
                    format!("`targets.{name}.connection` holds a password"),
                    "remove it, and add `password = \"env:NAME\"` or `password = \"file:PATH\"`",
                );
                return None;
            }
            Some(SqlDriver::Odbc {
                connection: connection.value,
                user,
            })
        }
    }
}

/// From `host`, `port`, `database` and `user`, or from one `url` with all of them.
fn server(name: &str, section: &mut Section<'_>, sink: &Sink) -> Option<SqlServer> {
    let tls = section.choice(
        "tls",
        &[
            ("require", SqlTls::Require),
            ("prefer", SqlTls::Prefer),
            ("off", SqlTls::Off),
        ],
    );
    let located = section.text("url");
    let (host, port, database, user) = if let Some(url) = located {
        for key in ["host", "port", "database", "user"] {
            if section.has(key) {
                sink.error_hint(
                    section.span(),
                    format!("`targets.{name}` has both `url` and `{key}`"),
                    "write either the URL or its parts",
                );
            }
        }
        match parts(&url.value) {
            Ok(parts) => parts,
            Err(why) => {
                sink.error_hint(
                    url.span,
                    format!("`targets.{name}.url` {why}"),
                    "write \"postgresql://USER@HOST[:PORT]/DATABASE\", or `host`, `database` and `user`",
                );
                return None;
            }
        }
    } else {
        let host = section.required_text("host", "such as `host = \"db.example.org\"`");
        let port = section
            .integer("port", 1..=65_535)
            .and_then(|port| u16::try_from(port).ok());
        let database = section.required_text("database", "such as `database = \"hr\"`");
        let user = section.required_text("user", "such as `user = \"tombolo\"`");
        (host?.value, port, database?.value, user?.value)
    };
    // Nothing is overheard on the way to this machine, and its server seldom has a certificate.
    let tls = tls.unwrap_or(if is_loopback_host(&host) {
        SqlTls::Off
    } else {
        SqlTls::Require
    });
    Some(SqlServer {
        host,
        port,
        database,
        user,
        tls,
    })
}

type Parts = (String, Option<u16>, String, String);

fn parts(url: &str) -> Result<Parts, &'static str> {
    let url = url::Url::parse(url).map_err(|_| "is not a URL")?;
    if !matches!(
        url.scheme(),
        "postgresql" | "postgres" | "mysql" | "mariadb"
    ) {
        return Err("has another scheme than postgresql, mysql or mariadb");
    }
    if url.password().is_some() {
        return Err("holds a password, which belongs into `password`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("holds options, which are keys of their own here");
    }
    let decoded = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8()
            .map(std::borrow::Cow::into_owned)
            .map_err(|_| "is not UTF-8")
    };
    let host = url
        .host_str()
        .filter(|host| !host.is_empty())
        .ok_or("names no host")?;
    let (user, database) = (
        decoded(url.username())?,
        decoded(url.path().trim_start_matches('/'))?,
    );
    if user.is_empty() {
        return Err("names no user");
    }
    if database.is_empty() {
        return Err("names no database");
    }
    Ok((host.to_owned(), url.port(), database, user))
}
