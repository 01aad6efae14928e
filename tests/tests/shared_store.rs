//! The store in PostgreSQL: the whole product on it, the commands that move it, and two hosts at once.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::entra::{Dialect, Player, Send};
use tombolo_tests::host::{Directory, Host, Start, run_with};
use tombolo_tests::people::{Names, Tenant, USER};
use tombolo_tests::postgres::Postgres;
use tombolo_tests::scim::Reply;
use tombolo_tests::shared::{PASSWORD_VARIABLE, on_postgres, with_store};
use tombolo_tests::slapd::{BASE, Slapd};
use tombolo_tests::{apps, build};

const PASSWORD: &str = "of-the-store's-database";
const LDAP_PASSWORD: &str = "shared-password";

fn postgres() -> Result<Postgres> {
    Postgres::start(&PASSWORD.replace('\'', "''"))
}

fn person(name: &str) -> Value {
    json!({
        "schemas": [USER], "userName": name, "displayName": name, "active": true,
        "name": { "familyName": "Shared", "givenName": "Store" },
    })
}

/// A configuration with a csv app whose store is in this server.
fn directory(postgres: &Postgres) -> Result<Directory> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "files", "")?;
    on_postgres(&directory, postgres)?;
    Ok(directory)
}

async fn start(directory: &Directory) -> Result<Host> {
    Host::start_with(directory.path(), &with_store(Start::default(), PASSWORD)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_lives_in_files_with_its_store_in_postgres() -> Result<()> {
    let postgres = postgres()?;
    let directory = directory(&postgres)?;
    let mut host = start(&directory).await?;
    let first = Tenant::new(5, 40, 4, Names::Hostile);
    let mut player = Player::new(host.scim("files")?, Dialect::Legacy);
    player.initial(&first, Send::Differences).await?;
    let second = first.later(1, 3);
    player.speak(Dialect::Flagged);
    player.incremental(&first, &second).await?;
    let wrong = player.verify(&second).await?;
    ensure!(wrong.is_empty(), "{wrong:?}");

    // Killed and started again: nothing is rebuilt, everything is there under its id.
    let listed = |reply: Reply| -> Vec<String> {
        let mut ids: Vec<String> = reply
            .resources()
            .iter()
            .map(|r| r["id"].to_string())
            .collect();
        ids.sort();
        ids
    };
    let before = listed(host.scim("files")?.get("/Users?count=1000").await?);
    host.kill()?;
    drop(host);
    let host = start(&directory).await?;
    let after = listed(host.scim("files")?.get("/Users?count=1000").await?);
    ensure!(
        before == after && !after.is_empty(),
        "{before:?}\n{after:?}"
    );
    let everything = directory.everything()?;
    let leak = everything.iter().find(|(_, bytes)| {
        bytes
            .windows(PASSWORD.len())
            .any(|w| w == PASSWORD.as_bytes())
    });
    ensure!(leak.is_none(), "{leak:?} holds the password");
    ensure!(!host.log().contains(PASSWORD), "the log holds the password");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_a_503_and_passes() -> Result<()> {
    let mut postgres = postgres()?;
    let directory = directory(&postgres)?;
    let host = start(&directory).await?;
    let scim = host.scim("files")?;
    let made = scim.post("/Users", &person("one@example.test")).await?;
    ensure!(made.status == 201, "{made:?}");

    postgres.stop();
    let (status, ready) = host.get("/readyz").await?;
    ensure!(
        status == 503 && ready.contains("\"ready\":false"),
        "{ready}"
    );
    for reply in [
        scim.get(&format!("/Users/{}", made.id())).await?,
        scim.post("/Users", &person("two@example.test")).await?,
    ] {
        ensure!(reply.status == 503, "{reply:?}");
        ensure!(reply.header("retry-after").is_some(), "{reply:?}");
        ensure!(reply.text.contains("database"), "{reply:?}");
    }
    postgres.restart()?;
    host.until("/readyz", |status, _| status == 200).await?;
    let again = scim.post("/Users", &person("two@example.test")).await?;
    ensure!(again.status == 201, "{again:?}");
    let there = scim.get(&format!("/Users/{}", made.id())).await?;
    ensure!(there.status == 200, "{there:?}");
    Ok(())
}

/// Runs a command on the configuration; its output, both streams, and whether it succeeded.
fn tombolo(arguments: &[&str]) -> Result<(bool, String)> {
    let output = run_with(arguments, &[(PASSWORD_VARIABLE, PASSWORD)])?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((output.status.success(), text))
}

fn done(arguments: &[&str]) -> Result<String> {
    let (good, text) = tombolo(arguments)?;
    ensure!(good, "tombolo {}: {text}", arguments.join(" "));
    Ok(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_what_is_wrong_with_the_database() -> Result<()> {
    let postgres = postgres()?;
    let directory = directory(&postgres)?;
    let folder = directory.path().display().to_string();
    done(&["check", &folder])?;
    let wrong = run_with(&["check", &folder], &[(PASSWORD_VARIABLE, "wrong")])?;
    let text = String::from_utf8_lossy(&wrong.stderr).into_owned();
    ensure!(!wrong.status.success() && text.contains("28P01"), "{text}");
    let (good, text) = tombolo(&["check", &folder, "--files-only"])?;
    ensure!(good, "{text}");
    let file = std::fs::read_to_string(directory.path().join("tombolo.toml"))?;
    for (from, to, said) in [
        (
            "engine = \"postgres\"",
            "engine = \"postgrse\"",
            "did you mean",
        ),
        ("tombolo@", "tombolo:hunter2@", "holds a password"),
        ("tls/store-ca.pem", "tls/none.pem", "tls/none.pem"),
        ("tls = \"require\"", "tls = \"maybe\"", "store.tls"),
        (
            "engine = \"postgres\"\n",
            "",
            "its engine is not a database",
        ),
    ] {
        directory.write("tombolo.toml", file.replace(from, to))?;
        let (good, text) = tombolo(&["check", &folder])?;
        ensure!(!good && text.contains(said), "{to}: {text}");
        ensure!(!text.contains("hunter2"), "{text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_moves_from_sled_to_postgres_and_back_and_survives_a_backup() -> Result<()> {
    let postgres = postgres()?;
    let directory = directory(&postgres)?;
    let folder = directory.path().display().to_string();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let on_postgres = std::fs::read_to_string(directory.path().join("tombolo.toml"))?;
    let on_sled = "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"state\"\n";
    directory.write("postgres.toml", &on_postgres)?;
    directory.write("sled.toml", on_sled)?;

    directory.write("tombolo.toml", on_sled)?;
    let mut host = start(&directory).await?;
    let made = host
        .scim("files")?
        .post("/Users", &person("moved@example.test"))
        .await?;
    ensure!(made.status == 201, "{made:?}");
    let id = made.id();
    // In use: said so, and nothing is read beside the host.
    let (good, text) = tombolo(&["store", "check", &folder])?;
    ensure!(!good && text.contains("another process"), "{text}");
    host.terminate()?;
    host.ended(Duration::from_secs(30)).await?;
    drop(host);
    let checked = done(&["store", "check", &folder])?;
    ensure!(
        checked.contains("files") && checked.contains("resources"),
        "{checked}"
    );
    done(&["store", "backup", &folder, &at("before.backup")])?;
    let (good, text) = tombolo(&["store", "backup", &folder, &at("before.backup")])?;
    ensure!(!good && text.contains("is there already"), "{text}");
    let facts = std::fs::metadata(at("before.backup"))?.permissions();
    let permissions = std::os::unix::fs::PermissionsExt::mode(&facts) & 0o777;
    ensure!(permissions == 0o600, "the backup has mode {permissions:o}");

    // To PostgreSQL, where a host serves it; a backup is taken while it does.
    directory.write("tombolo.toml", &on_postgres)?;
    done(&["store", "migrate", &folder, "--from", &at("sled.toml")])?;
    let (good, text) = tombolo(&["store", "migrate", &folder, "--from", &at("sled.toml")])?;
    ensure!(!good && text.contains("not empty"), "{text}");
    let mut host = start(&directory).await?;
    let there = host.scim("files")?.get(&format!("/Users/{id}")).await?;
    ensure!(there.status == 200, "{there:?}");
    host.terminate()?;
    host.ended(Duration::from_secs(30)).await?;
    drop(host);
    done(&["store", "backup", &folder, &at("after.backup")])?;

    // And back, into another directory's sled.
    std::fs::rename(directory.path().join("state"), directory.path().join("old"))?;
    directory.write("tombolo.toml", on_sled)?;
    done(&["store", "migrate", &folder, "--from", &at("postgres.toml")])?;
    let mut host = start(&directory).await?;
    let there = host.scim("files")?.get(&format!("/Users/{id}")).await?;
    ensure!(there.status == 200, "{there:?}");
    host.kill()?;
    drop(host);

    // The backup restores it too; a damaged one is refused before anything is written.
    std::fs::remove_dir_all(directory.path().join("state"))?;
    let mut bytes = std::fs::read(at("after.backup"))?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    directory.write("damaged.backup", &bytes)?;
    let (good, text) = tombolo(&["store", "restore", &folder, &at("damaged.backup")])?;
    ensure!(
        !good && text.contains("damaged") && text.contains(&at("damaged.backup")),
        "{text}"
    );
    let checked = done(&["store", "check", &folder, "--backup", &at("after.backup")])?;
    ensure!(checked.contains("whole"), "{checked}");
    done(&["store", "restore", &folder, &at("after.backup")])?;
    let host = start(&directory).await?;
    let there = host.scim("files")?.get(&format!("/Users/{id}")).await?;
    ensure!(there.status == 200, "{there:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hosts_that_create_the_same_person_one_does() -> Result<()> {
    const PEOPLE: usize = 25;
    let postgres = postgres()?;
    let slapd = Slapd::start(LDAP_PASSWORD)?;
    let (mut directories, mut hosts) = (Vec::new(), Vec::new());
    let start = with_store(apps::with_password(LDAP_PASSWORD), PASSWORD);
    for _ in 0..2 {
        let directory = Directory::new()?;
        directory.connector("ldap", &build::connector("ldap")?)?;
        apps::ldap(&directory, "people", &slapd, "")?;
        on_postgres(&directory, &postgres)?;
        hosts.push(Host::start_with(directory.path(), &start).await?);
        directories.push(directory);
    }
    let clients = [hosts[0].scim("people")?, hosts[1].scim("people")?];
    for n in 0..PEOPLE {
        let body = person(&format!("same{n:02}@example.test"));
        let (one, two) = tokio::join!(
            clients[0].post("/Users", &body),
            clients[1].post("/Users", &body)
        );
        let (one, two) = (one?, two?);
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        ensure!(statuses == [201, 409], "{one:?}\n{two:?}");
        // Both know whose it is, and what one writes the other reads.
        let id = if one.status == 201 {
            one.id()
        } else {
            two.id()
        };
        let change = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{ "op": "replace", "path": "displayName", "value": format!("Changed {n}") }],
        });
        let changed = clients[n % 2]
            .patch(&format!("/Users/{id}"), &change)
            .await?;
        ensure!(matches!(changed.status, 200 | 204), "{changed:?}");
        let read = clients[(n + 1) % 2].get(&format!("/Users/{id}")).await?;
        ensure!(
            read.body["displayName"] == format!("Changed {n}"),
            "{read:?}"
        );
    }
    let entries = slapd.search(&format!("ou=people,{BASE}"), "(objectClass=inetOrgPerson)")?;
    ensure!(entries.len() == PEOPLE, "{} entries", entries.len());
    for client in &clients {
        let listed = client.get("/Users?count=1000").await?;
        ensure!(listed.resources().len() == PEOPLE, "{listed:?}");
        ensure!(listed.body["totalResults"] == PEOPLE, "{listed:?}");
    }
    Ok(())
}
