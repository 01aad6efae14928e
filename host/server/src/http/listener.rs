//! Accepts connections, and stops without breaking off what has begun.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tracing::{debug, info, warn};

use crate::auth::certificate::Shown;

/// A client that has not said its request line by then is not going to (slow-loris).
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// The same for a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// When the process is out of file descriptors, trying again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is at the other end of a request's connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Their address.
    pub address: SocketAddr,
    /// Whether they came by TLS.
    pub encrypted: bool,
}

/// Serves until `stop`, then waits for what is in flight, at most `drain`. Says whether all of it ended.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    router: Router,
    stop: CancellationToken,
    drain: Duration,
) -> bool {
    let graceful = GracefulShutdown::new();
    let acceptor = tls.map(TlsAcceptor::from);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let connection = Connection {
                    address,
                    router: router.clone(),
                    watcher: graceful.watcher(),
                    stop: stop.clone(),
                };
                tokio::spawn(connection.run(stream, acceptor.clone()));
            }
            Err(why) if is_the_clients_fault(&why) => {
                debug!(%why, "a connection ended before it was accepted");
            }
            Err(why) => {
                warn!(%why, "cannot accept connections; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Closed first, so that a balancer's next connection is refused at once and goes elsewhere.
    drop(listener);
    info!(
        connections = graceful.count(),
        "no longer accepting; finishing what has begun"
    );
    tokio::time::timeout(drain, graceful.shutdown())
        .await
        .is_ok()
}

fn is_the_clients_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

struct Connection {
    address: SocketAddr,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
    stop: CancellationToken,
}

impl Connection {
    async fn run(self, stream: TcpStream, acceptor: Option<TlsAcceptor>) {
        // Answers are small: Nagle's algorithm would only hold them back.
        let _ = stream.set_nodelay(true);
        let Some(acceptor) = acceptor else {
            return self.speak(stream, false, None).await;
        };
        let stop = self.stop.clone();
        let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
        let outcome = tokio::select! {
            // Nothing has begun yet that would have to be finished.
            () = stop.cancelled() => return,
            outcome = handshake => outcome,
        };
        match outcome {
            Ok(Ok(stream)) => {
                let shown = stream.get_ref().1.peer_certificates();
                let shown = shown.and_then(<[_]>::first).map(|leaf| Shown::new(leaf));
                self.speak(stream, true, shown).await;
            }
            Ok(Err(why)) => debug!(peer = %self.address, %why, "TLS handshake failed"),
            Err(_) => debug!(peer = %self.address, "TLS handshake took too long"),
        }
    }

    async fn speak(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        encrypted: bool,
        certificate: Option<Arc<Shown>>,
    ) {
        let peer = Peer {
            address: self.address,
            encrypted,
        };
        let router = self.router;
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            if let Some(certificate) = &certificate {
                request.extensions_mut().insert(Arc::clone(certificate));
            }
            router.clone().oneshot(request.map(Body::new))
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(30))
            .max_concurrent_streams(256);
        let connection = builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        if let Err(why) = self.watcher.watch(connection).await {
            debug!(peer = %peer.address, %why, "connection ended");
        }
    }
}
