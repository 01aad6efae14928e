//! Whom an app is for, and when it is written to: who is out of scope is not created and disturbs no client, and a target that
//! is closed is left alone.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, run_ok, run_with};
use tombolo_tests::ldif::Entry;
use tombolo_tests::people::{ENTERPRISE, USER};
use tombolo_tests::scim::{Scim, patch_op};
use tombolo_tests::slapd::{BASE, Slapd};
use tombolo_tests::{apps, build};

const PASSWORD: &str = "scope-password";
const SALES: &str = "[[scope]]\ntitle = \"Sales\"\nclauses = [\n    { attribute = \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department\", operator = \"EQUALS\", value = \"Sales\" },\n    { attribute = \"title\", operator = \"IS NOT NULL\" },\n]\n\n[[scope]]\ntype = \"Group\"\nclauses = [{ attribute = \"displayName\", operator = \"NOT REGEX MATCH\", value = \"^tmp\" }]\n";

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

    fn dir(&self) -> &str {
        self.directory.path().to_str().unwrap_or_default()
    }

    async fn create(&self, path: &str, body: &Value) -> Result<String> {
        let created = self.scim.post(path, body).await?;
        ensure!(created.status == 201, "{created:?}");
        Ok(created.id())
    }

    async fn patch(&self, path: &str, operations: Value) -> Result<Value> {
        let reply = self.scim.patch(path, &patch_op(&operations)).await?;
        ensure!(matches!(reply.status, 200 | 204), "{reply:?}");
        Ok(reply.body)
    }

    /// What the directory has of a person.
    fn entry(&self, name: &str) -> Result<Option<Entry>> {
        let base = format!("ou=people,{BASE}");
        Ok(self.slapd.search(&base, &format!("(uid={name})"))?.pop())
    }

    fn disabled(&self, name: &str) -> Result<Option<bool>> {
        let entry = self.entry(name)?;
        Ok(entry.map(|entry| entry.one("employeeType") == Some("disabled")))
    }
}

/// A command on the app, which names a secret of the environment.
fn with_password(arguments: &[&str]) -> Result<std::process::Output> {
    run_with(arguments, &[(apps::PASSWORD_VARIABLE, PASSWORD)])
}

fn person(name: &str, department: &str) -> Value {
    json!({
        "schemas": [USER, ENTERPRISE], "userName": name, "displayName": "Ana Ruiz", "active": true, "title": "clerk",
        "name": { "givenName": "Ana", "familyName": "Ruiz" }, ENTERPRISE: { "department": department },
    })
}

fn department(name: &str) -> Value {
    json!([{ "op": "replace", "path": format!("{ENTERPRISE}:department"), "value": name }])
}

