//! Disks that are full, and disks that fail: what was acknowledged is there, what could not be done is said, and what can go
//! on goes on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::disk::{Disk, Faults};
use tombolo_tests::host::{Directory, Host, Start};
use tombolo_tests::ledger::{Ledger, client, listed, settle};
use tombolo_tests::outside::{APP, Target};
use tombolo_tests::people::USER;
use tombolo_tests::postgres::Postgres;
use tombolo_tests::scim::{Reply, Scim, patch_op};
use tombolo_tests::shared::{on_postgres, with_store};
use tombolo_tests::{apps, build};

const PASSWORD: &str = "disk-password";
/// How long the disk may be full.
const PATIENCE: Duration = Duration::from_mins(1);

fn person(name: &str, display: &str) -> Value {
    json!({
        "schemas": [USER], "userName": name, "displayName": display, "active": true,
        "name": { "familyName": "Full", "givenName": "Disk" },
    })
}

fn within(wrapper: Vec<String>, start: Start) -> Start {
    Start { wrapper, ..start }
}

/// A write that was refused, and is not to be mistaken for the person's absence or for Entra's own fault.
fn refused(reply: &Reply, word: &str) -> Result<()> {
    ensure!(reply.status == 503, "{reply:?}");
    ensure!(reply.header("retry-after").is_some(), "{reply:?}");
    ensure!(reply.text.contains(word), "no `{word}` in {reply:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_whose_disk_fills_up_refuses_and_goes_on_when_there_is_room() -> Result<()> {
    let target = Target::csv()?;
    let directory = target.directory()?;
    let state = directory.path().join("state");
    std::fs::create_dir_all(&state)?;
    let disk = Disk::mount(&state, "128m")?;
    let start = within(disk.wrapper(), target.start());
    let mut host = Host::start_with(directory.path(), &start).await?;
    let scim = host.scim(APP)?;
    let kept = person("kept@example.test", "Kept");
    let kept = scim.post("/Users", &kept).await?;
    ensure!(kept.status == 201, "{kept:?}");
    let ledger = Ledger::default();
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = tokio::task::JoinSet::new();
    for who in 0..4 {
        let ledger = Arc::clone(&ledger);
        let stop = Arc::clone(&stop);
        clients.spawn(client(scim.clone(), ledger, who, 7, PATIENCE, stop));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    disk.fill()?;
    let told = |status, text: &str| status == 503 && text.contains("disk of the store is full");
    host.until("/readyz", told).await?;
    refused(
        &scim
            .post("/Users", &person("late@example.test", "Late"))
            .await?,
        "make room",
    )?;
    // What needs nothing written down is read.
    let read = scim.get(&format!("/Users/{}", kept.id())).await?;
    ensure!(
        read.status == 200 && read.body["displayName"] == "Kept",
        "{read:?}"
    );

    // The clients ask again and again, and are heard as soon as there is room.
    disk.empty()?;
    host.until("/readyz", |status, _| status == 200).await?;
    let late = scim
        .post("/Users", &person("late@example.test", "Late"))
        .await?;
    ensure!(late.status == 201, "{late:?}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended?.with_context(|| host.log())?;
    }
    for id in [late.id(), kept.id()] {
        let gone = scim.delete(&format!("/Users/{id}")).await?;
        ensure!(gone.status == 204, "{gone:?}");
    }

    host.kill()?;
    let host = Host::start_with(directory.path(), &start).await?;
    listed(&host.scim(APP)?).await?;
    settle(&host.scim(APP)?, &ledger, &target.seen()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_granted_directory_that_is_full_fails_the_write_and_keeps_the_file() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, APP, "")?;
    let disk = Disk::mount(&directory.path().join("data").join(APP), "512k")?;
    let start = within(disk.wrapper(), Start::default());
    let host = Host::start_with(directory.path(), &start).await?;
    let scim = host.scim(APP)?;
    let long = "x".repeat(3000);
    let mut there = BTreeSet::new();
    let in_file = || -> Result<BTreeSet<String>> {
        let text = std::fs::read_to_string(disk.file(apps::CSV_USERS))?;
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let column = reader.headers()?.iter().position(|name| name == "userName");
        let column = column.context("a column of names")?;
        let names = reader.records().map(|row| Ok(row?[column].to_owned()));
        names.collect()
    };
    let mut full = None;
    for n in 0..200 {
        let name = format!("u{n:03}@example.test");
        let reply = scim.post("/Users", &person(&name, &long)).await?;
        if reply.status != 201 {
            full = Some((name, reply));
            break;
        }
        there.insert(name);
    }
    let (name, reply) = full.context("the disk was never full")?;
    ensure!(matches!(reply.status, 502 | 503), "{reply:?}");
    ensure!(reply.text.contains(apps::CSV_USERS), "{reply:?}");
    ensure!(in_file()? == there, "{:?}, not {there:?}", in_file()?);
    let read = scim.get("/Users?count=200").await?;
    ensure!(read.resources().len() == there.len(), "{read:?}");

    // What frees room is done although the disk is full; then there is room.
    let first = there.pop_first().context("somebody")?;
    let found = scim
        .find("match", "Users", &format!("userName eq \"{first}\""))
        .await?;
    let id = found.resources()[0]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let gone = scim.delete(&format!("/Users/{id}")).await?;
    if gone.status == 204 {
        let again = scim.post("/Users", &person(&name, "short")).await?;
        ensure!(again.status == 201, "{again:?}");
        there.insert(name);
    } else {
        // A file is replaced by another one, for which there may be no room either.
        ensure!(matches!(gone.status, 502 | 503), "{gone:?}");
        there.insert(first);
    }
    ensure!(in_file()? == there, "{:?}, not {there:?}", in_file()?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_directory_that_is_full_stops_no_host_whose_store_is_elsewhere() -> Result<()> {
    let postgres = Postgres::start(PASSWORD)?;
    let target = Target::csv()?;
    let directory = target.directory()?;
    on_postgres(&directory, &postgres)?;
    let state = directory.path().join("state");
    std::fs::create_dir_all(&state)?;
    let disk = Disk::mount(&state, "16m")?;
    let start = within(disk.wrapper(), with_store(target.start(), PASSWORD));
    let mut host = Host::start_with(directory.path(), &start).await?;
    disk.fill()?;
    let write = async |scim: Scim, name: &str| -> Result<()> {
        let made = scim.post("/Users", &person(name, "One")).await?;
        ensure!(made.status == 201, "{made:?}");
        let change = json!([{ "op": "replace", "path": "displayName", "value": "Two" }]);
        let path = format!("/Users/{}", made.id());
        let changed = scim.patch(&path, &patch_op(&change)).await?;
        ensure!(changed.status == 200, "{changed:?}");
        Ok(())
    };
    write(host.scim(APP)?, "one@example.test").await?;
    host.until("/readyz", |status, _| status == 200).await?;
    host.kill()?;
    let host = Host::start_with(directory.path(), &start).await?;
    write(host.scim(APP)?, "two@example.test").await?;
    host.until("/readyz", |status, _| status == 200).await?;
    ensure!(target.seen()?.len() == 2, "{:?}", target.seen()?);
    Ok(())
}

/// What fsync could not bring to the disk may be anywhere: the store says so once, and takes nothing more until it is opened
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_does_not_pretend_after_a_failed_fsync() -> Result<()> {
    const FSYNC: &str = "posix/io/sync/fdatasync";
    let target = Target::csv()?;
    let directory = target.directory()?;
    // Compiles the connector, in a child that shall not fail.
    drop(Host::start_with(directory.path(), &target.start()).await?);
    let faults = Faults::new(directory.path());
    let start = within(faults.wrapper(), target.start());
    let mut host = Host::start_with(directory.path(), &start)
        .await
        .context("under fiu-run (Debian: apt-get install fiu-utils)")?;
    let scim = host.scim(APP)?;
    let kept = scim
        .post("/Users", &person("kept@example.test", "Kept"))
        .await?;
    ensure!(kept.status == 201, "{kept:?}");
    let path = format!("/Users/{}", kept.id());
    faults.fail(host.pid(), FSYNC)?;
    let change = json!([{ "op": "replace", "path": "displayName", "value": "Lost" }]);
    let lost = scim.patch(&path, &patch_op(&change)).await?;
    refused(&lost, "restart tombolo")?;
    faults.mend(host.pid(), FSYNC)?;
    // The disk is well again. What the kernel has thrown away is not.
    let still = scim
        .post("/Users", &person("still@example.test", "Still"))
        .await?;
    refused(&still, "restart tombolo")?;
    let (status, ready) = host.get("/readyz").await?;
    ensure!(
        status == 503 && ready.contains("restart tombolo"),
        "{ready}"
    );
    let read = scim.get(&path).await?;
    ensure!(read.status == 200 || read.status == 503, "{read:?}");

    host.kill()?;
    let host = Host::start_with(directory.path(), &target.start()).await?;
    let scim = host.scim(APP)?;
    host.until("/readyz", |status, _| status == 200).await?;
    let users = listed(&scim).await?;
    let seen = target.seen()?;
    ensure!(
        users.contains_key("kept@example.test") && users.len() == seen.len(),
        "{users:?}, and the file has {seen:?}"
    );
    for (name, (id, _)) in users {
        let read = scim.get(&format!("/Users/{id}")).await?;
        ensure!(read.status == 200, "{read:?}");
        let display = read.body["displayName"].as_str().unwrap_or_default();
        ensure!(
            seen[&name] == [display],
            "{read:?}, and the file has {seen:?}"
        );
    }
    let still = scim
        .post("/Users", &person("still@example.test", "Still"))
        .await?;
    ensure!(still.status == 201, "{still:?}");
    Ok(())
}
