//! `tombolo conformance`: does a SCIM server do what Entra and the RFCs expect?

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use tombolo_client::conformance::case::{Level, Verdict};
use tombolo_client::conformance::report::{Outcome as Played, Report};
use tombolo_client::conformance::{self, Event, Settings, junit, sample};

use super::Outcome;
use super::output::{self, Output};
use super::progress::{Progress, interrupts};
use super::remote::Remote;

/// Nothing was tested, or not all of what was to be.
const COULD_NOT_RUN: u8 = 2;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit code: 0 every mandatory test passed, 1 some failed, 2 the tests could not be run."
)]
pub(super) struct Arguments {
    #[command(flatten)]
    remote: Remote,
    /// Play only the tests whose ids hold one of these texts, such as `gallery/16` or `group/`.
    #[arg(long, value_name = "TEXT", value_delimiter = ',')]
    only: Vec<String>,
    /// List the tests and play none.
    #[arg(long)]
    list: bool,
    /// The server is to have no groups: skip their tests instead of failing them.
    #[arg(long)]
    no_groups: bool,
    /// A value that the server insists on in every user, such as `userType=Employee`. May be repeated.
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = sample::parse_fixed)]
    fixed: Vec<(String, Value)>,
    /// A user attribute that the server is never without, though its schema does not say so: it is always sent, never
    /// cleared. May be repeated.
    #[arg(long, value_name = "PATH")]
    required: Vec<String>,
    /// The domain of the users' sign-in names and mail addresses.
    #[arg(long, default_value = "example.com")]
    domain: String,
    /// Write a JUnit XML report to this file, too.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments, output: Output) -> Outcome {
    Ok(played(arguments, output).await.unwrap_or_else(|why| {
        eprintln!("error: {why:#}");
        ExitCode::from(COULD_NOT_RUN)
    }))
}

async fn played(arguments: Arguments, output: Output) -> Outcome {
    if arguments.list {
        list(&arguments.only, output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let endpoint = arguments.remote.endpoint()?;
    let settings = Settings {
        only: arguments.only,
        no_groups: arguments.no_groups,
        fixed: arguments.fixed,
        required: arguments.required,
        domain: arguments.domain,
    };
    let progress = Progress::new();
    let report = conformance::run(&endpoint, settings, interrupts(), |event| {
        tell(&progress, &event);
    })
    .await?;
    progress.end();
    if let Some(path) = &arguments.junit {
        let xml = junit::xml(&report).context("the JUnit report cannot be written")?;
        std::fs::write(path, xml).with_context(|| format!("cannot write `{}`", path.display()))?;
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
        Event::Began(tests) => progress.began(*tests),
        Event::Playing(case) => progress.at(case.id),
        Event::Played(test) => {
            progress.done();
            if test.verdict == Verdict::Failed {
                progress.say(format!("{} {}", word(test.verdict), test.id));
            }
        }
        Event::CleaningUp => progress.at("cleaning up"),
    }
}

fn list(only: &[String], output: Output) -> anyhow::Result<()> {
    let cases = conformance::chosen(only)?;
    match output {
        Output::Json => {
            let cases: Vec<_> = cases
                .iter()
                .map(|case| {
                    json!({ "id": case.id, "name": case.name, "level": case.level, "source": case.source, "entra": case.entra })
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
                    vec![
                        case.id.to_owned(),
                        level.to_owned(),
                        case.name.to_owned(),
                        case.source.to_owned(),
                    ]
                })
                .collect();
            output::table(&["TEST", "", "", "SOURCE"], &rows);
        }
    }
    Ok(())
}

fn show(report: &Report) {
    let rows: Vec<_> = report
        .tests
        .iter()
        .map(|test| {
            vec![
                word(test.verdict).to_owned(),
                test.id.to_owned(),
                remark(test),
            ]
        })
        .collect();
    output::table(&["", "TEST", ""], &rows);
    for verdict in [Verdict::Warning, Verdict::Failed] {
        for test in report.tests.iter().filter(|test| test.verdict == verdict) {
            println!("\n{} {}: {}", word(verdict), test.id, test.name);
            print!("{}", test.explain());
        }
    }
    if !report.leftovers.is_empty() {
        println!(
            "\nCould not be deleted; everything of this run is called {}…:",
            report.prefix
        );
        for left in &report.leftovers {
            println!("  {}  {}  ({})", left.path, left.name, left.why);
        }
    }
    println!("\n{}: {}", report.url, report.summary());
}

fn remark(test: &Played) -> String {
    match &test.skipped {
        Some(why) => format!("{} ({why})", test.name),
        None => test.name.to_owned(),
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
