//! What the owner of an app wants of an account from its first day to its last: a first password, handed over once; a rename and
//! no groups while it is disabled; all of it also where the host dies in between. Rows 50, 51 and 52.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, run, run_ok};
use tombolo_tests::people::USER;
use tombolo_tests::scim::{Scim, patch_op};
use tombolo_tests::slapd::{BASE, Slapd};
use tombolo_tests::{apps, build};

const PASSWORD: &str = "lifecycle-password";
/// How long something may take that the host does by itself.
const PATIENCE: Duration = Duration::from_secs(30);

struct Stage {
    directory: Directory,
    host: Host,
    slapd: Slapd,
    scim: Scim,
}

impl Stage {
    async fn new(rest: &str) -> Result<Self> {
        let directory = Directory::new()?;
        let slapd = Slapd::start(PASSWORD)?;
        directory.connector("ldap", &build::connector("ldap")?)?;
        apps::ldap(&directory, "people", &slapd, rest)?;
        let host = Host::start_with(directory.path(), &apps::with_password(PASSWORD)).await?;
        let scim = host.scim("people")?;
        Ok(Self {
            directory,
            host,
            slapd,
            scim,
        })
    }

    async fn again(&mut self) -> Result<()> {
        self.host.kill()?;
        let start = apps::with_password(PASSWORD);
        self.host = Host::start_with(self.directory.path(), &start).await?;
        self.scim = self.host.scim("people")?;
        Ok(())
    }

    fn dir(&self) -> &str {
        self.directory.path().to_str().unwrap_or_default()
    }

    async fn person(&self, name: &str) -> Result<String> {
        let created = self.scim.post("/Users", &person(name)).await?;
        ensure!(created.status == 201, "{created:?}");
        Ok(created.id())
    }

    async fn turn(&self, id: &str, active: bool) -> Result<Value> {
        let change = json!([{ "op": "replace", "path": "active", "value": active }]);
        let path = format!("/Users/{id}");
        let reply = self.scim.patch(&path, &patch_op(&change)).await?;
        ensure!(reply.status == 200, "{reply:?}");
        Ok(reply.body)
    }

    /// In how many groups the directory has the person. The groups are asked: what the server's overlay makes of them for
    /// the person's own entry is another thing.
    fn groups(&self, name: &str) -> Result<usize> {
        let people = self
            .slapd
            .search(&format!("ou=people,{BASE}"), &format!("(uid={name})"))?;
        let dn = &people.first().context("the person is in the directory")?.dn;
        let found = self
            .slapd
            .search(&format!("ou=groups,{BASE}"), &format!("(member={dn})"))?;
        Ok(found.len())
    }
}

fn person(name: &str) -> Value {
    json!({
        "schemas": [USER], "userName": name, "displayName": "Ana Ruiz", "active": true, "title": "clerk",
        "name": { "givenName": "Ana", "familyName": "Ruiz" },
    })
}

fn waiting(dir: &str) -> Result<Vec<Value>> {
    let text = run_ok(&["password", "list", dir, "--output", "json"])?;
    Ok(serde_json::from_str(&text)?)
}

