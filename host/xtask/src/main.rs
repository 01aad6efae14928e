//! The project's tasks: `cargo xtask dist | demo | test | load | scale | fuzz | golden`.
//!
//! - [`dist`]: what is shipped, built into `dist/`.
//! - [`demo`]: a running host, and Entra's cycles played against it.
//! - [`test`]: everything that can be checked, with one closing summary.
//! - [`load`]: what a request costs; [`members`]: what a large group costs; [`apps`]: what many apps cost.
//! - [`scale`]: what a million people cost, and what a second and third host bring.
//! - [`fuzz`]: the parsers against inputs that nobody thought of.
//! - [`golden`]: connectors of a released contract, kept for ever.
//! - [`shell`], [`table`]: running programs, printing tables.

mod apps;
mod demo;
mod dist;
mod fuzz;
mod golden;
mod load;
mod members;
mod scale;
mod shell;
mod table;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Builds, shows, tests and measures Tombolo"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the host and its connectors for release, into dist/
    Dist,
    /// Start a host with the csv connector and play Entra's cycles against it
    Demo(DemoOptions),
    /// Run every check and every test
    Test(TestOptions),
    /// Measure requests a second, latency and CPU a request, on loopback
    Load(LoadOptions),
    /// Measure a large directory, or several hosts on one PostgreSQL
    Scale(ScaleOptions),
    /// Fuzz the parsers (needs nightly and cargo-fuzz)
    Fuzz(FuzzOptions),
    /// Build the connectors of a contract that is about to be released, into tests/golden/VERSION
    Golden,
}

#[derive(clap::Args)]
struct DemoOptions {
    /// Where the configuration goes; a temporary directory if not given
    directory: Option<PathBuf>,
    /// How many people the tenant has
    #[arg(long, default_value_t = 200)]
    users: usize,
    /// How many groups
    #[arg(long, default_value_t = 20)]
    groups: usize,
    /// End after the cycles instead of leaving the server running
    #[arg(long)]
    exit: bool,
}

#[derive(clap::Args)]
struct TestOptions {
    /// Only these steps (format, lints, tests)
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

#[derive(clap::Args)]
struct LoadOptions {
    /// Seconds a kind of request
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Requests a second; as fast as answers come if not given
    #[arg(long)]
    rate: Option<u32>,
    /// Requests under way at once
    #[arg(long, default_value_t = 8)]
    parallel: usize,
    /// Users that are there before
    #[arg(long, default_value_t = 1000)]
    users: usize,
    /// The apps' `[reads] freshness`: "live", "mirror" or a time
    #[arg(long, default_value = "30s")]
    freshness: String,
    /// Instead: what members cost in a group that grows to this many
    #[arg(long, conflicts_with = "only")]
    members: Option<usize>,
    /// Instead: what this many apps on ten connectors cost
    #[arg(long, conflicts_with_all = ["only", "members"])]
    apps: Option<usize>,
    /// Only rows whose name has this in it, such as "nothing: PATCH"
    #[arg(long, default_value = "")]
    only: String,
}

#[derive(clap::Args)]
struct ScaleOptions {
    /// How many people the directory has
    #[arg(long, default_value_t = 1_000_000)]
    users: u64,
    /// How many groups
    #[arg(long, default_value_t = 100_000)]
    groups: u64,
    /// `[store] engine`: "sled" or "fjall"
    #[arg(long, default_value = "fjall")]
    engine: String,
    /// Users that are listed page by page
    #[arg(long, default_value_t = 250_000)]
    enumerate: u64,
    /// Seconds a kind of request
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Instead: one host, then this many, on one PostgreSQL
    #[arg(long)]
    hosts: Option<usize>,
}

#[derive(clap::Args)]
struct FuzzOptions {
    /// Seconds a target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only these targets
    targets: Vec<String>,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Dist => dist::run_task().map(|()| ExitCode::SUCCESS),
        Task::Demo(options) => demo::run(&options),
        Task::Test(options) => test::run(&options),
        Task::Load(options) => match (options.members, options.apps) {
            (Some(count), _) => members::run(count),
            (None, Some(count)) => apps::run(count),
            (None, None) => load::run(&options),
        },
        Task::Scale(options) => scale::run(&options),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Golden => golden::run_task().map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
