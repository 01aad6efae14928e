//! Outcomes: late, person by person, and missing after a restart.

use std::time::Duration;

use serde_json::json;
use tombolo_client::stand_in::{Command, Settings};
use tombolo_inbound::budget::Limits;
use tombolo_inbound::bulk_upload::Record;
use tombolo_inbound::outcomes::{LogError, Pending, Status};

use crate::side::{Side, data, people, person, send};

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn outcomes_are_late_and_complete_over_many_pages() {
    let side = Side::start(Settings::default()).await;
    let staged = send(&side.job(Limits::entra()), people(1_200)).await;
    let poll = side.poll(&staged).await;
    assert_eq!((poll.outcomes.len(), poll.waiting), (0, 1_200));
    side.entra.advance(41 * MINUTE);
    let poll = side.poll(&staged).await;
    assert_eq!((poll.outcomes.len(), poll.waiting), (0, 1_200), "rows lag");
    side.entra.advance(10 * MINUTE);
    let poll = side.poll(&staged).await;
    assert_eq!((poll.outcomes.len(), poll.waiting), (1_200, 0));
    assert!(poll.send_again.is_empty());
    assert!(
        poll.outcomes
            .iter()
            .all(|o| o.status == Status::Success && o.action == "create")
    );
    assert_eq!(
        poll.outcomes[0].sentence,
        "00000 (person0) was created in Entra"
    );
}

#[tokio::test]
async fn each_failure_is_told_with_its_reason_and_the_others_succeed() {
    let side = Side::start(Settings {
        domains: vec!["contoso.com".to_owned()],
        ..Settings::default()
    })
    .await;
    let job = side.job(Limits::entra());
    let foreign = data("eve", &json!({"userName": "eve@elsewhere.example"}));
    let records = vec![
        person("1", "ana"),
        person("2", "ANA"),
        Record::new("3", foreign, false).unwrap(),
        person("4", "dan"),
    ];
    let staged = send(&job, records).await;
    side.entra.advance(60 * MINUTE);
    let poll = side.poll(&staged).await;
    let of = |key: &str| poll.outcomes.iter().find(|o| o.key == key).unwrap();
    assert_eq!(of("1").status, Status::Success);
    assert_eq!(of("4").status, Status::Success);
    assert_eq!(of("2").status, Status::Failure);
    assert!(
        of("2").sentence.contains("another object in Entra"),
        "{}",
        of("2").sentence
    );
    assert!(!of("2").may_pass);
    assert!(
        of("3").sentence.contains("not verified"),
        "{}",
        of("3").sentence
    );
}

#[tokio::test]
async fn the_same_record_again_is_skipped_and_a_leaver_is_disabled() {
    let side = Side::start(Settings::default()).await;
    let job = side.job(Limits::entra());
    send(&job, vec![person("1", "ana"), person("2", "ben")]).await;
    side.entra.advance(60 * MINUTE);
    let left = data("ben", &json!({"active": false}));
    let again = vec![person("1", "ana"), Record::new("2", left, true).unwrap()];
    let staged = send(&job, again).await;
    side.entra.advance(60 * MINUTE);
    let poll = side.poll(&staged).await;
    let of = |key: &str| poll.outcomes.iter().find(|o| o.key == key).unwrap();
    assert_eq!(of("1").status, Status::Skipped);
    assert_eq!(
        (of("2").status, of("2").action.as_str()),
        (Status::Success, "disable")
    );
    assert_eq!(side.user("2")["accountEnabled"], false);
    assert_eq!(side.entra.counters().without_active, 0);
}

