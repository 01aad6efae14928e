//! `tombolo connector test`: the contract kit, from the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use tombolo_kit::badge::Badge;
use tombolo_kit::case::{Level, Verdict};
use tombolo_kit::report::{Outcome as Played, Report};
use tombolo_kit::{Event, Fixed, Settings, Subject, junit};

use super::given::Given;
use super::{load, runtime};
use crate::cli::Outcome;
use crate::cli::output::{self, Output};
use crate::cli::progress::{Progress, interrupts};
use crate::config::trust::Trust;

/// Nothing was tested, or not all of what was to be.
const COULD_NOT_RUN: u8 = 2;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 every mandatory check passed, 1 some failed, 2 the checks could not be run.\n\nThe kit makes, changes and deletes objects in the targets that it is given, and takes away all it has made."
)]
pub(in crate::cli) struct Arguments {
    /// The `.wasm` file.
    #[arg(required_unless_present = "list")]
    file: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
    /// Play only the checks whose ids hold one of these texts, such as `filter/` or `paging/whole`.
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    only: Vec<String>,
    /// List the checks and play none.
    #[arg(long)]
    list: bool,
    /// Put faults into the connector's host calls, too: delays, resets, lost answers.
    #[arg(long)]
    chaos: bool,
    /// Of what is random: the same seed is the same chaos.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many members the large group has.
    #[arg(long, default_value_t = 1_000)]
    members: usize,
    /// How many calls the endurance checks make.
    #[arg(long, default_value_t = 2_000)]
    calls: usize,
    /// A value that the target insists on, such as `user.userType=Employee`. May be repeated.
    #[arg(long = "set", value_name = "KIND.ATTRIBUTE=VALUE", value_parser = tombolo_kit::parse_fixed)]
    fixed: Vec<Fixed>,
    /// Play even where the target has objects already.
    #[arg(long)]
    yes: bool,
    /// Write a JUnit XML report to this file, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

pub(super) async fn test(arguments: Arguments, output: Output) -> Outcome {
    Ok(played(arguments, output).await.unwrap_or_else(|why| {
        eprintln!("error: {why:#}");
        ExitCode::from(COULD_NOT_RUN)
    }))
}

async fn played(arguments: Arguments, output: Output) -> Outcome {
    let file = match arguments.file {
        Some(file) if !arguments.list => file,
        _ => {
            list(&arguments.only, output)?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let whole = arguments.only.is_empty();
    let settings = Settings {
        only: arguments.only,
        occupied: arguments.yes,
        members: arguments.members,
        calls: arguments.calls,
        chaos: arguments.chaos,
        seed: arguments.seed,
        fixed: arguments.fixed,
    };
    let runtime = runtime()?;
    let (component, _) = load(&runtime, &Trust::default(), &file).await?;
    let granted = arguments.given.grant(&component).await?;
    let subject = Subject {
        runtime,
        component,
        spec: granted.spec.clone(),
    };
    let progress = Progress::new();
    let report = tombolo_kit::run(subject, settings, interrupts(), |event| {
        tell(&progress, &event);
    })
    .await?;
    progress.end();
    if let Some(path) = &arguments.junit {
        let xml = junit::xml(&report).context("the JUnit report cannot be written")?;
        std::fs::write(path, xml).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    if whole && !report.interrupted {
        let badge = Badge::of(&report, Timestamp::now());
        if let Err(why) = badge.write(&file) {
            eprintln!(
                "warning: cannot write `{}`, which `inspect` would show: {why}",
                Badge::path(&file).display()
            );
        }
    }
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => show(&report),
    }
    Ok(if report.interrupted {
        ExitCode::from(COULD_NOT_RUN)
    } else if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn tell(progress: &Progress, event: &Event<'_>) {
    match event {
        Event::Began(checks) => progress.began(*checks),
        Event::Playing(id) => progress.at(id),
        Event::Played(check) => {
            progress.done();
            if check.verdict == Verdict::Failed {
                progress.say(format!("{} {}", word(check.verdict), check.id));
            }
        }
        Event::CleaningUp => progress.at("cleaning up"),
    }
}

fn list(only: &[String], output: Output) -> anyhow::Result<()> {
    let cases = tombolo_kit::chosen(only)?;
    match output {
        Output::Json => {
            let cases: Vec<_> = cases
                .iter()
                .map(|case| {
                    json!({ "id": case.id, "name": case.name, "level": case.level, "contract": case.contract, "mend": case.mend })
                })
                .collect();
            output::json(&cases)?;
        }
        Output::Text => {
            let rows: Vec<_> = cases
                .iter()
                .map(|case| {
                    let level = match case.level {
                        Level::Mandatory => "mandatory",
                        Level::Optional => "optional",
                    };
                    vec![case.id.to_owned(), level.to_owned(), case.name.to_owned()]
                })
                .collect();
            output::table(&["CHECK", "", ""], &rows);
        }
    }
    Ok(())
}

fn show(report: &Report) {
    let rows: Vec<_> = report
        .checks
        .iter()
        .map(|check| {
            vec![
                word(check.verdict).to_owned(),
                check.id.to_owned(),
                remark(check),
            ]
        })
        .collect();
    output::table(&["", "CHECK", ""], &rows);
    for verdict in [Verdict::Warning, Verdict::Failed] {
        for check in report
            .checks
            .iter()
            .filter(|check| check.verdict == verdict)
        {
            println!("\n{} {}: {}", word(verdict), check.id, check.name);
            print!("{}", check.explain());
        }
    }
    if !report.leftovers.is_empty() {
        println!(
            "\nCould not be deleted; everything of this run is called {}…:",
            report.prefix
        );
        for left in &report.leftovers {
            println!("  {} {}  ({})", left.kind, left.anchor, left.why);
        }
    }
    figures(report);
    println!(
        "\n{} {}: {}",
        report.connector,
        report.version,
        report.summary()
    );
}

fn figures(report: &Report) {
    let figures = &report.figures;
    println!(
        "\n{} bytes; a call costs {} µs on a new instance and {} µs on a kept one; at most {} KiB of memory",
        figures.size,
        figures.fresh_microseconds,
        figures.warm_microseconds,
        figures.memory_bytes >> 10
    );
    let rows: Vec<_> = figures
        .operations
        .iter()
        .map(|(operation, timing)| {
            vec![
                (*operation).to_owned(),
                timing.calls.to_string(),
                format!("{} µs", timing.median_microseconds),
                format!("{} µs", timing.p99_microseconds),
            ]
        })
        .collect();
    output::table(&["OPERATION", "CALLS", "MEDIAN", "99 %"], &rows);
}

fn remark(check: &Played) -> String {
    match (&check.skipped, check.notes.first()) {
        (Some(why), _) => format!("{} ({why})", check.name),
        (None, Some(note)) if check.notes.len() == 1 => format!("{} ({note})", check.name),
        (None, Some(_)) => format!("{} ({} notes)", check.name, check.notes.len()),
        (None, None) => check.name.to_owned(),
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "pass",
        Verdict::Failed => "FAIL",
        Verdict::Warning => "warn",
        Verdict::Skipped => "skip",
    }
}
