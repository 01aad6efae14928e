//! A running host with the csv connector, and Entra's cycles played against it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tombolo_tests::entra::{Dialect, Player, Send};
use tombolo_tests::host::{Host, Start};
use tombolo_tests::people::{Names, Tenant};
use tombolo_tests::scim::Scim;

use crate::table::{self, millis};
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

    let scim = Scim::new(&url, &token)?;
    let began = Instant::now();
    let wrong = play(scim.clone(), options).await;
    println!();
    let rows: Vec<Vec<String>> = scim
        .meter()
        .lines()
        .into_iter()
        .map(|l| {
            vec![
                l.kind,
                l.count.to_string(),
                l.errors.to_string(),
                millis(l.p50),
                millis(l.p99),
            ]
        })
        .collect();
    table::print(&["request", "count", "errors", "p50", "p99"], &rows);
    let wrong = wrong?;
    let total: usize = scim.meter().lines().iter().map(|l| l.count).sum();
    println!(
        "\n{total} requests in {:.1} s; what was sent and what is there: {}",
        began.elapsed().as_secs_f64(),
        verdict(&wrong)
    );
    for line in wrong.iter().take(20) {
        println!("  {line}");
    }
    ensure!(
        wrong.is_empty(),
        "{} objects are not as they were sent",
        wrong.len()
    );
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

fn verdict(wrong: &[String]) -> String {
    if wrong.is_empty() {
        "the same".to_owned()
    } else {
        format!("{} DIFFERENCES", wrong.len())
    }
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

/// The cycles; returns what was not as it was sent.
async fn play(scim: Scim, options: &DemoOptions) -> Result<Vec<String>> {
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template(
        "{prefix:<42} {bar:30} {pos}/{len}",
    )?);
    let stage = Arc::new(Mutex::new(String::new()));
    let mut player = {
        let (bar, stage) = (bar.clone(), Arc::clone(&stage));
        Player::new(scim, Dialect::Legacy).with_progress(Arc::new(move |what, done, total| {
            let stage = stage
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            bar.set_prefix(format!("{stage}: {what}"));
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        }))
    };
    let say = |text: &str| {
        text.clone_into(
            &mut stage
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        );
        bar.suspend(|| println!("· {text}"));
    };
    player.baseline().await?;
    let first = Tenant::new(2026, options.users, options.groups, Names::Worldly);
    let second = first.later(1, 4);
    let third = second.later(2, 4);
    let mut wrong = Vec::new();

    say("initial cycle, legacy PATCH");
    player.initial(&first, Send::Differences).await?;
    wrong.extend(player.verify(&first).await?);
    say("incremental cycle, legacy PATCH");
    player.incremental(&first, &second).await?;
    wrong.extend(player.verify(&second).await?);
    say("incremental cycle, compliant PATCH (aadOptscim062020)");
    player.speak(Dialect::Flagged);
    player.incremental(&second, &third).await?;
    wrong.extend(player.verify(&third).await?);
    say("restart: everything is matched again, nothing differs");
    player.reset();
    player.initial(&third, Send::Everything).await?;
    wrong.extend(player.verify(&third).await?);
    bar.finish_and_clear();
    Ok(wrong)
}
