//! The contract kit: black-box checks of any connector, against whatever it is granted.
//!
//! For: `tombolo connector test`, with which an author knows from one command whether a connector is right, and with
//! which an operator tries a stranger's connector before trusting it.
//!
//! It leans on `runtime` only and speaks the contract's vocabulary; it knows nothing of SCIM, of files of configuration
//! and of the command line. It calls a connector as the engine does, and believes nothing that it has not read back.
//!
//! A [`run`] binds the connector three times (new instances, kept instances, and with faults in its host calls), plays
//! every [`Case`](case::Case) that the connector offers the abilities for, and takes away all it has made.
//!
//! | module | idea |
//! |---|---|
//! | [`case`] | what a check is and what it can come to |
//! | `checks` | the checks, a file a part of the contract |
//! | `play` | one check at work: asking, and saying what is wrong |
//! | `objects` | objects for checks, made from the description |
//! | `stage` | what the checks of a run share, and what the run has made |
//! | `describe` | the description, as the kit reads it |
//! | `sample`, `values` | values: made, compared, shown |
//! | `evaluate` | the naive evaluator of filters |
//! | `chaos` | which host calls are struck |
//! | [`report`], [`junit`], [`badge`] | what came of it |

mod chaos;
mod checks;
mod describe;
mod evaluate;
mod objects;
mod play;
mod sample;
mod stage;
mod values;

pub mod badge;
pub mod case;
pub mod junit;
pub mod report;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tombolo_runtime::contract::{Query, Scalar, Value};
use tombolo_runtime::{AppSpec, Component, LoadError, Runtime};

use case::{Case, Finding, Level, Need, Stop, Verdict};
use play::Play;
use report::{Figures, Outcome, Report, Timing};
pub use stage::Leftover;
use stage::Stage;

/// The kit's own version: it grows when checks come or change.
pub const VERSION: &str = "1.0";

/// What is tested.
pub struct Subject {
    /// The runtime that has loaded it.
    pub runtime: Runtime,
    /// The connector.
    pub component: Arc<Component>,
    /// What it is granted. Its state must be nobody else's.
    pub spec: AppSpec,
}

/// What a run is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Only checks whose ids hold one of these texts; empty means all.
    pub only: Vec<String>,
    /// Play even where there are objects already.
    pub occupied: bool,
    /// How many members the large group has.
    pub members: usize,
    /// How many calls the endurance checks make.
    pub calls: usize,
    /// Put faults into host calls.
    pub chaos: bool,
    /// Of what is random.
    pub seed: u64,
    /// Values that the target insists on.
    pub fixed: Vec<Fixed>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            only: Vec::new(),
            occupied: false,
            members: 1_000,
            calls: 2_000,
            chaos: false,
            seed: 1,
            fixed: Vec::new(),
        }
    }
}

/// A value that the target insists on: of which attribute, and which.
#[derive(Clone, Debug, PartialEq)]
pub struct Fixed {
    path: (String, String),
    value: Value,
}

/// Reads `kind.attribute=value`; the value is JSON where it is a boolean or a whole number, else text.
pub fn parse_fixed(text: &str) -> Result<Fixed, String> {
    let wrong = || "say it as KIND.ATTRIBUTE=VALUE, such as user.userType=Employee".to_owned();
    let (path, value) = text.split_once('=').ok_or_else(wrong)?;
    let (kind, attribute) = path.split_once('.').ok_or_else(wrong)?;
    let scalar = match serde_json::from_str(value) {
        Ok(serde_json::Value::Bool(value)) => Scalar::Boolean(value),
        Ok(serde_json::Value::Number(number)) => number
            .as_i64()
            .map_or_else(|| Scalar::Decimal(value.to_owned()), Scalar::Integer),
        _ => Scalar::Text(value.to_owned()),
    };
    Ok(Fixed {
        path: (kind.to_owned(), attribute.to_owned()),
        value: Value::Simple(scalar),
    })
}

