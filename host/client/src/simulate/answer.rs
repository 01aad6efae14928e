//! Judges answers: what each request must be answered with, and what Entra's client would stumble over.
//!
//! | request | what must come | where it is known from |
//! |---|---|---|
//! | filtered GET | 200 and a `ListResponse`, also without a hit; a 404 stops the job | entra.md 1.2, 1.3 |
//! | match query | one hit at most, and the one asked for | 4.2 |
//! | GET by id | 200 and that resource; 404 is a lost link (`InvalidAnchor`) | 1.3 |
//! | POST | 201 with an `id`, `userName` as it was sent | 1.3, 1.10 a |
//! | PATCH | 200 with the resource, or 204; of a group never its members | 1.4, 1.6 |
//! | DELETE | 204 | 1.7 |
//! | any resource | booleans as booleans, `manager` as an object, no `members` when they were excluded | 1.3, 1.4 |
//! | any body | `application/scim+json`; of an error, the SCIM error | 1.2, RFC 7644 section 3.12 |
//! | anything | never 401 | 4.6 |

use reqwest::Method;
use serde_json::Value;

use super::failure::{ErrorCode, Failure};
use super::kind::Kind;
use super::mapping::ENTERPRISE;
use crate::http::Reply;

const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// What was asked, as far as the answer has to show it again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) kind: Kind,
    /// The resource's id, when the request named one.
    pub(crate) id: Option<&'a str>,
    /// The matching attribute and its value.
    pub(crate) matching: Option<(&'a str, &'a str)>,
    /// An earlier attempt may have deleted it: 404 is as good as 204.
    pub(crate) maybe_gone: bool,
}

/// What an answer is worth.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// What Entra's client would not accept, or ought not to see.
    pub(crate) flaws: Vec<String>,
    /// Why the object is not provisioned by it.
    pub(crate) failure: Option<Failure>,
}

/// Judges one answer.
pub(crate) fn judge(asked: &Asked<'_>, reply: &Reply) -> Judgement {
    let mut judgement = Judgement::default();
    let flaws = &mut judgement.flaws;
    if !reply.text.is_empty() && !is_scim_json(reply) {
        flaws.push(format!(
            "the body's type is `{}`, not `application/scim+json`",
            reply.header("content-type").unwrap_or("not said")
        ));
    }
    if reply.status >= 400 && !is_scim_error(reply) {
        flaws.push(format!(
            "status {} comes without a SCIM error body",
            reply.status
        ));
    }
    let gone = asked.maybe_gone && reply.status == 404;
    if !gone && !asked.kind.statuses().contains(&reply.status) {
        let failure = refused(asked, reply);
        flaws.push(format!("status {}: {}", reply.status, failure.reason));
        judgement.failure = Some(failure);
        return judgement;
    }
    let body = &reply.body;
    let failure = match asked.kind {
        kind if kind.is_query() => list(asked, body, flaws),
        Kind::VerifyGone | Kind::DeleteUser | Kind::DeleteGroup => None,
        Kind::CreateUser | Kind::CreateGroup => created(asked, body, flaws),
        kind if kind.method() == Method::PATCH && reply.text.is_empty() => None,
        _ => resource(asked, body, flaws),
    };
    judgement.failure = failure.map(|failure| match asked.kind {
        Kind::Probe => failure.of_the_job(),
        kind if kind.is_about_a_reference() => failure.of_a_reference(),
        _ => failure,
    });
    judgement
}

fn refused(asked: &Asked<'_>, reply: &Reply) -> Failure {
    let reason = reason(reply);
    let failure = match reply.status {
        404 if asked.kind.is_query() => {
            let text = "SCIM compliance issue: HTTP 404 Not Found returned rather than HTTP 200 OK when querying for an entity that does not exist";
            return Failure::new(ErrorCode::ServiceIncompatible, text).of_the_job();
        }
        404 if asked.id.is_some() => Failure::new(ErrorCode::InvalidAnchor, reason),
        status => Failure::new(ErrorCode::of_status(status), reason),
    };
    match asked.kind {
        // An answer that is no answer to the probe: the job cannot begin.
        Kind::Probe => failure.of_the_job(),
        kind if kind.is_about_a_reference() => failure.of_a_reference(),
        _ => failure,
    }
}

/// What the target said, in one line.
fn reason(reply: &Reply) -> String {
    if let Some(detail) = reply.body["detail"]
        .as_str()
        .filter(|detail| !detail.is_empty())
    {
        return detail.to_owned();
    }
    let text: String = reply.text.chars().take(200).collect();
    match text.trim() {
        "" => "the answer has no body".to_owned(),
        text => text.replace(['\r', '\n'], " "),
    }
}

fn is_scim_json(reply: &Reply) -> bool {
    reply.header("content-type").is_some_and(|value| {
        let kind = value.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("application/scim+json")
    })
}

fn has_schema(body: &Value, urn: &str) -> bool {
    body["schemas"].as_array().is_some_and(|schemas| {
        schemas
            .iter()
            .any(|s| s.as_str().is_some_and(|s| s.eq_ignore_ascii_case(urn)))
    })
}

