//! Connectors out of an OCI registry: pulled, verified, kept, and there when the registry is not.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::Value;
use tombolo_tests::host::{Directory, Host, Start};
use tombolo_tests::oci::{PASSWORD, Registry, USER};
use tombolo_tests::{build, revision};

async fn until_revision(host: &Host, digest: &str) -> Result<Value> {
    for _ in 0..1500 {
        if let Some(found) = host.app("keep").await?
            && found["revision"] == digest
        {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("{digest} is never served\n{}", host.log())
}

fn said(app: &Value) -> String {
    app["problems"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_pulled_asked_for_again_and_remembered() -> Result<()> {
    let one = std::fs::read(build::memory()?)?;
    let two = revision::numbered(&one, 2);
    let registry = Registry::plain().await?;
    let tag = format!("{}/team/memory:1", registry.host());
    registry.push(&tag, &one, None).await?;
    let directory = Directory::new()?;
    directory.app("keep", &format!("oci://{tag}"), "")?;
    let host = Host::start(&directory).await?;
    let app = host.until_app("keep", "serving").await?;
    ensure!(app["revision"] == revision::sha256(&one), "{app}");
    ensure!(app["connector"] == format!("oci://{tag}"), "{app}");
    ensure!(host.scim("keep")?.get("/Users").await?.status == 200);
    host.until_log("connector pulled").await?;

    // The tag moves; the host asks when it is told to.
    let digest = registry.push(&tag, &two, None).await?;
    host.hang_up()?;
    let app = until_revision(&host, &revision::sha256(&two)).await?;
    ensure!(app["previous"] == revision::sha256(&one), "{app}");

    // What is no connector, or bad, changes nothing.
    registry.push(&tag, &two[..two.len() / 2], None).await?;
    host.hang_up()?;
    let app = host.until_app("keep", "stale").await?;
    ensure!(app["revision"] == revision::sha256(&two), "{app}");

    // By digest it is always the same, and needs no registry once it was pulled.
    directory.app(
        "fixed",
        &format!("oci://{}/team/memory@{digest}", registry.host()),
        "",
    )?;
    host.until_app("fixed", "serving").await?;
    directory.app(
        "absent",
        &format!("oci://{}/team/nothing:1", registry.host()),
        "",
    )?;
    let app = host.until_app("absent", "failed").await?;
    ensure!(said(&app).contains("the registry refuses"), "{app}");
    registry.push(&tag, &two, None).await?;
    host.hang_up()?;
    host.until_app("keep", "serving").await?;
    drop(host);
    drop(registry);

    let host = Host::start(&directory).await?;
    for name in ["keep", "fixed"] {
        let app = host.until_app(name, "serving").await?;
        ensure!(app["revision"] == revision::sha256(&two), "{app}");
    }
    host.until_log("as it was pulled last time").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guarded_registry_is_pulled_from_with_its_ca_its_password_and_signatures() -> Result<()> {
    let component = std::fs::read(build::memory()?)?;
    let keys = minisign::KeyPair::generate_unencrypted_keypair()?;
    let signature = minisign::sign(
        Some(&keys.pk),
        &keys.sk,
        &component[..],
        Some("memory, by the team"),
        None,
    )?
    .into_string();
    let registry = Registry::guarded().await?;
    let tag = format!("{}/team/memory:1", registry.host());
    registry.push(&tag, &component, None).await?;
    let directory = Directory::new()?;
    let host_file = std::fs::read_to_string(directory.path().join("tombolo.toml"))?;
    directory.write("keys/registry-ca.pem", registry.ca()?)?;
    directory.app("keep", &format!("oci://{tag}"), "")?;
    let serve = async |rules: &str, password: &str| -> Result<Host> {
        directory.write(
            "tombolo.toml",
            format!(
                "{host_file}[connectors]\ntrusted-keys = [\"{}\"]\n[connectors.registries.\"{}\"]\n{rules}",
                keys.pk.to_base64(),
                registry.host()
            ),
        )?;
        let start = Start {
            environment: vec![("REGISTRY_PASSWORD".to_owned(), password.to_owned())],
            ..Start::default()
        };
        Host::start_with(directory.path(), &start).await
    };
    let ca = "ca = \"keys/registry-ca.pem\"\n";
    let known = format!("{ca}user = \"{USER}\"\npassword = \"env:REGISTRY_PASSWORD\"\n");

    let host = serve("plain-http = false\n", PASSWORD).await?;
    let app = host.until_app("keep", "failed").await?;
    println!("without its CA: {}", said(&app));
    ensure!(said(&app).contains("is not reached"), "{app}");
    drop(host);
    let host = serve(ca, PASSWORD).await?;
    let app = host.until_app("keep", "failed").await?;
    println!("nobody: {}", said(&app));
    ensure!(said(&app).contains("the registry refuses"), "{app}");
    drop(host);
    let host = serve(&known, "wrong").await?;
    let app = host.until_app("keep", "failed").await?;
    println!("a wrong password: {}", said(&app));
    ensure!(said(&app).contains("the registry refuses"), "{app}");
    drop(host);

    let host = serve(&known, PASSWORD).await?;
    let app = host.until_app("keep", "failed").await?;
    ensure!(said(&app).contains("there is no signature"), "{app}");
    registry.push(&tag, &component, Some(&signature)).await?;
    host.hang_up()?;
    let app = host.until_app("keep", "serving").await?;
    ensure!(
        app["facts"]["signed"]["comment"] == "memory, by the team",
        "{app}"
    );
    registry
        .push(&tag, &revision::numbered(&component, 2), Some(&signature))
        .await?;
    host.hang_up()?;
    let app = host.until_app("keep", "stale").await?;
    ensure!(said(&app).contains("its signature does not fit"), "{app}");
    ensure!(
        !host.log().contains(PASSWORD),
        "the registry's password is in the log"
    );
    Ok(())
}
