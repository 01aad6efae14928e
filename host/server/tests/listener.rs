//! The listener: certificates that change under way, and stopping without breaking off what has begun.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tombolo::http::listener::serve;
use tombolo::http::tls::Certificate;

fn put(name: &str, into: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
    for part in ["cert", "key"] {
        std::fs::copy(
            from.join(format!("{name}.{part}.pem")),
            into.join(format!("{part}.pem")),
        )
        .unwrap();
    }
}

fn der(name: &str) -> CertificateDer<'static> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/tls/{name}.cert.pem"));
    CertificateDer::from_pem_file(file).unwrap()
}

/// A client that trusts both certificates and speaks these versions of TLS.
fn client(versions: &[&'static rustls::SupportedProtocolVersion]) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der("one")).unwrap();
    roots.add(der("two")).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_protocol_versions(versions)
    .unwrap()
    .with_root_certificates(roots)
    .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn connect(
    address: std::net::SocketAddr,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    client(versions)
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
        .unwrap()
}

async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str) {
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
        .await
        .unwrap();
}

async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> String {
    let mut bytes = Vec::new();
    while !String::from_utf8_lossy(&bytes).ends_with("done") {
        let mut part = [0; 1024];
        let read = stream.read(&mut part).await.unwrap();
        assert_ne!(
            read,
            0,
            "the connection was dropped after {:?}",
            String::from_utf8_lossy(&bytes)
        );
        bytes.extend_from_slice(&part[..read]);
    }
    String::from_utf8(bytes).unwrap()
}

fn router() -> Router {
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        "done"
    };
    Router::new()
        .route("/", get(|| async { "done" }))
        .route("/slow", get(slow))
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_live_on() {
    let dir = tempfile::tempdir().unwrap();
    put("one", dir.path());
    let certificate = Certificate::load(
        &dir.path().join("cert.pem"),
        &dir.path().join("key.pem"),
        None,
    )
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let tls = Some(certificate.server_config().unwrap());
    let server = tokio::spawn(serve(
        listener,
        tls,
        router(),
        stop.clone(),
        Duration::from_secs(5),
    ));

    let both: &[_] = &[&rustls::version::TLS13, &rustls::version::TLS12];
    let mut old = connect(address, both).await;
    assert_eq!(old.get_ref().1.peer_certificates().unwrap()[0], der("one"));
    ask(&mut old, "/").await;
    answer(&mut old).await;

    // The key of another pair: refused, and the old pair is still shown.
    std::fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls/two.cert.pem"),
        dir.path().join("cert.pem"),
    )
    .unwrap();
    assert!(certificate.reload().is_err());
    assert_eq!(
        connect(address, both)
            .await
            .get_ref()
            .1
            .peer_certificates()
            .unwrap()[0],
        der("one")
    );

    put("two", dir.path());
    certificate.reload().unwrap();
    for version in both {
        let mut new = connect(address, &[*version]).await;
        assert_eq!(new.get_ref().1.peer_certificates().unwrap()[0], der("two"));
        ask(&mut new, "/").await;
        answer(&mut new).await;
    }
    ask(&mut old, "/").await;
    assert!(answer(&mut old).await.starts_with("HTTP/1.1 200"));
    drop(old);
    stop.cancel();
    assert!(server.await.unwrap());
}

#[tokio::test]
async fn stopping_finishes_what_has_begun_and_accepts_nothing_new() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(
        listener,
        None,
        router(),
        stop.clone(),
        Duration::from_secs(5),
    ));
    let mut idle = TcpStream::connect(address).await.unwrap();
    ask(&mut idle, "/").await;
    answer(&mut idle).await;
    let mut busy = TcpStream::connect(address).await.unwrap();
    ask(&mut busy, "/slow").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.cancel();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(
        TcpStream::connect(address).await.is_err(),
        "still accepting"
    );
    assert!(answer(&mut busy).await.starts_with("HTTP/1.1 200"));
    assert!(server.await.unwrap(), "an idle connection held the host up");
}

#[tokio::test]
async fn a_request_that_outlives_the_drain_does_not_hold_the_host() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve(
        listener,
        None,
        router(),
        stop.clone(),
        Duration::from_millis(50),
    ));
    let mut busy = TcpStream::connect(address).await.unwrap();
    ask(&mut busy, "/slow").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.cancel();
    assert!(!server.await.unwrap());
}
