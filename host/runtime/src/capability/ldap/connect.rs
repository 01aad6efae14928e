//! From a target in the operator's file to a bound connection.
//!
//! TLS is made here and not by the library, because what comes out of it passes the [`guard`](super::guard) first.

use std::sync::Arc;

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, StdStream};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Duration, Instant, timeout_at};
use tokio_rustls::TlsConnector;
use url::Url;

use super::ber::{ENUMERATED, INTEGER, Reader, SEQUENCE, element, number};
use super::error::Error;
use super::guard::{self, Guard, Refusal};
use super::guarded;
use crate::app::{LdapBind, LdapTarget, Referrals};
use crate::capability::tls::{self, Trust};
use crate::egress::{self, Reach, Unreached};

/// What an answer to a bind or to StartTLS may be long.
const SMALL: usize = 64 << 10;

/// RFC 4511, section 4.14.1.
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

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

/// As whom.
#[derive(Clone)]
enum Bind {
    Anonymous,
    Simple {
        dn: String,
        password: SecretString,
    },
    /// SASL EXTERNAL (RFC 4513, section 5.2.3): as the certificate says.
    External,
}

/// What a connection's bytes are safe from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Privacy {
    /// Everybody on the way can read them.
    None,
    /// They do not leave this machine.
    Loopback,
    /// TLS, the server's name verified.
    Tls,
}

/// A checked target.
pub(super) struct Endpoint {
    /// The target's name in the app's file, for logs.
    pub(super) name: String,
    /// What to do about referrals.
    pub(super) referrals: Referrals,
    host: String,
    port: u16,
    protection: Protection,
    bind: Bind,
    connect_timeout: Duration,
}

/// A bound connection.
pub(super) struct Connection {
    /// The library's handle; the last one dropped closes the connection.
    pub(super) ldap: Ldap,
    /// What stands between the library and the server.
    pub(super) guard: Guard,
    /// Who can read along.
    pub(super) privacy: Privacy,
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
        !self.guard.has_ended() && !self.ldap.is_closed() && quiet()
    }

    /// What a lost connection was lost by.
    pub(super) fn lost(&self, operation: &'static str, maybe_done: bool, most: usize) -> Error {
        match self.guard.refusal() {
            Some(Refusal::TooLarge) => Error::TooLarge(most),
            Some(Refusal::Malformed) => Error::Malformed(operation),
            None => Error::Lost {
                operation,
                maybe_done,
            },
        }
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
                identity: target.identity.as_ref(),
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
        let plain = matches!(protection, Protection::None);
        if plain && target.identity.is_some() {
            return Err(
                "client-certificate: without ldaps:// or start-tls there is no TLS to show it in"
                    .to_owned(),
            );
        }
        let bind = match &target.bind {
            LdapBind::Anonymous => Bind::Anonymous,
            LdapBind::Simple { dn, password } => Bind::Simple {
                dn: dn.clone(),
                password: password.clone(),
            },
            LdapBind::External if target.identity.is_none() => {
                return Err("bind: \"external\" needs a client-certificate to bind as".to_owned());
            }
            LdapBind::External => Bind::External,
        };
        Ok(Self {
            name: name.to_owned(),
            referrals: target.referrals,
            host: host.to_owned(),
            port: url.port().unwrap_or(default_port),
            protection,
            bind,
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
            let (stream, loopback) = timeout_at(limit, self.dial(limit))
                .await
                .map_err(|_| timed_out("connecting to the directory"))??;
            let mut connection = timeout_at(limit, self.protect(stream, loopback))
                .await
                .map_err(|_| timed_out("the TLS handshake with the directory"))??;
            timeout_at(limit, self.bind(&mut connection))
                .await
                .map_err(|_| timed_out("the bind to the directory"))??;
            Ok(connection)
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
    async fn dial(&self, limit: Instant) -> Result<(TcpStream, bool), Error> {
        let vetted = egress::vet(&self.host, Reach::Private, &egress::System).await?;
        // A directory on this machine may be plain; over a network a password may not.
        let plain = matches!(self.protection, Protection::None);
        let loopback = vetted.is_loopback();
        if plain && !matches!(self.bind, Bind::Anonymous) && !loopback {
            return Err(Error::ClearPassword);
        }
        match vetted.connect(self.port, limit).await {
            Ok(stream) => Ok((stream, loopback)),
            Err(Unreached::TimedOut) => Err(Error::TimedOut {
                what: "connecting to the directory",
                after: self.connect_timeout,
            }),
            Err(error) => Err(error.into()),
        }
    }

    async fn protect(&self, stream: TcpStream, loopback: bool) -> Result<Connection, Error> {
        let failed = |e: std::io::Error| Error::Connect(e.kind().to_string());
        // A second handle on the socket: the standard library makes one, tokio does not.
        let stream = stream.into_std().map_err(failed)?;
        let socket = stream.try_clone().map_err(failed)?;
        let mut stream = TcpStream::from_std(stream).map_err(failed)?;
        let (far, near) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
        near.set_nonblocking(true).map_err(failed)?;
        let near = UnixStream::from_std(near).map_err(failed)?;
        let (guard, privacy) = match &self.protection {
            Protection::None if loopback => (Guard::post(stream, near), Privacy::Loopback),
            Protection::None => (Guard::post(stream, near), Privacy::None),
            Protection::StartTls(config) => {
                start_tls(&mut stream).await?;
                let stream = self.handshake(stream, config).await?;
                (Guard::post(stream, near), Privacy::Tls)
            }
            Protection::Direct(config) => {
                let stream = self.handshake(stream, config).await?;
                (Guard::post(stream, near), Privacy::Tls)
            }
        };
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(far));
        match guarded(LdapConnAsync::with_settings(settings, "ldapi:///")).await {
            None => Err(Error::Malformed("the connection")),
            Some(Err(_)) => Err(Error::Lost {
                operation: "connecting",
                maybe_done: false,
            }),
            Some(Ok((connection, ldap))) => {
                let target = self.name.clone();
                tokio::spawn(async move {
                    if let Err(error) = connection.drive().await {
                        tracing::debug!(target, %error, "ldap connection ended");
                    }
                });
                Ok(Connection {
                    ldap,
                    guard,
                    privacy,
                    used: Instant::now(),
                    socket,
                })
            }
        }
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        config: &Arc<ClientConfig>,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Error> {
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| Error::Tls("the host in `url` is no name to verify".to_owned()))?;
        TlsConnector::from(Arc::clone(config))
            .connect(name, stream)
            .await
            .map_err(|error| {
                let inner = error.get_ref().and_then(|e| e.downcast_ref());
                match inner {
                    Some(inner) => self.tls_failed(inner),
                    None => Error::Tls(format!(
                        "the server ended the connection ({}): is this its TLS port?",
                        error.kind()
                    )),
                }
            })
    }

    fn tls_failed(&self, error: &rustls::Error) -> Error {
        // The full text holds the names in the certificate: for the operator, not for a guest.
        tracing::warn!(target = self.name, host = self.host, port = self.port, %error, "ldap tls failed");
        Error::Tls(tls::explain(error))
    }

    async fn bind(&self, connection: &mut Connection) -> Result<(), Error> {
        connection.guard.begin(SMALL);
        let asked = match &self.bind {
            Bind::Anonymous => return Ok(()),
            Bind::Simple { dn, password } => {
                let password = password.expose_secret();
                if password.is_empty() {
                    return Err(Error::EmptyPassword);
                }
                guarded(connection.ldap.simple_bind(dn, password)).await
            }
            Bind::External => guarded(connection.ldap.sasl_external_bind()).await,
        };
        let result = match asked {
            None => return Err(Error::Malformed("the bind")),
            Some(Err(_)) => {
                return Err(match connection.lost("bind", false, SMALL) {
                    // With TLS 1.3 a server refuses a client certificate after the handshake: it hangs up.
                    Error::Lost { .. } if matches!(self.bind, Bind::External) => Error::Tls(
                        "the server ended the connection after it was shown `client-certificate`: does it trust the authority that signed it?".to_owned(),
                    ),
                    error => error,
                });
            }
            Some(Ok(result)) => result,
        };
        match result.rc {
            0 => Ok(()),
            code => Err(Error::Bind {
                code,
                text: result.text,
                external: matches!(self.bind, Bind::External),
            }),
        }
    }
}

/// Asks for TLS (RFC 4511, section 4.14), before anything else is said.
async fn start_tls<S>(stream: &mut S) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let failed = |_: std::io::Error| Error::Tls("the server ended the connection".to_owned());
    let request = element(0x77, &element(0x80, START_TLS));
    let request = element(SEQUENCE, &[number(INTEGER, 1), request].concat());
    stream.write_all(&request).await.map_err(failed)?;
    let mut got = Vec::new();
    let malformed = || Error::Malformed("StartTLS");
    let length = loop {
        match guard::message(&got, SMALL) {
            Ok(Some(length)) => break length,
            Ok(None) if stream.read_buf(&mut got).await.map_err(failed)? > 0 => {}
            Ok(None) => return Err(Error::Tls("the server ended the connection".to_owned())),
            Err(_) => return Err(malformed()),
        }
    };
    // What comes in the clear behind the answer would count as said by the server over TLS.
    if length != got.len() {
        return Err(malformed());
    }
    match extended_result(&got) {
        Some(0) => Ok(()),
        Some(code) => Err(Error::StartTls { code }),
        None => Err(malformed()),
    }
}

