//! Metrics, in Prometheus' text format.
//!
//! Labels are the names of apps and what the host itself enumerates: never what a client sends, so that their number is
//! bounded by the operator.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tombolo_engine::import::state::{Outcome, Status};
use tombolo_runtime::CircuitState;
use tombolo_runtime::stats::{BUCKETS_US, Histogram, Snapshot};

use super::guards;
use crate::budget::Spent;
use crate::registry::{Generation, Registry};

/// Upper bounds of the buckets of request times, in seconds: from a read out of the mirror to the deadline.
const BUCKETS: [f64; 13] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0,
];

/// Starts recording; what it gives renders the page.
pub fn start() -> Result<PrometheusHandle, String> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
        .map_err(|why| why.to_string())?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|why| why.to_string())?;
    metrics::describe_counter!(
        "tombolo_requests_total",
        "SCIM requests by app, method and status."
    );
    metrics::describe_histogram!(
        "tombolo_request_seconds",
        "Time from a request's head to its answer."
    );
    metrics::describe_counter!(
        "tombolo_unauthorized_total",
        "Requests without a valid token, by app and reason."
    );
    metrics::describe_counter!(
        "tombolo_authentications_total",
        "Attempts to sign in, by app, method and outcome."
    );
    metrics::describe_counter!(
        "tombolo_reloads_total",
        "Changes of an app's files, by outcome."
    );
    metrics::describe_counter!(
        "tombolo_rollbacks_total",
        "New revisions of a connector that were taken back, by app."
    );
    metrics::describe_counter!(
        "tombolo_flow_delivered_total",
        "What a flow has given to its sink, by outcome."
    );
    metrics::describe_gauge!(
        "tombolo_flow_queued",
        "Changes of a flow that wait while its sink takes nothing."
    );
    metrics::describe_gauge!(
        "tombolo_flow_held",
        "1 while what a flow last read is not believed."
    );
    metrics::describe_gauge!("tombolo_flow_here", "1 on the host that runs the flow.");
    metrics::describe_gauge!(
        "tombolo_flow_last_good_run_seconds",
        "When a flow last read its source to the end, in seconds since 1970."
    );
    metrics::describe_gauge!(
        "tombolo_requests_in_flight",
        "Requests that are being worked on."
    );
    Ok(handle)
}

/// A request has been answered.
pub fn request(app: &str, method: &'static str, status: u16, took: Duration) {
    let app = app.to_owned();
    metrics::counter!("tombolo_requests_total", "app" => app.clone(), "method" => method, "status" => status.to_string())
        .increment(1);
    metrics::histogram!("tombolo_request_seconds", "app" => app, "method" => method)
        .record(took.as_secs_f64());
}

/// A request was turned away.
pub fn unauthorized(app: &str, reason: &'static str) {
    metrics::counter!("tombolo_unauthorized_total", "app" => app.to_owned(), "reason" => reason)
        .increment(1);
}

/// Somebody showed who they are, or tried to.
pub fn authentication(app: &str, method: &'static str, accepted: bool) {
    let outcome = if accepted { "accepted" } else { "refused" };
    metrics::counter!("tombolo_authentications_total", "app" => app.to_owned(), "method" => method, "outcome" => outcome)
        .increment(1);
}

/// An app's files have changed.
pub fn reload(app: &str, taken_over: bool) {
    let outcome = if taken_over { "taken-over" } else { "refused" };
    metrics::counter!("tombolo_reloads_total", "app" => app.to_owned(), "outcome" => outcome)
        .increment(1);
}

/// A new revision was taken back.
pub fn rollback(app: &str) {
    metrics::counter!("tombolo_rollbacks_total", "app" => app.to_owned()).increment(1);
}

