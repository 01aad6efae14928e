//! What a large directory costs: start, memory, requests, enumeration, the store's files; and what a second and third host bring.
//!
//! - [`people`]: who there is; the same number makes the same person.
//! - [`seed`]: filling a store with them.
//! - [`measure`]: a host on such a store.
//! - [`hosts`]: one and several hosts on one PostgreSQL.

mod hosts;
mod measure;
mod people;
mod seed;

use std::process::ExitCode;

use anyhow::Result;
use tombolo_tests::apps;
use tombolo_tests::build::guest;
use tombolo_tests::host::{Directory, Start};

use self::people::Population;
use crate::table;
use crate::{ScaleOptions, dist};

/// The app that is measured: its connector does nothing, so that what is measured is the host.
const APP: &str = "nothing";
/// What a request may cost is a multiple of what it costs with so many people.
const BASE: Population = Population {
    users: 10_000,
    groups: 1_000,
};

/// `cargo xtask scale`.
pub(crate) fn run(options: &ScaleOptions) -> Result<ExitCode> {
    let start = Start {
        binary: Some(dist::build()?),
        ..Start::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    if let Some(count) = options.hosts {
        runtime.block_on(hosts::run(&start, count, options))?;
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = Population {
        users: options.users,
        groups: options.groups,
    };
    runtime.block_on(async {
        let mut columns = Vec::new();
        for population in [BASE, wanted] {
            let directory = prepare(&options.engine)?;
            seed::fill(&directory, &start, population, &options.engine).await?;
            columns.push(measure::all(&directory, &start, population, options).await?);
            if population == wanted {
                break;
            }
        }
        println!(
            "\n{}: filled with `tombolo store restore` from a backup that was made up; pages of {}\n",
            options.engine,
            measure::PAGE
        );
        measure::print(&columns);
        Ok(ExitCode::SUCCESS)
    })
}

/// A configuration directory with the app and no people yet.
fn prepare(engine: &str) -> Result<Directory> {
    let directory = Directory::new()?;
    configure(&directory, engine)?;
    directory.connector("guest", &guest()?)?;
    // One that listed nobody would be asked for everybody whom the store holds.
    let cannot_list = "do = \"fail\"\non = \"search\"\nfault = \"unsupported\"";
    apps::guest(
        &directory,
        APP,
        cannot_list,
        "[reads]\nfreshness = \"mirror\"\n",
    )?;
    Ok(directory)
}

fn configure(directory: &Directory, engine: &str) -> Result<()> {
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"state\"\nengine = \"{engine}\"\n"
    );
    directory.write("tombolo.toml", text)?;
    Ok(())
}

/// Bytes as people read them.
fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// A share of a whole.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn ratio(a: u128, b: u128) -> f64 {
    a as f64 / (b.max(1)) as f64
}

fn seconds(duration: std::time::Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}

/// One table of a name and its values in several columns.
fn print_columns(header: &[&str], rows: &[(String, Vec<String>)]) {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|(name, values)| {
            std::iter::once(name.clone())
                .chain(values.clone())
                .collect()
        })
        .collect();
    table::print(header, &rows);
}
