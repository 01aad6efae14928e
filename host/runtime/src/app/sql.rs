//! A database: where it is, whom to trust, as whom to log in.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

/// A database and what an app may ask of it.
#[derive(Clone, Debug)]
pub struct SqlTarget {
    /// Which one, and how to reach it.
    pub driver: SqlDriver,
    /// How many connections an app may hold.
    pub pool_size: usize,
    /// Time for TCP, TLS and login together.
    pub connect_timeout: Duration,
    /// Time for one statement, within the call's own deadline.
    pub statement_timeout: Duration,
    /// Rows of one answer at most, whatever the guest asks.
    pub max_rows: usize,
    /// Refuse whatever would change something.
    pub read_only: bool,
}

/// Which database, and how to reach it.
#[derive(Clone, Debug)]
pub enum SqlDriver {
    /// PostgreSQL, and what speaks its protocol.
    Postgresql(SqlServer),
    /// MySQL and MariaDB.
    Mysql(SqlServer),
    /// A SQLite file.
    Sqlite(SqliteFile),
    /// What an ODBC driver of this machine reaches.
    Odbc(OdbcSource),
}

/// A database server.
#[derive(Clone, Debug)]
pub struct SqlServer {
    /// Name or address.
    pub host: String,
    /// None is the driver's own.
    pub port: Option<u16>,
    /// The database to use.
    pub database: String,
    /// The account.
    pub user: String,
    /// Its password.
    pub password: SecretString,
    /// How the connection is protected.
    pub tls: SqlTls,
    /// Own certificate authorities, PEM; none means the system's.
    pub ca: Option<Vec<u8>>,
}

impl SqlServer {
    fn address(&self, scheme: &str) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{}{port}/{}", self.host, self.database)
    }
}

/// How a connection to a server is protected. Where there is TLS, the certificate is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlTls {
    /// TLS or nothing.
    Require,
    /// TLS if the server offers it.
    Prefer,
    /// None: for servers on this machine, or behind a network that is trusted.
    Off,
}

/// A SQLite file.
#[derive(Clone, Debug)]
pub struct SqliteFile {
    /// Where it is.
    pub path: PathBuf,
    /// Make it if it is not there.
    pub create: bool,
}

/// What an ODBC driver of this machine reaches. The driver makes the connection, not the host: which addresses
/// it reaches is what the connection string and the driver's configuration say.
#[derive(Clone, Debug)]
pub struct OdbcSource {
    /// `DSN=NAME`, or `DRIVER={…};…`; without user and password.
    pub connection: String,
    /// The account; empty leaves it to the data source.
    pub user: String,
    /// Its password.
    pub password: SecretString,
}

impl SqlTarget {
    /// Where it is, without user and password.
    pub(crate) fn address(&self) -> String {
        match &self.driver {
            SqlDriver::Postgresql(server) => server.address("postgresql"),
            SqlDriver::Mysql(server) => server.address("mysql"),
            SqlDriver::Sqlite(file) => format!("sqlite:{}", file.path.display()),
            SqlDriver::Odbc(source) => format!("odbc:{}", source.connection),
        }
    }

    /// What must never leave in a message.
    pub(crate) fn secret(&self) -> Option<&SecretString> {
        match &self.driver {
            SqlDriver::Postgresql(server) | SqlDriver::Mysql(server) => Some(&server.password),
            SqlDriver::Odbc(source) => Some(&source.password),
            SqlDriver::Sqlite(_) => None,
        }
    }
}
