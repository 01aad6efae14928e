//! Answers as SCIM wants them: `application/scim+json`, errors in the envelope of RFC 7644, section 3.12.

use std::time::Duration;

use axum::body::Body;
use http::header::{ALLOW, CONTENT_TYPE, ETAG, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::Value;
use tombolo_engine::{Answer, Error as EngineError};
use tombolo_scim::error::Error as ScimError;

use crate::auth::Denied;

/// The media type of every answer below `/apps` (RFC 7644, section 8.1).
pub(crate) const SCIM_JSON: HeaderValue = HeaderValue::from_static("application/scim+json");

/// A body.
pub(crate) fn json(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, SCIM_JSON);
    response
}

/// No body: 204.
pub(crate) fn empty() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// An error in SCIM's envelope.
pub(crate) fn error(error: &ScimError) -> Response<Body> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, &error.to_json())
}

/// An error without a `scimType`.
pub(crate) fn refuse(status: StatusCode, detail: impl Into<String>) -> Response<Body> {
    error(&ScimError::new(status.as_u16(), None, detail))
}

/// 503, and when to come back.
pub(crate) fn unavailable(detail: impl Into<String>, after: Duration) -> Response<Body> {
    let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, detail);
    retry_after(&mut response, after);
    response
}

/// Who may not call: 401 with its challenge, 403, 429, or 503 when nobody can tell.
pub(crate) fn denied(denied: &Denied) -> Response<Body> {
    let mut response = refuse(denied.status, denied.detail());
    if let Some(challenge) = denied.challenge() {
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if let Some(after) = denied.retry_after {
        retry_after(&mut response, after);
    }
    response
}

/// 405 with what is possible instead.
pub(crate) fn method_not_allowed(method: &Method, allow: &'static str) -> Response<Body> {
    let mut response = refuse(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("{method} is not possible here; possible are {allow}"),
    );
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// On an answer that refuses what a request refers to.
#[derive(Clone, Copy)]
pub(crate) struct AboutReference;

/// What the engine refused.
pub(crate) fn engine_error(failed: &EngineError) -> Response<Body> {
    let mut response = error(&failed.to_scim());
    if matches!(failed, EngineError::Reference(_)) {
        response.extensions_mut().insert(AboutReference);
    }
    if let Some(after) = failed.retry_after() {
        retry_after(&mut response, after);
    }
    response
}

/// A resource with its `ETag`; `Location` where it was made or replaced.
pub(crate) fn resource(status: StatusCode, answer: &Answer, body: &Value) -> Response<Body> {
    let mut response = json(status, body);
    tag(&mut response, answer);
    if let Ok(location) = HeaderValue::from_str(&answer.location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// The resource's version as a header.
pub(crate) fn tag(response: &mut Response<Body>, answer: &Answer) {
    if let Ok(etag) = HeaderValue::from_str(&etag(answer.version)) {
        response.headers_mut().insert(ETAG, etag);
    }
}

/// Weak, because two renderings of one version may differ in the attributes asked for.
pub(crate) fn etag(version: u64) -> String {
    format!("W/\"{version}\"")
}

/// When to come back.
pub(crate) fn retry_after(response: &mut Response<Body>, after: Duration) {
    // The header counts whole seconds; less than one is one.
    let seconds = after.as_millis().div_ceil(1000).max(1);
    if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
}
