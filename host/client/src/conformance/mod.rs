//! Does a SCIM server do what Entra and the RFCs expect of it?
//!
//! Plays, against any SCIM server, the direct tests of Microsoft's gallery template, the list of Microsoft's SCIM
//! validator, the recorded peculiarities of Entra's client in both PATCH dialects, and the basics of the RFCs. It
//! knows the server by what it advertises, names the fact behind every failure, and takes away whatever it made.
//!
//! | module | idea |
//! |---|---|
//! | [`case`] | what a test is, and what it can come to |
//! | `cases` | the tests, a file a subject |
//! | [`attribute`] | the attributes that a schema advertises, by Entra's names |
//! | [`sample`] | values for them |
//! | [`server`] | what a server says of itself |
//! | `play` | what a test's code works with |
//! | [`ledger`] | what a run has made and has to take away |
//! | [`report`] | what came of it, as text and JSON |
//! | [`junit`] | the same for build servers |

pub mod attribute;
pub mod case;
mod cases;
pub mod junit;
pub mod ledger;
mod play;
pub mod report;
pub mod sample;
pub mod server;

use std::time::Instant;

use reqwest::Method;
use serde_json::Value;
use tokio::sync::watch;

use crate::http::{Endpoint, Error, encode};
use case::{Case, Level, Played, Stop, Verdict};
use ledger::Ledger;
use play::{Play, Stage};
use report::{Outcome, Report};
use sample::Sampler;
use server::Server;

/// What the operator chose.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Patterns of the tests to play; none is all.
    pub only: Vec<String>,
    /// The server is to have no groups: their tests are skipped.
    pub no_groups: bool,
    /// Values that the server insists on, by path.
    pub fixed: Vec<(String, Value)>,
    /// Attributes that the server is never without, though its schema does not say so: always sent, never cleared.
    pub required: Vec<String>,
    /// Behind the `@` of sign-in names and mail addresses.
    pub domain: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            only: Vec::new(),
            no_groups: false,
            fixed: Vec::new(),
            required: Vec::new(),
            domain: "example.com".to_owned(),
        }
    }
}

/// Why nothing could be played.
#[derive(Debug, thiserror::Error)]
pub enum CannotRun {
    /// No answer.
    #[error("the server cannot be reached: {0}")]
    Unreachable(Error),
    /// The credentials do not open it.
    #[error(
        "the server refuses the credentials: GET /Users was answered {status}; correct the token (or client id and secret)"
    )]
    Refused {
        /// 401 or 403.
        status: u16,
    },
    /// A path that means nothing.
    #[error("the server advertises no user attribute `{0}`; /Schemas has those that there are")]
    NoSuchAttribute(String),
    /// A pattern that means nothing.
    #[error("no test is called `{0}`; `--list` shows all")]
    NoSuchTest(String),
}

/// What is told while a run goes on.
#[derive(Clone, Copy)]
pub enum Event<'e> {
    /// So many tests will be played.
    Began(usize),
    /// This one now.
    Playing(&'static Case),
    /// It is over.
    Played(&'e Outcome),
    /// What is left is being taken away.
    CleaningUp,
}

/// Every test.
pub fn all() -> Vec<&'static Case> {
    cases::all().collect()
}

/// The tests that the patterns choose: each is a part of an id. None chooses all.
pub fn chosen(patterns: &[String]) -> Result<Vec<&'static Case>, CannotRun> {
    for pattern in patterns {
        if !cases::all().any(|case| case.id.contains(pattern.as_str())) {
            return Err(CannotRun::NoSuchTest(pattern.clone()));
        }
    }
    Ok(cases::all()
        .filter(|case| {
            patterns.is_empty()
                || patterns
                    .iter()
                    .any(|pattern| case.id.contains(pattern.as_str()))
        })
        .collect())
}

