//! The wire to the database breaks while people are created, changed, put into groups and deleted. Whatever SCIM has
//! acknowledged is in the tables at the end, once; and nothing else is.
//!
//! The tables have no unique constraint: what would be doubled is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use serde_json::json;
use tombolo_tests::build;
use tombolo_tests::fault::{Fault, Proxy, Weather};
use tombolo_tests::host::{Directory, Host};
use tombolo_tests::people::{GROUP, USER};
use tombolo_tests::scim::{Reply, Scim, encode, literal, patch_op};
use tombolo_tests::sql::{Database, Engine, read, with_password};

/// One client each; a client does one thing after the other.
const CLIENTS: usize = 6;
/// How long a client asks again for what the host could not do.
const PATIENCE: Duration = Duration::from_mins(3);

#[tokio::test(flavor = "multi_thread")]
async fn a_wire_that_breaks_loses_and_doubles_nothing_in_postgresql() -> Result<()> {
    storm(Engine::Postgresql, "hr.postgresql.sql").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wire_that_breaks_loses_and_doubles_nothing_through_odbc() -> Result<()> {
    storm(Engine::Odbc, "hr.postgresql.sql").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wire_that_breaks_loses_and_doubles_nothing_in_mariadb() -> Result<()> {
    storm(Engine::Mariadb, "hr.mysql.sql").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_unavailable_and_back_when_it_is_back() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("sql", &build::connector("sql")?)?;
    let mut database = Database::start(Engine::Postgresql, &directory)?;
    database.run(&read("hr.postgresql.sql")?)?;
    let proxy = Proxy::start(database.address()?).await?;
    database.app(&directory, "people", "hr", Some(proxy.address()), TIMEOUTS)?;
    let host = Host::start_with(directory.path(), &with_password()).await?;
    let scim = host.scim("people")?;
    let body = json!({ "schemas": [USER], "userName": "ana", "title": "Lead" });
    let made = scim.post("/Users", &body).await?;
    ensure!(made.status == 201, "{made:?}");
    let path = format!("/Users/{}", made.id());
    for weather in [Fault::Reset, Fault::Blackhole, Fault::CutAnswer(2)] {
        proxy.set(Weather::Always(weather));
        let away = scim.get(&path).await?;
        // Never a 404: who is not reached is not gone.
        ensure!(matches!(away.status, 503 | 504), "{weather:?}: {away:?}");
        ensure!(
            away.header("retry-after").is_some(),
            "{weather:?}: {away:?}"
        );
        proxy.set(Weather::Fair);
        let back = until(|| scim.get(&path)).await?;
        ensure!(
            back.status == 200 && back.body["title"] == "Lead",
            "{weather:?}: {back:?}"
        );
    }
    database.restart()?;
    let back = until(|| scim.get(&path)).await?;
    ensure!(back.status == 200, "{back:?}");
    Ok(())
}

const TIMEOUTS: &str = "connect-timeout = \"2s\"\nstatement-timeout = \"2s\"\n";

/// How many people each client has.
fn each() -> usize {
    let all = std::env::var("TOMBOLO_TEST_PEOPLE")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(36);
    all / CLIENTS
}

async fn storm(engine: Engine, schema: &str) -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("sql", &build::connector("sql")?)?;
    let database = Database::start(engine, &directory)?;
    database.run(&read(schema)?.replace(" UNIQUE", ""))?;
    let proxy = Proxy::start(database.address()?).await?;
    database.app(&directory, "people", "hr", Some(proxy.address()), TIMEOUTS)?;
    let host = Host::start_with(directory.path(), &with_password()).await?;
    let scim = host.scim("people")?;
    let mut groups = Vec::new();
    for n in 0..2 {
        let body = json!({ "schemas": [GROUP], "displayName": format!("Team {n}") });
        let made = scim.post("/Groups", &body).await?;
        ensure!(made.status == 201, "{made:?}");
        groups.push(made.id());
    }
    // The ODBC driver needs several times as many exchanges for the same work.
    let every = if engine == Engine::Odbc { 89 } else { 23 };
    proxy.set(Weather::Every(
        every,
        vec![
            Fault::Reset,
            Fault::LoseAnswer,
            Fault::CutAnswer(3),
            Fault::Delay(Duration::from_millis(300)),
            Fault::Blackhole,
        ],
    ));
    let clients = (0..CLIENTS).map(|who| client(scim.clone(), who, groups.clone()));
    let expected: BTreeMap<String, Expected> =
        try_join_all(clients).await?.into_iter().flatten().collect();
    ensure!(
        proxy.struck() > 10,
        "the wire broke {} times",
        proxy.struck()
    );
    println!(
        "{engine:?}: {} exchanges, {} struck",
        proxy.exchanges(),
        proxy.struck()
    );
    proxy.set(Weather::Fair);
    proxy.cut();

    let mut people = BTreeMap::new();
    for row in database.rows("SELECT login, display_name FROM person")? {
        let [Some(login), display] = row.as_slice() else {
            anyhow::bail!("{row:?}");
        };
        let twice = people.insert(login.clone(), display.clone());
        ensure!(twice.is_none(), "{login} is there twice");
    }
    let wanted: BTreeMap<String, Option<String>> = expected
        .iter()
        .filter(|(_, person)| person.stays)
        .map(|(login, person)| (login.clone(), Some(person.display.clone())))
        .collect();
    ensure!(
        people == wanted,
        "in the table {people:?}\nacknowledged {wanted:?}"
    );
    let members: Vec<(String, String)> = database
        .rows("SELECT t.name, p.login FROM team_member m JOIN team t ON t.id = m.team_id JOIN person p ON p.id = m.person_id")?
        .into_iter()
        .map(|row| {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            (cells.next().unwrap_or_default(), cells.next().unwrap_or_default())
        })
        .collect();
    let there: BTreeSet<(String, String)> = members.iter().cloned().collect();
    let wanted: BTreeSet<(String, String)> = expected
        .iter()
        .filter(|(_, person)| person.stays)
        .map(|(login, person)| (format!("Team {}", person.team), login.clone()))
        .collect();
    ensure!(
        members.len() == there.len() && there == wanted,
        "in the table {there:?}\nacknowledged {wanted:?}"
    );
    ensure!(database.number("SELECT COUNT(*) FROM team")? == 2);

    // And SCIM says the same.
    let mut listed = BTreeSet::new();
    let mut start = 1;
    loop {
        let path = format!("/Users?startIndex={start}&count=100");
        let page = until(|| scim.get(&path)).await?;
        ensure!(page.status == 200, "{page:?}");
        for user in page.resources() {
            let name = user["userName"].as_str().unwrap_or_default().to_owned();
            ensure!(listed.insert(name.clone()), "{name} is listed twice");
        }
        if page.resources().is_empty() {
            break;
        }
        start += page.resources().len();
    }
    ensure!(listed == people.into_keys().collect(), "{listed:?}");
    Ok(())
}

/// What a person is to be at the end.
struct Expected {
    display: String,
    team: usize,
    stays: bool,
}

/// Creates, changes, puts into a group, and sometimes deletes; each until it is acknowledged.
async fn client(scim: Scim, who: usize, groups: Vec<String>) -> Result<Vec<(String, Expected)>> {
    let mut people = Vec::new();
    for n in 0..each() {
        let login = format!("c{who}.{n}@example.test");
        let id = create(&scim, &login).await?;
        let display = format!("Display of {login}");
        let change = json!([{ "op": "replace", "path": "displayName", "value": display }]);
        let (path, change) = (format!("/Users/{id}"), patch_op(&change));
        good(&until(|| scim.patch(&path, &change)).await?, &login)?;
        let team = (who + n) % groups.len();
        let join = json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]);
        let (group, join) = (format!("/Groups/{}", groups[team]), patch_op(&join));
        good(&until(|| scim.patch(&group, &join)).await?, &login)?;
        let stays = n % 3 != 2;
        if !stays {
            let gone = until(|| scim.delete(&path)).await?;
            ensure!(matches!(gone.status, 204 | 404), "{login}: {gone:?}");
        }
        people.push((
            login,
            Expected {
                display,
                team,
                stays,
            },
        ));
    }
    Ok(people)
}

async fn create(scim: &Scim, login: &str) -> Result<String> {
    let body = json!({ "schemas": [USER], "userName": login, "active": true });
    let made = until(|| scim.post("/Users", &body)).await?;
    if made.status == 201 {
        return Ok(made.id());
    }
    // An earlier attempt has made it.
    ensure!(made.status == 409, "{login}: {made:?}");
    let path = format!(
        "/Users?filter={}",
        encode(&format!("userName eq {}", literal(login)))
    );
    let found = until(|| scim.get(&path)).await?;
    ensure!(found.resources().len() == 1, "{login}: {found:?}");
    Ok(found.resources()[0]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

fn good(reply: &Reply, about: &str) -> Result<()> {
    ensure!(matches!(reply.status, 200 | 204), "{about}: {reply:?}");
    Ok(())
}

/// Asks again as long as the answer says that it may be asked again.
async fn until<F: Future<Output = Result<Reply>>>(ask: impl Fn() -> F) -> Result<Reply> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let reply = ask().await?;
        if !matches!(reply.status, 429 | 503 | 504) || Instant::now() > deadline {
            return Ok(reply);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
