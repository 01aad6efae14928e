//! A connector that misbehaves costs its own caller a typed error within its
//! limits, and its neighbours next to nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tombolo_tests::host::{Directory, Host};
use tombolo_tests::load::{Crowd, Figure, Op, Stream};
use tombolo_tests::scim::{Reply, Scim};
use tombolo_tests::{apps, build};

/// What each app does when a user is created, and the status that its caller gets.
const MISDEEDS: &[(&str, &str, &[u16])] = &[
    ("looper", "loop", &[503, 504]),
    ("hoarder", "allocate", &[500, 502, 503]),
    ("trapper", "trap", &[500, 502, 503]),
    ("recurser", "recurse", &[500, 502, 503]),
    ("waiter", "wait", &[503, 504]),
];

const LIMITS: &str =
    "[limits]\nwall = \"1500ms\"\ncpu = \"500ms\"\nmemory = \"32MiB\"\nconcurrency = 2\n";

async fn house() -> Result<(Directory, Host)> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    directory.connector("guest", &build::guest()?)?;
    apps::csv(&directory, "neighbour", "")?;
    for (app, deed, _) in MISDEEDS {
        apps::guest(
            &directory,
            app,
            &format!("do = \"{deed}\"\non = \"create\""),
            LIMITS,
        )?;
    }
    let host = Host::start(&directory).await?;
    Ok((directory, host))
}

