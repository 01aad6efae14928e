//! What is written down of a request, and what is not.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tombolo_runtime::{AppSpec, HttpTarget, Limits, TokenRequest};

use crate::auth::{client, issuer};
use crate::common::log::{listen, logged};
use crate::common::spec;
use crate::web::{Web, answer};
use crate::{basic, bound, send, target, told};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_has_so_many_lines_and_then_numbers() {
    listen();
    let web = Web::start(|seen| answer(if seen.turn % 2 == 0 { 404 } else { 200 }, &[], "")).await;
    let limits = Limits {
        audit_lines: 5,
        ..Limits::default()
    };
    let app = AppSpec {
        limits,
        ..spec("flooding")
    };
    let connector = bound(app, vec![("hr", target(&web.url()))]).await;
    for (place, counts) in [
        (
            "hr",
            "calls=15 done=7 denied=0 refused=8 failed=0 abandoned=0",
        ),
        (
            "nowhere",
            "calls=15 done=0 denied=15 refused=0 failed=0 abandoned=0",
        ),
    ] {
        told(
            &connector,
            "again",
            &format!("GET {place} /"),
            &["x: y"; 20],
        )
        .await;
        let log = logged();
        let of = |event: &str| {
            let here = log.lines().filter(|line| line.contains("app=flooding"));
            let on = format!("on=\"{place}\"");
            here.filter(|line| line.contains(&format!("event=\"{event}\"")) && line.contains(&on))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(of("host-call").len(), 5, "{place}");
        let closing = of("more-host-calls");
        assert!(
            closing.len() == 1 && closing[0].contains(counts),
            "{closing:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_has_one_line_a_request_and_no_content_and_no_log_a_secret() {
    listen();
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
    let log = logged();
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
