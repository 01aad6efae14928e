//! A server that does not, and is found out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tombolo_client::simulate::{Population, ReasonCode, Run, Settings, Source, Tenant, Verdict};

use super::server::{Server, error, list, scim};
use super::{generated, settings, simulation, tenant};

#[tokio::test]
async fn an_error_is_unexpected_escrowed_and_tried_again_in_the_next_cycle() {
    let server = Server::start().await;
    let (mut simulation, rows) = simulation(&server, settings(), "secret");
    let source = tenant(5);
    server.misbehave(|method, path, body| {
        (method == Method::POST && path == "/Users" && body["userName"] == "u3@example.test")
            .then(|| error(500, "the disk is full"))
    });
    let first = simulation.cycle(&source).await.unwrap();
    // The user, and the group that waits for it.
    assert_eq!((first.failed, first.escrowed), (2, 2));
    assert_eq!(
        rows.codes(),
        ["InternalServerError", "ReferenceNotResolved"]
    );
    assert_eq!(simulation.verify(&source).await.unwrap().differences, 2);
    server.behave();
    let second = simulation.cycle(&source).await.unwrap();
    assert_eq!(
        (second.failed, second.escrowed, second.users.created),
        (0, 0, 1)
    );
    assert_eq!(simulation.verify(&source).await.unwrap().differences, 0);
}

#[tokio::test]
async fn retry_after_is_obeyed_by_every_request_and_is_no_fault() {
    let server = Server::start().await;
    let (mut simulation, rows) = simulation(&server, settings(), "secret");
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    server.misbehave(move |method, path, _| {
        let first = method == Method::POST
            && path == "/Users"
            && count.fetch_add(1, Ordering::Relaxed) == 0;
        first.then(|| {
            let mut slow = error(429, "slow down");
            slow.headers_mut()
                .insert("retry-after", "1".parse().unwrap());
            slow
        })
    });
    let began = Instant::now();
    let mut run = generated(1);
    run.source = Source::Generated(Population {
        seed: 7,
        people: 6,
        groups: 1,
        churn: 0,
    });
    let report = simulation.run(&run).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(
        (report.verdict, report.throttled, report.unexpected),
        (Verdict::Same, 1, 0),
        "{report:#?}"
    );
    assert!(rows.codes().is_empty());
}

#[tokio::test]
async fn a_wait_that_is_too_long_escrows_the_object_as_too_many_requests() {
    let server = Server::start().await;
    let (mut simulation, rows) = simulation(
        &server,
        Settings {
            patience: Duration::from_secs(5),
            ..settings()
        },
        "secret",
    );
    server.misbehave(|method, path, _| {
        (method == Method::POST && path == "/Groups").then(|| {
            let mut slow = error(503, "maintenance");
            slow.headers_mut()
                .insert("retry-after", "3600".parse().unwrap());
            slow
        })
    });
    let report = simulation.cycle(&tenant(2)).await.unwrap();
    assert_eq!(report.failed, 1);
    assert_eq!(rows.codes(), ["TooManyRequests"]);
}

#[tokio::test]
async fn two_hits_a_lost_link_and_an_ignored_filter_are_seen() {
    let server = Server::start().await;
    let (mut simulation, rows) = simulation(&server, settings(), "secret");
    let mut source = tenant(3);
    server.misbehave(|method, path, _| {
        let double = method == Method::GET && path.contains("u1%40example.test");
        let other = method == Method::GET && path.contains("u2%40example.test");
        let ana = |id: &str, name: &str| json!({ "id": id, "userName": name });
        match (double, other) {
            (true, _) => Some(scim(
                200,
                &list(
                    &[ana("1", "u1@example.test"), ana("2", "u1@example.test")],
                    2,
                    1,
                ),
            )),
            (_, true) => Some(scim(200, &list(&[ana("3", "somebody@example.test")], 1, 1))),
            _ => None,
        }
    });
    simulation.cycle(&source).await.unwrap();
    let codes = rows.codes();
    assert!(
        codes.contains(&"DuplicateTargetEntries".to_owned()),
        "{codes:?}"
    );
    assert!(
        codes.contains(&"SystemForCrossDomainIdentityManagementServiceIncompatible".to_owned()),
        "{codes:?}"
    );
    server.behave();
    simulation.cycle(&source).await.unwrap();

    // The target forgets somebody, and Entra notices with the next change.
    server.see(|shared| shared.users.clear());
    source
        .users
        .get_mut("u1")
        .unwrap()
        .properties
        .insert("jobTitle".to_owned(), "Lead".to_owned());
    let report = simulation.cycle(&source).await.unwrap();
    assert_eq!(report.failed, 1);
    assert_eq!(
        rows.codes().last().map(String::as_str),
        Some("InvalidAnchor")
    );
    // Only a restart matches it again.
    simulation.state.restart();
    assert_eq!(simulation.cycle(&source).await.unwrap().failed, 0);
    assert_eq!(simulation.verify(&source).await.unwrap().differences, 0);
}

