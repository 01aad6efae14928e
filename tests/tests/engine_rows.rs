//! What a connector host must have for Entra: the rows of the reference's table that fall to the engine and have no suite of
//! their own. `docs/rows.md` says where every row is proved.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, run, run_ok};
use tombolo_tests::people::{ENTERPRISE, GROUP, USER};
use tombolo_tests::postgres::Postgres;
use tombolo_tests::scim::{Reply, Scim, patch_op, percentile};
use tombolo_tests::shared::{on_postgres, with_store};
use tombolo_tests::slapd::{BASE, Slapd};
use tombolo_tests::sql::{Database, Engine, read, with_password};
use tombolo_tests::{apps, build};

const PASSWORD: &str = "rows-password";

fn person(name: &str, more: &Value) -> Value {
    let mut body = json!({
        "schemas": [USER], "userName": name, "displayName": name, "active": true,
        "name": { "familyName": "Row", "givenName": "A" },
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    body
}

fn replace(path: &str, value: &Value) -> Value {
    patch_op(&json!([{ "op": "Replace", "path": path, "value": value }]))
}

/// An answer with this status, or an error that shows it.
fn with(reply: Reply, status: u16) -> Result<Reply> {
    ensure!(reply.status == status, "not {status}: {reply:?}");
    Ok(reply)
}

async fn on_sql(example: &str, schema: &str) -> Result<(Directory, Database, Host)> {
    let directory = Directory::new()?;
    directory.connector("sql", &build::connector("sql")?)?;
    let database = Database::start(Engine::Postgresql, &directory)?;
    database.run(&read(schema)?)?;
    database.app(&directory, "people", example, None, "")?;
    let host = Host::start_with(directory.path(), &with_password()).await?;
    Ok((directory, database, host))
}

async fn on_csv() -> Result<(Directory, Host)> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "files", "")?;
    let host = Host::start(&directory).await?;
    Ok((directory, host))
}

