//! Floods are held, writes are looked at before they are made, changes are taken back; the target, seen from outside,
//! agrees each time. Rows 51, 53 and 54 of what a connector host must have.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, TOKEN, run, run_ok};
use tombolo_tests::scim::{SCIM_JSON, Scim, http_client};
use tombolo_tests::slapd::{BASE, Slapd};
use tombolo_tests::{apps, build};

const PASSWORD: &str = "policy-password";
/// How many people there are; 30 % of them are to be disabled.
const PEOPLE: usize = 20;
const BREAKER: &str = "[breaker]\nwindow = \"1h\"\npercent = 10\n";

/// A real target, seen from outside.
enum Target {
    Csv,
    Ldap(Slapd),
}

impl Target {
    /// The user names of who is there, and of who is disabled.
    fn people(&self, directory: &Directory) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
        let (mut all, mut disabled) = (BTreeSet::new(), BTreeSet::new());
        match self {
            Self::Csv => {
                let file = directory.path().join("data/people").join(apps::CSV_USERS);
                let mut reader = csv::Reader::from_path(file)?;
                let heads = reader.headers()?.clone();
                for row in reader.records() {
                    let row = row?;
                    let cell = |name: &str| {
                        let at = heads.iter().position(|head| head == name);
                        at.and_then(|at| row.get(at)).unwrap_or_default().to_owned()
                    };
                    let name = cell(apps::CSV_USER_NAME);
                    if cell("active") == "false" {
                        disabled.insert(name.clone());
                    }
                    all.insert(name);
                }
            }
            Self::Ldap(slapd) => {
                let base = format!("ou=people,{BASE}");
                for entry in slapd.search(&base, "(objectClass=inetOrgPerson)")? {
                    let name = entry.one("uid").unwrap_or_default().to_owned();
                    if entry.one("employeeType") == Some("disabled") {
                        disabled.insert(name.clone());
                    }
                    all.insert(name);
                }
            }
        }
        Ok((all, disabled))
    }
}

struct Stage {
    directory: Directory,
    host: Host,
    target: Target,
    scim: Scim,
    ids: Vec<String>,
}

impl Stage {
    async fn new(ldap: bool, rest: &str) -> Result<Self> {
        let directory = Directory::new()?;
        let (target, host) = if ldap {
            let slapd = Slapd::start(PASSWORD)?;
            directory.connector("ldap", &build::connector("ldap")?)?;
            apps::ldap(&directory, "people", &slapd, rest)?;
            let start = apps::with_password(PASSWORD);
            let host = Host::start_with(directory.path(), &start).await?;
            (Target::Ldap(slapd), host)
        } else {
            directory.connector("csv", &build::connector("csv")?)?;
            apps::csv(&directory, "people", rest)?;
            (Target::Csv, Host::start(&directory).await?)
        };
        let scim = host.scim("people")?;
        let mut ids = Vec::new();
        for n in 0..PEOPLE {
            let created = scim.post("/Users", &person(n)).await?;
            ensure!(created.status == 201, "{created:?}");
            ids.push(created.id());
        }
        Ok(Self {
            directory,
            host,
            target,
            scim,
            ids,
        })
    }

    fn dir(&self) -> &str {
        self.directory.path().to_str().unwrap_or_default()
    }

    fn disabled(&self) -> Result<usize> {
        Ok(self.target.people(&self.directory)?.1.len())
    }

    fn all(&self) -> Result<usize> {
        Ok(self.target.people(&self.directory)?.0.len())
    }

    fn held(&self) -> Result<Vec<Value>> {
        let text = run_ok(&["held", "list", self.dir(), "--output", "json"])?;
        Ok(serde_json::from_str(&text)?)
    }
}

fn person(n: usize) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": format!("p{n:02}@example.org"), "displayName": format!("Person {n}"),
        "name": { "givenName": "P", "familyName": format!("Erson{n}") }, "active": true,
        "title": "clerk",
    })
}

