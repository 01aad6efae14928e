//! A flow into Entra's inbound provisioning, played by the stand-in: both through the real binary.
//!
//! After each day what Entra has equals an independent reading of the source, exactly the people who changed were sent,
//! and what Entra refuses is told as its log tells it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tombolo_tests::dice::Dice;
use tombolo_tests::host::{Directory, Host, run};
use tombolo_tests::scim::http_client;
use tombolo_tests::{apps, build};

/// Entra, as far as it receives.
struct Entra {
    process: Child,
    facts: Value,
    http: reqwest::Client,
}

impl Drop for Entra {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Entra {
    /// Its job runs each second, and its log is two seconds late.
    fn start() -> Result<Self> {
        let mut process = Command::new(build::tombolo())
            .args(["--output", "json", "simulate", "inbound"])
            .args(["--cycle", "1s", "--lag", "2s"])
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().context("its output")?;
        let mut text = String::new();
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            text.push_str(&line);
            if line == "}" {
                break;
            }
        }
        Ok(Self {
            process,
            facts: serde_json::from_str(&text)?,
            http: http_client(None)?,
        })
    }

    fn fact(&self, name: &str) -> Result<&str> {
        self.facts[name].as_str().with_context(|| name.to_owned())
    }

    async fn state(&self) -> Result<Value> {
        let url = format!("{}/state", self.fact("control")?);
        Ok(self.http.get(url).send().await?.json().await?)
    }

    async fn order(&self, order: &Value) -> Result<()> {
        let sent = self.http.post(self.fact("control")?).json(order).send();
        ensure!(sent.await?.status().is_success(), "{order}");
        Ok(())
    }
}

/// One person as HR has him.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Person {
    login: String,
    title: String,
    active: bool,
    boss: Option<String>,
}

/// People by number.
type Staff = BTreeMap<String, Person>;

/// People in the scope of these tests: 120, or as `TOMBOLO_TEST_PEOPLE` says.
fn size() -> usize {
    let set = std::env::var("TOMBOLO_TEST_PEOPLE").ok();
    set.and_then(|n| n.parse().ok()).unwrap_or(120)
}

fn staff() -> Staff {
    let person = |n: usize| Person {
        login: format!("p{n}@example.test"),
        title: format!("Title {}", n % 7),
        active: true,
        boss: (n >= 10).then(|| format!("{:05}", n % 10)),
    };
    (0..size())
        .map(|n| (format!("{n:05}"), person(n)))
        .collect()
}

/// A day later: joins, moves, leaves, rehires and new names.
fn later(before: &Staff, day: usize) -> Staff {
    let mut dice = Dice::new(500 + day as u64);
    let mut after = before.clone();
    for (number, person) in &mut after {
        match dice.below(30) {
            0 => person.title = format!("Title {}", 100 + day),
            1 => person.login = format!("p{number}.{day}@example.test"),
            2 => person.active = !person.active,
            3 if person.boss.is_some() => person.boss = Some(format!("{:05}", dice.below(10))),
            _ => {}
        }
    }
    let gone = after.keys().nth_back(day + 3).cloned();
    if let Some(gone) = gone {
        after.remove(&gone);
    }
    let joiner = Person {
        login: format!("new{day}@example.test"),
        title: "New, here".to_owned(),
        active: true,
        boss: Some("00001".to_owned()),
    };
    after.insert(format!("9{day:04}"), joiner);
    after
}

fn write(directory: &Directory, staff: &Staff) -> Result<()> {
    let mut file = csv::Writer::from_writer(Vec::new());
    file.write_record([
        "id",
        "userName",
        "title",
        "active",
        "manager",
        "employeeNumber",
    ])?;
    for (number, person) in staff {
        let boss = person.boss.as_ref().map(|boss| format!("row-{boss}"));
        file.write_record([
            format!("row-{number}").as_str(),
            &person.login,
            &person.title,
            if person.active { "true" } else { "false" },
            &boss.unwrap_or_default(),
            number,
        ])?;
    }
    directory.write("data/hr/people.csv", file.into_inner()?)?;
    Ok(())
}

async fn hr_and_entra() -> Result<(Directory, Host, Entra)> {
    let entra = Entra::start()?;
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "hr", "")?;
    directory.write("secrets/entra", entra.fact("client-secret")?)?;
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let sink = format!(
        "[sink]\nkind = \"entra-inbound\"\ntenant = \"{}\"\nclient-id = \"{}\"\n\
         client-secret = \"file:secrets/entra\"\nservice-principal = \"{}\"\njob = \"{}\"\n\
         login-url = \"{url}\"\ngraph-url = \"{url}\"\nlog-delay = \"3s\"\nask-every = \"1s\"\n",
        entra.fact("tenant")?,
        entra.fact("client-id")?,
        entra.fact("service-principal")?,
        entra.fact("job")?,
        url = entra.fact("url")?,
    );
    let flow = format!(
        "source = \"hr\"\nkey = \"[employeeNumber]\"\nmanual = true\n\
         [limit]\npercent = 50\n[retry]\nfirst = \"1s\"\nmost = \"2s\"\n{sink}\n\
         [mapping]\nuserName = \"[userName]\"\ntitle = \"[title]\"\n\
         displayName = \"[userName]\"\n\
         active = {{ expression = \"[active]\", default = true }}\n\
         \"{enterprise}:manager\" = \"[manager]\"\n"
    );
    directory.write("flows/entra.toml", flow)?;
    let host = Host::start(&directory).await?;
    Ok((directory, host, entra))
}

