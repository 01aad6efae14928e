//! What is written down of a connection: one line, when it ends, and nothing that was said.

use std::time::Duration;

use tombolo_runtime::NetTarget;

use crate::common::log::{listen, logged};
use crate::common::{spec, within};
use crate::service::{Service, Tls};
use crate::{bound, play, target};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_has_one_line_with_what_it_carried() {
    listen();
    let service = Service::start(Tls::None).await;
    let impatient = NetTarget {
        idle_timeout: Duration::from_millis(200),
        ..target(service.port)
    };
    let connector = bound(
        spec("recorded"),
        vec![("service", target(service.port)), ("hasty", impatient)],
    )
    .await;
    // `echo text-42` there, `ready` and `text-42` back, each with its line break.
    play(
        &connector,
        "connect service\nline\nsay echo text-42\nline\ndrop",
    )
    .await;
    play(&connector, "connect elsewhere").await;
    play(&connector, "connect hasty\nline\nsay stall\nline").await;
    let late = within(Duration::from_secs(1));
    let script = "connect service\nline\nsay stall\nline";
    assert!(connector.get(&late, "user", script, &[]).await.is_err());

    let lines = || {
        let log = logged();
        log.lines()
            .filter(|line| line.contains("host-call") && line.contains("recorded"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    // The instance whose time is over is thrown away on another thread.
    service.until_ended(1).await;
    let began = std::time::Instant::now();
    while lines().len() < 4 && began.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let lines = lines();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    for (line, words) in lines.iter().zip([
        ["on=\"service\"", "outcome=\"done\"", "sent=14 received=16"],
        [
            "on=\"elsewhere\"",
            "outcome=\"denied\"",
            "sent=0 received=0",
        ],
        ["on=\"hasty\"", "outcome=\"failed\"", "sent=7 received=7"],
        [
            "on=\"service\"",
            "outcome=\"abandoned\"",
            "sent=7 received=7",
        ],
    ]) {
        for word in words.into_iter().chain(["capability=\"net\""]) {
            assert!(line.contains(word), "{word}: {line}");
        }
        assert!(!line.contains("text-42"), "{line}");
    }
    let log = logged();
    assert!(!log.contains("text-42"), "content is in the log");
}
