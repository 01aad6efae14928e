//! What a test's code works with: requests that are written down, fixtures that are taken away, expectations.
//!
//! An expectation that is not met is kept, and the test goes on (`expect`, `holds`), or ends where going on is
//! pointless (`require`, `status`). Either way it remembers the last exchange: that is what a reader wants to see.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

mod expect;
mod fixture;

use super::attribute::Attribute;
use super::case::{Case, Exchange, Finding, Stop};
use super::ledger::{Ledger, encode_segment};
use super::sample::Sampler;
use super::server::{ENTERPRISE, Kind, Server};
use crate::http::{Endpoint, Reply, encode, literal};

const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// So much of an answer is kept for the report.
const KEPT: usize = 4096;
/// So often a request is made again after 429, as Entra would.
const AGAIN: usize = 5;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) use fixture::Made;

/// What all tests of a run share.
pub(super) struct Stage<'s> {
    pub(super) endpoint: &'s Endpoint,
    pub(super) server: Server,
    pub(super) sampler: Sampler,
    pub(super) ledger: Ledger,
    pub(super) no_groups: bool,
}

/// One test being played.
pub(super) struct Play<'s> {
    stage: &'s Stage<'s>,
    case: &'s Case,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    last: Option<Exchange>,
    /// The last one that was no GET, if `last` is one.
    write: Option<Exchange>,
    findings: Vec<Finding>,
    requests: usize,
}

impl Log {
    fn remember(&mut self, exchange: Exchange) {
        let before = self.last.replace(exchange);
        let is_read = |exchange: &Exchange| exchange.method == Method::GET.as_str();
        if self.last.as_ref().is_some_and(|last| !is_read(last)) {
            self.write = None;
        } else if let Some(before) = before.filter(|before| !is_read(before)) {
            self.write = Some(before);
        }
    }

    fn finding(&self, expected: String, found: String) -> Finding {
        Finding {
            expected,
            found,
            after: self.write.clone(),
            exchange: self.last.clone(),
        }
    }
}

impl<'s> Play<'s> {
    pub(super) fn new(stage: &'s Stage<'s>, case: &'s Case) -> Self {
        Self {
            stage,
            case,
            log: Mutex::default(),
        }
    }

    /// What was found, and how many requests it took.
    pub(super) fn end(self) -> (Vec<Finding>, usize) {
        let log = self
            .log
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        (log.findings, log.requests)
    }

