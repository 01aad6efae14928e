//! Why nothing more is sent, and what somebody has to do.

use jiff::Timestamp;

use crate::budget::Why;
use crate::shared::SharedError;

/// Why nothing more is sent for now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// No call is allowed so soon.
    #[error("Entra allows no call before {until} ({}); it goes on by itself then", words(*.why))]
    Budget {
        /// When there is one.
        until: Timestamp,
        /// What is in the way.
        why: Why,
    },
    /// 429, again and again.
    #[error("Entra is throttling and wants no call before {until}; it goes on by itself then")]
    Throttled {
        /// When to come back.
        until: Timestamp,
    },
    /// No answer, or 5xx, again and again.
    #[error("Entra cannot be reached: {why}; tried again at {until}")]
    Unavailable {
        /// What happened last.
        why: String,
        /// When to come back.
        until: Timestamp,
    },
    /// 401 with a new token, or no token.
    #[error(
        "Entra does not accept us, not even with a new token: {0}; check the tenant, the client and its credential"
    )]
    Unauthorized(String),
    /// 403.
    #[error(
        "Entra forbids the upload: {0}; grant the application `SynchronizationData-User.Upload` (or `SynchronizationData-User.Upload.OwnedBy` if it owns the provisioning app) of Microsoft Graph as an *application* permission, with admin consent; a new grant works after some minutes"
    )]
    Forbidden(String),
    /// 404.
    #[error(
        "Entra knows no such job: {0}; check the service principal's id (the *object* id of the enterprise application) and the job id"
    )]
    NoSuchJob(String),
    /// 400 for one record after the other.
    #[error(
        "Entra refuses one record after the other, so it is not the records but the mapping or the schema: {0}; the rest is kept back"
    )]
    AllBad(String),
    /// A status that bulkUpload does not have.
    #[error(
        "Entra answered {status}, which bulkUpload does not do: {said}; check the address of Graph and any proxy"
    )]
    Unexpected {
        /// The status.
        status: u16,
        /// What came with it.
        said: String,
    },
    /// The budget cannot be read.
    #[error(transparent)]
    Shared(#[from] SharedError),
}

fn words(why: Why) -> &'static str {
    match why {
        Why::Burst => "the calls of a few seconds are used up",
        Why::Day => "the calls of 24 hours are used up, but for the leavers' reserve",
        Why::Held => "it said `Retry-After`",
    }
}

impl Stop {
    /// When trying again makes sense; nothing where somebody has to do something first.
    pub fn retry_at(&self) -> Option<Timestamp> {
        match self {
            Self::Budget { until, .. }
            | Self::Throttled { until }
            | Self::Unavailable { until, .. } => Some(*until),
            _ => None,
        }
    }
}
