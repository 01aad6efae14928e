//! `/healthz`, `/readyz`, `/metrics`. No user data, no secret; what is wrong with the files is for the operator only.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde_json::json;

use super::Host;
use super::context;
use super::listener::Peer;
use crate::config::host::Monitoring;
use crate::registry::status::{self, State as AppState};
use crate::telemetry;

/// The process lives and answers.
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// 200 when an app is served, or when none is configured; 503 when all of them fail or the store
/// does.
pub(super) async fn ready(State(host): State<Arc<Host>>, request: Request) -> Response {
    if let Some(refused) = host.refuse_monitoring(&request) {
        return refused;
    }
    let apps = status::apps(&host.registry);
    let store = host.store.ready().await.map_err(|why| why.to_string());
    let served = apps.is_empty() || apps.iter().any(|app| app.state != AppState::Failed);
    let ready = served && store.is_ok();
    let code = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        code,
        Json(json!({ "ready": ready, "store": store.err(), "apps": apps })),
    )
        .into_response()
}

/// Prometheus' page.
pub(super) async fn metrics(State(host): State<Arc<Host>>, request: Request) -> Response {
    if let Some(refused) = host.refuse_monitoring(&request) {
        return refused;
    }
    let page = telemetry::metrics::page(&host.metrics, &host.registry, Timestamp::now()).await;
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], page).into_response()
}

impl Host {
    fn refuse_monitoring(&self, request: &Request) -> Option<Response> {
        let peer = request.extensions().get::<Peer>().copied();
        if self.monitoring == Monitoring::Any || context::is_local(request.headers(), peer) {
            return None;
        }
        let why = "only from this machine; `monitoring = \"any\"` under `[server]` opens it\n";
        Some((StatusCode::FORBIDDEN, why).into_response())
    }
}
