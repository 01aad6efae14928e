//! What a guest writes arrives, what comes is read, and a call's end is the end of its connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tombolo_runtime::{AppSpec, HostCall, Interference, Limits, NetTarget, Reach, Strike, Target};

use crate::common::{answer, call, guest, runtime, spec, within};
use crate::service::{Service, Tls};
use crate::{bound, play, target, tried, with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dialogue_and_its_end() {
    let service = Service::start(Tls::None).await;
    let connector = with(target(service.port)).await;
    let script =
        "connect service\nline\nsay echo hello\nline\nsay sent 300000\nsay quit\ndrain\nread 10";
    assert_eq!(
        play(&connector, script).await,
        [
            "connected",
            "ready",
            "say",
            "hello",
            "say",
            "say",
            "300000",
            ""
        ]
    );
    // The end is told as nothing, as often as it is asked for; and what was dropped is gone on both sides.
    service.until_ended(1).await;
    let twice = "connect service\nread 0\nline\ndrop\nconnect service\nline";
    assert_eq!(
        play(&connector, twice).await,
        ["connected", "", "ready", "drop", "connected", "ready"]
    );
    service.until_ended(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_granted_names_are_connected_to_and_only_where_they_may_lead() {
    let service = Service::start(Tls::None).await;
    let open = target(service.port);
    let connector = bound(
        spec("app"),
        vec![
            ("service", open.clone()),
            (
                "public",
                NetTarget {
                    reach: Reach::Public,
                    ..open.clone()
                },
            ),
            (
                "metadata",
                NetTarget {
                    address: "[::ffff:169.254.169.254]:80".to_owned(),
                    ..open.clone()
                },
            ),
            (
                "nowhere",
                NetTarget {
                    address: "127.0.0.1:9".to_owned(),
                    ..open
                },
            ),
        ],
    )
    .await;
    for name in ["", "other", "localhost", "127.0.0.1", "tcp://localhost"] {
        assert_eq!(
            play(&connector, &format!("connect {name}")).await,
            ["NetError::Denied"],
            "{name}"
        );
    }
    let refused = play(
        &connector,
        "connect public\nconnect metadata\nconnect nowhere",
    )
    .await;
    assert!(refused[0].contains("loopback or private"), "{refused:?}");
    assert!(refused[1].contains("metadata"), "{refused:?}");
    assert!(refused[2].contains("NetError::Connect"), "{refused:?}");
    for line in &refused {
        assert!(
            !line.contains("127.0.0.1") && !line.contains("169.254"),
            "{line}"
        );
    }
    assert_eq!(service.connections().0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_outlives_its_call() {
    let service = Service::start(Tls::None).await;
    let connector = with(target(service.port)).await;
    // Kept by a warm instance.
    play(&connector, "connect service\nline\nkeep").await;
    service.until_ended(1).await;
    assert_eq!(
        play(&connector, "kept\nsay echo x\nread 1").await,
        ["kept", "NetError::Closed", "NetError::Closed"]
    );
    // Held by one that crashes.
    assert!(
        tried(&connector, "connect service\nline\ncrash")
            .await
            .is_err()
    );
    service.until_ended(2).await;
    // Held by one whose time is over, in the middle of a read.
    let began = Instant::now();
    let late = within(Duration::from_secs(1));
    let script = "connect service\nline\nsay stall\nline";
    assert!(connector.get(&late, "user", script, &[]).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(service.connections().0, 3);
    // Whoever is called next is not disturbed.
    let next = play(&connector, "connect service\nline").await;
    assert_eq!(next, ["connected", "ready"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_stands_still_ends() {
    let service = Service::start(Tls::None).await;
    let impatient = NetTarget {
        idle_timeout: Duration::from_millis(200),
        ..target(service.port)
    };
    let connector = with(impatient).await;
    let script = "connect service\nline\nsay stall\nline\nsay echo x";
    assert_eq!(
        play(&connector, script).await,
        [
            "connected",
            "ready",
            "say",
            "NetError::Timeout",
            "NetError::Closed"
        ]
    );
    // It writes into a server that reads nothing, until no buffer takes more.
    let script = "connect service\nline\nsay stall\nfill 30000000\nread 1";
    let limits = Limits {
        host_call_bytes: 64 << 20,
        memory: 128 << 20,
        ..Limits::default()
    };
    let patient = AppSpec {
        limits,
        ..spec("app")
    };
    let impatient = NetTarget {
        idle_timeout: Duration::from_millis(200),
        ..target(service.port)
    };
    let connector = bound(patient, vec![("service", impatient)]).await;
    assert_eq!(
        play(&connector, script).await[3..],
        ["NetError::Timeout", "NetError::Closed"]
    );
}

/// Strikes each host call of one operation.
struct Always(&'static str, Strike);

impl Interference for Always {
    fn strike(&self, call: &HostCall<'_>) -> Strike {
        if call.capability == "net" && call.operation == self.0 {
            self.1
        } else {
            Strike::None
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_breaks_streams_as_networks_do() {
    let service = Service::start(Tls::None).await;
    let runtime = runtime();
    let component = runtime.load("net", guest("net")).await.unwrap();
    let script = "connect service\nline\nsay echo x\nline\nline";
    for (operation, strike, told) in [
        ("connect", Strike::Reset, "NetError::Connect"),
        ("read", Strike::Reset, "NetError::Closed"),
        ("read", Strike::Lose, "NetError::Closed"),
        ("write", Strike::Lose, "NetError::Closed"),
    ] {
        let app = AppSpec {
            targets: [("service".to_owned(), Target::Net(target(service.port)))].into(),
            ..spec("app")
        };
        let connector = runtime
            .bind_with_interference(&component, app, Arc::new(Always(operation, strike)))
            .await
            .unwrap();
        let script = if operation == "connect" {
            "connect service"
        } else {
            script
        };
        let entry = connector.get(&call(), "user", script, &[]).await.unwrap();
        let last = answer(&entry).lines().last().unwrap();
        assert!(last.contains(told), "{operation} {strike:?}: {last}");
    }
}