fn title(text: &str) -> Value {
    json!([{ "op": "replace", "path": "title", "value": text }])
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_out_of_scope_is_not_created_and_disturbs_no_client() -> Result<()> {
    let stage = Stage::new(SALES).await?;
    let scim = &stage.scim;
    stage.create("/Users", &person("sam", "Sales")).await?;
    ensure!(stage.entry("sam")?.is_some());
    let writes = stage.slapd.writes()?;
    let id = stage.create("/Users", &person("leo", "Legal")).await?;
    // Every request of a client finds what it was told.
    let read = scim.get(&format!("/Users/{id}")).await?;
    ensure!(
        read.status == 200 && read.body["userName"] == "leo",
        "{read:?}"
    );
    let found = scim.get("/Users?filter=userName%20eq%20%22leo%22").await?;
    ensure!(
        found.resources().len() == 1 && found.resources()[0]["id"] == id.as_str(),
        "{found:?}"
    );
    let twice = scim.post("/Users", &person("leo", "Legal")).await?;
    ensure!(twice.status == 409, "{twice:?}");
    let changed = stage.patch(&format!("/Users/{id}"), title("judge")).await?;
    ensure!(changed["title"] == "judge", "{changed}");
    ensure!(
        stage.slapd.writes()? == writes,
        "the directory was written to"
    );
    let team = stage
        .create(
            "/Groups",
            &json!({ "displayName": "Team", "members": [{ "value": id }] }),
        )
        .await?;
    let listed = scim.get("/Users").await?;
    ensure!(listed.body["totalResults"] == 2, "{listed:?}");
    ensure!(
        stage.entry("leo")?.is_none(),
        "the directory has somebody who is out of scope"
    );

    // One attribute brings him in: under the same id, with everything that he was told meanwhile, and into the group.
    stage
        .patch(&format!("/Users/{id}"), department("Sales"))
        .await?;
    let entry = stage.entry("leo")?;
    let entry = entry.as_ref();
    ensure!(
        entry.and_then(|entry| entry.one("title")) == Some("judge"),
        "{entry:?}"
    );
    ensure!(
        entry.is_some_and(|entry| entry.all("memberOf").len() == 1),
        "{entry:?}"
    );
    let read = scim.get(&format!("/Users/{id}")).await?;
    ensure!(
        read.body["id"] == id.as_str() && read.body["active"] == true,
        "{read:?}"
    );
    let members = scim.get(&format!("/Groups/{team}")).await?;
    ensure!(
        members.body["members"][0]["value"] == id.as_str(),
        "{members:?}"
    );

    // A group out of scope keeps its members for the day on which it comes in.
    let body = json!({ "displayName": "tmp-1", "members": [{ "value": id }] });
    let group = stage.create("/Groups", &body).await?;
    let groups = |name: &str| {
        stage
            .slapd
            .search(&format!("ou=groups,{BASE}"), &format!("(cn={name})"))
    };
    ensure!(groups("tmp-1")?.is_empty());
    let renamed = json!([{ "op": "replace", "path": "displayName", "value": "Lasting" }]);
    stage.patch(&format!("/Groups/{group}"), renamed).await?;
    let there = groups("Lasting")?;
    ensure!(
        there.len() == 1
            && there[0]
                .all("member")
                .iter()
                .any(|dn| dn.starts_with("uid=leo,")),
        "{there:?}"
    );

    // Who was never there leaves without a trace.
    let gone = stage.create("/Users", &person("kim", "Legal")).await?;
    let deleted = scim.delete(&format!("/Users/{gone}")).await?;
    ensure!(deleted.status == 204, "{deleted:?}");
    ensure!(scim.get(&format!("/Users/{gone}")).await?.status == 404);
    stage.create("/Users", &person("kim", "Sales")).await?;
    ensure!(stage.entry("kim")?.is_some());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_the_scope_is_disabled_and_comes_back_as_he_is_wanted_by_then() -> Result<()> {
    let mut stage = Stage::new(SALES).await?;
    let id = stage.create("/Users", &person("ana", "Sales")).await?;
    let path = format!("/Users/{id}");
    let away = stage.patch(&path, department("Legal")).await?;
    ensure!(stage.disabled("ana")? == Some(true), "not disabled");
    ensure!(away["active"] == false, "{away}");
    // What is changed meanwhile is not written, and not lost, also not by the death of the host.
    stage.patch(&path, title("judge")).await?;
    let entry = stage.entry("ana")?;
    ensure!(entry.is_some_and(|entry| entry.one("title") == Some("clerk")));
    stage.host.kill()?;
    let start = apps::with_password(PASSWORD);
    stage.host = Host::start_with(stage.directory.path(), &start).await?;
    stage.scim = stage.host.scim("people")?;
    let back = stage.patch(&path, department("Sales")).await?;
    ensure!(back["active"] == true && back["title"] == "judge", "{back}");
    let entry = stage.entry("ana")?;
    ensure!(entry.is_some_and(|entry| entry.one("title") == Some("judge")));
    ensure!(stage.disabled("ana")? == Some(false));

    // Left alone, where the owner wants that.
    let leave = format!("[policy]\nout-of-scope = \"leave\"\n\n{SALES}");
    apps::ldap(&stage.directory, "people", &stage.slapd, &leave)?;
    stage.host.kill()?;
    stage.host = Host::start_with(stage.directory.path(), &start).await?;
    stage.scim = stage.host.scim("people")?;
    stage.patch(&path, department("Legal")).await?;
    ensure!(stage.disabled("ana")? == Some(false));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mapping_try_says_the_verdict_and_check_says_what_is_wrong_with_a_scope() -> Result<()> {
    let stage = Stage::new(SALES).await?;
    for (department, verdict) in [("Sales", true), ("Legal", false)] {
        let file = stage
            .directory
            .write("person.json", person("ana", department).to_string())?;
        let file = file.to_str().unwrap_or_default();
        let tried = with_password(&[
            "mapping",
            "try",
            stage.dir(),
            "people",
            "--person",
            file,
            "--output",
            "json",
        ])?;
        let tried: Value = serde_json::from_slice(&tried.stdout)?;
        ensure!(tried["in-scope"] == verdict, "{tried}");
    }
    let wrong = "[[scope]]\nclauses = [{ attribute = \"departmnt\", operator = \"EQUALS\", value = \"x\" }]\n\n[[scope]]\ntype = \"Robot\"\nclauses = [{ attribute = \"title\", operator = \"IS NULL\" }]\n";
    apps::ldap(&stage.directory, "people", &stage.slapd, wrong)?;
    let said = with_password(&["check", stage.dir()])?;
    let said =
        String::from_utf8_lossy(&said.stderr).into_owned() + &String::from_utf8_lossy(&said.stdout);
    for words in ["departmnt", "no resource type `Robot`"] {
        ensure!(said.contains(words), "no `{words}` in {said}");
    }
    let unknown = SALES.replace("IS NOT NULL", "IS NOT NUL");
    apps::ldap(&stage.directory, "people", &stage.slapd, &unknown)?;
    let said = with_password(&["check", "--files-only", stage.dir()])?;
    let said =
        String::from_utf8_lossy(&said.stderr).into_owned() + &String::from_utf8_lossy(&said.stdout);
    ensure!(
        said.contains("IS NOT NUL`; did you mean `IS NOT NULL`"),
        "{said}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_app_refuses_writes_with_a_wait_and_reads_on() -> Result<()> {
    let mut stage = Stage::new("").await?;
    let id = stage.create("/Users", &person("ana", "Sales")).await?;
    let path = format!("/Users/{id}");
    run_ok(&["app", "pause", stage.dir(), "people"])?;
    // The target may be down as well.
    let writes = stage.slapd.writes()?;
    for round in ["at once", "after a restart"] {
        let change = stage.scim.patch(&path, &patch_op(&title("chief"))).await?;
        ensure!(
            change.status == 503 && change.text.contains("paused"),
            "{round}: {change:?}"
        );
        let wait: u64 = change.header("retry-after").unwrap_or_default().parse()?;
        ensure!((1..=300).contains(&wait), "{round}: {wait}");
        ensure!(
            stage
                .scim
                .post("/Users", &person("bea", "Sales"))
                .await?
                .status
                == 503
        );
        ensure!(stage.scim.delete(&path).await?.status == 503);
        let read = stage.scim.get(&path).await?;
        ensure!(
            read.status == 200 && read.body["title"] == "clerk",
            "{round}: {read:?}"
        );
        let found = stage
            .scim
            .get("/Users?filter=userName%20eq%20%22ana%22")
            .await?;
        ensure!(found.resources().len() == 1, "{round}: {found:?}");
        let metrics = stage.host.get("/metrics").await?.1;
        ensure!(
            metrics.contains("tombolo_app_closed{app=\"people\"} 1"),
            "{metrics}"
        );
        stage.host.kill()?;
        let start = apps::with_password(PASSWORD);
        stage.host = Host::start_with(stage.directory.path(), &start).await?;
        stage.scim = stage.host.scim("people")?;
    }
    ensure!(
        stage.slapd.writes()? == writes,
        "the directory was written to"
    );
    run_ok(&["app", "resume", stage.dir(), "people"])?;
    stage.patch(&path, title("chief")).await?;
    let text = run_ok(&["audit", "list", stage.dir(), "--output", "json"])?;
    let records: Vec<Value> = serde_json::from_str(&text)?;
    for action in ["pause", "resume"] {
        let found = records.iter().find(|record| record["action"] == action);
        ensure!(
            found.is_some_and(|record| record["by"]["operator"].is_string()),
            "{action}"
        );
    }

    // One that has an end ends by itself.
    run_ok(&["app", "pause", stage.dir(), "people", "--until", "2s"])?;
    ensure!(
        stage
            .scim
            .patch(&path, &patch_op(&title("clerk")))
            .await?
            .status
            == 503
    );
    let deadline = Instant::now() + Duration::from_secs(30);
    while stage
        .scim
        .patch(&path, &patch_op(&title("clerk")))
        .await?
        .status
        == 503
    {
        ensure!(Instant::now() < deadline, "the pause did not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_the_opening_hours_nothing_is_written() -> Result<()> {
    // The hour that is farthest from now, and the whole day.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let far = (now.as_secs() / 3600 + 12) % 24;
    let (on, off) = ("00:00-24:00", format!("{far:02}:00-{:02}:00", far + 1));
    let hours = |time: &str| {
        format!("[maintenance]\nopening-hours = [\"Mon-Sun {time}\"]\ntime-zone = \"UTC\"\n")
    };
    let stage = Stage::new(&hours(&off)).await?;
    let refused = stage.scim.post("/Users", &person("ana", "Sales")).await?;
    ensure!(
        refused.status == 503 && refused.text.contains("opening hours"),
        "{refused:?}"
    );
    ensure!(refused.header("retry-after").is_some(), "{refused:?}");
    let nobody = stage
        .scim
        .get("/Users?filter=userName%20eq%20%22ana%22")
        .await?;
    ensure!(
        nobody.status == 200 && nobody.body["totalResults"] == 0,
        "{nobody:?}"
    );
    apps::ldap(&stage.directory, "people", &stage.slapd, &hours(on))?;
    stage.host.hang_up()?;
    let deadline = Instant::now() + Duration::from_secs(60);
    while stage
        .scim
        .post("/Users", &person("ana", "Sales"))
        .await?
        .status
        == 503
    {
        ensure!(
            Instant::now() < deadline,
            "the new hours were not taken over"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ensure!(stage.entry("ana")?.is_some());
    Ok(())
}
