//! Where the database is, as whom, and how it is reached.

use std::fmt;
use std::str::FromStr as _;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::reach::Reach;
use super::{PostgresStore, layout};
use crate::StoreError;

/// How many connections are kept, unless somebody says otherwise.
const CONNECTIONS: usize = 8;

/// How the connection is protected.
#[derive(Clone, Debug, Default)]
pub enum Tls {
    /// Not at all: for a server on this machine.
    #[default]
    Off,
    /// TLS, with the server's name verified.
    On {
        /// The authorities to trust, PEM; none means the system's.
        ca: Option<Vec<u8>>,
        /// The name that the certificate holds, where it is not the one in the URL.
        server_name: Option<String>,
    },
}

/// What is wrong with a URL: the rest of a sentence that begins with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL of this kind.
    #[error("is not a URL such as \"postgresql://USER@HOST/DATABASE\"")]
    Form,
    /// A secret in the open.
    #[error("holds a password, which belongs into `password`")]
    Password,
    /// `?sslmode=…`.
    #[error("holds options, which are keys of their own here")]
    Options,
    /// No server.
    #[error("names no host")]
    NoHost,
    /// No account.
    #[error("names no user")]
    NoUser,
    /// No database.
    #[error("names no database")]
    NoDatabase,
}

/// How to open a store in a database.
#[derive(Clone)]
pub struct Options {
    pub(super) config: Config,
    pub(super) schema: String,
    pub(super) connections: usize,
    pub(super) tls: Tls,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("hosts", &self.config.get_hosts())
            .field("database", &self.config.get_dbname())
            .field("user", &self.config.get_user())
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// From `postgresql://USER@HOST[:PORT][,HOST[:PORT]…]/DATABASE`. Of several hosts the first that takes writes is used.
    ///
    /// # Errors
    /// What the URL lacks, or holds and must not.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        if !url.starts_with("postgresql://") && !url.starts_with("postgres://") {
            return Err(UrlError::Form);
        }
        if url.contains('?') {
            return Err(UrlError::Options);
        }
        let config = Config::from_str(url).map_err(|_| UrlError::Form)?;
        if config.get_password().is_some() {
            return Err(UrlError::Password);
        }
        let named = |host: &Host| !matches!(host, Host::Tcp(name) if name.is_empty());
        if config.get_hosts().is_empty() || !config.get_hosts().iter().all(named) {
            return Err(UrlError::NoHost);
        }
        if config.get_user().is_none_or(str::is_empty) {
            return Err(UrlError::NoUser);
        }
        if config.get_dbname().is_none_or(str::is_empty) {
            return Err(UrlError::NoDatabase);
        }
        Ok(Self {
            config,
            schema: "tombolo".to_owned(),
            connections: CONNECTIONS,
            tls: Tls::Off,
        })
    }

    /// Whether every server is this machine.
    pub fn is_local(&self) -> bool {
        self.config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => {
                name == "localhost"
                    || name
                        .parse::<std::net::IpAddr>()
                        .is_ok_and(|address| address.is_loopback())
            }
            #[cfg(unix)]
            Host::Unix(_) => true,
        })
    }

    /// The account's password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// The schema that holds the store; `tombolo` if not given. Several stores may share a database.
    #[must_use]
    pub fn schema(mut self, schema: &str) -> Self {
        schema.clone_into(&mut self.schema);
        self
    }

    /// How many connections are kept, at least two: half of them write.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(2);
        self
    }

    /// How the connections are protected; not at all if not given.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Whether the store could be opened. Makes nothing.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub async fn check(self) -> Result<(), StoreError> {
        layout::check(&Reach::new(self)?).await
    }

    /// Opens the store; makes its schema and tables when they are not there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached, which may pass; [`StoreError::Refused`] and
    /// [`StoreError::Newer`], which do not.
    pub async fn open(self) -> Result<PostgresStore, StoreError> {
        PostgresStore::open(self).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_everything_but_the_password() {
        let whole = Options::new("postgresql://tombolo@db1:5433,db2/state").expect("it does");
        assert!(!whole.is_local());
        assert!(Options::new("postgres://t@localhost/s").is_ok_and(|o| o.is_local()));
        assert!(Options::new("postgres://t@[::1]:5432/s").is_ok_and(|o| o.is_local()));
        for (url, wrong) in [
            ("mysql://t@h/d", UrlError::Form),
            ("postgresql://t:hunter2@h/d", UrlError::Password),
            ("postgresql://t@h/d?sslmode=disable", UrlError::Options),
            ("postgresql://t@/d", UrlError::NoHost),
            ("postgresql://h/d", UrlError::NoUser),
            ("postgresql://t@h", UrlError::NoDatabase),
        ] {
            assert_eq!(Options::new(url).err(), Some(wrong), "{url}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        let options = Options::new("postgresql://t@h/d").expect("good");
        let shown = format!("{:?}", options.password("hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
