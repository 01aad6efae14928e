//! All that the service knows: settings, tokens, staged records, people, rows, counts.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use axum::response::Response;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::answer;
use super::clock::{Clock, later};
use super::people::People;
use super::throttle::{Limits, Throttle};

/// How the service is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The tenant.
    pub tenant: String,
    /// The application that may sign in.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// A federated token that is taken in the secret's place.
    pub federated: Option<SecretString>,
    /// The object id of the provisioning app's service principal.
    pub principal: String,
    /// The provisioning job.
    pub job: String,
    /// How much faster time passes.
    pub factor: f64,
    /// Between two cycles.
    pub cycle: Duration,
    /// How long a row stays invisible: at least and at most.
    pub lag: (Duration, Duration),
    /// What `bulkUpload` allows.
    pub limits: Limits,
    /// "Flow null values": what is null or left out is cleared.
    pub flow_null: bool,
    /// The verified domains; none is any.
    pub domains: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tenant: "contoso.example".to_owned(),
            client_id: Uuid::new_v4().to_string(),
            client_secret: Uuid::new_v4().simple().to_string().into(),
            federated: None,
            principal: Uuid::new_v4().to_string(),
            job: format!("API2AAD.{}.{}", Uuid::new_v4().simple(), Uuid::new_v4()),
            factor: 1.0,
            cycle: Duration::from_mins(40),
            lag: (Duration::from_mins(5), Duration::from_mins(10)),
            limits: Limits::default(),
            flow_null: false,
            domains: Vec::new(),
        }
    }
}

/// What was counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Counters {
    /// Tokens given.
    pub tokens: u64,
    /// `bulkUpload` calls that came through to its checks.
    pub calls: u64,
    /// Of them, staged.
    pub staged_calls: u64,
    /// Calls over a limit: answered with 429.
    pub over_limit: u64,
    /// Calls of a wrong shape.
    pub bad_shape: u64,
    /// Records staged.
    pub records: u64,
    /// Records without an explicit `active`.
    pub without_active: u64,
    /// Records lost by a restart.
    pub purged: u64,
    /// Requests for the log.
    pub log_requests: u64,
    /// Requests to the SCIM API.
    pub scim_requests: u64,
    /// Of them, charged.
    pub charged: u64,
}

/// A record on its way.
#[derive(Clone, Debug)]
pub(super) struct Staged {
    pub(super) at: Timestamp,
    pub(super) data: Map<String, Value>,
}

/// A row of the log, and from when on it can be seen.
#[derive(Clone, Debug)]
pub(super) struct LogRow {
    pub(super) visible: Timestamp,
    pub(super) at: Timestamp,
    pub(super) row: Value,
}

/// Whether the job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobCode {
    Active,
    Paused,
    Quarantine,
}

/// An answer that is given in place of the true one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instead {
    pub(super) status: u16,
    pub(super) retry_after: Option<u64>,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) url: String,
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) tokens: BTreeSet<String>,
    /// Permissions that are not granted.
    pub(super) denied: BTreeSet<String>,
    pub(super) staged: Vec<Staged>,
    /// Failed records, which the service tries again by itself.
    pub(super) escrow: Vec<Staged>,
    pub(super) people: People,
    pub(super) log: Vec<LogRow>,
    pub(super) throttle: Throttle,
    pub(super) job: JobCode,
    pub(super) next_cycle: Timestamp,
    pub(super) last_cycle: Option<(Timestamp, Timestamp)>,
    pub(super) fail_next: VecDeque<String>,
    pub(super) instead: VecDeque<Instead>,
    pub(super) counters: Counters,
}

impl World {
    pub(super) fn new(url: String, settings: Settings) -> Self {
        let clock = Clock::new(settings.factor);
        let next_cycle = later(clock.now(), settings.cycle);
        Self {
            url,
            settings,
            clock,
            tokens: BTreeSet::new(),
            denied: BTreeSet::new(),
            staged: Vec::new(),
            escrow: Vec::new(),
            people: People::default(),
            log: Vec::new(),
            throttle: Throttle::default(),
            job: JobCode::Active,
            next_cycle,
            last_cycle: None,
            fail_next: VecDeque::new(),
            instead: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Plays the cycles that were due by now.
    pub(super) fn catch_up(&mut self) {
        let now = self.clock.now();
        while self.next_cycle <= now {
            let at = self.next_cycle;
            if self.job == JobCode::Active {
                self.cycle(at);
            }
            self.next_cycle = later(at, self.settings.cycle);
        }
    }

    /// 401 without a token of ours, 403 without the permission.
    pub(super) fn not_allowed(&self, headers: &HeaderMap, permission: &str) -> Option<Response> {
        let token = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        if !token.is_some_and(|token| self.tokens.contains(token)) {
            let why = "Lifetime validation failed, the token is expired or invalid.";
            return Some(answer::graph(401, "InvalidAuthenticationToken", why));
        }
        self.denied.contains(permission).then(|| {
            let why = format!("Insufficient privileges: {permission} is missing.");
            answer::graph(403, "Authorization_RequestDenied", &why)
        })
    }

    /// 404 for what is not our job.
    pub(super) fn no_job(&self, version: &str, principal: &str, job: &str) -> Option<Response> {
        let ours = matches!(version, "v1.0" | "beta")
            && principal == self.settings.principal
            && job == self.settings.job;
        (!ours).then(|| answer::graph(404, "ResourceNotFound", "there is no such job"))
    }

    /// The `synchronizationJob`.
    pub(super) fn job_state(&self) -> Value {
        let code = match self.job {
            JobCode::Active => "Active",
            JobCode::Paused => "Paused",
            JobCode::Quarantine => "Quarantine",
        };
        let last = self.last_cycle.map(|(began, ended)| {
            json!({"state": "Succeeded", "timeBegan": began.to_string(), "timeEnded": ended.to_string()})
        });
        let quarantine = (self.job == JobCode::Quarantine)
            .then(|| json!({"reason": "EncounteredQuarantineException"}));
        json!({
            "id": self.settings.job,
            "templateId": "API2AAD",
            "schedule": {"state": if self.job == JobCode::Paused { "Disabled" } else { "Active" }},
            "status": {"code": code, "lastExecution": last, "quarantine": quarantine},
        })
    }

    /// For tests.
    pub(super) fn state(&self) -> Value {
        json!({
            "now": self.clock.now().to_string(),
            "users": self.people.users_state(),
            "groups": self.people.groups_state(),
            "staged": self.staged.len(),
            "escrowed": self.escrow.len(),
            "rows": self.log.len(),
            "job": self.job_state()["status"],
            "counters": self.counters,
        })
    }
}
