//! Everything that happens to a request before and after SCIM.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, EXPECT};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use tombolo_engine::audit::By;
use tracing::{Instrument as _, info, info_span};

use super::Host;
use super::context;
use super::listener::Peer;
use super::respond::{self, AboutReference};
use super::route::{Face, Route};
use super::scim::Asked;
use crate::auth::Attempt;
use crate::budget::Ending;
use crate::registry::{Found, Generation};
use crate::telemetry::metrics;

/// What the engine gets beyond its deadline to say so itself: its answer is better than ours.
const GRACE: Duration = Duration::from_secs(1);
/// When to come back to an app whose files somebody has to correct.
const UNTIL_CORRECTED: Duration = Duration::from_mins(1);

/// On an answer to a request whose body was read to its end.
#[derive(Clone, Copy)]
pub(super) struct BodyRead;

/// Every request that is not for the monitoring pages.
pub(super) async fn enter(State(host): State<Arc<Host>>, request: Request) -> Response<Body> {
    let began = Instant::now();
    let (id, activity) = (
        context::request_id(request.headers()),
        context::activity_id(request.headers()),
    );
    let method = request.method().clone();
    let has_body = has_body(&request);
    let route = Route::parse(request.uri().path(), request.uri().query());
    // A name in the log and in metrics is one of ours, not whatever a client puts into a URL.
    let found = route
        .as_ref()
        .map_or(Found::Absent, |route| match route.face {
            Face::Scim => host.registry.find(&route.app),
            Face::Ecma => host.registry.find_ecma(&route.app),
        });
    let app = match (&route, &found) {
        (_, Found::Serving(generation)) => generation.app.name().to_owned(),
        (Some(route), Found::Down) => route.app.clone(),
        _ => "-".to_owned(),
    };
    let template = route.as_ref().map_or("-", |route| route.place.template());
    let span = info_span!("request", %id, app, activity);
    let mut response = Box::pin(host.work(&id, route.as_ref(), found, request))
        .instrument(span.clone())
        .await;
    close_behind_unread(has_body, &mut response);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(context::REQUEST_ID, id);
    }
    let (status, took) = (response.status().as_u16(), began.elapsed());
    metrics::request(&app, label(&method), status, took);
    span.in_scope(|| {
        info!(
            method = label(&method),
            route = template,
            status,
            ms = took.as_secs_f64() * 1e3,
            "answered"
        );
    });
    response
}

/// Whether a body follows the head on the same connection.
pub(super) fn has_body(request: &Request) -> bool {
    request.version() < Version::HTTP_2 && !request.body().is_end_stream()
}

/// What is left of a body is in the way of the next request: the client must be told that this connection ends, or it
/// sends that request into it.
pub(super) fn close_behind_unread(has_body: bool, response: &mut Response<Body>) {
    if has_body && response.extensions().get::<BodyRead>().is_none() {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// A method as a label: a client may send any word.
pub(super) fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "OTHER",
    }
}

/// What an answer is to Entra's count of what fails. Reading that goes well, or finds nobody, is none of it.
fn ending(method: &Method, response: &Response<Body>) -> Option<Ending> {
    let (status, reads) = (response.status(), method.is_safe());
    if response.extensions().get::<AboutReference>().is_some() {
        return Some(Ending::Reference);
    }
    let failed = status.is_client_error() || status.is_server_error();
    match (failed, reads) {
        (true, true) => (status != StatusCode::NOT_FOUND).then_some(Ending::Failed),
        (true, false) => Some(Ending::Failed),
        (false, true) => None,
        (false, false) => Some(Ending::Good),
    }
}

impl Host {
    async fn work(
        &self,
        id: &str,
        route: Option<&Route>,
        found: Found,
        request: Request,
    ) -> Response<Body> {
        let Some(route) = route else {
            return respond::refuse(
                StatusCode::NOT_FOUND,
                "there is nothing at this URL; SCIM is at `/apps/NAME/scim/v2`, an ECMA app at `/ecma2host_NAME/scim` too",
            );
        };
        let generation = match found {
            Found::Serving(generation) => generation,
            Found::Absent => {
                let detail = match route.face {
                    Face::Scim => "there is no app of this name",
                    Face::Ecma => {
                        "there is no ECMA connector of this name; upper and lower case count"
                    }
                };
                return respond::refuse(StatusCode::NOT_FOUND, detail);
            }
            Found::Down => {
                // No token can be checked, so the reason stays with the operator.
                let detail = "the app cannot be served: its configuration or its connector is faulty or missing; `tombolo app list` and the host's log say why";
                return respond::unavailable(detail, UNTIL_CORRECTED);
            }
        };
        let attempt = Attempt {
            app: generation.app.name(),
            auth: &generation.auth,
            request: id,
            headers: request.headers(),
            peer: context::peer(&request),
            certificate: context::certificate(&request),
        };
        let credential = match self.guard.admit(&attempt).await {
            Ok(credential) => credential,
            Err(denied) => return respond::denied(&denied),
        };
        let by = By {
            request: id.to_owned(),
            activity: context::activity_id(request.headers()),
            credential: Some(credential),
            operator: None,
        };
        let Ok(_slot) = self.slots.try_acquire() else {
            return respond::unavailable(
                "the host has as many requests in hand as `limits.requests` allows",
                Duration::from_secs(1),
            );
        };
        let _in_flight = metrics::in_flight();
        let method = request.method().clone();
        let deadline = tokio::time::Instant::now() + self.deadline;
        let response = match tokio::time::timeout_at(
            deadline + GRACE,
            self.ask(by, route, &generation, request, deadline),
        )
        .await
        {
            Ok(response) => response,
            Err(_) => respond::unavailable(
                "the request was not finished in time",
                Duration::from_secs(10),
            ),
        };
        self.registry.judge(&generation);
        if let Some(ending) = ending(&method, &response) {
            self.registry.budgets.count(generation.app.name(), ending);
        }
        response
    }

