//! What a guest can reach is what was granted, and what it says holds no secret.

mod common;

use common::log::{listen, logged};
use common::*;
use serde_json::json;
use tombolo_runtime::{AppSpec, CallError, Directory, GrantedSecret, Limits};

fn lines_of(app: &str, text: &str) -> usize {
    // As text or as what displays so.
    let apps = [format!("app=\"{app}\""), format!("app={app} ")];
    logged()
        .lines()
        .filter(|line| apps.iter().any(|app| line.contains(app)) && line.contains(text))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_and_context_arrive() {
    let street = street(with_settings(json!({"retries": 3}))).await;
    assert_eq!(
        street.provoke("settings", "x").await.unwrap(),
        r#"{"retries":3}"#
    );
    assert_eq!(street.provoke("request", "x").await.unwrap(), "request-1");
    let left: u32 = street
        .provoke("remaining", "x")
        .await
        .unwrap()
        .parse()
        .unwrap();
    assert!((1_000..=30_000).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_opens_only_by_a_granted_name_and_never_shows_its_value() {
    let street = street(spec("app")).await;
    assert_eq!(
        street.provoke("secret", "api-key").await.unwrap(),
        "api-key"
    );
    assert_eq!(street.provoke("secret", "other").await.unwrap(), "none");
    let error = street.provoke("reveal", "api-key").await.unwrap_err();
    assert!(
        matches!(&error, CallError::Trapped { detail } if detail.contains("may not be revealed")),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_revealed_only_where_both_ask_for_it_and_each_time_is_recorded() {
    listen();
    let with = |reveal: bool| {
        let mut spec = spec("revealer");
        let seed = GrantedSecret {
            reveal,
            ..SECRET.into()
        };
        spec.secrets.insert("seed".to_owned(), seed);
        spec
    };
    // Granted as a handle, while the connector says that a handle will not do: that is said at load.
    let runtime = runtime();
    let error = runtime
        .bind(&hostile(&runtime).await, with(false))
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("seed = { from = \"env:SEED\", reveal = true }"),
        "{error}"
    );
    let street = street(with(true)).await;
    assert_eq!(street.provoke("reveal", "seed").await.unwrap(), SECRET);
    let recorded = |name: &str, outcome: &str| {
        let (name, outcome) = (format!("secret={name}"), format!("outcome=\"{outcome}\""));
        logged().lines().any(|line| {
            line.contains("tombolo::audit")
                && line.contains("app=revealer")
                && line.contains(&name)
                && line.contains(&outcome)
        })
    };
    assert!(recorded("seed", "done"));
    let error = street.provoke("reveal", "api-key").await.unwrap_err();
    assert!(
        matches!(&error, CallError::Trapped { detail } if detail.contains("may not be revealed")),
        "{error:?}"
    );
    assert!(recorded("api-key", "denied"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_granted_is_refused_at_the_call() {
    let street = street(spec("app")).await;
    for kind in ["http", "net", "sql", "ldap"] {
        let answer = street.provoke(kind, "directory").await.unwrap();
        assert!(answer.starts_with("refused"), "{kind}: {answer}");
    }
    for (kind, argument) in [
        ("connect", "127.0.0.1:22"),
        ("connect", "[::ffff:127.0.0.1]:22"),
        ("read-file", "/etc/passwd"),
        ("read-file", "../../etc/passwd"),
        ("write-file", "/tmp/x"),
        ("list-directory", "/"),
    ] {
        let answer = street.provoke(kind, argument).await.unwrap();
        assert!(answer.starts_with("refused"), "{kind} {argument}: {answer}");
    }
    assert_eq!(street.provoke("environment", "x").await.unwrap(), "[] []");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_directory_is_there_and_nothing_around_it() {
    let home = tempfile::tempdir().unwrap();
    let (data, look) = (home.path().join("data"), home.path().join("look"));
    std::fs::create_dir(&data).unwrap();
    std::fs::create_dir(&look).unwrap();
    std::fs::write(home.path().join("outside"), "x").unwrap();
    std::fs::write(look.join("file"), "x").unwrap();
    std::os::unix::fs::symlink(home.path().join("outside"), data.join("link")).unwrap();
    // `look` is granted writable, but the manifest asks to read only.
    let directory = |name: &str, host| Directory {
        name: name.to_owned(),
        host,
        writable: true,
        room: tombolo_runtime::Room::default(),
    };
    let directories = vec![directory("data", data.clone()), directory("look", look)];
    let street = street(AppSpec {
        directories,
        ..spec("app")
    })
    .await;
    for (kind, argument, allowed) in [
        ("write-file", "/data/new", true),
        ("read-file", "/data/new", true),
        ("read-file", "/look/file", true),
        ("write-file", "/look/file", false),
        ("write-file", "/look/new", false),
        ("read-file", "/data/../outside", false),
        ("read-file", "/data/link", false),
        ("read-file", "/outside", false),
    ] {
        let answer = street.provoke(kind, argument).await.unwrap();
        assert_eq!(answer == "allowed", allowed, "{kind} {argument}: {answer}");
    }
    assert_eq!(std::fs::read(data.join("new")).unwrap(), b"written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_belongs_to_the_app_and_keeps_versions() {
    let street = street(spec("app")).await;
    assert_eq!(street.provoke("state-write", "key").await.unwrap(), "Ok(1)");
    assert_eq!(
        street.provoke("state-write", "key").await.unwrap(),
        "Err(StateError::Changed)"
    );
    assert!(
        street
            .provoke("state-read", "key")
            .await
            .unwrap()
            .contains("version: 1")
    );
    let other = street
        .runtime
        .bind(&hostile(&street.runtime).await, spec("other"))
        .await
        .unwrap();
    assert_eq!(
        answer(&other.get(&call(), "state-read", "key", &[]).await.unwrap()),
        "Ok(None)"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_hidden_in_failures_and_in_the_log_however_they_are_spelled() {
    listen();
    let street = street(spec("secretive")).await;
    let encoded = [
        "open-sesame/+42",
        "open-sesame%2F%2B42",
        "b3Blbi1zZXNhbWUvKzQy",
        "6f70656e2d736573616d652f2b3432",
    ];
    for spelling in encoded {
        let error = street
            .provoke("fail", &format!("bind failed: {spelling} was refused"))
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "bind failed: [redacted] was refused");
        street.provoke("log", spelling).await.unwrap();
        street.provoke("print", spelling).await.unwrap();
    }
    assert_eq!(lines_of("secretive", "printed [redacted]"), encoded.len());
    assert_eq!(
        lines_of("secretive", "complained [redacted]"),
        encoded.len()
    );
    let error = street
        .hostile
        .set_password(
            &call(),
            "cannot set n3w-Passw0rd",
            "n3w-Passw0rd".into(),
            true,
        )
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "cannot set [redacted]");
    let log = logged();
    for spelling in encoded.into_iter().chain(["n3w-Passw0rd"]) {
        assert!(!log.contains(spelling), "{spelling} is in the log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_failure_is_cut() {
    let street = street(spec("app")).await;
    assert!(
        street
            .provoke("fail-long", "x")
            .await
            .unwrap_err()
            .to_string()
            .len()
            < 3_000
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_flood_is_cut_and_counted() {
    listen();
    let limits = Limits {
        log_lines: 10,
        ..Limits::default()
    };
    let street = street(AppSpec {
        limits,
        ..spec("flooding")
    })
    .await;
    for kind in ["log-flood", "print-flood"] {
        let before = lines_of("flooding", "flood ");
        assert_eq!(street.provoke(kind, "x").await.unwrap(), "flooded");
        assert_eq!(lines_of("flooding", "flood ") - before, 10, "{kind}");
    }
    assert_eq!(
        logged()
            .lines()
            .filter(|line| line.contains("flooding") && line.contains("dropped=99990"))
            .count(),
        2
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_lines_end_at_the_limit_of_bytes_and_none_forges_another() {
    listen();
    let limits = Limits {
        log_bytes: 1_000,
        ..Limits::default()
    };
    let street = street(AppSpec {
        limits,
        ..spec("long-winded")
    })
    .await;
    street.provoke("log", &"w".repeat(400)).await.unwrap();
    // The message and its field: 400 bytes fit twice, and then no more.
    assert_eq!(lines_of("long-winded", "wwww"), 1);
    street.provoke("log", &"z".repeat(600)).await.unwrap();
    assert_eq!(lines_of("long-winded", "zzzz"), 0);
    assert_eq!(lines_of("long-winded", "dropped=1"), 1);
    street
        .provoke("log", "one\nforged=\u{1b}[2J")
        .await
        .unwrap();
    assert_eq!(lines_of("long-winded", "one\\nforged=\\u{1b}[2J"), 1);
    assert!(!logged().contains("\nforged"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_leaves_its_story_in_the_log_and_not_in_the_answer() {
    listen();
    let street = street(spec("crashing")).await;
    let error = street.provoke("trap", "x").await.unwrap_err().to_string();
    assert!(
        !error.contains("wasm backtrace") && !error.contains("as asked"),
        "{error}"
    );
    let log = logged();
    assert!(log.contains("wasm backtrace"), "{log}");
    assert!(lines_of("crashing", "as asked") > 0, "{log}");
}
