//! The simulator against a small server on loopback: what a good server shows, and that a bad one is found out.

mod server;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use server::{Server, error, list, scim};
use tombolo_client::http::{Credentials, Endpoint, Options};
use tombolo_client::simulate::{
    Dialects, Group, Mapping, Population, ReasonCode, Report, Run, Settings, Simulation, Source,
    State, Tenant, User, Verdict,
};

fn settings() -> Settings {
    Settings {
        seed: 7,
        dialects: Dialects::Legacy,
        parallel: 4,
        rate: None,
        patience: Duration::from_secs(60),
        interval: SignedDuration::from_mins(40),
        delete_threshold: None,
        allow_deletes: false,
        mapping: Mapping::default(),
    }
}

/// A log that can be looked into.
#[derive(Clone, Default)]
struct Rows(Arc<Mutex<Vec<u8>>>);

impl Write for Rows {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Rows {
    fn all(&self) -> Vec<Value> {
        let bytes = self.0.lock();
        bytes
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    /// Error codes in the order of their rows.
    fn codes(&self) -> Vec<String> {
        let rows = self.all();
        let codes = rows.iter().filter_map(|row| {
            row["provisioningStatusInfo"]["errorInformation"]["errorCode"].as_str()
        });
        codes.map(str::to_owned).collect()
    }
}

fn simulation(server: &Server, settings: Settings, token: &str) -> (Simulation, Rows) {
    let endpoint = Endpoint::new(
        &server.url,
        Credentials::Bearer(token.into()),
        &Options::default(),
    )
    .unwrap();
    let state = State::new(&server.url, Timestamp::UNIX_EPOCH);
    let rows = Rows::default();
    let stop = Arc::new(AtomicBool::new(false));
    let log: Box<dyn Write + Send> = Box::new(rows.clone());
    (
        Simulation::new(endpoint, settings, state, Some(log), Box::new(|_| {}), stop),
        rows,
    )
}

fn tenant(people: usize) -> Tenant {
    let mut tenant = Tenant::default();
    for n in 0..people {
        let mut user = User::new(format!("u{n}"), format!("u{n}@example.test"));
        user.properties
            .insert("displayName".to_owned(), format!("User {n}"));
        user.manager = (n > 0).then(|| "u0".to_owned());
        tenant.users.insert(user.id.clone(), user);
    }
    let group = Group {
        id: "g".to_owned(),
        display_name: "Everybody".to_owned(),
        assigned: true,
        members: tenant.users.keys().cloned().collect(),
    };
    tenant.groups.insert("g".to_owned(), group);
    tenant
}

fn generated(cycles: u64) -> Run {
    let population = Population {
        seed: 7,
        people: 120,
        groups: 30,
        churn: 30,
    };
    Run {
        source: Source::Generated(population),
        cycles,
        verify: true,
        state: None,
        unchanged: false,
    }
}

async fn play(dialects: Dialects) -> (Report, Server) {
    let server = Server::start().await;
    let (mut simulation, _) = simulation(
        &server,
        Settings {
            dialects,
            ..settings()
        },
        "secret",
    );
    (simulation.run(&generated(5)).await.unwrap(), server)
}

#[tokio::test]
async fn a_good_server_ends_as_the_source_in_every_dialect() {
    for dialects in [Dialects::Legacy, Dialects::Flagged, Dialects::Mixed] {
        let (report, server) = play(dialects).await;
        assert_eq!(report.verdict, Verdict::Same, "{dialects}: {report:#?}");
        assert_eq!(
            (
                report.cycles.len(),
                report.cycles[0].initial,
                report.cycles[1].initial
            ),
            (5, true, false)
        );
        let kinds: Vec<&str> = report.requests.iter().map(|line| line.request).collect();
        for kind in [
            "probe",
            "match user",
            "create user",
            "get user",
            "update user",
            "disable user",
            "restore user",
            "delete user",
            "set manager",
            "clear manager",
            "match group",
            "create group",
            "update group",
            "add members",
            "remove members",
            "delete group",
            "verify: list users",
            "verify: get group",
            "verify: deleted",
        ] {
            assert!(kinds.contains(&kind), "{dialects}: no {kind} in {kinds:?}");
        }
        assert_eq!(
            server.count(&Method::GET, "/Users?filter="),
            server.count(&Method::GET, "/Users?filter=userName+eq+")
        );
    }
}

#[tokio::test]
async fn the_same_seed_sends_the_same_requests() {
    // The ids that the server makes depend on the order of arrival; one at a time, the order is the seed's too.
    let mut runs = Vec::new();
    for _ in 0..2 {
        let server = Server::start().await;
        let (mut simulation, _) = simulation(
            &server,
            Settings {
                parallel: 1,
                dialects: Dialects::Mixed,
                ..settings()
            },
            "secret",
        );
        simulation.run(&generated(3)).await.unwrap();
        runs.push(server.see(|shared| (shared.requests.clone(), shared.activities.clone())));
    }
    assert!(runs[0].0.len() > 400);
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn a_restart_matches_everything_again_and_writes_nothing() {
    let server = Server::start().await;
    let (mut simulation, _) = simulation(&server, settings(), "secret");
    let source = tenant(8);
    simulation.cycle(&source).await.unwrap();
    let writes = |server: &Server| {
        server.see(|s| {
            s.requests
                .iter()
                .filter(|(method, _, _)| method != Method::GET)
                .count()
        })
    };
    let before = writes(&server);
    simulation.state.restart();
    let report = simulation.cycle(&source).await.unwrap();
    assert!(report.initial && report.failed == 0);
    assert_eq!(writes(&server), before);
    assert!(
        server.count(&Method::GET, "/Users?filter=id+eq+") > 0
            && server.count(&Method::GET, "/Groups?filter=id+eq+") > 0
    );
    assert_eq!(simulation.verify(&source).await.unwrap().differences, 0);
}

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
async fn many_deletions_are_staged_until_they_are_allowed() {
    let server = Server::start().await;
    let (mut simulation, rows) = simulation(
        &server,
        Settings {
            delete_threshold: Some(2),
            ..settings()
        },
        "secret",
    );
    let mut source = tenant(8);
    simulation.cycle(&source).await.unwrap();
    for gone in ["u5", "u6"] {
        source.users.remove(gone);
        source.groups.get_mut("g").unwrap().members.remove(gone);
    }
    source.users.get_mut("u7").unwrap().account_enabled = false;
    let report = simulation.cycle(&source).await.unwrap();
    assert!(
        report
            .quarantine
            .unwrap()
            .reason
            .contains("3 deletes and disables")
    );
    assert_eq!(server.see(|shared| shared.users.len()), 8);
    let staged = |action: &str| {
        rows.all()
            .iter()
            .filter(|row| row["provisioningAction"] == action)
            .count()
    };
    assert_eq!(staged("stageddelete"), 2);

    let state = simulation.state.clone();
    let (mut allowed, _) = self::simulation(
        &server,
        Settings {
            delete_threshold: Some(2),
            allow_deletes: true,
            ..settings()
        },
        "secret",
    );
    allowed.state = state;
    let report = allowed.cycle(&source).await.unwrap();
    assert_eq!(
        (
            report.users.deleted,
            report.users.disabled,
            report.quarantine.is_none()
        ),
        (2, 1, true)
    );
    assert_eq!(allowed.verify(&source).await.unwrap().differences, 0);
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
async fn on_demand_provisions_one_user_in_the_legacy_dialect() {
    let server = Server::start().await;
    let (mut simulation, rows) = simulation(
        &server,
        Settings {
            dialects: Dialects::Flagged,
            ..settings()
        },
        "secret",
    );
    let mut source = tenant(9);
    let report = simulation
        .on_demand(&source, "U1@example.test", &[])
        .await
        .unwrap();
    assert!(report.failure.is_none(), "{report:?}");
    let steps: Vec<&str> = report.steps.iter().map(|step| step.step).collect();
    assert_eq!(
        steps[..4],
        ["testConnection", "import", "matching", "export"]
    );
    assert_eq!(server.see(|shared| shared.users.len()), 1);

    source.users.get_mut("u1").unwrap().account_enabled = false;
    simulation.on_demand(&source, "u1", &[]).await.unwrap();
    let last = server
        .see(|shared| shared.requests.last().cloned())
        .unwrap();
    assert_eq!(
        last.2["Operations"],
        json!([{ "op": "Replace", "path": "active", "value": "False" }])
    );

    let many = simulation
        .on_demand(&source, "Everybody", &[])
        .await
        .unwrap_err();
    assert!(
        many.to_string().contains("9 members: choose at most 5"),
        "{many}"
    );
    let chosen = ["u2".to_owned(), "u3@example.test".to_owned()];
    let report = simulation
        .on_demand(&source, "everybody", &chosen)
        .await
        .unwrap();
    assert!(report.failure.is_none(), "{report:?}");
    let members = server.see(|shared| {
        shared.groups.values().next().unwrap()["members"]
            .as_array()
            .map(Vec::len)
    });
    assert_eq!(members, Some(2));
    assert!(simulation.on_demand(&source, "nobody", &[]).await.is_err());
    assert!(
        rows.all()
            .iter()
            .all(|row| row["jobId"].as_str().unwrap().starts_with("scim."))
    );
}

#[tokio::test]
async fn a_state_goes_on_where_it_ended() {
    let server = Server::start().await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("users.csv"),
        "id,userPrincipalName,jobTitle\n1,ana@x,Lead\n2,bo@x,\n",
    )
    .unwrap();
    let run = Run {
        source: Source::Directory(directory.path().to_owned()),
        cycles: 1,
        verify: true,
        state: Some(directory.path().join("state.json")),
        unchanged: false,
    };
    let (mut first, _) = simulation(&server, settings(), "secret");
    assert_eq!(first.run(&run).await.unwrap().verdict, Verdict::Same);
    std::fs::write(
        directory.path().join("users.csv"),
        "id,userPrincipalName,jobTitle\n1,ana.r@x,Lead\n",
    )
    .unwrap();
    let (mut second, _) = simulation(&server, settings(), "secret");
    second.state = State::load(&directory.path().join("state.json"))
        .unwrap()
        .unwrap();
    let report = second.run(&run).await.unwrap();
    assert_eq!(report.verdict, Verdict::Same, "{report:#?}");
    let cycle = &report.cycles[0];
    assert_eq!(
        (
            cycle.cycle,
            cycle.initial,
            cycle.users.updated,
            cycle.users.deleted
        ),
        (2, false, 1, 1)
    );
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
