//! HTTP: from connections to answers.
//!
//! | path | what | for whom |
//! |---|---|---|
//! | `/apps/NAME/scim/v2/…` | SCIM | who has one of the app's tokens |
//! | `/ecma2host_NAME/scim/…` | the same, of an app with `[ecma]` | the same |
//! | `/healthz` | the process lives | everybody |
//! | `/readyz` | the apps and what is wrong with them | loopback, unless `monitoring = "any"` |
//! | `/metrics` | Prometheus | the same |
//!
//! | module | idea |
//! |---|---|
//! | [`listener`] | accepting, TLS, stopping gracefully |
//! | [`tls`] | certificates that change under way |
//! | `gate` | everything before SCIM: ids, app, token, media type, body, deadline; and the access log |
//! | [`route`] | from a URL to what it asks for |
//! | `scim` | from there to the engine and back |
//! | `condition` | `If-Match`, `If-None-Match` |
//! | `respond` | answers in SCIM's forms |
//! | `context` | request id, Entra's activity id, our own URL |
//! | `monitor` | `/healthz`, `/readyz`, `/metrics` |

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;
use tombolo_store::Store;

use crate::config::HostFile;
use crate::config::host::Monitoring;
use crate::registry::Registry;

mod bulk;
mod condition;
mod context;
mod gate;
pub mod listener;
mod monitor;
mod respond;
pub mod route;
mod scim;
pub mod tls;

/// What every request shares.
pub struct Host {
    registry: Arc<Registry>,
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
        store: Arc<dyn Store>,
        metrics: PrometheusHandle,
        file: &HostFile,
    ) -> Self {
        Self {
            registry,
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
            .fallback(gate::enter)
            .with_state(Arc::new(self))
    }
}