/// How a flow is.
pub fn flow(name: &str, now: &tombolo_engine::flow::Gauges) {
    let flow = || name.to_owned();
    let delivered = [
        ("done", now.done),
        ("staged", now.staged),
        ("refused", now.refused),
        ("put-off", now.put_off),
    ];
    for (outcome, count) in delivered {
        metrics::counter!("tombolo_flow_delivered_total", "flow" => flow(), "outcome" => outcome)
            .absolute(count);
    }
    #[allow(clippy::cast_precision_loss)] // No flow has so many.
    metrics::gauge!("tombolo_flow_queued", "flow" => flow()).set(now.queued as f64);
    let flag = |on: bool| f64::from(u8::from(on));
    metrics::gauge!("tombolo_flow_held", "flow" => flow()).set(flag(now.held));
    metrics::gauge!("tombolo_flow_here", "flow" => flow()).set(flag(now.here));
    if let Some(at) = now.last_good {
        #[allow(clippy::cast_precision_loss)] // Seconds since 1970 have room.
        metrics::gauge!("tombolo_flow_last_good_run_seconds", "flow" => flow())
            .set(at.as_second() as f64);
    }
}

/// One more is worked on, until what this gives is dropped.
pub fn in_flight() -> impl Drop {
    struct InFlight;
    impl Drop for InFlight {
        fn drop(&mut self) {
            metrics::gauge!("tombolo_requests_in_flight").decrement(1.0);
        }
    }
    metrics::gauge!("tombolo_requests_in_flight").increment(1.0);
    InFlight
}

/// The page: what was recorded, and what the apps say of themselves at this moment.
pub async fn page(handle: &PrometheusHandle, registry: &Registry, now: Timestamp) -> String {
    handle.run_upkeep();
    let mut page = handle.render();
    apps(&mut page, registry, now);
    guards::write(&mut page, registry, now).await;
    page
}