    pub(super) fn server(&self) -> &'s Server {
        &self.stage.server
    }

    pub(super) fn users(&self) -> &'s Kind {
        &self.stage.server.users
    }

    pub(super) fn endpoint(&self) -> &'s Endpoint {
        self.stage.endpoint
    }

    pub(super) fn sampler(&self) -> &'s Sampler {
        &self.stage.sampler
    }

    /// The server's groups. Microsoft's template fails the group tests of a server without a Group schema, so the
    /// gallery tests do too; others have nothing to say then.
    pub(super) fn groups(&self) -> Result<&'s Kind, Stop> {
        if self.stage.no_groups {
            return Err(Stop::Skipped("--no-groups".to_owned()));
        }
        match &self.stage.server.groups {
            Some(groups) => Ok(groups),
            None if self.case.id.starts_with("gallery/") => Err(Stop::Failed(Box::new(Finding {
                expected: "/Schemas has the core Group schema".to_owned(),
                found: "it has none".to_owned(),
                after: None,
                exchange: None,
            }))),
            None => Err(Stop::Skipped("the server has no groups".to_owned())),
        }
    }

    /// The user attribute at a path, or the reason why the test is not for this server.
    pub(super) fn need(&self, path: &str) -> Result<&'s Attribute, Stop> {
        need(self.users(), path)
    }

    /// The enterprise manager's path.
    pub(super) fn need_manager(&self) -> Result<String, Stop> {
        if self.users().manager {
            Ok(format!("{ENTERPRISE}:manager"))
        } else {
            Err(skip("the server does not advertise the enterprise manager"))
        }
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Reply, Stop> {
        let sent = body.cloned().unwrap_or_default();
        let text = body.map(|body| match body {
            // A body that is no JSON is sent as it is.
            Value::String(raw) => raw.clone(),
            other => other.to_string(),
        });
        self.send_with(self.endpoint(), method, path, sent, text, headers)
            .await
    }

    /// The same through another endpoint: for credentials that must not work.
    pub(super) async fn send_with(
        &self,
        endpoint: &Endpoint,
        method: Method,
        path: &str,
        sent: Value,
        text: Option<String>,
        headers: &[(&str, &str)],
    ) -> Result<Reply, Stop> {
        let mut tries = 0;
        let outcome = loop {
            self.log().requests += 1;
            let outcome = endpoint
                .send(method.clone(), path, text.clone(), headers)
                .await;
            match &outcome {
                Ok(reply) if reply.status == 429 && tries < AGAIN => {
                    tries += 1;
                    tokio::time::sleep(pause(reply)).await;
                }
                _ => break outcome,
            }
        };
        let exchange = |status, answer: &str| Exchange {
            method: method.to_string(),
            path: path.to_owned(),
            sent: redacted(endpoint, &sent),
            status,
            answer: shortened(&endpoint.redact(answer)),
        };
        match outcome {
            Ok(reply) => {
                self.log()
                    .remember(exchange(Some(reply.status), &reply.text));
                Ok(reply)
            }
            Err(error) => {
                self.log().remember(exchange(None, &error.to_string()));
                Err(self.stop("an answer", &format!("none: {error}")))
            }
        }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Reply, Stop> {
        self.send(Method::GET, path, None, &[]).await
    }

    /// GET of one resource.
    pub(super) async fn read(&self, kind: &Kind, id: &str) -> Result<Reply, Stop> {
        self.get(&path(kind, id)).await
    }

    /// GET of one resource that must be there.
    pub(super) async fn fetch(&self, kind: &Kind, id: &str) -> Result<Value, Stop> {
        let reply = self.read(kind, id).await?;
        self.status(&reply, &[200])?;
        Ok(reply.body)
    }

    /// GET with a filter, encoded as Entra does; `more` is the rest of the query.
    pub(super) async fn find(&self, kind: &Kind, filter: &str, more: &str) -> Result<Reply, Stop> {
        let query = format!("{}?filter={}{more}", kind.endpoint, encode(filter));
        self.get(&query).await
    }

    /// A query that must be answered with a list response of so many resources.
    pub(super) async fn hits(
        &self,
        kind: &Kind,
        filter: &str,
        more: &str,
        expected: usize,
    ) -> Result<Vec<Value>, Stop> {
        let reply = self.find(kind, filter, more).await?;
        self.list(&reply, expected)
    }

    /// POST; what it makes will be taken away.
    pub(super) async fn post(&self, kind: &Kind, body: &Value) -> Result<Reply, Stop> {
        let attribute = name_of(kind);
        let name = body[attribute].as_str().unwrap_or_default();
        let ticket = self.stage.ledger.begin(&kind.endpoint, attribute, name);
        let reply = self
            .send(Method::POST, &kind.endpoint, Some(body), &[])
            .await?;
        match (reply.status, reply.id()) {
            (200..=299, Some(id)) => self.stage.ledger.done(ticket, id),
            (400..=499, _) => self.stage.ledger.refused(ticket),
            // Nobody knows: it will be looked for.
            _ => {}
        }
        Ok(reply)
    }

    /// A bulk request is about to make this: it will be looked for and taken away.
    pub(super) fn expected_from_bulk(&self, kind: &Kind, body: &Value) {
        let attribute = name_of(kind);
        let name = body[attribute].as_str().unwrap_or_default();
        self.stage.ledger.begin(&kind.endpoint, attribute, name);
    }

    /// PATCH with these operations.
    pub(super) async fn patch(
        &self,
        kind: &Kind,
        id: &str,
        operations: Value,
    ) -> Result<Reply, Stop> {
        let body = patch_op(&operations);
        self.send(Method::PATCH, &path(kind, id), Some(&body), &[])
            .await
    }

    /// PATCH that must succeed; then what GET shows.
    pub(super) async fn change(
        &self,
        kind: &Kind,
        id: &str,
        operations: Value,
    ) -> Result<Value, Stop> {
        let reply = self.patch(kind, id, operations).await?;
        self.status(&reply, &[200, 204])?;
        if reply.status == 200 && !reply.text.trim().is_empty() {
            self.expect(
                reply.body["id"] == id,
                format!("the answer is the resource, with `id` {id:?}"),
            );
        }
        self.fetch(kind, id).await
    }

    /// DELETE.
    pub(super) async fn delete(&self, kind: &Kind, id: &str) -> Result<Reply, Stop> {
        let path = path(kind, id);
        let reply = self.send(Method::DELETE, &path, None, &[]).await?;
        if matches!(reply.status, 204 | 404) {
            self.stage.ledger.gone(&path);
        }
        Ok(reply)
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The attribute at a path, or the reason why the test is not for this server.
pub(super) fn need<'k>(kind: &'k Kind, path: &str) -> Result<&'k Attribute, Stop> {
    kind.attribute(path)
        .ok_or_else(|| skip(format!("the server does not advertise `{path}`")))
}

/// A PATCH's body.
pub(super) fn patch_op(operations: &Value) -> Value {
    json!({ "schemas": [PATCH_OP], "Operations": operations })
}

/// The attribute that finds an object of a kind.
fn name_of(kind: &Kind) -> &'static str {
    if kind.name == "User" {
        "userName"
    } else {
        "displayName"
    }
}

