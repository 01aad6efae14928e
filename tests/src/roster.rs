//! People and teams that live through hires, changes, and a wire that breaks; and what has to be there at the end.
//!
//! A client that does not give up: what was not done, or may not have been done, is asked for again. So whatever is missing or doubled at
//! the end was lost or doubled between it and the target.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use crate::fault::{Fault, Proxy, Weather};
use crate::people::{GROUP, USER};
use crate::scim::{Reply, Scim, patch_op};

/// One person, as any target can hold them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Given name.
    pub first: String,
    /// Family name.
    pub last: String,
    /// Mail address.
    pub mail: String,
    /// Whether the account may be used.
    pub active: bool,
}

/// Who is there, by login, and who is in which team.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// People by login.
    pub people: BTreeMap<String, Person>,
    /// Members' logins by the team's name.
    pub teams: BTreeMap<String, BTreeSet<String>>,
}

/// Names in which every character of XML and JSON that means something occurs.
const LAST: [&str; 6] = [
    "O'Brien",
    "<b>&amp;",
    "\"Quote\" \\ {{ x }}",
    "Ruiz/../x?y=z#",
    "Žofie 葵",
    "]]> %41 +",
];
/// How long a client goes on with one request.
const PATIENCE: Duration = Duration::from_secs(120);
/// Requests under way at once.
const WIDTH: usize = 6;

/// The ids of what was created.
#[derive(Default)]
pub struct Ids {
    people: BTreeMap<String, String>,
    teams: BTreeMap<String, String>,
}

/// As many people as `TOMBOLO_TEST_PEOPLE` says, or `default`.
pub fn size(default: usize) -> usize {
    let given = std::env::var("TOMBOLO_TEST_PEOPLE").ok();
    given.and_then(|n| n.parse().ok()).unwrap_or(default)
}

impl Roster {
    /// This many people, and teams of twenty.
    pub fn hire(people: usize) -> Self {
        let mut roster = Self::default();
        for n in 0..people {
            let person = Person {
                first: format!("Ana {n}"),
                last: LAST[n % LAST.len()].to_owned(),
                mail: format!("p{n:05}@example.test"),
                active: true,
            };
            roster.people.insert(format!("p{n:05}"), person);
        }
        let logins: Vec<String> = roster.people.keys().cloned().collect();
        for (n, members) in logins.chunks(20).enumerate() {
            let name = format!("Team {n} <&>");
            roster.teams.insert(name, members.iter().cloned().collect());
        }
        roster
    }

    /// The same a while later: some are renamed, some locked, some gone, and teams have changed.
    #[must_use]
    pub fn later(&self) -> Self {
        let mut after = self.clone();
        let logins: Vec<String> = self.people.keys().cloned().collect();
        for (n, login) in logins.iter().enumerate() {
            match n % 10 {
                1 | 4 => {
                    if let Some(person) = after.people.get_mut(login) {
                        person.last = format!("Married & {n}");
                    }
                }
                5 => {
                    if let Some(person) = after.people.get_mut(login) {
                        person.active = false;
                    }
                }
                7 => {
                    after.people.remove(login);
                    for members in after.teams.values_mut() {
                        members.remove(login);
                    }
                }
                8 => {
                    for members in after.teams.values_mut() {
                        members.remove(login);
                    }
                }
                _ => {}
            }
        }
        if let (Some(first), Some(members)) = (logins.first(), after.teams.values_mut().next_back())
        {
            members.insert(first.clone());
        }
        after
    }
}

/// Creates everybody and every team.
pub async fn create(scim: &Scim, roster: &Roster) -> Result<Ids> {
    let people = futures::stream::iter(&roster.people).map(|(login, person)| async move {
        let body = json!({
            "schemas": [USER], "userName": login, "active": person.active,
            "name": {"givenName": person.first, "familyName": person.last},
            "emails": [{"type": "work", "value": person.mail}],
        });
        let id = made(scim, "/Users", &body, &format!("userName eq \"{login}\"")).await?;
        anyhow::Ok((login.clone(), id))
    });
    let people: BTreeMap<_, _> = people.buffer_unordered(WIDTH).try_collect().await?;
    let mut ids = Ids {
        people,
        ..Ids::default()
    };
    for (name, members) in &roster.teams {
        let body = json!({"schemas": [GROUP], "displayName": name});
        let id = made(
            scim,
            "/Groups",
            &body,
            &format!("displayName eq \"{name}\""),
        )
        .await?;
        membership(scim, &ids, &id, "Add", members).await?;
        ids.teams.insert(name.clone(), id);
    }
    Ok(ids)
}

/// Makes `before` what `after` is.
pub async fn change(scim: &Scim, ids: &Ids, before: &Roster, after: &Roster) -> Result<()> {
    for (name, members) in &before.teams {
        let now = &after.teams[name];
        let id = &ids.teams[name];
        // Who leaves altogether leaves their teams with it.
        let gone = members
            .difference(now)
            .filter(|login| after.people.contains_key(*login));
        membership(scim, ids, id, "Remove", &gone.cloned().collect()).await?;
        membership(
            scim,
            ids,
            id,
            "Add",
            &now.difference(members).cloned().collect(),
        )
        .await?;
    }
    let work = futures::stream::iter(&before.people).map(|(login, old)| async move {
        let path = format!("/Users/{}", ids.people[login]);
        match after.people.get(login) {
            None => {
                let reply = patiently(|| scim.delete(&path)).await?;
                ensure!(
                    matches!(reply.status, 204 | 404),
                    "DELETE {login}: {reply:?}"
                );
            }
            Some(new) if new != old => {
                let operations = json!([
                    {"op": "Replace", "path": "name.familyName", "value": new.last},
                    {"op": "Replace", "path": "active", "value": new.active},
                ]);
                let change = patch_op(&operations);
                let reply = patiently(|| scim.patch(&path, &change)).await?;
                ensure!(
                    matches!(reply.status, 200 | 204),
                    "PATCH {login}: {reply:?}"
                );
            }
            Some(_) => {}
        }
        anyhow::Ok(())
    });
    work.buffer_unordered(WIDTH).try_collect().await
}

