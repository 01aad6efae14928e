//! Requests to the target: paced, tried again when the target asks for it, timed, and their answers judged.

use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use reqwest::Method;
use serde::Serialize;

use super::answer::{Asked, judge};
use super::failure::{ErrorCode, Failure};
use super::kind::Kind;
use super::meter::{Line, Meter};
use super::pace::{Pace, retry_after};
use crate::http::{self, Endpoint, Reply};

/// How often one request is sent when the target asks to wait; then the object is escrowed.
const ATTEMPTS: u32 = 5;
/// What is waited when a 429 or 503 does not say how long.
const UNSAID: Duration = Duration::from_secs(1);
/// How many unexpected answers are kept in full.
const EXAMPLES: usize = 50;

/// An answer that Entra's client would not accept.
#[derive(Clone, Debug, Serialize)]
pub struct Unexpected {
    /// What was asked for.
    pub request: &'static str,
    /// The method and path.
    pub line: String,
    /// What is wrong with the answer.
    pub what: String,
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    meter: Meter,
    unexpected: usize,
    examples: Vec<Unexpected>,
    throttled: usize,
    answered: bool,
}

/// The target, as the service talks to it.
pub(crate) struct Wire {
    endpoint: Endpoint,
    pace: Pace,
    patience: Duration,
    seen: Mutex<Seen>,
    activity: Mutex<String>,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) asked: Asked<'a>,
    pub(crate) path: &'a str,
}

impl<'a> Request<'a> {
    pub(crate) fn new(kind: Kind, path: &'a str) -> Self {
        Self {
            asked: Asked {
                kind,
                id: None,
                matching: None,
                maybe_gone: false,
            },
            path,
        }
    }

    /// About the resource with this id.
    pub(crate) fn of(mut self, id: &'a str) -> Self {
        self.asked.id = Some(id);
        self
    }

    /// For a deletion that is tried again.
    pub(crate) fn again(mut self, again: bool) -> Self {
        self.asked.maybe_gone = again;
        self
    }

    /// With a matching attribute that the answer must show.
    pub(crate) fn matching(mut self, attribute: &'a str, value: &'a str) -> Self {
        self.asked.matching = Some((attribute, value));
        self
    }
}

impl Wire {
    /// `patience` is the longest `Retry-After` that is waited for.
    pub(crate) fn new(endpoint: Endpoint, rate: Option<f64>, patience: Duration) -> Self {
        Self {
            endpoint,
            pace: Pace::new(rate),
            patience,
            seen: Mutex::default(),
            activity: Mutex::default(),
        }
    }

    /// Every request of a cycle carries the cycle's activity id.
    pub(crate) fn begin(&self, activity: uuid::Uuid) {
        *self.activity.lock() = format!("Date:2026-09-01, ActivityId:{activity}");
    }

    /// Sends a request and returns an answer that can be worked with.
    pub(crate) async fn ask(
        &self,
        request: Request<'_>,
        body: Option<String>,
    ) -> Result<Reply, Failure> {
        let kind = request.asked.kind;
        let activity = self.activity.lock().clone();
        let mut attempt = 1;
        loop {
            self.pace.turn().await;
            let began = tokio::time::Instant::now();
            let headers = [("ADSCIMVersion", activity.as_str())];
            let sent = self
                .endpoint
                .send(kind.method(), request.path, body.clone(), &headers)
                .await;
            let reply = match sent {
                Ok(reply) => {
                    self.seen.lock().answered = true;
                    reply
                }
                Err(error) => {
                    let failure = no_answer(&error);
                    self.note(
                        &request,
                        began.elapsed(),
                        true,
                        std::slice::from_ref(&failure.reason),
                    );
                    return Err(failure);
                }
            };
            if matches!(reply.status, 429 | 503) {
                let wait = reply
                    .header("retry-after")
                    .and_then(|value| retry_after(value, SystemTime::now()));
                if attempt < ATTEMPTS && wait.is_none_or(|wait| wait <= self.patience) {
                    attempt += 1;
                    let flaws = match wait {
                        Some(_) => Vec::new(),
                        None => vec![format!(
                            "status {} comes without a readable `Retry-After`",
                            reply.status
                        )],
                    };
                    self.note(&request, reply.took, false, &flaws);
                    self.seen.lock().throttled += 1;
                    self.pace.hold(wait.unwrap_or(UNSAID)).await;
                    continue;
                }
            }
            let judgement = judge(&request.asked, &reply);
            let failed = judgement.failure.is_some();
            self.note(&request, reply.took, failed, &judgement.flaws);
            return match judgement.failure {
                // Asked to wait too often, or too long: what the log calls it, whatever the status.
                Some(failure) if matches!(reply.status, 429 | 503) => Err(Failure {
                    code: ErrorCode::TooManyRequests,
                    ..failure
                }),
                Some(failure) => Err(failure),
                None => Ok(reply),
            };
        }
    }

