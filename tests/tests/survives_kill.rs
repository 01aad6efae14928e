//! kill -9 at any moment: after the restart every acknowledged write is there,
//! none is doubled, and what was under way is settled against the target.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::dice::Dice;
use tombolo_tests::host::{Directory, Host, Start, TOKEN};
use tombolo_tests::people::USER;
use tombolo_tests::postgres::Postgres;
use tombolo_tests::scim::{Reply, Scim, patch_op};
use tombolo_tests::shared::{Balancer, on_postgres, with_store};
use tombolo_tests::slapd::{BASE, Slapd};
use tombolo_tests::{apps, build};

const PASSWORD: &str = "kill-password";
/// How long a write may say that it waits for an earlier one to be settled.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often, a connector.
fn kills() -> usize {
    std::env::var("TOMBOLO_TEST_KILLS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(25)
}

/// What is known of one user: what was acknowledged, and what was asked and
/// never answered.
#[derive(Clone, Debug, Default)]
struct Known {
    id: Option<String>,
    /// Acknowledged: the display name; none if not there.
    display: Option<String>,
    /// Asked without an answer: what may be there instead.
    pending: Pending,
}

/// What an unanswered request would have left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Pending {
    /// Every request was answered.
    #[default]
    Nothing,
    /// A user with this display name.
    Here(String),
    /// No user.
    Gone,
}

impl Pending {
    fn allows(&self, display: Option<&str>) -> bool {
        match self {
            Self::Nothing => false,
            Self::Here(asked) => display == Some(asked),
            Self::Gone => display.is_none(),
        }
    }
}

type Ledger = Arc<Mutex<BTreeMap<String, Known>>>;

fn note(ledger: &Ledger, name: &str, change: impl FnOnce(&mut Known)) {
    change(
        ledger
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name.to_owned())
            .or_default(),
    );
}

fn known(ledger: &Ledger, name: &str) -> Known {
    ledger
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(name)
        .cloned()
        .unwrap_or_default()
}

/// One client: its own users, one request after the other, until the host dies.
async fn client(
    scim: Scim,
    ledger: Ledger,
    who: usize,
    seed: u64,
    stop: Arc<AtomicBool>,
) -> Result<()> {
    let mut dice = Dice::new(seed);
    for turn in 0.. {
        if stop.load(Ordering::SeqCst) {
            return Ok(());
        }
        let name = format!("c{who}.{}@example.test", dice.below(12));
        let before = known(&ledger, &name);
        let display = format!("Display {seed} {turn}");
        let asked = match &before.id {
            Some(_) if dice.one_in(4) => None,
            _ => Some(display),
        };
        note(&ledger, &name, |k| {
            k.pending = asked.clone().map_or(Pending::Gone, Pending::Here);
        });
        // No answer: the host is gone, and what was asked may have happened or not.
        let Ok(reply) = ask(&scim, &name, before.id.as_deref(), asked.as_deref()).await else {
            return Ok(());
        };
        ensure!(matches!(reply.status, 200 | 201 | 204), "{name}: {reply:?}");
        note(&ledger, &name, |k| {
            k.pending = Pending::Nothing;
            k.display.clone_from(&asked);
            match (&asked, reply.status) {
                (None, _) => k.id = None,
                (_, 201) => k.id = Some(reply.id()),
                _ => {}
            }
        });
    }
    Ok(())
}

