//! A server that does as it should.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::Method;
use serde_json::json;
use tombolo_client::simulate::{
    CycleError, Dialects, Report, Run, Settings, Source, State, Verdict,
};

use super::server::Server;
use super::{generated, settings, simulation, stoppable, tenant};

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
    let (mut allowed, _) = super::simulation(
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
async fn an_interrupted_job_finishes_what_is_under_way_and_goes_on_later() {
    let server = Server::start().await;
    let stop = Arc::new(AtomicBool::new(false));
    let (mut simulation, _) = stoppable(&server, settings(), "secret", &stop);
    let (told, mut posts) = (Arc::clone(&stop), 0);
    server.misbehave(move |method, _, _| {
        posts += usize::from(method == Method::POST);
        told.store(posts >= 5, Ordering::Relaxed);
        None
    });
    let source = tenant(40);
    let error = simulation.cycle(&source).await.unwrap_err();
    assert!(matches!(error, CycleError::Interrupted));
    let made = server.see(|shared| shared.users.len());
    assert!((5..40).contains(&made));
    assert_eq!(simulation.state.users.len(), made, "every outcome is known");

    server.behave();
    let (mut later, _) = super::simulation(&server, settings(), "secret");
    later.state = simulation.state;
    let report = later.cycle(&source).await.unwrap();
    assert_eq!((report.failed, report.users.created), (0, 40 - made as u64));
    assert_eq!(later.verify(&source).await.unwrap().differences, 0);
}