/// Why nothing was tested.
#[derive(Debug, thiserror::Error)]
pub enum CannotRun {
    /// A pattern of `only` that no check's id holds.
    #[error("no check's id holds `{0}`\n  hint: `--list` shows the checks")]
    NoSuchCheck(String),
    /// What the app grants is not what the connector wants.
    #[error(transparent)]
    Grants(LoadError),
    /// The target is somebody's.
    #[error(
        "the target has objects of kind `{0}` already: the kit makes, changes and deletes objects, so give it a target of its own\n  hint: `--yes` plays on this one all the same; the kit then touches only what it has made"
    )]
    Occupied(String),
}

/// What happens in a run, as it happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many checks will be played.
    Began(usize),
    /// This one is next.
    Playing(&'static str),
    /// This one is over.
    Played(&'a Outcome),
    /// What was made is taken away.
    CleaningUp,
}

/// Every check, in the order in which they are played.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    checks::all()
}

/// The checks that some patterns choose; no pattern chooses all.
pub fn chosen(only: &[String]) -> Result<Vec<&'static Case>, CannotRun> {
    for pattern in only {
        if !cases().any(|case| case.id.contains(pattern.as_str())) {
            return Err(CannotRun::NoSuchCheck(pattern.clone()));
        }
    }
    let wanted =
        |case: &&Case| only.is_empty() || only.iter().any(|text| case.id.contains(text.as_str()));
    Ok(cases().filter(wanted).collect())
}

/// Plays the checks. The first interrupt ends the run after the check at work has been dropped; what was made is taken
/// away all the same.
pub async fn run(
    subject: Subject,
    settings: Settings,
    mut interrupts: watch::Receiver<u32>,
    mut tell: impl FnMut(Event<'_>),
) -> Result<Report, CannotRun> {
    let cases = chosen(&settings.only)?;
    let began = Instant::now();
    let mut report = blank(&subject, &settings);
    let occupied = settings.occupied;
    let stage = match Stage::new(subject, settings).await {
        Ok(stage) => stage,
        Err(why @ (LoadError::Describe(_) | LoadError::Trial(_))) => {
            report.checks = cases.iter().map(|case| unbound(case, &why)).collect();
            report.count();
            return Ok(report);
        }
        Err(why) => return Err(CannotRun::Grants(why)),
    };
    if !occupied && stage.component.abilities().write {
        vacant(&stage).await?;
    }
    report.prefix = stage.sampler.prefix();
    tell(Event::Began(cases.len()));
    for case in cases {
        if report.interrupted {
            report
                .checks
                .push(Outcome::skipped(case, "the run was interrupted"));
            continue;
        }
        tell(Event::Playing(case.id));
        let outcome = tokio::select! {
            outcome = play(&stage, case) => outcome,
            _ = interrupts.changed() => {
                report.interrupted = true;
                Outcome::skipped(case, "the run was interrupted")
            }
        };
        stage.plan.quiet();
        report.leftovers.extend(stage.sweep(false).await);
        tell(Event::Played(&outcome));
        report.checks.push(outcome);
    }
    tell(Event::CleaningUp);
    report.leftovers.extend(stage.sweep(true).await);
    report.figures = figures(&stage);
    report.milliseconds = milliseconds(began.elapsed());
    report.count();
    Ok(report)
}

fn blank(subject: &Subject, settings: &Settings) -> Report {
    let component = &subject.component;
    Report {
        connector: component.name().to_owned(),
        version: component.manifest().version.clone(),
        sha256: component.digest().to_string(),
        kit: VERSION,
        prefix: String::new(),
        counts: report::Counts::default(),
        chaos: settings.chaos,
        seed: settings.seed,
        interrupted: false,
        milliseconds: 0,
        checks: Vec::new(),
        figures: Figures {
            size: component.inspect().size,
            ..Figures::default()
        },
        leftovers: Vec::new(),
    }
}

/// The outcome of a check of a connector that does not load: one fails, the others cannot be played.
fn unbound(case: &'static Case, why: &LoadError) -> Outcome {
    if case.id == "describe/schema" {
        let finding = Finding {
            asked: "load it, and describe".to_owned(),
            expected: "a document that fits wit/describe.schema.json".to_owned(),
            came: why.to_string(),
        };
        Outcome::failed(case, finding)
    } else {
        Outcome::skipped(case, "the connector does not load")
    }
}

/// Nobody's objects are in danger.
async fn vacant(stage: &Stage) -> Result<(), CannotRun> {
    for kind in &stage.description.kinds {
        let query = Query {
            filter: None,
            attributes: Vec::new(),
            cursor: None,
            limit: 1,
        };
        // A search that fails is for the checks to tell.
        let page = stage.fresh.search(&stage.call(), &kind.name, query).await;
        if page.is_ok_and(|page| !page.entries.is_empty()) {
            return Err(CannotRun::Occupied(kind.name.clone()));
        }
    }
    Ok(())
}

async fn play(stage: &Stage, case: &'static Case) -> Outcome {
    if let Some(why) = missing(stage, case.needs) {
        return Outcome::skipped(case, why);
    }
    let began = Instant::now();
    let at_work = Play::new(stage, case);
    let played = (case.run)(&at_work).await;
    let calls = at_work.calls();
    let mut findings = at_work.findings.into_inner();
    let mut outcome = Outcome {
        notes: at_work.notes.into_inner(),
        calls,
        milliseconds: milliseconds(began.elapsed()),
        ..Outcome::of(case, Verdict::Passed)
    };
    match played {
        Ok(()) => {}
        Err(Stop::Failed(finding)) => findings.push(*finding),
        Err(Stop::Skipped(why)) if findings.is_empty() => {
            outcome.skipped = Some(why);
            outcome.verdict = Verdict::Skipped;
        }
        Err(Stop::Skipped(_)) => {}
    }
    if !findings.is_empty() {
        outcome.verdict = match case.level {
            Level::Mandatory => Verdict::Failed,
            Level::Optional => Verdict::Warning,
        };
    }
    outcome.findings = findings;
    outcome
}

/// What the connector, or the run, does not have for a check.
fn missing(stage: &Stage, need: Need) -> Option<&'static str> {
    let has = stage.component.abilities();
    let write = (!has.write).then_some("it does not export `write`");
    match need {
        Need::Nothing => None,
        Need::Write => write,
        Need::Members => write.or((!has.members).then_some("it does not export `members`")),
        Need::Password => write.or((!has.password).then_some("it does not export `password`")),
        Need::Delta => write.or((!has.delta).then_some("it does not export `delta`")),
        Need::Chaos if !stage.settings.chaos => Some("faults are played with --chaos"),
        Need::Chaos => write,
    }
}

