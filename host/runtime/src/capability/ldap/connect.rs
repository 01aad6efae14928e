//! From a target in the operator's file to a bound connection.

use std::sync::Arc;

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, StdStream};
use rustls::ClientConfig;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, timeout_at};
use url::Url;

use super::error::Error;
use super::guarded;
use crate::app::LdapTarget;
use crate::capability::tls::{self, Trust};
use crate::egress::{self, Reach, Unreached};

/// How the session is protected.
#[derive(Clone)]
enum Protection {
    /// Plain: for directories on this machine.
    None,
    /// RFC 4513, section 3.
    StartTls(Arc<ClientConfig>),
    /// `ldaps://`.
    Direct(Arc<ClientConfig>),
}

/// A checked target.
pub(super) struct Endpoint {
    /// The target's name in the app's file, for logs.
    pub(super) name: String,
    host: String,
    port: u16,
    protection: Protection,
    bind_dn: String,
    password: SecretString,
    connect_timeout: Duration,
}

/// A bound connection.
pub(super) struct Connection {
    /// The library's handle; the last one dropped closes the connection.
    pub(super) ldap: Ldap,
    /// When it was last used.
    pub(super) used: Instant,
    /// The same socket, to look at without the library.
    socket: std::net::TcpStream,
}

impl Connection {
    /// Is an idle connection still there?
    ///
    /// The library's task may not have seen yet that the server hung up, and a write that is
    /// lost that way has an unknown outcome. Nothing is due on an idle connection: whatever can
    /// be read, be it the end, is a server that takes its leave.
    pub(super) fn is_alive(&mut self) -> bool {
        let quiet = || match self.socket.peek(&mut [0_u8]) {
            Ok(_) => false,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        };
        !self.ldap.is_closed() && quiet()
    }
}

impl Endpoint {
    pub(super) fn new(name: &str, target: &LdapTarget) -> Result<Self, String> {
        let wrong = |why: &str| format!("url: {why}");
        let url = Url::parse(&target.url).map_err(|e| wrong(&e.to_string()))?;
        let host = url
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| wrong("it names no host"))?;
        if host.starts_with('[') && (url.scheme() == "ldaps" || target.start_tls) {
            return Err(wrong(
                "a certificate cannot be verified for an IPv6 literal: use a host name",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("credentials belong into bind-dn and password"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(wrong("it may hold scheme, host and port only"));
        }
        let config = || {
            tls::client_config(Trust {
                ca: target.ca.as_deref(),
                ..Trust::default()
            })
            .map(Arc::new)
        };
        let (protection, default_port) = match (url.scheme(), target.start_tls) {
            ("ldaps", false) => (Protection::Direct(config()?), 636),
            ("ldaps", true) => {
                return Err(wrong(
                    "ldaps:// is TLS from the first byte: leave start-tls out",
                ));
            }
            ("ldap", true) => (Protection::StartTls(config()?), 389),
            ("ldap", false) => (Protection::None, 389),
            _ => return Err(wrong("the scheme is ldaps or ldap")),
        };
        Ok(Self {
            name: name.to_owned(),
            host: host.to_owned(),
            port: url.port().unwrap_or(default_port),
            protection,
            bind_dn: target.bind_dn.clone(),
            password: target.password.clone(),
            connect_timeout: target.connect_timeout,
        })
    }

    /// Connects, protects and binds, within the connect time-out and the caller's time.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Connection, Error> {
        let started = Instant::now();
        let limit = deadline.min(started + self.connect_timeout);
        let timed_out = |what| Error::TimedOut {
            what,
            after: limit - started,
        };
        let result = async {
            let stream = timeout_at(limit, self.dial(limit))
                .await
                .map_err(|_| timed_out("connecting to the directory"))??;
            let (mut ldap, socket) = timeout_at(limit, self.protect(stream))
                .await
                .map_err(|_| timed_out("the TLS handshake with the directory"))??;
            timeout_at(limit, self.bind(&mut ldap))
                .await
                .map_err(|_| timed_out("the bind to the directory"))??;
            Ok(Connection {
                ldap,
                used: Instant::now(),
                socket,
            })
        }
        .await;
        let ms = started.elapsed().as_millis();
        match &result {
            Ok(_) => tracing::debug!(
                target = self.name,
                host = self.host,
                port = self.port,
                ms,
                "ldap connected"
            ),
            Err(error) => {
                tracing::warn!(target = self.name, host = self.host, port = self.port, ms, %error, "ldap connection failed");
            }
        }
        result
    }

    /// Resolves once, and connects to the first vetted address that answers.
    async fn dial(&self, limit: Instant) -> Result<TcpStream, Error> {
        let vetted = egress::vet(&self.host, Reach::Private, &egress::System).await?;
        // A directory on this machine may be plain; over a network a password may not.
        let plain = matches!(self.protection, Protection::None);
        if plain && !self.bind_dn.is_empty() && !vetted.is_loopback() {
            return Err(Error::ClearPassword);
        }
        match vetted.connect(self.port, limit).await {
            Ok(stream) => Ok(stream),
            Err(Unreached::TimedOut) => Err(Error::TimedOut {
                what: "connecting to the directory",
                after: self.connect_timeout,
            }),
            Err(error) => Err(error.into()),
        }
    }

    async fn protect(&self, stream: TcpStream) -> Result<(Ldap, std::net::TcpStream), Error> {
        let stream = stream
            .into_std()
            .map_err(|e| Error::Connect(e.kind().to_string()))?;
        let socket = stream
            .try_clone()
            .map_err(|e| Error::Connect(e.kind().to_string()))?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Tcp(stream));
        let (scheme, settings) = match &self.protection {
            Protection::None => ("ldap", settings),
            Protection::StartTls(config) => (
                "ldap",
                settings.set_starttls(true).set_config(Arc::clone(config)),
            ),
            Protection::Direct(config) => ("ldaps", settings.set_config(Arc::clone(config))),
        };
        // The stream is connected already: the host in this URL is the name that TLS verifies.
        let url = format!("{scheme}://{}:{}", self.host, self.port);
        match guarded(LdapConnAsync::with_settings(settings, &url)).await {
            None => Err(Error::Malformed("StartTLS")),
            Some(Err(error)) => Err(self.handshake_failed(error)),
            Some(Ok((connection, ldap))) => {
                let target = self.name.clone();
                tokio::spawn(async move {
                    if let Err(error) = connection.drive().await {
                        tracing::debug!(target, %error, "ldap connection ended");
                    }
                });
                Ok((ldap, socket))
            }
        }
    }