    fn note(&self, request: &Request<'_>, took: Duration, error: bool, flaws: &[String]) {
        let kind = request.asked.kind;
        let mut seen = self.seen.lock();
        seen.meter.add(kind, took, error);
        for what in flaws {
            seen.unexpected += 1;
            if seen.examples.len() < EXAMPLES {
                let line = format!("{} {}", kind.method(), request.path);
                seen.examples.push(Unexpected {
                    request: kind.name(),
                    line,
                    what: what.clone(),
                });
            }
        }
    }

    /// A flaw that only several answers together show.
    pub(crate) fn flaw(&self, kind: Kind, path: &str, what: String) {
        let mut seen = self.seen.lock();
        seen.unexpected += 1;
        if seen.examples.len() < EXAMPLES {
            let line = format!("{} {path}", Method::GET);
            seen.examples.push(Unexpected {
                request: kind.name(),
                line,
                what,
            });
        }
    }

    /// Whether nobody has answered yet.
    pub(crate) fn is_silent(&self) -> bool {
        !self.seen.lock().answered
    }

    /// The closing table.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.seen.lock().meter.lines()
    }

    /// How many answers were unexpected, and the first of them.
    pub(crate) fn unexpected(&self) -> (usize, Vec<Unexpected>) {
        let seen = self.seen.lock();
        (seen.unexpected, seen.examples.clone())
    }

    /// How many answers asked to wait and were obeyed.
    pub(crate) fn throttled(&self) -> usize {
        self.seen.lock().throttled
    }
}

fn no_answer(error: &http::Error) -> Failure {
    match error {
        http::Error::Transport { why, .. } if why.is_timeout() => {
            Failure::new(ErrorCode::Timeout, error.to_string())
        }
        // The service cannot sign in: its credentials are what is wrong.
        http::Error::Token { .. } => Failure::new(ErrorCode::Unauthorized, error.to_string()),
        _ => Failure::new(ErrorCode::WebExceptionProtocolError, error.to_string()),
    }
}

/// `/{endpoint}/{id}`, the id as a path segment.
pub(crate) fn item(endpoint: &str, id: &str) -> String {
    let mut url = url::Url::parse("http://x").expect("a constant URL");
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.push(endpoint).push(id);
    }
    url.path().to_owned()
}

/// `/{endpoint}?filter=…`, encoded as Entra does.
pub(crate) fn query(endpoint: &str, filter: &str) -> String {
    match endpoint {
        // Groups are always read without their members.
        "Groups" => format!(
            "/Groups?excludedAttributes=members&filter={}",
            http::encode(filter)
        ),
        _ => format!("/{endpoint}?filter={}", http::encode(filter)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_filters_survive_the_url() {
        assert_eq!(item("Users", "a/b c?"), "/Users/a%2Fb%20c%3F");
        assert_eq!(
            query("Groups", "displayName eq \"R&D\""),
            "/Groups?excludedAttributes=members&filter=displayName+eq+%22R%26D%22"
        );
    }
}
