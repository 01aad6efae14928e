//! HTTP: from connections to answers.
//!
//! | path | what | for whom |
//! |---|---|---|
//! | `/apps/NAME/scim/v2/…` | SCIM | who has one of the app's tokens |
//! | `/ecma2host_NAME/scim/…` | the same, of an app with `[ecma]` | the same |
//! | `/apps/NAME/oauth2/token` | the app's OAuth 2.0 token endpoint | who has a client's secret, or Entra's assertion |
//! | `/healthz` | the process lives | everybody |
//! | `/readyz` | the apps and what is wrong with them | loopback, unless `monitoring = "any"` |
//! | `/metrics` | Prometheus | the same |
//!
//! | module | idea |
//! |---|---|
//! | [`listener`] | accepting, TLS, stopping gracefully |
//! | [`tls`] | certificates that change under way |
//! | `client_ca` | who signs clients' certificates |
//! | `gate` | everything before SCIM: ids, app, token, media type, body, deadline; and the access log |
//! | `token` | the token endpoint |
//! | [`route`] | from a URL to what it asks for |
//! | `scim` | from there to the engine and back |
//! | `condition` | `If-Match`, `If-None-Match` |
//! | `respond` | answers in SCIM's forms |
//! | `context` | request id, Entra's activity id, our own URL |
//! | `monitor` | `/healthz`, `/readyz`, `/metrics` |

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;
use tombolo_store::Store;

use crate::auth::Guard;
use crate::config::HostFile;
use crate::config::host::Monitoring;
use crate::registry::Registry;

mod bulk;
mod client_ca;
mod condition;
mod context;
mod gate;
pub mod listener;
mod monitor;
mod respond;
pub mod route;
mod scim;
pub mod tls;
mod token;

/// What every request shares.
pub struct Host {
    registry: Arc<Registry>,
    /// Who lets requests in.
    guard: Guard,
    /// To be asked whether it still answers.
    store: Arc<dyn Store>,
    metrics: PrometheusHandle,
    public_url: Option<String>,
    monitoring: Monitoring,
    body_limit: usize,
    deadline: Duration,
    /// One permit for each request that is worked on.
    slots: Semaphore,
}

impl Host {
    /// As `tombolo.toml` says.
    pub fn new(
        registry: Arc<Registry>,
        guard: Guard,
        store: Arc<dyn Store>,
        metrics: PrometheusHandle,
        file: &HostFile,
    ) -> Self {
        Self {
            registry,
            guard,
            store,
            metrics,
            public_url: file.public_url.clone(),
            monitoring: file.monitoring,
            body_limit: file.body_limit,
            deadline: file.deadline,
            slots: Semaphore::new(file.requests),
        }
    }

    /// The whole of the HTTP face.
    pub fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(monitor::health))
            .route("/readyz", get(monitor::ready))
            .route("/metrics", get(monitor::metrics))
            .route("/apps/{app}/oauth2/token", any(token::enter))
            .route("/apps/{app}/oauth2/token/", any(token::enter))
            .fallback(gate::enter)
            .with_state(Arc::new(self))
    }
}
