//! Imports: everything or what has changed, broken off and gone on with, and what they notice that was done behind the
//! host's back. Rows 19, 41, 56 and 57 of what a connector host must have.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, Start, run, run_ok, run_with};
use tombolo_tests::people::{ENTERPRISE, USER};
use tombolo_tests::postgres::Postgres;
use tombolo_tests::roster::size;
use tombolo_tests::scim::{Reply, Scim, encode, patch_op};
use tombolo_tests::shared::{PASSWORD_VARIABLE, on_postgres, with_store};
use tombolo_tests::slapd::{BASE, Slapd};
use tombolo_tests::sql::{self, Database, Engine};
use tombolo_tests::{apps, build};

const PASSWORD: &str = "import-password";
/// What the host reads at a time.
const PAGE: usize = 500;
const STORE_PASSWORD: &str = "of-the-imports-database";
/// How long an import of a test's size may take on a slow machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// A directory's people, as LDIF.
fn ldif(numbers: impl Iterator<Item = usize>) -> String {
    let mut text = String::new();
    for n in numbers {
        text.push_str(&format!(
            "dn: uid=p{n:06},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: p{n:06}\ncn: Person {n}\nsn: Erson{n}\n\
             givenName: P\nmail: p{n:06}@example.test\nemployeeNumber: {n:06}\ntitle: clerk\n\n"
        ));
    }
    text
}

/// A csv app, its file in the test's own hands.
struct Files {
    directory: Directory,
    host: Host,
    scim: Scim,
}

type Row = BTreeMap<String, String>;
const COLUMNS: [&str; 8] = [
    "id",
    "userName",
    "externalId",
    "active",
    "displayName",
    "title",
    "nickName",
    "employeeNumber",
];

