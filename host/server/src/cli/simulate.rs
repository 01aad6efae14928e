//! `tombolo simulate`: Entra's provisioning service, played against any SCIM server.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{ArgAction, Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{SignedDuration, Timestamp};
use tombolo_client::simulate::{
    CycleReport, Dialects, Event, Mapping, OnDemand, Population, Report, Run, Settings, Simulation,
    Source, State, StateError, Verdict, Watcher, read,
};

use super::Outcome;
use super::inbound;
use super::output::{self, Output};
use super::remote::Remote;
use crate::config::value;

/// Nothing was played, or not all of what was to be.
const COULD_NOT_RUN: u8 = 2;
/// How many unexpected answers and differences are printed; JSON has more.
const PRINTED: usize = 10;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Exit code: 0 the target equals the source and no answer was unexpected, 1 it does not or one was, 2 it could not be played."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    job: JobArguments,
    /// How many cycles to play.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    cycles: u64,
    /// How updates are written; `flagged` is what aadOptscim062020 makes of them.
    #[arg(long, value_enum, default_value_t = Dialect::Legacy)]
    dialect: Dialect,
    /// Forget all links first: everything is matched again, and a generated tenant stays as it is for one cycle.
    #[arg(long)]
    restart: bool,
    /// Simulated time between two cycles; escrow and quarantine go by it.
    #[arg(long, default_value = "40m", value_parser = value::duration)]
    interval: Duration,
    /// Accidental-deletion threshold: more deletes and disables in one cycle put the job into quarantine.
    #[arg(long, value_name = "NUMBER")]
    delete_threshold: Option<usize>,
    /// Entra's "Allow deletes": let them through this time.
    #[arg(long, requires = "delete_threshold")]
    allow_deletes: bool,
    /// Read everything back at the end and compare it with the source.
    #[arg(long, default_value_t = true, action = ArgAction::Set, value_name = "true|false")]
    verify: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Provision one user, or a group with at most five members, now.
    OnDemand(Box<OnDemandArguments>),
    /// Play Entra's receiving side: bulkUpload, the provisioning log, and Entra's SCIM API.
    Inbound(inbound::Arguments),
}

#[derive(Debug, Args)]
struct OnDemandArguments {
    /// A user's id or userPrincipalName, or a group's id or displayName.
    name: String,
    /// Of a group, the members to provision. May be repeated.
    #[arg(long = "member", value_name = "USER")]
    members: Vec<String>,
    #[command(flatten)]
    job: JobArguments,
}

/// What cycles and on-demand provisioning share.
#[derive(Debug, Args)]
struct JobArguments {
    #[command(flatten)]
    remote: Remote,
    /// A directory with users.csv or users.json, and groups.csv or groups.json; each cycle reads it again.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["people", "groups", "churn"])]
    source: Option<PathBuf>,
    /// Without --source: how many users to make up.
    #[arg(long, default_value_t = 200)]
    people: usize,
    /// Without --source: how many groups to make up.
    #[arg(long, default_value_t = 20)]
    groups: usize,
    /// Without --source: how many in a hundred objects change between two cycles.
    #[arg(long, default_value_t = 10, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(..=100))]
    churn: u8,
    /// What chance decides is decided by it: the same seed, the same requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Map another property: `nickName=extensionAttribute1`. May be repeated.
    #[arg(long, value_name = "ATTRIBUTE=PROPERTY")]
    map: Vec<String>,
    /// Take a target attribute out of the mapping, because the target has no place for it. May be repeated.
    #[arg(long, value_name = "ATTRIBUTE")]
    unmap: Vec<String>,
    /// Where links and watermark are kept, so that a later run goes on from here.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Append the provisioning log to this file, one row a line.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Requests under way at once.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    parallel: u16,
    /// Requests a second; as fast as answers come if not given.
    #[arg(long, value_name = "PER-SECOND", value_parser = rate)]
    rate: Option<f64>,
    /// The longest Retry-After that is waited for.
    #[arg(long, default_value = "2m", value_parser = value::duration)]
    patience: Duration,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Dialect {
    /// Today's default.
    Legacy,
    /// As with the flag on the tenant URL.
    Flagged,
    /// Both, object by object.
    Mixed,
}

impl From<Dialect> for Dialects {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Legacy => Self::Legacy,
            Dialect::Flagged => Self::Flagged,
            Dialect::Mixed => Self::Mixed,
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err(format!("must be a number above 0, not `{text}`")),
    }
}

