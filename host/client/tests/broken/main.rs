//! The conformance runner against a tiny SCIM server, honest and broken in every way that the tests are there for: a
//! runner that cannot fail is worth nothing, and one that blames the honest is worth less.

mod defect;
mod describe;
mod filter;
mod patch;
mod server;
mod tree;

use std::collections::BTreeMap;

use tokio::sync::watch;
use tombolo_client::conformance::case::Verdict;
use tombolo_client::conformance::report::Report;
use tombolo_client::conformance::{CannotRun, Event, Settings, run};
use tombolo_client::http::{ClientCredentials, Credentials, Endpoint, Options, Sent};

use defect::Defect;
use server::{CLIENT_ID, CLIENT_SECRET, Server, TOKEN};

fn endpoint(server: &Server, token: &str) -> Endpoint {
    let bearer = Credentials::Bearer(token.to_owned().into());
    Endpoint::new(server.url(), bearer, &Options::default()).expect("a client")
}

async fn play(defect: Option<Defect>, settings: Settings) -> (Report, Server) {
    let server = Server::start(defect).await;
    let (_never, interrupts) = watch::channel(0);
    let endpoint = endpoint(&server, TOKEN);
    let report = run(&endpoint, settings, interrupts, |_| {})
        .await
        .expect("a report");
    (report, server)
}

fn only(patterns: &[&str]) -> Settings {
    Settings {
        only: patterns.iter().map(|&pattern| pattern.to_owned()).collect(),
        ..Settings::default()
    }
}

fn verdicts(report: &Report) -> BTreeMap<&str, Verdict> {
    report
        .tests
        .iter()
        .map(|test| (test.id, test.verdict))
        .collect()
}

fn told(report: &Report) -> String {
    let bad = report.tests.iter().filter(|test| !test.findings.is_empty());
    bad.map(|test| [test.id, "\n", &test.explain()].concat())
        .collect()
}

#[tokio::test]
async fn an_honest_server_passes_and_is_left_as_it_was() {
    let (report, server) = play(None, Settings::default()).await;
    assert_eq!(report.counts.failed, 0, "{}", told(&report));
    assert_eq!(report.counts.warnings, 0, "{}", told(&report));
    assert!(report.counts.passed > 140, "{}", report.summary());
    assert!(report.is_good() && report.leftovers.is_empty());
    assert_eq!(server.objects(), 0);
    // What it does not have is skipped, never passed.
    for skipped in ["roles/primary", "rfc/etag", "rfc/bulk", "paging/cursor"] {
        assert_eq!(verdicts(&report)[skipped], Verdict::Skipped, "{skipped}");
    }
}

