//! Uploads: packed, paced, within the budget, and what is refused.

use std::time::Duration;

use serde_json::json;
use tombolo_client::stand_in::{Command, Limits as Allowed, Settings};
use tombolo_inbound::budget::{Limits, Why};
use tombolo_inbound::bulk_upload::{Batch, Packing, Record, Stop, pack};

use crate::side::{Side, data, people, person, send};

#[tokio::test]
async fn people_arrive_in_batches_of_fifty_and_become_users_with_managers() {
    let side = Side::start(Settings::default()).await;
    let job = side.job(Limits::entra());
    let mut records = people(120);
    // Her manager comes after her.
    let extra = json!({
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
            {"department": "Sales", "manager": {"value": "00119"}},
        "urn:contoso:employee": {"JobCode": "AB-1"},
    });
    records.insert(0, Record::new("10042", data("ana", &extra), false).unwrap());
    let staged = send(&job, records).await;
    assert_eq!(staged.len(), 121);
    let counters = side.entra.counters();
    assert_eq!(
        (counters.calls, counters.records, counters.bad_shape),
        (3, 121, 0)
    );
    assert_eq!(side.user("10042"), json!(null), "202 is staged, not done");
    side.entra.control(&Command::Cycle);
    let ana = side.user("10042");
    assert_eq!(ana["accountEnabled"], true);
    assert_eq!(ana["manager"], "00119");
    assert_eq!(ana["attributes"]["urn:contoso:employee"]["JobCode"], "AB-1");
}

#[tokio::test]
async fn a_bad_record_is_found_and_the_others_go_without_it() {
    let side = Side::start(Settings::default()).await;
    let job = side.job(Limits::entra());
    let mut records = people(50);
    let bad = data("bad", &json!({"displayName": 7}));
    records[33] = Record::new("bad", bad, false).unwrap();
    let batch = pack(records, Packing::default()).remove(0);
    let uploaded = job.send(batch).await;
    assert_eq!(uploaded.staged.len(), 49);
    assert_eq!(uploaded.refused.len(), 1);
    assert_eq!(uploaded.refused[0].key, "bad");
    assert!(uploaded.refused[0].why.contains("displayName"));
    assert!(uploaded.left.is_empty() && uploaded.stopped.is_none());
    // Halves, and halves of halves.
    assert!(
        side.entra.counters().calls <= 13,
        "{:?}",
        side.entra.counters()
    );
}

#[tokio::test]
async fn a_mapping_that_spoils_everybody_is_told_from_bad_records() {
    let side = Side::start(Settings::default()).await;
    let job = side.job(Limits::entra());
    let spoilt = |n: usize| {
        let bad = data("bad", &json!({"displayName": n}));
        Record::new(&n.to_string(), bad, false).unwrap()
    };
    let batch = pack((0..50).map(spoilt).collect(), Packing::default()).remove(0);
    let uploaded = job.send(batch).await;
    assert!(
        matches!(uploaded.stopped, Some(Stop::AllBad(_))),
        "{uploaded:?}"
    );
    assert_eq!(uploaded.refused.len() + uploaded.left.len(), 50);
    assert!(side.entra.counters().calls < 15);
}

#[tokio::test]
async fn a_leaver_goes_first_and_uses_the_reserve() {
    let side = Side::start(Settings::default()).await;
    let limits = Limits {
        day: 3,
        day_reserve: 1,
        ..Limits::entra()
    };
    let leaver = Record::new("9", data("leo", &json!({"active": false})), true).unwrap();
    let mut records = people(120);
    records.push(leaver.clone());
    let batches = pack(records, Packing::default());
    assert_eq!(batches[0].records()[0].key(), "9");
    let job = side.job(limits.clone());
    for batch in batches.into_iter().skip(1) {
        let uploaded = job.send(batch).await;
        assert!(uploaded.stopped.is_none());
    }
    // Another process knows what this one has used.
    let uploaded = side
        .job(limits.clone())
        .send(Batch::of(person("1", "one")))
        .await;
    assert!(
        matches!(uploaded.stopped, Some(Stop::Budget { why: Why::Day, .. })),
        "{uploaded:?}"
    );
    assert_eq!(uploaded.left.len(), 1);
    assert!(uploaded.stopped.unwrap().retry_at().is_some());
    let uploaded = side.job(limits).send(Batch::of(leaver)).await;
    assert_eq!(uploaded.staged.len(), 1);
    assert_eq!(side.entra.counters().calls, 3);
}

/// The stand-in allows exactly what we think it does, and its time is the real one.
#[tokio::test]
async fn two_hosts_and_restarts_never_exceed_the_burst_limit() {
    let allowed = Allowed { burst: 8, day: 60 };
    let side = Side::start(Settings {
        limits: allowed,
        ..Settings::default()
    })
    .await;
    let limits = Limits {
        burst: 8,
        burst_reserve: 0,
        day: 60,
        day_reserve: 0,
        margin: Duration::from_millis(200),
        ..Limits::entra()
    };
    let host = async |name: &str| {
        for n in 0..9 {
            // A new process each time.
            let job = side.job(limits.clone());
            let uploaded = job
                .send(Batch::of(person(&format!("{name}{n}"), "x")))
                .await;
            assert_eq!(uploaded.staged.len(), 1, "{uploaded:?}");
        }
    };
    tokio::join!(host("a"), host("b"));
    let counters = side.entra.counters();
    assert_eq!((counters.staged_calls, counters.over_limit), (18, 0));
}

#[tokio::test]
async fn a_storm_of_429_is_waited_out_by_all() {
    let side = Side::start(Settings::default()).await;
    side.entra.control(&Command::AnswerNext {
        count: 2,
        status: 429,
        retry_after: Some(1),
    });
    side.entra.control(&Command::AnswerNext {
        count: 2,
        status: 503,
        retry_after: None,
    });
    let began = std::time::Instant::now();
    let staged = send(&side.job(Limits::entra()), people(1)).await;
    assert_eq!(staged.len(), 1);
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert_eq!(side.entra.counters().calls, 5);
}

#[tokio::test]
async fn a_retry_after_that_is_too_long_says_when_to_come_back() {
    let side = Side::start(Settings::default()).await;
    side.entra.control(&Command::AnswerNext {
        count: 1,
        status: 429,
        retry_after: Some(1_800),
    });
    let uploaded = side
        .job(Limits::entra())
        .send(Batch::of(person("1", "one")))
        .await;
    assert!(
        matches!(uploaded.stopped, Some(Stop::Throttled { .. })),
        "{uploaded:?}"
    );
    // The other host does not even ask.
    let uploaded = side
        .job(Limits::entra())
        .send(Batch::of(person("1", "one")))
        .await;
    assert!(
        matches!(uploaded.stopped, Some(Stop::Budget { why: Why::Held, .. })),
        "{uploaded:?}"
    );
    assert_eq!(side.entra.counters().calls, 1);
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let side = Side::start(Settings::default()).await;
    side.entra.control(&Command::Deny {
        permission: "SynchronizationData-User.Upload".to_owned(),
    });
    let uploaded = side
        .job(Limits::entra())
        .send(Batch::of(person("1", "one")))
        .await;
    let told = uploaded.stopped.unwrap().to_string();
    assert!(
        told.contains("SynchronizationData-User.Upload.OwnedBy"),
        "{told}"
    );
    assert_eq!(uploaded.left.len(), 1);
}
