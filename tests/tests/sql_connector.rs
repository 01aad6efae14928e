//! People and groups go through SCIM into real databases, exactly as asked for, in schemas that somebody else designed;
//! and nothing is written that says nothing new.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tombolo_tests::build;
use tombolo_tests::entra::{Dialect, Player, Send};
use tombolo_tests::host::{Directory, Host, run_with};
use tombolo_tests::people::{Names, Tenant, USER};
use tombolo_tests::scim::{encode, literal, patch_op};
use tombolo_tests::sql::{Database, Engine, Row, nothing_wrong, read, with_password};

/// What a test knows of an example: how its tables show people, groups, memberships and writes.
struct Example {
    name: &'static str,
    /// login, external id, display, given, family, title, mail, mobile, department, number, active, manager's external id
    people: &'static str,
    /// name, external id
    groups: &'static str,
    /// group's external id, person's external id
    members: &'static str,
    /// A number that grows with every write.
    writes: &'static str,
}

const HR: Example = Example {
    name: "hr",
    people: "SELECT p.login, p.external_id, p.display_name, p.given_name, p.family_name, p.title, p.mail, p.mobile, \
             p.department, p.employee_no, CASE p.status WHEN 'A' THEN 1 ELSE 0 END, b.external_id \
             FROM person p LEFT JOIN person b ON b.id = p.manager_id",
    groups: "SELECT name, external_id FROM team",
    members: "SELECT t.external_id, p.external_id FROM team_member m JOIN team t ON t.id = m.team_id \
              JOIN person p ON p.id = m.person_id",
    writes: "SELECT COUNT(*) FROM change_log",
};

const COMPOSITE: Example = Example {
    name: "composite",
    people: "SELECT e.login, e.external_id, e.display, e.given, e.family, e.title, m.address, f.phone, e.department, \
             e.no, 1 - e.locked, b.external_id FROM employee e \
             LEFT JOIN employee b ON b.org = e.boss_org AND b.no = e.boss_no AND b.gone = 0 \
             LEFT JOIN employee_mail m ON m.org = e.org AND m.no = e.no AND m.kind = 'work' \
             LEFT JOIN employee_phone f ON f.org = e.org AND f.no = e.no AND f.kind = 'mobile' WHERE e.gone = 0",
    groups: "SELECT name, external_id FROM unit",
    members: "SELECT u.external_id, e.external_id FROM unit_employee m JOIN unit u ON u.org = m.unit_org \
              AND u.code = m.unit_code JOIN employee e ON e.org = m.emp_org AND e.no = m.emp_no",
    writes: "SELECT COALESCE(SUM(row_version), 0) FROM employee",
};

