//! Every way to fail, and what the SCIM client is told.
//!
//! The client is Entra and its reader is an administrator in the provisioning
//! log: `detail` says what happened and what to do. A backend's fault is never
//! 401 (Entra would quarantine the whole job for bad credentials) and never 404
//! (Entra would believe the person gone).
//!
//! | what happened | answer |
//! |---|---|
//! | the target has one already | 409 `uniqueness` |
//! | the target refuses the value | 400 `invalidValue`, naming the attribute |
//! | the object itself is not there (any more) | 404, once the target has said so of it |
//! | something that a write refers to is not there | 400 `invalidValue` |
//! | the target misses anything else | 502, with text |
//! | the target does not do that | 501 |
//! | the target refuses Tombolo's credentials | 503, with text |
//! | the target forbids it to Tombolo's account | 502, with text |
//! | the app's `[policy]` forbids it | 403, with text |
//! | the app is paused, or outside its opening hours | 503 and `Retry-After`: nothing was done |
//! | the target asks to slow down | 429 and `Retry-After` |
//! | a kind that has never been imported whole, and takes longer than the request | 503 and `Retry-After` |
//! | unreachable, time-out, trap, limit, changed meanwhile | 503 and `Retry-After` |
//! | no slot, a full queue, an open circuit | 503 and `Retry-After`: nothing was done |

use std::time::Duration;

use tombolo_runtime::CallError;
use tombolo_runtime::contract::{Failure, Fault};
use tombolo_scim::error::Error as ScimError;
use tombolo_store::{CommitError, StoreError};

/// What Entra is asked to wait when nobody knows better, in seconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// What Entra is asked to wait at most while a target is closed: it may open early.
const CLOSED: Duration = Duration::from_secs(300);
/// What a connector can make Entra wait at most: one wrong number must not stop an app for weeks.
const LONGEST: Duration = Duration::from_secs(3600);

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request itself is wrong; the answer says how.
    #[error("{}", .0.detail)]
    Request(#[from] ScimError),
    /// What the request refers to (a member, a manager) is not there. Entra counts these apart, and asks again later.
    #[error("{}", .0.detail)]
    Reference(ScimError),
    /// There is no such resource.
    #[error("{kind} `{id}` does not exist")]
    NotFound {
        /// The resource type.
        kind: String,
        /// The id that was asked for.
        id: String,
    },
    /// A unique value is taken, by what the host knows or by what the target says.
    #[error("{message}")]
    Taken {
        /// Which value of which attribute, or the target's words.
        message: String,
    },
    /// The resource is not the version that the client named.
    #[error(
        "the resource is at version W/\"{current}\", not at the one that If-Match names; read it again"
    )]
    Precondition {
        /// The version it has.
        current: u64,
    },
    /// The app's connector or mapping has no way to do this.
    #[error("{0}")]
    NotSupported(String),
    /// The connector or its target failed.
    #[error("app `{app}`: {source}")]
    Target {
        /// Whose connector.
        app: String,
        /// What it said.
        source: CallError,
    },
    /// A write was begun and nobody knows yet how it ended.
    #[error(
        "{kind} `{id}` has a write whose outcome is not known yet; it is being settled with the target; try again"
    )]
    Unsettled {
        /// The resource type.
        kind: String,
        /// The resource.
        id: String,
    },
    /// The app's owner does not want it.
    #[error("{0}")]
    Policy(String),
    /// The target is not written to for now, and nothing was begun.
    #[error(
        "app `{app}` {why}{}; nothing was written", .opens.map(|at| format!("; it opens at {at:.0}")).unwrap_or_default()
    )]
    Closed {
        /// Which app.
        app: String,
        /// In words, after its name.
        why: &'static str,
        /// When it opens.
        opens: Option<jiff::Timestamp>,
    },
    /// What an order is about is not as it was when it was given.
    #[error("{what}; look at it, and say `--anyway` if you mean it still")]
    Changed {
        /// What has changed.
        what: String,
    },
    /// A kind is read from the target, and nothing can be said of it before.
    #[error(
        "the {kind}s are being imported from the target, {listed} so far; until that has been done once they cannot be listed. Try again"
    )]
    Importing {
        /// The resource type.
        kind: String,
        /// How many have been read.
        listed: u64,
    },
    /// Somebody else changed the same thing at the same moment.
    #[error("the resource was changed by another request at the same moment; try again")]
    Contended,
    /// The host's own store failed; nothing is acknowledged that may be lost.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The host itself failed; a write that had begun is settled with the target.
    #[error("the host has a defect; its log has the trace under this request's id")]
    Defect,
    /// What the store holds cannot be read.
    #[error(
        "the store holds something unreadable: {0}; restore a backup, or remove the app's state and let Entra match again"
    )]
    Corrupt(String),
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { .. } => Self::Contended,
            CommitError::Store(error) => Self::Store(error),
        }
    }
}

