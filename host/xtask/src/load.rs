//! What a request costs: requests a second, latency, and CPU time of the host.
//! Only ever against a host on loopback that it starts itself.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tombolo_tests::apps;
use tombolo_tests::build::{connector, guest};
use tombolo_tests::host::{Directory, Host, Start};
use tombolo_tests::load::{Crowd, Op, Stream, measure};

use crate::table::{self, micros, millis};
use crate::{LoadOptions, dist};

/// `cargo xtask load`.
pub(crate) fn run(options: &LoadOptions) -> Result<ExitCode> {
    let binary = dist::build()?;
    let directory = Directory::new()?;
    let reads = format!("[reads]\nfreshness = \"{}\"\n", options.freshness);
    directory.connector("csv", &connector("csv")?)?;
    directory.connector("guest", &guest()?)?;
    apps::csv(&directory, "csv", &reads)?;
    apps::guest(&directory, "nothing", "", &reads)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let start = Start {
            binary: Some(binary),
            ..Start::default()
        };
        let host = Host::start_with(directory.path(), &start).await?;
        let mut rows = Vec::new();
        let mut errors = 0;
        let row = |app: &str, op: Op| format!("{app}: {}", op.name());
        let wanted = |app: &str, op: Op| row(app, op).contains(&options.only);
        for app in ["csv", "nothing"] {
            if !Op::ALL.iter().any(|op| wanted(app, *op)) {
                continue;
            }
            let scim = host.scim(app)?;
            let crowd = Arc::new(Crowd::create(&scim, options.users).await?);
            for op in Op::ALL.into_iter().filter(|op| wanted(app, *op)) {
                let stream = Stream {
                    scim: scim.clone(),
                    crowd: Arc::clone(&crowd),
                    mix: vec![op],
                    rate: options.rate,
                    parallel: options.parallel,
                };
                let before = inside(&host, app).await?;
                let figure =
                    measure(stream, Duration::from_secs(options.seconds), host.pid()).await?;
                let guest = (inside(&host, app).await? - before).max(0.0);
                let host_cpu = figure.cpu.as_secs_f64() * count(figure.count);
                let share = if host_cpu > 0.0 {
                    guest / host_cpu
                } else {
                    0.0
                };
                errors += figure.errors;
                if let Some(example) = &figure.example {
                    eprintln!("{app}, {}: {example}", op.name());
                }
                rows.push(vec![
                    row(app, op),
                    figure.count.to_string(),
                    figure.errors.to_string(),
                    format!("{:.0}", figure.rate),
                    millis(figure.p50),
                    millis(figure.p99),
                    micros(figure.cpu),
                    format!("{:.0} %", share * 100.0),
                ]);
            }
        }
        println!(
            "\nfreshness {}, {} under way at once, {} users\n",
            options.freshness, options.parallel, options.users
        );
        table::print(
            &[
                "app: request",
                "count",
                "errors",
                "rate/s",
                "p50",
                "p99",
                "CPU/request",
                "in the guest",
            ],
            &rows,
        );
        Ok(if errors == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    })
}

/// Processor seconds that the connector of `app` has used so far.
async fn inside(host: &Host, app: &str) -> Result<f64> {
    let (_, page) = host.get("/metrics").await?;
    let name = format!("tombolo_connector_cpu_seconds_sum{{app=\"{app}\"}} ");
    let value = page.lines().find_map(|line| line.strip_prefix(&name));
    Ok(value.map_or(Ok(0.0), str::parse)?)
}

#[allow(clippy::cast_precision_loss)] // a run of seconds sends no 2^53 requests
fn count(requests: usize) -> f64 {
    requests as f64
}