const PROCEDURES: Example = Example {
    name: "procedures",
    people: "SELECT a.login, a.external_id, a.full_name, a.first_name, a.last_name, a.title, a.mail, a.mobile, \
             a.department, a.employee_no, a.enabled::int, b.external_id FROM app.accounts a \
             LEFT JOIN app.accounts b ON b.account_id = a.boss",
    groups: "SELECT role_name, external_id FROM app.roles",
    members: "SELECT r.external_id, a.external_id FROM app.role_accounts m JOIN app.roles r USING (role_id) \
              JOIN app.accounts a USING (account_id)",
    writes: "SELECT COALESCE(SUM(xmin::text::bigint), 0) FROM app.accounts",
};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_lives_in_postgresql() -> Result<()> {
    lives(Engine::Postgresql, &HR, "hr.postgresql.sql").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_lives_in_postgresql_through_odbc() -> Result<()> {
    lives(Engine::Odbc, &HR, "hr.postgresql.sql").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_lives_in_mariadb() -> Result<()> {
    lives(Engine::Mariadb, &HR, "hr.mysql.sql").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_lives_in_sqlite() -> Result<()> {
    lives(Engine::Sqlite, &HR, "hr.sqlite.sql").await
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_two_columns_and_tables_for_values_in_postgresql() -> Result<()> {
    lives(Engine::Postgresql, &COMPOSITE, "composite.sql").await
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_two_columns_and_tables_for_values_in_mariadb() -> Result<()> {
    lives(Engine::Mariadb, &COMPOSITE, "composite.sql").await
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_procedures_take_the_place_of_writes() -> Result<()> {
    lives(Engine::Postgresql, &PROCEDURES, "procedures.sql").await
}

/// A few dozen people, or as `TOMBOLO_TEST_PEOPLE` says.
fn size() -> (usize, usize) {
    let people = std::env::var("TOMBOLO_TEST_PEOPLE")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(80);
    (people, (people / 20).max(6))
}

/// A host with the connector, and an example's tables.
async fn start(
    engine: Engine,
    example: &Example,
    schema: &str,
) -> Result<(Directory, Database, Host)> {
    let directory = Directory::new()?;
    directory.connector("sql", &build::connector("sql")?)?;
    let database = Database::start(engine, &directory)?;
    database.run(&tables(engine, &read(schema)?))?;
    database.app(&directory, "people", example.name, None, "")?;
    let host = Host::start_with(directory.path(), &with_password()).await?;
    Ok((directory, database, host))
}

/// MariaDB's own collation takes blanks at the end for none.
fn tables(engine: Engine, schema: &str) -> String {
    match engine {
        Engine::Mariadb => {
            format!("ALTER DATABASE CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;\n{schema}")
        }
        Engine::Postgresql | Engine::Odbc | Engine::Sqlite => schema.to_owned(),
    }
}

async fn lives(engine: Engine, example: &Example, schema: &str) -> Result<()> {
    let (_directory, database, host) = start(engine, example, schema).await?;
    let (people, teams) = size();
    let first = Tenant::new(21, people, teams, Names::Hostile);
    let mut player = Player::new(host.scim("people")?, Dialect::Legacy);
    player.initial(&first, Send::Differences).await?;
    compare(&first, &database, example)?;
    nothing_wrong(&player.verify(&first).await?)?;

    // The same again, whatever the client remembers: no write reaches the database.
    let before = database.number(example.writes)?;
    player.reset();
    player.initial(&first, Send::Differences).await?;
    player.initial(&first, Send::Everything).await?;
    player.speak(Dialect::Flagged);
    player.initial(&first, Send::Everything).await?;
    ensure!(
        database.number(example.writes)? == before,
        "identical cycles wrote"
    );

    // Changed, renamed, disabled, restored, deleted; in one dialect, then in the other.
    let second = first.later(1, 3);
    player.incremental(&first, &second).await?;
    compare(&second, &database, example)?;
    nothing_wrong(&player.verify(&second).await?)?;
    player.speak(Dialect::Legacy);
    let third = second.later(2, 3);
    player.incremental(&second, &third).await?;
    compare(&third, &database, example)?;
    nothing_wrong(&player.verify(&third).await?)?;

    let before = database.number(example.writes)?;
    player.initial(&third, Send::Everything).await?;
    ensure!(
        database.number(example.writes)? == before,
        "an identical cycle wrote"
    );

    // Everybody leaves.
    player.incremental(&third, &Tenant::default()).await?;
    compare(&Tenant::default(), &database, example)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_values_are_values_in_every_database() -> Result<()> {
    for (engine, schema) in [
        (Engine::Postgresql, "hr.postgresql.sql"),
        (Engine::Odbc, "hr.postgresql.sql"),
        (Engine::Mariadb, "hr.mysql.sql"),
        (Engine::Sqlite, "hr.sqlite.sql"),
    ] {
        let (_directory, database, host) = start(engine, &HR, schema).await?;
        let scim = host.scim("people")?;
        let hostile = [
            "x'; DROP TABLE person; --",
            "\"q\" `t` [b] \\ \\' \\0",
            "100%_!sure",
            "trailing ",
            "trailing",
            " leading",
            "👩‍👩‍👧‍👦",
            "İı ß ﬀ",
            "?? ? $1 :name @p1",
            "line\nfeed\r\ttab",
            "\u{feff}é e\u{301}",
            "\u{1}\u{7f}",
        ];
        for value in hostile {
            let body = json!({ "schemas": [USER], "userName": value, "title": value });
            let made = scim.post("/Users", &body).await?;
            ensure!(made.status == 201, "{engine:?} {value:?}: {made:?}");
            ensure!(
                made.body["title"] == value,
                "{engine:?} {value:?}: {made:?}"
            );
            // No match is guessed: only this one has this name.
            for filter in [
                format!("userName eq {}", literal(value)),
                format!(
                    "userName eq {} and title eq {}",
                    literal(&value.to_lowercase()),
                    literal(value)
                ),
            ] {
                let found = scim
                    .get(&format!("/Users?filter={}", encode(&filter)))
                    .await?;
                ensure!(
                    found
                        .resources()
                        .iter()
                        .map(|user| &user["id"])
                        .eq([&made.body["id"]]),
                    "{engine:?} {filter}: {found:?}"
                );
            }
        }
        let held: BTreeSet<String> = database
            .rows("SELECT title FROM person")?
            .into_iter()
            .filter_map(|row| row.into_iter().next().flatten())
            .collect();
        ensure!(
            held == hostile.iter().map(|&value| value.to_owned()).collect(),
            "{engine:?}: {held:?}"
        );
        // A NUL is stored where there is room for one, and else refused as a value: never cut off.
        let body = json!({ "schemas": [USER], "userName": "nul\u{0}inside" });
        let made = scim.post("/Users", &body).await?;
        match made.status {
            201 => ensure!(
                made.body["userName"] == "nul\u{0}inside",
                "{engine:?}: {made:?}"
            ),
            status => ensure!(status == 400, "{engine:?}: {made:?}"),
        }
        // A name that is taken, by whoever has come by another door.
        database.run("INSERT INTO person (login, created_by) VALUES ('door', 'other')")?;
        let body = json!({ "schemas": [USER], "userName": "door" });
        let taken = scim.post("/Users", &body).await?;
        ensure!(
            taken.status == 409 && taken.body["scimType"] == "uniqueness",
            "{engine:?}: {taken:?}"
        );
        // Too long is too long, and said to be the attribute's fault or the database's word.
        if engine == Engine::Mariadb {
            let body = json!({ "schemas": [USER], "userName": "long", "title": "x".repeat(500) });
            let long = scim.post("/Users", &body).await?;
            ensure!(long.status == 400, "{long:?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_deleted_by_another_door_is_gone_and_one_that_is_changed_is_seen()
-> Result<()> {
    let (_directory, database, host) = start(Engine::Postgresql, &HR, "hr.postgresql.sql").await?;
    let scim = host.scim("people")?;
    let mut ids = Vec::new();
    for name in ["ana", "bo"] {
        let body = json!({ "schemas": [USER], "userName": name, "active": false });
        let made = scim.post("/Users", &body).await?;
        ensure!(
            made.status == 201 && made.body["active"] == false,
            "{made:?}"
        );
        ids.push(made.id());
    }
    database.run("UPDATE person SET title = 'Lead', status = 'A' WHERE login = 'ana'; DELETE FROM person WHERE login = 'bo'")?;
    let ana = scim.get(&format!("/Users/{}", ids[0])).await?;
    ensure!(
        ana.body["title"] == "Lead" && ana.body["active"] == true,
        "{ana:?}"
    );
    ensure!(scim.get(&format!("/Users/{}", ids[1])).await?.status == 404);
    let change = json!([{ "op": "replace", "path": "title", "value": "x" }]);
    let gone = scim
        .patch(&format!("/Users/{}", ids[1]), &patch_op(&change))
        .await?;
    ensure!(gone.status == 404, "{gone:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_of_the_app_says_which_table_and_which_column_is_missing() -> Result<()> {
    let (directory, database, _host) = start(Engine::Sqlite, &HR, "hr.sqlite.sql").await?;
    let configuration = directory.path().to_str().context("text")?;
    let test = || run_with(&["app", "test", configuration, "people"], &[]);
    let good = test()?;
    ensure!(good.status.success(), "{good:?}");
    database.run("ALTER TABLE person RENAME COLUMN mobile TO cell")?;
    let wrong = test()?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&wrong.stdout),
        String::from_utf8_lossy(&wrong.stderr)
    );
    ensure!(
        !wrong.status.success() && said.contains("table `person` has no column `mobile`"),
        "{said}"
    );
    Ok(())
}

/// What the tables hold against what the tenant has.
fn compare(tenant: &Tenant, database: &Database, example: &Example) -> Result<()> {
    let mut wrong = Vec::new();
    let people = database.rows(example.people)?;
    ensure!(
        people.len() == tenant.people.len(),
        "{} people in the database, {} in the tenant",
        people.len(),
        tenant.people.len()
    );
    let by_key: BTreeMap<&str, &Row> = people
        .iter()
        .filter_map(|row| Some((row.get(1)?.as_deref()?, row)))
        .collect();
    for person in tenant.people.values() {
        let expected = [
            Some(person.user_name.as_str()),
            Some(&person.external_id),
            Some(&person.display),
            Some(&person.given),
            Some(&person.family),
            Some(&person.title),
            Some(&person.mail),
            Some(&person.mobile),
            Some(&person.department),
            Some(&person.employee_number),
            Some(if person.active { "1" } else { "0" }),
            person.manager.as_deref(),
        ];
        match by_key.get(person.external_id.as_str()) {
            None => wrong.push(format!("{} is not there", person.external_id)),
            Some(row) if row.iter().map(Option::as_deref).ne(expected) => {
                wrong.push(format!("{row:?} is not {expected:?}"));
            }
            Some(_) => {}
        }
    }
    let pair = |row: &Row| -> (String, String) {
        let cell = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        (cell(0), cell(1))
    };
    let rows = |query: &str| -> Result<Vec<(String, String)>> {
        let mut rows: Vec<_> = database.rows(query)?.iter().map(pair).collect();
        rows.sort();
        Ok(rows)
    };
    let mut groups: Vec<(String, String)> = tenant
        .teams
        .values()
        .map(|team| (team.display.clone(), team.external_id.clone()))
        .collect();
    groups.sort();
    let there = rows(example.groups)?;
    if there != groups {
        wrong.push(format!("groups are {there:?}, not {groups:?}"));
    }
    let members = tenant.teams.values().flat_map(|team| {
        let members = team.members.iter();
        members.map(|member| (team.external_id.clone(), member.clone()))
    });
    let expected: BTreeSet<(String, String)> = members.collect();
    let there = rows(example.members)?;
    if !there.iter().eq(&expected) {
        let there: BTreeSet<_> = there.into_iter().collect();
        wrong.push(format!(
            "memberships too many: {:?}, missing: {:?}",
            there.difference(&expected).take(5).collect::<Vec<_>>(),
            expected.difference(&there).take(5).collect::<Vec<_>>()
        ));
    }
    nothing_wrong(&wrong)
}
