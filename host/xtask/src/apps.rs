//! What many apps cost at rest and at work: the host's memory with every app serving, and how long it takes to get there.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tombolo_tests::host::{Directory, Host, Start};
use tombolo_tests::load::Crowd;
use tombolo_tests::sql::{self, Database, Engine};
use tombolo_tests::{apps, build};

use crate::dist;
use crate::table::{self, millis};

/// How many connectors there are, each a file of its own content.
const CONNECTORS: usize = 10;
/// Users that every app is given.
const USERS: usize = 20;

/// Apps at work at once, each with up to 16 requests under way.
const TOGETHER: usize = 8;

/// What an app can be.
#[derive(Clone, Copy)]
enum Sort {
    Csv,
    Sql,
    Memory,
    Nothing,
}

const SORTS: [Sort; 4] = [Sort::Csv, Sort::Sql, Sort::Memory, Sort::Nothing];

/// `cargo xtask load --apps COUNT`.
pub(crate) fn run(count: usize) -> Result<ExitCode> {
    let binary = dist::build()?;
    let directory = Directory::new()?;
    let database = Database::start(Engine::Sqlite, &directory)?;
    database.run(&sql::read("hr.sqlite.sql")?)?;
    for turn in 0..CONNECTORS {
        let sort = SORTS[turn % SORTS.len()];
        let from = match sort {
            Sort::Csv => build::connector("csv")?,
            Sort::Sql => build::connector("sql")?,
            Sort::Memory => build::memory()?,
            Sort::Nothing => build::guest()?,
        };
        marked(&directory, &format!("c{turn}"), &from, turn)?;
    }
    for app in 0..count {
        let turn = app % CONNECTORS;
        write(
            &directory,
            &database,
            &format!("app{app}"),
            SORTS[turn % SORTS.len()],
            &format!("c{turn}"),
        )?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(&directory, &binary, count))
}

/// Puts a connector in under a name, different from its like by a custom section.
fn marked(directory: &Directory, name: &str, from: &Path, mark: usize) -> Result<()> {
    let mut bytes = fs::read(from).with_context(|| from.display().to_string())?;
    let text = format!("mark{mark}");
    let name_length = u8::try_from(text.len())?;
    bytes.extend([0, name_length + 1, name_length]);
    bytes.extend(text.bytes());
    directory.write(&format!("connectors/{name}.wasm"), bytes)?;
    Ok(())
}

fn write(
    directory: &Directory,
    database: &Database,
    name: &str,
    sort: Sort,
    connector: &str,
) -> Result<()> {
    match sort {
        Sort::Csv => apps::csv(directory, name, "")?,
        Sort::Sql => database.app(directory, name, "hr", None, "")?,
        Sort::Memory => apps::memory(directory, name, "")?,
        Sort::Nothing => apps::guest(directory, name, "", "")?,
    }
    let path = directory.path().join(format!("apps/{name}.toml"));
    let mut file: toml::Table = toml::from_str(&fs::read_to_string(&path)?)?;
    file.insert("connector".to_owned(), connector.into());
    Ok(fs::write(path, toml::to_string(&file)?)?)
}

async fn measure(directory: &Directory, binary: &Path, count: usize) -> Result<ExitCode> {
    let start = Start {
        binary: Some(binary.to_owned()),
        ..Start::default()
    };
    let mut rows = Vec::new();
    for cache in ["empty", "full"] {
        let began = Instant::now();
        let mut host = Host::start_with(directory.path(), &start).await?;
        for app in 0..count {
            host.until_app(&format!("app{app}"), "serving").await?;
        }
        rows.push(row(
            &format!("every app serves, cache {cache}"),
            began.elapsed(),
            &host,
        )?);
        let began = Instant::now();
        let work = (0..count).map(|app| {
            let scim = host.scim(&format!("app{app}"));
            async move {
                let scim = scim?;
                let writes = !matches!(SORTS[app % CONNECTORS % SORTS.len()], Sort::Sql);
                if writes && cache == "empty" {
                    Crowd::create(&scim, USERS).await?;
                }
                for _ in 0..USERS {
                    let reply = scim.get("/Users?count=10").await?;
                    ensure!(reply.status == 200, "app{app}: {reply:?}");
                }
                anyhow::Ok(())
            }
        });
        // No more than the host takes in hand at once.
        let done: Vec<()> = stream::iter(work)
            .buffer_unordered(TOGETHER)
            .try_collect()
            .await?;
        ensure!(done.len() == count);
        rows.push(row("all have been at work", began.elapsed(), &host)?);
        host.terminate()?;
        host.ended(Duration::from_secs(20)).await?;
    }
    println!("\n{count} apps on {CONNECTORS} connectors\n");
    table::print(&["", "took", "memory", "at its peak"], &rows);
    Ok(ExitCode::SUCCESS)
}

fn row(what: &str, took: Duration, host: &Host) -> Result<Vec<String>> {
    let status = fs::read_to_string(format!("/proc/{}/status", host.pid()))?;
    let mib = |field: &str| -> Result<String> {
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(format!(
            "{} MiB",
            kib.context("no such field")?.trim().parse::<u64>()? >> 10
        ))
    };
    Ok(vec![
        what.to_owned(),
        millis(took),
        mib("VmRSS:")?,
        mib("VmHWM:")?,
    ])
}
