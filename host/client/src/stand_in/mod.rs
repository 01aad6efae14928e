//! Entra's receiving side, played on one port: API-driven provisioning (`bulkUpload`, the provisioning log, the job) and
//! Entra's SCIM API.
//!
//! It is what entra.md says in section 3, strict about shapes: records are staged and looked at in cycles, rows of the log
//! appear late, calls are throttled, an update without `active` disables, a restart purges. It counts what was done wrong.
//! Time is its own: faster by a factor, and moved on by hand; all answers carry it in `Date`.
//!
//! | module | idea |
//! |---|---|
//! | `clock` | the time at the service |
//! | `world` | all that the service knows |
//! | `people` | users and groups of the tenant |
//! | `cycle` | staged records become users, and rows |
//! | `throttle` | 40 calls in 5 seconds, 6,000 in 24 hours |
//! | `answer` | answers as Graph and SCIM shape them |
//! | `token` | the token endpoint |
//! | `upload` | `bulkUpload` |
//! | `rows` | the provisioning log |
//! | `scim` | Entra's SCIM API |
//! | `control` | for tests: state, time, restarts, failures |

mod answer;
mod clock;
mod control;
mod cycle;
mod people;
mod rows;
mod scim;
mod throttle;
mod token;
mod upload;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{Router, body::Bytes};
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::task::JoinHandle;

pub use self::control::Command;
pub use self::throttle::Limits;
use self::world::World;
pub use self::world::{Counters, Settings};

/// What Graph takes in one request.
const LARGEST: usize = 4 << 20;

/// A stand-in that serves until it is dropped.
#[derive(Debug)]
pub struct StandIn {
    shared: Shared,
    task: JoinHandle<()>,
}

type Shared = Arc<Mutex<World>>;

impl StandIn {
    /// Serves at this address; port 0 takes a free one.
    pub async fn start(listen: SocketAddr, settings: Settings) -> io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(listen).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let shared: Shared = Arc::new(Mutex::new(World::new(url, settings)));
        let app = routes(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            let service = app.into_make_service_with_connect_info::<SocketAddr>();
            // It ends when the task does.
            let _ = axum::serve(listener, service).await;
        });
        Ok(Self { shared, task })
    }

    /// Where it is: the address of both login and Graph.
    pub fn url(&self) -> String {
        self.shared.lock().url.clone()
    }

    /// Client id and secret.
    pub fn client(&self) -> (String, SecretString) {
        let world = self.shared.lock();
        let secret = world.settings.client_secret.expose_secret().to_owned();
        (world.settings.client_id.clone(), secret.into())
    }

    /// The tenant, the service principal's object id, and the job's id.
    pub fn ids(&self) -> (String, String, String) {
        let world = self.shared.lock();
        let settings = &world.settings;
        (
            settings.tenant.clone(),
            settings.principal.clone(),
            settings.job.clone(),
        )
    }

    /// Does what `/control` does.
    pub fn control(&self, command: &Command) {
        self.shared.lock().control(command);
    }

    /// Lets time pass at the service.
    pub fn advance(&self, time: Duration) {
        self.control(&Command::Advance {
            seconds: time.as_secs_f64(),
        });
    }

    /// What has been counted.
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters.clone()
    }

    /// Users and groups, as `/control/state` shows them.
    pub fn state(&self) -> Value {
        let mut world = self.shared.lock();
        world.catch_up();
        world.state()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn routes(shared: Shared) -> Router {
    let job = "/{version}/servicePrincipals/{principal}/synchronization/jobs/{job}";
    Router::new()
        .route("/{tenant}/oauth2/v2.0/token", post(token_endpoint))
        .route(&format!("{job}/bulkUpload"), post(bulk_upload))
        .route(job, get(job_state))
        .route("/{version}/auditLogs/provisioning", get(log))
        .route("/{version}/auditLogs/provisioning/", get(log))
        .route("/rp/scim/{endpoint}", any(scim_list))
        .route("/rp/scim/{endpoint}/{id}", any(scim_one))
        .route("/control/state", get(control_state))
        .route("/control", post(control))
        .fallback(|| async { answer::graph(404, "UnknownError", "there is no such path") })
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), dated))
        .with_state(shared)
}

/// Brings the service to the present before, and puts its time on the answer after.
async fn dated(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    shared.lock().catch_up();
    let mut response = next.run(request).await;
    let now = shared.lock().clock.now();
    let date = httpdate::fmt_http_date(now.into());
    if let Ok(date) = HeaderValue::from_str(&date) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

async fn token_endpoint(
    State(shared): State<Shared>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    token::answer(&mut shared.lock(), &tenant, &headers, &body)
}

async fn bulk_upload(
    State(shared): State<Shared>,
    Path((version, principal, job)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut world = shared.lock();
    if let Some(error) = world.no_job(&version, &principal, &job) {
        return error;
    }
    upload::answer(&mut world, &headers, &body)
}

async fn job_state(
    State(shared): State<Shared>,
    Path((version, principal, job)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let world = shared.lock();
    if let Some(error) = world
        .no_job(&version, &principal, &job)
        .or_else(|| world.not_allowed(&headers, "Synchronization.Read.All"))
    {
        return error;
    }
    answer::json(200, &world.job_state())
}

async fn log(
    State(shared): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let mut world = shared.lock();
    world.counters.log_requests += 1;
    if let Some(error) = world.not_allowed(&headers, "ProvisioningLog.Read.All") {
        return error;
    }
    rows::answer(&world, query.as_deref().unwrap_or_default())
}

async fn scim_list(
    State(shared): State<Shared>,
    Path(endpoint): Path<String>,
    RawQuery(query): RawQuery,
    method: axum::http::Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let query = query.unwrap_or_default();
    let asked = scim::Asked::new(&method, &endpoint, None, &query, &headers, &body);
    scim::answer(&mut shared.lock(), &asked)
}

async fn scim_one(
    State(shared): State<Shared>,
    Path((endpoint, id)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    method: axum::http::Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let query = query.unwrap_or_default();
    let asked = scim::Asked::new(&method, &endpoint, Some(&id), &query, &headers, &body);
    scim::answer(&mut shared.lock(), &asked)
}

async fn control_state(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Response {
    if !peer.ip().is_loopback() {
        return answer::graph(403, "Forbidden", "control is for this machine only");
    }
    answer::json(200, &shared.lock().state())
}

async fn control(
    State(shared): State<Shared>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    body: Bytes,
) -> Response {
    if !peer.ip().is_loopback() {
        return answer::graph(403, "Forbidden", "control is for this machine only");
    }
    match serde_json::from_slice::<Command>(&body) {
        Ok(command) => {
            let mut world = shared.lock();
            world.control(&command);
            answer::json(200, &world.state())
        }
        Err(why) => answer::graph(400, "BadRequest", &why.to_string()),
    }
}