fn is_scim_error(reply: &Reply) -> bool {
    let status = &reply.body["status"];
    has_schema(&reply.body, ERROR) && *status == reply.status.to_string().as_str()
}

/// An answer that cannot be read as SCIM.
fn incompatible(why: impl Into<String>, flaws: &mut Vec<String>) -> Failure {
    let why = why.into();
    flaws.push(why.clone());
    Failure::new(ErrorCode::ServiceIncompatible, why)
}

fn list(asked: &Asked<'_>, body: &Value, flaws: &mut Vec<String>) -> Option<Failure> {
    let Some(total) = body["totalResults"].as_u64() else {
        return Some(incompatible(
            "the answer is no list: it has no `totalResults`",
            flaws,
        ));
    };
    if !has_schema(body, LIST) {
        flaws.push("the list's `schemas` do not name the ListResponse".to_owned());
    }
    let none = Vec::new();
    let resources = match &body["Resources"] {
        Value::Array(resources) => resources,
        Value::Null if total == 0 => &none,
        _ => {
            return Some(incompatible(
                format!("the list has no `Resources`, and {total} results"),
                flaws,
            ));
        }
    };
    match (asked.kind, total) {
        (Kind::VerifyUsers, _) => return None,
        (Kind::Probe, 1..) => {
            flaws.push(format!(
                "a random GUID has {total} hits: the filter is ignored"
            ));
            return None;
        }
        (Kind::ReferenceCheck, 2..) => {
            return Some(incompatible(
                format!("a filter on one id has {total} hits"),
                flaws,
            ));
        }
        (Kind::MatchUser | Kind::MatchGroup, 2..) => {
            let why = format!("the match query has {total} hits");
            flaws.push(why.clone());
            return Some(Failure::new(ErrorCode::DuplicateTargetEntries, why));
        }
        _ => {}
    }
    if resources.len() as u64 != total {
        return Some(incompatible(
            format!(
                "`totalResults` is {total}, `Resources` are {}",
                resources.len()
            ),
            flaws,
        ));
    }
    let found = resources.first()?;
    if asked.kind == Kind::ReferenceCheck {
        return None;
    }
    if let Some((attribute, value)) = asked.matching {
        let there = found[attribute].as_str().unwrap_or_default();
        // A client that took it would overwrite somebody else.
        if there.to_lowercase() != value.to_lowercase() {
            return Some(incompatible(
                format!(
                    "asked for `{attribute}` {value:?}, the hit has {there:?}: the filter is ignored"
                ),
                flaws,
            ));
        }
    }
    resource(asked, found, flaws)
}

fn created(asked: &Asked<'_>, body: &Value, flaws: &mut Vec<String>) -> Option<Failure> {
    if let Some(failure) = resource(asked, body, flaws) {
        return Some(failure);
    }
    if let Some((attribute, value)) = asked.matching
        && body[attribute] != value
    {
        flaws.push(format!(
            "`{attribute}` was sent as {value:?} and came back as {}",
            body[attribute]
        ));
    }
    None
}

/// A User or Group in an answer.
fn resource(asked: &Asked<'_>, body: &Value, flaws: &mut Vec<String>) -> Option<Failure> {
    if body.get("Resources").is_some() {
        let why = "a list came where one resource was asked for".to_owned();
        flaws.push(why.clone());
        return Some(Failure::new(ErrorCode::MultipleEntriesInResponse, why));
    }
    let id = match body["id"].as_str() {
        Some(id) if !id.is_empty() => id,
        // A PATCH may be answered with a part.
        None if body.is_object() && asked.kind.method() == Method::PATCH => {
            asked.id.unwrap_or_default()
        }
        _ => return Some(incompatible("the resource has no `id`", flaws)),
    };
    if asked.id.is_some_and(|asked| asked != id) {
        return Some(incompatible(
            format!("asked for another resource than `{id}`"),
            flaws,
        ));
    }
    if asked.kind.is_about_a_group() {
        if body.get("members").is_some() && asked.kind != Kind::CreateGroup {
            flaws.push("members were not asked for, and are there".to_owned());
        }
        return None;
    }
    if let Some(why) = wrong_types(body) {
        return Some(incompatible(why, flaws));
    }
    None
}

/// Types that Entra's reader refuses.
fn wrong_types(body: &Value) -> Option<String> {
    let boolean = |value: &Value| value.is_null() || value.is_boolean();
    if !boolean(&body["active"]) {
        return Some(format!("`active` is {}, not a boolean", body["active"]));
    }
    for list in ["emails", "phoneNumbers", "addresses", "roles"] {
        let elements = body[list].as_array().into_iter().flatten();
        if let Some(element) = elements
            .into_iter()
            .find(|element| !boolean(&element["primary"]))
        {
            return Some(format!(
                "`{list}.primary` is {}, not a boolean",
                element["primary"]
            ));
        }
    }
    let manager = &body[ENTERPRISE]["manager"];
    (!manager.is_null() && manager["value"].as_str().is_none())
        .then(|| format!("`manager` is {manager}, not an object with a `value`"))
}

#[cfg(test)]
mod tests;
