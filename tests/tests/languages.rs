//! A connector in each language, from nothing: made and built by the commands that an author has, judged by the contract
//! kit, and served over SCIM.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::build;
use tombolo_tests::host::{Directory, Host, run, run_with};
use tombolo_tests::languages::{Tools, quiet};
use tombolo_tests::scim::{Scim, patch_op};

#[tokio::test(flavor = "multi_thread")]
async fn rust_from_nothing_to_scim() -> Result<()> {
    from_nothing("rust").await
}

#[tokio::test(flavor = "multi_thread")]
async fn python_from_nothing_to_scim() -> Result<()> {
    from_nothing("python").await
}

#[tokio::test(flavor = "multi_thread")]
async fn javascript_from_nothing_to_scim() -> Result<()> {
    from_nothing("javascript").await
}

#[tokio::test(flavor = "multi_thread")]
async fn go_from_nothing_to_scim() -> Result<()> {
    from_nothing("go").await
}

#[tokio::test(flavor = "multi_thread")]
async fn c_from_nothing_to_scim() -> Result<()> {
    from_nothing("c").await
}

async fn from_nothing(language: &str) -> Result<()> {
    let tools = Tools::installed();
    let home = tempfile::tempdir()?;
    let project = home.path().join("staff");
    let project = project
        .to_str()
        .context("the directory's name is not UTF-8")?;
    let tombolo = |arguments: &[&str]| -> Result<Value> {
        let output = tools.tombolo(&[&["--output", "json"], arguments].concat())?;
        ensure!(
            output.status.success(),
            "{arguments:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    };

    tombolo(&[
        "connector",
        "new",
        "staff",
        "--lang",
        language,
        "--dir",
        project,
    ])?;
    let built = tombolo(&["connector", "build", project])?;
    println!("{language}: {built}");
    let file = format!("{project}/staff.wasm");

    let began = Instant::now();
    let report = tombolo(&["connector", "test", &file])?;
    println!(
        "{language}: kit {} in {:.1?}",
        report["counts"],
        began.elapsed()
    );
    ensure!(report["counts"]["failed"] == 0, "{report:#}");
    ensure!(
        report["counts"]["passed"].as_u64() > Some(80),
        "{}",
        report["counts"]
    );

    let directory = Directory::new()?;
    directory.connector("staff", std::path::Path::new(&file))?;
    directory.app("staff", "staff", "")?;
    let host = Host::start(&directory).await?;
    let began = Instant::now();
    serves(&host.scim("staff")?).await?;
    println!("{language}: served in {:.1?}", began.elapsed());
    Ok(())
}

/// Create, read, filter, patch, members, delete: each as Entra asks for it.
async fn serves(scim: &Scim) -> Result<()> {
    let person = |name: &str| {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName": name, "displayName": format!("{name} 😀"), "active": true,
            "emails": [{ "type": "work", "primary": true, "value": format!("{name}@example.com") }],
        })
    };
    let ana = scim.post("/Users", &person("Ána")).await?;
    ensure!(ana.status == 201, "{ana:?}");
    let taken = scim.post("/Users", &person("áNA")).await?;
    ensure!(
        taken.status == 409 && taken.body["scimType"] == "uniqueness",
        "{taken:?}"
    );
    let bo = scim.post("/Users", &person("bo")).await?;
    ensure!(bo.status == 201, "{bo:?}");

    let changes = json!([
        { "op": "Replace", "path": "displayName", "value": "Bob" },
        { "op": "Replace", "path": "active", "value": "False" },
        { "op": "Add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager", "value": ana.id() },
    ]);
    let bob = format!("/Users/{}", bo.id());
    let patched = scim.patch(&bob, &patch_op(&changes)).await?;
    ensure!(
        patched.status == 200 || patched.status == 204,
        "{patched:?}"
    );
    let read = scim.get(&bob).await?;
    ensure!(
        read.body["displayName"] == "Bob" && read.body["active"] == false,
        "{read:?}"
    );

    for (filter, expected) in [
        ("userName eq \"BO\"", 1),
        ("displayName co \"😀\"", 1),
        ("not (active eq true)", 1),
        ("emails[type eq \"work\"].value ew \"example.com\"", 2),
        ("userName sw \"zz\"", 0),
    ] {
        let found = scim.find("filter", "/Users", filter).await?;
        ensure!(
            found.body["totalResults"] == expected,
            "{filter}: {found:?}"
        );
    }
    let page = scim.get("/Users?startIndex=2&count=1").await?;
    ensure!(
        page.resources().len() == 1 && page.body["totalResults"] == 2,
        "{page:?}"
    );

    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Readers", "members": [{ "value": ana.id() }],
    });
    let group = scim.post("/Groups", &group).await?;
    ensure!(group.status == 201, "{group:?}");
    let readers = format!("/Groups/{}", group.id());
    let members = json!([
        { "op": "Add", "path": "members", "value": [{ "value": bo.id() }] },
        { "op": "Remove", "path": format!("members[value eq \"{}\"]", ana.id()) },
    ]);
    let patched = scim.patch(&readers, &patch_op(&members)).await?;
    ensure!(patched.status < 300, "{patched:?}");
    let read = scim.get(&readers).await?;
    let left: Vec<_> = read.body["members"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|m| m["value"].as_str())
        .collect();
    ensure!(left == [Some(bo.id().as_str())], "{read:?}");

    ensure!(
        scim.delete(&bob).await?.status == 204,
        "{bob} is not deleted"
    );
    ensure!(scim.get(&bob).await?.status == 404, "{bob} is still there");
    let read = scim.get(&readers).await?;
    ensure!(
        read.body["members"].as_array().is_none_or(Vec::is_empty),
        "{read:?}"
    );
    Ok(())
}

