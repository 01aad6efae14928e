//! The rest connector against a real Redmine, over a wire that breaks: nothing is lost and nothing is there twice.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::build;
use tombolo_tests::fault::Proxy;
use tombolo_tests::host::{Directory, Host, Start};
use tombolo_tests::people::USER;
use tombolo_tests::redmine::Redmine;
use tombolo_tests::roster::{self, Person, Roster};

const EXAMPLE: &str = include_str!("../../plugins/rest/examples/redmine.toml");

/// An app of the example's settings, in front of this address.
fn app(directory: &Directory, address: &str) -> Result<()> {
    directory.connector("rest", &build::connector("rest")?)?;
    let here = EXAMPLE.replace(
        "https://redmine.example.org\"",
        &format!("http://{address}\"\ntimeout = \"3s\""),
    );
    ensure!(here != EXAMPLE, "the example's address has changed");
    directory.app("redmine", "rest", &here)
}

fn start(redmine: &Redmine) -> Start {
    Start {
        environment: vec![("REDMINE_KEY".to_owned(), redmine.key().to_owned())],
        ..Start::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_teams_live_in_redmine_over_a_wire_that_breaks() -> Result<()> {
    let redmine = Redmine::start()?;
    let proxy = Proxy::start(redmine.address()).await?;
    let directory = Directory::new()?;
    app(&directory, &proxy.address().to_string())?;
    let host = Host::start_with(directory.path(), &start(&redmine)).await?;
    host.until_app("redmine", "serving").await?;
    let scim = host.scim("redmine")?;

    let present = async || present(&redmine).await;
    roster::storm(&scim, &proxy, roster::size(40), &["admin"], 700, present).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redmine_refuses_is_said_to_the_client() -> Result<()> {
    let redmine = Redmine::start()?;
    let directory = Directory::new()?;
    app(&directory, &redmine.address())?;
    let host = Host::start_with(directory.path(), &start(&redmine)).await?;
    host.until_app("redmine", "serving").await?;
    let scim = host.scim("redmine")?;
    let person = |login: &str, first: &str, mail: &str| json!({"schemas": [USER], "userName": login, "name": {"givenName": first, "familyName": "R"}, "emails": [{"type": "work", "value": mail}]});
    let made = scim
        .post("/Users", &person("ana", "Ana", "ana@example.test"))
        .await?;
    ensure!(made.status == 201, "{made:?}");

    let taken = scim
        .post("/Users", &person("bea", "Bea", "ANA@example.test"))
        .await?;
    ensure!(taken.status == 409, "{taken:?}");
    let refused = scim
        .post("/Users", &person("not a login!", "Bea", "bea@example.test"))
        .await?;
    ensure!(
        refused.status == 400 && refused.text.contains("Login"),
        "{refused:?}"
    );
    let found = scim.find("match", "Users", "userName eq \"ANA\"").await?;
    ensure!(found.resources().len() == 1, "{found:?}");
    ensure!(
        scim.get("/Users/nobody").await?.status == 404,
        "nobody is there"
    );
    // The key is the host's: the connector's answers and the log do not have it.
    ensure!(!host.log().contains(redmine.key()), "the log has the key");
    Ok(())
}

/// Who is in Redmine, asked behind the host's back.
async fn present(redmine: &Redmine) -> Result<Roster> {
    let mut roster = Roster::default();
    let mut logins = BTreeMap::new();
    for user in redmine.users().await? {
        let text = |name: &str| user[name].as_str().unwrap_or_default().to_owned();
        let person = Person {
            first: text("firstname"),
            last: text("lastname"),
            mail: text("mail"),
            active: user["status"] == 1,
        };
        logins.insert(user["id"].clone().to_string(), text("login"));
        let twice = roster.people.insert(text("login"), person);
        ensure!(twice.is_none(), "{} is there twice", text("login"));
    }
    let groups = redmine.get("/groups.json").await?;
    for group in groups["groups"]
        .as_array()
        .context("no groups in the answer")?
    {
        let path = format!("/groups/{}.json?include=users", group["id"]);
        let group = redmine.get(&path).await?["group"].clone();
        let users = group["users"].as_array().map_or(&[][..], Vec::as_slice);
        let login = |user: &Value| logins.get(&user["id"].to_string()).cloned();
        let members: BTreeSet<String> = users.iter().filter_map(login).collect();
        ensure!(
            members.len() == users.len(),
            "a member is there twice, or is nobody: {group}"
        );
        let name = group["name"].as_str().unwrap_or_default().to_owned();
        let twice = roster.teams.insert(name.clone(), members);
        ensure!(twice.is_none(), "{name} is there twice");
    }
    Ok(roster)
}
