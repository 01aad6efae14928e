//! Each limit on streams, hit.

use std::time::Duration;

use tombolo_runtime::{AppSpec, CallError, Limits, NetTarget, NetTls};

use crate::common::spec;
use crate::service::{Service, Tls};
use crate::{bound, play, target, tried, with};

fn limited(limits: Limits) -> AppSpec {
    AppSpec {
        limits,
        ..spec("app")
    }
}

fn passed(outcome: Result<String, CallError>) -> String {
    match outcome {
        Err(CallError::LimitExceeded { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_holds_so_many_connections_and_a_target_too() {
    let service = Service::start(Tls::None).await;
    let many = NetTarget {
        connections: 100,
        ..target(service.port)
    };
    let connector = with(many).await;
    let hoard = play(&connector, "hoard service").await;
    assert!(hoard[0].starts_with("16 "), "{hoard:?}");
    assert!(hoard[0].contains("as many as one call may"), "{hoard:?}");
    service.until_ended(16).await;

    let few = NetTarget {
        connections: 3,
        connect_timeout: Duration::from_millis(200),
        ..target(service.port)
    };
    let connector = with(few).await;
    let hoard = play(&connector, "hoard service").await;
    assert!(hoard[0].starts_with("3 "), "{hoard:?}");
    assert!(hoard[0].contains("`connections`"), "{hoard:?}");
    service.until_ended(19).await;
    // All of them are free again, and one that was dropped is at once.
    let again = "connect service\nconnect service\nconnect service\ndrop\nconnect service";
    assert_eq!(play(&connector, again).await[4], "connected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_and_bytes_count_as_requests_and_bytes_do() {
    let service = Service::start(Tls::None).await;
    let connector = bound(
        limited(Limits {
            outbound_requests: 3,
            outbound_bytes: 1000,
            host_call_bytes: 100_000,
            ..Limits::default()
        }),
        vec![("service", target(service.port))],
    )
    .await;
    let script = "connect service\ndrop\n".repeat(4);
    assert!(passed(tried(&connector, &script).await).contains("limits.outbound-requests"));
    let script = "connect service\nline\nfill 600\nfill 600";
    assert!(passed(tried(&connector, script).await).contains("limits.outbound-bytes"));
    let script = "connect service\nline\nsay sent 200000\nsay quit\ndrain";
    assert!(passed(tried(&connector, script).await).contains("limits.host-call-bytes"));
    service.until_ended(5).await;
    let sound = play(&connector, "connect service\nline").await;
    assert_eq!(sound, ["connected", "ready"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_cannot_work_is_refused_when_the_app_is_loaded() {
    let runtime = crate::runtime();
    let component = runtime.load("net", crate::guest("net")).await.unwrap();
    for (wrong, said) in [
        (
            NetTarget {
                address: "no port".to_owned(),
                ..target(1)
            },
            "HOST:PORT",
        ),
        (
            NetTarget {
                pins: vec![[1; 32]],
                ..target(1)
            },
            "tls",
        ),
        (
            NetTarget {
                tls: NetTls::Always,
                ca: Some(b"no PEM".to_vec()),
                ..target(1)
            },
            "ca",
        ),
    ] {
        let app = AppSpec {
            targets: [("service".to_owned(), tombolo_runtime::Target::Net(wrong))].into(),
            ..spec("app")
        };
        let why = runtime
            .bind(&component, app)
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(why.contains("`service`") && why.contains(said), "{why}");
    }
}
