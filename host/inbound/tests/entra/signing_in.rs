//! Tokens: renewed once when they are refused, and asked for by secret or by federated token.

use secrecy::SecretString;
use tombolo_client::stand_in::{Command, Settings};
use tombolo_inbound::auth::{Credential, SecretIn};
use tombolo_inbound::budget::{Budget, Limits};
use tombolo_inbound::bulk_upload::{Batch, Job, Stop};

use crate::side::{Side, file, person, send};

fn job(side: &Side, credential: Credential) -> Job {
    let clock = std::sync::Arc::new(tombolo_inbound::clock::System);
    let shared = std::sync::Arc::clone(&side.shared);
    let budget = Budget::new(shared, clock, "budget", Limits::entra());
    let (_, principal, job) = side.entra.ids();
    let session = side.session_with(credential);
    Job::new(session, &side.endpoints(), (&principal, &job), budget)
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let side = Side::start(Settings::default()).await;
    let job = side.job(Limits::entra());
    send(&job, vec![person("1", "one")]).await;
    side.entra.control(&Command::RevokeTokens);
    send(&job, vec![person("2", "two")]).await;
    assert_eq!(side.entra.counters().tokens, 2);
    side.entra.control(&Command::AnswerNext {
        count: 2,
        status: 401,
        retry_after: None,
    });
    let uploaded = job.send(Batch::of(person("3", "three"))).await;
    assert!(
        matches!(uploaded.stopped, Some(Stop::Unauthorized(_))),
        "{uploaded:?}"
    );
}

#[tokio::test]
async fn a_wrong_secret_is_told_without_it() {
    let side = Side::start(Settings::default()).await;
    let wrong: SecretString = "hunter2".into();
    for place in [SecretIn::Body, SecretIn::Header] {
        let job = job(&side, Credential::Secret(wrong.clone(), place));
        let uploaded = job.send(Batch::of(person("1", "one"))).await;
        let told = format!("{uploaded:?} {}", uploaded.stopped.as_ref().unwrap());
        assert!(told.contains("AADSTS7000215"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    assert_eq!(side.entra.counters().calls, 0);
}

#[tokio::test]
async fn the_secret_may_go_in_the_header() {
    let side = Side::start(Settings {
        client_secret: "a b+c:d%e".into(),
        ..Settings::default()
    })
    .await;
    let secret = side.entra.client().1;
    let job = job(&side, Credential::Secret(secret, SecretIn::Header));
    send(&job, vec![person("1", "one")]).await;
}

#[tokio::test]
async fn a_federated_token_is_read_again_each_time() {
    let side = Side::start(Settings {
        federated: Some("head.claims.new".into()),
        ..Settings::default()
    })
    .await;
    let (_dir, path) = file("head.claims.old\n");
    let job = job(&side, Credential::Federated(path.clone()));
    let uploaded = job.send(Batch::of(person("1", "one"))).await;
    assert!(
        matches!(uploaded.stopped, Some(Stop::Unauthorized(_))),
        "{uploaded:?}"
    );
    std::fs::write(&path, "head.claims.new\n").unwrap();
    send(&job, vec![person("1", "one")]).await;
    std::fs::write(&path, "no token").unwrap();
    side.entra.control(&Command::RevokeTokens);
    let uploaded = job.send(Batch::of(person("1", "one"))).await;
    let told = uploaded.stopped.unwrap().to_string();
    assert!(told.contains("no signed JWT"), "{told}");
}
