//! What arrives at a target, what comes back, and how often.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use tombolo_runtime::{HttpTarget, Rate};

use crate::web::{Web, answer, ok};
use crate::{basic, hr, send, target, told};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_arrives_below_the_prefix_and_its_answer_comes_back() {
    let web = Web::start(|_| {
        answer(
            201,
            &[
                ("location", "/api/users/7"),
                ("x-some", "thing"),
                ("connection", "x-hop"),
                ("x-hop", "1"),
            ],
            "made",
        )
    })
    .await;
    let connector = hr(target(&format!("{}/api/", web.url()))).await;
    let headers = ["content-type: text/plain", "host: other", "x-mine: 1"];
    let answer = told(&connector, "http", "POST hr /users?x=1\nhello", &headers).await;
    assert_eq!(
        answer,
        "201\ncontent-length: 4\nlocation: /users/7\nx-some: thing\n\nmade"
    );
    let seen = web.seen().remove(0);
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str()),
        ("POST", "/api/users?x=1")
    );
    assert_eq!(seen.body, "hello");
    assert_eq!(
        seen.header("host"),
        Some(&*format!("127.0.0.1:{}", web.port))
    );
    assert_eq!(seen.header("x-mine"), Some("1"));
    assert_eq!(seen.header("content-length"), Some("5"));
    // What is not granted, or leads out, does not arrive.
    for asked in [
        "GET other /",
        "GET hr /../admin",
        "GET hr //127.0.0.1/",
        "GET hr http://127.0.0.1:1/api/x",
        "TRACE hr /",
        "CONNECT hr /",
    ] {
        assert_eq!(
            send(&connector, asked).await,
            "error: HttpError::Denied",
            "{asked}"
        );
    }
    for asked in ["GET hr /a b", "G@T hr /", "GET hr /%0"] {
        let error = send(&connector, asked).await;
        assert!(
            error.starts_with("error: HttpError::Protocol"),
            "{asked}: {error}"
        );
    }
    let split = told(&connector, "http", "GET hr /", &["x: a\r\ny: b"]).await;
    assert!(split.starts_with("error: HttpError::Protocol"), "{split}");
    assert_eq!(web.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_kept_and_only_listed_methods_allowed() {
    let web = Web::start(|_| ok("x")).await;
    let connector = hr(HttpTarget {
        methods: Some(vec!["GET".to_owned()]),
        ..target(&web.url())
    })
    .await;
    for _ in 0..5 {
        assert!(send(&connector, "GET hr /").await.starts_with("200"));
    }
    assert_eq!((web.seen().len(), web.connections()), (5, 1));
    assert_eq!(
        send(&connector, "POST hr /").await,
        "error: HttpError::Denied"
    );
    assert_eq!(web.seen().len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_answer_arrives_plain() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(b"plain text").unwrap();
    let packed = packed.finish().unwrap();
    let web = Web::start(move |_| answer(200, &[("content-encoding", "gzip")], &packed)).await;
    let connector = hr(target(&web.url())).await;
    let answer = told(&connector, "http", "GET hr /", &["accept-encoding: br"]).await;
    assert_eq!(answer, "200\n\nplain text");
    assert_eq!(
        web.seen()[0].header("accept-encoding"),
        Some("gzip, deflate")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_redirect_leaves_the_target() {
    let other = Web::start(|_| ok("stolen")).await;
    let port = other.port;
    let web = Web::start(move |seen| {
        let to = match seen.path.as_str() {
            "/api/metadata" => "http://169.254.169.254/latest/meta-data/".to_owned(),
            "/api/port" => format!("http://127.0.0.1:{port}/api/x"),
            "/api/host" => "http://other.example/api/x".to_owned(),
            "/api/scheme" => "https://127.0.0.1/api/x".to_owned(),
            "/api/relative" => format!("//127.0.0.1:{port}/api/x"),
            "/api/prefix" => "/admin".to_owned(),
            "/api/dots" => "../admin".to_owned(),
            "/api/file" => "file:///etc/passwd".to_owned(),
            "/api/loop" => "/api/loop".to_owned(),
            "/api/within" => "/api/there?x=1".to_owned(),
            _ => return ok(&format!("{} {}", seen.method, seen.body)),
        };
        let status = if seen.method == "PUT" { 308 } else { 302 };
        answer(status, &[("location", &to)], "")
    })
    .await;
    let connector = hr(HttpTarget {
        auth: basic(),
        ..target(&format!("{}/api", web.url()))
    })
    .await;
    for path in [
        "metadata", "port", "host", "scheme", "relative", "prefix", "dots", "file",
    ] {
        let error = send(&connector, &format!("GET hr /{path}")).await;
        assert!(error.contains("outside of its `url`"), "{path}: {error}");
    }
    assert!(other.seen().is_empty() && other.connections() == 0);
    let error = send(&connector, "GET hr /loop").await;
    assert!(error.contains("more than 5 times"), "{error}");
    assert!(send(&connector, "GET hr /within").await.ends_with("GET "));
    assert!(
        send(&connector, "PUT hr /within\nagain")
            .await
            .ends_with("PUT again")
    );
    // The target may have acted: a POST is not sent again, and the guest learns where to look.
    let answer = send(&connector, "POST hr /within\nonce").await;
    assert!(
        answer.starts_with("302") && answer.contains("location: /there?x=1"),
        "{answer}"
    );
    let posts = web
        .seen()
        .iter()
        .filter(|seen| seen.method == "POST")
        .count();
    assert_eq!(posts, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_asks_for_time_gets_it_and_the_request_is_repeated() {
    let web = Web::start(|seen| {
        let busy = |seconds| answer(429, &[("retry-after", seconds)], "busy");
        match (seen.path.as_str(), seen.turn) {
            ("/soon", 1) => busy("1"),
            ("/soon", _) => ok("done"),
            ("/always", _) => busy("0"),
            ("/down", _) => answer(503, &[], "down"),
            ("/later", _) => busy("600"),
            _ => ok("x"),
        }
    })
    .await;
    let connector = hr(target(&web.url())).await;
    let began = Instant::now();
    assert!(send(&connector, "POST hr /soon\nx").await.ends_with("done"));
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(web.seen().len(), 2);
    // Not for ever, and not without being asked.
    assert!(send(&connector, "GET hr /always").await.starts_with("429"));
    assert_eq!(web.seen().len(), 5);
    assert!(send(&connector, "GET hr /down").await.starts_with("503"));
    assert_eq!(web.seen().len(), 6);
    // Too long to wait for: the guest is told, and so are the next ones, without another request.
    let answer = send(&connector, "GET hr /later").await;
    assert!(
        answer.starts_with("429") && answer.contains("retry-after: 600"),
        "{answer}"
    );
    for _ in 0..3 {
        let answer = send(&connector, "GET hr /other").await;
        assert!(answer.starts_with("429\nretry-after: 30"), "{answer}");
    }
    assert_eq!(web.seen().len(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrency_and_rate_hold_over_all_calls() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (inside, peak) = (Arc::clone(&now), Arc::clone(&most));
    let web = Web::start(move |_| {
        peak.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
        std::thread::sleep(Duration::from_millis(20));
        inside.fetch_sub(1, SeqCst);
        ok("x")
    })
    .await;
    let connector = hr(HttpTarget {
        concurrency: 1,
        rate: Some(Rate {
            requests: 2,
            per: Duration::from_secs(1),
        }),
        ..target(&web.url())
    })
    .await;
    let began = Instant::now();
    let calls = (0..4).map(|_| {
        let connector = connector.clone();
        tokio::spawn(async move { send(&connector, "GET hr /").await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert!(call.await.unwrap().starts_with("200"));
    }
    assert_eq!((most.load(SeqCst), web.connections()), (1, 1));
    // Two at once, and two at half a second each.
    assert!(
        began.elapsed() >= Duration::from_millis(950),
        "{:?}",
        began.elapsed()
    );
}