impl Error {
    /// Whether the target may have been changed although this is an error.
    pub(crate) fn outcome_unknown(&self) -> bool {
        matches!(self, Self::Target { source, .. } if source.outcome_unknown())
    }

    /// Whether the same may go well later: then it is tried again, and nothing is given up.
    pub(crate) fn may_pass(&self) -> bool {
        self.outcome_unknown()
            || matches!(self.status(), 429 | 503)
            || matches!(self, Self::Corrupt(_) | Self::Defect)
    }

    /// What the target does not find is something that the request refers to:
    /// the request's fault, and no sign that the object is gone.
    pub(crate) fn about_a_reference(self) -> Self {
        match self {
            Self::Target {
                app,
                source: CallError::Failure(failure),
            } if failure.fault == Fault::NotFound => {
                Self::Reference(ScimError::invalid_value(failure_detail(&app, &failure)))
            }
            other => other,
        }
    }

    /// The fault that a connector named, when it named one.
    pub(crate) fn fault(&self) -> Option<Fault> {
        match self {
            Self::Target {
                source: CallError::Failure(failure),
                ..
            } => Some(failure.fault),
            _ => None,
        }
    }

    /// How long the client should wait before it tries again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Target {
                source:
                    CallError::Busy { retry_after, .. } | CallError::CircuitOpen { retry_after, .. },
                ..
            } => Some(*retry_after),
            Self::Target {
                source: CallError::Failure(failure),
                ..
            } => failure
                .retry_after_ms
                .map(|ms| Duration::from_millis(u64::from(ms)).min(LONGEST))
                .or_else(|| matches!(self.status(), 429 | 503).then_some(PATIENCE)),
            Self::Closed { opens, .. } => {
                let now = jiff::Timestamp::now();
                let left = opens.and_then(|at| Duration::try_from(at.duration_since(now)).ok());
                let shortest = Duration::from_secs(1);
                Some(left.unwrap_or(CLOSED).clamp(shortest, CLOSED))
            }
            Self::Unsettled { .. } | Self::Contended => Some(Duration::from_secs(1)),
            _ => (self.status() == 503).then_some(PATIENCE),
        }
    }

    /// The HTTP status of the answer; see the module's table.
    pub fn status(&self) -> u16 {
        match self {
            Self::Request(error) | Self::Reference(error) => error.status,
            Self::NotFound { .. } => 404,
            Self::Taken { .. } => 409,
            Self::Precondition { .. } => 412,
            Self::NotSupported(_) => 501,
            Self::Policy(_) => 403,
            Self::Closed { .. } => 503,
            Self::Changed { .. } => 409,
            Self::Target {
                source: CallError::Failure(failure),
                ..
            } => fault_status(failure.fault),
            Self::Target {
                source: CallError::NotExported { .. },
                ..
            } => 501,
            Self::Target { .. }
            | Self::Unsettled { .. }
            | Self::Importing { .. }
            | Self::Contended => 503,
            Self::Store(_) => 503,
            Self::Corrupt(_) | Self::Defect => 500,
        }
    }

    /// The answer as SCIM says it.
    pub fn to_scim(&self) -> ScimError {
        match self {
            Self::Request(error) | Self::Reference(error) => error.clone(),
            Self::NotFound { .. } => ScimError::not_found(self.to_string()),
            Self::Taken { .. } => ScimError::uniqueness(self.to_string()),
            Self::Target {
                app,
                source: CallError::Failure(failure),
            } => {
                let detail = failure_detail(app, failure);
                match failure.fault {
                    Fault::AlreadyExists => ScimError::uniqueness(detail),
                    Fault::Invalid => ScimError::invalid_value(detail),
                    _ => ScimError::new(self.status(), None, detail),
                }
            }
            _ => ScimError::new(self.status(), None, self.to_string()),
        }
    }
}

fn fault_status(fault: Fault) -> u16 {
    match fault {
        Fault::AlreadyExists => 409,
        Fault::Invalid => 400,
        Fault::Unsupported => 501,
        // Where the object itself is meant the engine says 404 by itself; anywhere
        // else 404 would make Entra believe that somebody is gone.
        Fault::NotFound | Fault::Forbidden | Fault::Other => 502,
        Fault::Busy => 429,
        // Changed: nobody named a version, so the client only has to try again.
        Fault::Changed | Fault::Unauthenticated | Fault::Unavailable | Fault::Timeout => 503,
    }
}