fn figures(stage: &Stage) -> Figures {
    let cost = stage.fresh.cost();
    let memory = [&stage.fresh, &stage.warm].map(|connector| connector.stats().read().memory_peak);
    Figures {
        size: stage.component.inspect().size,
        fresh_microseconds: (cost.instantiate + cost.call).as_micros(),
        warm_microseconds: cost.call.as_micros(),
        memory_bytes: memory.into_iter().max().unwrap_or(0),
        operations: stage
            .times
            .lock()
            .iter_mut()
            .map(|(operation, times)| (*operation, Timing::of(times)))
            .collect(),
    }
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_check_has_an_id_of_its_own_and_words_for_people() {
        let mut ids = BTreeSet::new();
        for case in cases() {
            assert!(ids.insert(case.id), "{} twice", case.id);
            assert!(case.id.split_once('/').is_some(), "{}", case.id);
            assert!(!case.name.is_empty() && !case.contract.is_empty() && !case.mend.is_empty());
        }
        assert!(ids.len() > 80, "{}", ids.len());
    }

    #[test]
    fn patterns_choose_and_a_wrong_one_is_told() {
        assert_eq!(chosen(&["paging/whole".to_owned()]).unwrap().len(), 1);
        assert!(chosen(&["members/".to_owned()]).unwrap().len() > 5);
        assert!(matches!(
            chosen(&["nonsense".to_owned()]),
            Err(CannotRun::NoSuchCheck(_))
        ));
    }

    #[test]
    fn a_fixed_value_has_the_type_that_it_looks_like() {
        let value = |text| parse_fixed(text).unwrap().value;
        assert_eq!(
            value("user.active=true"),
            Value::Simple(Scalar::Boolean(true))
        );
        assert_eq!(value("user.room=7"), Value::Simple(Scalar::Integer(7)));
        assert_eq!(
            value("user.type=a=b"),
            Value::Simple(Scalar::Text("a=b".to_owned()))
        );
        assert!(parse_fixed("title=x").is_err());
    }
}
