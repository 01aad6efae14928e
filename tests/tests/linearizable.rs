//! Clients read and change the same people at once while a wire breaks: the one to the store's database, or the one to the
//! target. Whatever each of them was told, there is one order that explains all of it, for every person; and what the target
//! has in the end is what that order ends with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tombolo_history::{Event, Step, is_linearizable};
use tombolo_tests::dice::Dice;
use tombolo_tests::fault::{Fault, Proxy, Weather};
use tombolo_tests::host::{Directory, Host};
use tombolo_tests::outside::{APP, Target};
use tombolo_tests::people::USER;
use tombolo_tests::postgres::Postgres;
use tombolo_tests::scim::{Reply, Scim, patch_op};
use tombolo_tests::shared::{on_postgres, with_store};

const PASSWORD: &str = "history-password";
const PEOPLE: usize = 3;
const CLIENTS: usize = 6;
const STEPS: usize = 12;
/// How long it may take, on a wire that holds again, until everything is settled.
const PATIENCE: Duration = Duration::from_mins(1);

/// Which wire breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    Store,
    Target,
}

/// Every so many-th exchange: a PATCH takes about ten with the database, and two with the directory.
fn weather(wire: Wire) -> Weather {
    let every = match wire {
        Wire::Store => 37,
        Wire::Target => 7,
    };
    let faults = vec![
        Fault::Reset,
        Fault::CutAnswer(0),
        Fault::Delay(Duration::from_millis(200)),
        Fault::CutAnswer(30),
    ];
    Weather::Every(every, faults)
}

/// Puts the proxy where the server was.
fn through(directory: &Directory, file: &str, server: u16, proxy: &Proxy) -> Result<()> {
    let text = std::fs::read_to_string(directory.path().join(file))?;
    let (from, to) = (format!(":{server}"), format!(":{}", proxy.address().port()));
    ensure!(text.contains(&from), "no {from} in {file}");
    directory.write(file, text.replace(&from, &to))?;
    Ok(())
}

/// The value that a display name stands for.
fn value(reply: &Reply) -> Option<u64> {
    reply.body["displayName"]
        .as_str()?
        .strip_prefix('v')?
        .parse()
        .ok()
}

/// One client of one host: what it did to whom, and what it was told.
async fn play(
    scim: Scim,
    ids: Arc<Vec<String>>,
    clock: Arc<AtomicU64>,
    who: usize,
) -> Result<Vec<(usize, Event)>> {
    let mut dice = Dice::new(4000 + who as u64);
    let tick = || clock.fetch_add(1, Ordering::SeqCst);
    let mut events = Vec::new();
    for turn in 0..STEPS {
        let person = dice.below(PEOPLE);
        let path = format!("/Users/{}", ids[person]);
        let asked = tick();
        let (step, reply) = if dice.one_in(2) {
            let reply = scim.get(&path).await?;
            (Step::Read(value(&reply)), reply)
        } else {
            let new = (1 + who * STEPS + turn) as u64;
            let change =
                json!([{ "op": "replace", "path": "displayName", "value": format!("v{new}") }]);
            let reply = scim.patch(&path, &patch_op(&change)).await?;
            (Step::Write(Some(new)), reply)
        };
        let answered = match reply.status {
            200 => Some(tick()),
            // Done or not, and perhaps later: the host says that it does not know, or that somebody else was there.
            500..=599 => None,
            _ => anyhow::bail!("{step:?}: {reply:?}"),
        };
        if answered.is_some() || matches!(step, Step::Write(_)) {
            events.push((
                person,
                Event {
                    asked,
                    answered,
                    step,
                },
            ));
        }
    }
    Ok(events)
}

