//! People and groups go through SCIM into a real directory, exactly as asked
//! for, and nothing is written that says nothing new.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use tombolo_tests::entra::{Dialect, Player, Send};
use tombolo_tests::host::{Directory, Host};
use tombolo_tests::people::{Names, Tenant};
use tombolo_tests::slapd::{BASE, Slapd};
use tombolo_tests::{apps, build};

const PASSWORD: &str = "bridge-password";

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_lives_in_openldap_as_asked_for_and_identical_cycles_write_nothing() -> Result<()>
{
    let (people, teams) = size();
    let slapd = Slapd::start(PASSWORD)?;
    let directory = Directory::new()?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    apps::ldap(&directory, "people", &slapd, "")?;
    let host = Host::start_with(directory.path(), &apps::with_password(PASSWORD)).await?;

    let first = Tenant::new(11, people, teams, Names::Hostile);
    let mut player = Player::new(host.scim("people")?, Dialect::Legacy);
    player.initial(&first, Send::Differences).await?;
    compare(&first, &slapd)?;
    nothing_wrong(&player.verify(&first).await?)?;

    // The same again, whatever the client remembers: no write reaches the directory.
    let before = slapd.writes()?;
    player.reset();
    player.initial(&first, Send::Differences).await?;
    player.initial(&first, Send::Everything).await?;
    player.speak(Dialect::Flagged);
    player.initial(&first, Send::Everything).await?;
    ensure!(
        slapd.writes()? == before,
        "identical cycles wrote {} times",
        slapd.writes()? - before
    );

    // Changed, renamed, disabled, restored, deleted; in one dialect, then in the other.
    let second = first.later(1, 3);
    player.incremental(&first, &second).await?;
    compare(&second, &slapd)?;
    nothing_wrong(&player.verify(&second).await?)?;
    player.speak(Dialect::Legacy);
    let third = second.later(2, 3);
    player.incremental(&second, &third).await?;
    compare(&third, &slapd)?;
    nothing_wrong(&player.verify(&third).await?)?;

    let before = slapd.writes()?;
    player.initial(&third, Send::Everything).await?;
    ensure!(
        slapd.writes()? == before,
        "an identical cycle wrote {} times",
        slapd.writes()? - before
    );

    // Everybody leaves.
    player.incremental(&third, &Tenant::default()).await?;
    compare(&Tenant::default(), &slapd)
}

#[tokio::test(flavor = "multi_thread")]
async fn starttls_does_as_well_as_ldaps() -> Result<()> {
    let slapd = Slapd::start(PASSWORD)?;
    let directory = Directory::new()?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    apps::ldap(&directory, "people", &slapd, "")?;
    let file = directory.path().join("apps/people.toml");
    let text = std::fs::read_to_string(&file)?.replace(
        &format!("url = \"{}\"", slapd.ldaps()),
        &format!("url = \"{}\"\nstart-tls = true", slapd.ldap()),
    );
    directory.write("apps/people.toml", text)?;
    let host = Host::start_with(directory.path(), &apps::with_password(PASSWORD)).await?;
    let tenant = Tenant::new(12, 20, 3, Names::Hostile);
    let mut player = Player::new(host.scim("people")?, Dialect::Flagged);
    player.initial(&tenant, Send::Differences).await?;
    compare(&tenant, &slapd)
}

/// 1,000 people and 50 groups, or as `TOMBOLO_TEST_PEOPLE` says.
fn size() -> (usize, usize) {
    let people = std::env::var("TOMBOLO_TEST_PEOPLE")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1000);
    (people, (people / 20).max(5))
}

fn nothing_wrong(wrong: &[String]) -> Result<()> {
    ensure!(
        wrong.is_empty(),
        "{} differences:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(10)].join("\n")
    );
    Ok(())
}

