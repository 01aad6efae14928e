//! One host and several on one PostgreSQL: requests a second, and which process had the processors.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tombolo_tests::host::{Directory, Host, Start, cpu_of};
use tombolo_tests::load::{Crowd, Figure, Op, Stream};
use tombolo_tests::postgres::Postgres;
use tombolo_tests::shared::{on_postgres, with_store};

use super::{APP, prepare, ratio};
use crate::ScaleOptions;
use crate::table::{self, micros, millis};

const PASSWORD: &str = "of-the-measured-store";
/// Users that are there before.
const USERS: usize = 1000;
/// Requests under way at once, all hosts together: the same whether there is one or more.
const PARALLEL: usize = 24;

/// `cargo xtask scale --hosts COUNT`.
pub(super) async fn run(start: &Start, count: usize, options: &ScaleOptions) -> Result<()> {
    let postgres = Postgres::start_durable(PASSWORD)?;
    let start = with_store(start.clone(), PASSWORD);
    let mut rows = Vec::new();
    let mut crowd = None;
    for hosts in [1, count] {
        let mut running = Vec::new();
        for _ in 0..hosts {
            let directory = prepare("sled")?;
            on_postgres(&directory, &postgres)?;
            let host = Host::start_with(directory.path(), &start).await?;
            host.until_app(APP, "serving").await?;
            running.push((directory, host));
        }
        let users = match &crowd {
            Some(users) => Arc::clone(users),
            None => Arc::new(Crowd::create(&running[0].1.scim(APP)?, USERS).await?),
        };
        crowd = Some(Arc::clone(&users));
        for op in Op::ALL {
            rows.push(row(&running, &postgres, &users, op, options.seconds).await?);
        }
    }
    println!(
        "\none PostgreSQL that flushes, {PARALLEL} requests under way at once, {} processors for all of it\n",
        std::thread::available_parallelism()?
    );
    table::print(
        &[
            "request",
            "hosts",
            "rate/s",
            "p50",
            "p99",
            "CPU/request of hosts",
            "of PostgreSQL",
            "hosts",
            "PostgreSQL",
            "client",
        ],
        &rows,
    );
    println!("\nthe last three: processors that each has, of all");
    Ok(())
}

/// One kind of request, evenly over the hosts.
async fn row(
    running: &[(Directory, Host)],
    postgres: &Postgres,
    users: &Arc<Crowd>,
    op: Op,
    seconds: u64,
) -> Result<Vec<String>> {
    let before = Used::now(running, postgres)?;
    let began = Instant::now();
    let mut streams = Vec::new();
    for (_, host) in running {
        let stream = Stream {
            scim: host.scim(APP)?,
            crowd: Arc::clone(users),
            mix: vec![op],
            rate: None,
            parallel: PARALLEL / running.len(),
        };
        streams.push(stream.start());
    }
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let mut samples = Vec::new();
    for stream in streams {
        samples.extend(stream.stop().await);
    }
    let took = began.elapsed();
    let used = Used::now(running, postgres)?.since(&before);
    let figure = Figure::of(&samples, took, used.hosts);
    if figure.errors > 0 {
        eprintln!(
            "{}: {} errors: {:?}",
            op.name(),
            figure.errors,
            figure.example
        );
    }
    let each = |cpu: Duration| cpu / u32::try_from(figure.count.max(1)).unwrap_or(u32::MAX);
    let share = |cpu: Duration| format!("{:.2}", ratio(cpu.as_nanos(), took.as_nanos()));
    Ok(vec![
        op.name().to_owned(),
        running.len().to_string(),
        format!("{:.0}", figure.rate),
        millis(figure.p50),
        millis(figure.p99),
        micros(each(used.hosts)),
        micros(each(used.postgres)),
        share(used.hosts),
        share(used.postgres),
        share(used.client),
    ])
}

/// Processor time used so far.
struct Used {
    hosts: Duration,
    postgres: Duration,
    client: Duration,
}

impl Used {
    fn now(running: &[(Directory, Host)], postgres: &Postgres) -> Result<Self> {
        let mut hosts = Duration::ZERO;
        for (_, host) in running {
            hosts += host.cpu()?;
        }
        Ok(Self {
            hosts,
            postgres: family(postgres.pid().context("PostgreSQL runs")?)?,
            client: cpu_of(std::process::id())?,
        })
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            hosts: self.hosts.saturating_sub(before.hosts),
            postgres: self.postgres.saturating_sub(before.postgres),
            client: self.client.saturating_sub(before.client),
        }
    }
}

/// A process and its children; PostgreSQL has one for each connection.
fn family(pid: u32) -> Result<Duration> {
    let mut cpu = cpu_of(pid)?;
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    for child in children.split_whitespace() {
        // One that has just ended has nothing to say.
        cpu += cpu_of(child.parse()?).unwrap_or_default();
    }
    Ok(cpu)
}
