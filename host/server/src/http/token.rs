//! `/apps/NAME/oauth2/token`: the app's own OAuth 2.0 token endpoint.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Path, Request, State};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};
use tracing::{Instrument as _, info, info_span};

use super::Host;
use super::context;
use super::gate;
use super::respond;
use crate::auth::{Attempt, GrantError};
use crate::registry::{Found, Generation};
use crate::telemetry::metrics;

/// An assertion is some 2 KiB; the rest of the form is next to nothing.
const LARGEST_FORM: usize = 64 << 10;

/// Every request to a token endpoint.
pub(super) async fn enter(
    State(host): State<Arc<Host>>,
    Path(name): Path<String>,
    request: Request,
) -> Response<Body> {
    let began = Instant::now();
    let id = context::request_id(request.headers());
    let activity = context::activity_id(request.headers());
    let method = request.method().clone();
    let has_body = gate::has_body(&request);
    let found = host.registry.find(&name);
    let app = match &found {
        Found::Serving(_) | Found::Down => name,
        Found::Absent => "-".to_owned(),
    };
    let span = info_span!("request", %id, app, activity);
    let mut response = host
        .token(&id, &app, found, request)
        .instrument(span.clone())
        .await;
    gate::close_behind_unread(has_body, &mut response);
    let headers = response.headers_mut();
    // RFC 6749, section 5.1: nobody in between may keep it.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(context::REQUEST_ID, id);
    }
    let (status, took) = (response.status().as_u16(), began.elapsed());
    metrics::request(&app, gate::label(&method), status, took);
    span.in_scope(|| {
        info!(
            method = gate::label(&method),
            route = "/oauth2/token",
            status,
            ms = took.as_secs_f64() * 1e3,
            "answered"
        );
    });
    response
}

impl Host {
    async fn token(&self, id: &str, app: &str, found: Found, request: Request) -> Response<Body> {
        let generation = match found {
            Found::Serving(generation) => generation,
            Found::Absent => {
                return refuse(StatusCode::NOT_FOUND, "there is no app of this name");
            }
            Found::Down => {
                let mut response = refuse(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the app cannot be served; the host's log says why",
                );
                respond::retry_after(&mut response, Duration::from_mins(1));
                return response;
            }
        };
        if request.method() != Method::POST {
            let mut response = refuse(
                StatusCode::METHOD_NOT_ALLOWED,
                "a token is asked for by POST",
            );
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        let Ok(_slot) = self.slots.try_acquire() else {
            let mut response = refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "the host has as many requests in hand as it may",
            );
            respond::retry_after(&mut response, Duration::from_secs(1));
            return response;
        };
        let _in_flight = metrics::in_flight();
        match tokio::time::timeout(self.deadline, self.grant(id, app, &generation, request)).await {
            Ok(response) => response,
            Err(_) => {
                let mut response = refuse(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the request was not finished in time",
                );
                respond::retry_after(&mut response, Duration::from_secs(10));
                response
            }
        }
    }

    async fn grant(
        &self,
        id: &str,
        app: &str,
        generation: &Generation,
        request: Request,
    ) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, LARGEST_FORM).collect().await else {
            return refuse(
                StatusCode::BAD_REQUEST,
                "the body is too large, or ended before it was whole",
            );
        };
        let head = Request::from_parts(parts, ());
        let attempt = Attempt {
            app,
            auth: &generation.auth,
            request: id,
            headers: head.headers(),
            peer: context::peer(&head),
            certificate: context::certificate(&head),
        };
        let mut response = match self.guard.grant(&attempt, &body.to_bytes()).await {
            Ok(granted) => json_answer(StatusCode::OK, &granted.body()),
            Err(error) => error_answer(&error),
        };
        response.extensions_mut().insert(gate::BodyRead);
        response
    }
}

fn error_answer(error: &GrantError) -> Response<Body> {
    let mut response = json_answer(error.status(), &error.body());
    if let Some(challenge) = error.challenge() {
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if let Some(after) = error.retry_after() {
        respond::retry_after(&mut response, after);
    }
    response
}

/// What has nothing to do with the client's credentials, in the same form.
fn refuse(status: StatusCode, description: &str) -> Response<Body> {
    let error = if status == StatusCode::SERVICE_UNAVAILABLE {
        "temporarily_unavailable"
    } else {
        "invalid_request"
    };
    json_answer(
        status,
        &json!({ "error": error, "error_description": description }),
    )
}

fn json_answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
