//! `http` over TLS: authorities, names, pinned keys, client certificates.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tombolo_runtime::{AppSpec, ClientIdentity, HttpTarget, Target};
use tombolo_tests::pki::{Authority, Pair, openssl};

use crate::common::{guest, runtime, spec};
use crate::web::{Web, ok};
use crate::{hr, send};

fn chain(pair: &Pair) -> Vec<CertificateDer<'static>> {
    let found = CertificateDer::pem_file_iter(&pair.certificate).unwrap();
    found.collect::<Result<_, _>>().unwrap()
}

fn server(pair: &Pair, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let pem = authority.pem().unwrap();
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                roots.add(certificate.unwrap()).unwrap();
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
    builder.with_single_cert(chain(pair), key).unwrap()
}

/// SHA-256 of the public key, by another hand than the host's.
fn pin(pair: &Pair) -> [u8; 32] {
    let certificate = pair.certificate.display().to_string();
    let key = openssl(
        Path::new("/"),
        &["x509", "-in", &certificate, "-pubkey", "-noout"],
    )
    .unwrap();
    let key = rustls::pki_types::SubjectPublicKeyInfoDer::from_pem_slice(&key).unwrap();
    Sha256::digest(&*key).into()
}

fn target(url: &str, authority: &Authority) -> HttpTarget {
    HttpTarget {
        ca: Some(authority.pem().unwrap()),
        ..crate::target(url)
    }
}

/// What `GET /` at this target comes to.
async fn get(target: HttpTarget) -> String {
    send(&hr(target).await, "GET hr /").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_targets_authority_name_and_keys_are_trusted() {
    let (authority, stranger) = (Authority::new().unwrap(), Authority::new().unwrap());
    let (pair, other) = (
        authority.server("web").unwrap(),
        authority.server("other").unwrap(),
    );
    let web = Web::with(Some(server(&pair, None)), |_| ok("x")).await;
    let good = target(&web.secure_url(), &authority);
    assert!(get(good.clone()).await.starts_with("200"));
    let by_address = target(&format!("https://127.0.0.1:{}", web.port), &authority);
    assert!(get(by_address).await.starts_with("200"));

    let error = get(target(&web.secure_url(), &stranger)).await;
    assert!(
        error.contains("HttpError::Tls") && error.contains("set `ca`"),
        "{error}"
    );
    let system = HttpTarget {
        ca: None,
        ..good.clone()
    };
    assert!(get(system).await.contains("HttpError::Tls"));
    let misnamed = target(&format!("https://other.localhost:{}", web.port), &authority);
    let error = get(misnamed).await;
    assert!(
        error.contains("not for the host name") && !error.contains("other.localhost"),
        "{error}"
    );

    let pinned = HttpTarget {
        pins: vec![pin(&other), pin(&pair)],
        ..good.clone()
    };
    assert!(get(pinned).await.starts_with("200"));
    let pinned = HttpTarget {
        pins: vec![pin(&other)],
        ..good.clone()
    };
    let error = get(pinned).await;
    assert!(error.contains("none of the target's `pins`"), "{error}");
    // A pin does not replace the authority.
    let pinned = HttpTarget {
        pins: vec![pin(&pair)],
        ..target(&web.secure_url(), &stranger)
    };
    assert!(get(pinned).await.contains("set `ca`"));
    assert_eq!(web.seen().len(), 3);

    // A TLS target is not spoken to in the clear.
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        let mut heard = [0; 1024];
        let length = stream.read(&mut heard).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        heard[..length].to_vec()
    });
    let error = get(target(&format!("https://localhost:{port}"), &authority)).await;
    assert!(error.contains("HttpError::Tls"), "{error}");
    // A TLS handshake record, and nothing else.
    assert_eq!(heard.await.unwrap()[0], 22);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_is_shown_to_who_asks_for_one() {
    let authority = Authority::new().unwrap();
    let (pair, ours) = (
        authority.server("web").unwrap(),
        authority.client("bridge").unwrap(),
    );
    let web = Web::with(Some(server(&pair, Some(&authority))), |_| ok("x")).await;
    let bare = target(&web.secure_url(), &authority);
    let error = get(bare.clone()).await;
    assert!(error.contains("HttpError::Tls"), "{error}");
    let identity = ClientIdentity {
        certificate: std::fs::read(&ours.certificate).unwrap(),
        key: std::fs::read_to_string(&ours.key).unwrap().into(),
    };
    let shown = HttpTarget {
        identity: Some(identity),
        ..bare
    };
    let answer = get(shown.clone()).await;
    assert!(answer.starts_with("200"), "{answer}");
    assert_eq!(web.seen().len(), 1);

    // A key that is another's is found when the app is loaded.
    let identity = ClientIdentity {
        certificate: std::fs::read(&ours.certificate).unwrap(),
        key: std::fs::read_to_string(&pair.key).unwrap().into(),
    };
    let mixed = HttpTarget {
        identity: Some(identity),
        ..shown
    };
    let runtime = runtime();
    let component = runtime.load("web", guest("web")).await.unwrap();
    let app = AppSpec {
        targets: [("hr".to_owned(), Target::Http(mixed))].into(),
        ..spec("app")
    };
    let why = runtime
        .bind(&component, app)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(why.contains("`hr`") && why.contains("client-key"), "{why}");
}