/// The path of a resource.
pub(super) fn path(kind: &Kind, id: &str) -> String {
    format!("{}/{}", kind.endpoint, encode_segment(id))
}

pub(super) fn skip(why: impl Into<String>) -> Stop {
    Stop::Skipped(why.into())
}

/// `path eq "value"`; booleans and numbers bare.
pub(super) fn eq(path: &str, value: &Value) -> String {
    match value {
        Value::String(text) => format!("{path} eq {}", literal(text)),
        other => format!("{path} eq {other}"),
    }
}

/// The ids in `members`, sorted.
pub(super) fn members(group: &Value) -> Vec<String> {
    let mut ids: Vec<String> = group["members"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|member| member["value"].as_str().map(str::to_owned))
        .collect();
    ids.sort_unstable();
    ids
}

/// The manager's id, where the answer has him as the object that Entra can read.
pub(super) fn manager(user: &Value) -> Option<&str> {
    user[ENTERPRISE]["manager"]["value"]
        .as_str()
        .filter(|id| !id.is_empty())
}

/// No such id was ever given out.
pub(super) fn nobody() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn pause(reply: &Reply) -> Duration {
    let asked = reply
        .header("retry-after")
        .and_then(|seconds| seconds.trim().parse().ok())
        .map_or(Duration::from_secs(1), Duration::from_secs);
    asked.min(LONGEST_PAUSE)
}

fn redacted(endpoint: &Endpoint, sent: &Value) -> Value {
    let text = sent.to_string();
    let clean = endpoint.redact(&text);
    if clean == text {
        return sent.clone();
    }
    serde_json::from_str(&clean).unwrap_or(Value::String(clean))
}

fn shortened(text: &str) -> String {
    if text.len() <= KEPT {
        return text.to_owned();
    }
    let mut end = KEPT;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}… ({} bytes in all)", &text[..end], text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_values_are_quoted_as_json() {
        assert_eq!(eq("userName", &json!("a\"b")), "userName eq \"a\\\"b\"");
        assert_eq!(eq("active", &json!(true)), "active eq true");
    }

    #[test]
    fn long_answers_are_cut_between_characters() {
        let text = "é".repeat(KEPT);
        let cut = shortened(&text);
        assert!(cut.len() < KEPT + 64 && cut.contains("bytes in all"));
        assert_eq!(shortened("short"), "short");
    }
}
