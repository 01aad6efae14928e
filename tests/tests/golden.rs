//! Connectors built against every released contract, kept as files: each still loads, keeps the contract and serves.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, run_with};
use tombolo_tests::people::USER;
use tombolo_tests::scim::{Scim, patch_op};
use tombolo_tests::slapd::{BASE, BIND_DN, Slapd};
use tombolo_tests::{apps, build};

const PASSWORD: &str = "golden-password";

/// What a connector of every contract so far understands: the test's own words, which no later connector changes.
const SQL_APP: &str = r#"
[settings]
dialect = "sqlite"
[settings.kinds.user]
table = "person"
key = { column = "id", generated = "database" }
request = "request_id"
version = { column = "row_version", by = "increment" }
[settings.kinds.user.attributes]
login = { scim = "userName", required = true, unique = true }
display_name = { scim = "displayName" }
[targets.database]
kind = "sql"
driver = "sqlite"
path = "data/people.sqlite"
"#;
const SQL_TABLE: &str =
    "CREATE TABLE person (id INTEGER PRIMARY KEY AUTOINCREMENT, login TEXT NOT NULL UNIQUE,
    display_name TEXT, request_id TEXT UNIQUE, row_version INTEGER NOT NULL DEFAULT 1)";

/// One folder a contract.
fn contracts() -> Result<Vec<PathBuf>> {
    let golden = build::root().join("tests/golden");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&golden).with_context(|| golden.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    ensure!(!found.is_empty(), "no golden connectors");
    found.sort();
    Ok(found)
}

fn contract(folder: &Path) -> String {
    folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The connectors of one contract, by name.
fn connectors(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        ensure!(
            path.extension().is_some_and(|ending| ending == "wasm"),
            "{}",
            path.display()
        );
        let stem = path.file_stem().context("a file has a name")?;
        names.push(stem.to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// A file of its own: the kit leaves its badge beside it.
fn kit(folder: &Path, name: &str, more: &[&str]) -> Result<()> {
    let home = tempfile::tempdir()?;
    let file = home.path().join(format!("{name}.wasm"));
    std::fs::copy(folder.join(format!("{name}.wasm")), &file)?;
    let file = file.display().to_string();
    let mut arguments = vec!["--output", "json", "connector", "test", &file];
    arguments.extend(["--members", "20", "--calls", "100"]);
    arguments.extend(more);
    let output = run_with(&arguments, &[])?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    println!("{} {name}: {}", contract(folder), report["counts"]);
    ensure!(
        output.status.success(),
        "{} {name}: {}",
        contract(folder),
        serde_json::to_string_pretty(&report)?
    );
    Ok(())
}

#[test]
fn they_load_and_are_told_as_what_they_are() -> Result<()> {
    for folder in contracts()? {
        let names = connectors(&folder)?;
        for expected in ["csv", "everything", "ldap", "memory", "rest", "sql"] {
            let there = names.iter().any(|name| name == expected);
            ensure!(there, "no {expected} of {}", contract(&folder));
        }
        for name in names {
            let file = folder.join(format!("{name}.wasm"));
            let file = file.to_str().context("the path is UTF-8")?;
            let output = run_with(&["--output", "json", "connector", "inspect", file], &[])?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{file}: {said}");
            let told: Value = serde_json::from_slice(&output.stdout)?;
            ensure!(told["contract"] == *contract(&folder), "{file}: {told:#}");
            // Who cannot describe himself without settings has been instantiated all the same, or could not say so.
            let cost = &told["cost"];
            let ran = cost["coldMicroseconds"].is_number();
            let waits = cost["unknown"]
                .as_str()
                .is_some_and(|why| why.contains("setting"));
            ensure!(ran || waits, "{file}: {cost}");
        }
    }
    Ok(())
}

#[test]
fn they_keep_the_contract() -> Result<()> {
    for folder in contracts()? {
        kit(&folder, "memory", &[])?;
        let data = tempfile::tempdir()?;
        let granted = format!("data={}", data.path().display());
        kit(&folder, "csv", &["--directory", &granted])?;
        for name in connectors(&folder)? {
            // What the templates make, one a language.
            if name.starts_with("staff-") {
                kit(&folder, &name, &[])?;
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn they_serve() -> Result<()> {
    let slapd = Slapd::start(PASSWORD)?;
    for folder in contracts()? {
        let directory = Directory::new()?;
        for name in ["csv", "sql", "ldap"] {
            directory.connector(name, &folder.join(format!("{name}.wasm")))?;
        }
        apps::csv(&directory, "csv", "")?;
        let database = directory.write("data/people.sqlite", "")?;
        rusqlite::Connection::open(&database)?.execute_batch(SQL_TABLE)?;
        directory.app("sql", "sql", SQL_APP)?;
        directory.write("tls/ldap-ca.pem", std::fs::read(slapd.ca())?)?;
        directory.app("ldap", "ldap", &ldap_app(&slapd))?;
        let host = Host::start_with(directory.path(), &apps::with_password(PASSWORD)).await?;
        for app in ["csv", "sql", "ldap"] {
            serves(&host.scim(app)?, &contract(&folder))
                .await
                .with_context(|| format!("{app} of {}", contract(&folder)))?;
        }
    }
    Ok(())
}

fn ldap_app(slapd: &Slapd) -> String {
    format!(
        "[settings]\nbase = \"{BASE}\"\n[targets.directory]\nkind = \"ldap\"\nurl = \"{}\"\nca = \"tls/ldap-ca.pem\"\n\
         bind-dn = \"{BIND_DN}\"\npassword = \"env:{}\"\n",
        slapd.ldaps(),
        apps::PASSWORD_VARIABLE
    )
}

/// Somebody comes, changes and goes.
async fn serves(scim: &Scim, contract: &str) -> Result<()> {
    let name = format!("ada-{contract}@example.test");
    let person = json!({ "schemas": [USER], "userName": name, "displayName": "Ada" });
    let created = scim.post("/Users", &person).await?;
    ensure!(created.status == 201, "{created:?}");
    let path = format!("/Users/{}", created.id());
    let change = patch_op(&json!([{"op": "Replace", "path": "displayName", "value": "Ada L."}]));
    let changed = scim.patch(&path, &change).await?;
    ensure!(changed.status == 200, "{changed:?}");
    let read = scim.get(&path).await?;
    ensure!(read.body["displayName"] == "Ada L.", "{read:?}");
    let found = scim
        .find("golden", "Users", &format!("userName eq \"{name}\""))
        .await?;
    ensure!(found.body["totalResults"] == 1, "{found:?}");
    ensure!(scim.delete(&path).await?.status == 204);
    Ok(())
}