fn order(directory: &Directory, word: &str) -> Result<Value> {
    let at = directory.path().to_string_lossy().into_owned();
    let output = run(&["--output", "json", "flow", word, &at, "entra"])?;
    serde_json::from_slice(&output.stdout).with_context(|| {
        let (out, err) = (&output.stdout, &output.stderr);
        format!(
            "{}{}",
            String::from_utf8_lossy(out),
            String::from_utf8_lossy(err)
        )
    })
}

/// Where the flow stands, once this is so.
async fn until(directory: &Directory, what: &str, good: impl Fn(&Value) -> bool) -> Result<Value> {
    let since = Instant::now();
    loop {
        let status = order(directory, "status")?;
        let one = match &status {
            Value::Array(all) => all.first().cloned().unwrap_or_default(),
            one => one.clone(),
        };
        if good(&one) {
            return Ok(one);
        }
        if since.elapsed() > Duration::from_secs(60) {
            bail!("{what} does not come: {one:#}");
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

fn settled(status: &Value) -> bool {
    ["queued", "staged", "failing", "dead"]
        .iter()
        .all(|name| status[name] == 0)
}

/// What Entra has, against what HR has said so far: who has gone stays, disabled.
fn compare(state: &Value, expected: &Staff) -> Result<()> {
    let users = state["users"].as_array().context("no users")?;
    ensure!(
        users.len() == expected.len(),
        "{} users, not {}",
        users.len(),
        expected.len()
    );
    for user in users {
        let number = user["employeeId"].as_str().unwrap_or_default();
        let person = expected
            .get(number)
            .with_context(|| format!("nobody sent {user}"))?;
        let same = user["userPrincipalName"] == person.login
            && user["accountEnabled"] == person.active
            && user["attributes"]["title"] == person.title
            && user["manager"].as_str() == person.boss.as_deref();
        ensure!(same, "{user} is not {person:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_days_reach_entra_and_only_those_who_changed_are_sent() -> Result<()> {
    let (directory, _host, entra) = hr_and_entra().await?;
    let (mut today, mut expected, mut sent) = (staff(), Staff::new(), 0);
    for day in 0..10 {
        write(&directory, &today)?;
        let before = expected.clone();
        expected.extend(today.clone());
        for (number, person) in &mut expected {
            person.active &= today.contains_key(number);
        }
        let changed = expected
            .iter()
            .filter(|(number, person)| before.get(*number) != Some(person))
            .count();
        order(&directory, "run")?;
        until(&directory, "the day's end", settled).await?;
        let state = entra.state().await?;
        compare(&state, &expected).with_context(|| format!("day {day}"))?;
        let records = state["counters"]["records"].as_u64().unwrap_or_default();
        ensure!(
            records - sent == changed as u64,
            "day {day}: {} records for {changed} people",
            records - sent
        );
        for never in ["over-limit", "bad-shape", "without-active"] {
            ensure!(state["counters"][never] == 0, "{state:#}");
        }
        (sent, today) = (records, later(&today, day));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_entra_refuses_is_told_as_its_log_tells_it_and_sent_again() -> Result<()> {
    let (directory, _host, entra) = hr_and_entra().await?;
    let mut today = staff();
    write(&directory, &today)?;
    order(&directory, "run")?;
    until(&directory, "the first load", settled).await?;
    entra
        .order(&json!({ "do": "fail-next", "count": 1, "code": "InternalServerError" }))
        .await?;
    "Sic transit".clone_into(&mut today.get_mut("00004").context("00004")?.title);
    write(&directory, &today)?;
    order(&directory, "run")?;
    let status = until(&directory, "the failure", |s| s["failing"] == 1).await?;
    let text = status.to_string();
    ensure!(
        text.contains("InternalServerError") && text.contains("00004"),
        "{status:#}"
    );
    until(&directory, "the second try", settled).await?;
    compare(&entra.state().await?, &today)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restart_of_the_job_has_thrown_away_is_sent_again() -> Result<()> {
    let (directory, mut host, entra) = hr_and_entra().await?;
    let today = staff();
    write(&directory, &today)?;
    entra.order(&json!({ "do": "pause" })).await?;
    order(&directory, "run")?;
    until(&directory, "all that is staged", |s| s["queued"] == 0).await?;
    // Nor does a killed host forget what it has only staged.
    host.kill()?;
    entra.order(&json!({ "do": "restart" })).await?;
    entra.order(&json!({ "do": "start" })).await?;
    let purged = entra.state().await?;
    ensure!(purged["counters"]["purged"] == today.len(), "{purged:#}");
    let _host = Host::start(&directory).await?;
    until(&directory, "everybody", settled).await?;
    compare(&entra.state().await?, &today)
}
