//! Connectors built against every released contract, kept as files: each still loads, keeps the contract and serves.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, run_with};
use tombolo_tests::people::USER;
use tombolo_tests::scim::patch_op;
use tombolo_tests::{apps, build};

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
fn they_keep_the_contract() -> Result<()> {
    for folder in contracts()? {
        kit(&folder, "memory", &[])?;
        let data = tempfile::tempdir()?;
        let granted = format!("data={}", data.path().display());
        kit(&folder, "csv", &["--directory", &granted])?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn they_serve() -> Result<()> {
    for folder in contracts()? {
        let directory = Directory::new()?;
        directory.connector("csv", &folder.join("csv.wasm"))?;
        apps::csv(&directory, "old", "")?;
        let host = Host::start(&directory).await?;
        let scim = host.scim("old")?;
        let name = format!("ada-{}@example.test", contract(&folder));
        let created = scim
            .post(
                "/Users",
                &json!({ "schemas": [USER], "userName": name, "displayName": "Ada" }),
            )
            .await?;
        ensure!(created.status == 201, "{created:?}");
        let path = format!("/Users/{}", created.id());
        let change =
            patch_op(&json!([{"op": "Replace", "path": "displayName", "value": "Ada L."}]));
        let changed = scim.patch(&path, &change).await?;
        ensure!(changed.status == 200, "{changed:?}");
        let read = scim.get(&path).await?;
        ensure!(read.body["displayName"] == "Ada L.", "{read:?}");
        ensure!(scim.delete(&path).await?.status == 204);
    }
    Ok(())
}
