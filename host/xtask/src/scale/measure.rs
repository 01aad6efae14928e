//! A host on a large store: its start, its memory, its requests, enumeration, and its end by kill -9.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tombolo_tests::dice::Dice;
use tombolo_tests::host::{Directory, Host, Start};
use tombolo_tests::load::{Crowd, Figure, Op, Stream, measure};
use tombolo_tests::scim::{Scim, encode};

use super::people::{Field, Population};
use super::{APP, mib, print_columns, ratio, seconds};
use crate::ScaleOptions;
use crate::table::micros;

/// Resources a page of an enumeration.
pub(super) const PAGE: u64 = 1000;
/// People whom the requests are about.
const ASKED: u64 = 20_000;
/// Requests under way at once.
const PARALLEL: usize = 8;

/// What was measured with one population.
pub(super) struct Column {
    population: Population,
    rows: Vec<(String, String)>,
    /// Those whose cost is compared with the first column's.
    requests: Vec<(Op, Duration)>,
}

/// Everything, in the order of a host's life.
pub(super) async fn all(
    directory: &Directory,
    start: &Start,
    population: Population,
    options: &ScaleOptions,
) -> Result<Column> {
    let mut column = Column {
        population,
        rows: Vec::new(),
        requests: Vec::new(),
    };
    column.row(
        "store on the disk",
        mib(disk(&directory.path().join("state"))?),
    );
    column
        .started("the first start", begin(directory, start).await?)
        .await?;
    let host = column
        .started("start", begin(directory, start).await?)
        .await?;
    let scim = host.scim(APP)?;
    let crowd = Arc::new(crowd(population));
    for op in [Op::Get, Op::Match, Op::Patch] {
        let figure = ask(&scim, &crowd, op, options.seconds, host.pid()).await?;
        column.row(op.name(), micros(figure.cpu));
        column.row(&format!("… p50 of {PARALLEL} at once"), micros(figure.p50));
        column.requests.push((op, figure.cpu));
    }
    column.row("memory after them", memory(host.pid())?);
    let most = options.enumerate.min(population.users);
    for cursor in [false, true] {
        let way = if cursor { "by cursor" } else { "by index" };
        let (cpu, began) = (host.cpu()?, Instant::now());
        let (seen, first) = enumerate(&scim, most, cursor).await?;
        column.row(&format!("users {way}"), seen.to_string());
        column.row("… took", seconds(began.elapsed()));
        column.row("… CPU", seconds(host.cpu()?.saturating_sub(cpu)));
        column.row("… its first page", seconds(first));
    }
    column.row("memory after them", memory(host.pid())?);
    column.killed(directory, start, host).await?;
    Ok(column)
}

impl Column {
    fn row(&mut self, name: &str, value: String) {
        self.rows.push((name.to_owned(), value));
    }

    /// Says what a start took, and how much memory the host has then.
    async fn started(&mut self, name: &str, (host, took): (Host, Duration)) -> Result<Host> {
        self.row(name, seconds(took));
        self.row("… CPU", seconds(host.cpu()?));
        self.row("… memory", memory(host.pid())?);
        let (status, text) = host.get("/readyz").await?;
        ensure!(status == 200, "{status} {text}");
        Ok(host)
    }

    /// A host that was killed in the midst of writing reads its log.
    async fn killed(&mut self, directory: &Directory, start: &Start, mut host: Host) -> Result<()> {
        let stream = Stream {
            scim: host.scim(APP)?,
            crowd: Arc::new(crowd(self.population)),
            mix: vec![Op::Patch],
            rate: None,
            parallel: PARALLEL,
        };
        let running = stream.start();
        tokio::time::sleep(Duration::from_secs(2)).await;
        host.kill()?;
        running.stop().await;
        drop(host);
        self.started("start after kill -9", begin(directory, start).await?)
            .await?;
        self.row(
            "store on the disk",
            mib(disk(&directory.path().join("state"))?),
        );
        Ok(())
    }
}