/// What an administrator reads: whose fault, the target's words, its own code.
fn failure_detail(app: &str, failure: &Failure) -> String {
    let what = match failure.fault {
        Fault::NotFound => "the target does not have something that this needs",
        Fault::AlreadyExists => "the target already has an object with this value",
        Fault::Changed => "the object was changed in the target meanwhile",
        Fault::Invalid => "the target does not accept this value",
        Fault::Unsupported => "the connector does not support this",
        Fault::Unauthenticated => {
            "the target refuses the credentials that Tombolo has for it; correct them in the app's file"
        }
        Fault::Forbidden => "the target does not permit this to the account that Tombolo uses",
        Fault::Busy => "the target asks to slow down",
        Fault::Unavailable => "the target cannot be reached",
        Fault::Timeout => "the target did not answer in time",
        Fault::Other => "the target failed",
    };
    let mut detail = format!("app `{app}`: {what}");
    if let Some(attribute) = &failure.attribute {
        detail.push_str(&format!(" (attribute `{attribute}`)"));
    }
    if !failure.message.is_empty() {
        detail.push_str(": ");
        detail.push_str(&failure.message);
    }
    if let Some(code) = &failure.target_code {
        detail.push_str(&format!(" [{code}]"));
    }
    detail
}

#[cfg(test)]
mod tests {
    use tombolo_runtime::Crowded;

    use super::*;

    fn failed(fault: Fault, retry_after_ms: Option<u32>) -> Error {
        Error::Target {
            app: "hr".to_owned(),
            source: CallError::Failure(Failure {
                fault,
                message: "says why".to_owned(),
                attribute: Some("mail".to_owned()),
                target_code: Some("32".to_owned()),
                retry_after_ms,
            }),
        }
    }

    #[test]
    fn every_fault_of_a_target_has_its_answer() {
        let rows = [
            (Fault::NotFound, 502, None, None),
            (Fault::AlreadyExists, 409, Some("uniqueness"), None),
            (Fault::Changed, 503, None, Some(10)),
            (Fault::Invalid, 400, Some("invalidValue"), None),
            (Fault::Unsupported, 501, None, None),
            (Fault::Unauthenticated, 503, None, Some(10)),
            (Fault::Forbidden, 502, None, None),
            (Fault::Busy, 429, None, Some(10)),
            (Fault::Unavailable, 503, None, Some(10)),
            (Fault::Timeout, 503, None, Some(10)),
            (Fault::Other, 502, None, None),
        ];
        for (fault, status, code, wait) in rows {
            let error = failed(fault, None);
            let scim = error.to_scim();
            let told = scim.scim_type.map(tombolo_scim::ScimType::as_str);
            let waits = error.retry_after().map(|wait| wait.as_secs());
            assert_eq!(
                (scim.status, told, waits),
                (status, code, wait),
                "{fault:?}"
            );
            assert_eq!(error.status(), status, "{fault:?}");
            assert!(![401, 404].contains(&status), "{fault:?}");
            for word in ["`hr`", "says why", "`mail`", "[32]"] {
                assert!(scim.detail.contains(word), "{fault:?}: {}", scim.detail);
            }
        }
    }

    #[test]
    fn a_target_that_says_how_long_to_wait_is_believed() {
        let error = failed(Fault::Busy, Some(90_000));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(90)));
        let error = failed(Fault::Busy, Some(u32::MAX));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    }

    #[test]
    fn who_finds_no_room_or_an_open_circuit_is_told_when_to_come_back() {
        let sources = [
            CallError::Busy {
                crowded: Crowded::Queue { limit: 256 },
                retry_after: Duration::from_secs(1),
            },
            CallError::CircuitOpen {
                since: Duration::from_secs(3),
                faults: 10,
                cause: "the connector crashed".to_owned(),
                retry_after: Duration::from_secs(1),
            },
        ];
        for source in sources {
            let error = Error::Target {
                app: "hr".to_owned(),
                source,
            };
            assert_eq!(error.status(), 503);
            assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
            assert!(!error.outcome_unknown(), "nothing was done");
        }
    }

    #[test]
    fn what_a_write_refers_to_and_is_missing_is_the_requests_fault() {
        let scim = failed(Fault::NotFound, None).about_a_reference().to_scim();
        let code = scim.scim_type.map(tombolo_scim::ScimType::as_str);
        assert_eq!((scim.status, code), (400, Some("invalidValue")));
        assert!(scim.detail.contains("says why"), "{}", scim.detail);
        let other = failed(Fault::Busy, None).about_a_reference();
        assert_eq!(other.status(), 429);
    }
}
