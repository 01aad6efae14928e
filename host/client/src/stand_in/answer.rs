//! Answers as Graph and SCIM shape them.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

pub(super) fn json(status: u16, body: &Value) -> Response {
    typed(status, "application/json; charset=utf-8", body.to_string())
}

pub(super) fn scim(status: u16, body: &Value) -> Response {
    typed(status, "application/scim+json", body.to_string())
}

fn typed(status: u16, kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

pub(super) fn empty(status: u16) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
    response
}

/// Graph's error.
pub(super) fn graph(status: u16, code: &str, message: &str) -> Response {
    let inner = json!({"request-id": uuid::Uuid::new_v4()});
    json(
        status,
        &json!({"error": {"code": code, "message": message, "innerError": inner}}),
    )
}

/// SCIM's error (RFC 7644, section 3.12).
pub(super) fn scim_error(status: u16, kind: Option<&str>, detail: &str) -> Response {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.to_string(),
        "detail": detail,
    });
    if let Some(kind) = kind {
        body["scimType"] = kind.into();
    }
    scim(status, &body)
}

pub(super) fn with(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