    async fn ask(
        &self,
        by: By,
        route: &Route,
        generation: &Arc<Generation>,
        request: Request,
        deadline: tokio::time::Instant,
    ) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let writes = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
        if writes && !is_json(&parts.headers) {
            return respond::refuse(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the body must be `application/scim+json` or `application/json`; say so in `Content-Type`",
            );
        }
        let body = match tokio::time::timeout_at(deadline, self.body(&parts.headers, body)).await {
            Ok(Ok(body)) => body,
            Ok(Err(response)) => return response,
            Err(_) => {
                return respond::refuse(
                    StatusCode::REQUEST_TIMEOUT,
                    "the body did not arrive in time",
                );
            }
        };
        let peer = parts.extensions.get::<Peer>().copied();
        let origin = context::origin(self.public_url.as_deref(), &parts.headers, &parts.uri, peer);
        let asked = Asked {
            app: &generation.app,
            authentication: &generation.authentication,
            route,
            method: &parts.method,
            headers: &parts.headers,
            body: &body,
            request: tombolo_engine::Request::new(
                origin + &route.face.base(&route.app),
                deadline,
                by,
            ),
        };
        let mut response = asked.answer().await;
        response.extensions_mut().insert(BodyRead);
        response
    }

    async fn body(&self, headers: &HeaderMap, mut body: Body) -> Result<Bytes, Response<Body>> {
        let read = Limited::new(&mut body, self.body_limit).collect().await;
        match read {
            Ok(whole) => Ok(whole.to_bytes()),
            Err(why) if why.is::<LengthLimitError>() => {
                // Who waits for `100 Continue` has not begun to send, and must not be asked to.
                if !headers.contains_key(EXPECT) {
                    linger(&mut body).await;
                }
                let detail = format!(
                    "the body is larger than {} bytes, the host's `limits.body`",
                    self.body_limit
                );
                Err(respond::error(&tombolo_scim::error::Error::too_large(
                    detail,
                )))
            }
            Err(_) => Err(respond::refuse(
                StatusCode::BAD_REQUEST,
                "the body ended before it was whole",
            )),
        }
    }
}

/// Most bytes that are taken of a body only to throw them away, and the time for it.
const LINGER_BYTES: usize = 16 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// Takes more of a body that nobody wants: a client that is still sending when the connection closes may lose the
/// answer (RFC 9112, section 9.6).
async fn linger(body: &mut Body) {
    let taken = async {
        let mut left = LINGER_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(bytes) else {
                break;
            };
            left = rest;
        }
    };
    // Out of time, the answer is sent as it is.
    let _ = tokio::time::timeout(LINGER, taken).await;
}

/// Entra says `application/scim+json; charset=utf-8`; others `application/json`. A body without a type is taken for
/// what it must be.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let media = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    matches!(media.as_str(), "application/scim+json" | "application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scim_and_plain_json_are_accepted_with_any_parameters() {
        let with = |value: &str| {
            is_json(&HeaderMap::from_iter([(
                CONTENT_TYPE,
                value.parse().unwrap(),
            )]))
        };
        assert!(with("application/scim+json; charset=utf-8"));
        assert!(with("Application/JSON"));
        assert!(is_json(&HeaderMap::new()));
        assert!(!with("text/xml"));
        assert!(!with("application/x-www-form-urlencoded"));
    }

    #[test]
    fn what_entra_counts_is_counted() {
        let answer = |status: u16| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        };
        for (method, status, counted) in [
            (Method::POST, 201, Some(Ending::Good)),
            (Method::PATCH, 409, Some(Ending::Failed)),
            (Method::DELETE, 503, Some(Ending::Failed)),
            (Method::GET, 200, None),
            (Method::GET, 404, None),
            (Method::GET, 503, Some(Ending::Failed)),
        ] {
            assert_eq!(
                ending(&method, &answer(status)),
                counted,
                "{method} {status}"
            );
        }
        let mut about = answer(400);
        about.extensions_mut().insert(AboutReference);
        assert_eq!(ending(&Method::PATCH, &about), Some(Ending::Reference));
    }

    #[test]
    fn an_invented_method_gets_no_label_of_its_own() {
        assert_eq!(label(&Method::from_bytes(b"BREW").unwrap()), "OTHER");
    }
}
