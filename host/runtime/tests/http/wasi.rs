//! `wasi:http` is the same client, with the same limits.

use tombolo_runtime::{AppSpec, CallError, HttpTarget, Limits};

use crate::common::{call, spec};
use crate::web::{Seen, Web, answer, ok};
use crate::{basic, bound, hr, target, told};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wasi_http_is_the_same_client() {
    let web = Web::start(|seen: &Seen| {
        answer(
            200,
            &[("set-cookie", "a=b")],
            format!("{} {}", seen.path, seen.body),
        )
    })
    .await;
    let connector = hr(HttpTarget {
        auth: basic(),
        ..target(&format!("{}/api", web.url()))
    })
    .await;
    let wasi = async |asked: &str, headers: &[&str]| told(&connector, "wasi", asked, headers).await;
    // By the target's name, and by its address.
    let body = "y".repeat(9000);
    let posted = wasi(&format!("POST http://hr /users?x=1\n{body}"), &["x-a: b"]).await;
    assert!(
        posted.starts_with("200\n") && posted.ends_with(&format!("/api/users?x=1 {body}")),
        "{posted}"
    );
    assert!(!posted.contains("set-cookie"), "{posted}");
    let seen = web.seen().pop().unwrap();
    assert_eq!(
        seen.header("authorization"),
        Some("Basic c3ZjOnBhc3Mtd29yZC03Nw==")
    );
    assert_eq!(seen.header("x-a"), Some("b"));
    assert_eq!(
        seen.header("host"),
        Some(&*format!("127.0.0.1:{}", web.port))
    );
    let got = wasi(&format!("GET {} /api/users", web.url()), &[]).await;
    assert!(got.ends_with("/api/users "), "{got}");
    // Anything else is denied, at the call.
    let denied = "error: ErrorCode::HttpRequestDenied";
    for asked in [
        "GET http://169.254.169.254 /latest/meta-data".to_owned(),
        "GET https://example.org /".to_owned(),
        "GET http://hr:80 /".to_owned(),
        "GET http://127.0.0.1:1 /api/x".to_owned(),
        format!("GET {} /admin", web.url()),
        format!("GET {} /api/../admin", web.url()),
        "GET http://hr /../admin".to_owned(),
        "TRACE http://hr /".to_owned(),
        format!("POST http://other /\n{body}"),
    ] {
        assert_eq!(wasi(&asked, &[]).await, denied, "{asked}");
    }
    assert_eq!(
        wasi("GET http://hr /", &["authorization: mine"]).await,
        denied
    );
    assert_eq!(web.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_counted_by_either_interface() {
    let web = Web::start(|_| ok("x")).await;
    let limits = Limits {
        outbound_requests: 0,
        ..Limits::default()
    };
    let app = AppSpec {
        limits,
        ..spec("app")
    };
    let connector = bound(app, vec![("hr", target(&web.url()))]).await;
    let one = connector.get(&call(), "http", "GET hr /", &[]).await;
    assert!(
        matches!(one, Err(CallError::LimitExceeded { .. })),
        "{one:?}"
    );
    let other = told(&connector, "wasi", "GET http://hr /", &[]).await;
    assert_eq!(other, "error: ErrorCode::HttpRequestDenied");
    let bytes = Limits {
        outbound_bytes: 10_000,
        ..Limits::default()
    };
    let app = AppSpec {
        limits: bytes,
        ..spec("app")
    };
    let connector = bound(app, vec![("hr", target(&web.url()))]).await;
    let much = format!("POST http://hr /\n{}", "x".repeat(20_000));
    let answer = told(&connector, "wasi", &much, &[]).await;
    assert!(answer.starts_with("error: ErrorCode::"), "{answer}");
    assert!(web.seen().is_empty());
}