#[test]
fn what_is_missing_or_wrong_is_told_with_what_to_do() -> Result<()> {
    let home = tempfile::tempdir()?;
    let dir = home
        .path()
        .to_str()
        .context("the directory's name is not UTF-8")?;
    let fails = |output: std::process::Output, words: &[&str]| -> Result<()> {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(!output.status.success(), "it succeeded: {said}");
        for word in words {
            ensure!(said.contains(word), "it does not say {word:?}: {said}");
        }
        Ok(())
    };
    fails(
        run(&["connector", "build", dir])?,
        &["connector.toml", "tombolo connector new"],
    )?;
    fails(
        run(&["connector", "new", "Bad Name", "--lang", "c", "--dir", dir])?,
        &["Bad Name", "lower-case"],
    )?;
    fails(
        run(&["connector", "new", "good", "--lang", "cobol", "--dir", dir])?,
        &["cobol", "javascript"],
    )?;

    for (language, install) in [
        ("rust", "rustup target add wasm32-wasip2"),
        ("python", ".venv/bin/pip install -r requirements.txt"),
        ("javascript", "nodejs"),
        ("go", "https://go.dev/dl"),
        ("c", ".venv/bin/pip install -r requirements.txt"),
    ] {
        let project = format!("{dir}/{language}");
        let made = run(&[
            "connector",
            "new",
            "good",
            "--lang",
            language,
            "--dir",
            &project,
        ])?;
        ensure!(made.status.success(), "{made:?}");
        let output = run_with(
            &["connector", "build", &project],
            &[("PATH", "/nowhere"), ("WASI_SDK_PATH", "")],
        )?;
        fails(output, &["is not installed", install])?;
    }
    fails(
        run(&["connector", "new", "good", "--lang", "c", "--dir", dir])?,
        &["is not empty"],
    )
}

#[test]
fn a_compiler_s_words_reach_the_author() -> Result<()> {
    let home = tempfile::tempdir()?;
    let project = home.path().join("p");
    let dir = project
        .to_str()
        .context("the directory's name is not UTF-8")?;
    let tools = Tools::installed();
    ensure!(
        tools
            .tombolo(&["connector", "new", "p", "--lang", "c", "--dir", dir])?
            .status
            .success(),
        "no project"
    );
    std::fs::write(
        project.join("src/connector.c"),
        "#include \"tombolo.h\"\nbool nonsense(void) { return twice; }\n",
    )?;
    let output = tools.tombolo(&["connector", "build", dir])?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success() && said.contains("connector.c:2") && said.contains("twice"),
        "{said}"
    );
    ensure!(!project.join("p.wasm").exists(), "a component was left");
    Ok(())
}

#[test]
fn the_sdks_pass_their_own_tests() -> Result<()> {
    let tools = Tools::installed();
    let sdk = build::root().join("sdk");
    quiet(
        Command::new("python3")
            .args(["-B", "-m", "unittest", "discover", "-s", "tests"])
            .current_dir(sdk.join("python")),
    )?;
    quiet(
        Command::new("node")
            .args(["--test", "test/"])
            .current_dir(sdk.join("javascript")),
    )
    .context("no node (Debian, Ubuntu: apt-get install nodejs npm)")?;
    quiet(
        tools
            .command("go")
            .args(["test", "."])
            .env("GOTOOLCHAIN", "local")
            .current_dir(sdk.join("go")),
    )
}