/// A family's head; the samples follow.
pub(super) fn family(page: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// One of a connector's distributions.
type Times = fn(&Snapshot) -> &Histogram;

/// A family of one connector's counters: name, help, and which of them.
type Family<T> = (&'static str, &'static str, fn(&Snapshot) -> T);

/// One number of a kind's imports: name, help, and which.
type ImportFamily = (
    &'static str,
    &'static str,
    fn(&Status, Timestamp) -> Option<i64>,
);

const IMPORTS: [ImportFamily; 4] = [
    (
        "tombolo_import_running",
        "1 while the kind is imported.",
        |status, _| Some(i64::from(status.running.is_some())),
    ),
    (
        "tombolo_import_read",
        "Objects that the import under way, or else the last one, has read.",
        |status, _| {
            let running = status.running.as_ref().map(|running| running.counts);
            let last = status.last.as_ref().map(|last| last.counts);
            i64::try_from(running.or(last)?.listed).ok()
        },
    ),
    (
        "tombolo_import_full_age_seconds",
        "Seconds since the last full import that ended whole began.",
        |status, now| Some(now.as_second() - status.full.as_ref()?.began.as_second()),
    ),
    (
        "tombolo_import_good",
        "1 if the last import ended whole.",
        |status, _| {
            let last = status.last.as_ref()?;
            Some(i64::from(last.outcome == Outcome::Whole))
        },
    ),
];

/// Names of apps and tokens need no escape: see `is_sane_name`; a token's name may hold anything and gets one.
fn escape(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// The credentials that end: whose, called what, in how many seconds.
fn endings(
    generation: &Generation,
    now: Timestamp,
) -> impl Iterator<Item = (Option<String>, String, i64)> {
    generation
        .auth
        .credentials()
        .filter_map(move |(client, credential)| {
            let left = credential.expires?.as_second() - now.as_second();
            Some((client.map(escape), escape(&credential.name), left))
        })
}

fn apps(page: &mut String, registry: &Registry, now: Timestamp) {
    let apps = registry.apps();
    family(
        page,
        "tombolo_app_up",
        "gauge",
        "1 while requests to the app are served.",
    );
    for (name, entry) in apps.iter() {
        let _ = writeln!(
            page,
            "tombolo_app_up{{app=\"{name}\"}} {}",
            u8::from(entry.generation.is_some())
        );
    }
    family(
        page,
        "tombolo_app_trouble",
        "gauge",
        "1 while the app's files are wrong.",
    );
    for (name, entry) in apps.iter() {
        let _ = writeln!(
            page,
            "tombolo_app_trouble{{app=\"{name}\"}} {}",
            u8::from(entry.trouble.is_some())
        );
    }
    family(
        page,
        "tombolo_app_on_probation",
        "gauge",
        "1 while a new revision of the app's connector is watched.",
    );
    for (name, entry) in apps.iter() {
        let _ = writeln!(
            page,
            "tombolo_app_on_probation{{app=\"{name}\"}} {}",
            u8::from(entry.previous().is_some())
        );
    }
    budgets(page, registry);
    let serving = || {
        apps.iter()
            .filter_map(|(name, entry)| Some((name, entry.generation.as_deref()?)))
    };
    family(
        page,
        "tombolo_token_expiry_seconds",
        "gauge",
        "Seconds until a token ends; negative when it has.",
    );
    for (name, generation) in serving() {
        for (_, token, left) in endings(generation, now).filter(|(client, ..)| client.is_none()) {
            let _ = writeln!(
                page,
                "tombolo_token_expiry_seconds{{app=\"{name}\",token=\"{token}\"}} {left}"
            );
        }
    }
    family(
        page,
        "tombolo_client_secret_expiry_seconds",
        "gauge",
        "Seconds until a client's secret ends; negative when it has.",
    );
    for (name, generation) in serving() {
        for (client, secret, left) in endings(generation, now) {
            if let Some(client) = client {
                let _ = writeln!(
                    page,
                    "tombolo_client_secret_expiry_seconds{{app=\"{name}\",client=\"{client}\",secret=\"{secret}\"}} {left}"
                );
            }
        }
    }
    // The counters start anew with each revision, as with a restart: Prometheus' `rate` knows how to take that.
    let stats: Vec<_> = serving()
        .map(|(name, generation)| (name, generation.app.connector().stats().read()))
        .collect();
    let counters: [Family<u64>; 7] = [
        (
            "tombolo_connector_calls_total",
            "Calls of the connector.",
            |s| s.calls,
        ),
        (
            "tombolo_connector_misdeeds_total",
            "Calls that the connector itself spoiled.",
            |s| s.misdeeds,
        ),
        (
            "tombolo_connector_dropped_total",
            "Calls whose caller went away.",
            |s| s.dropped,
        ),
        (
            "tombolo_connector_instances_total",
            "Instances made.",
            |s| s.instantiations,
        ),
        (
            "tombolo_connector_recycled_total",
            "Warm instances retired.",
            |s| s.recycled,
        ),
        (
            "tombolo_connector_discarded_total",
            "Instances thrown away after a fault.",
            |s| s.discarded,
        ),
        (
            "tombolo_connector_circuit_openings_total",
            "Times that the connector stopped being called.",
            |s| s.circuit_openings,
        ),
    ];
    for (family_name, help, read) in counters {
        family(page, family_name, "counter", help);
        for (name, stats) in &stats {
            let _ = writeln!(page, "{family_name}{{app=\"{name}\"}} {}", read(stats));
        }
    }
    family(
        page,
        "tombolo_connector_faults_total",
        "counter",
        "Calls that ended with an error, by kind.",
    );
    for (name, stats) in &stats {
        for (kind, count) in &stats.faults {
            let _ = writeln!(
                page,
                "tombolo_connector_faults_total{{app=\"{name}\",kind=\"{kind}\"}} {count}"
            );
        }
    }
    family(
        page,
        "tombolo_connector_memory_peak_bytes",
        "gauge",
        "The most memory that one instance held.",
    );
    for (name, stats) in &stats {
        let _ = writeln!(
            page,
            "tombolo_connector_memory_peak_bytes{{app=\"{name}\"}} {}",
            stats.memory_peak
        );
    }
    family(
        page,
        "tombolo_connector_waiting",
        "gauge",
        "Calls that wait for a slot.",
    );
    for (name, stats) in &stats {
        let _ = writeln!(
            page,
            "tombolo_connector_waiting{{app=\"{name}\"}} {}",
            stats.waiting
        );
    }
    family(
        page,
        "tombolo_connector_circuit_open",
        "gauge",
        "1 while the connector is not called because it only failed.",
    );
    for (name, generation) in serving() {
        let open = generation.app.connector().circuit() != CircuitState::Closed;
        let _ = writeln!(
            page,
            "tombolo_connector_circuit_open{{app=\"{name}\"}} {}",
            u8::from(open)
        );
    }
    let imports: Vec<_> = serving()
        .flat_map(|(name, generation)| {
            let known = generation.app.imports_known();
            known.into_iter().map(move |status| (name, status))
        })
        .collect();
    for (family_name, help, read) in IMPORTS {
        family(page, family_name, "gauge", help);
        for (name, status) in &imports {
            if let Some(number) = read(status, now) {
                let kind = escape(&status.kind);
                let _ = writeln!(
                    page,
                    "{family_name}{{app=\"{name}\",kind=\"{kind}\"}} {number}"
                );
            }
        }
    }
    family(
        page,
        "tombolo_import_findings",
        "gauge",
        "What the last import found: orphans, local accounts, drift, ambiguous values.",
    );
    for (name, status) in &imports {
        let Some(last) = &status.last else { continue };
        let kind = escape(&status.kind);
        for (finding, number) in [
            ("orphan", last.found.orphans),
            ("local", last.found.local),
            ("drift", last.found.drifted),
            ("ambiguous", last.found.ambiguous),
        ] {
            let _ = writeln!(
                page,
                "tombolo_import_findings{{app=\"{name}\",kind=\"{kind}\",finding=\"{finding}\"}} {number}"
            );
        }
    }
    let histograms: [(&str, &str, Times); 3] = [
        (
            "tombolo_connector_call_seconds",
            "Time from slot to answer.",
            |s| &s.wall,
        ),
        (
            "tombolo_connector_cpu_seconds",
            "Processor time of calls.",
            |s| &s.cpu,
        ),
        (
            "tombolo_connector_wait_seconds",
            "Time until there was a slot.",
            |s| &s.wait,
        ),
    ];
    for (family_name, help, read) in histograms {
        family(page, family_name, "histogram", help);
        for (name, stats) in &stats {
            histogram(page, family_name, name, read(stats));
        }
    }
}

/// A family's name, its help, and what it tells.
type Figure = (&'static str, &'static str, fn(&Spent) -> u64);

/// What fails, against what Entra lets pass.
fn budgets(page: &mut String, registry: &Registry) {
    let spent: Vec<_> = registry
        .apps()
        .keys()
        .map(|app| (app.clone(), registry.budgets.spent(app)))
        .collect();
    let families: [Figure; 4] = [
        (
            "tombolo_error_budget_operations",
            "What was asked of the app within a day.",
            |spent| spent.operations,
        ),
        (
            "tombolo_error_budget_failures",
            "What of it failed, but for references.",
            |spent| spent.failures,
        ),
        (
            "tombolo_error_budget_reference_failures",
            "What of it failed on account of what it refers to.",
            |spent| spent.references,
        ),
        (
            "tombolo_error_budget_used_percent",
            "How much is used up of what Entra lets pass before it quarantines the job.",
            |spent| spent.used().into(),
        ),
    ];
    for (name, help, read) in families {
        family(page, name, "gauge", help);
        for (app, spent) in &spent {
            let _ = writeln!(page, "{name}{{app=\"{app}\"}} {}", read(spent));
        }
    }
}

#[allow(clippy::cast_precision_loss)] // Microseconds of a process' life fit a double's 53 bits for 285 years.
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

fn histogram(page: &mut String, family: &str, app: &str, histogram: &Histogram) {
    let mut total = 0;
    for (n, count) in histogram.buckets.iter().enumerate() {
        total += count;
        let bound = BUCKETS_US
            .get(n)
            .map_or_else(|| "+Inf".to_owned(), |bound| seconds(*bound).to_string());
        let _ = writeln!(
            page,
            "{family}_bucket{{app=\"{app}\",le=\"{bound}\"}} {total}"
        );
    }
    let _ = writeln!(
        page,
        "{family}_sum{{app=\"{app}\"}} {}",
        seconds(histogram.sum_us)
    );
    let _ = writeln!(page, "{family}_count{{app=\"{app}\"}} {total}");
}