fn actions(dir: &str, id: &str) -> Result<Vec<String>> {
    let text = run_ok(&["audit", "list", dir, "--resource", id, "--output", "json"])?;
    let records: Vec<Value> = serde_json::from_str(&text)?;
    let action = |record: &Value| record["action"].as_str().unwrap_or_default().to_owned();
    Ok(records.iter().map(action).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_50_a_first_password_is_set_never_shown_and_handed_over_once() -> Result<()> {
    let policy = "[policy.initial-password]\nlength = 20\nspecial = 3\navoid = 'l1IO0\"\\'\n";
    let stage = Stage::new(policy).await?;
    let id = stage.person("ana").await?;
    let waits = waiting(stage.dir())?;
    ensure!(
        waits.len() == 1 && waits[0]["resource"] == id.as_str(),
        "{waits:?}"
    );

    // The directory knows it before anybody has seen it; whoever takes it gets it once.
    let take = ["password", "take", stage.dir(), "people", &id];
    let password = run_ok(&take)?.trim_end_matches('\n').to_owned();
    ensure!(password.chars().count() == 20, "{password}");
    let special = password.chars().filter(char::is_ascii_punctuation).count();
    ensure!(
        special >= 3 && !password.contains(['l', '1', 'I', 'O', '0', '"', '\\']),
        "{password}"
    );
    let dn = format!("uid=ana,ou=people,{BASE}");
    ensure!(
        stage.slapd.signs_in(&dn, &password)?,
        "the directory does not know it"
    );
    let twice = run(&take)?;
    ensure!(!twice.status.success(), "it was handed over twice");
    ensure!(waiting(stage.dir())?.is_empty());

    // It is in no file, in no log and in no record of the audit.
    for (file, bytes) in stage.directory.everything()? {
        let found = bytes
            .windows(password.len())
            .any(|window| window == password.as_bytes());
        ensure!(!found, "it is in {}", file.display());
    }
    ensure!(!stage.host.log().contains(&password), "it is in the log");
    ensure!(actions(stage.dir(), &id)? == ["create", "password", "hand-over"]);

    // Lost on the way: another one is set, and the first is worth nothing any more.
    run_ok(&["password", "renew", stage.dir(), "people", &id])?;
    let other = run_ok(&take)?.trim_end_matches('\n').to_owned();
    ensure!(other != password && stage.slapd.signs_in(&dn, &other)?);
    ensure!(!stage.slapd.signs_in(&dn, &password)?);

    // Where the client sends one the policy stands back.
    let mut own = person("bea");
    own["password"] = json!("Entra-made-this-1");
    let created = stage.scim.post("/Users", &own).await?;
    ensure!(created.status == 201, "{created:?}");
    ensure!(waiting(stage.dir())?.is_empty());
    ensure!(
        stage
            .slapd
            .signs_in(&format!("uid=bea,ou=people,{BASE}"), "Entra-made-this-1")?
    );

    // Who leaves before anybody took it takes it along.
    let gone = stage.person("carl").await?;
    let deleted = stage.scim.delete(&format!("/Users/{gone}")).await?;
    ensure!(
        deleted.status == 204 && waiting(stage.dir())?.is_empty(),
        "{deleted:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_50_a_host_that_dies_between_create_and_password_owes_it_still() -> Result<()> {
    let policy = "[policy.initial-password]\nlength = 12\n";
    let directory = Directory::new()?;
    directory.connector("guest", &build::guest()?)?;
    let waits = "do = \"wait\"\non = \"set-password\"";
    apps::guest(&directory, "people", waits, policy)?;
    let mut host = Host::start(&directory).await?;
    let scim = host.scim("people")?;
    let asking = {
        let scim = host.scim("people")?;
        tokio::spawn(async move {
            scim.post("/Users", &json!({ "schemas": [USER], "userName": "ana" }))
                .await
        })
    };
    // The account is there, and the connector sits over its password.
    let path = "/Users?filter=userName%20eq%20%22ana%22";
    let id = until("the account", async || {
        let found = scim.get(path).await?;
        Ok(found
            .resources()
            .first()
            .and_then(|user| user["id"].as_str())
            .map(str::to_owned))
    })
    .await?;
    let dir = directory.path().to_str().unwrap_or_default();
    ensure!(waiting(dir)?.is_empty(), "handed over before it was set");
    host.kill()?;
    ensure!(asking.await?.is_err(), "an answer came from a dead host");

    apps::guest(&directory, "people", "", policy)?;
    let host = Host::start(&directory).await?;
    let owed = until("the password", async || Ok(waiting(dir)?.pop())).await?;
    ensure!(owed["resource"] == id.as_str(), "{owed}");
    let password = run_ok(&["password", "take", dir, "people", &id])?;
    ensure!(password.trim_end().chars().count() == 12, "{password}");
    ensure!(!host.log().contains(password.trim_end()));

    // One that the target refuses blocks nobody, and says why.
    let refusing = "do = \"fail\"\non = \"set-password\"\nfault = \"invalid\"";
    apps::guest(&directory, "people", refusing, policy)?;
    host.hang_up()?;
    let refused = until("a refusal", async || {
        let name = format!("u{}", uuid());
        let made = host
            .scim("people")?
            .post("/Users", &json!({ "schemas": [USER], "userName": name }))
            .await?;
        ensure!(made.status == 201, "{made:?}");
        let all = waiting(dir)?;
        Ok(all.into_iter().find(|one| one["refused"].is_string()))
    })
    .await?;
    ensure!(
        refused["refused"]
            .as_str()
            .unwrap_or_default()
            .contains("failed as it was told to"),
        "{refused}"
    );
    let id = refused["resource"].as_str().unwrap_or_default();
    let take = run(&["password", "take", dir, "people", id])?;
    ensure!(!take.status.success() && String::from_utf8_lossy(&take.stderr).contains("renew"));
    Ok(())
}

fn uuid() -> String {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or_else(|_| String::new(), |now| now.as_nanos().to_string())
}

/// Looks until there is something.
async fn until<T>(what: &str, look: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "{what} did not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn row_51_a_disable_renames_by_an_expression_and_an_enable_takes_the_name_back() -> Result<()>
{
    let policy = "[policy.on-disable]\ntitle = \"left\"\n\n[policy.on-disable.expressions]\nuid = 'Join(\"\", \"x-\", [userName])'\n";
    let stage = Stage::new(policy).await?;
    let id = stage.person("ana").await?;
    stage.turn(&id, false).await?;
    let at = |name: &str| {
        stage
            .slapd
            .search(&format!("ou=people,{BASE}"), &format!("(uid={name})"))
    };
    let renamed = at("x-ana")?;
    ensure!(renamed.len() == 1 && at("ana")?.is_empty(), "{renamed:?}");
    ensure!(renamed[0].one("title") == Some("left"), "{renamed:?}");
    // The client finds the person by the name that it knows, as it was.
    let found = stage
        .scim
        .get("/Users?filter=userName%20eq%20%22ana%22")
        .await?;
    ensure!(found.resources().len() == 1, "{found:?}");
    let seen = &found.resources()[0];
    ensure!(
        seen["id"] == id.as_str() && seen["active"] == false && seen["title"] == "clerk",
        "{seen}"
    );
    // Nobody else gets the name meanwhile.
    let taken = stage.scim.post("/Users", &person("ana")).await?;
    ensure!(taken.status == 409, "{taken:?}");
    // What is changed while disabled is changed, and stays.
    let change = json!([{ "op": "replace", "path": "title", "value": "chief" }]);
    stage
        .scim
        .patch(&format!("/Users/{id}"), &patch_op(&change))
        .await?;
    let back = stage.turn(&id, true).await?;
    ensure!(
        back["userName"] == "ana" && back["title"] == "chief",
        "{back}"
    );
    let entry = at("ana")?;
    ensure!(
        entry.len() == 1 && entry[0].one("title") == Some("chief"),
        "{entry:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_51_a_disable_moves_the_entry_and_an_enable_moves_it_back() -> Result<()> {
    let left = format!("ou=left,ou=people,{BASE}");
    let policy =
        format!("[settings.users]\nmovable = true\n\n[policy.on-disable]\nparent = \"{left}\"\n");
    let stage = Stage::new(&policy).await?;
    stage.slapd.add(&format!(
        "dn: {left}\nobjectClass: organizationalUnit\nou: left\n"
    ))?;
    let id = stage.person("ana").await?;
    let team = json!({ "displayName": "Team", "members": [{ "value": id }] });
    ensure!(stage.scim.post("/Groups", &team).await?.status == 201);
    let dn = || -> Result<String> {
        let found = stage
            .slapd
            .search(&format!("ou=people,{BASE}"), "(uid=ana)")?;
        ensure!(found.len() == 1, "{found:?}");
        Ok(found[0].dn.clone())
    };
    stage.turn(&id, false).await?;
    ensure!(dn()? == format!("uid=ana,{left}"), "{}", dn()?);
    ensure!(stage.groups("ana")? == 1, "the membership did not follow");
    stage.turn(&id, true).await?;
    ensure!(dn()? == format!("uid=ana,ou=people,{BASE}"), "{}", dn()?);
    ensure!(stage.groups("ana")? == 1);
    Ok(())
}

/// So many groups that a host can be killed in the middle.
const GROUPS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn row_52_a_host_that_dies_while_somebody_leaves_the_groups_goes_on_with_it() -> Result<()> {
    let mut stage = Stage::new("[policy]\nstrip-memberships = true\n").await?;
    let id = stage.person("ana").await?;
    let other = stage.person("bea").await?;
    for n in 0..GROUPS {
        let team = json!({ "displayName": format!("Team {n}"), "members": [{ "value": id }, { "value": other }] });
        let team = stage.scim.post("/Groups", &team).await?;
        ensure!(team.status == 201, "{team:?}");
    }
    ensure!(stage.groups("ana")? == GROUPS);
    for (active, end) in [(false, 0), (true, GROUPS)] {
        let asking = {
            let scim = stage.host.scim("people")?;
            let (path, change) = (
                format!("/Users/{id}"),
                json!([{ "op": "replace", "path": "active", "value": active }]),
            );
            tokio::spawn(async move { scim.patch(&path, &patch_op(&change)).await })
        };
        until("the middle of it", async || {
            let now = stage.groups("ana")?;
            Ok((now > 0 && now < GROUPS).then_some(()))
        })
        .await?;
        stage.host.kill()?;
        let _ = asking.await?;
        let halfway = stage.groups("ana")?;
        ensure!(halfway != end, "it was over before the host was dead");
        stage.again().await?;
        until("the rest of it", async || {
            Ok((stage.groups("ana")? == end).then_some(()))
        })
        .await
        .with_context(|| {
            let groups = stage.groups("ana").unwrap_or_default();
            format!("{halfway} groups, then {groups}\n{}", stage.host.log())
        })?;
        ensure!(stage.groups("bea")? == GROUPS, "somebody else left");
        let seen = stage.scim.get(&format!("/Users/{id}")).await?;
        ensure!(seen.body["active"] == active, "{seen:?}");
    }
    let verdict = run_ok(&["audit", "verify", stage.dir()])?;
    ensure!(verdict.contains("the audit is whole"), "{verdict}");
    Ok(())
}