/// Starts a host and waits until `/readyz` says that it serves.
async fn begin(directory: &Directory, start: &Start) -> Result<(Host, Duration)> {
    let began = Instant::now();
    let host = Host::start_with(directory.path(), start).await?;
    host.until("/readyz", |status, _| status == 200).await?;
    Ok((host, began.elapsed()))
}

/// Some of everybody, by chance.
fn crowd(population: Population) -> Crowd {
    let mut dice = Dice::new(7);
    let most = usize::try_from(population.users).unwrap_or(usize::MAX);
    let users = (0..ASKED.min(population.users))
        .map(|_| {
            let n = dice.below(most) as u64;
            (Field::Id.of_user(n), Field::Login.of_user(n))
        })
        .collect();
    Crowd { users }
}

async fn ask(scim: &Scim, crowd: &Arc<Crowd>, op: Op, seconds: u64, pid: u32) -> Result<Figure> {
    let stream = Stream {
        scim: scim.clone(),
        crowd: Arc::clone(crowd),
        mix: vec![op],
        rate: None,
        parallel: PARALLEL,
    };
    // What is asked for the first time comes from the disk.
    measure(stream.clone(), Duration::from_secs(1), pid).await?;
    let figure = measure(stream, Duration::from_secs(seconds), pid).await?;
    if let Some(error) = &figure.example {
        anyhow::bail!("{}: {error}", op.name());
    }
    Ok(figure)
}

/// Reads so many users page by page; how many there were, and what the first page took.
async fn enumerate(scim: &Scim, most: u64, cursor: bool) -> Result<(u64, Duration)> {
    let (mut seen, mut next, mut first) = (0, String::new(), None);
    while seen < most {
        let path = if cursor {
            format!("/Users?count={PAGE}&cursor={}", encode(&next))
        } else {
            format!("/Users?count={PAGE}&startIndex={}", seen + 1)
        };
        let reply = scim.get(&path).await?;
        ensure!(reply.status == 200, "{path}: {reply:?}");
        first.get_or_insert(reply.took);
        let page = reply.resources().len() as u64;
        ensure!(page > 0, "{path}: an empty page behind {seen} users");
        seen += page;
        match reply.body["nextCursor"].as_str() {
            Some(cursor) => cursor.clone_into(&mut next),
            None if cursor => break,
            None => {}
        }
    }
    Ok((seen, first.unwrap_or_default()))
}

/// Resident memory now, and the most that it was.
pub(super) fn memory(pid: u32) -> Result<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let of = |name: &str| -> Result<u64> {
        let line = status.lines().find(|line| line.starts_with(name));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(kib.context("no memory in status")?.parse::<u64>()? >> 10)
    };
    Ok(format!("{} MiB, most {}", of("VmRSS")?, of("VmHWM")?))
}

/// What a directory's files take.
fn disk(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        bytes += if facts.is_dir() {
            disk(&entry.path())?
        } else {
            facts.blocks() * 512
        };
    }
    Ok(bytes)
}

/// The columns side by side, and what requests cost in each as a multiple of the first.
pub(super) fn print(columns: &[Column]) {
    let Some(first) = columns.first() else { return };
    let heads: Vec<String> = columns
        .iter()
        .map(|column| {
            let of = column.population;
            format!("{} users, {} groups", of.users, of.groups)
        })
        .collect();
    let header: Vec<&str> = std::iter::once("")
        .chain(heads.iter().map(String::as_str))
        .collect();
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    for (n, (name, _)) in first.rows.iter().enumerate() {
        let values = columns.iter().map(|column| {
            column
                .rows
                .get(n)
                .map_or(String::new(), |row| row.1.clone())
        });
        rows.push((name.clone(), values.collect()));
    }
    for (n, (op, base)) in first.requests.iter().enumerate() {
        let times = columns.iter().map(|column| {
            let cpu = column.requests.get(n).map_or(Duration::ZERO, |row| row.1);
            format!("{:.2} times", ratio(cpu.as_nanos(), base.as_nanos()))
        });
        rows.push((format!("CPU of {}", op.name()), times.collect()));
    }
    print_columns(&header, &rows);
}
