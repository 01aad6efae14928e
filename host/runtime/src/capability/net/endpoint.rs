//! From a target in the operator's file to a connected and, where the file says so, protected stream.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::error::Error;
use crate::app::{NetTarget, NetTls};
use crate::capability::tls::{self, Trust};
use crate::egress::{self, Reach, Resolver, Unreached};

/// A checked target.
pub(crate) struct Endpoint {
    /// The target's name in the app's file, for logs.
    target: String,
    host: String,
    port: u16,
    protection: Protection,
    reach: Reach,
    connect_timeout: Duration,
    pub(super) idle_timeout: Duration,
    places: Arc<Semaphore>,
    most: usize,
    resolver: Arc<dyn Resolver>,
}

#[derive(Clone)]
enum Protection {
    Off,
    StartTls(Secure),
    Always(Secure),
}

#[derive(Clone)]
struct Secure {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// A stream, and how it is protected.
pub(super) enum Stream {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// A connection's place among those that the target allows.
pub(super) type Place = OwnedSemaphorePermit;

impl Endpoint {
    /// Checks the target; nothing is connected yet. The error is for the operator.
    pub(crate) fn new(
        name: &str,
        target: &NetTarget,
        resolver: &Arc<dyn Resolver>,
    ) -> Result<Self, String> {
        let (host, port) = split(&target.address)?;
        let most = target.connections.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Self {
            target: name.to_owned(),
            protection: Protection::new(target, host)?,
            host: host.to_owned(),
            port,
            reach: target.reach,
            connect_timeout: target.connect_timeout,
            idle_timeout: target.idle_timeout,
            places: Arc::new(Semaphore::new(most)),
            most,
            resolver: Arc::clone(resolver),
        })
    }

    /// A new connection, within the connect time-out and the caller's time.
    pub(super) async fn open(&self, deadline: Instant) -> Result<(Stream, Place), Error> {
        let began = Instant::now();
        let limit = deadline.min(began + self.connect_timeout);
        let places = Arc::clone(&self.places);
        let place = match timeout_at(limit, places.acquire_owned()).await {
            Ok(Ok(place)) => place,
            _ => return Err(Error::Busy(self.most)),
        };
        let dialled = async {
            let vetted = egress::vet(&self.host, self.reach, &*self.resolver).await?;
            vetted.connect(self.port, limit).await
        };
        let made = match timeout_at(limit, dialled).await {
            Ok(Ok(stream)) => match &self.protection {
                Protection::Always(secure) => self.protect(secure, stream, deadline).await,
                Protection::Off | Protection::StartTls(_) => Ok(Stream::Plain(stream)),
            },
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(Unreached::TimedOut.into()),
        };
        let (on, host, port) = (&self.target, &self.host, self.port);
        let ms = began.elapsed().as_millis();
        match &made {
            Ok(_) => tracing::debug!(on, host, port, ms, "net connected"),
            Err(error) => tracing::warn!(on, host, port, ms, %error, "net connection failed"),
        }
        Ok((made?, place))
    }

    /// Protects a plain stream, where the target is one for that. What the server sent before and nobody read
    /// becomes part of the handshake and ends it: nothing that was said in the clear is taken for protected.
    pub(super) async fn upgrade(&self, stream: Stream, deadline: Instant) -> Result<Stream, Error> {
        match (&self.protection, stream) {
            (Protection::StartTls(secure), Stream::Plain(stream)) => {
                self.protect(secure, stream, deadline).await
            }
            _ => Err(Error::NoUpgrade),
        }
    }

    /// Would [`upgrade`](Self::upgrade) try?
    pub(super) fn upgrades(&self, stream: &Stream) -> bool {
        matches!(
            (&self.protection, stream),
            (Protection::StartTls(_), Stream::Plain(_))
        )
    }

