//! The rest connector against a SOAP service, over a wire that breaks: nothing is lost and nothing is there twice.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::build;
use tombolo_tests::fault::Proxy;
use tombolo_tests::host::{Directory, Host, Start};
use tombolo_tests::people::USER;
use tombolo_tests::roster::{self, Person, Roster};
use tombolo_tests::soap::Soap;

const EXAMPLE: &str = include_str!("../../plugins/rest/examples/soap_hr.toml");

/// An app of the example's settings, in front of this address.
fn app(directory: &Directory, address: &str) -> Result<()> {
    directory.connector("rest", &build::connector("rest")?)?;
    let here = EXAMPLE.replace(
        "https://hr.example.org/soap\"",
        &format!("http://{address}\"\ntimeout = \"3s\""),
    );
    ensure!(here != EXAMPLE, "the example's address has changed");
    directory.app("hr", "rest", &here)
}

fn start() -> Start {
    Start {
        environment: vec![("HR_PASSWORD".to_owned(), "soap-password".to_owned())],
        ..Start::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_teams_live_behind_soap_over_a_wire_that_breaks() -> Result<()> {
    let soap = Soap::start()?;
    let proxy = Proxy::start(soap.address()).await?;
    let directory = Directory::new()?;
    app(&directory, &proxy.address().to_string())?;
    let host = Host::start_with(directory.path(), &start()).await?;
    host.until_app("hr", "serving").await?;
    let scim = host.scim("hr")?;

    let present = async || present(&soap).await;
    roster::storm(&scim, &proxy, roster::size(60), &[], 250, present).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_is_a_reference_and_a_fault_is_said_to_the_client() -> Result<()> {
    let soap = Soap::start()?;
    let directory = Directory::new()?;
    app(&directory, &soap.address())?;
    let host = Host::start_with(directory.path(), &start()).await?;
    host.until_app("hr", "serving").await?;
    let scim = host.scim("hr")?;
    let enterprise = tombolo_tests::people::ENTERPRISE;
    let boss = scim
        .post(
            "/Users",
            &json!({"schemas": [USER], "userName": "boss <&>"}),
        )
        .await?;
    ensure!(boss.status == 201, "{boss:?}");
    let body = json!({"schemas": [USER, enterprise], "userName": "ana", enterprise: {"manager": {"value": boss.id()}}});
    let made = scim.post("/Users", &body).await?;
    ensure!(
        made.status == 201 && made.body[enterprise]["manager"]["value"] == json!(boss.id()),
        "{made:?}"
    );
    let state = soap.state().await?;
    ensure!(
        state["employees"]["2"]["manager"] == "1" && state["employees"]["1"]["login"] == "boss <&>",
        "{state}"
    );

    // Somebody hires behind the host's back: the service's refusal is the client's.
    let taken = scim
        .post(
            "/Users",
            &json!({"schemas": [USER], "userName": "BOSS <&>"}),
        )
        .await?;
    ensure!(taken.status == 409, "{taken:?}");
    let refused = scim
        .post("/Users", &json!({"schemas": [USER], "userName": "a\u{1}b"}))
        .await?;
    ensure!(refused.status == 400, "{refused:?}");
    Ok(())
}

/// Who is there, asked behind the host's back.
async fn present(soap: &Soap) -> Result<Roster> {
    let state = soap.state().await?;
    let mut roster = Roster::default();
    let mut logins = BTreeMap::new();
    for (key, employee) in state["employees"].as_object().context("no employees")? {
        let text = |name: &str| employee[name].as_str().unwrap_or_default().to_owned();
        let person = Person {
            first: text("first"),
            last: text("last"),
            mail: text("mail"),
            active: text("active") == "Y",
        };
        logins.insert(key.clone(), text("login"));
        let twice = roster.people.insert(text("login"), person);
        ensure!(twice.is_none(), "{} is there twice", text("login"));
    }
    for team in state["teams"].as_object().context("no teams")?.values() {
        let name = team["name"].as_str().unwrap_or_default().to_owned();
        let members: Option<_> = team["members"].as_object().map(serde_json::Map::keys);
        let members = members
            .context("no members")?
            .filter_map(|key| logins.get(key).cloned());
        let twice = roster.teams.insert(name.clone(), members.collect());
        ensure!(twice.is_none(), "{name} is there twice");
    }
    Ok(roster)
}

/// What the fixture answers is what the example reads: its state is no `null`.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_starts_empty() -> Result<()> {
    let state: Value = Soap::start()?.state().await?;
    ensure!(state == json!({"employees": {}, "teams": {}}), "{state}");
    Ok(())
}
