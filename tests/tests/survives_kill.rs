//! kill -9 at any moment: after the restart every acknowledged write is there,
//! none is doubled, and what was under way is settled against the target.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tombolo_tests::dice::Dice;
use tombolo_tests::host::{Directory, Host, Start, TOKEN};
use tombolo_tests::ledger::{Ledger, client, listed, settle};
use tombolo_tests::outside::{APP, Seen, Target};
use tombolo_tests::postgres::Postgres;
use tombolo_tests::scim::Scim;
use tombolo_tests::shared::{Balancer, on_postgres, with_store};

const PASSWORD: &str = "kill-password";
/// How long a write may say that it waits for an earlier one to be settled.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same where a host that dies is missed by others after twelve seconds, and may have had the turn to write.
const AMONG: Duration = Duration::from_secs(40);

/// How often, a connector.
fn kills() -> usize {
    std::env::var("TOMBOLO_TEST_KILLS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(12)
}

async fn ordeal(
    directory: &Directory,
    start: &Start,
    app: &str,
    kills: usize,
    target: impl Fn() -> Result<Seen>,
) -> Result<()> {
    let ledger = Ledger::default();
    let mut dice = Dice::new(4711);
    let mut host = Host::start_with(directory.path(), start).await?;
    for round in 0..kills {
        let mut clients = tokio::task::JoinSet::new();
        for who in 0..6 {
            clients.spawn(client(
                host.scim(app)?,
                Arc::clone(&ledger),
                who,
                dice.roll() % 100_000,
                PATIENCE,
                Arc::default(),
            ));
        }
        tokio::time::sleep(Duration::from_millis(30 + u64::try_from(dice.below(600))?)).await;
        host.kill()?;
        while let Some(ended) = clients.join_next().await {
            ended?.with_context(|| format!("round {round}\n{}", tail(&host.log())))?;
        }
        host = Host::start_with(directory.path(), start).await?;
        let scim = host.scim(app)?;
        // The target is read after SCIM has been: settling may be what a first look does.
        listed(&scim).await?;
        settle(&scim, &ledger, &target()?)
            .await
            .with_context(|| format!("after kill {}\n{}", round + 1, tail(&host.log())))?;
    }
    println!(
        "{app}: {kills} kills survived, {} users known",
        ledger.lock().unwrap_or_else(PoisonError::into_inner).len()
    );
    Ok(())
}

/// Three hosts on one store behind a balancer. One is killed at random; it comes back, in every other round at once, so that
/// it settles what its earlier life began, else after the others have found it gone and settled that themselves.
async fn ordeal_among(
    directories: &[Directory],
    start: &Start,
    app: &str,
    target: impl Fn() -> Result<Seen>,
) -> Result<()> {
    let ledger = Ledger::default();
    let mut dice = Dice::new(1147);
    let balancer = Balancer::start().await?;
    let mut hosts = Vec::new();
    for directory in directories {
        hosts.push(Host::start_with(directory.path(), start).await?);
    }
    let scim = || Scim::new(format!("{}/apps/{app}/scim/v2", balancer.url()), TOKEN);
    let rounds = (kills() / 8).max(2);
    for round in 0..rounds {
        balancer.set(&hosts)?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = tokio::task::JoinSet::new();
        for who in 0..6 {
            let seed = dice.roll() % 100_000;
            clients.spawn(client(
                scim()?,
                Arc::clone(&ledger),
                who,
                seed,
                AMONG,
                Arc::clone(&stop),
            ));
        }
        tokio::time::sleep(Duration::from_millis(200 + u64::try_from(dice.below(600))?)).await;
        let victim = dice.below(hosts.len());
        hosts[victim].kill()?;
        // The others go on.
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.store(true, Ordering::SeqCst);
        while let Some(ended) = clients.join_next().await {
            let logs: String = hosts.iter().map(|host| tail(&host.log())).collect();
            ended?.with_context(|| format!("round {round}\n{logs}"))?;
        }
        if round % 2 == 1 {
            let witness = &hosts[(victim + 1) % hosts.len()];
            let deadline = Instant::now() + Duration::from_secs(40);
            while !witness.log().contains("settled now") && Instant::now() < deadline {
                let other = &hosts[(victim + 2) % hosts.len()];
                if other.log().contains("settled now") {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        hosts[victim] = Host::start_with(directories[victim].path(), start).await?;
        balancer.set(&hosts)?;
        let scim = scim()?;
        let settled = async {
            listed(&scim).await?;
            settle(&scim, &ledger, &target()?).await
        };
        settled.await.with_context(|| {
            let logs: String = hosts.iter().map(|host| tail(&host.log())).collect();
            format!("after kill {}\n{logs}", round + 1)
        })?;
    }
    println!(
        "{app}: {rounds} kills of one host among three survived, {} users known",
        ledger.lock().unwrap_or_else(PoisonError::into_inner).len()
    );
    Ok(())
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// The store in the host's directory.
async fn on_sled(target: &Target) -> Result<()> {
    let directory = target.directory()?;
    ordeal(&directory, &target.start(), APP, kills(), || target.seen()).await
}

/// The store in PostgreSQL. A commit takes longer there than one to a file does.
async fn on_a_database(target: &Target) -> Result<()> {
    let server = Postgres::start(PASSWORD)?;
    let directory = target.directory()?;
    on_postgres(&directory, &server)?;
    let start = with_store(target.start(), PASSWORD);
    let kills = kills().div_ceil(2);
    ordeal(&directory, &start, APP, kills, || target.seen()).await
}

async fn among_three(target: &Target) -> Result<()> {
    let server = Postgres::start(PASSWORD)?;
    let mut directories = Vec::new();
    for _ in 0..3 {
        let directory = target.directory()?;
        on_postgres(&directory, &server)?;
        directories.push(directory);
    }
    let start = with_store(target.start(), PASSWORD);
    ordeal_among(&directories, &start, APP, || target.seen()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_to_csv_survive_kill_9() -> Result<()> {
    on_sled(&Target::csv()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_to_csv_survive_kill_9_with_the_store_in_postgres() -> Result<()> {
    on_a_database(&Target::csv()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_to_csv_survive_kill_9_of_one_host_among_three() -> Result<()> {
    among_three(&Target::csv()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_to_ldap_survive_kill_9() -> Result<()> {
    on_sled(&Target::ldap()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_to_ldap_survive_kill_9_with_the_store_in_postgres() -> Result<()> {
    on_a_database(&Target::ldap()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_to_ldap_survive_kill_9_of_one_host_among_three() -> Result<()> {
    among_three(&Target::ldap()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_to_sql_survive_kill_9() -> Result<()> {
    on_sled(&Target::sql()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_to_sql_survive_kill_9_with_the_store_in_postgres() -> Result<()> {
    on_a_database(&Target::sql()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_to_sql_survive_kill_9_of_one_host_among_three() -> Result<()> {
    among_three(&Target::sql()?).await
}