async fn settled(scim: &Scim, path: &str) -> Result<Reply> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = scim.get(path).await?;
        if reply.status == 200 || Instant::now() > deadline {
            ensure!(reply.status == 200, "{reply:?}");
            return Ok(reply);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn storm(wire: Wire, count: usize) -> Result<()> {
    let target = Target::ldap()?;
    let postgres = Postgres::start(PASSWORD)?;
    let Target::Ldap(slapd) = &target else {
        unreachable!("a directory was asked for")
    };
    let ldaps = slapd.ldaps();
    let port = ldaps.rsplit_once(':').context("a port")?.1.parse()?;
    let (server, file) = match wire {
        Wire::Store => (postgres.port(), "tombolo.toml"),
        Wire::Target => (port, "apps/people.toml"),
    };
    let proxy = Proxy::start(format!("127.0.0.1:{server}")).await?;
    let start = with_store(target.start(), PASSWORD);
    let (mut directories, mut hosts) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let directory = target.directory()?;
        on_postgres(&directory, &postgres)?;
        through(&directory, file, server, &proxy)?;
        hosts.push(Host::start_with(directory.path(), &start).await?);
        directories.push(directory);
    }
    let clients: Vec<Scim> = hosts
        .iter()
        .map(|host| host.scim(APP))
        .collect::<Result<_>>()?;
    let mut ids = Vec::new();
    for n in 0..PEOPLE {
        let body = json!({
            "schemas": [USER], "userName": format!("p{n}@example.test"), "displayName": "v0",
            "name": { "familyName": "History", "givenName": "One" }, "active": true,
        });
        let made = clients[0].post("/Users", &body).await?;
        ensure!(made.status == 201, "{made:?}");
        ids.push(made.id());
    }
    let (ids, clock) = (Arc::new(ids), Arc::new(AtomicU64::new(1)));
    let logs = || hosts.iter().map(Host::log).collect::<String>();

    proxy.set(weather(wire));
    let mut players = tokio::task::JoinSet::new();
    for who in 0..CLIENTS {
        let scim = clients[who % count].clone();
        players.spawn(play(scim, Arc::clone(&ids), Arc::clone(&clock), who));
    }
    let beginning = Event {
        asked: 0,
        answered: Some(0),
        step: Step::Write(Some(0)),
    };
    let mut histories = vec![vec![beginning]; PEOPLE];
    while let Some(ended) = players.join_next().await {
        // Those who still play lose their connections in mid-exchange.
        proxy.cut();
        for (person, event) in ended?.with_context(logs)? {
            histories[person].push(event);
        }
    }
    proxy.set(Weather::Fair);
    ensure!(
        proxy.struck() > 5,
        "the wire broke {} times",
        proxy.struck()
    );

    let mut unknown = 0;
    for (n, history) in histories.iter_mut().enumerate() {
        let path = format!("/Users/{}", ids[n]);
        for scim in &clients {
            let asked = clock.fetch_add(1, Ordering::SeqCst);
            let seen = settled(scim, &path).await.with_context(logs)?;
            history.push(Event {
                asked,
                answered: Some(clock.fetch_add(1, Ordering::SeqCst)),
                step: Step::Read(value(&seen)),
            });
        }
        let last = history.last().map(|event| event.step);
        let seen = target.seen()?.remove(&format!("p{n}@example.test"));
        let [display] = seen.as_deref().context("in the directory")? else {
            anyhow::bail!("{seen:?}")
        };
        let in_target = display.strip_prefix('v').and_then(|v| v.parse().ok());
        ensure!(
            last == Some(Step::Read(in_target)),
            "{last:?}, and the directory has {display}"
        );
        unknown += history
            .iter()
            .filter(|event| event.answered.is_none())
            .count();
        ensure!(
            is_linearizable(history),
            "person {n}: no order explains {history:?}\n{}",
            logs()
        );
    }
    let all: usize = histories.iter().map(Vec::len).sum();
    println!(
        "{wire:?}, {count} hosts: {all} answers in order, {unknown} of them unknown, the wire broke {} times",
        proxy.struck()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_host_whose_database_is_torn_away() -> Result<()> {
    storm(Wire::Store, 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hosts_whose_database_is_torn_away() -> Result<()> {
    storm(Wire::Store, 3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_host_whose_target_is_torn_away() -> Result<()> {
    storm(Wire::Target, 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hosts_whose_target_is_torn_away() -> Result<()> {
    storm(Wire::Target, 3).await
}
