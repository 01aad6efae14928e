//! `http`: what a guest asks reaches the target, signed by the host, and nothing else reaches anything.

mod common;
#[path = "support/web.rs"]
mod web;

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use common::{SECRET, answer as said, call, guest, runtime, spec, within};
use flate2::Compression;
use flate2::write::GzEncoder;
use parking_lot::Mutex;
use tombolo_runtime::{
    AppSpec, CallError, Connector, HttpAuth, HttpTarget, Limits, OAuthClient, Rate, Reach, Target,
    TokenRequest,
};
use web::{Reply, Seen, Web, answer, ok};

fn target(url: &str) -> HttpTarget {
    HttpTarget {
        url: url.to_owned(),
        ca: None,
        pins: Vec::new(),
        identity: None,
        auth: HttpAuth::None,
        methods: None,
        reach: Reach::Private,
        connect_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(20),
        concurrency: 8,
        rate: None,
    }
}

async fn bound(app: AppSpec, targets: Vec<(&str, HttpTarget)>) -> Connector {
    let runtime = runtime();
    let component = runtime.load("web", guest("web")).await.unwrap();
    let targets = targets
        .into_iter()
        .map(|(name, target)| (name.to_owned(), Target::Http(target)))
        .collect();
    runtime
        .bind(&component, AppSpec { targets, ..app })
        .await
        .unwrap()
}

/// A connector with the target `hr`.
async fn hr(target: HttpTarget) -> Connector {
    bound(spec("app"), vec![("hr", target)]).await
}

async fn told(connector: &Connector, kind: &str, asked: &str, headers: &[&str]) -> String {
    let headers: Vec<String> = headers.iter().map(|h| (*h).to_owned()).collect();
    let entry = connector.get(&call(), kind, asked, &headers).await.unwrap();
    said(&entry).to_owned()
}

async fn send(connector: &Connector, asked: &str) -> String {
    told(connector, "http", asked, &[]).await
}

fn basic() -> HttpAuth {
    HttpAuth::Basic {
        user: "svc".to_owned(),
        password: "pass-word-77".into(),
    }
}

/// What is logged, at every level but the compiler's.
static LOG: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(|| {
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = Arc::clone(&log);
    tracing_subscriber::fmt()
        .with_env_filter("trace,cranelift=off,cranelift_codegen=off,regalloc2=off,wasmtime=off,wasmtime_internal_cranelift=off")
        .with_ansi(false)
        .with_writer(move || Sink(Arc::clone(&writer)))
        .init();
    log
});