async fn create(scim: &Scim) -> Result<Reply> {
    let name = format!("{}@example.test", uuid::Uuid::new_v4());
    scim.post(
        "/Users",
        &json!({ "schemas": [tombolo_tests::people::USER], "userName": name }),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_misdeed_is_a_typed_error_within_its_limits() -> Result<()> {
    let (_directory, host) = house().await?;
    for (app, deed, statuses) in MISDEEDS {
        let scim = host.scim(app)?;
        let began = Instant::now();
        let reply = create(&scim).await?;
        let took = began.elapsed();
        println!(
            "{deed}: {} in {took:?}: {}",
            reply.status, reply.body["detail"]
        );
        ensure!(statuses.contains(&reply.status), "{deed}: {reply:?}");
        ensure!(
            reply.body["schemas"] == json!(["urn:ietf:params:scim:api:messages:2.0:Error"]),
            "{deed}: not a SCIM error: {reply:?}"
        );
        ensure!(
            reply.body["detail"].as_str().is_some_and(|d| d.len() > 10),
            "{deed}: no detail: {reply:?}"
        );
        ensure!(took < Duration::from_secs(6), "{deed} took {took:?}");
        // The app itself still serves what its connector does well.
        let reply = scim.get("/Users?filter=userName+eq+%22nobody%22").await?;
        ensure!(reply.status == 200, "after {deed}: {reply:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_beyond_the_slots_are_sent_away_and_not_queued_for_ever() -> Result<()> {
    let (_directory, host) = house().await?;
    let scim = host.scim("waiter")?;
    let began = Instant::now();
    let calls = (0..12).map(|_| create(&scim));
    let replies = futures::future::try_join_all(calls).await?;
    ensure!(
        began.elapsed() < Duration::from_secs(20),
        "12 callers waited {:?}",
        began.elapsed()
    );
    for reply in replies {
        ensure!(matches!(reply.status, 503 | 504 | 429), "{reply:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_hardly_notices() -> Result<()> {
    let (_directory, host) = house().await?;
    let scim = host.scim("neighbour")?;
    let crowd = Arc::new(Crowd::create(&scim, 100).await?);
    let stream = Stream {
        scim,
        crowd,
        mix: vec![Op::Get, Op::Match, Op::Patch],
        rate: Some(50),
        parallel: 8,
    };
    let quiet = figure(&stream, Duration::from_secs(5)).await;

    let bad = {
        let clients: Vec<Scim> = MISDEEDS
            .iter()
            .map(|(app, ..)| host.scim(app))
            .collect::<Result<_>>()?;
        tokio::spawn(async move {
            let end = Instant::now() + Duration::from_secs(6);
            let mut calls = 0;
            while Instant::now() < end {
                for reply in futures::future::join_all(clients.iter().map(create)).await {
                    calls += usize::from(reply.is_ok_and(|r| r.status >= 429));
                }
            }
            calls
        })
    };
    let noisy = figure(&stream, Duration::from_secs(5)).await;
    let calls = bad.await?;
    println!(
        "neighbour alone: p50 {:?} p99 {:?}; beside {calls} misdeeds: p50 {:?} p99 {:?}",
        quiet.p50, quiet.p99, noisy.p50, noisy.p99
    );
    ensure!(
        quiet.errors + noisy.errors == 0,
        "{:?} {:?}",
        quiet.example,
        noisy.example
    );
    ensure!(
        calls >= MISDEEDS.len(),
        "only {calls} misdeeds were answered"
    );
    // A few milliseconds on a machine with room; the bound leaves room for one without.
    ensure!(
        noisy.p50 < quiet.p50 + Duration::from_millis(25),
        "p50 went from {:?} to {:?}",
        quiet.p50,
        noisy.p50
    );
    Ok(())
}

async fn figure(stream: &Stream, during: Duration) -> Figure {
    let running = stream.clone().start();
    tokio::time::sleep(during).await;
    Figure::of(&running.stop().await, during, Duration::ZERO)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_misbehaves_at_load_keeps_only_its_own_app_out() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    directory.connector("guest", &build::guest()?)?;
    apps::csv(&directory, "neighbour", "")?;
    for deed in ["loop", "allocate", "trap", "wait"] {
        apps::guest(
            &directory,
            deed,
            &format!("do = \"{deed}\"\non = \"describe\""),
            LIMITS,
        )?;
    }
    let host = Host::start(&directory).await?;
    ensure!(
        create(&host.scim("neighbour")?).await?.status == 201,
        "the neighbour does not serve"
    );
    for deed in ["loop", "allocate", "trap", "wait"] {
        let failed = host.until_app(deed, "failed").await?;
        println!("{deed}: {}", failed["problems"]);
        let reply = host.scim(deed)?.get("/Users").await?;
        ensure!(
            reply.status >= 400 && reply.status != 401,
            "{deed}: {reply:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_s_fault_is_never_blamed_on_the_caller_s_credentials() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("guest", &build::guest()?)?;
    let faults: &[(&str, &[u16])] = &[
        ("unauthenticated", &[502, 503]),
        ("forbidden", &[400, 403, 502, 503]),
        ("unavailable", &[503]),
        ("timeout", &[503, 504]),
        ("busy", &[429, 503]),
        ("already-exists", &[409]),
        ("invalid", &[400]),
        // Of a create that cannot be the object itself, so something that it refers to.
        ("not-found", &[400]),
    ];
    for (fault, _) in faults {
        apps::guest(
            &directory,
            fault,
            &format!("do = \"fail\"\nfault = \"{fault}\"\non = \"create\""),
            "",
        )?;
    }
    let host = Host::start(&directory).await?;
    for (fault, statuses) in faults {
        let reply = create(&host.scim(fault)?).await?;
        println!("{fault}: {} {}", reply.status, reply.body["detail"]);
        ensure!(statuses.contains(&reply.status), "{fault}: {reply:?}");
        if matches!(reply.status, 429 | 503) {
            ensure!(
                reply.header("retry-after").is_some(),
                "{fault}: no Retry-After: {reply:?}"
            );
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_target_does_not_find_is_404_only_when_it_is_the_object_itself() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("guest", &build::guest()?)?;
    for on in ["update", "search", "get"] {
        apps::guest(
            &directory,
            on,
            &format!("do = \"fail\"\nfault = \"not-found\"\non = \"{on}\""),
            "",
        )?;
    }
    let host = Host::start(&directory).await?;

    // The update misses something, and the object is there: it is not forgotten.
    let scim = host.scim("update")?;
    let id = create(&scim).await?.id();
    let change = tombolo_tests::scim::patch_op(
        &serde_json::json!([{"op": "replace", "path": "displayName", "value": "x"}]),
    );
    let reply = scim.patch(&format!("/Users/{id}"), &change).await?;
    ensure!(reply.status == 400, "{reply:?}");
    ensure!(reply.body["scimType"] == "invalidValue", "{reply:?}");
    ensure!(scim.get(&format!("/Users/{id}")).await?.status == 200);

    // A search that misses something is no empty list and no 404, which would quarantine Entra's job.
    let scim = host.scim("search")?;
    let reply = scim.get("/Users?filter=userName+eq+%22nobody%22").await?;
    ensure!(reply.status == 502, "{reply:?}");

    // The target says of the object itself that it is gone.
    let scim = host.scim("get")?;
    let id = create(&scim).await?.id();
    let reply = scim.get(&format!("/Users/{id}")).await?;
    ensure!(reply.status == 404, "{reply:?}");
    Ok(())
}
