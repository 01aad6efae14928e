//! The operator's side: files, commands, tokens, certificates, stopping.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, Start, TOKEN, digest, run, run_ok};
use tombolo_tests::people::USER;
use tombolo_tests::scim::{Scim, http_client};
use tombolo_tests::{apps, build, slapd};

fn person(name: &str) -> Value {
    json!({ "schemas": [USER], "userName": name, "displayName": name, "name": { "familyName": "Operator" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn init_writes_a_directory_that_serves() -> Result<()> {
    let parent = tempfile::tempdir()?;
    let directory = parent.path().join("demo");
    let folder = directory.display().to_string();
    let facts: Value = serde_json::from_str(&run_ok(&["init", &folder, "--output", "json"])?)?;
    let token = facts["token"].as_str().context("no token")?;
    let url = facts["url"].as_str().context("no url")?;
    ensure!(url.ends_with("/apps/demo/scim/v2"), "{facts}");
    let files: String = walk(&directory)?
        .into_iter()
        .map(|(_, text)| text)
        .collect();
    ensure!(!files.contains(token), "the token itself is in a file");
    ensure!(
        run(&["init", &folder])?.status.code() != Some(0),
        "init overwrote a directory"
    );
    let listed: Value = serde_json::from_str(&run_ok(&["check", &folder, "--output", "json"])?)?;
    ensure!(listed["errors"] == 0, "{listed}");

    let host = Host::start_with(&directory, &Start::default()).await?;
    let scim = Scim::new(format!("{}/apps/demo/scim/v2", host.url()), token)?;
    ensure!(scim.get("/Users").await?.status == 200);
    let made = scim.post("/Users", &person("first@example.test")).await?;
    ensure!(made.status == 201, "{made:?}");
    ensure!(host.get("/healthz").await?.0 == 200);
    ensure!(host.get("/readyz").await?.0 == 200);
    let (status, metrics) = host.get("/metrics").await?;
    ensure!(status == 200 && metrics.contains("demo"), "{metrics}");
    ensure!(
        !metrics.contains("first@example.test"),
        "/metrics holds a person"
    );
    Ok(())
}

fn walk(folder: &std::path::Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(walk(&path)?);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            files.push((path.display().to_string(), text));
        }
    }
    Ok(files)
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_everything_that_is_wrong_with_file_and_line() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    directory.write(
        "tombolo.toml",
        "[server]\nlisten = \"somewhere\"\nplain-htp = true\n[limits]\nbody = \"much\"\n",
    )?;
    directory.write(
        "apps/a.toml",
        "connector = \"cvs\"\n[auth]\ntokens = [{ name = \"x\", sha256 = \"abc\" }]\n",
    )?;
    directory.app("b", "csv", "[directories]\ndata = { path = \"nowhere\", access = \"rw\" }\n[limits]\nwall = \"soon\"\n")?;
    directory.write("apps/c.toml", "connector = \n")?;
    directory.app(
        "d",
        "csv",
        "[targets.directory]\nkind = \"ldap\"\nurl = \"http://x\"\nbind-dn = \"cn=x\"\npassword = \"hunter2-in-clear\"\n",
    )?;
    directory.app("e", "csv", "[settings]\ndelimiter = 7\n")?;
    let output = run(&["check", &directory.path().display().to_string()])?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    println!("{text}");
    ensure!(!output.status.success(), "check is content");
    for place in [
        "tombolo.toml:2",
        "tombolo.toml:3",
        "tombolo.toml:5",
        "apps/a.toml:1",
        "apps/a.toml:3",
        "apps/b.toml:7",
        "apps/b.toml:9",
        "apps/c.toml:1",
        "apps/d.toml:8",
        "apps/d.toml:10",
    ] {
        ensure!(text.contains(place), "nothing is said of {place}");
    }
    ensure!(text.contains("plain-http"), "no hint for the misspelt key");
    ensure!(
        !text.contains("hunter2-in-clear"),
        "a secret that stood in the file is printed"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn apps_and_connectors_can_be_listed_tested_and_inspected() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    apps::csv(&directory, "people", "")?;
    let folder = directory.path().display().to_string();
    let listed: Value =
        serde_json::from_str(&run_ok(&["app", "list", &folder, "--output", "json"])?)?;
    ensure!(listed["apps"][0]["name"] == "people", "{listed}");
    let tested = run_ok(&["app", "test", &folder, "people"])?;
    ensure!(tested.contains("people"), "{tested}");
    let connectors = run_ok(&["connector", "list", &folder])?;
    ensure!(
        connectors.contains("csv") && connectors.contains("ldap"),
        "{connectors}"
    );
    let file = directory
        .path()
        .join("connectors/ldap.wasm")
        .display()
        .to_string();
    let inspected: Value = serde_json::from_str(&run_ok(&[
        "connector",
        "inspect",
        &file,
        "--output",
        "json",
    ])?)?;
    ensure!(
        inspected["name"] == "ldap" && inspected["targets"][0]["kind"] == "ldap",
        "{inspected}"
    );
    ensure!(
        inspected["abilities"]
            .as_array()
            .is_some_and(|a| a.contains(&json!("write"))),
        "{inspected}"
    );
    for shell in ["bash", "zsh", "fish"] {
        ensure!(run_ok(&["completions", shell])?.contains("tombolo"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tokens_are_valid_at_a_time_and_a_revoked_one_is_refused() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "people", "")?;
    let folder = directory.path().display().to_string();
    let host = Host::start(&directory).await?;
    let base = host.scim("people")?.base().to_owned();
    let new: Value = serde_json::from_str(&run_ok(&[
        "token", "new", &folder, "people", "--name", "second", "--output", "json",
    ])?)?;
    let second = new["token"].as_str().context("no token")?.to_owned();
    let answers = async |token: &str, wanted: u16| -> Result<()> {
        let scim = Scim::new(&base, token)?;
        for _ in 0..200 {
            if scim.get("/Users?count=1").await?.status == wanted {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        anyhow::bail!("a token never got {wanted}\n{}", host.log())
    };
    answers(&second, 200).await?;
    answers(TOKEN, 200).await?;
    ensure!(
        !run(&["token", "new", &folder, "people", "--name", "third"])?
            .status
            .success(),
        "a third token was made"
    );
    run_ok(&["token", "revoke", &folder, "people", "test"])?;
    answers(TOKEN, 401).await?;
    answers(&second, 200).await?;
    // An expired one is refused like none.
    let file = directory.path().join("apps/people.toml");
    let text = std::fs::read_to_string(file)?.replace(&digest(&second), &digest("late"));
    directory.write("apps/people.toml", text)?;
    answers("late", 200).await?;
    answers(&second, 401).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_served_and_reloaded_when_it_changes() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "people", "")?;
    let (first, second) = (tempfile::tempdir()?, tempfile::tempdir()?);
    for made in [&first, &second] {
        slapd::certificates(made.path())?;
    }
    let install = |from: &tempfile::TempDir| -> Result<()> {
        directory.write(
            "tls/key.pem",
            std::fs::read(from.path().join("server.key"))?,
        )?;
        directory.write(
            "tls/cert.pem",
            std::fs::read(from.path().join("server.pem"))?,
        )?;
        Ok(())
    };
    install(&first)?;
    directory.write(
        "tombolo.toml",
        "[server]\nlisten = \"127.0.0.1:0\"\n[server.tls]\ncertificate = \"tls/cert.pem\"\nkey = \"tls/key.pem\"\n",
    )?;
    let host = Host::start(&directory).await?;
    ensure!(host.url().starts_with("https://"), "{}", host.url());
    let url = host.url().replace("127.0.0.1", "localhost");
    let ask = async |trusted: &tempfile::TempDir| -> Result<u16> {
        let ca = std::fs::read(trusted.path().join("ca.pem"))?;
        Ok(http_client(Some(&ca))?
            .get(format!("{url}/healthz"))
            .send()
            .await?
            .status()
            .as_u16())
    };
    ensure!(ask(&first).await? == 200);
    ensure!(
        ask(&second).await.is_err(),
        "a stranger's authority is believed"
    );
    install(&second)?;
    for _ in 0..200 {
        if ask(&second).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("the new certificate is not served\n{}", host.log())
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_refused_beyond_loopback() -> Result<()> {
    let directory = Directory::new()?;
    let output = run(&[
        "serve",
        &directory.path().display().to_string(),
        "--listen",
        "0.0.0.0:0",
    ])?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success() && text.contains("plain-http"),
        "{text}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_host_finishes_the_writes_it_has_begun() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "people", "")?;
    let mut host = Host::start(&directory).await?;
    let scim = host.scim("people")?;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let scim = scim.clone();
        writers.spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0..1000 {
                let name = format!("stop.{writer}.{n}@example.test");
                match scim.post("/Users", &person(&name)).await {
                    Ok(reply) if reply.status == 201 => acknowledged.push(name),
                    // Refused before it was begun.
                    Ok(reply) if reply.status == 503 => break,
                    Ok(reply) => anyhow::bail!("{name}: {reply:?}"),
                    Err(_) => break,
                }
            }
            Ok(acknowledged)
        });
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    host.terminate()?;
    let status = host.ended(Duration::from_secs(30)).await?;
    ensure!(status.success(), "{status}\n{}", host.log());
    let mut acknowledged = Vec::new();
    while let Some(writer) = writers.join_next().await {
        acknowledged.extend(writer??);
    }
    ensure!(!acknowledged.is_empty(), "nothing was written");
    let host = Host::start(&directory).await?;
    let scim = host.scim("people")?;
    for name in &acknowledged {
        let found = scim
            .find("find", "Users", &format!("userName eq \"{name}\""))
            .await?;
        ensure!(
            found.body["totalResults"] == 1,
            "{name} was acknowledged and is not there: {found:?}"
        );
    }
    println!(
        "{} writes acknowledged before the end, all there after it",
        acknowledged.len()
    );
    Ok(())
}

#[test]
fn whoever_stops_reading_ends_a_command_without_a_complaint() -> Result<()> {
    let binary = build::tombolo();
    for arguments in ["completions bash", "completions zsh"] {
        let line = format!("{} {arguments} | true", binary.display());
        let shell = std::process::Command::new("sh")
            .args(["-c", &line])
            .output()?;
        let said = String::from_utf8_lossy(&shell.stderr).into_owned();
        ensure!(
            !said.contains("Broken pipe") && !said.contains("panicked"),
            "{arguments}: {said}"
        );
    }
    Ok(())
}
