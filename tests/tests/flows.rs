//! Flows through the real binary: from files and databases into files and a real directory.
//!
//! After each day the sink has what an independent reading of the source says, the second run writes nothing, and neither
//! a killed host nor half a file takes anybody away.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tombolo_tests::dice::Dice;
use tombolo_tests::host::{Directory, Host, run};
use tombolo_tests::slapd::{BASE, Slapd};
use tombolo_tests::sql::{Database, Engine};
use tombolo_tests::{apps, build, sql};

const PASSWORD: &str = "flow-password";

/// One person as HR has him.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Person {
    login: String,
    given: String,
    family: String,
    title: String,
    active: bool,
    boss: Option<String>,
}

/// People by number.
type Staff = BTreeMap<String, Person>;

const GIVEN: [&str; 6] = ["Ana", "Jürgen", "Zoë", "Łukasz", "O", "小明"];
const FAMILY: [&str; 6] = [
    "Ruiz",
    "O'Brien",
    "Müller, Jr.",
    "佐藤",
    "Smith-Jones",
    "Öberg",
];

fn hire(dice: &mut Dice, number: usize, bosses: &[String]) -> Person {
    let boss =
        (!bosses.is_empty() && !dice.one_in(5)).then(|| bosses[dice.below(bosses.len())].clone());
    Person {
        login: format!("p{number}@example.test"),
        given: GIVEN[dice.below(GIVEN.len())].to_owned(),
        family: FAMILY[dice.below(FAMILY.len())].to_owned(),
        title: format!("Title {}", dice.below(9)),
        active: true,
        boss,
    }
}

fn staff(seed: u64, people: usize) -> Staff {
    let mut dice = Dice::new(seed);
    let mut staff = Staff::new();
    for number in 0..people {
        let bosses: Vec<String> = staff.keys().take(20).cloned().collect();
        staff.insert(format!("{number:05}"), hire(&mut dice, number, &bosses));
    }
    staff
}

/// A day later: joiners, movers, leavers, rehires, renames.
fn later(before: &Staff, day: u64) -> Staff {
    let mut dice = Dice::new(1000 + day);
    let mut after = before.clone();
    let numbers: Vec<String> = before.keys().cloned().collect();
    for number in &numbers {
        let Some(person) = after.get_mut(number) else {
            continue;
        };
        match dice.below(40) {
            0 => person.title = format!("Title {}", 10 + dice.below(9)),
            1 => FAMILY[dice.below(FAMILY.len())].clone_into(&mut person.family),
            2 => person.login = format!("p{number}.{day}@example.test"),
            3 => person.active = !person.active,
            4 => person.boss = Some(numbers[dice.below(numbers.len().min(20))].clone()),
            5 if number.as_str() > "00020" && dice.one_in(3) => {
                after.remove(number);
            }
            _ => {}
        }
    }
    for extra in 0..3 {
        let number = 50_000 + usize::try_from(day).unwrap_or(0) * 10 + extra;
        let bosses: Vec<String> = after.keys().take(20).cloned().collect();
        after.insert(format!("{number:05}"), hire(&mut dice, number, &bosses));
    }
    // Nobody is his own boss.
    for (number, person) in &mut after {
        if person.boss.as_ref() == Some(number) {
            person.boss = None;
        }
    }
    after
}

/// The staff as a CSV file of HR's; `rows` of them.
fn write_csv(directory: &Directory, staff: &Staff, rows: usize) -> Result<()> {
    let mut file = csv::Writer::from_writer(Vec::new());
    file.write_record([
        "id",
        "userName",
        "givenName",
        "familyName",
        "title",
        "active",
        "manager",
        "employeeNumber",
    ])?;
    for (number, person) in staff.iter().take(rows) {
        file.write_record([
            format!("row-{number}").as_str(),
            person.login.as_str(),
            person.given.as_str(),
            person.family.as_str(),
            person.title.as_str(),
            if person.active { "true" } else { "false" },
            &person
                .boss
                .as_ref()
                .map(|boss| format!("row-{boss}"))
                .unwrap_or_default(),
            number,
        ])?;
    }
    directory.write("data/hr/people.csv", file.into_inner()?)?;
    Ok(())
}

const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";
const NUMBER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber";