/// What `ldapsearch` shows against what the tenant has.
fn compare(tenant: &Tenant, slapd: &Slapd) -> Result<()> {
    let people = slapd.people()?;
    ensure!(
        people.len() == tenant.people.len(),
        "{} people in the directory, {} in the tenant",
        people.len(),
        tenant.people.len()
    );
    let mut wrong = Vec::new();
    let mut dns = BTreeMap::new();
    for person in tenant.people.values() {
        let Some(entry) = people.get(&person.employee_number) else {
            wrong.push(format!("{} is not there", person.external_id));
            continue;
        };
        dns.insert(person.external_id.clone(), entry.dn.clone());
        let mut expect = |attribute: &str, value: Option<&str>| {
            if entry.one(attribute) != value {
                wrong.push(format!(
                    "{}: {attribute} is {:?}, not {value:?}",
                    entry.dn,
                    entry.all(attribute)
                ));
            }
        };
        expect("uid", Some(&person.user_name));
        expect("cn", Some(&person.display));
        expect("sn", Some(&person.family));
        expect("givenName", Some(&person.given));
        expect("title", Some(&person.title));
        expect("mail", Some(&person.mail));
        expect("mobile", Some(&person.mobile));
        expect("departmentNumber", Some(&person.department));
        expect("employeeType", (!person.active).then_some("disabled"));
    }
    for person in tenant.people.values() {
        let manager = people
            .get(&person.employee_number)
            .and_then(|e| e.one("manager"))
            .map(same_dn);
        let expected = person
            .manager
            .as_ref()
            .and_then(|m| dns.get(m))
            .map(|dn| same_dn(dn));
        if manager != expected {
            wrong.push(format!(
                "{}: manager is {manager:?}, not {expected:?}",
                person.external_id
            ));
        }
    }
    let groups = slapd.search(&format!("ou=groups,{BASE}"), "(objectClass=groupOfNames)")?;
    let groups: BTreeMap<&str, _> = groups
        .iter()
        .filter_map(|g| Some((g.one("cn")?, g)))
        .collect();
    ensure!(
        groups.len() == tenant.teams.len(),
        "{} groups, {} in the tenant",
        groups.len(),
        tenant.teams.len()
    );
    let mut belongs: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for team in tenant.teams.values() {
        let Some(group) = groups.get(team.display.as_str()) else {
            wrong.push(format!("group {:?} is not there", team.display));
            continue;
        };
        let there: BTreeSet<String> = group
            .all("member")
            .iter()
            .filter(|m| !m.is_empty())
            .map(|m| same_dn(m))
            .collect();
        let expected: BTreeSet<String> = team
            .members
            .iter()
            .filter_map(|m| dns.get(m))
            .map(|dn| same_dn(dn))
            .collect();
        if there != expected {
            wrong.push(format!(
                "{:?}: {} members, {} expected",
                team.display,
                there.len(),
                expected.len()
            ));
        }
        for member in &team.members {
            belongs
                .entry(member)
                .or_default()
                .insert(same_dn(&group.dn));
        }
    }
    // memberOf is the directory's own view of the same thing.
    for person in tenant.people.values() {
        let there: BTreeSet<String> = people
            .get(&person.employee_number)
            .map(|e| e.all("memberOf").iter().map(|m| same_dn(m)).collect())
            .unwrap_or_default();
        let expected = belongs
            .remove(person.external_id.as_str())
            .unwrap_or_default();
        if there != expected {
            wrong.push(format!(
                "{}: memberOf {there:?}, not {expected:?}",
                person.external_id
            ));
        }
    }
    nothing_wrong(&wrong)
}

/// A DN in one spelling: escapes as hexadecimal pairs or as the character itself mean the same.
fn same_dn(dn: &str) -> String {
    let mut bytes = Vec::with_capacity(dn.len());
    let raw = dn.as_bytes();
    let mut at = 0;
    while at < raw.len() {
        if raw[at] == b'\\' && at + 1 < raw.len() {
            let pair = raw
                .get(at + 1..at + 3)
                .and_then(|p| std::str::from_utf8(p).ok());
            let byte = if let Some(byte) = pair.and_then(|p| u8::from_str_radix(p, 16).ok()) {
                at += 3;
                byte
            } else {
                at += 2;
                raw[at - 1]
            };
            // A mark that no plain text has keeps an escaped comma apart from a separating one.
            bytes.extend([0x01, byte]);
        } else {
            bytes.push(raw[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&bytes)
        .replace("\u{1} ", " ")
        .to_lowercase()
}