struct Sink(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

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
async fn the_host_signs_and_a_guest_can_neither_override_nor_see_it() {
    let web = Web::start(|_| answer(200, &[("set-cookie", "session=1")], "x")).await;
    let key = HttpAuth::ApiKey {
        header: "X-Api-Key".to_owned(),
        value: "key-99".into(),
    };
    let bearer = HttpAuth::Bearer {
        token: "token-88".into(),
    };
    let signed = [
        (basic(), "authorization", "Basic c3ZjOnBhc3Mtd29yZC03Nw=="),
        (bearer, "authorization", "Bearer token-88"),
        (key, "x-api-key", "key-99"),
    ];
    for (number, (auth, name, value)) in signed.into_iter().enumerate() {
        let connector = hr(HttpTarget {
            auth,
            ..target(&web.url())
        })
        .await;
        assert_eq!(
            send(&connector, "GET hr /").await,
            "200\ncontent-length: 1\n\nx"
        );
        let seen = web.seen().pop().unwrap();
        assert_eq!(seen.header(name), Some(value));
        for header in [
            &*format!("{name}: mine"),
            "Authorization: mine",
            "cookie: a=b",
        ] {
            let refused = told(&connector, "http", "GET hr /", &[header]).await;
            assert_eq!(refused, "error: HttpError::Denied", "{header}");
        }
        assert_eq!(web.seen().len(), number + 1);
        // Nothing of it lies in the guest, after a request that was signed with it.
        for secret in [
            "pass-word-77",
            "c3ZjOnBhc3Mtd29yZC03Nw",
            "token-88",
            "key-99",
        ] {
            let shifted: String = secret.bytes().map(|b| char::from(b + 1)).collect();
            assert_eq!(
                told(&connector, "memory", &shifted, &[]).await,
                "0",
                "{secret}"
            );
        }
        // The search finds what is there: the answer's header.
        assert_ne!(told(&connector, "memory", "dpoufou.mfohui", &[]).await, "0");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handle_becomes_its_secret_where_the_guest_signs() {
    let web = Web::start(|_| answer(200, &[("set-cookie", "session=1")], "x")).await;
    let connector = hr(target(&web.url())).await;
    let headers = [
        "authorization: secret Token api-key",
        "x-key: secret  api-key",
        "cookie: a=b",
    ];
    let answer = told(&connector, "http", "GET hr /", &headers).await;
    assert!(answer.contains("set-cookie: session=1"), "{answer}");
    let seen = web.seen().pop().unwrap();
    assert_eq!(
        seen.header("authorization"),
        Some(&*format!("Token {SECRET}"))
    );
    assert_eq!(seen.header("x-key"), Some(SECRET));
    assert_eq!(seen.header("cookie"), Some("a=b"));
}

/// A token endpoint that gives `token-1`, `token-2`, … for so many seconds.
async fn issuer(lasts: u64, given: &Arc<AtomicUsize>) -> Web {
    let given = Arc::clone(given);
    Web::start(move |_| {
        let number = given.fetch_add(1, SeqCst) + 1;
        let token = format!(
            r#"{{"access_token":"token-{number}","token_type":"bearer","expires_in":{lasts}}}"#
        );
        answer(200, &[("content-type", "application/json")], token)
    })
    .await
}

fn client(issuer: &Web, request: TokenRequest) -> HttpAuth {
    HttpAuth::OAuth(OAuthClient {
        token_url: format!("{}/oauth2/token", issuer.url()),
        client_id: "app one".to_owned(),
        client_secret: "s3cret:/+&".into(),
        scope: "read write".to_owned(),
        request,
        ca: None,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oauth_token_is_fetched_once_and_renewed_when_the_target_refuses_it() {
    let given = Arc::new(AtomicUsize::new(0));
    let issuer = issuer(3600, &given).await;
    let good = Arc::new(AtomicUsize::new(1));
    let now = Arc::clone(&good);
    let web = Web::start(move |seen| {
        let wanted = format!("Bearer token-{}", now.load(SeqCst));
        if seen.header("authorization") == Some(&wanted) {
            ok("x")
        } else {
            answer(401, &[], "no")
        }
    })
    .await;
    let connector = hr(HttpTarget {
        auth: client(&issuer, TokenRequest::Basic),
        ..target(&web.url())
    })
    .await;
    for _ in 0..3 {
        assert!(send(&connector, "GET hr /").await.starts_with("200"));
    }
    assert_eq!(given.load(SeqCst), 1);
    let asked = issuer.seen().remove(0);
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("POST", "/oauth2/token")
    );
    assert_eq!(asked.body, "grant_type=client_credentials&scope=read+write");
    // base64("app+one:s3cret%3A%2F%2B%26")
    let pair = "Basic YXBwK29uZTpzM2NyZXQlM0ElMkYlMkIlMjY=";
    assert_eq!(asked.header("authorization"), Some(pair));
    // Revoked: one more token, and the request again, even a POST.
    good.store(2, SeqCst);
    assert!(send(&connector, "POST hr /\nx").await.starts_with("200"));
    assert_eq!((given.load(SeqCst), web.seen().len()), (2, 5));
    // Refused for another reason: once more, and then the guest is told.
    good.store(99, SeqCst);
    assert!(send(&connector, "GET hr /").await.starts_with("401"));
    assert_eq!((given.load(SeqCst), web.seen().len()), (3, 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oauth_token_that_has_ended_is_not_used() {
    let given = Arc::new(AtomicUsize::new(0));
    let issuer = issuer(0, &given).await;
    let web = Web::start(|_| ok("x")).await;
    let connector = hr(HttpTarget {
        auth: client(&issuer, TokenRequest::Body),
        ..target(&web.url())
    })
    .await;
    for _ in 0..2 {
        assert!(send(&connector, "GET hr /").await.starts_with("200"));
    }
    let seen = web.seen();
    assert_eq!(seen[0].header("authorization"), Some("Bearer token-1"));
    assert_eq!(seen[1].header("authorization"), Some("Bearer token-2"));
    let body = &issuer.seen()[0].body;
    assert!(
        body.ends_with("client_id=app+one&client_secret=s3cret%3A%2F%2B%26"),
        "{body}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_endpoint_that_refuses_is_named_and_its_words_are_not() {
    let issuer = Web::start(|seen| {
        answer(
            401,
            &[],
            format!(
                r#"{{"error":"invalid_client","error_description":"{}"}}"#,
                seen.body
            ),
        )
    })
    .await;
    let web = Web::start(|_| ok("x")).await;
    let connector = hr(HttpTarget {
        auth: client(&issuer, TokenRequest::Body),
        ..target(&web.url())
    })
    .await;
    let error = send(&connector, "GET hr /").await;
    assert!(
        error.contains("invalid_client") && error.contains("client-secret"),
        "{error}"
    );
    assert!(
        !error.contains("s3cret") && !error.contains("127.0.0.1"),
        "{error}"
    );
    assert!(web.seen().is_empty());
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_has_one_line_a_request_and_no_content_and_no_log_a_secret() {
    LazyLock::force(&LOG);
    let issuer = issuer(3600, &Arc::new(AtomicUsize::new(70))).await;
    let web = Web::start(|_| answer(404, &[], "the-body-41")).await;
    let connector = bound(
        spec("recorded"),
        vec![
            (
                "hr",
                HttpTarget {
                    auth: basic(),
                    ..target(&web.url())
                },
            ),
            (
                "oauth",
                HttpTarget {
                    auth: client(&issuer, TokenRequest::Body),
                    ..target(&web.url())
                },
            ),
        ],
    )
    .await;
    send(&connector, "POST hr /path-42\nbody-43").await;
    send(&connector, "GET oauth /path-42").await;
    send(&connector, "GET nowhere /path-42").await;
    told(
        &connector,
        "wasi",
        "GET http://hr /path-42",
        &["x: header-44"],
    )
    .await;
    let log = String::from_utf8_lossy(&LOG.lock()).into_owned();
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("host-call") && line.contains("recorded"))
        .collect();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    for (line, words) in lines.iter().zip([
        [
            "operation=\"post\"",
            "on=\"hr\"",
            "outcome=\"refused\" code=\"404\"",
        ],
        [
            "operation=\"get\"",
            "on=\"oauth\"",
            "outcome=\"refused\" code=\"404\"",
        ],
        ["operation=\"get\"", "on=\"nowhere\"", "outcome=\"denied\""],
        [
            "capability=\"wasi:http\"",
            "on=\"hr\"",
            "outcome=\"refused\" code=\"404\"",
        ],
    ]) {
        for word in words {
            assert!(line.contains(word), "{word}: {line}");
        }
        for content in ["path-42", "body-4", "the-body", "header-44"] {
            assert!(!line.contains(content), "{line}");
        }
    }
    let secrets = [
        "pass-word-77",
        "c3ZjOnBhc3Mtd29yZC03Nw",
        "s3cret:/+&",
        "s3cret%3A",
        "token-71",
    ];
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}
