//! What Entra makes of an answer decides what becomes of the job: the same request again changes nothing, a target that is busy
//! or crowded asks for patience, and one that refuses Tombolo never looks like a client without credentials or a person who is
//! gone. Rows 25, 27 and 28 of what a connector host must have.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tombolo_tests::host::{Directory, Host};
use tombolo_tests::people::USER;
use tombolo_tests::scim::{Reply, Scim, patch_op};
use tombolo_tests::slapd::{BASE, Slapd};
use tombolo_tests::{apps, build};

fn person(name: &str) -> Value {
    json!({ "schemas": [USER], "userName": name, "displayName": "Ana", "name": { "familyName": "Ruiz" } })
}

fn label(text: &str) -> Value {
    patch_op(&json!([{ "op": "replace", "path": "displayName", "value": text }]))
}

#[tokio::test(flavor = "multi_thread")]
async fn row_25_the_same_request_again_makes_no_second_object_and_no_second_change() -> Result<()> {
    let slapd = Slapd::start("replay-password")?;
    let directory = Directory::new()?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    directory.connector("guest", &build::guest()?)?;
    apps::ldap(&directory, "people", &slapd, "")?;
    apps::guest(&directory, "devices", "", "")?;
    let start = apps::with_password("replay-password");
    let mut host = Host::start_with(directory.path(), &start).await?;
    let people = host.scim("people")?;

    // A POST whose answer was lost: the second says 409, and the match query finds the first.
    let first = people.post("/Users", &person("ana")).await?;
    let again = people.post("/Users", &person("ana")).await?;
    ensure!(first.status == 201 && again.status == 409, "{again:?}");
    ensure!(again.body["scimType"] == "uniqueness", "{again:?}");
    let found = people
        .get("/Users?filter=userName%20eq%20%22ana%22")
        .await?;
    ensure!(
        found.resources().len() == 1 && found.resources()[0]["id"] == first.id().as_str(),
        "{found:?}"
    );
    let there = slapd.search(&format!("ou=people,{BASE}"), "(uid=ana)")?;
    ensure!(there.len() == 1, "{there:?}");

    // A type in which nothing is unique is guarded by what was asked for.
    let devices = host.scim("devices")?;
    let device = json!({ "schemas": ["urn:x:guest:2.0:Device"], "label": "printer" });
    ensure!(devices.post("/Devices", &device).await?.status == 201);
    ensure!(devices.post("/Devices", &device).await?.status == 409);

    // A PATCH again: the same answer, the same version, and the directory hears nothing of it; also of another life of the host.
    let path = format!("/Users/{}", first.id());
    let changed = people.patch(&path, &label("Ana Ruiz")).await?;
    let writes = slapd.writes()?;
    let repeated = people.patch(&path, &label("Ana Ruiz")).await?;
    ensure!(
        repeated.status == changed.status && repeated.body == changed.body,
        "{repeated:?}"
    );
    host.kill()?;
    let host = Host::start_with(directory.path(), &start).await?;
    let people = host.scim("people")?;
    let repeated = people.patch(&path, &label("Ana Ruiz")).await?;
    ensure!(
        repeated.body["meta"]["version"] == changed.body["meta"]["version"],
        "{repeated:?}"
    );
    ensure!(
        slapd.writes()? == writes,
        "the directory was written to again"
    );
    // A DELETE again says that there is nobody, which Entra takes for done.
    ensure!(people.delete(&path).await?.status == 204);
    ensure!(people.delete(&path).await?.status == 404);
    Ok(())
}

async fn create(scim: &Scim) -> Result<Reply> {
    let name = uuid::Uuid::new_v4().to_string();
    scim.post("/Users", &json!({ "schemas": [USER], "userName": name }))
        .await
}