#[tokio::test]
async fn a_restarted_job_has_lost_what_was_staged_and_it_is_noticed() {
    let side = Side::start(Settings::default()).await;
    let job = side.job(Limits::entra());
    let mut lost = send(&job, vec![person("1", "ana")]).await;
    side.entra.advance(2 * MINUTE);
    side.entra.control(&Command::Restart { running: false });
    side.entra.advance(MINUTE);
    let kept = send(&job, vec![person("2", "ben")]).await;
    lost.extend(kept);
    side.entra.advance(12 * MINUTE);
    let poll = side.poll(&lost).await;
    assert!(poll.send_again.is_empty(), "no cycle has passed: {poll:?}");
    side.entra.advance(40 * MINUTE);
    let poll = side.poll(&lost).await;
    assert_eq!(poll.outcomes.len(), 1);
    assert_eq!(poll.send_again, ["1"]);
    assert_eq!(side.entra.counters().purged, 1);
    let again = send(&job, vec![person("1", "ana")]).await;
    side.entra.advance(60 * MINUTE);
    assert_eq!(side.poll(&again).await.outcomes[0].status, Status::Success);
}

#[tokio::test]
async fn a_restart_is_noticed_without_the_right_to_read_the_job() {
    let side = Side::start(Settings::default()).await;
    side.entra.control(&Command::Deny {
        permission: "Synchronization.Read.All".to_owned(),
    });
    let job = side.job(Limits::entra());
    let mut staged = send(&job, vec![person("1", "ana")]).await;
    side.entra.control(&Command::Restart { running: false });
    side.entra.advance(5 * MINUTE);
    staged.extend(send(&job, vec![person("2", "ben")]).await);
    side.entra.advance(60 * MINUTE);
    assert_eq!(side.poll(&staged).await.send_again, ["1"]);
}

#[tokio::test]
async fn a_job_that_stands_is_told_and_nothing_is_sent_again() {
    let side = Side::start(Settings::default()).await;
    let staged = send(&side.job(Limits::entra()), people(3)).await;
    side.entra.control(&Command::Pause);
    side.entra.advance(30 * 60 * MINUTE);
    let poll = side.poll(&staged).await;
    assert_eq!((poll.waiting, poll.send_again.len()), (3, 0));
    assert!(poll.hint.unwrap().contains("paused"));
    side.entra.control(&Command::Quarantine);
    assert!(
        side.poll(&staged)
            .await
            .hint
            .unwrap()
            .contains("quarantine")
    );
}

#[tokio::test]
async fn a_log_that_may_not_be_read_names_the_permission() {
    let side = Side::start(Settings::default()).await;
    let staged = send(&side.job(Limits::entra()), people(1)).await;
    side.entra.control(&Command::Deny {
        permission: "ProvisioningLog.Read.All".to_owned(),
    });
    let pending = Pending {
        key: staged[0].key.clone(),
        staged: staged[0].at,
    };
    let error = side.outcomes().poll(&[pending]).await.unwrap_err();
    assert!(matches!(error, LogError::Forbidden(_)));
    assert!(error.to_string().contains("ProvisioningLog.Read.All"));
}

/// What the trap does, to prove that it is one: nobody can fall into it through `Record`.
#[tokio::test]
async fn the_stand_in_disables_who_comes_without_active() {
    let side = Side::start(Settings::default()).await;
    let job = side.job(Limits::entra());
    send(&job, vec![person("1", "ana")]).await;
    side.entra.control(&Command::Cycle);
    assert_eq!(side.user("1")["accountEnabled"], true);
    let mut bare = data("ana", &json!({}));
    bare.remove("active");
    assert!(Record::new("1", bare.clone(), false).is_err());
    bare.insert("externalId".to_owned(), json!("1"));
    bare.insert(
        "schemas".to_owned(),
        json!([tombolo_inbound::bulk_upload::USER_URN]),
    );
    let (_, principal, id) = side.entra.ids();
    let url = format!(
        "{}/v1.0/servicePrincipals/{principal}/synchronization/jobs/{id}/bulkUpload",
        side.entra.url()
    );
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [{"method": "POST", "bulkId": "a", "path": "/Users", "data": bare}],
    });
    let answer = side.raw(&url, "application/scim+json", &body).await;
    assert_eq!(answer, 202);
    assert_eq!(side.raw(&url, "application/json", &body).await, 400);
    side.entra.control(&Command::Cycle);
    assert_eq!(side.user("1")["accountEnabled"], false);
    assert_eq!(side.entra.counters().without_active, 1);
}