fn row(n: usize) -> Row {
    [
        ("id", format!("id{n:05}")),
        ("userName", format!("u{n:05}@example.test")),
        ("active", "true".to_owned()),
        ("displayName", format!("User {n}")),
        ("title", "clerk".to_owned()),
        ("employeeNumber", format!("{n:05}")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

impl Files {
    async fn start(rows: &[Row], rest: &str) -> Result<Self> {
        let directory = Directory::new()?;
        directory.connector("csv", &build::connector("csv")?)?;
        apps::csv(&directory, "people", rest)?;
        write(&directory, rows)?;
        let host = Host::start(&directory).await?;
        let scim = host.scim("people")?;
        Ok(Self {
            directory,
            host,
            scim,
        })
    }

    fn dir(&self) -> &str {
        self.directory.path().to_str().unwrap_or_default()
    }

    fn rows(&self) -> Result<Vec<Row>> {
        let mut table = csv::Reader::from_path(self.directory.path().join(FILE))?;
        let columns = table.headers()?.clone();
        table
            .records()
            .map(|record| {
                let record = record?;
                let cells = columns.iter().zip(&record);
                Ok(cells.map(|(c, v)| (c.to_owned(), v.to_owned())).collect())
            })
            .collect()
    }

    /// Changes the file behind the host's back.
    fn change(&self, change: impl FnOnce(&mut Vec<Row>)) -> Result<()> {
        let mut rows = self.rows()?;
        change(&mut rows);
        write(&self.directory, &rows)
    }

    fn user_names(&self) -> Result<BTreeSet<String>> {
        Ok(self
            .rows()?
            .into_iter()
            .map(|mut row| row.remove("userName").unwrap_or_default())
            .collect())
    }

    fn import(&self, more: &[&str]) -> Result<Value> {
        imported(self.dir(), "people", more)
    }

    fn report(&self) -> Result<Vec<Value>> {
        let text = run_ok(&["import", "report", self.dir(), "people", "--output", "json"])?;
        Ok(serde_json::from_str(&text)?)
    }
}

const FILE: &str = "data/people/people.csv";

fn write(directory: &Directory, rows: &[Row]) -> Result<()> {
    let mut text = csv::Writer::from_writer(Vec::new());
    text.write_record(COLUMNS)?;
    for row in rows {
        let cell = |name: &&str| row.get(*name).cloned().unwrap_or_default();
        text.write_record(COLUMNS.iter().map(cell))?;
    }
    directory.write(FILE, text.into_inner()?)?;
    Ok(())
}

/// Imports the users of an app by order; what came of it.
fn imported(dir: &str, app: &str, more: &[&str]) -> Result<Value> {
    let order = [
        "import", "run", dir, app, "--kind", "User", "--output", "json",
    ];
    let output = run(&[order.as_slice(), more].concat())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let end: Value = serde_json::from_str(&text)
        .with_context(|| format!("{text}\n{}", String::from_utf8_lossy(&output.stderr)))?;
    let import = end["kinds"][0]["import"].clone();
    ensure!(
        output.status.success() == (import["outcome"] == "whole"),
        "{}: {import}",
        output.status
    );
    Ok(import)
}

fn counts(import: &Value) -> [u64; 5] {
    ["listed", "new", "changed", "missing", "gone"]
        .map(|name| import["counts"][name].as_u64().unwrap_or(u64::MAX))
}

/// The user names that a client is shown, page by page.
async fn listed(scim: &Scim) -> Result<BTreeSet<String>> {
    let (mut names, mut from) = (BTreeSet::new(), 1);
    loop {
        let page = scim
            .get(&format!(
                "/Users?startIndex={from}&count=500&attributes=userName"
            ))
            .await?;
        ensure!(page.status == 200, "{page:?}");
        let found = page.resources();
        if found.is_empty() {
            return Ok(names);
        }
        from += found.len();
        for resource in found {
            let name = resource["userName"].as_str().unwrap_or_default();
            ensure!(names.insert(name.to_owned()), "`{name}` is listed twice");
        }
    }
}

async fn id_of(scim: &Scim, name: &str) -> Result<String> {
    let filter = encode(&format!("userName eq \"{name}\""));
    let found = scim.get(&format!("/Users?filter={filter}")).await?;
    ensure!(found.body["totalResults"] == 1, "{name}: {found:?}");
    Ok(found.resources()[0]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

fn is(reply: Reply, status: u16) -> Result<Reply> {
    ensure!(reply.status == status, "{status} expected: {reply:?}");
    Ok(reply)
}

fn person(n: usize) -> Value {
    json!({ "schemas": [USER, ENTERPRISE], "userName": format!("u{n:05}@example.test"), "externalId": format!("e{n:05}"),
        "displayName": format!("User {n}"), "title": "clerk", "active": true, ENTERPRISE: { "employeeNumber": format!("{n:05}") } })
}

/// A sample of `/metrics`.
fn sample(page: &str, of: &str) -> Option<i64> {
    page.lines()
        .find_map(|line| line.strip_prefix(of)?.trim().parse().ok())
}

const MIRROR: &str = "[reads]\nfreshness = \"mirror\"\n\n";

/// The directory's own names.
fn uids(slapd: &Slapd) -> Result<BTreeSet<String>> {
    Ok(slapd
        .people()?
        .values()
        .map(|entry| entry.one("uid").unwrap_or_default().to_owned())
        .collect())
}

async fn ldap(people: usize, rest: &str) -> Result<(Directory, Slapd, Host)> {
    let slapd = Slapd::start(PASSWORD)?;
    slapd.add(&ldif(0..people))?;
    let directory = Directory::new()?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    apps::ldap(&directory, "people", &slapd, rest)?;
    let host = Host::start_with(directory.path(), &apps::with_password(PASSWORD)).await?;
    Ok((directory, slapd, host))
}

/// `TOMBOLO_TEST_PEOPLE=100000` measures what the acceptance asks for.
#[tokio::test(flavor = "multi_thread")]
async fn row_19_openldap_is_imported_whole_and_then_by_what_has_changed() -> Result<()> {
    let people = size(1500);
    let (directory, slapd, host) = ldap(people, MIRROR).await?;
    let dir = directory.path().to_str().unwrap_or_default();
    let scim = host.scim("people")?;

    let began = Instant::now();
    let full = imported(dir, "people", &["--full"])?;
    println!("{people} people: full import {:?}", began.elapsed());
    let all = people as u64;
    ensure!(
        full["sort"] == "full" && counts(&full) == [all, all, 0, 0, 0],
        "{full}"
    );
    ensure!(full["found"]["local"] == all, "{full}");

    let began = Instant::now();
    let idle = imported(dir, "people", &[])?;
    println!(
        "{people} people: delta without a change {:?}",
        began.elapsed()
    );
    ensure!(idle["sort"] == "delta" && counts(&idle) == [0; 5], "{idle}");

    let began = Instant::now();
    let again = imported(dir, "people", &["--full"])?;
    println!(
        "{people} people: full import without a change {:?}",
        began.elapsed()
    );
    ensure!(counts(&again) == [all, 0, 0, 0, 0], "{again}");

    slapd.add(&ldif(people..people + 2))?;
    slapd.modify(&format!(
        "dn: uid=p000001,ou=people,{BASE}\nchangetype: modify\nreplace: title\ntitle: chief\n\n\
         dn: uid=p000002,ou=people,{BASE}\nchangetype: delete\n"
    ))?;
    let delta = imported(dir, "people", &[])?;
    ensure!(
        delta["sort"] == "delta" && counts(&delta) == [3, 2, 1, 1, 1],
        "{delta}"
    );
    let began = Instant::now();
    let names = listed(&scim).await?;
    println!("{people} people: listed {:?}", began.elapsed());
    ensure!(names == uids(&slapd)?, "the mirror is not the directory");
    let id = id_of(&scim, "p000001").await?;
    let changed = scim.get(&format!("/Users/{id}")).await?;
    ensure!(changed.body["title"] == "chief", "{changed:?}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid()))?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("{people} people: {}", peak.unwrap_or_default());
    Ok(())
}

/// Rows of the table of people.
fn hire(range: std::ops::Range<usize>) -> String {
    let rows: Vec<String> = range
        .map(|n| format!("('u{n:05}', 'User {n}', 'clerk', 'A', 'hr')"))
        .collect();
    format!(
        "INSERT INTO person (login, display_name, title, status, created_by) VALUES {};",
        rows.join(",")
    )
}

async fn table(people: usize) -> Result<(Directory, Database, Host)> {
    let directory = Directory::new()?;
    directory.connector("sql", &build::connector("sql")?)?;
    let database = Database::start(Engine::Sqlite, &directory)?;
    database.run(&sql::read("hr.sqlite.sql")?)?;
    database.run(&hire(0..people))?;
    database.app(&directory, "people", "hr", None, "")?;
    let path = directory.path().join("apps/people.toml");
    let text = std::fs::read_to_string(&path)?;
    directory.write("apps/people.toml", format!("{text}\n{MIRROR}"))?;
    let host = Host::start_with(directory.path(), &sql::with_password()).await?;
    Ok((directory, database, host))
}

/// A database that keeps an account of its changes, by triggers.
#[tokio::test(flavor = "multi_thread")]
async fn row_19_a_database_is_imported_whole_and_then_by_what_has_changed() -> Result<()> {
    let people = 1200;
    let (directory, database, host) = table(people).await?;
    let dir = directory.path().to_str().unwrap_or_default();

    let full = imported(dir, "people", &[])?;
    let all = people as u64;
    ensure!(
        full["sort"] == "full" && counts(&full) == [all, all, 0, 0, 0],
        "{full}"
    );
    let idle = imported(dir, "people", &[])?;
    ensure!(idle["sort"] == "delta" && counts(&idle) == [0; 5], "{idle}");
    database.run(&hire(people..people + 1))?;
    database.run(
        "UPDATE person SET title = 'chief' WHERE login = 'u00001'; DELETE FROM person WHERE login = 'u00002';",
    )?;
    let delta = imported(dir, "people", &[])?;
    ensure!(
        delta["sort"] == "delta" && counts(&delta) == [2, 1, 1, 1, 1],
        "{delta}"
    );
    let names = listed(&host.scim("people")?).await?;
    let there = logins(&database)?;
    ensure!(names == there, "the mirror is not the table");
    Ok(())
}

/// An order that runs while the test goes on.
fn order(dir: &str, more: &[&str]) -> Result<Child> {
    Ok(Command::new(build::tombolo())
        .args(["import", "run", dir, "people", "--kind", "User", "--full"])
        .args(more)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?)
}

fn status(dir: &str) -> Result<Value> {
    let text = run_ok(&["import", "status", dir, "people", "--output", "json"])?;
    let all: Vec<Value> = serde_json::from_str(&text)?;
    let of = |status: &Value| status["status"]["resource"] == "User";
    let found = all.into_iter().find(of).context("no users")?;
    Ok(found["status"].clone())
}

/// Waits until the import of users has read so many, or has ended.
async fn until_read(host: &Host, many: i64) -> Result<i64> {
    let of = "tombolo_import_read{app=\"people\",kind=\"user\"}";
    let page = host
        .until("/metrics", |_, page| {
            sample(page, of).is_some_and(|read| read >= many)
        })
        .await?;
    sample(&page, of).context("it has read something")
}

/// A target that people can be taken out of, and a host on it.
enum Target {
    Directory(Slapd),
    Table(Database),
}

impl Target {
    fn remove(&self, n: usize) -> Result<()> {
        match self {
            Self::Directory(slapd) => slapd.modify(&format!(
                "dn: uid=p{n:06},ou=people,{BASE}\nchangetype: delete\n"
            )),
            Self::Table(database) => {
                database.run(&format!("DELETE FROM person WHERE login = 'u{n:05}';"))
            }
        }
    }

    fn names(&self) -> Result<BTreeSet<String>> {
        match self {
            Self::Directory(slapd) => uids(slapd),
            Self::Table(database) => logins(database),
        }
    }
}

fn logins(database: &Database) -> Result<BTreeSet<String>> {
    let rows = database.rows("SELECT login FROM person")?;
    Ok(rows
        .into_iter()
        .filter_map(|row| row.into_iter().next().flatten())
        .collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_directory_it_ends_whole_and_takes_nobody_for_gone() -> Result<()>
{
    let people = size(3000);
    let (directory, slapd, host) = ldap(people, MIRROR).await?;
    let start = apps::with_password(PASSWORD);
    killed(&directory, host, &start, &Target::Directory(slapd), people).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_a_table_it_goes_on_at_its_page_and_takes_nobody_for_gone()
-> Result<()> {
    let people = 6000;
    let (directory, database, host) = table(people).await?;
    let start = sql::with_password();
    killed(&directory, host, &start, &Target::Table(database), people).await
}

async fn killed(
    directory: &Directory,
    mut host: Host,
    start: &Start,
    target: &Target,
    people: usize,
) -> Result<()> {
    let dir = directory.path().to_str().unwrap_or_default();
    // The first reads into an empty mirror, the second tells who is gone.
    for round in 0..2 {
        if round == 1 {
            for n in [5, people / 2, people - 1] {
                target.remove(n)?;
            }
        }
        let there = if round == 0 { people } else { people - 3 };
        let mut client = order(dir, &[])?;
        let runs = "tombolo_import_running{app=\"people\",kind=\"user\"} 1";
        host.until("/metrics", |_, page| page.contains(runs))
            .await?;
        let mut read = 0;
        for _ in 0..3 {
            // Other pages than before the kill.
            let next = if read == 0 { 1 } else { read + 500 };
            read = until_read(&host, next.min(i64::try_from(there)? - 1)).await?;
            host.kill()?;
            client.wait()?;
            host = Host::start_with(directory.path(), start).await?;
            // Nobody ordered it again: the host finds what was broken off.
        }
        let good = "tombolo_import_running{app=\"people\",kind=\"user\"} 0";
        host.until("/metrics", |_, page| page.contains(good))
            .await?;
        let ended = status(dir)?["last"].clone();
        ensure!(ended["outcome"] == "whole", "{ended}");
        ensure!(ended["resumed"].as_u64() >= Some(1), "{ended}");
        // A page that was repeated was not counted twice.
        ensure!(
            ended["counts"]["listed"] == there as u64,
            "{} of {there}: {ended}",
            ended["counts"]["listed"]
        );
        ensure!(ended["counts"]["gone"] == [0, 3][round], "{ended}");
        if matches!(target, Target::Table(_)) {
            ensure!(!host.log().contains("begins anew"), "{}", host.log());
            ensure!(ended["pages"] == there.div_ceil(PAGE), "{ended}");
        }
        let names = listed(&host.scim("people")?).await?;
        ensure!(names == target.names()?, "the mirror is not the target");
    }
    let verdict = run_ok(&["audit", "verify", dir])?;
    ensure!(verdict.contains("the audit is whole"), "{verdict}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hosts_on_one_store_one_imports() -> Result<()> {
    let people = 1500;
    let postgres = Postgres::start(STORE_PASSWORD)?;
    let slapd = Slapd::start(PASSWORD)?;
    slapd.add(&ldif(0..people))?;
    let start = with_store(apps::with_password(PASSWORD), STORE_PASSWORD);
    let (mut hosts, mut directories) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let directory = Directory::new()?;
        directory.connector("ldap", &build::connector("ldap")?)?;
        apps::ldap(&directory, "people", &slapd, MIRROR)?;
        on_postgres(&directory, &postgres)?;
        hosts.push(Host::start_with(directory.path(), &start).await?);
        directories.push(directory);
    }
    let environment = [(PASSWORD_VARIABLE, STORE_PASSWORD)];
    let order = |n: usize| {
        let dir = directories[n].path().to_str().unwrap_or_default();
        run_with(
            &["import", "run", dir, "people", "--kind", "User", "--full"],
            &environment,
        )
    };
    let (one, two) = std::thread::scope(|scope| {
        let other = scope.spawn(|| order(1));
        (order(0), other.join())
    });
    let two = two.map_err(|_| anyhow::anyhow!("the second order was not given"))?;
    let outputs = [one?, two?];
    let whole = outputs.iter().filter(|o| o.status.success()).count();
    ensure!(whole >= 1, "{outputs:?}");
    for output in outputs.iter().filter(|o| !o.status.success()) {
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(said.contains("being imported"), "{said}");
    }
    for host in &hosts {
        let names = listed(&host.scim("people")?).await?;
        ensure!(names == uids(&slapd)?, "the mirror is not the directory");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_41_a_mirror_answers_after_a_restart_without_reading_the_target() -> Result<()> {
    let rows: Vec<Row> = (0..30).map(row).collect();
    let Files {
        directory,
        mut host,
        scim,
    } = Files::start(&rows, MIRROR).await?;
    let dir = directory.path().to_str().unwrap_or_default();
    // Nothing was ever imported: the first listing does it.
    ensure!(listed(&scim).await?.len() == 30);
    let before = status(dir)?;
    ensure!(before["full"]["counts"]["new"] == 30, "{before}");

    host.kill()?;
    // The target has lost everybody meanwhile; whoever asks it would see that.
    write(&directory, &[])?;
    let host = Host::start(&directory).await?;
    ensure!(listed(&host.scim("people")?).await?.len() == 30);
    let after = status(dir)?;
    ensure!(before["full"] == after["full"], "{before} {after}");

    // A live app asks: and what is gone in the target is gone.
    write(&directory, &rows[..25])?;
    apps::csv(&directory, "people", "")?;
    let scim = host.scim("people")?;
    let deadline = Instant::now() + PATIENCE;
    while listed(&scim).await?.len() != 25 {
        ensure!(Instant::now() < deadline, "the app never became live");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_56_what_a_client_has_cleared_is_cleared_again_and_what_drifted_is_written_again()
-> Result<()> {
    let files = Files::start(&[], MIRROR).await?;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(is(files.scim.post("/Users", &person(n)).await?, 201)?.id());
    }
    // The source cleared it: said once, and never again.
    let cleared = patch_op(&json!([{ "op": "Remove", "path": "title" }]));
    let path = format!("/Users/{}", ids[0]);
    is(files.scim.patch(&path, &cleared).await?, 200)?;
    files.change(|rows| {
        for row in rows {
            match row["userName"].as_str() {
                "u00000@example.test" => {
                    row.insert("title".into(), "put back by hand".into());
                }
                "u00001@example.test" => {
                    row.insert("displayName".into(), "Somebody Else".into());
                    // Nobody wrote that through the host.
                    row.insert("nickName".into(), "Bo".into());
                }
                _ => {}
            }
        }
    })?;
    let import = files.import(&["--full"])?;
    ensure!(
        counts(&import)[2] == 2 && import["found"]["drifted"] == 2,
        "{import}"
    );
    let dir = files.dir();
    let look = ["import", "repair", dir, "people", "--output", "json"];
    let plan: Value = serde_json::from_str(&run_ok(&look)?)?;
    ensure!(
        plan["end"]["done"] == 2 && plan["end"]["dry"] == true,
        "{plan}"
    );
    let shown = plan.to_string();
    ensure!(
        shown.contains("put back by hand") && !shown.contains("nickName"),
        "{plan}"
    );
    ensure!(
        files.rows()?[0]["title"] == "put back by hand",
        "a look changed something"
    );
    let done: Value = serde_json::from_str(&run_ok(&[look.as_slice(), &["--yes"]].concat())?)?;
    ensure!(done["end"]["done"] == 2, "{done}");
    let rows = files.rows()?;
    ensure!(rows[0]["title"].is_empty(), "{rows:?}");
    ensure!(
        rows[1]["displayName"] == "User 1" && rows[1]["nickName"] == "Bo",
        "{rows:?}"
    );
    ensure!(files.report()?.iter().all(|one| one["finding"] != "drift"));
    let request = done["end"]["request"].as_str().unwrap_or_default();
    let told = run_ok(&["audit", "list", dir, "--request", request])?;
    ensure!(told.matches("update").count() == 2, "{told}");

    // With `reconcile = "repair"` the next import does it by itself.
    let repair = format!("{MIRROR}[import]\nreconcile = \"repair\"\n");
    apps::csv(&files.directory, "people", &repair)?;
    files.host.until_log("reloaded").await.ok();
    let deadline = Instant::now() + PATIENCE;
    loop {
        files.change(|rows| {
            rows[2].insert("title".into(), "by hand".into());
        })?;
        files.import(&["--full"])?;
        if files.rows()?[2]["title"] == "clerk" {
            break;
        }
        ensure!(Instant::now() < deadline, "it is not repaired");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_57_an_import_tells_of_orphans_local_accounts_drift_and_ambiguity() -> Result<()> {
    let files = Files::start(&[], MIRROR).await?;
    let mut ids = Vec::new();
    for n in 0..4 {
        ids.push(is(files.scim.post("/Users", &person(n)).await?, 201)?.id());
    }
    files.change(|rows| {
        rows.remove(0);
        rows[0].insert("title".into(), "chief".into());
        rows.push(row(100));
        // Two that only a number tells apart, and it does not.
        for n in [101, 102] {
            let mut twin = row(n);
            twin.insert("userName".into(), format!("twin{n}@example.test"));
            rows.push(twin);
        }
    })?;
    let import = files.import(&["--full"])?;
    ensure!(counts(&import) == [6, 3, 1, 1, 1], "{import}");
    let found = &import["found"];
    ensure!(
        *found == json!({ "orphans": 1, "local": 3, "drifted": 1, "ambiguous": 0 }),
        "{found}"
    );
    let report = files.report()?;
    let of = |finding: &str| -> Vec<&Value> {
        let found = report.iter().filter(|one| one["finding"] == finding);
        found.collect()
    };
    let orphans = of("orphan");
    ensure!(
        orphans.len() == 1 && orphans[0]["id"] == ids[0].as_str(),
        "{report:?}"
    );
    ensure!(orphans[0]["name"] == "u00000@example.test", "{orphans:?}");
    let drift = of("drift");
    ensure!(
        drift.len() == 1 && drift[0]["id"] == ids[1].as_str(),
        "{report:?}"
    );
    let one = &drift[0]["differences"];
    ensure!(
        one.as_array().map(Vec::len) == Some(1)
            && one[0]["attribute"] == "title"
            && one[0]["expected"] == "clerk"
            && one[0]["found"] == "chief",
        "{drift:?}"
    );
    let local: BTreeSet<&str> = of("local")
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    ensure!(
        local
            == BTreeSet::from([
                "u00100@example.test",
                "twin101@example.test",
                "twin102@example.test"
            ]),
        "{local:?}"
    );
    // For people, for monitoring, for auditors.
    let table = run_ok(&["import", "report", files.dir(), "people", "--only", "drift"])?;
    ensure!(table.contains("title: chief instead of clerk"), "{table}");
    let (_, page) = files.host.get("/metrics").await?;
    for (finding, number) in [("orphan", 1), ("local", 3), ("drift", 1), ("ambiguous", 0)] {
        let of = format!(
            "tombolo_import_findings{{app=\"people\",kind=\"user\",finding=\"{finding}\"}}"
        );
        ensure!(sample(&page, &of) == Some(number), "{of}\n{page}");
    }
    let told = run_ok(&["audit", "list", files.dir(), "--app", "people"])?;
    ensure!(told.contains("import"), "{told}");

    // What comes right is told of no more.
    files.change(|rows| {
        rows[0].insert("title".into(), "clerk".into());
    })?;
    let import = files.import(&["--full"])?;
    ensure!(import["found"]["drifted"] == 0, "{import}");
    // A client that writes to a local account makes it its own.
    let id = id_of(&files.scim, "u00100@example.test").await?;
    let change = patch_op(&json!([{ "op": "Replace", "path": "title", "value": "boss" }]));
    is(
        files.scim.patch(&format!("/Users/{id}"), &change).await?,
        200,
    )?;
    let import = files.import(&["--full"])?;
    ensure!(import["found"]["local"] == 2, "{import}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_lacks_most_takes_nobody_for_gone_until_somebody_says_so() -> Result<()> {
    let rows: Vec<Row> = (0..60).map(row).collect();
    let files = Files::start(&rows, MIRROR).await?;
    files.import(&["--full"])?;
    write(&files.directory, &rows[..20])?;
    let shrunk = files.import(&["--full"])?;
    ensure!(
        shrunk["outcome"] == "shrunk" && counts(&shrunk) == [20, 0, 0, 40, 0],
        "{shrunk}"
    );
    let note = shrunk["note"].as_str().unwrap_or_default();
    ensure!(note.contains("--accept"), "{note}");
    ensure!(listed(&files.scim).await?.len() == 60);
    let (_, page) = files.host.get("/metrics").await?;
    let good = "tombolo_import_good{app=\"people\",kind=\"user\"}";
    ensure!(sample(&page, good) == Some(0), "{page}");
    let accepted = files.import(&["--accept"])?;
    ensure!(counts(&accepted) == [20, 0, 0, 40, 40], "{accepted}");
    ensure!(listed(&files.scim).await? == files.user_names()?);
    // A file that is gone altogether is a failure, and tells nothing of anybody.
    files.directory.remove(FILE)?;
    files.import(&["--full"]).ok();
    ensure!(listed(&files.scim).await?.len() == 20);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_run_by_themselves_at_their_times() -> Result<()> {
    let rows: Vec<Row> = (0..5).map(row).collect();
    let times = format!("{MIRROR}[import.full]\nevery = \"1s\"\n");
    let files = Files::start(&rows, &times).await?;
    let local = "tombolo_import_findings{app=\"people\",kind=\"user\",finding=\"local\"}";
    let has = |many: i64| move |_: u16, page: &str| sample(page, local) == Some(many);
    files.host.until("/metrics", has(5)).await?;
    files.change(|rows| rows.push(row(7)))?;
    files.host.until("/metrics", has(6)).await?;

    for (wrong, says) in [
        (
            "[import.full]\nevery = \"1h\"\ncron = \"0 3 * * *\"\n",
            "either",
        ),
        ("[import.delta]\ncron = \"at night\"\n", "five fields"),
        ("[import.delta]\n", "nothing says when"),
        ("[import]\nreconcile = \"guess\"\n", "reconcile"),
        ("[import]\nmay-be-gone = 150\n", "may-be-gone"),
    ] {
        apps::csv(&files.directory, "people", wrong)?;
        let output = run(&["check", files.dir(), "--files-only"])?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success() && said.contains(says), "{said}");
    }
    Ok(())
}

const MATCHING: &str = "[mapping.user]\n\"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber\" = { attribute = \"employeeNumber\", match = 1 }\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_post_for_an_account_that_is_there_is_refused_or_adopts_it_and_nobody_guesses()
-> Result<()> {
    let mut rows: Vec<Row> = (0..4).map(row).collect();
    rows[3].insert("employeeNumber".into(), "00002".into());
    let files = Files::start(&rows, MATCHING).await?;
    let client = |n: usize| {
        let mut body = person(n);
        body["userName"] = json!(format!("new{n}@example.test"));
        body["title"] = json!("from Entra");
        body
    };
    // One: refused by default, and told what to do.
    let refused = is(files.scim.post("/Users", &client(1)).await?, 409)?;
    ensure!(refused.body["scimType"] == "uniqueness", "{refused:?}");
    ensure!(refused.text.contains("on-post"), "{refused:?}");
    // Two: refused in any case, and listed.
    let several = is(files.scim.post("/Users", &client(2)).await?, 409)?;
    ensure!(several.text.contains("several"), "{several:?}");
    let listed_as_such = |report: Vec<Value>| {
        let of = |one: &Value| one["finding"] == "ambiguous" && one["value"] == "00002";
        report.iter().any(of)
    };
    ensure!(listed_as_such(files.report()?));
    files.import(&["--full"])?;
    ensure!(listed_as_such(files.report()?));
    ensure!(files.rows()?.len() == 4, "somebody was doubled");

    // By order: those that are known from all others.
    let dir = files.dir();
    let look = ["import", "adopt", dir, "people", "--output", "json"];
    let plan: Value = serde_json::from_str(&String::from_utf8(run(&look)?.stdout)?)?;
    ensure!(
        plan["end"]["done"] == 2 && plan["end"]["failed"] == 2,
        "{plan}"
    );
    ensure!(
        plan.to_string().contains("give one of them another value"),
        "{plan}"
    );
    let first = id_of(&files.scim, "u00000@example.test").await?;
    run_ok(&["import", "adopt", dir, "people", &first, "--yes"])?;
    let local: Vec<Value> = files.report()?;
    let local = local.iter().filter(|one| one["finding"] == "local").count();
    ensure!(local == 3, "{local}");

    // Where the app's owner wants it a POST adopts: one account, its own id, the client's values.
    let known = id_of(&files.scim, "u00001@example.test").await?;
    let adopting = format!("{MATCHING}\n[import]\non-post = \"adopt\"\n");
    apps::csv(&files.directory, "people", &adopting)?;
    let deadline = Instant::now() + PATIENCE;
    let adopted = loop {
        let answer = files.scim.post("/Users", &client(1)).await?;
        if answer.status == 201 {
            break answer;
        }
        ensure!(
            answer.status == 409 && Instant::now() < deadline,
            "{answer:?}"
        );
    };
    ensure!(adopted.id() == known, "{adopted:?}");
    let rows = files.rows()?;
    ensure!(rows.len() == 4, "{rows:?}");
    ensure!(
        rows[1]["id"] == "id00001"
            && rows[1]["userName"] == "new1@example.test"
            && rows[1]["title"] == "from Entra",
        "{rows:?}"
    );
    // It is the client's now: another POST for it is taken.
    is(files.scim.post("/Users", &client(1)).await?, 409)?;
    is(files.scim.post("/Users", &client(2)).await?, 409)?;
    Ok(())
}