#[tokio::test]
async fn wrong_credentials_quarantine_the_job_until_they_are_right() {
    let server = Server::start().await;
    let (mut simulation, _) = simulation(&server, settings(), "wrong");
    let report = simulation.cycle(&tenant(2)).await.unwrap();
    let quarantine = report.quarantine.unwrap();
    assert_eq!(quarantine.code, ReasonCode::EncounteredQuarantineException);
    assert!(
        quarantine.reason.starts_with("Unauthorized"),
        "{}",
        quarantine.reason
    );
    assert_eq!(
        server.count(&Method::GET, "/"),
        1,
        "nothing after the probe"
    );
    assert_eq!(
        simulation.state.clock,
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24),
        "once a day"
    );
    for _ in 0..27 {
        assert!(!simulation.cycle(&tenant(2)).await.unwrap().disabled);
    }
    assert!(
        simulation.cycle(&tenant(2)).await.unwrap().disabled,
        "four weeks"
    );
}

#[tokio::test]
async fn a_401_in_the_middle_and_a_404_to_a_query_stop_the_cycle() {
    for (status, code) in [
        (401, "Unauthorized"),
        (
            404,
            "SystemForCrossDomainIdentityManagementServiceIncompatible",
        ),
    ] {
        let server = Server::start().await;
        let (mut simulation, rows) = simulation(
            &server,
            Settings {
                parallel: 1,
                ..settings()
            },
            "secret",
        );
        server.misbehave(move |_, path, _| {
            path.contains("u1%40example.test")
                .then(|| error(status, "no"))
        });
        let report = simulation.cycle(&tenant(9)).await.unwrap();
        assert!(report.quarantine.is_some(), "{status}");
        assert_eq!(rows.codes(), [code]);
        assert_eq!(
            server.count(&Method::POST, "/"),
            1,
            "{status}: u0 and nobody after u1"
        );
        // The answer was a mistake; the next day everything is done.
        server.behave();
        let report = simulation.cycle(&tenant(9)).await.unwrap();
        assert!(report.quarantine.is_none() && report.failed == 0);
        assert_eq!(simulation.verify(&tenant(9)).await.unwrap().differences, 0);
    }
}

#[tokio::test]
async fn what_the_target_got_wrong_is_a_difference() {
    let server = Server::start().await;
    let (mut simulation, _) = simulation(&server, settings(), "secret");
    let mut source = tenant(4);
    source.users.get_mut("u3").unwrap().assigned = false;
    simulation.cycle(&source).await.unwrap();
    assert_eq!(simulation.verify(&source).await.unwrap().differences, 0);
    server.see(|shared| {
        let user = shared
            .users
            .values_mut()
            .find(|user| user["userName"] == "u1@example.test")
            .unwrap();
        user["displayName"] = json!("Somebody else");
        user["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["manager"] = Value::Null;
        let group = shared.groups.values_mut().next().unwrap();
        group["members"].as_array_mut().unwrap().pop();
    });
    let verified = simulation.verify(&source).await.unwrap();
    assert_eq!(verified.differences, 2, "{:?}", verified.examples);
    assert!(
        verified.examples[0].contains("displayName") && verified.examples[0].contains("manager")
    );
    assert!(
        verified.examples[1].contains("lacks 1 members"),
        "{:?}",
        verified.examples
    );
    // The member who is out of scope is left out in silence.
    assert_eq!(verified.references_out_of_scope, 1);
}

#[tokio::test]
async fn pages_that_are_short_and_bodies_of_another_type_are_seen() {
    let server = Server::start().await;
    let (mut simulation, _) = simulation(&server, settings(), "secret");
    server.misbehave(|method, path, _| {
        let plain = || -> Response {
            (
                [("content-type", "application/json")],
                list(&[], 0, 1).to_string(),
            )
                .into_response()
        };
        (method == Method::GET && path.starts_with("/Users?filter=")).then(plain)
    });
    let mut run = generated(1);
    run.source = Source::Generated(Population {
        seed: 7,
        people: 3,
        groups: 0,
        churn: 0,
    });
    let report = simulation.run(&run).await.unwrap();
    // The probe and three matches.
    assert_eq!(
        (report.verdict, report.unexpected),
        (Verdict::Unexpected, 4),
        "{report:#?}"
    );
    assert!(
        report.unexpected_answers[0]
            .what
            .contains("application/json")
    );

    server.misbehave(|_, path, _| {
        let user = |n: usize| json!({ "id": format!("Users-{n}"), "userName": format!("{n}@x") });
        let page = |start: usize| scim(200, &list(&[user(start)], 3, start));
        path.strip_prefix("/Users?startIndex=")
            .map(|rest| page(rest.split('&').next().unwrap().parse().unwrap()))
    });
    simulation.verify(&Tenant::default()).await.unwrap();
    let again = simulation
        .run(&Run {
            cycles: 0,
            verify: false,
            ..generated(0)
        })
        .await
        .unwrap();
    assert!(again.unexpected_answers.iter().any(|answer| {
        answer
            .what
            .contains("the page has 1 users; 3 of 3 belong on it")
    }));
}

#[tokio::test]
async fn nobody_at_the_address_is_an_error_and_no_quarantine() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut nobody = Server::start().await;
    nobody.url = format!("http://{address}/scim");
    let (mut simulation, _) = simulation(&nobody, settings(), "secret");
    let error = simulation.cycle(&tenant(1)).await.unwrap_err();
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
