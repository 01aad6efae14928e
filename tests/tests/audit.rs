//! Every operation leaves one record that says who, what and how it ended, in a chain that a kill does not break; no
//! record holds a secret. Rows 65, 66 and 70 of what a connector host must have.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, run, run_ok};
use tombolo_tests::slapd::Slapd;
use tombolo_tests::{apps, build};

const SECRET: &str = "Initial-Passw0rd-1f0b6f3f";

fn person(name: &str) -> Value {
    json!({
        "userName": name, "displayName": name, "active": true, "title": "clerk", "password": SECRET,
        "name": { "givenName": "P", "familyName": name },
    })
}

fn set(path: &str, value: &Value) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "Replace", "path": path, "value": value }],
    })
}

fn records(dir: &Directory, more: &[&str]) -> Result<Vec<Value>> {
    let dir = dir.path().to_str().unwrap_or_default();
    let arguments = ["audit", "list", dir, "--output", "json", "--limit", "10000"];
    Ok(serde_json::from_str(&run_ok(
        &[&arguments, more].concat(),
    )?)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_is_told_with_who_asked_what_was_called_and_what_changed() -> Result<()> {
    let slapd = Slapd::start("audit-password")?;
    let directory = Directory::new()?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    apps::ldap(&directory, "people", &slapd, "")?;
    let start = apps::with_password("audit-password");
    let host = Host::start_with(directory.path(), &start).await?;
    let scim = host.scim("people")?;
    let created = scim.post("/Users", &person("ana")).await?;
    ensure!(created.status == 201, "{created:?}");
    let (id, path) = (created.id(), format!("/Users/{}", created.id()));
    scim.patch(&path, &set("title", &json!("chief"))).await?;
    scim.patch(&path, &set("title", &json!("chief"))).await?;
    scim.patch(&path, &set("active", &json!("False"))).await?;
    let twice = scim.post("/Users", &person("ana")).await?;
    ensure!(twice.status == 409, "{twice:?}");
    let team = scim
        .post(
            "/Groups",
            &json!({ "displayName": "Team", "members": [{ "value": id }] }),
        )
        .await?;
    ensure!(team.status == 201, "{team:?}");
    scim.delete(&path).await?;

    let told = records(&directory, &[])?;
    let seen: Vec<(&str, &str)> = told
        .iter()
        .map(|r| (text(&r["action"]), text(&r["outcome"])))
        .filter(|(action, _)| *action != "password")
        .collect();
    for expected in [
        ("create", "success"),
        ("update", "success"),
        ("update", "unchanged"),
        ("disable", "success"),
        ("create", "failure"),
        ("members", "success"),
        ("delete", "success"),
    ] {
        ensure!(seen.contains(&expected), "no {expected:?} in {seen:?}");
    }
    let of = |action: &str| {
        told.iter()
            .find(|r| r["action"] == action)
            .cloned()
            .unwrap_or_default()
    };
    let update = of("update");
    ensure!(update["by"]["credential"] == "test", "{update}");
    ensure!(
        update["by"]["activity"] == "0b0e7f3c-7c43-4be1-9d4d-6d4b1a0a4a10",
        "{update}"
    );
    ensure!(
        update["resource"] == id.as_str() && update["name"] == "ana",
        "{update}"
    );
    ensure!(
        update["calls"][0]["call"] == "update" && update["calls"][0]["answer"] == "ok",
        "{update}"
    );
    ensure!(update["before"] == json!({ "title": "clerk" }), "{update}");
    ensure!(update["after"] == json!({ "title": "chief" }), "{update}");
    let delete = of("delete");
    ensure!(delete["groups"] == json!([team.id()]), "{delete}");
    let failed = told
        .iter()
        .find(|r| r["outcome"] == "failure")
        .cloned()
        .unwrap_or_default();
    ensure!(failed["problem"]["code"] == "uniqueness", "{failed}");

    // Found by what Entra's log knows, by name, by time.
    let by_activity = records(
        &directory,
        &["--activity", "0B0E7F3C-7C43-4BE1-9D4D-6D4B1A0A4A10"],
    )?;
    ensure!(by_activity.len() == told.len());
    ensure!(
        records(
            &directory,
            &["--resource", "ana", "--app", "people", "--since", "1h"]
        )?
        .len()
            >= 4
    );
    ensure!(records(&directory, &["--until", "1h"])?.is_empty());

    // Exported in the shape of Entra's log.
    let dir = directory.path().to_str().unwrap_or_default();
    let export = run_ok(&["audit", "export", dir, "--app", "people"])?;
    let lines: Vec<Value> = export
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    ensure!(lines.len() == told.len());
    for line in &lines {
        for key in [
            "id",
            "activityDateTime",
            "provisioningAction",
            "provisioningStatusInfo",
            "modifiedProperties",
        ] {
            ensure!(!line[key].is_null(), "{key}: {line}");
        }
        // Entra's own id of the operation, from its header.
        ensure!(
            line["changeId"] == "0b0e7f3c-7c43-4be1-9d4d-6d4b1a0a4a10",
            "{line}"
        );
    }
    ensure!(!export.contains(SECRET) && !told.iter().any(|r| r.to_string().contains(SECRET)));
    drop(host);
    for (path, bytes) in directory.everything()? {
        let found = bytes
            .windows(SECRET.len())
            .any(|part| part == SECRET.as_bytes());
        ensure!(!found, "the password is in {}", path.display());
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_write_is_told_and_the_chain_is_whole_after_kills() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "people", "")?;
    let mut acknowledged = Vec::new();
    for life in 0..4 {
        let mut host = Host::start(&directory).await?;
        let scim = host.scim("people")?;
        let writer = tokio::spawn(async move {
            let mut written = Vec::new();
            for n in 0..1000 {
                match scim.post("/Users", &person(&format!("p{life}-{n}"))).await {
                    Ok(created) if created.status == 201 => written.push(created.id()),
                    _ => break,
                }
            }
            written
        });
        // Anywhere in the middle of it.
        tokio::time::sleep(Duration::from_millis(400 + 150 * life)).await;
        host.kill()?;
        acknowledged.extend(writer.await?);
    }
    ensure!(
        acknowledged.len() > 20,
        "only {} writes",
        acknowledged.len()
    );
    // No host runs: the command reads the store itself.
    let dir = directory.path().to_str().unwrap_or_default();
    let verdict = run_ok(&["audit", "verify", dir, "--output", "json"])?;
    let verdict: Value = serde_json::from_str(&verdict)?;
    ensure!(verdict["breaks"] == json!([]), "{verdict}");
    let told = records(&directory, &["--app", "people"])?;
    for id in &acknowledged {
        let of: Vec<_> = told
            .iter()
            .filter(|r| {
                r["resource"] == id.as_str() && r["action"] == "create" && r["outcome"] == "success"
            })
            .collect();
        ensure!(of.len() == 1, "{} records of the create of {id}", of.len());
    }

    // Whoever rewrote everything would have to have rewritten what is known elsewhere.
    let heads = verdict["heads"].as_object().cloned().unwrap_or_default();
    let anchor = heads.values().next().map(text).unwrap_or_default();
    run_ok(&["audit", "verify", dir, "--anchor", anchor])?;
    let wrong = run(&["audit", "verify", dir, "--anchor", &"0".repeat(63)])?;
    ensure!(!wrong.status.success());
    Ok(())
}