fn set(path: &str, value: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "Replace", "path": path, "value": value }],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_that_would_disable_a_third_of_openldap_is_held_approved_and_undone() -> Result<()>
{
    disaster(Stage::new(true, BREAKER).await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_that_would_disable_a_third_of_a_csv_file_is_held_approved_and_undone() -> Result<()>
{
    disaster(Stage::new(false, BREAKER).await?).await
}

async fn disaster(stage: Stage) -> Result<()> {
    let (scim, ids) = (&stage.scim, &stage.ids);
    // Six of twenty: two are let through (10 %), four are held. Each is answered as if it were done.
    for id in &ids[..6] {
        let answer = scim
            .patch(&format!("/Users/{id}"), &set("active", &json!("False")))
            .await?;
        ensure!(answer.status == 200, "{answer:?}");
    }
    ensure!(stage.disabled()? == 2, "{} disabled", stage.disabled()?);
    ensure!(stage.held()?.len() == 4, "{:?}", stage.held()?);
    // The same again, as Entra does it when it is not sure: nothing more is held, nothing is done.
    let again = scim
        .patch(&format!("/Users/{}", ids[5]), &set("active", &json!(false)))
        .await?;
    ensure!(again.status == 200, "{again:?}");
    ensure!(stage.held()?.len() == 4 && stage.disabled()? == 2);
    // Who reads sees what is so; other changes of the same person are not held.
    let read = scim.get(&format!("/Users/{}", ids[5])).await?;
    ensure!(read.body["active"] == true, "{read:?}");
    let titled = scim
        .patch(
            &format!("/Users/{}", ids[5]),
            &set("title", &json!("chief")),
        )
        .await?;
    ensure!(titled.body["title"] == "chief", "{titled:?}");
    ensure!(
        titled.body["active"] == true && stage.held()?.len() == 4,
        "{titled:?}"
    );
    // A client that enables again takes back what is held.
    let enabled = scim
        .patch(&format!("/Users/{}", ids[4]), &set("active", &json!(true)))
        .await?;
    ensure!(enabled.status == 200, "{enabled:?}");
    ensure!(stage.held()?.len() == 3, "{:?}", stage.held()?);
    // One is rejected.
    run_ok(&["held", "reject", stage.dir(), "people", &ids[3]])?;
    ensure!(stage.held()?.len() == 2 && stage.disabled()? == 2);

    // The rest is approved.
    let text = run_ok(&[
        "held",
        "approve",
        stage.dir(),
        "people",
        "--all",
        "--output",
        "json",
    ])?;
    let order: Value = serde_json::from_str(&text)?;
    ensure!(order["end"]["done"] == 2, "{order}");
    ensure!(stage.disabled()? == 4, "{} disabled", stage.disabled()?);
    ensure!(stage.held()?.is_empty());

    // Everything that the order did is taken back, after a look at what that would be.
    let request = order["end"]["request"].as_str().unwrap_or_default();
    let look = ["audit", "undo", stage.dir(), "--request", request];
    let plan = run_ok(&look)?;
    ensure!(plan.contains("2 can be taken back"), "{plan}");
    ensure!(stage.disabled()? == 4, "a look changed something");
    run_ok(&[look.as_slice(), &["--yes"]].concat())?;
    ensure!(stage.disabled()? == 2, "{} disabled", stage.disabled()?);
    let back = scim.get(&format!("/Users/{}", ids[2])).await?;
    ensure!(back.body["active"] == true, "{back:?}");
    // What has changed since is not written over.
    let refused = run(&[look.as_slice(), &["--yes"]].concat())?;
    ensure!(!refused.status.success(), "the same was taken back twice");

    let verdict = run_ok(&["audit", "verify", stage.dir()])?;
    ensure!(verdict.contains("the audit is whole"), "{verdict}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn held_deletes_survive_the_death_of_the_host() -> Result<()> {
    let mut stage = Stage::new(false, "[breaker]\ncount = 1\n").await?;
    for id in &stage.ids[..3] {
        let answer = stage.scim.delete(&format!("/Users/{id}")).await?;
        ensure!(answer.status == 204, "{answer:?}");
    }
    ensure!(stage.all()? == PEOPLE - 1, "{} left", stage.all()?);
    stage.host.kill()?;
    stage.host = Host::start(&stage.directory).await?;
    stage.scim = stage.host.scim("people")?;
    ensure!(stage.held()?.len() == 2, "{:?}", stage.held()?);
    // The count too: one more is one too many.
    let more = stage
        .scim
        .delete(&format!("/Users/{}", stage.ids[3]))
        .await?;
    ensure!(more.status == 204, "{more:?}");
    ensure!(stage.held()?.len() == 3 && stage.all()? == PEOPLE - 1);
    // Whoever writes to what was deleted has not deleted it.
    let path = format!("/Users/{}", stage.ids[3]);
    stage
        .scim
        .patch(&path, &set("title", &json!("back")))
        .await?;
    ensure!(stage.held()?.len() == 2, "{:?}", stage.held()?);
    run_ok(&["held", "approve", stage.dir(), "people", &stage.ids[1]])?;
    ensure!(stage.all()? == PEOPLE - 2, "{} left", stage.all()?);
    let gone = stage.scim.get(&format!("/Users/{}", stage.ids[1])).await?;
    ensure!(gone.status == 404, "{gone:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_person_comes_back_under_the_same_id_and_into_the_same_group() -> Result<()> {
    let stage = Stage::new(true, "").await?;
    let (scim, id) = (&stage.scim, &stage.ids[7]);
    let team = scim
        .post(
            "/Groups",
            &json!({ "displayName": "Team", "members": [{ "value": id }, { "value": stage.ids[1] }] }),
        )
        .await?;
    ensure!(team.status == 201, "{team:?}");
    let before = scim.get(&format!("/Users/{id}")).await?;
    let deleted = scim.delete(&format!("/Users/{id}")).await?;
    ensure!(deleted.status == 204, "{deleted:?}");
    ensure!(stage.all()? == PEOPLE - 1);
    let records = run_ok(&[
        "audit",
        "list",
        stage.dir(),
        "--resource",
        id,
        "--output",
        "json",
    ])?;
    let records: Value = serde_json::from_str(&records)?;
    let last = records
        .as_array()
        .and_then(|all| all.last())
        .cloned()
        .unwrap_or_default();
    ensure!(last["action"] == "delete", "{last}");
    let record = last["id"].as_str().unwrap_or_default();
    run_ok(&["audit", "undo", stage.dir(), record, "--yes"])?;
    ensure!(stage.all()? == PEOPLE);
    let after = scim.get(&format!("/Users/{id}")).await?;
    for name in ["id", "userName", "displayName", "title", "name", "active"] {
        ensure!(after.body[name] == before.body[name], "{name}: {after:?}");
    }
    let team = scim.get(&format!("/Groups/{}", team.id())).await?;
    let members = team.body["members"].as_array().map_or(0, Vec::len);
    ensure!(members == 2, "{team:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_a_write_would_do_and_does_nothing() -> Result<()> {
    let stage = Stage::new(true, "").await?;
    let id = &stage.ids[0];
    let Target::Ldap(slapd) = &stage.target else {
        return Ok(());
    };
    let (writes, version) = (
        slapd.writes()?,
        stage.scim.get(&format!("/Users/{id}")).await?.body["meta"]["version"].clone(),
    );

    let plan = dry(
        &stage,
        Method::PATCH,
        &format!("/Users/{id}"),
        Some(set("title", &json!("chief"))),
    )
    .await?;
    ensure!(
        plan["action"] == "update" && plan["before"]["title"] == "clerk",
        "{plan}"
    );
    ensure!(plan["after"]["title"] == "chief", "{plan}");
    let edit = json!([{ "attribute": "title", "put": "chief" }]);
    ensure!(plan["calls"][0]["edits"] == edit, "{plan}");

    let plan = dry(&stage, Method::POST, "/Users", Some(person(99))).await?;
    ensure!(
        plan["action"] == "create" && plan["problems"] == json!([]),
        "{plan}"
    );
    ensure!(
        plan["calls"][0]["attributes"]["uid"] == "p99@example.org",
        "{plan}"
    );
    // What the real request would be refused for is in the plan.
    let plan = dry(&stage, Method::POST, "/Users", Some(person(0))).await?;
    ensure!(plan["problems"][0]["status"] == 409, "{plan}");
    let plan = dry(&stage, Method::DELETE, &format!("/Users/{id}"), None).await?;
    ensure!(
        plan["action"] == "delete" && plan["calls"][0]["call"] == "delete",
        "{plan}"
    );
    let plan = dry(&stage, Method::DELETE, "/Users/nobody", None).await?;
    ensure!(plan["problems"][0]["status"] == 404, "{plan}");
    let mut with_password = person(98);
    with_password["password"] = json!("Passw0rd-that-nobody-may-see");
    let plan = dry(&stage, Method::POST, "/Users", Some(with_password)).await?;
    ensure!(!plan.to_string().contains("Passw0rd"), "{plan}");

    ensure!(slapd.writes()? == writes, "the directory was written to");
    ensure!(stage.all()? == PEOPLE);
    let after = stage.scim.get(&format!("/Users/{id}")).await?;
    ensure!(after.body["meta"]["version"] == version, "{after:?}");
    Ok(())
}

async fn dry(stage: &Stage, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
    let url = format!("{}{path}", stage.scim.base());
    let mut request = http_client(None)?
        .request(method, url)
        .bearer_auth(TOKEN)
        .header("tombolo-dry-run", "true");
    if let Some(body) = body {
        request = request
            .header("content-type", SCIM_JSON)
            .body(body.to_string());
    }
    let response = request.send().await?;
    ensure!(response.status() == 200, "{}", response.status());
    Ok(response.json().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_forbid_what_they_say() -> Result<()> {
    let stage = Stage::new(false, "[policy]\nmode = \"no-delete\"\n").await?;
    let path = format!("/Users/{}", stage.ids[0]);
    let refused = stage.scim.delete(&path).await?;
    ensure!(
        refused.status == 403 && refused.text.contains("no-delete"),
        "{refused:?}"
    );
    ensure!(stage.all()? == PEOPLE);

    for (mode, status) in [("read-only", 403), ("dry-run", 200)] {
        apps::csv(
            &stage.directory,
            "people",
            &format!("[policy]\nmode = \"{mode}\"\n"),
        )?;
        stage.host.hang_up()?;
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let answer = stage.scim.patch(&path, &set("title", &json!(mode))).await?;
            if answer.status == status && answer.body["title"] != mode {
                break;
            }
            ensure!(std::time::Instant::now() < deadline, "{mode}: {answer:?}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    let before = stage.scim.get(&path).await?.body["title"].clone();
    let plan = stage
        .scim
        .patch(&path, &set("title", &json!("other")))
        .await?;
    ensure!(plan.body["after"]["title"] == "other", "{plan:?}");
    ensure!(stage.scim.get(&path).await?.body["title"] == before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soft_delete_disables() -> Result<()> {
    let stage = Stage::new(true, "[policy]\ndelete = \"soft\"\n").await?;
    let path = format!("/Users/{}", stage.ids[0]);
    let deleted = stage.scim.delete(&path).await?;
    ensure!(deleted.status == 204, "{deleted:?}");
    ensure!(stage.all()? == PEOPLE && stage.disabled()? == 1);
    let read = stage.scim.get(&path).await?;
    ensure!(read.body["active"] == false, "{read:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_disabled_leaves_the_groups_and_comes_back_into_them() -> Result<()> {
    let stage = Stage::new(true, "[policy]\nstrip-memberships = true\n").await?;
    let Target::Ldap(slapd) = &stage.target else {
        return Ok(());
    };
    let (scim, id) = (&stage.scim, &stage.ids[7]);
    let members = json!([{ "value": id }, { "value": stage.ids[1] }]);
    for name in ["One", "Two"] {
        let team = json!({ "displayName": name, "members": members });
        let team = scim.post("/Groups", &team).await?;
        ensure!(team.status == 201, "{team:?}");
    }
    let groups = || -> Result<usize> {
        let entries = slapd.search(&format!("ou=people,{BASE}"), "(uid=p07@example.org)")?;
        Ok(entries
            .first()
            .map_or(0, |entry| entry.all("memberOf").len()))
    };
    ensure!(groups()? == 2, "{}", groups()?);
    let path = format!("/Users/{id}");
    scim.patch(&path, &set("active", &json!("False"))).await?;
    ensure!(groups()? == 0, "still in {} groups", groups()?);
    let back = scim.patch(&path, &set("active", &json!("True"))).await?;
    ensure!(back.status == 200, "{back:?}");
    ensure!(groups()? == 2, "back in {} groups", groups()?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_with_a_grace_period_disables_and_deletes_when_it_ends() -> Result<()> {
    let stage = Stage::new(false, "[policy]\ndelete = \"5s\"\n").await?;
    let scim = &stage.scim;
    for id in &stage.ids[..2] {
        let deleted = scim.delete(&format!("/Users/{id}")).await?;
        ensure!(deleted.status == 204, "{deleted:?}");
    }
    ensure!(stage.all()? == PEOPLE && stage.disabled()? == 2);
    // One of them comes back in time.
    let path = format!("/Users/{}", stage.ids[0]);
    scim.patch(&path, &set("active", &json!(true))).await?;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let gone = format!("/Users/{}", stage.ids[1]);
    while scim.get(&gone).await?.status != 404 {
        ensure!(std::time::Instant::now() < deadline, "nobody was deleted");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    ensure!(stage.all()? == PEOPLE - 1);
    ensure!(scim.get(&path).await?.body["active"] == true);
    let text = run_ok(&[
        "audit",
        "list",
        stage.dir(),
        "--resource",
        &stage.ids[1],
        "--output",
        "json",
    ])?;
    let records: Value = serde_json::from_str(&text)?;
    let told: Vec<_> = records
        .as_array()
        .into_iter()
        .flatten()
        .map(|r| r["action"].clone())
        .collect();
    ensure!(
        told == [json!("create"), json!("disable"), json!("delete")],
        "{told:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disable_writes_what_its_owner_wants_and_an_enable_puts_back_what_was_there() -> Result<()>
{
    let rest = "[policy.on-disable]\ntitle = \"left\"\npreferredLanguage = \"xx\"\n";
    let stage = Stage::new(true, rest).await?;
    let Target::Ldap(slapd) = &stage.target else {
        return Ok(());
    };
    let of_seven = || -> Result<(Option<String>, Option<String>)> {
        let entries = slapd.search(&format!("ou=people,{BASE}"), "(uid=p07@example.org)")?;
        let one = |name: &str| Some(entries.first()?.one(name)?.to_owned());
        Ok((one("title"), one("preferredLanguage")))
    };
    let pair = |a: Option<&str>, b: Option<&str>| (a.map(str::to_owned), b.map(str::to_owned));
    let path = format!("/Users/{}", stage.ids[7]);
    stage
        .scim
        .patch(&path, &set("active", &json!("False")))
        .await?;
    ensure!(
        of_seven()? == pair(Some("left"), Some("xx")),
        "{:?}",
        of_seven()?
    );
    stage
        .scim
        .patch(&path, &set("active", &json!("True")))
        .await?;
    ensure!(
        of_seven()? == pair(Some("clerk"), None),
        "{:?}",
        of_seven()?
    );
    Ok(())
}