/// Plays the chosen tests, one after the other.
///
/// `interrupts` counts how often the operator wanted it to stop: once ends the tests and cleans up, twice ends that too.
///
/// # Errors
/// When nothing could be played at all.
pub async fn run(
    endpoint: &Endpoint,
    settings: Settings,
    interrupts: watch::Receiver<u32>,
    mut tell: impl FnMut(Event<'_>),
) -> Result<Report, CannotRun> {
    let started = Instant::now();
    let chosen = chosen(&settings.only)?;
    let mut server = knock(endpoint).await?;
    for path in settings.required {
        if !server.users.require(&path) {
            return Err(CannotRun::NoSuchAttribute(path));
        }
    }
    let run: String = uuid::Uuid::new_v4()
        .simple()
        .to_string()
        .chars()
        .take(8)
        .collect();
    let stage = Stage {
        endpoint,
        server,
        sampler: Sampler::new(run, settings.domain, settings.fixed),
        ledger: Ledger::default(),
        no_groups: settings.no_groups,
    };
    tell(Event::Began(chosen.len()));
    let mut outcomes = Vec::with_capacity(chosen.len());
    let mut interrupted = false;
    for case in chosen {
        if interrupted {
            outcomes.push(Outcome::skipped(case, "interrupted"));
            continue;
        }
        tell(Event::Playing(case));
        let played = tokio::select! {
            biased;
            () = asked(interrupts.clone(), 1) => None,
            outcome = play(&stage, case) => Some(outcome),
        };
        interrupted = played.is_none();
        let outcome = played.unwrap_or_else(|| Outcome::skipped(case, "interrupted"));
        tell(Event::Played(&outcome));
        outcomes.push(outcome);
    }
    tell(Event::CleaningUp);
    let leftovers = tokio::select! {
        biased;
        () = asked(interrupts, 2) => stage.ledger.left("cleaning up was interrupted"),
        left = stage.ledger.sweep(endpoint, true) => left,
    };
    Ok(Report::new(
        &stage,
        outcomes,
        leftovers,
        interrupted,
        started.elapsed(),
    ))
}

/// The first request, which says whether there is anything to test, then what the server says of itself.
async fn knock(endpoint: &Endpoint) -> Result<Server, CannotRun> {
    let nobody = encode(&format!("userName eq \"{}\"", play::nobody()));
    let path = format!("/Users?filter={nobody}");
    let reply = endpoint
        .send(Method::GET, &path, None, &[])
        .await
        .map_err(CannotRun::Unreachable)?;
    if matches!(reply.status, 401 | 403) {
        return Err(CannotRun::Refused {
            status: reply.status,
        });
    }
    Server::ask(endpoint).await.map_err(CannotRun::Unreachable)
}

async fn play(stage: &Stage<'_>, case: &'static Case) -> Outcome {
    let started = Instant::now();
    let play = Play::new(stage, case);
    let ended: Played = (case.run)(&play).await;
    let (mut findings, requests) = play.end();
    let mut skipped = None;
    match ended {
        Ok(()) => {}
        Err(Stop::Failed(finding)) => findings.push(*finding),
        // What was found before is still so.
        Err(Stop::Skipped(why)) => skipped = findings.is_empty().then_some(why),
    }
    let verdict = match (findings.is_empty(), case.level) {
        _ if skipped.is_some() => Verdict::Skipped,
        (true, _) => Verdict::Passed,
        (false, Level::Mandatory) => Verdict::Failed,
        (false, Level::Optional) => Verdict::Warning,
    };
    stage.ledger.sweep(stage.endpoint, false).await;
    Outcome::new(
        case,
        verdict,
        findings,
        skipped,
        requests,
        started.elapsed(),
    )
}

/// Ends when the operator has asked so often; never if nobody can ask any more.
async fn asked(mut interrupts: watch::Receiver<u32>, times: u32) {
    if interrupts.wait_for(|asked| *asked >= times).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_has_an_id_of_its_own_and_says_why_it_is_there() {
        let mut ids = std::collections::BTreeSet::new();
        for case in all() {
            assert!(ids.insert(case.id), "{} is there twice", case.id);
            let form = case.id.split_once('/').is_some_and(|(group, what)| {
                [group, what].iter().all(|part| {
                    !part.is_empty()
                        && part
                            .bytes()
                            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                })
            });
            assert!(form, "{}", case.id);
            assert!(!case.name.is_empty() && !case.source.is_empty() && !case.entra.is_empty());
        }
        assert!(ids.len() > 100, "{}", ids.len());
    }

    #[test]
    fn patterns_choose_parts_of_ids_and_an_unknown_one_is_an_error() {
        let some = chosen(&["gallery/16".into(), "roles/".into()]).unwrap();
        assert_eq!(some.len(), 5);
        assert_eq!(chosen(&[]).unwrap().len(), all().len());
        assert!(matches!(
            chosen(&["gallery/99".into()]),
            Err(CannotRun::NoSuchTest(_))
        ));
    }
}
