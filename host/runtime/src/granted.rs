//! What came of the grants: what a connector asked for *and* its app was given. For people, so no secret is in it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::app::{AppSpec, Limits, Room};
use crate::component::manifest::Access;

/// Everything that one app's connector may reach and use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// Endpoints.
    pub targets: Vec<GrantedTarget>,
    /// Directories of this machine.
    pub directories: Vec<GrantedDirectory>,
    /// The names of its secrets, and whether it may see their bytes.
    pub secrets: BTreeMap<String, bool>,
    /// What one instance and one call may use, by the names in the app's `[limits]`.
    pub limits: BTreeMap<String, String>,
    /// What the app's file grants and the connector does not ask for.
    pub withheld: Vec<String>,
}

/// A target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedTarget {
    /// The name by which it is asked for.
    pub name: String,
    /// `ldap`, `http`, `sql`, …
    pub kind: String,
    /// Where it is, without credentials.
    pub address: String,
}

/// A directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedDirectory {
    /// The guest sees `/NAME`.
    pub name: String,
    /// On this machine.
    pub path: String,
    /// What may be done there.
    pub access: Access,
    /// How much it may hold, where it may be written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Room>,
}

impl GrantedDirectory {
    /// How much it may hold, as the end of a phrase.
    pub fn most(&self) -> String {
        let most = |room: Room| format!(", at most {} in {} files", size(room.bytes), room.files);
        self.room.map(most).unwrap_or_default()
    }
}

impl Granted {
    /// Of a spec from which everything that was not asked for has been taken: `withheld`.
    pub(crate) fn of(spec: &AppSpec, withheld: Vec<String>) -> Self {
        Self {
            targets: spec
                .targets
                .iter()
                .map(|(name, target)| GrantedTarget {
                    name: name.clone(),
                    kind: target.kind().to_owned(),
                    address: target.address(),
                })
                .collect(),
            directories: spec
                .directories
                .iter()
                .map(|directory| GrantedDirectory {
                    name: directory.name.clone(),
                    path: directory.host.display().to_string(),
                    access: if directory.writable {
                        Access::ReadWrite
                    } else {
                        Access::ReadOnly
                    },
                    room: directory.writable.then_some(directory.room),
                })
                .collect(),
            secrets: spec
                .secrets
                .iter()
                .map(|(name, secret)| (name.clone(), secret.reveal))
                .collect(),
            limits: limits(&spec.limits),
            withheld,
        }
    }
}

impl fmt::Display for Granted {
    /// On one line, for the log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        for target in &self.targets {
            parts.push(format!(
                "target `{}` ({} at {})",
                target.name, target.kind, target.address
            ));
        }
        for directory in &self.directories {
            parts.push(format!(
                "directory `{}` ({}, {}{})",
                directory.name,
                directory.path,
                directory.access.word(),
                directory.most()
            ));
        }
        for (name, reveal) in &self.secrets {
            let how = if *reveal { "revealed" } else { "as a handle" };
            parts.push(format!("secret `{name}` ({how})"));
        }
        if parts.is_empty() {
            f.write_str("nothing")
        } else {
            f.write_str(&parts.join(", "))
        }
    }
}

fn limits(limits: &Limits) -> BTreeMap<String, String> {
    [
        ("wall", time(limits.wall)),
        ("cpu", time(limits.cpu)),
        ("memory", size(limits.memory as u64)),
        ("tables", limits.tables.to_string()),
        ("instances", limits.instances.to_string()),
        ("resources", limits.resources.to_string()),
        ("host-call-bytes", size(limits.host_call_bytes as u64)),
        ("concurrency", limits.concurrency.to_string()),
        ("queue", limits.queue.to_string()),
        ("log-lines", limits.log_lines.to_string()),
        ("log-bytes", size(limits.log_bytes as u64)),
        ("audit-lines", limits.audit_lines.to_string()),
        ("state", size(limits.state_bytes)),
        ("response", size(limits.response_bytes as u64)),
        ("outbound-requests", limits.outbound_requests.to_string()),
        ("outbound-bytes", size(limits.outbound_bytes as u64)),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// As the operator writes it.
fn time(time: Duration) -> String {
    match time.as_millis() {
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

/// As the operator writes it.
fn size(bytes: u64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if bytes >> shift > 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_as_they_are_written() {
        let shown = limits(&Limits::default());
        assert_eq!(shown["wall"], "30s");
        assert_eq!(shown["memory"], "64MiB");
        assert_eq!(time(Duration::from_millis(1500)), "1500ms");
        assert_eq!(size((1 << 20) + 1), "1048577B");
    }

    #[test]
    fn the_line_names_everything_and_no_secret() {
        let granted = Granted {
            targets: vec![GrantedTarget {
                name: "directory".to_owned(),
                kind: "ldap".to_owned(),
                address: "ldaps://ldap.example.org".to_owned(),
            }],
            secrets: [("key".to_owned(), true), ("other".to_owned(), false)].into(),
            ..Granted::default()
        };
        assert_eq!(
            granted.to_string(),
            "target `directory` (ldap at ldaps://ldap.example.org), secret `key` (revealed), secret `other` (as a handle)"
        );
        assert_eq!(Granted::default().to_string(), "nothing");
    }
}
