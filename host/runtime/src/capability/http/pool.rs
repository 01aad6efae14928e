//! Connections of one endpoint: made to vetted addresses, kept between requests, one request at a time.
//!
//! Last in, first out: with little to do, one connection stays warm and the others age. A connection
//! that was dropped in the middle of an exchange is closed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::error::Error;
use super::place::Place;
use crate::capability::tls;
use crate::egress::{self, Reach, Resolver, Unreached};

/// Servers close silent connections after some seconds (Apache: 5, nginx: 75, IIS: 120).
const MAX_IDLE: Duration = Duration::from_secs(60);
/// A connection that is not ready for the next request so long after an answer is not kept.
const SETTLE: Duration = Duration::from_millis(20);
/// Fields of an answer, and bytes of their block.
const MOST_FIELDS: usize = 200;
const MOST_HEADER_BYTES: usize = 64 << 10;
/// The most that a connection buffers.
const BUFFER: usize = 128 << 10;

/// Where connections go, and what they rest on.
pub(super) struct Endpoint {
    /// The target's name in the app's file, for logs.
    pub(super) target: String,
    pub(super) place: Place,
    /// None where the operator wrote `http://`.
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) reach: Reach,
    pub(super) connect_timeout: Duration,
    pub(super) resolver: Arc<dyn Resolver>,
}

/// The connections of one endpoint.
pub(super) struct Pool {
    pub(super) endpoint: Endpoint,
    keep: usize,
    idle: Mutex<Vec<Connection>>,
}

/// A connection, for one request at a time.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    /// Made for this request: if it is dead, the target is, not the pool.
    pub(super) fresh: bool,
    /// TLS, and no certificate of ours to show.
    pub(super) bare: bool,
    used: Instant,
    /// The same socket, to look at without the library.
    socket: std::net::TcpStream,
    driver: Driver,
}

/// The task that moves a connection's bytes; it ends with the connection, and says what ended it.
struct Driver(JoinHandle<Option<hyper::Error>>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Connection {
    /// Is an idle connection still there?
    ///
    /// Its task may not have seen yet that the server hung up, and a request that is lost that way has an unknown
    /// outcome. Nothing is due on an idle connection: whatever can be read, be it the end, is a server that takes its leave.
    fn is_alive(&self) -> bool {
        let quiet = || match self.socket.peek(&mut [0_u8]) {
            Ok(_) => false,
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        };
        self.used.elapsed() < MAX_IDLE && !self.sender.is_closed() && quiet()
    }

    /// What ended a connection that takes no more requests, if it was an error.
    pub(super) async fn ended(mut self) -> Option<hyper::Error> {
        (&mut self.driver.0).await.ok().flatten()
    }
}

impl Pool {
    pub(super) fn new(endpoint: Endpoint, keep: usize) -> Self {
        Self {
            endpoint,
            keep: keep.max(1),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// An idle connection, if one is alive.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock();
        idle.retain(Connection::is_alive);
        let ready = idle.iter().rposition(|one| one.sender.is_ready())?;
        let mut taken = idle.remove(ready);
        taken.fresh = false;
        Some(taken)
    }

    /// What ended one idle connection has probably ended the others.
    pub(super) fn forget(&self) {
        self.idle.lock().clear();
    }

    /// Returns a connection on which the last exchange ended well, if its server keeps it.
    pub(super) async fn give_back(&self, mut connection: Connection) {
        // Its task sees the end of the answer a moment after we do.
        let settled = timeout(SETTLE, connection.sender.ready()).await;
        if !matches!(settled, Ok(Ok(()))) {
            return;
        }
        connection.used = Instant::now();
        let mut idle = self.idle.lock();
        idle.retain(Connection::is_alive);
        if idle.len() < self.keep {
            idle.push(connection);
        }
    }

    /// A new connection, within the connect time-out and the caller's time.
    pub(super) async fn connect(&self, limit: Instant) -> Result<Connection, Error> {
        let endpoint = &self.endpoint;
        let began = Instant::now();
        let limit = limit.min(began + endpoint.connect_timeout);
        let made = timeout_at(limit, endpoint.open(limit))
            .await
            .unwrap_or(Err(Unreached::TimedOut.into()));
        let ms = began.elapsed().as_millis();
        let (on, host, port) = (
            &endpoint.target,
            endpoint.place.host(),
            endpoint.place.port(),
        );
        match &made {
            Ok(_) => tracing::debug!(on, host, port, ms, "http connected"),
            Err(error) => tracing::warn!(on, host, port, ms, %error, "http connection failed"),
        }
        made
    }
}

impl Endpoint {
    async fn open(&self, limit: Instant) -> Result<Connection, Error> {
        let vetted = egress::vet(self.place.host(), self.reach, &*self.resolver).await?;
        let stream = vetted.connect(self.place.port(), limit).await?;
        let failed = |e: std::io::Error| Error::Unreached(Unreached::Connect(e.kind().to_string()));
        let stream = stream.into_std().map_err(failed)?;
        let socket = stream.try_clone().map_err(failed)?;
        let stream = TcpStream::from_std(stream).map_err(failed)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(config) => Box::new(self.protect(config, stream).await?),
        };
        let (sender, connection) = http1::Builder::new()
            .max_headers(MOST_FIELDS)
            .max_header_size(MOST_HEADER_BYTES)
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Error::lost(false))?;
        let on = self.target.clone();
        let driver = tokio::spawn(async move {
            let ended = connection.await.err();
            if let Some(error) = &ended {
                tracing::debug!(on, %error, "http connection ended");
            }
            ended
        });
        let shows_nothing = |tls: &Arc<ClientConfig>| !tls.client_auth_cert_resolver.has_certs();
        Ok(Connection {
            sender,
            fresh: true,
            bare: self.tls.as_ref().is_some_and(shows_nothing),
            used: Instant::now(),
            socket,
            driver: Driver(driver),
        })
    }

    async fn protect(
        &self,
        config: &Arc<ClientConfig>,
        stream: TcpStream,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Error> {
        let host = self.place.host();
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|_| Error::Tls("its host name cannot be in a certificate".to_owned()))?;
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        handshake.await.map_err(|error| {
            let inner = error
                .get_ref()
                .and_then(|e| e.downcast_ref::<rustls::Error>());
            Error::Tls(match inner {
                Some(inner) => {
                    // The full text holds the names in the certificate: for the operator, not for a guest.
                    tracing::warn!(on = self.target, host, %error, "http tls failed");
                    tls::explain(inner)
                }
                None => format!(
                    "the server ended the connection ({}): is this its TLS port?",
                    error.kind()
                ),
            })
        })
    }
}
