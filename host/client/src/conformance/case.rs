//! What a test is, and what it can come to.

use std::future::Future;
use std::pin::Pin;

use serde::Serialize;
use serde_json::Value;

use super::play::Play;

/// How much a failure weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Entra or the RFC demands it: a failure fails the run.
    Mandatory,
    /// Wanted, or needed by few: a failure is a warning.
    Optional,
}

/// One test.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name in `--only`, reports and scripts: `group/what`.
    pub id: &'static str,
    /// What must be so.
    pub name: &'static str,
    /// Who says that it must.
    pub source: &'static str,
    /// How much it weighs.
    pub level: Level,
    /// What would happen in Entra, or with another client, if it were not so.
    pub entra: &'static str,
    /// The test.
    pub(super) run: Run,
}

/// A test's code.
pub(super) type Run = for<'a> fn(&'a Play<'a>) -> Pin<Box<dyn Future<Output = Played> + Send + 'a>>;

/// How a test's code ends; what it found on the way is with its [`Play`].
pub(super) type Played = Result<(), Stop>;

/// Why a test goes no further.
#[derive(Debug)]
pub(super) enum Stop {
    /// What came makes the rest pointless.
    Failed(Box<Finding>),
    /// It cannot be played here.
    Skipped(String),
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What should have been.
    pub expected: String,
    /// What was.
    pub found: String,
    /// The write that led there, when the exchange only looks at what came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Exchange>,
    /// The request in question and its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<Exchange>,
}

/// A request and its answer, without credentials.
#[derive(Clone, Debug, Serialize)]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// What follows the base URL.
    pub path: String,
    /// What was sent.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub sent: Value,
    /// The answer's status; none if none came.
    pub status: Option<u16>,
    /// The answer's body, or why there is none.
    pub answer: String,
}

/// What a test came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Passed,
    /// Not as it must be.
    Failed,
    /// Not as it should be, and optional.
    Warning,
    /// Not played.
    Skipped,
}