fn patience(reply: &Reply) -> Result<u64> {
    let wait = reply
        .header("retry-after")
        .unwrap_or_default()
        .parse::<u64>();
    wait.map_err(|_| anyhow::anyhow!("no Retry-After: {reply:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn row_27_a_crowd_before_one_app_is_asked_for_patience_and_its_neighbour_feels_nothing()
-> Result<()> {
    let directory = Directory::new()?;
    directory.connector("guest", &build::guest()?)?;
    let narrow = "[limits]\nwall = \"3s\"\nconcurrency = 1\nqueue = 2\n";
    apps::guest(&directory, "slow", "do = \"wait\"\non = \"create\"", narrow)?;
    apps::guest(
        &directory,
        "busy",
        "do = \"fail\"\non = \"create\"\nfault = \"busy\"",
        "",
    )?;
    apps::guest(
        &directory,
        "down",
        "do = \"fail\"\non = \"create\"\nfault = \"unavailable\"",
        "",
    )?;
    apps::guest(&directory, "neighbour", "", "")?;
    let host = Host::start(&directory).await?;

    // One works, two wait, and the others are sent away at once.
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let scim = host.scim("slow")?;
        crowd.spawn(async move {
            let began = Instant::now();
            let reply = create(&scim).await?;
            Ok::<_, anyhow::Error>((reply, began.elapsed()))
        });
    }
    let neighbour = host.scim("neighbour")?;
    let (mut turned_away, mut asked) = (0, 0);
    while let Some(ended) = crowd.join_next().await {
        let (reply, took) = ended??;
        ensure!(matches!(reply.status, 503 | 504), "{reply:?}");
        if took < Duration::from_secs(1) {
            turned_away += 1;
            ensure!(
                reply.status == 503 && (1..=60).contains(&patience(&reply)?),
                "{reply:?}"
            );
        }
        if asked < 5 {
            asked += 1;
            let began = Instant::now();
            ensure!(create(&neighbour).await?.status == 201);
            ensure!(
                began.elapsed() < Duration::from_secs(2),
                "the neighbour waited {:?}",
                began.elapsed()
            );
        }
    }
    ensure!(
        turned_away >= 8,
        "{turned_away} of 12 were sent away at once"
    );

    // What the target says of its own load is handed on.
    let busy = create(&host.scim("busy")?).await?;
    ensure!(busy.status == 429 && patience(&busy)? == 7, "{busy:?}");
    let down = create(&host.scim("down")?).await?;
    ensure!(down.status == 503 && patience(&down)? == 7, "{down:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_28_a_target_that_refuses_tombolo_is_never_401_and_never_404() -> Result<()> {
    // Each call of a connector, as it ends when the target does not know us any more.
    let directory = Directory::new()?;
    directory.connector("guest", &build::guest()?)?;
    apps::guest(&directory, "people", "", "")?;
    let mut host = Host::start(&directory).await?;
    let scim = host.scim("people")?;
    let id = scim.post("/Users", &person("ana")).await?.id();
    for call in ["get", "search", "create", "update", "delete"] {
        let refuses = format!("do = \"fail\"\non = \"{call}\"\nfault = \"unauthenticated\"");
        apps::guest(&directory, "people", &refuses, "")?;
        host.kill()?;
        host = Host::start(&directory).await?;
        let scim = host.scim("people")?;
        let path = format!("/Users/{id}");
        let reply = match call {
            "get" => scim.get(&path).await?,
            "search" => {
                scim.get("/Users?filter=userName%20eq%20%22nobody%22")
                    .await?
            }
            "create" => create(&scim).await?,
            "update" => scim.patch(&path, &label(call)).await?,
            _ => scim.delete(&path).await?,
        };
        ensure!(reply.status == 503, "{call}: {reply:?}");
        ensure!(reply.text.contains("credentials"), "{call}: {reply:?}");
        patience(&reply)?;
    }

    // A real directory, and a password that was changed there.
    let slapd = Slapd::start("right-password")?;
    let directory = Directory::new()?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    apps::ldap(&directory, "people", &slapd, "")?;
    let start = apps::with_password("wrong-password");
    let host = Host::start_with(directory.path(), &start).await?;
    let scim = host.scim("people")?;
    for reply in [
        scim.post("/Users", &person("ana")).await?,
        scim.get("/Users?filter=userName%20eq%20%22ana%22").await?,
        scim.get("/Users").await?,
    ] {
        ensure!(
            reply.status == 503 && reply.text.contains("credentials"),
            "{reply:?}"
        );
        ensure!(!reply.text.contains("wrong-password"), "{reply:?}");
    }
    Ok(())
}