    async fn protect(
        &self,
        secure: &Secure,
        stream: TcpStream,
        deadline: Instant,
    ) -> Result<Stream, Error> {
        let limit = deadline.min(Instant::now() + self.connect_timeout);
        let connector = TlsConnector::from(Arc::clone(&secure.config));
        let handshake = connector.connect(secure.name.clone(), stream);
        match timeout_at(limit, handshake).await {
            Ok(Ok(stream)) => Ok(Stream::Secure(Box::new(stream))),
            Ok(Err(error)) => {
                // The full text holds the names in the certificate: for the operator, not for a guest.
                tracing::warn!(on = self.target, host = self.host, %error, "net tls failed");
                let inner = error
                    .get_ref()
                    .and_then(|inner| inner.downcast_ref::<rustls::Error>());
                Err(Error::Tls(inner.map_or_else(
                    || format!("the server ended the connection ({})", error.kind()),
                    tls::explain,
                )))
            }
            Err(_) => Err(Error::Tls("the handshake took too long".to_owned())),
        }
    }
}

impl Protection {
    fn new(target: &NetTarget, host: &str) -> Result<Self, String> {
        if target.tls == NetTls::Off {
            let unused = target.ca.is_some()
                || target.server_name.is_some()
                || target.identity.is_some()
                || !target.pins.is_empty();
            return if unused {
                Err(
                    "tls: it is \"off\", so authorities, pins, names and certificates have no use"
                        .to_owned(),
                )
            } else {
                Ok(Self::Off)
            };
        }
        let name = target.server_name.as_deref().unwrap_or(host);
        let secure = Secure {
            name: ServerName::try_from(name.to_owned()).map_err(|_| {
                format!("`{name}` cannot be the name in a certificate: set `server-name`")
            })?,
            config: Arc::new(tls::client_config(Trust {
                ca: target.ca.as_deref(),
                pins: &target.pins,
                identity: target.identity.as_ref(),
            })?),
        };
        Ok(match target.tls {
            NetTls::StartTls => Self::StartTls(secure),
            _ => Self::Always(secure),
        })
    }
}

/// Host and port; the brackets of an IPv6 address go.
fn split(address: &str) -> Result<(&str, u16), String> {
    let wrong = || format!("address: `{address}` is not \"HOST:PORT\"");
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or_else(wrong)?,
        None if host.contains(':') => return Err(wrong()),
        None => host,
    };
    let good = !bare.is_empty()
        && !bare
            .chars()
            .any(|c| c.is_whitespace() || matches!(c, '/' | '@' | '[' | ']'));
    match port.parse::<u16>() {
        Ok(port) if good && port > 0 => Ok((bare, port)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(address: &str) -> NetTarget {
        NetTarget {
            address: address.to_owned(),
            tls: NetTls::Off,
            server_name: None,
            ca: None,
            pins: Vec::new(),
            identity: None,
            reach: Reach::Private,
            connect_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(1),
            connections: 1,
        }
    }

    fn made(target: &NetTarget) -> Result<Endpoint, String> {
        let resolver: Arc<dyn Resolver> = Arc::new(egress::System);
        Endpoint::new("t", target, &resolver)
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        assert_eq!(split("mail.example:25"), Ok(("mail.example", 25)));
        assert_eq!(split("[2001:db8::1]:25"), Ok(("2001:db8::1", 25)));
        for wrong in [
            "",
            "mail",
            "mail:",
            ":25",
            "mail:0",
            "mail:65536",
            "2001:db8::1:25",
            "[::1:25",
            "a b:1",
            "tcp://mail:25",
            "me@mail:25",
            "[]:25",
        ] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tls_that_is_off_has_no_use_for_trust() {
        assert!(made(&target("h:1")).is_ok());
        let pinned = NetTarget {
            pins: vec![[0; 32]],
            ..target("h:1")
        };
        assert!(made(&pinned).is_err());
        let named = NetTarget {
            tls: NetTls::Always,
            server_name: Some("not a name".to_owned()),
            ..target("h:1")
        };
        let why = made(&named).err().unwrap();
        assert!(why.contains("server-name"), "{why}");
    }

    #[tokio::test]
    async fn a_metadata_address_is_never_dialled_and_a_public_target_reaches_nothing_here() {
        let deadline = Instant::now() + Duration::from_secs(5);
        for address in ["169.254.169.254:80", "[::ffff:169.254.169.254]:80"] {
            let endpoint = made(&target(address)).unwrap();
            let error = endpoint.open(deadline).await.err().unwrap();
            assert!(matches!(error, Error::Unreached(Unreached::Refused(_))));
        }
        let public = NetTarget {
            reach: Reach::Public,
            ..target("127.0.0.1:80")
        };
        let error = made(&public).unwrap().open(deadline).await.err().unwrap();
        assert!(matches!(error, Error::Unreached(Unreached::Refused(_))));
    }
}
