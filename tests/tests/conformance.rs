//! `tombolo conformance`, as an operator runs it, against the host with every connector that is shipped, and with one
//! that does nothing.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tombolo_tests::host::{Directory, Host, TOKEN, run_with};
use tombolo_tests::slapd::Slapd;
use tombolo_tests::{apps, build};

const PASSWORD: &str = "conformance-password";

/// What may be skipped: what cannot be played with a static token, and what the host need not claim to have.
const SKIPPED: [&str; 4] = [
    "gallery/21-validate-credentials",
    "gallery/22-federated-identity",
    "paging/cursor",
    "rfc/bulk",
];

#[tokio::test(flavor = "multi_thread")]
async fn passes_in_full_with_csv() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("csv", &build::connector("csv")?)?;
    apps::csv(&directory, "conform", "")?;
    let host = Host::start(&directory).await?;
    passes_in_full(&directory, &host, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_in_full_with_a_connector_that_does_nothing() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("memory", &build::memory()?)?;
    apps::memory(&directory, "conform", "")?;
    let host = Host::start(&directory).await?;
    passes_in_full(&directory, &host, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_in_full_with_ldap() -> Result<()> {
    // A directory's person cannot be without `cn` and `sn`: the connector fills what is cleared.
    let filled = ["--required", "displayName", "--required", "name.familyName"];
    let slapd = Slapd::start(PASSWORD)?;
    let directory = Directory::new()?;
    directory.connector("ldap", &build::connector("ldap")?)?;
    apps::ldap(&directory, "conform", &slapd, "")?;
    let host = Host::start_with(directory.path(), &apps::with_password(PASSWORD)).await?;
    passes_in_full(&directory, &host, &filled).await
}

async fn passes_in_full(directory: &Directory, host: &Host, more: &[&str]) -> Result<()> {
    let scim = host.scim("conform")?;
    let junit = directory.path().join("junit.xml");
    let junit_path = junit.display().to_string();
    let mut arguments = vec!["conformance", "--url", scim.base(), "--output", "json"];
    arguments.extend(["--junit", &junit_path]);
    arguments.extend(more);
    let output = run_with(&arguments, &[("TOMBOLO_TOKEN", TOKEN)])?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("no report: {}", String::from_utf8_lossy(&output.stderr)))?;
    let tests = report["tests"]
        .as_array()
        .context("no tests in the report")?;
    let of = |verdict: &str| -> Vec<&Value> {
        tests
            .iter()
            .filter(|test| test["verdict"] == verdict)
            .collect()
    };
    println!("{}", report["counts"]);
    let bad: Vec<_> = of("failed").into_iter().chain(of("warning")).collect();
    ensure!(
        bad.is_empty(),
        "{} tests:\n{}",
        bad.len(),
        serde_json::to_string_pretty(&bad)?
    );
    let found: Vec<_> = of("skipped")
        .iter()
        .filter_map(|test| test["id"].as_str())
        .collect();
    ensure!(
        found.iter().all(|id| SKIPPED.contains(id)),
        "skipped: {found:?}"
    );
    ensure!(of("passed").len() > 150, "{} passed", of("passed").len());
    ensure!(output.status.success(), "{}", output.status);
    ensure!(
        report["leftovers"] == serde_json::json!([]),
        "{}",
        report["leftovers"]
    );
    nobody_is_left(host).await?;
    let xml = std::fs::read_to_string(junit)?;
    ensure!(
        xml.contains("failures=\"0\"") && xml.contains("gallery/16-null-update"),
        "{xml}"
    );
    let said = [output.stdout, output.stderr, xml.into_bytes()].concat();
    ensure!(
        !String::from_utf8_lossy(&said).contains(TOKEN),
        "the token is in the report"
    );
    Ok(())
}

async fn nobody_is_left(host: &Host) -> Result<()> {
    for endpoint in ["/Users", "/Groups"] {
        let reply = host.scim("conform")?.get(endpoint).await?;
        ensure!(reply.body["totalResults"] == 0, "{endpoint}: {reply:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_cleans_up_and_is_no_success() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("memory", &build::memory()?)?;
    apps::memory(&directory, "conform", "")?;
    let host = Host::start(&directory).await?;
    let scim = host.scim("conform")?;
    let child = Command::new(build::tombolo())
        .args(["conformance", "--url", scim.base()])
        .env("TOMBOLO_TOKEN", TOKEN)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let deadline = Instant::now() + Duration::from_mins(1);
    while scim.get("/Users?count=0").await?.body["totalResults"] == 0 {
        ensure!(Instant::now() < deadline, "nobody was created");
    }
    Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()?;
    let output = child.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.code() == Some(2), "{}: {text}", output.status);
    ensure!(text.contains("interrupted"), "{text}");
    nobody_is_left(&host).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_is_told_from_what_fails() -> Result<()> {
    let directory = Directory::new()?;
    directory.connector("memory", &build::memory()?)?;
    apps::memory(&directory, "conform", "")?;
    let host = Host::start(&directory).await?;
    let scim = host.scim("conform")?;
    for (url, token, only, says) in [
        (
            scim.base(),
            "wrong",
            "query/probe",
            "refuses the credentials",
        ),
        (
            "http://127.0.0.1:1",
            TOKEN,
            "query/probe",
            "cannot be reached",
        ),
        ("ftp://127.0.0.1", TOKEN, "query/probe", "https://"),
        (scim.base(), TOKEN, "query/nonsense", "--list"),
    ] {
        let output = run_with(
            &["conformance", "--url", url, "--only", only],
            &[("TOMBOLO_TOKEN", token)],
        )?;
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(2),
            "{url} {only}: {}",
            output.status
        );
        ensure!(text.contains(says), "{url} {only}: {text}");
    }
    let file = directory
        .write("token", format!("{TOKEN}\n"))?
        .display()
        .to_string();
    for (how, variable) in [
        (["--token-file", &file], "UNUSED"),
        (["--token-env", "ANOTHER"], "ANOTHER"),
        (["--token", TOKEN], "UNUSED"),
    ] {
        let mut arguments = vec![
            "conformance",
            "--url",
            scim.base(),
            "--only",
            "query/probe,roles/",
        ];
        arguments.extend(how);
        let output = run_with(&arguments, &[(variable, TOKEN)])?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success() && text.contains("5 passed"),
            "{text}"
        );
    }
    let output = run_with(&["conformance", "--url", scim.base()], &[])?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(2) && text.contains("TOMBOLO_TOKEN"),
        "{text}"
    );
    Ok(())
}
