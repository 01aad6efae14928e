//! `net` over TLS: from the first byte, or from where the protocol says so, and never with a stranger.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tombolo_runtime::{NetTarget, NetTls};
use tombolo_tests::pki::{Authority, Pair, openssl};
use tombolo_tests::postgres::Postgres;

use crate::service::{Service, Tls};
use crate::{play, with};

fn server(pair: &Pair) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(&pair.certificate)
        .unwrap()
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key);
    Arc::new(config.unwrap())
}

/// SHA-256 of the public key, by another hand than the host's.
fn pin(pair: &Pair) -> [u8; 32] {
    let certificate = pair.certificate.display().to_string();
    let arguments = ["x509", "-in", &certificate, "-pubkey", "-noout"];
    let key = openssl(Path::new("/"), &arguments).unwrap();
    let key = rustls::pki_types::SubjectPublicKeyInfoDer::from_pem_slice(&key).unwrap();
    Sha256::digest(&*key).into()
}

fn target(service: &Service, tls: NetTls, authority: &Authority) -> NetTarget {
    NetTarget {
        tls,
        ca: Some(authority.pem().unwrap()),
        ..crate::target(service.port)
    }
}

const UPGRADE: &str = "connect service\nline\nsay echo plain\nline\nsay starttls\nline\nstart-tls\nsay echo safe\nline";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_protected_in_place() {
    let authority = Authority::new().unwrap();
    let config = server(&authority.server("service").unwrap());
    let service = Service::start(Tls::Start(config)).await;
    let connector = with(target(&service, NetTls::StartTls, &authority)).await;
    let script = format!("{UPGRADE}\nstart-tls\nsay echo still safe\nline\nsay quit\ndrain");
    assert_eq!(
        play(&connector, &script).await,
        [
            "connected",
            "ready",
            "say",
            "plain",
            "say",
            "go ahead",
            "start-tls",
            "say",
            "safe",
            // Twice is a mistake that costs nothing.
            "NetError::Denied",
            "say",
            "still safe",
            "say",
            "0"
        ]
    );
    // Where the operator wants none, there is none.
    let off = NetTarget {
        ca: None,
        ..target(&service, NetTls::Off, &authority)
    };
    let said = play(
        &with(off).await,
        "connect service\nline\nstart-tls\nsay echo x\nline",
    )
    .await;
    assert_eq!(said[2..], ["NetError::Denied", "say", "x"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_in_the_clear_is_not_taken_for_protected() {
    let authority = Authority::new().unwrap();
    let config = server(&authority.server("service").unwrap());
    let service = Service::start(Tls::Babbling(config)).await;
    let connector = with(target(&service, NetTls::StartTls, &authority)).await;
    let said = play(&connector, UPGRADE).await;
    assert!(said[6].contains("NetError::Tls"), "{said:?}");
    assert_eq!(said[7..], ["NetError::Closed", "NetError::Closed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_not_spoken_to() {
    let (authority, stranger) = (Authority::new().unwrap(), Authority::new().unwrap());
    let (pair, other) = (
        authority.server("service").unwrap(),
        authority.server("other").unwrap(),
    );
    for tls in [NetTls::Always, NetTls::StartTls] {
        let config = server(&pair);
        let service = Service::start(match tls {
            NetTls::Always => Tls::Always(config),
            _ => Tls::Start(config),
        })
        .await;
        let script = match tls {
            NetTls::Always => "connect service\nline",
            _ => "connect service\nline\nsay starttls\nline\nstart-tls",
        };
        let last = async |target: NetTarget| {
            let connector = with(target).await;
            let entry = crate::tried(&connector, script).await.unwrap();
            let bad = entry.lines().find(|line| line.contains("NetError"));
            bad.unwrap_or("good").to_owned()
        };
        let good = target(&service, tls, &authority);
        assert_eq!(last(good.clone()).await, "good");
        let pinned = |pair| NetTarget {
            pins: vec![pin(pair)],
            ..good.clone()
        };
        assert_eq!(last(pinned(&pair)).await, "good");
        let told = last(pinned(&other)).await;
        assert!(told.contains("`pins`"), "{told}");
        let told = last(target(&service, tls, &stranger)).await;
        assert!(
            told.contains("NetError::Tls") && told.contains("set `ca`"),
            "{told}"
        );
        let named = |name: &str| NetTarget {
            server_name: Some(name.to_owned()),
            ..good.clone()
        };
        let told = last(named("mail.example.org")).await;
        assert!(told.contains("not for the host name"), "{told}");
        assert!(!told.contains("mail.example.org"), "{told}");
        // The certificate is for 127.0.0.1 as well, and for nobody whom DNS could invent.
        assert_eq!(last(named("127.0.0.1")).await, "good");
        let elsewhere = NetTarget {
            address: format!("other.localhost:{}", service.port),
            ..named("localhost")
        };
        assert_eq!(last(elsewhere).await, "good");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_with_a_server_that_speaks_none_comes_to_nothing_in_time() {
    let authority = Authority::new().unwrap();
    let service = Service::start(Tls::None).await;
    let hasty = NetTarget {
        connect_timeout: Duration::from_millis(500),
        ..target(&service, NetTls::Always, &authority)
    };
    let said = play(&with(hasty).await, "connect service").await;
    assert!(said[0].contains("NetError::Tls"), "{said:?}");
    service.until_ended(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_is_reached_through_its_own_kind_of_upgrade() {
    let postgres = Postgres::start("not needed here").unwrap();
    let connector = with(NetTarget {
        tls: NetTls::StartTls,
        ca: Some(std::fs::read(postgres.ca()).unwrap()),
        ..crate::target(postgres.port())
    })
    .await;
    // SSLRequest; its answer; then a startup message for `tombolo` on `app`, whose answer begins with `R`.
    let startup = [
        b"\0\x03\0\0".as_slice(),
        b"user\0tombolo\0database\0app\0\0",
    ]
    .concat();
    let length = u32::try_from(startup.len() + 4).unwrap().to_be_bytes();
    let script = format!(
        "connect service\nhex 0000000804d2162f\nread 1\nstart-tls\nhex {}{}\nread 1",
        hex::encode(length),
        hex::encode(startup)
    );
    assert_eq!(
        play(&connector, &script).await,
        ["connected", "hex", "S", "start-tls", "hex", "R"]
    );
}