async fn membership(
    scim: &Scim,
    ids: &Ids,
    group: &str,
    op: &str,
    logins: &BTreeSet<String>,
) -> Result<()> {
    if logins.is_empty() {
        return Ok(());
    }
    let values: Vec<Value> = logins
        .iter()
        .map(|login| json!({"value": ids.people[login]}))
        .collect();
    let body = patch_op(&json!([{"op": op, "path": "members", "value": values}]));
    let path = format!("/Groups/{group}");
    let reply = patiently(|| scim.patch(&path, &body)).await?;
    ensure!(
        matches!(reply.status, 200 | 204),
        "PATCH {group}: {reply:?}"
    );
    Ok(())
}

/// POST; what is there already, by an answer that was lost, is looked for as Entra does.
async fn made(scim: &Scim, endpoint: &str, body: &Value, filter: &str) -> Result<String> {
    let reply = patiently(|| scim.post(endpoint, body)).await?;
    if reply.status == 201 {
        return Ok(reply.id());
    }
    ensure!(reply.status == 409, "POST {endpoint}: {reply:?}");
    let kind = endpoint.trim_start_matches('/');
    let found = patiently(|| scim.find("match", kind, filter)).await?;
    let first = found
        .resources()
        .first()
        .with_context(|| format!("{filter}: 409, and nobody is there: {found:?}"))?;
    Ok(first["id"].as_str().unwrap_or_default().to_owned())
}

/// Asks until there is an answer that says something.
async fn patiently<F: Future<Output = Result<Reply>>>(ask: impl Fn() -> F) -> Result<Reply> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = ask().await?;
        if !matches!(reply.status, 429 | 500 | 502..=504) || Instant::now() > deadline {
            return Ok(reply);
        }
        // What `Retry-After` asks for, but not longer than a test has.
        let wait = reply
            .header("retry-after")
            .and_then(|text| text.parse().ok())
            .unwrap_or(1);
        tokio::time::sleep(Duration::from_millis(250 * wait).min(Duration::from_secs(2))).await;
    }
}

/// Compares what SCIM shows with what has to be there.
pub async fn shown(scim: &Scim, roster: &Roster, strangers: &[&str]) -> Result<()> {
    let mut logins = BTreeSet::new();
    let mut start = 1;
    loop {
        let page = patiently(|| {
            let path = format!("/Users?startIndex={start}&count=100");
            async move { scim.get(&path).await }
        })
        .await?;
        ensure!(page.status == 200, "{page:?}");
        for user in page.resources() {
            let login = user["userName"].as_str().unwrap_or_default().to_owned();
            if !strangers.contains(&login.as_str()) {
                ensure!(logins.insert(login.clone()), "{login} is shown twice");
            }
        }
        if page.resources().is_empty() {
            break;
        }
        start += page.resources().len();
    }
    let expected: BTreeSet<String> = roster.people.keys().cloned().collect();
    ensure!(
        logins == expected,
        "SCIM shows {} people, not {}",
        logins.len(),
        expected.len()
    );
    Ok(())
}

/// Says where two rosters differ.
pub fn compare(there: &Roster, wanted: &Roster) -> Result<()> {
    let mut wrong = Vec::new();
    for login in there.people.keys().chain(wanted.people.keys()) {
        let (a, b) = (there.people.get(login), wanted.people.get(login));
        if a != b {
            wrong.push(format!("{login}: {a:?}, not {b:?}"));
        }
    }
    for name in there.teams.keys().chain(wanted.teams.keys()) {
        let (a, b) = (there.teams.get(name), wanted.teams.get(name));
        if a != b {
            wrong.push(format!("{name}: {a:?}, not {b:?}"));
        }
    }
    ensure!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(6)].join("\n")
    );
    Ok(())
}

/// Hires everybody over a wire that breaks, then changes and dismisses them over one that breaks otherwise, and compares each
/// time what SCIM shows, and what is there in truth, with what was said. `hidden` are people who were there before; an answer
/// is cut once within its head, and once after so many bytes.
pub async fn storm(
    scim: &Scim,
    proxy: &Proxy,
    people: usize,
    hidden: &[&str],
    cut: usize,
    present: impl AsyncFn() -> Result<Roster>,
) -> Result<()> {
    let first = Roster::hire(people);
    proxy.set(Weather::Every(
        17,
        vec![
            Fault::CutAnswer(30),
            Fault::Reset,
            Fault::Delay(Duration::from_millis(300)),
            Fault::LoseAnswer,
            Fault::CutAnswer(cut),
            Fault::Blackhole,
        ],
    ));
    let ids = create(scim, &first).await?;
    proxy.set(Weather::Fair);
    ensure!(proxy.struck() > 0, "the wire never broke");
    shown(scim, &first, hidden).await?;
    compare(&present().await?, &first)?;

    let second = first.later();
    proxy.set(Weather::Every(
        19,
        vec![Fault::LoseAnswer, Fault::Reset, Fault::CutAnswer(200)],
    ));
    change(scim, &ids, &first, &second).await?;
    proxy.set(Weather::Fair);
    shown(scim, &second, hidden).await?;
    compare(&present().await?, &second)
}