/// The result code of the answer to the first request.
fn extended_result(message: &[u8]) -> Option<u32> {
    let mut parts = Reader::inside(message, SEQUENCE).ok()?;
    if parts.number(INTEGER).ok()? != 1 {
        return None;
    }
    let mut result = Reader::new(parts.take(0x78).ok()?);
    u32::try_from(result.number(ENUMERATED).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str, start_tls: bool) -> LdapTarget {
        LdapTarget {
            url: url.to_owned(),
            start_tls,
            ca: None,
            identity: None,
            bind: LdapBind::Anonymous,
            referrals: Referrals::Ignore,
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

    #[test]
    fn a_certificate_needs_tls_and_external_needs_a_certificate() {
        let external = |url, start_tls| {
            let target = LdapTarget {
                bind: LdapBind::External,
                ..target(url, start_tls)
            };
            Endpoint::new("d", &target).err()
        };
        let why = external("ldaps://h", false).expect("refused");
        assert!(why.contains("client-certificate"), "{why}");
        let shown = LdapTarget {
            identity: Some(crate::app::ClientIdentity {
                certificate: Vec::new(),
                key: String::new().into(),
            }),
            ..target("ldap://h", false)
        };
        assert!(Endpoint::new("d", &shown).is_err());
    }

    #[tokio::test]
    async fn what_follows_the_answer_to_start_tls_in_the_clear_is_refused() {
        let answer = |code: i64| {
            let result = [
                number(ENUMERATED, code),
                element(0x04, b""),
                element(0x04, b""),
            ];
            let parts = [number(INTEGER, 1), element(0x78, &result.concat())];
            element(SEQUENCE, &parts.concat())
        };
        let injected = [answer(0), answer(0)].concat();
        for (said, good) in [(answer(0), true), (answer(52), false), (injected, false)] {
            let (mut near, mut far) = tokio::io::duplex(1 << 10);
            far.write_all(&said).await.expect("said");
            assert_eq!(start_tls(&mut near).await.is_ok(), good);
        }
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
