//! Targets that are slow, too generous, broken or gone.

use std::io::Write as _;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use tombolo_runtime::{AppSpec, CallError, HttpTarget, Limits};

use crate::common::{call, spec, within};
use crate::web::{Reply, Web, answer, ok};
use crate::{bound, hr, send, target};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_target_costs_its_time_out_and_no_more() {
    let mut web = Web::start(|seen| match seen.path.as_str() {
        "/head" => Reply::Silence(b"HTTP/1.1 200 OK\r\nx-slow: ".to_vec()),
        "/body" => Reply::Silence(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx".to_vec()),
        _ => Reply::Silence(Vec::new()),
    })
    .await;
    let connector = hr(HttpTarget {
        timeout: Duration::from_millis(300),
        ..target(&web.url())
    })
    .await;
    for path in ["/nothing", "/head", "/body"] {
        let began = Instant::now();
        let error = send(&connector, &format!("GET hr {path}")).await;
        assert_eq!(error, "error: HttpError::Timeout", "{path}");
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    web.is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_calls_deadline_ends_the_request_and_its_connection() {
    for kind in ["http", "wasi"] {
        let mut web = Web::start(|_| Reply::Silence(Vec::new())).await;
        let connector = hr(target(&web.url())).await;
        let asked = if kind == "wasi" {
            "GET http://hr /"
        } else {
            "GET hr /"
        };
        let began = Instant::now();
        let ended = connector
            .get(&within(Duration::from_millis(400)), kind, asked, &[])
            .await;
        // The request is answered with a time-out when the call's own time is over, so either may come first.
        if let Err(error) = ended {
            assert!(
                matches!(error, CallError::TimedOut { .. }),
                "{kind}: {error}"
            );
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{kind}");
        web.is_left().await;
        assert_eq!(web.connections(), 1, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_large_an_answer_is_cut_off_in_every_coding() {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..2048 {
        bomb.write_all(&[0; 8192]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 64 << 10);
    let mut web = Web::start(move |seen| match seen.path.as_str() {
        "/announced" => {
            Reply::Silence(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".to_vec())
        }
        "/endless" => Reply::Endless(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
            [&b"2000\r\n"[..], &[b'x'; 8192], b"\r\n"].concat(),
        ),
        "/headers" => Reply::Endless(
            b"HTTP/1.1 200 OK\r\n".to_vec(),
            b"x-y: zzzzzzzzzzzzzzzz\r\n".to_vec(),
        ),
        "/bomb" => answer(200, &[("content-encoding", "gzip")], &bomb),
        "/large" => ok(&"x".repeat(3 << 20)),
        _ => ok("x"),
    })
    .await;
    let limits = Limits {
        host_call_bytes: 4 << 20,
        ..Limits::default()
    };
    let app = AppSpec {
        limits,
        ..spec("app")
    };
    let connector = bound(app, vec![("hr", target(&web.url()))]).await;
    for path in ["/announced", "/endless", "/bomb"] {
        let error = send(&connector, &format!("GET hr {path}")).await;
        assert_eq!(error, "error: HttpError::TooLarge", "{path}");
    }
    let error = send(&connector, "GET hr /headers").await;
    assert!(
        error.contains("headers are too long or too many"),
        "{error}"
    );
    assert_eq!(
        send(&connector, "GET hr /large").await,
        "200 and 3145728 bytes"
    );
    // Two of them are more than one call may receive.
    let two = connector
        .get(
            &call(),
            "again",
            "GET hr /large",
            &[String::new(), String::new()],
        )
        .await;
    assert!(
        matches!(two, Err(CallError::LimitExceeded { .. })),
        "{two:?}"
    );
    drop(connector);
    web.is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_an_error_and_not_a_crash() {
    let web = Web::start(|seen| {
        Reply::Last(
            match seen.path.as_str() {
                "/chunk" => {
                    &b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nx\r\n"[..]
                }
                "/size" => {
                    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffffff\r\nx"
                }
                "/short" => b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx",
                "/none" => b"\0\x01\x02 nothing of the kind\r\n\r\n",
                "/lengths" => {
                    b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxy"
                }
                "/status" => b"HTTP/1.1 9999 OK\r\n\r\n",
                "/gzip" => {
                    b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope"
                }
                _ => b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
            }
            .to_vec(),
        )
    })
    .await;
    let connector = hr(target(&web.url())).await;
    for path in [
        "/chunk", "/size", "/short", "/none", "/lengths", "/status", "/gzip",
    ] {
        let error = send(&connector, &format!("GET hr {path}")).await;
        assert!(
            error.starts_with("error: HttpError::Protocol"),
            "{path}: {error}"
        );
        assert!(
            send(&connector, "GET hr /good").await.starts_with("200"),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kept_connection_that_dies_costs_a_get_nothing_and_a_post_its_answer() {
    let web = Web::start(|seen| {
        if seen.turn == 1 {
            ok(&seen.connection.to_string())
        } else {
            // Read, and gone: nobody can know whether it acted.
            Reply::Last(Vec::new())
        }
    })
    .await;
    let connector = hr(target(&web.url())).await;
    assert!(send(&connector, "GET hr /").await.ends_with("\n1"));
    assert!(send(&connector, "GET hr /").await.ends_with("\n2"));
    let count = |web: &Web| {
        web.seen()
            .iter()
            .filter(|seen| seen.method == "POST")
            .count()
    };
    let error = send(&connector, "POST hr /\nx").await;
    assert!(error.contains("may or may not have done"), "{error}");
    assert_eq!(count(&web), 1);
    // The pool is empty now: this one comes first on its connection.
    assert!(send(&connector, "POST hr /\nx").await.ends_with("\n3"));
    assert_eq!(count(&web), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_closed_while_idle_is_not_used_even_for_a_post() {
    let mut web = Web::start(|seen| {
        let Reply::Bytes(bytes) = ok(&seen.connection.to_string()) else {
            return Reply::Last(Vec::new());
        };
        Reply::Last(bytes)
    })
    .await;
    let connector = hr(target(&web.url())).await;
    for number in 1..4 {
        let answer = send(&connector, "POST hr /\nx").await;
        assert!(answer.ends_with(&format!("\n{number}")), "{answer}");
        web.is_left().await;
    }
    assert_eq!(web.seen().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_target_is_named_without_its_address() {
    let port = Web::start(|_| ok("x")).await.port;
    let connector = hr(target(&format!("http://127.0.0.1:{port}"))).await;
    let error = send(&connector, "GET hr /").await;
    assert!(error.starts_with("error: HttpError::Connect"), "{error}");
    assert!(
        !error.contains("127.0.0.1") && !error.contains(&port.to_string()),
        "{error}"
    );
    let metadata = hr(target("http://169.254.169.254")).await;
    let error = send(&metadata, "GET hr /latest/meta-data").await;
    assert!(
        error.contains("metadata address") && !error.contains("169"),
        "{error}"
    );
}