#[tokio::test(flavor = "multi_thread")]
async fn row_16_an_id_is_opaque_and_outlives_a_rename_and_a_restart() -> Result<()> {
    let (directory, mut host) = on_csv().await?;
    let scim = host.scim("files")?;
    let made = with(
        scim.post("/Users", &person("ana@x.test", &json!({})))
            .await?,
        201,
    )?;
    let path = format!("/Users/{}", made.id());
    ensure!(!made.id().contains("ana"), "{made:?}");
    with(
        scim.patch(&path, &replace("userName", &json!("eva@x.test")))
            .await?,
        200,
    )?;
    host.kill()?;
    let host = Host::start(&directory).await?;
    let scim = host.scim("files")?;
    let there = with(scim.get(&path).await?, 200)?;
    ensure!(there.body["userName"] == "eva@x.test", "{there:?}");
    let found = scim
        .find("match", "Users", "userName eq \"eva@x.test\"")
        .await?;
    ensure!(found.resources()[0]["id"] == made.id(), "{found:?}");
    // Whoever comes under the same name is somebody else.
    with(scim.delete(&path).await?, 204)?;
    let again = with(
        scim.post("/Users", &person("eva@x.test", &json!({})))
            .await?,
        201,
    )?;
    ensure!(again.id() != made.id(), "{again:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_17_a_key_of_two_columns_changes_and_the_link_goes_with_it() -> Result<()> {
    let (_directory, database, host) = on_sql("composite", "composite.sql").await?;
    let scim = host.scim("people")?;
    let number = |n: u32| json!({ ENTERPRISE: { "employeeNumber": n.to_string() } });
    let made = with(scim.post("/Users", &person("ana", &number(7))).await?, 201)?;
    let other = with(scim.post("/Users", &person("bea", &number(9))).await?, 201)?;
    let path = format!("/Users/{}", made.id());
    let keys = || database.rows("SELECT org, no, login FROM employee WHERE gone = 0 ORDER BY no");
    let key = format!("{ENTERPRISE}:employeeNumber");
    with(scim.patch(&path, &replace(&key, &json!("8"))).await?, 200)?;
    let row = |no: &str, login: &str| {
        vec![
            Some("ACME".to_owned()),
            Some(no.to_owned()),
            Some(login.to_owned()),
        ]
    };
    ensure!(
        keys()? == [row("8", "ana"), row("9", "bea")],
        "{:?}",
        keys()?
    );
    // Under the same id it is read, changed and deleted where it is now.
    let there = with(scim.get(&path).await?, 200)?;
    ensure!(there.body[ENTERPRISE]["employeeNumber"] == "8", "{there:?}");
    with(
        scim.patch(&path, &replace("title", &json!("chief")))
            .await?,
        200,
    )?;
    let taken = scim.patch(&path, &replace(&key, &json!("9"))).await?;
    ensure!(taken.status == 409, "{taken:?}");
    with(scim.delete(&path).await?, 204)?;
    ensure!(keys()? == [row("9", "bea")], "{:?}", keys()?);
    with(scim.get(&format!("/Users/{}", other.id())).await?, 200)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_17_an_ldap_directory_without_entryuuid_keys_by_a_name_that_changes() -> Result<()> {
    let slapd = Slapd::start(PASSWORD)?;
    let directory = Directory::new()?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    apps::ldap(&directory, "people", &slapd, "")?;
    let file = directory.path().join("apps/people.toml");
    let text = std::fs::read_to_string(&file)?;
    let keyed = text.replace("[settings]\n", "[settings]\nanchor-attribute = \"uid\"\n");
    directory.write("apps/people.toml", keyed)?;
    let host = Host::start_with(directory.path(), &apps::with_password(PASSWORD)).await?;
    let scim = host.scim("people")?;
    let made = with(scim.post("/Users", &person("ana", &json!({}))).await?, 201)?;
    let path = format!("/Users/{}", made.id());
    with(
        scim.patch(&path, &replace("userName", &json!("eva")))
            .await?,
        200,
    )?;
    with(
        scim.patch(&path, &replace("title", &json!("chief")))
            .await?,
        200,
    )?;
    let there = with(scim.get(&path).await?, 200)?;
    ensure!(
        there.body["userName"] == "eva" && there.body["title"] == "chief",
        "{there:?}"
    );
    let entries = slapd.search(&format!("ou=people,{BASE}"), "(objectClass=inetOrgPerson)")?;
    let uids: Vec<_> = entries
        .iter()
        .filter_map(|entry| entry.one("uid"))
        .collect();
    ensure!(uids == ["eva"], "{uids:?}");
    let folder = directory.path().display().to_string();
    let shown = run_ok(&[
        "app", "show", &folder, "people", "--object", "eva", "--output", "json",
    ])?;
    let shown: Value = serde_json::from_str(&shown)?;
    ensure!(
        shown[0]["anchor"] == "eva" && shown[0]["id"] == made.id(),
        "{shown}"
    );
    with(scim.delete(&path).await?, 204)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_18_pages_by_index_have_exact_sizes_and_one_order() -> Result<()> {
    let (_directory, host) = on_csv().await?;
    let scim = host.scim("files")?;
    for n in 0..7 {
        with(
            scim.post("/Users", &person(&format!("u{n}"), &json!({})))
                .await?,
            201,
        )?;
    }
    let walk = async || -> Result<Vec<String>> {
        let mut ids = Vec::new();
        for (start, size) in [(1, 3), (4, 3), (7, 1), (8, 0)] {
            let page = with(
                scim.get(&format!("/Users?startIndex={start}&count=3"))
                    .await?,
                200,
            )?;
            ensure!(page.resources().len() == size, "{start}: {page:?}");
            ensure!(
                page.body["totalResults"] == 7 && page.body["itemsPerPage"] == size,
                "{page:?}"
            );
            ids.extend(page.resources().iter().map(|user| user["id"].to_string()));
        }
        Ok(ids)
    };
    let (first, second) = (walk().await?, walk().await?);
    ensure!(first == second, "{first:?}, then {second:?}");
    ensure!(
        first.iter().collect::<BTreeSet<_>>().len() == 7,
        "{first:?}"
    );
    Ok(())
}

/// The gallery's 25 requests a second, through a connector; by a debug build, so that it is a floor and no measurement.
#[tokio::test(flavor = "multi_thread")]
async fn row_26_twenty_five_requests_a_second_are_answered_within_one() -> Result<()> {
    const RATE: u32 = 25;
    const SECONDS: u32 = 8;
    let directory = Directory::new()?;
    directory.connector("memory", &build::memory()?)?;
    apps::memory(&directory, "fast", "")?;
    let host = Host::start(&directory).await?;
    let scim = host.scim("fast")?;
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE);
    let mut requests = tokio::task::JoinSet::new();
    let began = Instant::now();
    for n in 0..RATE * SECONDS {
        ticks.tick().await;
        let scim = scim.clone();
        requests.spawn(async move {
            let asked = Instant::now();
            with(
                scim.post("/Users", &person(&format!("u{n}"), &json!({})))
                    .await?,
                201,
            )?;
            anyhow::Ok(asked.elapsed())
        });
    }
    let mut took = Vec::new();
    while let Some(done) = requests.join_next().await {
        took.push(u64::try_from(done??.as_micros())?);
    }
    let all = began.elapsed();
    took.sort_unstable();
    let p99 = percentile(&took, 99);
    println!("{} creates in {all:?}, p99 {p99:?}", took.len());
    ensure!(p99 < Duration::from_secs(1), "p99 is {p99:?}");
    ensure!(
        all < Duration::from_secs((SECONDS + 2).into()),
        "it took {all:?}"
    );
    Ok(())
}

/// Beside what `shared_store` and `survives_kill` prove of several hosts: what one lets through counts at once for the other.
#[tokio::test(flavor = "multi_thread")]
async fn row_40_hosts_of_one_store_count_each_others_deletes_at_once() -> Result<()> {
    let postgres = Postgres::start(PASSWORD)?;
    let slapd = Slapd::start(PASSWORD)?;
    let start = with_store(apps::with_password(PASSWORD), PASSWORD);
    let (mut directories, mut hosts) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let directory = Directory::new()?;
        directory.connector("ldap", &build::connector("ldap")?)?;
        let breaker = "[breaker]\ncount = 2\npercent = 100\nwindow = \"1h\"\n";
        apps::ldap(&directory, "people", &slapd, breaker)?;
        on_postgres(&directory, &postgres)?;
        hosts.push(Host::start_with(directory.path(), &start).await?);
        directories.push(directory);
    }
    let (one, two) = (hosts[0].scim("people")?, hosts[1].scim("people")?);
    let mut paths = Vec::new();
    for n in 0..4 {
        let made = with(
            one.post("/Users", &person(&format!("u{n}"), &json!({})))
                .await?,
            201,
        )?;
        paths.push(format!("/Users/{}", made.id()));
    }
    // The second host has counted a moment ago, and would not count again for five seconds.
    with(two.delete(&paths[0]).await?, 204)?;
    let counted = Instant::now();
    with(one.delete(&paths[1]).await?, 204)?;
    // Told over another connection, which takes a moment.
    tokio::time::sleep(Duration::from_millis(500)).await;
    with(two.delete(&paths[2]).await?, 204)?;
    let early = counted.elapsed() < Duration::from_secs(5);
    ensure!(early, "too slow to tell: {:?}", counted.elapsed());
    let people = slapd.search(&format!("ou=people,{BASE}"), "(objectClass=inetOrgPerson)")?;
    ensure!(
        people.len() == 2,
        "{} are there, and two deletes are let through",
        people.len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_43_groups_are_members_of_groups_and_many_members_are_one_call() -> Result<()> {
    const MEMBERS: usize = 60;
    let (directory, database, host) = on_sql("composite", "composite.sql").await?;
    let scim = host.scim("people")?;
    let mut members = Vec::new();
    for n in 0..MEMBERS {
        let number = json!({ ENTERPRISE: { "employeeNumber": n.to_string() } });
        let made = with(
            scim.post("/Users", &person(&format!("u{n}"), &number))
                .await?,
            201,
        )?;
        members.push(json!({ "value": made.id() }));
    }
    let group = |name: &str| json!({ "schemas": [GROUP], "displayName": name });
    let outer = with(scim.post("/Groups", &group("Outer")).await?, 201)?.id();
    let inner = with(scim.post("/Groups", &group("Inner")).await?, 201)?.id();
    members.push(json!({ "value": inner }));
    let add = patch_op(&json!([{ "op": "Add", "path": "members", "value": members }]));
    let added = scim.patch(&format!("/Groups/{outer}"), &add).await?;
    ensure!(matches!(added.status, 200 | 204), "{added:?}");
    ensure!(database.number("SELECT COUNT(*) FROM unit_employee")? == i64::try_from(MEMBERS)?);
    ensure!(database.number("SELECT COUNT(*) FROM unit_unit")? == 1);
    let shown = with(scim.get(&format!("/Groups/{outer}")).await?, 200)?;
    let shown = shown.body["members"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    ensure!(shown.len() == MEMBERS + 1, "{} members", shown.len());
    let nested = shown
        .iter()
        .find(|member| member["value"] == inner.as_str());
    ensure!(
        nested.is_some_and(|member| member["type"] == "Group"),
        "{nested:?}"
    );
    let folder = directory.path().display().to_string();
    let told = run_ok(&[
        "audit", "list", &folder, "--output", "json", "--limit", "1000",
    ])?;
    let told: Vec<Value> = serde_json::from_str(&told)?;
    let calls = told
        .iter()
        .filter(|record| record["action"] == "members")
        .flat_map(|record| record["calls"].as_array().cloned().unwrap_or_default())
        .filter(|call| call["call"] == "change-members");
    ensure!(calls.count() == 1, "{told:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_44_references_many_values_and_bytes_go_there_and_back() -> Result<()> {
    let (directory, database, host) = on_sql("composite", "composite.sql").await?;
    let scim = host.scim("people")?;
    let number = |n: u32| json!({ ENTERPRISE: { "employeeNumber": n.to_string() } });
    let boss = with(scim.post("/Users", &person("boss", &number(1))).await?, 201)?;
    let mut ana = number(2);
    ana["emails"] = json!([
        { "type": "work", "value": "ana@work.test", "primary": true },
        { "type": "home", "value": "ana@home.test", "primary": false },
    ]);
    ana[ENTERPRISE]["manager"] = json!({ "value": boss.id() });
    let made = with(scim.post("/Users", &person("ana", &ana)).await?, 201)?;
    let mails =
        database.rows("SELECT kind, address FROM employee_mail WHERE no = 2 ORDER BY kind")?;
    ensure!(mails.len() == 2, "{mails:?}");
    ensure!(database.number("SELECT boss_no FROM employee WHERE no = 2")? == 1);
    let there = with(scim.get(&format!("/Users/{}", made.id())).await?, 200)?;
    ensure!(
        there.body[ENTERPRISE]["manager"]["value"] == boss.id(),
        "{there:?}"
    );
    ensure!(
        there.body["emails"].as_array().map(Vec::len) == Some(2),
        "{there:?}"
    );
    drop(host);

    // Bytes, in a column that the example does not have.
    let bytes = [0_u8, 1, 0xfe, 0xff];
    let (base64, hex) = ("AAH+/w==", hex::encode(bytes));
    database.run("ALTER TABLE employee ADD COLUMN badge bytea")?;
    let file = directory.path().join("apps/people.toml");
    let mut app: toml::Table = toml::from_str(&std::fs::read_to_string(&file)?)?;
    let attributes = ["settings", "kinds", "user", "attributes"]
        .iter()
        .try_fold(&mut app, |table, key| table.get_mut(*key)?.as_table_mut())
        .context("the attributes")?;
    let badge =
        toml::from_str::<toml::Table>("type = \"binary\"\nscim = \"urn:x:test:2.0:User:badge\"")?;
    attributes.insert("badge".to_owned(), badge.into());
    directory.write("apps/people.toml", toml::to_string(&app)?)?;
    let host = Host::start_with(directory.path(), &with_password()).await?;
    let scim = host.scim("people")?;
    let path = format!("/Users/{}", made.id());
    let set = replace("urn:x:test:2.0:User:badge", &json!(base64));
    with(scim.patch(&path, &set).await?, 200)?;
    let stored = database.rows("SELECT encode(badge, 'hex') FROM employee WHERE no = 2")?;
    ensure!(stored == [vec![Some(hex)]], "{stored:?}");
    let there = with(scim.get(&path).await?, 200)?;
    ensure!(
        there.body["urn:x:test:2.0:User"]["badge"] == base64,
        "{there:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_67_what_fails_is_shown_against_what_entra_lets_pass() -> Result<()> {
    let (directory, host) = on_csv().await?;
    let scim = host.scim("files")?;
    with(scim.post("/Users", &person("ana", &json!({}))).await?, 201)?;
    with(
        scim.post("/Users", &person("ana", &json!({ "title": "another" })))
            .await?,
        409,
    )?;
    let group = with(
        scim.post(
            "/Groups",
            &json!({ "schemas": [GROUP], "displayName": "Team" }),
        )
        .await?,
        201,
    )?;
    let unknown = json!([{ "op": "Add", "path": "members", "value": [{ "value": "nobody" }] }]);
    with(
        scim.patch(&format!("/Groups/{}", group.id()), &patch_op(&unknown))
            .await?,
        400,
    )?;
    // Nobody found is no failure.
    with(scim.get("/Users/nobody").await?, 404)?;
    let page = host.get("/metrics").await?.1;
    for (what, count) in [
        ("operations", 4),
        ("failures", 1),
        ("reference_failures", 1),
        ("used_percent", 0),
    ] {
        let line = format!("tombolo_error_budget_{what}{{app=\"files\"}} {count}");
        ensure!(page.contains(&line), "no `{line}` in\n{page}");
    }
    let ready = host.app("files").await?.context("the app")?;
    ensure!(ready["budget"]["failures"] == 1, "{ready}");
    let (status, health) = host.get("/healthz").await?;
    ensure!(status == 200, "{health}");
    let folder = directory.path().display().to_string();
    let deadline = Instant::now() + Duration::from_secs(30);
    for command in [
        &["app", "list", &folder][..],
        &["app", "show", &folder, "files"],
    ] {
        // The file that tells of a running host is a few seconds behind.
        while !run_ok(command)?.contains("1 of 4 operations failed within a day") {
            ensure!(Instant::now() < deadline, "{}", run_ok(command)?);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    Ok(())
}

/// With the rights of the host's own user, and no others: `authentication` and `operator` prove the rest.
#[tokio::test(flavor = "multi_thread")]
async fn row_70_what_is_known_of_an_object_is_shown_to_the_hosts_own_user() -> Result<()> {
    let (directory, host) = on_csv().await?;
    let scim: Scim = host.scim("files")?;
    let secret = json!({ "password": "never-shown-1f0b" });
    let made = scim.post("/Users", &person("ana", &secret)).await?;
    let made = match made.status {
        201 => made,
        // A connector without passwords says so.
        _ => with(scim.post("/Users", &person("ana", &json!({}))).await?, 201)?,
    };
    let folder = directory.path().display().to_string();
    let shown = |object: &str| -> Result<Value> {
        let words = [
            "app", "show", &folder, "files", "--object", object, "--output", "json",
        ];
        Ok(serde_json::from_str(&run_ok(&words)?)?)
    };
    let by_name = shown("ana")?;
    ensure!(by_name[0]["id"] == made.id(), "{by_name}");
    ensure!(by_name[0]["resource"]["displayName"] == "ana", "{by_name}");
    ensure!(
        by_name[0]["unfinished"].is_null() && by_name[0]["version"] == 1,
        "{by_name}"
    );
    ensure!(!by_name.to_string().contains("never-shown"), "{by_name}");
    let anchor = by_name[0]["anchor"]
        .as_str()
        .context("an anchor")?
        .to_owned();
    for other in [made.id(), anchor] {
        let found = shown(&other)?;
        ensure!(found[0]["id"] == made.id(), "{found}");
    }
    let nobody = run(&["app", "show", &folder, "files", "--object", "nobody"])?;
    let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
    ensure!(
        !nobody.status.success() && said.contains("nothing is known"),
        "{said}"
    );
    // Whoever may not read the store may not ask either.
    let control = std::fs::metadata(directory.path().join("state/control"))?.permissions();
    let bits = std::os::unix::fs::PermissionsExt::mode(&control) & 0o777;
    ensure!(bits == 0o700, "the socket's directory has mode {bits:o}");
    drop(host);
    let alone = run(&["app", "show", &folder, "files", "--object", "ana"])?;
    let said = String::from_utf8_lossy(&alone.stderr).into_owned();
    ensure!(
        !alone.status.success() && said.contains("no host runs"),
        "{said}"
    );
    Ok(())
}
