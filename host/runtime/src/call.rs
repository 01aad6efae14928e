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
    /// There was no room for the call.
    #[error("{crowded}; try again in {}", brief(*retry_after))]
    Busy {
        /// Where there was none.
        crowded: Crowded,
        /// When to come back.
        retry_after: Duration,
    },
    /// Too many calls in a row failed, so none is made for a while.
    #[error(
        "the connector is not called for now, because {faults} calls in a row have failed since {} ago; the last one: {cause}. It is tried again in {}",
        brief(*since),
        brief(*retry_after)
    )]
    CircuitOpen {
        /// How long ago the circuit opened.
        since: Duration,
        /// How many calls failed.
        faults: u32,
        /// What was said of the last one.
        cause: String,
        /// When a call will be tried.
        retry_after: Duration,
    },
    /// The component has no such ability.
    #[error("the connector does not export `{interface}`")]
    NotExported {
        /// The missing interface.
        interface: &'static str,
    },
    /// The connector answered, and with what no connector may answer.
    #[error("the connector's answer breaks the contract: {0}")]
    Broken(String),
    /// The host could not make the call.
    #[error("{0}")]
    Host(String),
}

/// Where there was no room for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Crowded {
    /// Every slot of the app was taken until the caller's deadline.
    #[error(
        "all slots of this app were busy until the deadline; raise `limits.concurrency` if its target can take more"
    )]
    Slots,
    /// So many calls of the app wait for a slot already.
    #[error(
        "all slots of this app are busy and {limit} calls wait for one, as many as `limits.queue` allows"
    )]
    Queue {
        /// How many may wait.
        limit: usize,
    },
    /// The engine holds no more instances, of any app.
    #[error("the host has no room for another instance of any connector")]
    Engine,
}

/// A time as people say it.
fn brief(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..1_000 => format!("{ms}ms"),
        _ => format!("{:.0}s", time.as_secs_f64()),
    }
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
            | Self::LimitExceeded { .. }
            | Self::Broken(_) => true,
            Self::Failure(_)
            | Self::TimedOut { .. }
            | Self::Busy { .. }
            | Self::NotExported { .. }
            | Self::CircuitOpen { .. }
            | Self::Host(_) => false,
        }
    }

    /// Did the connector run at all?
    pub fn was_made(&self) -> bool {
        !matches!(
            self,
            Self::Busy { .. } | Self::CircuitOpen { .. } | Self::NotExported { .. }
        )
    }

    /// May the target have been changed although there is no good answer?
    ///
    /// Only what fails before the guest runs, or a failure in which the target itself said no, is certain.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::CircuitOpen { .. } | Self::NotExported { .. } => false,
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
            | Self::Broken(_)
            | Self::Host(_) => true,
        }
    }
}