/// Creates, changes or deletes. What is still being settled is asked for again, as the answer says.
async fn ask(scim: &Scim, name: &str, id: Option<&str>, display: Option<&str>) -> Result<Reply> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = match (id, display) {
            (None, _) => {
                let body = json!({
                    "schemas": [USER], "userName": name, "displayName": display,
                    "name": { "familyName": "Kill", "givenName": "Nine" }, "active": true,
                });
                scim.post("/Users", &body).await?
            }
            (Some(id), None) => scim.delete(&format!("/Users/{id}")).await?,
            (Some(id), Some(display)) => {
                let change = json!([{ "op": "replace", "path": "displayName", "value": display }]);
                scim.patch(&format!("/Users/{id}"), &patch_op(&change))
                    .await?
            }
        };
        if reply.status != 503 || Instant::now() > deadline {
            return Ok(reply);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Everybody that SCIM lists: `userName` to (id, displayName); doubles are an error.
async fn listed(scim: &Scim) -> Result<BTreeMap<String, (String, String)>> {
    let mut users = BTreeMap::new();
    let mut start = 1;
    loop {
        let reply = scim
            .get(&format!("/Users?startIndex={start}&count=100"))
            .await?;
        ensure!(reply.status == 200, "{reply:?}");
        for user in reply.resources() {
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            let name = text(&user["userName"]);
            let old = users.insert(
                name.clone(),
                (text(&user["id"]), text(&user["displayName"])),
            );
            ensure!(old.is_none(), "{name} is listed twice");
        }
        start += reply.resources().len();
        if reply.resources().is_empty()
            || start > usize::try_from(reply.body["totalResults"].as_u64().unwrap_or(0))?
        {
            return Ok(users);
        }
    }
}

/// Settles the ledger with what is there; says what must not be.
async fn settle(
    scim: &Scim,
    ledger: &Ledger,
    target: &BTreeMap<String, Vec<String>>,
) -> Result<()> {
    let there = listed(scim).await?;
    let names: BTreeSet<String> = {
        let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger
            .keys()
            .chain(there.keys())
            .chain(target.keys())
            .cloned()
            .collect()
    };
    for name in names {
        let known = known(ledger, &name);
        let seen = there.get(&name);
        let display = seen.map(|(_, display)| display.clone());
        let allowed = display == known.display || known.pending.allows(display.as_deref());
        ensure!(allowed, "{name}: {known:?}, and SCIM says {seen:?}");
        if let (Some(id), Some((seen_id, _))) = (&known.id, seen) {
            ensure!(id == seen_id, "{name} had id {id} and has {seen_id}");
        }
        let in_target = target.get(&name).cloned().unwrap_or_default();
        let expected: Vec<String> = display.clone().into_iter().collect();
        ensure!(
            in_target == expected,
            "{name}: SCIM says {display:?}, the target has {in_target:?}"
        );
        if let Some((id, _)) = seen {
            let reply = scim.get(&format!("/Users/{id}")).await?;
            ensure!(
                reply.status == 200,
                "{name} is listed and GET says {reply:?}"
            );
        }
        note(ledger, &name, |k| {
            k.id = seen.map(|(id, _)| id.clone());
            k.display = display;
            k.pending = Pending::Nothing;
        });
    }
    Ok(())
}

async fn ordeal(
    directory: &Directory,
    start: &Start,
    app: &str,
    target: impl Fn() -> Result<BTreeMap<String, Vec<String>>>,
) -> Result<()> {
    let ledger = Ledger::default();
    let mut dice = Dice::new(4711);
    let mut host = Host::start_with(directory.path(), start).await?;
    for round in 0..kills() {
        let mut clients = tokio::task::JoinSet::new();
        for who in 0..6 {
            clients.spawn(client(
                host.scim(app)?,
                Arc::clone(&ledger),
                who,
                dice.roll() % 100_000,
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
        "{app}: {} kills survived, {} users known",
        kills(),
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
    target: impl Fn() -> Result<BTreeMap<String, Vec<String>>>,
) -> Result<()> {
    let ledger = Ledger::default();
    let mut dice = Dice::new(1147);
    let balancer = Balancer::start().await?;
    let mut hosts = Vec::new();
    for directory in directories {
        hosts.push(Host::start_with(directory.path(), start).await?);
    }
    let scim = || Scim::new(format!("{}/apps/{app}/scim/v2", balancer.url()), TOKEN);
    let rounds = (kills() / 5).max(2);
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

/// Where the store is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Engine {
    Sled,
    Postgres,
}

async fn csv_on(engine: Engine) -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "files", "")?;
    let mut start = Start::default();
    // Held until the end.
    let _server = match engine {
        Engine::Sled => None,
        Engine::Postgres => {
            let server = Postgres::start(PASSWORD)?;
            on_postgres(&directory, &server)?;
            start = with_store(start, PASSWORD);
            Some(server)
        }
    };
    let file = directory.path().join("data/files").join(apps::CSV_USERS);
    ordeal(&directory, &start, "files", || in_csv(&file)).await
}

fn in_csv(file: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let Ok(text) = std::fs::read_to_string(file) else {
        return Ok(users);
    };
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let column = |name: &str| {
        header
            .iter()
            .position(|h| h.trim_matches('"') == name)
            .with_context(|| format!("no column {name} in {header:?}"))
    };
    let (name, display) = (
        column(apps::CSV_USER_NAME)?,
        column(apps::CSV_DISPLAY_NAME)?,
    );
    for line in lines {
        // Nothing that this test writes needs quotes.
        let cells: Vec<&str> = line.split(',').map(|c| c.trim_matches('"')).collect();
        users
            .entry(cells[name].to_owned())
            .or_default()
            .push(cells[display].to_owned());
    }
    Ok(users)
}

fn in_ldap(slapd: &Slapd) -> Result<BTreeMap<String, Vec<String>>> {
    let mut users: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in slapd.search(&format!("ou=people,{BASE}"), "(objectClass=inetOrgPerson)")? {
        let text = |name: &str| entry.one(name).unwrap_or_default().to_owned();
        users.entry(text("uid")).or_default().push(text("cn"));
    }
    Ok(users)
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_to_csv_survive_kill_9() -> Result<()> {
    csv_on(Engine::Sled).await
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_to_csv_survive_kill_9_with_the_store_in_postgres() -> Result<()> {
    csv_on(Engine::Postgres).await
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_to_ldap_survive_kill_9() -> Result<()> {
    let slapd = Slapd::start(PASSWORD)?;
    let directory = Directory::new()?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    apps::ldap(&directory, "people", &slapd, "")?;
    let start = apps::with_password(PASSWORD);
    ordeal(&directory, &start, "people", || in_ldap(&slapd)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_writes_to_ldap_survive_kill_9_of_one_host_among_three() -> Result<()> {
    let slapd = Slapd::start(PASSWORD)?;
    let server = Postgres::start(PASSWORD)?;
    let mut directories = Vec::new();
    for _ in 0..3 {
        let directory = Directory::new()?;
        directory.connector("ldap", &build::connector("ldap")?)?;
        apps::ldap(&directory, "people", &slapd, "")?;
        on_postgres(&directory, &server)?;
        directories.push(directory);
    }
    let start = with_store(apps::with_password(PASSWORD), PASSWORD);
    ordeal_among(&directories, &start, "people", || in_ldap(&slapd)).await
}
