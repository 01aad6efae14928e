//! An app's mapping in the whole product: expressions over PATCH, values that must be free, and `tombolo mapping`.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host, run, run_ok};
use tombolo_tests::people::USER;
use tombolo_tests::scim::{Reply, patch_op};
use tombolo_tests::{apps, build};

const MAPPING: &str = r#"
[mapping.user.title]
attribute = "title"
default = "staff"

[mapping.user.expressions]
displayName = 'Join(", ", "", [name.familyName], [name.givenName])'
nickName = { expression = 'SelectUniqueValue(Left([name.givenName], 3), Append(Left([name.givenName], 3), "2"))', apply = "create" }
userType = 'Redact(RandomString(8,2,0,2,2))'
"#;

fn directory(mapping: &str) -> Result<Directory> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "people", mapping)?;
    Ok(directory)
}

fn person(name: &str, given: &str) -> Value {
    json!({ "schemas": [USER], "userName": name, "active": true, "name": { "givenName": given, "familyName": "Ruiz" } })
}

/// The columns of the file, by user name.
fn row(directory: &Directory, name: &str) -> Result<Vec<(String, String)>> {
    let path = directory.path().join("data/people/people.csv");
    let mut table = csv::Reader::from_path(path)?;
    let columns = table.headers()?.clone();
    for record in table.records() {
        let record = record?;
        if record.iter().any(|cell| cell == name) {
            let cells = columns.iter().zip(&record);
            return Ok(cells.map(|(c, v)| (c.to_owned(), v.to_owned())).collect());
        }
    }
    anyhow::bail!("`{name}` is not in the file")
}

