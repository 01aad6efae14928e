//! One call: what the caller says about it, and how it can fail.

use std::time::Duration;

use tokio::time::Instant;

use crate::contract::{Failure, Fault};

/// What the caller says about a call.
#[derive(Clone, Debug)]
pub struct Call {
    /// For logs, on both sides of the boundary.
    pub request_id: String,
    /// When the caller stops waiting.
    pub deadline: Instant,
}

/// Why a call has no answer.
///
/// No text here holds a secret of the app or an address of the target.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The connector said no, in the contract's words; its message is redacted.
    #[error("{}", .0.message)]
    Failure(Failure),
    /// The guest crashed; the backtrace is in the log.
    #[error("the connector crashed: {detail}; the log has the backtrace under this request id")]
    Trapped {
        /// What kind of crash.
        detail: String,
    },
    /// The wall clock ended the call.
    #[error(
        "the connector did not answer within {after:?}; raise `limits.wall` if the target is that slow"
    )]
    TimedOut {
        /// The time it had.
        after: Duration,
    },
    /// The processor clock ended the call.
    #[error(
        "the connector used more than {limit:?} of processor time; raise `limits.cpu` if it has that much to do"
    )]
    CpuExhausted {
        /// The time it had.
        limit: Duration,
    },
    /// The instance wanted more memory than granted.
    #[error(
        "the connector needed more than {limit} bytes of memory; raise `limits.memory` if it has that much to hold"
    )]
    MemoryExhausted {
        /// The bytes it had.
        limit: usize,
    },
    /// Another limit was hit.
    #[error("the connector passed a limit: {what} (limit {limit})")]
    LimitExceeded {
        /// Which one.
        what: String,
        /// Its value.
        limit: u64,
    },
    /// All slots were taken until the deadline.
    #[error(
        "all slots of this app are busy; try again in {retry_after:?}, or raise `limits.concurrency`"
    )]
    Busy {
        /// When to come back.
        retry_after: Duration,
    },
    /// The component has no such ability.
    #[error("the connector does not export `{interface}`")]
    NotExported {
        /// The missing interface.
        interface: &'static str,
    },
    /// The host could not make the call, or the answer broke the contract.
    #[error("{0}")]
    Host(String),
}

impl CallError {
    /// Is the connector itself to blame, whatever its target does?
    ///
    /// A time-out is not among these: a slow target looks the same.
    pub fn blames_connector(&self) -> bool {
        match self {
            Self::Trapped { .. }
            | Self::CpuExhausted { .. }
            | Self::MemoryExhausted { .. }
            | Self::LimitExceeded { .. } => true,
            Self::Failure(_)
            | Self::TimedOut { .. }
            | Self::Busy { .. }
            | Self::NotExported { .. }
            | Self::Host(_) => false,
        }
    }

    /// May the target have been changed although there is no good answer?
    ///
    /// Only what fails before the guest runs, or a failure in which the target itself said no, is certain.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::NotExported { .. } => false,
            Self::Failure(failure) => match failure.fault {
                Fault::NotFound
                | Fault::AlreadyExists
                | Fault::Changed
                | Fault::Invalid
                | Fault::Unsupported
                | Fault::Unauthenticated
                | Fault::Forbidden
                | Fault::Busy => false,
                Fault::Unavailable | Fault::Timeout | Fault::Other => true,
            },
            Self::Trapped { .. }
            | Self::TimedOut { .. }
            | Self::CpuExhausted { .. }
            | Self::MemoryExhausted { .. }
            | Self::LimitExceeded { .. }
            | Self::Host(_) => true,
        }
    }
}
