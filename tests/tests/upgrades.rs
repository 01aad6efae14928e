//! A new revision of a connector has to prove itself: what it wants, whether it reaches its target, and how its first
//! calls go. One that does not is not taken over, or taken back, and no write is lost or doubled by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, TOKEN, digest, run, run_ok, run_with};
use tombolo_tests::people::USER;
use tombolo_tests::scim::Scim;
use tombolo_tests::{apps, build, revision};

fn memory() -> Result<Vec<u8>> {
    Ok(std::fs::read(build::memory()?)?)
}

fn install(directory: &Directory, component: &[u8]) -> Result<String> {
    directory.write("connectors/memory.wasm", component)?;
    Ok(revision::sha256(component))
}

fn said(app: &Value) -> String {
    app["problems"].to_string()
}

async fn until_revision(host: &Host, app: &str, digest: &str) -> Result<Value> {
    for _ in 0..1500 {
        if let Some(found) = host.app(app).await?
            && found["revision"] == digest
        {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("app {app} never served {digest}\n{}", host.log())
}

/// Creates people until it is told to stop, each as Entra would: what has no good answer is tried again, and what is
/// there already is found. Answers their names.
async fn write(scim: Scim, writer: usize, stop: Arc<AtomicBool>) -> Result<(Vec<String>, usize)> {
    let (mut names, mut refused) = (Vec::new(), 0);
    while !stop.load(Ordering::Acquire) {
        let name = format!("person.{writer}.{}@example.test", names.len());
        let body = json!({ "schemas": [USER], "userName": name, "displayName": name });
        let mut tries = 0;
        loop {
            let reply = scim.post("/Users", &body).await?;
            if matches!(reply.status, 201 | 409) {
                break;
            }
            ensure!(matches!(reply.status, 502..=504), "{name}: {reply:?}");
            refused += 1;
            tries += 1;
            ensure!(tries < 500, "{name} is never taken: {reply:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        names.push(name);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok((names, refused))
}

async fn each_is_there_once(scim: &Scim, names: &[String]) -> Result<()> {
    for name in names {
        let found = scim
            .find("find", "Users", &format!("userName eq \"{name}\""))
            .await?;
        ensure!(found.body["totalResults"] == 1, "{name}: {found:?}");
    }
    // Nobody else is: neither here …
    let all = scim.get("/Users?count=1").await?;
    ensure!(all.body["totalResults"] == names.len(), "{all:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_crashes_is_taken_back_under_load_and_no_write_is_lost_or_doubled()
-> Result<()> {
    let good = memory()?;
    let directory = Directory::new()?;
    let good_digest = install(&directory, &good)?;
    apps::memory(&directory, "keep", "[upgrade]\ncalls = 40\n")?;
    let host = Host::start(&directory).await?;
    let scim = host.scim("keep")?;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|n| tokio::spawn(write(scim.clone(), n, Arc::clone(&stop))))
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;

    println!("a revision that crashes after each write is dropped in");
    let bad_digest = install(&directory, &revision::amiss(&good, "crash")?)?;
    let app = host.until_app("keep", "stale").await?;
    println!("{}", app["problems"]);
    ensure!(said(&app).contains("was taken back"), "{app}");
    ensure!(app["revision"] == good_digest, "{app}");
    ensure!(app["rejected"][0]["sha256"] == bad_digest, "{app}");
    host.until_log("was taken back").await?;
    let (_, metrics) = host.get("/metrics").await?;
    ensure!(
        metrics.contains("tombolo_rollbacks_total{app=\"keep\"} 1"),
        "{metrics}"
    );
    let listed = run(&["app", "list", &directory.path().display().to_string()])?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    ensure!(listed.contains("taken back"), "{listed}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop.store(true, Ordering::Release);
    let (mut names, mut refused) = (Vec::new(), 0);
    for writer in writers {
        let (written, of_them) = writer.await??;
        names.extend(written);
        refused += of_them;
    }
    println!("{} people, {refused} answers were refusals", names.len());
    ensure!(refused > 0, "the bad revision was never called");
    ensure!(names.len() > 20, "{} people", names.len());
    each_is_there_once(&scim, &names).await?;

    println!("a change of the app's file is taken over all the same");
    let file = directory.path().join("apps/keep.toml");
    let text = std::fs::read_to_string(&file)?;
    directory.write(
        "apps/keep.toml",
        text.replace(&digest(TOKEN), &digest("another")),
    )?;
    let changed = Scim::new(scim.base(), "another")?;
    for n in 0.. {
        if changed.get("/Users?count=1").await?.status == 200 {
            break;
        }
        ensure!(n < 500, "the new token is never valid\n{}", host.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let app = host.app("keep").await?.unwrap_or_default();
    ensure!(
        app["state"] == "stale" && app["revision"] == good_digest,
        "{app}"
    );
    directory.write("apps/keep.toml", text)?;

    println!("a restart finds the bad file and serves the good one");
    drop(host);
    let host = Host::start(&directory).await?;
    let app = host.until_app("keep", "stale").await?;
    ensure!(
        app["revision"] == good_digest && said(&app).contains("taken back"),
        "{app}"
    );
    let scim = host.scim("keep")?;
    each_is_there_once(&scim, &names).await?;

    println!("a better build is on probation, and proves itself");
    let better = install(&directory, &revision::numbered(&good, 2))?;
    let app = until_revision(&host, "keep", &better).await?;
    ensure!(
        app["state"] == "serving" && app["previous"] == good_digest,
        "{app}"
    );
    for _ in 0..45 {
        let reply = scim.get("/Users?filter=userName+eq+%22nobody%22").await?;
        ensure!(reply.status == 200, "{reply:?}");
    }
    host.until_log("has proved itself").await?;
    let app = host.app("keep").await?.unwrap_or_default();
    ensure!(app["previous"].is_null(), "{app}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_went_bad_while_the_host_was_down_does_not_keep_it_from_serving() -> Result<()>
{
    let good = memory()?;
    let directory = Directory::new()?;
    let digest = install(&directory, &good)?;
    apps::memory(&directory, "keep", "")?;
    drop(Host::start(&directory).await?);
    for bad in [&good[..good.len() / 2], b"\0asm".as_slice(), b""] {
        install(&directory, bad)?;
        let host = Host::start(&directory).await?;
        let app = host.until_app("keep", "stale").await?;
        ensure!(app["revision"] == digest, "{app}");
        ensure!(host.scim("keep")?.get("/Users").await?.status == 200);
    }
    // Taken away is another matter: that is what its operator wanted.
    directory.remove("connectors/memory.wasm")?;
    let host = Host::start(&directory).await?;
    host.until_app("keep", "failed").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_break_the_contract_count_and_a_restart_in_between_does_not_help() -> Result<()>
{
    let good = memory()?;
    let directory = Directory::new()?;
    let good_digest = install(&directory, &good)?;
    apps::memory(&directory, "keep", "[upgrade]\nfaults = 5\n")?;
    let host = Host::start(&directory).await?;
    let body = json!({ "schemas": [USER], "userName": "one" });
    ensure!(host.scim("keep")?.post("/Users", &body).await?.status == 201);

    let bad_digest = install(&directory, &revision::amiss(&good, "babble")?)?;
    until_revision(&host, "keep", &bad_digest).await?;
    for _ in 0..2 {
        let reply = host
            .scim("keep")?
            .get("/Users?filter=userName+eq+%22one%22")
            .await?;
        ensure!(reply.status >= 500, "{reply:?}");
    }
    drop(host);
    let host = Host::start(&directory).await?;
    let app = host.until_app("keep", "serving").await?;
    ensure!(
        app["revision"] == bad_digest && app["previous"] == good_digest,
        "{app}"
    );
    for n in 0.. {
        let reply = host
            .scim("keep")?
            .get("/Users?filter=userName+eq+%22one%22")
            .await?;
        if reply.status == 200 {
            ensure!(reply.body["totalResults"] == 1, "{reply:?}");
            break;
        }
        ensure!(n < 10, "it is never taken back: {reply:?}");
    }
    let app = host.until_app("keep", "stale").await?;
    ensure!(app["revision"] == good_digest, "{app}");

    // Whoever insists gets it.
    apps::memory(&directory, "keep", "[upgrade]\nrollback = false\n")?;
    until_revision(&host, "keep", &bad_digest).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_does_not_reach_the_target_is_refused_unless_the_old_one_does_not_either()
-> Result<()> {
    let good = memory()?;
    let directory = Directory::new()?;
    let good_digest = install(&directory, &good)?;
    apps::memory(&directory, "keep", "")?;
    let host = Host::start(&directory).await?;
    let unreachable = revision::amiss(&good, "unreachable")?;
    let digest = install(&directory, &unreachable)?;
    let app = host.until_app("keep", "stale").await?;
    ensure!(said(&app).contains("fails its check"), "{app}");
    ensure!(app["revision"] == good_digest, "{app}");
    ensure!(host.scim("keep")?.get("/Users").await?.status == 200);

    apps::memory(&directory, "keep", "[upgrade]\ncheck = false\n")?;
    until_revision(&host, "keep", &digest).await?;
    apps::memory(&directory, "keep", "[upgrade]\ncalls = 1\n")?;
    for n in 0.. {
        host.scim("keep")?.get("/Users").await?;
        let app = host.app("keep").await?.unwrap_or_default();
        if app["previous"].is_null() && app["state"] == "serving" {
            break;
        }
        ensure!(n < 500, "{app}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Now neither does: it is the target that is down, and no reason to stay behind.
    let digest = install(&directory, &revision::numbered(&unreachable, 2))?;
    until_revision(&host, "keep", &digest).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_that_wants_more_is_told_what_to_add_and_the_old_one_serves_on() -> Result<()> {
    let good = memory()?;
    let directory = Directory::new()?;
    let good_digest = install(&directory, &good)?;
    apps::memory(&directory, "keep", "")?;
    let host = Host::start(&directory).await?;
    let manifest = json!({
        "name": "memory", "version": "0.2.0", "wit": "1.0.0",
        "targets": [
            { "name": "directory", "kind": "ldap", "description": "Who is who." },
            { "name": "payroll", "kind": "sql" },
            { "name": "api", "kind": "http" }
        ],
        "secrets": [{ "name": "seed", "reveal": true, "description": "To sign with." }, { "name": "key" }]
    });
    let digest = install(&directory, &revision::wanting(&good, &manifest))?;
    let app = host.until_app("keep", "stale").await?;
    println!("{}", app["problems"][0]);
    for words in [
        &format!("revision {}", &digest[..12]),
        &format!("revision {}, which is in use, did not", &good_digest[..12]),
        "[targets.directory] kind = \\\"ldap\\\"",
        "[targets.payroll] kind = \\\"sql\\\"",
        "[targets.api] kind = \\\"http\\\"",
        "seed = { from = \\\"env:SEED\\\", reveal = true }",
        "key = \\\"env:KEY\\\"",
    ] {
        ensure!(said(&app).contains(words), "`{words}` is not in {app}");
    }
    ensure!(app["revision"] == good_digest, "{app}");
    ensure!(host.scim("keep")?.get("/Users").await?.status == 200);
    // `check` says the same with line breaks, to be copied; and copied, it is right.
    let check = || -> Result<Value> {
        let variables = [
            "SEED",
            "KEY",
            "DIRECTORY_PASSWORD",
            "PAYROLL_PASSWORD",
            "API_TOKEN",
        ];
        let folder = directory.path().display().to_string();
        let checked = run_with(
            &["check", &folder, "--output", "json"],
            &variables.map(|name| (name, "sesame")),
        )?;
        Ok(serde_json::from_slice(&checked.stdout)?)
    };
    let checked = check()?;
    let hint = checked["found"][0]["hint"].as_str().context("no hint")?;
    let (_, lines) = hint.split_once('\n').context("no lines to add")?;
    let file = directory.path().join("apps/keep.toml");
    let text = std::fs::read_to_string(file)?;
    directory.write("apps/keep.toml", format!("{text}\n{lines}\n"))?;
    let checked = check()?;
    ensure!(checked["errors"] == 0, "{lines}\n{checked}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_connector_is_served_whatever_takes_its_files_place() -> Result<()> {
    let good = memory()?;
    let directory = Directory::new()?;
    let digest = install(&directory, &good)?;
    let other = revision::numbered(&good, 7);
    let pin = format!("sha256 = \"{digest}\"\n");
    let file = directory.path().join("apps/keep.toml");
    apps::memory(&directory, "keep", "")?;
    let text = std::fs::read_to_string(file)?;
    directory.write("apps/keep.toml", format!("{pin}{text}"))?;
    let host = Host::start(&directory).await?;
    host.until_app("keep", "serving").await?;
    let other_digest = install(&directory, &other)?;
    let app = host.until_app("keep", "stale").await?;
    ensure!(
        said(&app).contains("is not the file that `sha256` pins")
            && said(&app).contains(&other_digest),
        "{app}"
    );
    drop(host);
    let host = Host::start(&directory).await?;
    let app = host.until_app("keep", "stale").await?;
    ensure!(app["revision"] == digest, "{app}");
    directory.write(
        "apps/keep.toml",
        format!("sha256 = \"{other_digest}\"\n{text}"),
    )?;
    until_revision(&host, "keep", &other_digest).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_shown_as_it_is_in_the_end() -> Result<()> {
    let directory = Directory::new()?;
    let good = memory()?;
    let manifest = json!({
        "name": "memory", "version": "0.2.0", "wit": "1.0.0", "description": "Keeps what it is given.",
        "targets": [{ "name": "directory", "kind": "ldap" }],
        "directories": [{ "name": "data", "access": "read-only" }],
        "secrets": [{ "name": "seed", "reveal": true }, { "name": "key" }]
    });
    let digest = install(&directory, &revision::wanting(&good, &manifest))?;
    std::fs::create_dir_all(directory.path().join("data"))?;
    directory.write("seed", "sesame-seed")?;
    directory.write("key", "sesame-key")?;
    apps::memory(
        &directory,
        "keep",
        "[targets.directory]\nkind = \"ldap\"\nurl = \"ldaps://ldap.example.org\"\nbind-dn = \"cn=x\"\npassword = \"file:key\"\n\
         [directories]\ndata = { path = \"data\", access = \"read-write\" }\n\
         [secrets]\nseed = { from = \"file:seed\", reveal = true }\nkey = { from = \"file:key\", reveal = true }\nspare = \"file:key\"\n\
         [limits]\nmemory = \"32MiB\"\n",
    )?;
    let folder = directory.path().display().to_string();
    let before: Value = serde_json::from_str(&run_ok(&[
        "app", "show", &folder, "keep", "--output", "json",
    ])?)?;
    let host = Host::start(&directory).await?;
    let shown = run_ok(&["app", "show", &folder, "keep", "--output", "json"])?;
    let text = run_ok(&["app", "show", &folder, "keep"])?;
    println!("{text}");
    let during: Value = serde_json::from_str(&shown)?;
    ensure!(before["facts"] == during["facts"], "{before}\n{during}");
    let facts = &during["facts"];
    ensure!(facts["sha256"] == digest, "{facts}");
    ensure!(
        facts["manifest"]["version"] == "0.2.0"
            && facts["abilities"] == json!(["read", "write", "members"]),
        "{facts}"
    );
    let granted = &facts["granted"];
    ensure!(
        granted["targets"]
            == json!([{ "name": "directory", "kind": "ldap", "address": "ldaps://ldap.example.org" }]),
        "{granted}"
    );
    ensure!(
        granted["directories"][0]["access"] == "read-only",
        "{granted}"
    );
    // Revealed is what is both wanted and granted.
    ensure!(
        granted["secrets"] == json!({ "key": false, "seed": true }),
        "{granted}"
    );
    ensure!(
        granted["withheld"] == json!(["secret `spare`"]),
        "{granted}"
    );
    ensure!(granted["limits"]["memory"] == "32MiB", "{granted}");
    let log = host.until_log("what the connector may reach").await?;
    ensure!(
        log.contains("secret `seed` (revealed)"),
        "the log does not name the grants"
    );
    let ready = host.get("/readyz").await?.1;
    for place in [&shown, &text, &log, &ready] {
        ensure!(!place.contains("sesame"), "a secret is shown:\n{place}");
    }
    let missing = run(&["app", "show", &folder, "nobody"])?;
    ensure!(
        !missing.status.success()
            && String::from_utf8_lossy(&missing.stderr).contains("there is no app `nobody`"),
        "{missing:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_signed_connectors_are_let_in_where_keys_are_named() -> Result<()> {
    let ours = minisign::KeyPair::generate_unencrypted_keypair()?;
    let others = minisign::KeyPair::generate_unencrypted_keypair()?;
    let good = memory()?;
    let directory = Directory::new()?;
    let host_file = std::fs::read_to_string(directory.path().join("tombolo.toml"))?;
    directory.write("keys/team.pub", ours.pk.to_box()?.to_string())?;
    directory.write(
        "tombolo.toml",
        format!("{host_file}[connectors]\ntrusted-keys = [\"file:keys/team.pub\"]\n"),
    )?;
    install(&directory, &good)?;
    apps::memory(&directory, "keep", "")?;
    let host = Host::start(&directory).await?;
    let app = host.until_app("keep", "failed").await?;
    ensure!(said(&app).contains("there is no signature"), "{app}");
    ensure!(said(&app).contains("minisign -S"), "{app}");

    let sign = |pair: &minisign::KeyPair, bytes: &[u8], comment: &str| -> Result<()> {
        let signature = minisign::sign(Some(&pair.pk), &pair.sk, bytes, Some(comment), None)?;
        directory.write("connectors/memory.wasm.minisig", signature.into_string())?;
        Ok(())
    };
    sign(&others, &good, "memory 0.1.0")?;
    host.until("/readyz", |_, text| text.contains("not among"))
        .await
        .context("a stranger's signature is not named")?;
    sign(&ours, &good, "memory 0.1.0, built by the team")?;
    let app = host.until_app("keep", "serving").await?;
    ensure!(
        app["facts"]["signed"]["comment"] == "memory 0.1.0, built by the team",
        "{app}"
    );
    let folder = directory.path().display().to_string();
    let listed = run_ok(&["connector", "list", &folder])?;
    ensure!(listed.contains("built by the team"), "{listed}");

    // Somebody changes the file, and it is nobody's any more; at a restart the signed one serves.
    install(&directory, &revision::numbered(&good, 3))?;
    let app = host.until_app("keep", "stale").await?;
    ensure!(said(&app).contains("its signature does not fit"), "{app}");
    drop(host);
    let host = Host::start(&directory).await?;
    let app = host.until_app("keep", "stale").await?;
    ensure!(app["revision"] == revision::sha256(&good), "{app}");
    ensure!(
        app["facts"]["signed"]["comment"] == "memory 0.1.0, built by the team",
        "{app}"
    );
    drop(host);

    // What was let in under other rules is held against these.
    directory.write(
        "tombolo.toml",
        format!(
            "{host_file}[connectors]\ntrusted-keys = [\"{}\"]\n",
            others.pk.to_base64()
        ),
    )?;
    let host = Host::start(&directory).await?;
    host.until_app("keep", "failed").await?;
    Ok(())
}
