//! A running host with the csv connector, and `tombolo simulate` playing Entra's cycles against it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tombolo_tests::host::{Host, Start};

use crate::{DemoOptions, dist};

/// `cargo xtask demo`.
pub(crate) fn run(options: &DemoOptions) -> Result<ExitCode> {
    let binary = dist::build()?;
    let temporary;
    let directory = if let Some(given) = &options.directory {
        given.as_path()
    } else {
        temporary = tempfile::Builder::new().prefix("tombolo-demo-").tempdir()?;
        temporary.path()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(show(options, &binary, directory))
}

async fn show(options: &DemoOptions, binary: &Path, directory: &Path) -> Result<ExitCode> {
    let (url, token) = init(binary, directory)?;
    let start = Start {
        binary: Some(binary.to_owned()),
        listen: listen(),
        ..Start::default()
    };
    let mut host = Host::start_with(directory, &start).await?;
    let path = url
        .find("/apps/")
        .map(|at| url[at..].to_owned())
        .context("the URL names no app")?;
    let url = format!("{}{path}", host.url());
    println!(
        "\nconfiguration  {}\nlistening      {}\n",
        directory.display(),
        host.url()
    );

    play(binary, &url, &token, options)?;
    if options.exit {
        host.terminate()?;
        let status = host.ended(Duration::from_secs(30)).await?;
        ensure!(status.success(), "the host ended with {status}");
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "\nThe server runs until Ctrl-C.\n\n  URL    {url}\n  token  {token}\n\n\
         curl -s -H 'Authorization: Bearer {token}' '{url}/Users?count=2'\n\
         curl -s -H 'Authorization: Bearer {token}' -G '{url}/Users' --data-urlencode 'filter=name.familyName sw \"M\" and active eq true' -d attributes=userName,displayName\n\
         curl -s -H 'Authorization: Bearer {token}' -H 'Content-Type: application/scim+json' -d '{{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],\"userName\":\"you@example.org\",\"displayName\":\"You\",\"name\":{{\"familyName\":\"You\"}}}}' '{url}/Users'\n"
    );
    tokio::select! {
        signal = tokio::signal::ctrl_c() => {
            signal?;
            host.terminate()?;
            host.ended(Duration::from_secs(30)).await?;
            Ok(ExitCode::SUCCESS)
        }
        status = async { loop {
            if let Ok(status) = host_ended(&mut host).await { break status; }
        } } => {
            eprintln!("the host ended with {status}");
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn host_ended(host: &mut Host) -> Result<std::process::ExitStatus> {
    host.ended(Duration::from_hours(1)).await
}

/// `tombolo init`, unless that was done before; returns the app's URL and token.
fn init(binary: &Path, directory: &Path) -> Result<(String, String)> {
    let output = Command::new(binary)
        .arg("init")
        .arg(directory)
        .args(["--output", "json"])
        .output()
        .with_context(|| format!("cannot start {}", binary.display()))?;
    ensure!(
        output.status.success(),
        "tombolo init {}: {}",
        directory.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let facts: Value =
        serde_json::from_slice(&output.stdout).context("tombolo init printed no JSON")?;
    let text = |name: &str| -> Result<String> {
        Ok(facts[name]
            .as_str()
            .with_context(|| format!("tombolo init printed no {name}"))?
            .to_owned())
    };
    Ok((text("url")?, text("token")?))
}

/// The usual port if it is free, else any.
fn listen() -> Option<String> {
    TcpListener::bind(("127.0.0.1", 8880))
        .is_ok()
        .then(|| "127.0.0.1:8880".to_owned())
}

/// Cycles in both dialects, then a restart in which everything is matched again and nothing differs. The simulator says
/// what it does, and fails if the target does not end as the source.
fn play(binary: &Path, url: &str, token: &str, options: &DemoOptions) -> Result<()> {
    let links = tempfile::Builder::new()
        .prefix("tombolo-links-")
        .tempdir()?;
    let (people, groups) = (options.users.to_string(), options.groups.to_string());
    let runs: [(&str, &[&str]); 2] = [
        (
            "an initial and two incremental cycles, both PATCH dialects",
            &["--cycles", "3", "--dialect", "mixed"],
        ),
        (
            "restart: everything is matched again, nothing differs",
            &["--cycles", "1", "--restart"],
        ),
    ];
    for (what, arguments) in runs {
        println!("· {what}");
        let status = Command::new(binary)
            .arg("simulate")
            .args(["--url", url, "--seed", "2026", "--churn", "25"])
            .args(["--people", &people, "--groups", &groups])
            .arg("--state")
            .arg(links.path().join("state.json"))
            .args(arguments)
            .env("TOMBOLO_TOKEN", token)
            .status()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        println!();
        ensure!(status.success(), "tombolo simulate ended with {status}");
    }
    Ok(())
}