    fn handshake_failed(&self, error: LdapError) -> Error {
        match error {
            LdapError::LdapResult { result } => Error::StartTls { code: result.rc },
            LdapError::Rustls { source } => self.tls_failed(&source),
            LdapError::Io { source } => match source
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>())
            {
                Some(inner) => self.tls_failed(inner),
                None => Error::Tls(format!(
                    "the server ended the connection ({}): is this its TLS port?",
                    source.kind()
                )),
            },
            _ => Error::Tls("the server ended the connection".to_owned()),
        }
    }

    fn tls_failed(&self, error: &rustls::Error) -> Error {
        // The full text holds the names in the certificate: for the operator, not for a guest.
        tracing::warn!(target = self.name, host = self.host, port = self.port, %error, "ldap tls failed");
        Error::Tls(tls::explain(error))
    }

    async fn bind(&self, ldap: &mut Ldap) -> Result<(), Error> {
        if self.bind_dn.is_empty() {
            return Ok(());
        }
        let password = self.password.expose_secret();
        if password.is_empty() {
            return Err(Error::EmptyPassword);
        }
        let result = match guarded(ldap.simple_bind(&self.bind_dn, password)).await {
            None => return Err(Error::Malformed("the bind")),
            Some(Err(_)) => {
                return Err(Error::Lost {
                    operation: "bind",
                    maybe_done: false,
                });
            }
            Some(Ok(result)) => result,
        };
        match result.rc {
            0 => Ok(()),
            code => Err(Error::Bind {
                code,
                text: result.text,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str, start_tls: bool) -> LdapTarget {
        LdapTarget {
            url: url.to_owned(),
            start_tls,
            ca: None,
            bind_dn: String::new(),
            password: String::new().into(),
            pool_size: 2,
            connect_timeout: Duration::from_secs(1),
            operation_timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_port_follows_the_scheme() {
        let port = |url, start_tls| {
            Endpoint::new("d", &target(url, start_tls))
                .map(|e| e.port)
                .ok()
        };
        assert_eq!(port("ldaps://h.example", false), Some(636));
        assert_eq!(port("ldap://h.example/", true), Some(389));
        assert_eq!(port("ldap://h.example:1389", false), Some(1389));
    }

    #[test]
    fn what_is_not_scheme_host_and_port_is_refused() {
        for url in [
            "http://h",
            "ldap://",
            "ldap://u:p@h",
            "ldap://h/dc=x",
            "ldap://h?uid",
            "h:389",
            "ldaps://[::1]",
        ] {
            assert!(Endpoint::new("d", &target(url, false)).is_err(), "{url}");
        }
        assert!(Endpoint::new("d", &target("ldaps://h", true)).is_err());
    }

    #[tokio::test]
    async fn a_metadata_address_is_never_dialled() {
        let endpoint =
            Endpoint::new("d", &target("ldap://169.254.169.254", false)).expect("a target");
        let deadline = Instant::now() + Duration::from_secs(5);
        assert!(matches!(
            endpoint.connect(deadline).await,
            Err(Error::Egress(_))
        ));
    }
}
