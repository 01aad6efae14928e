//! `tombolo simulate` against a real host: no answer that Entra would not accept, and at the end the target has what the
//! source has, seen from outside: in the files, and by `ldapsearch`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tombolo_tests::host::{Directory, Host, TOKEN, run_with};
use tombolo_tests::slapd::{BASE, Slapd};
use tombolo_tests::{apps, build};

const PASSWORD: &str = "simulator-password";
/// One initial and three incremental.
const CYCLES: &str = "4";

#[tokio::test(flavor = "multi_thread")]
async fn four_cycles_against_csv_end_as_the_source_in_both_dialects() -> Result<()> {
    for dialect in ["legacy", "flagged"] {
        let directory = Directory::new()?;
        directory.connector("csv", &build::connector("csv")?)?;
        apps::csv(&directory, "people", "")?;
        let host = Host::start(&directory).await?;
        let state = directory.path().join("simulator.json");
        let report = simulate(&host, &state, &["--cycles", CYCLES, "--dialect", dialect])?;
        good(&report, dialect)?;
        compare(
            &Source::read(&state)?,
            &files(&directory.path().join("data/people"))?,
        )?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn four_cycles_against_ldap_end_as_the_source_in_both_dialects() -> Result<()> {
    for dialect in ["legacy", "flagged"] {
        let slapd = Slapd::start(PASSWORD)?;
        let directory = Directory::new()?;
        directory.connector("ldap", &build::connector("ldap")?)?;
        apps::ldap(&directory, "people", &slapd, "")?;
        let host = Host::start_with(directory.path(), &apps::with_password(PASSWORD)).await?;
        let state = directory.path().join("simulator.json");
        let report = simulate(&host, &state, &["--cycles", CYCLES, "--dialect", dialect])?;
        good(&report, dialect)?;
        let source = Source::read(&state)?;
        compare(&source, &entries(&slapd)?)?;

        // The same tenant matched again, from nothing: no write reaches the directory.
        let before = slapd.writes()?;
        let report = simulate(&host, &state, &["--cycles", "1", "--restart"])?;
        ensure!(report["verdict"] == "same", "{report:#}");
        ensure!(
            slapd.writes()? == before,
            "a restart wrote {} times",
            slapd.writes()? - before
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_of_files_is_followed_and_one_user_goes_on_demand() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "people", "")?;
    let host = Host::start(&directory).await?;
    let (state, log) = (
        directory.path().join("simulator.json"),
        directory.path().join("provisioning.jsonl"),
    );
    let tenant = directory.path().join("tenant");
    let options = ["--source", text(&tenant)?, "--log", text(&log)?];
    let once = ["--cycles", "1"];

    directory.write(
        "tenant/users.csv",
        "id,userPrincipalName,displayName,employeeId,manager,accountEnabled\n\
         a,ana@example.test,\"Ruiz, Ana\",1,,\nb,bo@example.test,Bo,2,ana@example.test,\nc,cy@example.test,Cy,3,,false\n",
    )?;
    directory.write(
        "tenant/groups.json",
        r#"[{"id":"g","displayName":"R&D","members":["a","bo@example.test","c"]}]"#,
    )?;
    let report = simulate(&host, &state, &[&options[..], &once].concat())?;
    ensure!(
        report["verdict"] == "same" && report["cycles"][0]["users"]["created"] == 2,
        "{report:#}"
    );

    directory.write(
        "tenant/users.csv",
        "id,userPrincipalName,displayName,employeeId,manager,accountEnabled\n\
         b,bo.new@example.test,Bo,2,,false\nc,cy@example.test,Cy,3,b,true\n",
    )?;
    directory.write(
        "tenant/groups.json",
        r#"[{"id":"g","displayName":"R&D EU","members":["b"]}]"#,
    )?;
    let report = simulate(&host, &state, &[&options[..], &once].concat())?;
    ensure!(report["verdict"] == "same", "{report:#}");
    let cycle = &report["cycles"][0];
    ensure!(
        cycle["initial"] == false
            && cycle["users"]["deleted"] == 1
            && cycle["users"]["disabled"] == 1,
        "{cycle:#}"
    );
    let target = files(&directory.path().join("data/people"))?;
    ensure!(
        target.users.len() == 2 && !target.users["2"].active && target.users["3"].active,
        "{target:?}"
    );
    ensure!(
        target.users["3"].manager.as_deref() == Some("2") && target.users["2"].manager.is_none(),
        "{target:?}"
    );
    ensure!(
        target.groups["R&D EU"] == BTreeSet::from(["2".to_owned()]),
        "{target:?}"
    );

    // A log row has the fields of Entra's.
    let rows: Vec<Value> = std::fs::read_to_string(&log)?
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    ensure!(rows.iter().any(|row| row["provisioningAction"] == "disable" && row["sourceIdentity"]["id"] == "b"));
    ensure!(rows.iter().all(
        |row| row["provisioningStatusInfo"]["status"].is_string() && row["cycleId"].is_string()
    ));

    directory.write(
        "tenant/users.csv",
        "id,userPrincipalName,displayName\nd,di@example.test,Di\n",
    )?;
    let arguments = [&["on-demand", "di@example.test"][..], &options].concat();
    let report = simulate(&host, &directory.path().join("other.json"), &arguments)?;
    ensure!(
        report["failure"].is_null() && report["steps"][0]["step"] == "testConnection",
        "{report:#}"
    );
    ensure!(
        std::fs::read_to_string(directory.path().join("data/people/people.csv"))?
            .contains("di@example.test")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_and_a_wrong_file_are_said_by_the_exit_code() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "people", "")?;
    let host = Host::start(&directory).await?;
    let url = url(&host);
    let wrong = run_with(
        &[
            "simulate", "--url", &url, "--token", "wrong", "--people", "2",
        ],
        &[],
    )?;
    let said = String::from_utf8_lossy(&wrong.stdout);
    ensure!(
        wrong.status.code() == Some(1) && said.contains("the job is in quarantine"),
        "{wrong:?}"
    );
    directory.write("tenant/users.csv", "id,userPrincipalName\n1,\n")?;
    let tenant = directory.path().join("tenant");
    let wrong = run_with(
        &["simulate", "--url", &url, "--source", text(&tenant)?],
        &[("TOMBOLO_TOKEN", TOKEN)],
    )?;
    let said = String::from_utf8_lossy(&wrong.stderr);
    ensure!(
        wrong.status.code() == Some(2) && said.contains("users.csv`, line 2: a user needs"),
        "{wrong:?}"
    );
    Ok(())
}

/// 300 people and 20 groups, or as `TOMBOLO_TEST_PEOPLE` says and one group for twenty of them.
fn size() -> (usize, usize) {
    let people = std::env::var("TOMBOLO_TEST_PEOPLE")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(300);
    (people, (people / 20).max(20))
}

fn url(host: &Host) -> String {
    format!("{}/apps/people/scim/v2", host.url())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path is text")
}

/// Runs the simulator and returns its report.
fn simulate(host: &Host, state: &Path, arguments: &[&str]) -> Result<Value> {
    let (people, groups) = size();
    let (people, groups, url) = (people.to_string(), groups.to_string(), url(host));
    let mut all = vec!["--output", "json", "simulate"];
    all.extend(arguments);
    all.extend(["--url", &url, "--state", text(state)?]);
    if !arguments.contains(&"--source") {
        all.extend([
            "--people", &people, "--groups", &groups, "--churn", "20", "--seed", "11",
        ]);
    }
    let output = run_with(&all, &[("TOMBOLO_TOKEN", TOKEN)])?;
    ensure!(
        output.status.success(),
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn good(report: &Value, dialect: &str) -> Result<()> {
    ensure!(
        report["verdict"] == "same" && report["unexpected"] == 0 && report["dialect"] == dialect,
        "{report:#}"
    );
    for cycle in report["cycles"].as_array().context("cycles")? {
        ensure!(cycle["failed"] == 0, "{cycle:#}");
    }
    println!(
        "{dialect}: {:.0} s",
        report["seconds"].as_f64().unwrap_or_default()
    );
    for line in report["requests"].as_array().context("requests")? {
        println!(
            "  {:<20} {:>6} {:>4} {:>9.2} {:>9.2}",
            line["request"].as_str().unwrap_or_default(),
            line["count"],
            line["errors"],
            line["p50"].as_f64().unwrap_or_default(),
            line["p99"].as_f64().unwrap_or_default()
        );
    }
    Ok(())
}

/// A user as either side has it; people are known by their employee number.
#[derive(Debug, PartialEq, Eq)]
struct User {
    name: String,
    display: String,
    title: Option<String>,
    mail: Option<String>,
    city: Option<String>,
    active: bool,
    manager: Option<String>,
}

#[derive(Debug, Default)]
struct Target {
    users: BTreeMap<String, User>,
    /// Members' employee numbers by display name.
    groups: BTreeMap<String, BTreeSet<String>>,
}

/// What the simulator's state says of the source.
struct Source {
    /// Users that must be in the target.
    users: BTreeMap<String, User>,
    /// Attributes are not compared of who is out of scope.
    out_of_scope: BTreeSet<String>,
    /// Whose manager was out of scope when it was met: the one before stays.
    other_manager: BTreeSet<String>,
    groups: BTreeMap<String, BTreeSet<String>>,
    /// Members that were out of scope when they were met.
    skipped: BTreeMap<String, BTreeSet<String>>,
}

impl Source {
    fn read(state: &Path) -> Result<Self> {
        let state: Value = serde_json::from_slice(&std::fs::read(state)?)?;
        ensure!(
            state["escrow"] == serde_json::json!([]),
            "{:#}",
            state["escrow"]
        );
        let tenant = &state["watermark"];
        let object = |value: &Value| value.as_object().cloned().context("an object");
        let people = object(&tenant["users"])?;
        let number = |key: &str| {
            people
                .get(key)
                .and_then(|user| string(&user["properties"]["employeeId"]))
        };
        let numbers = |keys: &Value| -> BTreeSet<String> {
            keys.as_array()
                .into_iter()
                .flatten()
                .filter_map(|key| number(key.as_str()?))
                .collect()
        };
        let (mut users, mut out_of_scope, mut other_manager) =
            (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        for (key, user) in &people {
            let link = &state["users"][key];
            let truth = |name: &str| user[name] == true;
            let in_scope = truth("assigned") && !truth("softDeleted");
            let active = in_scope && truth("accountEnabled");
            let number = number(key).context("an employeeId")?;
            if link.is_null() {
                ensure!(!active, "{user:#} is active and has no link");
                continue;
            }
            if !in_scope {
                out_of_scope.insert(number.clone());
            }
            if user["manager"].is_string() && link["managerSkipped"] == user["manager"] {
                other_manager.insert(number.clone());
            }
            let manager = string(&user["manager"]);
            let property = |name: &str| string(&user["properties"][name]);
            users.insert(
                number,
                User {
                    name: string(&user["userPrincipalName"]).context("a name")?,
                    display: property("displayName").context("a name")?,
                    title: property("jobTitle"),
                    mail: property("mail"),
                    city: property("city"),
                    active,
                    manager: manager.and_then(|manager| {
                        people
                            .get(&manager)
                            .and_then(|m| string(&m["properties"]["employeeId"]))
                    }),
                },
            );
        }
        let (mut groups, mut skipped) = (BTreeMap::new(), BTreeMap::new());
        for (key, group) in object(&tenant["groups"])? {
            if group["assigned"] == true {
                let name = string(&group["displayName"]).context("a name")?;
                groups.insert(name.clone(), numbers(&group["members"]));
                skipped.insert(name, numbers(&state["groups"][key]["skipped"]));
            }
        }
        Ok(Self {
            users,
            out_of_scope,
            other_manager,
            groups,
            skipped,
        })
    }
}

fn string(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// The target against the source. Who was unassigned and deleted later stays behind, disabled, as Entra leaves them.
fn compare(source: &Source, target: &Target) -> Result<()> {
    let mut wrong = Vec::new();
    for (number, user) in &source.users {
        match target.users.get(number) {
            None => wrong.push(format!("{number} ({}) is not there", user.name)),
            Some(there) if source.out_of_scope.contains(number) => {
                if there.active {
                    wrong.push(format!("{number} is out of scope and active"));
                }
            }
            Some(there) if source.other_manager.contains(number) && there.name == user.name => {}
            Some(there) if there != user => {
                wrong.push(format!("{number} is {there:?}, not {user:?}"));
            }
            Some(_) => {}
        }
    }
    for (number, there) in &target.users {
        if !source.users.contains_key(number) && there.active {
            wrong.push(format!("{number} is gone from the source, and active"));
        }
    }
    for (name, members) in &source.groups {
        let Some(there) = target.groups.get(name) else {
            wrong.push(format!("group {name:?} is not there"));
            continue;
        };
        let expected: BTreeSet<&String> = members.difference(&source.skipped[name]).collect();
        let found: BTreeSet<&String> = there
            .iter()
            .filter(|number| source.users.contains_key(*number))
            .collect();
        if found != expected {
            wrong.push(format!("group {name:?} has {found:?}, not {expected:?}"));
        }
    }
    if source.groups.len() != target.groups.len() {
        wrong.push(format!(
            "{} groups, not {}",
            target.groups.len(),
            source.groups.len()
        ));
    }
    ensure!(
        source.users.len() > 1 && wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    Ok(())
}

/// The csv connector's files.
fn files(directory: &Path) -> Result<Target> {
    type Row = BTreeMap<String, String>;
    let rows = |name: &str| -> Result<Vec<Row>> {
        let mut reader = csv::Reader::from_path(directory.join(name))?;
        Ok(reader.deserialize().collect::<Result<_, _>>()?)
    };
    let filled = |row: &Row, name: &str| row.get(name).filter(|value| !value.is_empty()).cloned();
    let people = rows("people.csv")?;
    let numbers: BTreeMap<&str, &str> = people
        .iter()
        .map(|row| (row["id"].as_str(), row["employeeNumber"].as_str()))
        .collect();
    let mut target = Target::default();
    for row in &people {
        target.users.insert(
            row["employeeNumber"].clone(),
            User {
                name: row["userName"].clone(),
                display: row["displayName"].clone(),
                title: filled(row, "title"),
                mail: filled(row, "workEmail"),
                city: filled(row, "workLocality"),
                active: row["active"] == "true",
                manager: filled(row, "manager").map(|anchor| {
                    numbers
                        .get(anchor.as_str())
                        .copied()
                        .unwrap_or("?")
                        .to_owned()
                }),
            },
        );
    }
    let groups = rows("groups.csv")?;
    let names: BTreeMap<&str, &str> = groups
        .iter()
        .map(|row| (row["id"].as_str(), row["displayName"].as_str()))
        .collect();
    target.groups = names
        .values()
        .map(|name| ((*name).to_owned(), BTreeSet::new()))
        .collect();
    for row in rows("memberships.csv")? {
        let name = names
            .get(row["group"].as_str())
            .context("a membership of no group")?;
        let number = numbers
            .get(row["member"].as_str())
            .context("a membership of nobody")?;
        target
            .groups
            .entry((*name).to_owned())
            .or_default()
            .insert((*number).to_owned());
    }
    Ok(target)
}

/// What `ldapsearch` shows. DNs are compared as this server prints them.
fn entries(slapd: &Slapd) -> Result<Target> {
    let people = slapd.people()?;
    let numbers: BTreeMap<&str, &str> = people
        .iter()
        .map(|(number, entry)| (entry.dn.as_str(), number.as_str()))
        .collect();
    let mut target = Target::default();
    for (number, entry) in &people {
        let one = |name: &str| entry.one(name).map(str::to_owned);
        target.users.insert(
            number.clone(),
            User {
                name: one("uid").context("a uid")?,
                display: one("cn").context("a cn")?,
                title: one("title"),
                mail: one("mail"),
                city: one("l"),
                active: entry.one("employeeType") != Some("disabled"),
                manager: one("manager")
                    .map(|dn| numbers.get(dn.as_str()).copied().unwrap_or("?").to_owned()),
            },
        );
    }
    for entry in slapd.search(&format!("ou=groups,{BASE}"), "(objectClass=groupOfNames)")? {
        let members = entry.all("member").iter().filter(|dn| !dn.is_empty());
        let members = members.map(|dn| numbers.get(dn.as_str()).copied().unwrap_or("?").to_owned());
        target.groups.insert(
            entry.one("cn").context("a cn")?.to_owned(),
            members.collect(),
        );
    }
    Ok(target)
}