pub(super) async fn run(arguments: Arguments, output: Output) -> Outcome {
    let played = match arguments.command {
        Some(Command::OnDemand(arguments)) => on_demand(*arguments, output).await,
        Some(Command::Inbound(arguments)) => inbound::run(arguments, output).await,
        None => cycles(arguments, output).await,
    };
    Ok(played.unwrap_or_else(|why| {
        eprintln!("error: {why:#}");
        ExitCode::from(COULD_NOT_RUN)
    }))
}

async fn cycles(arguments: Arguments, output: Output) -> Outcome {
    let job = &arguments.job;
    let settings = Settings {
        dialects: arguments.dialect.into(),
        interval: SignedDuration::try_from(arguments.interval)?,
        delete_threshold: arguments.delete_threshold,
        allow_deletes: arguments.allow_deletes,
        ..job.settings()?
    };
    if arguments.restart && job.state.is_none() {
        bail!("--restart needs --state: without it there are no links to forget");
    }
    let run = Run {
        source: job.source(),
        cycles: arguments.cycles,
        verify: arguments.verify,
        state: job.state.clone(),
        unchanged: arguments.restart,
    };
    let progress = Progress::new(output);
    let mut simulation = job.simulation(settings, arguments.restart, progress.watcher())?;
    let report = simulation.run(&run).await;
    progress.end();
    let report = report?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => show(&report),
    }
    Ok(if report.verdict.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn on_demand(arguments: OnDemandArguments, output: Output) -> Outcome {
    let job = &arguments.job;
    let settings = job.settings()?;
    let source = job.source();
    let mapping = settings.mapping.clone();
    let mut simulation = job.simulation(settings, false, Box::new(|_| {}))?;
    let tenant = match &source {
        Source::Directory(directory) => read(directory, &mapping)?,
        Source::Generated(population) => simulation
            .state
            .tenant()
            .cloned()
            .unwrap_or_else(|| population.begin()),
    };
    let report = simulation
        .on_demand(&tenant, &arguments.name, &arguments.members)
        .await?;
    if let Some(path) = &job.state {
        simulation.state.save(path)?;
    }
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => show_on_demand(&report),
    }
    Ok(if report.failure.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl JobArguments {
    fn settings(&self) -> anyhow::Result<Settings> {
        let mut mapping = Mapping::default();
        for pair in &self.map {
            let (path, property) = pair
                .rsplit_once('=')
                .with_context(|| format!("--map wants ATTRIBUTE=PROPERTY, not `{pair}`"))?;
            mapping.map(path, property)?;
        }
        for path in &self.unmap {
            mapping.unmap(path)?;
        }
        Ok(Settings {
            seed: self.seed,
            dialects: Dialects::Legacy,
            parallel: usize::from(self.parallel),
            rate: self.rate,
            patience: self.patience,
            interval: SignedDuration::ZERO,
            delete_threshold: None,
            allow_deletes: false,
            mapping,
        })
    }

    fn source(&self) -> Source {
        match &self.source {
            Some(directory) => Source::Directory(directory.clone()),
            None => Source::Generated(Population {
                seed: self.seed,
                people: self.people,
                groups: self.groups,
                churn: self.churn,
            }),
        }
    }

    fn simulation(
        &self,
        settings: Settings,
        restart: bool,
        watcher: Watcher,
    ) -> anyhow::Result<Simulation> {
        let endpoint = self.remote.endpoint()?;
        let state = self.state(endpoint.base(), restart)?;
        let log = self
            .log
            .as_ref()
            .map(|path| -> anyhow::Result<Box<dyn Write + Send>> {
                let file = File::options()
                    .create(true)
                    .append(true)
                    .open(path)
                    .with_context(|| format!("cannot write `{}`", path.display()))?;
                Ok(Box::new(BufWriter::new(file)))
            });
        Ok(Simulation::new(
            endpoint,
            settings,
            state,
            log.transpose()?,
            watcher,
            interrupted(),
        ))
    }

    fn state(&self, url: &str, restart: bool) -> anyhow::Result<State> {
        let fresh = || State::new(url, Timestamp::now());
        let Some(path) = &self.state else {
            return Ok(fresh());
        };
        let Some(mut state) = State::load(path)? else {
            return Ok(fresh());
        };
        if restart {
            state.restart();
            url.clone_into(&mut state.url);
        }
        if state.url != url {
            bail!(StateError::Elsewhere {
                path: path.clone(),
                url: state.url
            });
        }
        Ok(state)
    }
}

/// True after the first SIGINT: what is under way is finished. The second one ends the process.
fn interrupted() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    tokio::spawn(async move {
        // Where no signal can be heard, the default action stays.
        while tokio::signal::ctrl_c().await.is_ok() {
            if told.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            eprintln!("finishing what is under way; again to stop at once");
        }
    });
    stop
}

/// A bar on a terminal, and a line a cycle.
#[derive(Clone)]
struct Progress {
    bar: ProgressBar,
    output: Output,
}

impl Progress {
    fn new(output: Output) -> Self {
        let style = ProgressStyle::with_template("{prefix:<16} {bar:40} {pos}/{len}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        // It draws on standard error, and only if that is a terminal.
        Self {
            bar: ProgressBar::new(0).with_style(style),
            output,
        }
    }

    fn watcher(&self) -> Watcher {
        let Self { bar, output } = self.clone();
        Box::new(move |event| match event {
            Event::Stage(name, total) => {
                bar.set_prefix(*name);
                bar.set_length(*total as u64);
                bar.set_position(0);
            }
            Event::Step => bar.inc(1),
            Event::Cycle(report) if output == Output::Text => bar.suspend(|| show_cycle(report)),
            Event::Cycle(_) => {}
        })
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn show_cycle(report: &CycleReport) {
    let kind = if report.initial {
        "initial"
    } else {
        "incremental"
    };
    let (users, groups) = (report.users, report.groups);
    println!(
        "cycle {}, {kind}: users {} created, {} updated, {} disabled, {} deleted; groups {} created, {} updated, {} deleted; \
         {} managers, {} members; {} skipped, {} failed",
        report.cycle,
        users.created,
        users.updated,
        users.disabled,
        users.deleted,
        groups.created,
        groups.updated,
        groups.deleted,
        report.managers,
        report.members,
        report.skipped,
        report.failed,
    );
    if report.escrowed + report.given_up > 0 {
        println!(
            "  {} in escrow, {} given up",
            report.escrowed, report.given_up
        );
    }
    if let Some(quarantine) = &report.quarantine {
        println!("  quarantine, {:?}: {}", quarantine.code, quarantine.reason);
    }
    if report.disabled {
        println!("  four weeks in quarantine: the job is disabled");
    }
}

fn show(report: &Report) {
    let rows: Vec<_> = report
        .requests
        .iter()
        .map(|line| {
            vec![
                line.request.to_owned(),
                line.count.to_string(),
                line.errors.to_string(),
                format!("{:.2} ms", line.p50),
                format!("{:.2} ms", line.p99),
            ]
        })
        .collect();
    println!();
    output::table(&["REQUEST", "COUNT", "ERRORS", "P50", "P99"], &rows);
    let total: usize = report.requests.iter().map(|line| line.count).sum();
    println!(
        "\n{total} requests in {:.1} s, {} dialect, seed {}; {} told to wait",
        report.seconds, report.dialect, report.seed, report.throttled
    );
    if let Some(verified) = &report.verified {
        println!(
            "read back: {} users and {} groups compared, {} other users; {} references out of scope",
            verified.users, verified.groups, verified.others, verified.references_out_of_scope
        );
    }
    println!("unexpected answers: {}", report.unexpected);
    for answer in report.unexpected_answers.iter().take(PRINTED) {
        println!("  {}: {}: {}", answer.request, answer.line, answer.what);
    }
    for difference in report
        .verified
        .iter()
        .flat_map(|verified| &verified.examples)
        .take(PRINTED)
    {
        println!("  {difference}");
    }
    println!("{}", verdict(report));
}

fn verdict(report: &Report) -> String {
    let differences = report
        .verified
        .as_ref()
        .map_or(0, |verified| verified.differences);
    let same = match &report.verified {
        None => "nothing was read back".to_owned(),
        Some(_) if differences == 0 => "the target equals the source".to_owned(),
        Some(_) => format!("{differences} objects of the target are not as the source has them"),
    };
    match report.verdict {
        Verdict::Quarantined => "the job is in quarantine".to_owned(),
        Verdict::Unexpected => format!(
            "{same}; {} answers are not as Entra wants them",
            report.unexpected
        ),
        Verdict::Same | Verdict::NotVerified | Verdict::Differs => same,
    }
}

fn show_on_demand(report: &OnDemand) {
    let rows: Vec<_> = report
        .steps
        .iter()
        .map(|step| {
            vec![
                step.step.to_owned(),
                step.object.clone(),
                step.status.to_owned(),
                step.description.clone(),
            ]
        })
        .collect();
    output::table(&["STEP", "OBJECT", "STATUS", "WHAT"], &rows);
    if let Some(failure) = &report.failure {
        println!("\n{}: {}", failure.code.name(), failure.reason);
    }
    if report.quarantine.is_some() {
        println!("a job would be in quarantine by this");
    }
}
