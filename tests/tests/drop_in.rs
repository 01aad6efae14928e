//! Connector and app files come, change and go under load, and no request
//! fails that the change itself does not explain.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use tombolo_tests::host::{Directory, Host, run};
use tombolo_tests::load::{Crowd, Figure, Op, Stream};
use tombolo_tests::{apps, build};

/// Requests a second; a debug build on two cores also has the client to feed.
const RATE: u32 = 500;

/// The same component as another file: a custom section more changes its digest.
fn upgraded(component: &[u8], generation: u8) -> Vec<u8> {
    let name = b"generation";
    let mut bytes = component.to_vec();
    bytes.push(0);
    bytes.push(u8::try_from(name.len() + 2).unwrap_or_default());
    bytes.push(u8::try_from(name.len()).unwrap_or_default());
    bytes.extend(name);
    bytes.push(generation);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_change_and_go_under_load_without_a_failed_request() -> Result<()> {
    let csv = std::fs::read(build::connector("csv")?)?;
    let directory = Directory::new()?;
    directory.write("connectors/csv.wasm", &csv)?;
    apps::csv(&directory, "steady", "")?;
    let host = Host::start(&directory).await?;
    let scim = host.scim("steady")?;
    let crowd = Arc::new(Crowd::create(&scim, 200).await?);
    let mix = vec![
        Op::Get,
        Op::Get,
        Op::Get,
        Op::Get,
        Op::Match,
        Op::Match,
        Op::Match,
        Op::Match,
        Op::Match,
        Op::Patch,
    ];
    let running = Stream {
        scim,
        crowd,
        mix,
        rate: Some(RATE),
        parallel: 32,
    }
    .start();
    let pause = || tokio::time::sleep(Duration::from_secs(1));
    pause().await;

    println!("a new connector and a new app are dropped in");
    directory.connector("guest", &build::guest()?)?;
    apps::guest(&directory, "newcomer", "", "")?;
    host.until("/apps/newcomer/scim/v2/Users", |status, _| status == 401)
        .await?;
    let answered = host.scim("newcomer")?.get("/Users").await?;
    ensure!(answered.status == 200, "{answered:?}");

    println!("the connector under load is upgraded, five times");
    for generation in 1..=5 {
        let old = host.app("steady").await?.unwrap_or_default()["revision"].clone();
        directory.write("connectors/csv.wasm", upgraded(&csv, generation))?;
        host.until("/readyz", |_, text| {
            !text.contains(old.as_str().unwrap_or_default())
        })
        .await?;
        pause().await;
    }

    println!("a bad upgrade changes nothing and is reported");
    directory.write("connectors/csv.wasm", b"\0asm this is no component")?;
    let stale = host.until_app("steady", "stale").await?;
    ensure!(
        stale["problems"].as_array().is_some_and(|p| !p.is_empty()),
        "{stale}"
    );
    ensure!(
        host.log().contains("csv"),
        "the log does not name the bad file:\n{}",
        host.log()
    );
    let listed = run(&["app", "list", &directory.path().display().to_string()])?;
    let listed = format!(
        "{}{}",
        String::from_utf8_lossy(&listed.stdout),
        String::from_utf8_lossy(&listed.stderr)
    );
    ensure!(listed.contains("steady"), "{listed}");
    pause().await;
    println!("truncated in the middle of a component, the same");
    directory.write("connectors/csv.wasm", &csv[..csv.len() / 2])?;
    pause().await;
    println!("a good one again");
    directory.write("connectors/csv.wasm", upgraded(&csv, 77))?;
    host.until_app("steady", "serving").await?;

    println!("the app's file is made bad, then good");
    let file = directory.path().join("apps/steady.toml");
    let good = std::fs::read_to_string(file)?;
    directory.write(
        "apps/steady.toml",
        good.replace("connector =", "conector ="),
    )?;
    host.until_app("steady", "stale").await?;
    pause().await;
    directory.write(
        "apps/steady.toml",
        format!("{good}\n[limits]\nwall = \"20s\"\n"),
    )?;
    host.until_app("steady", "serving").await?;

    println!("the newcomer goes, its connector after it");
    directory.remove("apps/newcomer.toml")?;
    host.until("/apps/newcomer/scim/v2/Users", |status, _| status == 404)
        .await?;
    directory.remove("connectors/guest.wasm")?;
    pause().await;

    let began = running.began();
    let samples = running.stop().await;
    let figure = Figure::of(&samples, began.elapsed(), Duration::ZERO);
    println!(
        "{} requests, {:.0}/s, p50 {:?}, p99 {:?}, {} errors",
        figure.count, figure.rate, figure.p50, figure.p99, figure.errors
    );
    for sample in samples.iter().filter(|s| s.error.is_some()).take(10) {
        println!(
            "{:?} at {:?}: {:?}",
            sample.op,
            sample.at.duration_since(began),
            sample.error
        );
    }
    ensure!(
        figure.errors == 0,
        "{} of {} requests failed",
        figure.errors,
        figure.count
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn running_calls_finish_on_the_old_revision() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("guest", &build::guest()?)?;
    // A call that takes its whole wall time is under way while the file changes.
    apps::guest(
        &directory,
        "slow",
        "do = \"wait\"\non = \"create\"",
        "[limits]\nwall = \"3s\"\n",
    )?;
    let host = Host::start(&directory).await?;
    let scim = host.scim("slow")?;
    let call = tokio::spawn(async move {
        scim.post(
            "/Users",
            &serde_json::json!({ "schemas": [tombolo_tests::people::USER], "userName": "slow" }),
        )
        .await
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    apps::guest(&directory, "slow", "", "")?;
    // The next request meets the new revision …
    let scim = host.scim("slow")?;
    let mut quick = None;
    for n in 0..100 {
        let body = serde_json::json!({ "schemas": [tombolo_tests::people::USER], "userName": format!("quick{n}") });
        let reply = scim.post("/Users", &body).await?;
        if reply.status == 201 {
            quick = Some(reply);
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ensure!(quick.is_some(), "the new revision never served");
    // … while the old call ends as its own revision would have it.
    let reply = call.await??;
    ensure!(matches!(reply.status, 503 | 504), "{reply:?}");
    Ok(())
}