fn cell(row: &[(String, String)], column: &str) -> String {
    let found = row.iter().find(|(name, _)| name == column);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

fn is(reply: Reply, status: u16) -> Result<Reply> {
    ensure!(reply.status == status, "{status} expected: {reply:?}");
    Ok(reply)
}

/// Row 55: evaluated on the whole object, whatever a PATCH happens to hold.
#[tokio::test(flavor = "multi_thread")]
async fn a_patch_of_one_source_edits_what_is_made_of_several() -> Result<()> {
    let directory = directory(MAPPING)?;
    let host = Host::start(&directory).await?;
    let scim = host.scim("people")?;
    let id = is(scim.post("/Users", &person("ana", "Anabel")).await?, 201)?.id();
    let made = row(&directory, "ana")?;
    ensure!(cell(&made, "displayName") == "Ruiz, Anabel", "{made:?}");
    ensure!(cell(&made, "title") == "staff", "{made:?}");
    ensure!(cell(&made, "nickName") == "Ana", "{made:?}");
    ensure!(cell(&made, "userType").len() == 8, "{made:?}");

    let operations = json!([{ "op": "Replace", "path": "name.givenName", "value": "Eva" }]);
    let path = format!("/Users/{id}");
    let patched = scim.patch(&path, &patch_op(&operations)).await?;
    ensure!(matches!(patched.status, 200 | 204), "{patched:?}");
    let changed = row(&directory, "ana")?;
    ensure!(cell(&changed, "displayName") == "Ruiz, Eva", "{changed:?}");
    // Once is once, and what chance made is not made again.
    for column in ["nickName", "userType", "title"] {
        ensure!(cell(&changed, column) == cell(&made, column), "{changed:?}");
    }
    // A change that no expression reads leaves what they made.
    let operations = json!([{ "op": "Replace", "path": "title", "value": "Boss" }]);
    scim.patch(&path, &patch_op(&operations)).await?;
    let titled = row(&directory, "ana")?;
    ensure!(cell(&titled, "displayName") == "Ruiz, Eva", "{titled:?}");
    ensure!(cell(&titled, "title") == "Boss", "{titled:?}");
    // What the client wrote is what it reads, although the target has it in another form.
    let shown = is(scim.get(&path).await?, 200)?.body;
    ensure!(shown["name"]["givenName"] == "Eva", "{shown}");
    ensure!(shown.get("displayName").is_none(), "only written: {shown}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_value_is_the_first_that_the_target_has_not() -> Result<()> {
    let directory = directory(MAPPING)?;
    let host = Host::start(&directory).await?;
    let scim = host.scim("people")?;
    for (name, nick) in [("ana", "Ana"), ("anabel", "Ana2")] {
        is(scim.post("/Users", &person(name, "Anabel")).await?, 201)?;
        let made = row(&directory, name)?;
        ensure!(cell(&made, "nickName") == nick, "{made:?}");
    }
    let refused = is(scim.post("/Users", &person("anais", "Anabel")).await?, 409)?;
    let detail = refused.body["detail"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    ensure!(
        detail.contains("`nickName`") && detail.contains("taken already"),
        "{detail}"
    );
    ensure!(
        refused.body["scimType"] == "uniqueness",
        "{:?}",
        refused.body
    );
    ensure!(row(&directory, "anais").is_err(), "the third was written");
    Ok(())
}

#[test]
fn check_says_what_is_wrong_with_an_expression_and_where() -> Result<()> {
    let directory = directory(
        "[mapping.user.expressions]\ndisplayName = 'Jion(\", \", [name.familyName])'\nnickName = { expression = '[title]', aply = \"create\" }\n",
    )?;
    let folder = directory.path().display().to_string();
    let output = run(&["check", &folder, "--output", "json"])?;
    ensure!(!output.status.success());
    let said = String::from_utf8(output.stdout)?;
    ensure!(said.contains("aply"), "{said}");
    let directory = self::directory(
        "[mapping.user.expressions]\ndisplayName = 'Jion(\", \", [name.familyName])'\n",
    )?;
    let folder = directory.path().display().to_string();
    let said = String::from_utf8(run(&["check", &folder, "--output", "json"])?.stdout)?;
    let wanted = "at character 1: there is no function `Jion`; did you mean `Join`?";
    ensure!(
        said.contains(wanted) && said.contains("people.toml"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_person_is_shown_before_and_after() -> Result<()> {
    let directory = directory(MAPPING)?;
    let folder = directory.path().display().to_string();
    let file = directory.write("ana.json", person("ana", "Anabel").to_string())?;
    let file = file.display().to_string();
    let shown = run_ok(&["mapping", "try", &folder, "people", "--person", &file])?;
    ensure!(
        shown.contains("Ruiz, Anabel") && shown.contains("(default)"),
        "{shown}"
    );
    ensure!(
        shown.contains("(not shown)"),
        "a redacted value is shown: {shown}"
    );

    let told = run_ok(&[
        "mapping", "try", &folder, "people", "--person", &file, "--output", "json",
    ])?;
    let told: Value = serde_json::from_str(&told)?;
    let flows = told["flows"].as_array().context("no flows")?;
    let of = |name: &str| {
        flows
            .iter()
            .find(|flow| flow["attribute"] == name)
            .cloned()
            .unwrap_or_default()
    };
    ensure!(
        of("displayName")["values"] == json!(["Ruiz, Anabel"]),
        "{told}"
    );
    ensure!(of("nickName")["once"] == true, "{told}");
    ensure!(
        of("userType")["secret"] == true && of("userType")["values"].is_null(),
        "{told}"
    );
    ensure!(told["back"]["name"]["givenName"] == "Anabel", "{told}");

    let object = directory.write(
        "object.json",
        json!({ "userName": "bo", "givenName": "Bo", "active": false }).to_string(),
    )?;
    let object = object.display().to_string();
    let back = run_ok(&["mapping", "try", &folder, "people", "--object", &object])?;
    let back: Value = serde_json::from_str(&back)?;
    ensure!(
        back["name"]["givenName"] == "Bo" && back["active"] == false,
        "{back}"
    );

    let wrong = directory.write(
        "wrong.json",
        json!({ "schemas": [USER], "displayName": "nobody" }).to_string(),
    )?;
    let output = run(&[
        "mapping",
        "try",
        &folder,
        "people",
        "--person",
        &wrong.display().to_string(),
    ])?;
    ensure!(!output.status.success());
    let said = String::from_utf8(output.stderr)?;
    ensure!(said.contains("userName"), "{said}");
    let output = run(&["mapping", "try", &folder, "nobody", "--person", &file])?;
    ensure!(String::from_utf8(output.stderr)?.contains("there is no app `nobody`"));
    Ok(())
}

/// Acceptance 5, from the command line: what is printed is what an app's file takes.
#[test]
fn an_entra_schema_becomes_the_tables_of_an_apps_file_and_goes_back() -> Result<()> {
    let directory = directory("")?;
    let folder = directory.path().display().to_string();
    let schema = build::root().join("host/mapping/tests/fixtures/entra_schema.json");
    let schema = schema.display().to_string();
    let tables = run_ok(&[
        "mapping", "import", &schema, "--dir", &folder, "--app", "people",
    ])?;
    ensure!(
        tables.contains(
            "# urn:ietf:params:scim:schemas:extension:ECMA2Host:2.0:User:badgePrinter (left out)"
        ),
        "{tables}"
    );
    apps::csv(&directory, "people", &tables)?;
    let checked: Value = serde_json::from_str(&run_ok(&["check", &folder, "--output", "json"])?)?;
    ensure!(checked["errors"] == 0, "{checked}");
    let file = directory.write("ana.json", person("Ana@contoso.com", "Ana").to_string())?;
    let file = file.display().to_string();
    let told = run_ok(&["mapping", "try", &folder, "people", "--person", &file])?;
    ensure!(told.contains("Ruiz, Ana"), "{told}");

    let exported = run_ok(&["mapping", "export", &folder, "people"])?;
    let exported = directory.write("exported.json", exported)?;
    let again = run_ok(&[
        "mapping",
        "import",
        &exported.display().to_string(),
        "--dir",
        &folder,
        "--app",
        "people",
        "--output",
        "json",
    ])?;
    let again: Value = serde_json::from_str(&again)?;
    ensure!(again["refused"].is_null(), "{again}");
    let display = &again["mapping"]["user"]["expressions"]["displayName"];
    ensure!(
        display == r#"Join(", ", "", [name.familyName], [name.givenName])"#,
        "{again}"
    );
    Ok(())
}
