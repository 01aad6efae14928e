//! What is told of the apps: in `/readyz`, in the status file that a running host keeps for `tombolo app list`.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use tombolo_runtime::CircuitState;

use super::facts::Facts;
use super::{Entry, Generation, Kept, Registry, Rejected};
use crate::budget::Spent;
use crate::config::material::Ending;

/// What becomes of requests to an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// They are served, by the files as they are.
    Serving,
    /// They are served by an older state of the files; the newer one is wrong.
    Stale,
    /// They are refused.
    Failed,
}

/// One app.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AppStatus {
    /// Its name.
    pub name: String,
    /// The connector's name, as served.
    pub connector: Option<String>,
    /// SHA-256 of the connector's file, as served.
    pub revision: Option<String>,
    /// What becomes of requests.
    pub state: State,
    /// Since when this generation is served.
    pub since: Option<Timestamp>,
    /// SHA-256 of the revision to return to, while the one that is served is on probation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The revisions of connectors that were taken back in this app.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
    /// What the connector is and may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
    /// What is wrong with the files, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// The tokens' names and ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<TokenStatus>,
    /// The same of OAuth clients' secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretStatus>,
    /// Since when and why its connector is not called, while its circuit is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub circuit: Option<CircuitStatus>,
    /// What of it failed lately, against what Entra lets pass.
    #[serde(default)]
    pub budget: Spent,
    /// What will go wrong if nobody does anything: credentials that end soon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// An open circuit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CircuitStatus {
    /// Since when.
    pub since: Timestamp,
    /// How the last call failed.
    pub cause: String,
    /// When the next is made; none while one is under way.
    pub next: Option<Timestamp>,
}

/// One token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TokenStatus {
    /// Its name.
    pub name: String,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

/// One secret of a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecretStatus {
    /// The client's id.
    pub client: String,
    /// Its name.
    pub name: String,
    /// When it ends.
    pub expires: Option<Timestamp>,
}

/// A running host and its apps.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HostStatus {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Where it listens.
    pub url: String,
    /// Since when.
    pub started: Timestamp,
    /// Its apps.
    pub apps: Vec<AppStatus>,
}

impl AppStatus {
    fn of(name: &str, entry: &Entry, kept: &Kept, budget: Spent) -> Self {
        let generation = entry.generation.as_deref();
        let state = match (generation, &entry.trouble) {
            (Some(_), None) => State::Serving,
            (Some(_), Some(_)) => State::Stale,
            (None, _) => State::Failed,
        };
        let credentials = || {
            generation
                .into_iter()
                .flat_map(|generation| generation.auth.credentials())
        };
        Self {
            name: name.to_owned(),
            connector: generation.map(|generation| generation.connector.clone()),
            revision: generation.map(|generation| generation.digest.clone()),
            state,
            since: generation.map(|generation| generation.since),
            previous: entry.previous().map(|previous| previous.digest.clone()),
            rejected: kept.rejected(name),
            facts: generation.map(|generation| {
                let connector = generation.app.connector();
                Facts::of(&generation.connector, connector, generation.signed.clone())
            }),
            problems: entry
                .trouble
                .iter()
                .flat_map(|trouble| &trouble.report.0)
                .map(crate::config::Diagnostic::line)
                .collect(),
            tokens: credentials()
                .filter(|(client, _)| client.is_none())
                .map(|(_, token)| TokenStatus {
                    name: token.name.clone(),
                    expires: token.expires,
                })
                .collect(),
            secrets: credentials()
                .filter_map(|(client, secret)| {
                    Some(SecretStatus {
                        client: client?.to_owned(),
                        name: secret.name.clone(),
                        expires: secret.expires,
                    })
                })
                .collect(),
            circuit: generation.and_then(circuit),
            budget,
            warnings: generation
                .into_iter()
                .flat_map(|generation| Ending::of(&generation.auth, Timestamp::now()))
                .map(|ending| ending.to_string())
                .collect(),
        }
    }
}

fn circuit(generation: &Generation) -> Option<CircuitStatus> {
    let now = Timestamp::now();
    match generation.app.connector().circuit() {
        CircuitState::Closed => None,
        CircuitState::Open { since, cause, next } => Some(CircuitStatus {
            since: now - since,
            cause,
            next: next.map(|wait| now + wait),
        }),
    }
}

/// All apps of a registry.
pub fn apps(registry: &Registry) -> Vec<AppStatus> {
    let kept = &registry.builder.policy.kept;
    registry
        .apps()
        .iter()
        .map(|(name, entry)| AppStatus::of(name, entry, kept, registry.budgets.spent(name)))
        .collect()
}

/// Where a running host keeps it.
pub fn file(store: &Path) -> PathBuf {
    store.join("status.json")
}

impl HostStatus {
    /// Written whole, so that a reader never sees half of it.
    pub fn write(&self, store: &Path) -> std::io::Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::other)?;
        crate::files::replace(&file(store), &text)
    }

    /// Of the host that runs on this store; none when no host does.
    pub fn read(store: &Path) -> Option<Self> {
        let status: Self = serde_json::from_slice(&std::fs::read(file(store)).ok()?).ok()?;
        // A host that was killed leaves its file behind.
        let alive = !Path::new("/proc/self").exists()
            || Path::new(&format!("/proc/{}", status.pid)).exists();
        alive.then_some(status)
    }
}