/// `flows/joiners.toml` from the app `hr` to the app `directory`.
fn flow(directory: &Directory, rest: &str) -> Result<()> {
    let text = format!(
        "source = \"hr\"\nkey = \"[employeeNumber]\"\nmanual = true\n{rest}\n\n\
         [sink]\nkind = \"app\"\napp = \"directory\"\n\n\
         [mapping]\nuserName = \"[userName]\"\n\"name.givenName\" = \"[givenName]\"\n\
         \"name.familyName\" = \"[familyName]\"\ntitle = \"[title]\"\n\
         displayName = 'Join(\" \", [givenName], [familyName])'\n\
         active = {{ expression = \"[active]\", default = true }}\n\
         \"{NUMBER}\" = \"[employeeNumber]\"\n\"{MANAGER}\" = \"[manager]\"\n"
    );
    directory.write("flows/joiners.toml", text)?;
    Ok(())
}

fn tombolo(directory: &Directory, words: &[&str]) -> Result<Output> {
    let at = directory.path().to_string_lossy().into_owned();
    let mut arguments = vec!["--output", "json", "flow", words[0], at.as_str()];
    arguments.extend(&words[1..]);
    run(&arguments)
}

fn answer(output: &Output) -> Result<Value> {
    serde_json::from_slice(&output.stdout).with_context(|| {
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// Runs the flow, which must go well; the counts.
fn carry(directory: &Directory, more: &[&str]) -> Result<Value> {
    let words: Vec<&str> = ["run", "joiners"].iter().chain(more).copied().collect();
    let output = tombolo(directory, &words)?;
    let end = answer(&output)?;
    ensure!(output.status.success(), "{end:#}");
    ensure!(
        end["standing"]["failing"] == 0 && end["standing"]["dead"] == 0,
        "{end:#}"
    );
    Ok(end["run"]["counts"].clone())
}

/// People in the scope of these tests: 300, or as `TOMBOLO_TEST_PEOPLE` says.
fn size() -> usize {
    let set = std::env::var("TOMBOLO_TEST_PEOPLE").ok();
    set.and_then(|n| n.parse().ok()).unwrap_or(300)
}

/// What the directory shows against what HR has said so far: who has gone stays, disabled.
fn compare_ldap(slapd: &Slapd, state: &Staff) -> Result<()> {
    let people = slapd.people()?;
    ensure!(
        people.len() == state.len(),
        "{} people, not {}",
        people.len(),
        state.len()
    );
    let mut wrong = Vec::new();
    let same = |dn: &str| dn.to_lowercase().replace(' ', "");
    for (number, person) in state {
        let Some(entry) = people.get(number) else {
            wrong.push(format!("{number} is not there"));
            continue;
        };
        let display = format!("{} {}", person.given, person.family);
        for (name, value) in [
            ("uid", Some(person.login.as_str())),
            ("sn", Some(&person.family)),
            ("givenName", Some(&person.given)),
            ("title", Some(&person.title)),
            ("cn", Some(&display)),
            ("employeeType", (!person.active).then_some("disabled")),
        ] {
            if entry.one(name) != value {
                wrong.push(format!(
                    "{number}: {name} is {:?}, not {value:?}",
                    entry.all(name)
                ));
            }
        }
        let boss = person
            .boss
            .as_ref()
            .and_then(|boss| people.get(boss))
            .map(|e| same(&e.dn));
        let shown = entry.one("manager").map(same);
        if shown != boss {
            wrong.push(format!("{number}: manager is {shown:?}, not {boss:?}"));
        }
    }
    sql::nothing_wrong(&wrong)
}

/// What the sink has to have after a day.
fn accumulate(state: &Staff, today: &Staff) -> Staff {
    let mut after = state.clone();
    after.extend(
        today
            .iter()
            // Who had left before he was seen is nobody.
            .filter(|(number, person)| person.active || state.contains_key(*number))
            .map(|(number, person)| (number.clone(), person.clone())),
    );
    for (number, person) in &mut after {
        if !today.contains_key(number) {
            person.active = false;
        }
    }
    after
}

fn changed(before: &Staff, after: &Staff) -> usize {
    after
        .iter()
        .filter(|(number, person)| before.get(*number) != Some(person))
        .count()
}

fn sent(counts: &Value) -> u64 {
    ["joiners", "movers", "leavers", "rehires"]
        .iter()
        .filter_map(|name| counts[*name].as_u64())
        .sum()
}

async fn hr_and_directory(slapd: &Slapd) -> Result<(Directory, Host)> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    apps::csv(&directory, "hr", "")?;
    apps::ldap(&directory, "directory", slapd, "")?;
    flow(&directory, "[limit]\npercent = 20\n")?;
    let host = Host::start_with(directory.path(), &apps::with_password(PASSWORD)).await?;
    Ok((directory, host))
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_days_of_a_file_reach_openldap_and_a_second_run_writes_nothing() -> Result<()> {
    let slapd = Slapd::start(PASSWORD)?;
    let (directory, _host) = hr_and_directory(&slapd).await?;
    let mut today = staff(7, size());
    let mut state = Staff::new();
    for day in 0..10 {
        write_csv(&directory, &today, usize::MAX)?;
        let expected = accumulate(&state, &today);
        let plan = tombolo(&directory, &["plan", "joiners"])?;
        let plan = answer(&plan)?;
        let counts = carry(&directory, &["--accept-shrink"])?;
        ensure!(
            sent(&counts) == sent(&plan["counts"]),
            "planned {plan:#}, sent {counts:#}"
        );
        // Those who had left before they were seen are looked for, and not there.
        let ghosts = today
            .iter()
            .filter(|(no, p)| !p.active && !state.contains_key(*no))
            .count();
        let (sent, moved) = (sent(&counts), changed(&state, &expected) + ghosts);
        ensure!(
            sent == moved as u64 || day > 0 && sent <= moved as u64,
            "day {day}: {sent} sent, {moved} changed"
        );
        compare_ldap(&slapd, &expected).with_context(|| format!("day {day}"))?;
        let before = slapd.writes()?;
        let again = carry(&directory, &[])?;
        ensure!(self::sent(&again) == 0, "{again:#}");
        ensure!(slapd.writes()? == before, "the second run wrote");
        (state, today) = (expected, later(&today, day));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_file_is_held_and_says_what_to_do() -> Result<()> {
    let slapd = Slapd::start(PASSWORD)?;
    let (directory, host) = hr_and_directory(&slapd).await?;
    let all = staff(8, 60);
    write_csv(&directory, &all, usize::MAX)?;
    carry(&directory, &[])?;
    let before = slapd.writes()?;
    write_csv(&directory, &all, 30)?;
    let output = tombolo(&directory, &["run", "joiners"])?;
    let end = answer(&output)?;
    ensure!(!output.status.success(), "{end:#}");
    let said = &end["run"]["end"];
    ensure!(said["state"] == "held", "{end:#}");
    let remedy = said["remedy"].as_str().unwrap_or_default();
    ensure!(remedy.contains("--accept-shrink"), "{end:#}");
    ensure!(slapd.writes()? == before, "something was written");
    host.until("/metrics", |_, page| {
        page.contains("tombolo_flow_held{flow=\"joiners\"} 1")
    })
    .await?;
    // A key twice, and one without: named, and nobody is taken for gone.
    let mut odd = all.clone();
    let copy = odd["00003"].clone();
    odd.insert(
        "00003 ".to_owned(),
        Person {
            login: "copy@example.test".to_owned(),
            ..copy
        },
    );
    odd.insert(
        String::new(),
        Person {
            login: "nameless@example.test".to_owned(),
            ..all["00004"].clone()
        },
    );
    write_csv(&directory, &odd, usize::MAX)?;
    let end = answer(&tombolo(&directory, &["run", "joiners"])?)?;
    ensure!(end["run"]["end"]["state"] == "done", "{end:#}");
    ensure!(
        end["run"]["unusable"] == 2 && sent(&end["run"]["counts"]) == 0,
        "{end:#}"
    );
    ensure!(slapd.writes()? == before, "something was written");
    // They have really gone: somebody says so.
    write_csv(&directory, &all, 30)?;
    let counts = carry(&directory, &["--accept-shrink"])?;
    ensure!(counts["leavers"] == 30, "{counts:#}");
    let disabled = slapd.search(&format!("ou=people,{BASE}"), "(employeeType=disabled)")?;
    ensure!(disabled.len() == 30, "{} are disabled", disabled.len());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_anywhere_misses_nobody() -> Result<()> {
    let kills = std::env::var("TOMBOLO_TEST_KILLS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(8);
    let slapd = Slapd::start(PASSWORD)?;
    let (directory, mut host) = hr_and_directory(&slapd).await?;
    let mut dice = Dice::new(99);
    let mut today = staff(9, 120);
    let mut state = Staff::new();
    for kill in 0..kills {
        write_csv(&directory, &today, usize::MAX)?;
        let at = directory.path().to_owned();
        let order = tokio::task::spawn_blocking(move || order_and_forget(&at));
        tokio::time::sleep(Duration::from_millis(20 + dice.below(900) as u64)).await;
        host.kill()?;
        order.await??;
        host = Host::start_with(directory.path(), &apps::with_password(PASSWORD)).await?;
        carry(&directory, &["--accept-shrink"])?;
        let expected = accumulate(&state, &today);
        compare_ldap(&slapd, &expected).with_context(|| format!("after kill {kill}"))?;
        (state, today) = (expected, later(&today, 100 + kill));
    }
    Ok(())
}

/// The host is killed while it works on this: whatever comes of it.
fn order_and_forget(at: &Path) -> Result<()> {
    let at = at.to_string_lossy().into_owned();
    run(&["flow", "run", &at, "joiners", "--accept-shrink"]).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_feeds_openldap_with_its_managers() -> Result<()> {
    let slapd = Slapd::start(PASSWORD)?;
    let directory = Directory::new()?;
    directory.connector("sql", &build::connector("sql")?)?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    let database = Database::start(Engine::Postgresql, &directory)?;
    database.run(
        "CREATE TABLE staff (no text PRIMARY KEY, login text, given text, family text, title text, active boolean, boss text);",
    )?;
    let port = database
        .address()?
        .rsplit_once(':')
        .context("a port")?
        .1
        .to_owned();
    directory.app(
        "hr",
        "sql",
        &format!(
            "[settings]\ndialect = \"postgresql\"\n[settings.kinds.user]\ntable = \"staff\"\nkey = [\"no\"]\n\
             [settings.kinds.user.attributes]\n\
             employeeNumber = {{ column = \"no\", required = true, scim = \"{NUMBER}\" }}\n\
             userName = {{ column = \"login\", required = true, unique = true, scim = \"userName\" }}\n\
             givenName = {{ column = \"given\", scim = \"name.givenName\" }}\n\
             familyName = {{ column = \"family\", scim = \"name.familyName\" }}\n\
             title = {{ scim = \"title\" }}\n\
             active = {{ type = \"boolean\", scim = \"active\" }}\n\
             manager = {{ columns = {{ boss = \"no\" }}, scim = \"{MANAGER}\" }}\n\n\
             [targets.database]\nkind = \"sql\"\ndriver = \"postgresql\"\nhost = \"127.0.0.1\"\nport = {port}\n\
             database = \"{}\"\nuser = \"{}\"\npassword = \"env:{}\"\ntls = \"off\"\n",
            tombolo_tests::postgres::DATABASE,
            tombolo_tests::postgres::USER,
            sql::PASSWORD_VARIABLE
        ),
    )?;
    apps::ldap(&directory, "directory", &slapd, "")?;
    flow(&directory, "")?;
    let mut start = apps::with_password(PASSWORD);
    start.environment.extend(sql::with_password().environment);
    let _host = Host::start_with(directory.path(), &start).await?;
    let mut today = staff(11, 80);
    let mut state = Staff::new();
    for day in 0..3 {
        fill(&database, &today)?;
        state = accumulate(&state, &today);
        carry(&directory, &["--accept-shrink"])?;
        compare_ldap(&slapd, &state).with_context(|| format!("day {day}"))?;
        let before = slapd.writes()?;
        carry(&directory, &[])?;
        ensure!(slapd.writes()? == before, "the second run wrote");
        today = later(&today, day);
    }
    Ok(())
}

fn fill(database: &Database, staff: &Staff) -> Result<()> {
    let quote = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let rows: Vec<String> = staff
        .iter()
        .map(|(number, person)| {
            let boss = person
                .boss
                .as_ref()
                .map_or("NULL".to_owned(), |boss| quote(boss));
            format!(
                "({}, {}, {}, {}, {}, {}, {boss})",
                quote(number),
                quote(&person.login),
                quote(&person.given),
                quote(&person.family),
                quote(&person.title),
                person.active
            )
        })
        .collect();
    database.run(&format!(
        "DELETE FROM staff;\nINSERT INTO staff VALUES {};",
        rows.join(",\n")
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_feeds_another_and_a_second_source_only_updates() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    for app in ["hr", "directory", "phones"] {
        apps::csv(&directory, app, "")?;
    }
    flow(&directory, "")?;
    directory.write(
        "flows/phones.toml",
        "source = \"phones\"\nkey = \"[externalId]\"\nmanual = true\nactions = [\"update\"]\n\
         [sink]\nkind = \"app\"\napp = \"directory\"\n\
         [mapping]\nuserName = \"[userName]\"\n'phoneNumbers[type eq \"work\"].value' = \"[workPhone]\"\n",
    )?;
    let host = Host::start(&directory).await?;
    let staff = staff(12, 30);
    write_csv(&directory, &staff, usize::MAX)?;
    carry(&directory, &[])?;
    let mut phones = csv::Writer::from_writer(Vec::new());
    phones.write_record(["id", "userName", "externalId", "workPhone"])?;
    phones.write_record(["1", &staff["00001"].login, "00001", "+49 1"])?;
    phones.write_record(["2", "stranger@example.test", "99999", "+49 2"])?;
    directory.write("data/phones/people.csv", phones.into_inner()?)?;
    let end = answer(&tombolo(&directory, &["run", "phones"])?)?;
    ensure!(
        end["settled"] == true && end["standing"]["dead"] == 0,
        "{end:#}"
    );
    let shown = host.scim("directory")?;
    let listed = shown.get("/Users?count=100").await?;
    ensure!(
        listed.body["totalResults"] == 30,
        "{:?}",
        listed.body["totalResults"]
    );
    let found = shown
        .get("/Users?filter=externalId%20eq%20%2200001%22")
        .await?;
    let person = &found.body["Resources"][0];
    ensure!(person["phoneNumbers"][0]["value"] == "+49 1", "{person:#}");
    ensure!(
        person["name"]["familyName"] == staff["00001"].family.as_str(),
        "{person:#}"
    );
    // What it did is in the audit under the flow's name.
    let at = directory.path().to_string_lossy().into_owned();
    let told = run(&["--output", "json", "audit", "list", &at])?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    ensure!(
        told.contains("flow phones") && told.contains("flow joiners"),
        "{told}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_leaves_does_not_wait_for_thousands_who_join() -> Result<()> {
    let slapd = Slapd::start(PASSWORD)?;
    let (directory, _host) = hr_and_directory(&slapd).await?;
    let mut all = staff(13, 40);
    write_csv(&directory, &all, usize::MAX)?;
    carry(&directory, &[])?;
    let newcomers = staff(14, 2000).into_iter().map(|(no, person)| {
        let login = format!("n{no}@example.test");
        (
            format!("9{no}"),
            Person {
                login,
                boss: None,
                ..person
            },
        )
    });
    all.extend(newcomers);
    all.remove("00039");
    write_csv(&directory, &all, usize::MAX)?;
    let began = Instant::now();
    let at = directory.path().to_owned();
    let order = tokio::task::spawn_blocking(move || order_and_forget(&at));
    let deadline = Duration::from_secs(60);
    loop {
        let gone = slapd.search(
            &format!("ou=people,{BASE}"),
            "(&(employeeNumber=00039)(employeeType=disabled))",
        )?;
        if !gone.is_empty() {
            break;
        }
        ensure!(
            began.elapsed() < deadline,
            "not disabled after {deadline:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let there = slapd.people()?.len();
    ensure!(there < 1500, "{there} were there before the leaver was out");
    order.await??;
    Ok(())
}

#[test]
fn check_says_what_is_wrong_with_a_flow() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "hr", "")?;
    apps::csv(&directory, "directory", "")?;
    flow(&directory, "")?;
    let at = directory.path().to_string_lossy().into_owned();
    let good = run(&["check", &at])?;
    ensure!(
        good.status.success(),
        "{}",
        String::from_utf8_lossy(&good.stderr)
    );
    let file = directory.path().join("flows/joiners.toml");
    let text = std::fs::read_to_string(&file)?
        .replace("source = \"hr\"", "source = \"hrr\"")
        .replace("title = \"[title]\"", "shoeSize = \"[title]\"");
    directory.write("flows/joiners.toml", text)?;
    let bad = run(&["check", &at])?;
    let said = String::from_utf8_lossy(&bad.stderr).into_owned();
    ensure!(!bad.status.success(), "it passed");
    for words in ["there is no app `hrr`", "mapping.shoeSize"] {
        ensure!(said.contains(words), "no `{words}` in {said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_takes_nothing_down_and_is_told() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "hr", "")?;
    apps::csv(&directory, "directory", "")?;
    flow(&directory, "")?;
    let today = staff(3, 5);
    write_csv(&directory, &today, usize::MAX)?;
    let host = Host::start(&directory).await?;
    carry(&directory, &[])?;
    // What is no UTF-8 is there all the same: the flow is not gone.
    directory.write("flows/joiners.toml", [0xff, 0xfe, 0x00])?;
    host.hang_up()?;
    let said = host.until_log("cannot be read").await?;
    ensure!(said.contains("flows/joiners.toml"), "{said}");
    ensure!(!host.log().contains("flow removed"), "{}", host.log());
    carry(&directory, &[])?;
    let at = directory.path().to_string_lossy().into_owned();
    let check = run(&["check", &at])?;
    let text = String::from_utf8_lossy(&check.stderr).into_owned();
    ensure!(
        !check.status.success() && text.contains("flows/joiners.toml"),
        "{text}"
    );
    Ok(())
}