#[tokio::test]
async fn every_defect_is_caught_by_the_tests_that_are_there_for_it() {
    let mut missed = Vec::new();
    for (defect, caught_by, verdict) in defect::ALL {
        let (report, server) = play(Some(*defect), only(caught_by)).await;
        for test in &report.tests {
            if caught_by.contains(&test.id) && test.verdict != *verdict {
                missed.push(format!("{defect:?}: {} is {:?}", test.id, test.verdict));
            }
        }
        let left = report.leftovers.len();
        if left != server.objects() && *defect != Defect::DeleteDoesNothing {
            missed.push(format!(
                "{defect:?}: {} objects, {left} reported",
                server.objects()
            ));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[tokio::test]
async fn a_failure_names_its_request_its_answer_and_its_reason() {
    let (report, _server) = play(
        Some(Defect::RemoveWipesTheGroup),
        only(&["group/remove-legacy"]),
    )
    .await;
    let text = told(&report);
    for part in [
        "the members are [",
        "they are []",
        "PATCH /Groups/",
        "\"op\":\"Remove\"",
        "GET /Groups/",
        "Known issues with SCIM 2.0 compliance",
        "takes everybody else out of it",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[tokio::test]
async fn without_groups_microsofts_tests_fail_unless_told_otherwise() {
    let patterns = ["gallery/19", "group/"];
    let (report, _server) = play(Some(Defect::NoGroups), only(&patterns)).await;
    assert_eq!(
        verdicts(&report)["gallery/19-group-create"],
        Verdict::Failed
    );
    assert_eq!(verdicts(&report)["group/remove-legacy"], Verdict::Skipped);
    let settings = Settings {
        no_groups: true,
        ..only(&patterns)
    };
    let (report, _server) = play(Some(Defect::NoGroups), settings).await;
    assert_eq!(
        verdicts(&report)["gallery/19-group-create"],
        Verdict::Skipped
    );
    assert!(!report.is_good(), "nothing was played");
}

#[tokio::test]
async fn a_value_that_the_server_insists_on_is_sent() {
    let patterns = ["gallery/17", "gallery/16"];
    let (report, _server) = play(Some(Defect::WantsATitle), only(&patterns)).await;
    assert_eq!(verdicts(&report)["gallery/17-user-create"], Verdict::Failed);
    let settings = Settings {
        fixed: vec![("title".to_owned(), "Approved".into())],
        ..only(&patterns)
    };
    let (report, _server) = play(Some(Defect::WantsATitle), settings).await;
    assert!(report.is_good(), "{}", told(&report));
}

#[tokio::test]
async fn what_cannot_be_deleted_is_said() {
    let (report, server) = play(Some(Defect::DeleteIsRefused), only(&["gallery/01"])).await;
    assert_eq!(report.leftovers.len(), 1);
    assert_eq!(server.objects(), 1);
    let left = &report.leftovers[0];
    assert!(left.path.starts_with("/Users/") && left.name.starts_with(&report.prefix));
    assert!(left.why.contains("403"), "{}", left.why);
}

#[tokio::test]
async fn a_create_whose_answer_never_came_is_found_and_deleted() {
    let (report, server) = play(Some(Defect::CreateAnswers500), only(&["gallery/01"])).await;
    assert_eq!(report.counts.failed, 1);
    assert_eq!(server.objects(), 0);
    assert!(report.leftovers.is_empty());
}

#[tokio::test]
async fn an_interrupt_ends_the_tests_and_cleans_up() {
    let server = Server::start(Some(Defect::PatchHangs)).await;
    let (interrupt, interrupts) = watch::channel(0);
    let endpoint = endpoint(&server, TOKEN);
    let settings = only(&["gallery/01", "gallery/02", "gallery/03"]);
    let playing = run(&endpoint, settings, interrupts, |_| {});
    let hung = server.hung();
    let (report, ()) = tokio::join!(playing, async {
        hung.notified().await;
        interrupt.send_replace(1);
    });
    let report = report.expect("a report");
    assert!(report.interrupted && !report.is_good());
    assert_eq!(verdicts(&report)["gallery/01-create-user"], Verdict::Passed);
    assert_eq!(
        verdicts(&report)["gallery/03-disable-user"],
        Verdict::Skipped
    );
    assert_eq!(server.objects(), 0);
}

#[tokio::test]
async fn client_credentials_are_sent_as_chosen_and_their_token_is_judged() {
    for (sent, asked, defect, verdict) in [
        (Sent::Header, (true, false), None, Verdict::Passed),
        (Sent::Body, (false, true), None, Verdict::Passed),
        (Sent::Both, (true, true), None, Verdict::Passed),
        (
            Sent::Header,
            (true, false),
            Some(Defect::TokensAreShort),
            Verdict::Failed,
        ),
    ] {
        let server = Server::start(defect).await;
        let client = ClientCredentials {
            endpoint: server
                .url()
                .replace("/scim", "/token")
                .parse()
                .expect("a URL"),
            client_id: CLIENT_ID.to_owned(),
            secret: CLIENT_SECRET.into(),
            scope: None,
            sent,
        };
        let credentials = Credentials::ClientCredentials(client);
        let endpoint =
            Endpoint::new(server.url(), credentials, &Options::default()).expect("a client");
        let (_never, interrupts) = watch::channel(0);
        let settings = only(&["gallery/21", "gallery/01"]);
        let report = run(&endpoint, settings, interrupts, |_| {})
            .await
            .expect("a report");
        assert_eq!(
            verdicts(&report)["gallery/01-create-user"],
            Verdict::Passed,
            "{sent:?}"
        );
        assert_eq!(
            verdicts(&report)["gallery/21-validate-credentials"],
            verdict,
            "{sent:?}"
        );
        // Once for all requests, once for the test itself.
        assert_eq!(server.signed_in(), [asked, asked], "{sent:?}");
    }
}

#[tokio::test]
async fn a_server_that_describes_nothing_is_taken_for_what_entra_maps_by_default() {
    let good = [
        "gallery/01",
        "patch/op-in-any-case",
        "manager/bare",
        "group/remove-legacy",
    ];
    let (report, _server) = play(Some(Defect::NothingIsDescribed), only(&good)).await;
    assert!(
        report.is_good() && report.counts.skipped == 0,
        "{}",
        told(&report)
    );
    let bad = [
        "discovery/schemas",
        "gallery/15",
        "discovery/resource-types",
    ];
    let (report, _server) = play(Some(Defect::NothingIsDescribed), only(&bad)).await;
    assert_eq!(report.counts.failed, 3, "{}", report.summary());
}

#[tokio::test]
async fn an_attribute_may_be_said_to_be_required() {
    let settings = |path: &str| Settings {
        required: vec![path.to_owned()],
        ..only(&["gallery/16"])
    };
    let (report, _server) = play(Some(Defect::KeepsDisplayName), only(&["gallery/16"])).await;
    assert_eq!(report.counts.failed, 2);
    let (report, _server) = play(Some(Defect::KeepsDisplayName), settings("displayName")).await;
    assert!(report.is_good(), "{}", told(&report));
    let server = Server::start(None).await;
    let (_never, interrupts) = watch::channel(0);
    let played = run(
        &endpoint(&server, TOKEN),
        settings("nonsense"),
        interrupts,
        |_| {},
    )
    .await;
    assert!(matches!(played, Err(CannotRun::NoSuchAttribute(_))));
}

#[tokio::test]
async fn a_wrong_token_is_no_result() {
    let server = Server::start(None).await;
    let (_never, interrupts) = watch::channel(0);
    let endpoint = endpoint(&server, "wrong");
    let played = run(&endpoint, only(&[]), interrupts, |event| {
        assert!(!matches!(event, Event::Playing(_)));
    });
    let played = played.await;
    assert!(matches!(played, Err(CannotRun::Refused { status: 401 })));
}
