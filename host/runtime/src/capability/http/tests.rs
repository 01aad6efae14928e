//! A target's client where the resolver is ours.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::error::Error;
use super::site::{Asked, Caller, Site};
use crate::app::{HttpAuth, HttpTarget};
use crate::egress::{Reach, Refused, Resolver, System, Unreached};

pub(super) fn target(url: &str) -> HttpTarget {
    HttpTarget {
        url: url.to_owned(),
        ca: None,
        pins: Vec::new(),
        identity: None,
        auth: HttpAuth::None,
        methods: None,
        reach: Reach::Private,
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
        concurrency: 4,
        rate: None,
    }
}

/// One answer after the other; the last one stays.
#[derive(Debug)]
struct Turns(Mutex<Vec<IpAddr>>);

#[async_trait]
impl Resolver for Turns {
    async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        let mut turns = self.0.lock();
        let next = turns.pop().ok_or(io::ErrorKind::NotFound)?;
        Ok(vec![next])
    }
}

fn get(path: &str) -> Asked {
    Asked {
        method: Method::GET,
        path: path.to_owned(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    }
}

fn caller() -> Caller {
    Caller {
        deadline: Instant::now() + Duration::from_secs(20),
        max_answer: 1 << 20,
    }
}

/// Answers one request a connection, and says how many came.
async fn serve(listener: TcpListener, served: Arc<Mutex<u32>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        *served.lock() += 1;
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
            .await;
    }
}

#[tokio::test]
async fn a_name_that_is_rebound_to_metadata_is_never_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let served = Arc::new(Mutex::new(0));
    tokio::spawn(serve(listener, Arc::clone(&served)));
    // The last in the list comes first.
    let answers = ["169.254.169.254", "fd00:ec2::254", "127.0.0.1"];
    let answers = answers.map(|a| a.parse().expect("an address")).to_vec();
    let resolver: Arc<dyn Resolver> = Arc::new(Turns(Mutex::new(answers)));
    let site = Site::new(
        "hr",
        &target(&format!("http://rebound.example:{port}")),
        &resolver,
    )
    .expect("a site");
    let answer = site.send(get("/"), caller()).await.expect("an answer");
    assert_eq!(answer.body, "ok");
    for _ in 0..2 {
        let refused = site.send(get("/"), caller()).await;
        assert!(
            matches!(
                refused,
                Err(Error::Unreached(Unreached::Refused(Refused::LinkLocal)))
            ),
            "{refused:?}"
        );
    }
    assert_eq!(*served.lock(), 1);
}

#[tokio::test]
async fn a_public_target_does_not_reach_this_machine() {
    let resolver: Arc<dyn Resolver> = Arc::new(System);
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0x7f.1",
    ] {
        let target = HttpTarget {
            reach: Reach::Public,
            ..target(&format!("http://{host}:1"))
        };
        let site = Site::new("hr", &target, &resolver).expect("a site");
        let refused = site.send(get("/"), caller()).await;
        assert!(
            matches!(
                refused,
                Err(Error::Unreached(Unreached::Refused(Refused::Private)))
            ),
            "{host}: {refused:?}"
        );
    }
}

#[test]
fn a_target_that_cannot_work_is_refused_at_once() {
    let resolver: Arc<dyn Resolver> = Arc::new(System);
    let refused = |target: &HttpTarget| Site::new("hr", target, &resolver).err().expect("refused");
    let plain = target("http://h.example");
    let pinned = HttpTarget {
        pins: vec![[0; 32]],
        ..plain.clone()
    };
    assert!(refused(&pinned).contains("https"));
    let no_header = HttpTarget {
        auth: HttpAuth::ApiKey {
            header: "not a header".to_owned(),
            value: "k".into(),
        },
        ..plain.clone()
    };
    assert!(refused(&no_header).contains("auth.header"));
    let broken = HttpTarget {
        auth: HttpAuth::Bearer {
            token: "to\nken-7".into(),
        },
        ..plain.clone()
    };
    let why = refused(&broken);
    assert!(why.contains("auth") && !why.contains("ken-7"), "{why}");
    let ca = HttpTarget {
        ca: Some(Vec::new()),
        ..target("https://h.example")
    };
    assert!(refused(&ca).contains("ca:"));
}

#[test]
fn debug_shows_no_secret() {
    let target = HttpTarget {
        auth: HttpAuth::Basic {
            user: "u".to_owned(),
            password: "hunter2".into(),
        },
        identity: Some(crate::app::ClientIdentity {
            certificate: Vec::new(),
            key: "PRIVATE-7".into(),
        }),
        ..target("https://h.example")
    };
    let shown = format!("{target:?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("PRIVATE-7"),
        "{shown}"
    );
}
