//! How a connector says that something went wrong, and what each way makes the host do.

use crate::{Failure, Fault};

/// What every call of a connector answers.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure of this kind. The message is what the administrator reads: which attribute, what the target said,
    /// what to do.
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
            attribute: None,
            target_code: None,
            retry_after_ms: None,
        }
    }

    /// No object has this anchor: the SCIM client is answered 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Fault::NotFound, message)
    }

    /// A unique value is taken: 409 `uniqueness`. Name the [`attribute`](Self::attribute).
    pub fn already_exists(message: impl Into<String>) -> Self {
        Self::new(Fault::AlreadyExists, message)
    }

    /// The version given is not the version stored: 412, or the host reads again and repeats.
    pub fn changed(message: impl Into<String>) -> Self {
        Self::new(Fault::Changed, message)
    }

    /// The target will never accept this value: 400, not repeated.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Fault::Invalid, message)
    }

    /// This connector cannot do that. For a filter: the host lists and filters itself.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Fault::Unsupported, message)
    }

    /// The target refused the app's own credentials: 503, an alarm for the operator, never a 401 to the client.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(Fault::Unauthenticated, message)
    }

    /// The app's account may not do this in the target.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(Fault::Forbidden, message)
    }

    /// The target asks for patience: 429 or 503 with the delay of [`retry_after`](Self::retry_after).
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(Fault::Busy, message)
    }

    /// The target was not reached, or broke off. After a write the host takes the outcome for unknown and asks.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Fault::Unavailable, message)
    }

    /// The target did not answer in time. After a write the host takes the outcome for unknown and asks.
    pub fn timeout(message: impl Into<String>) -> Self {
        Self::new(Fault::Timeout, message)
    }

    /// Anything else.
    pub fn other(message: impl Into<String>) -> Self {
        Self::new(Fault::Other, message)
    }

    /// The kind asked for is none of this connector's.
    pub fn no_such_kind(kind: &str) -> Self {
        Self::unsupported(format!("this connector has no objects of kind {kind:?}"))
    }

    /// Names the attribute that is to blame.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>) -> Self {
        self.attribute = Some(name.into());
        self
    }

    /// Adds the target's own code: an HTTP status, an LDAP result, a SQLSTATE.
    #[must_use]
    #[allow(clippy::needless_pass_by_value)] // `.code(68)` and `.code("68")`
    pub fn code(mut self, code: impl std::fmt::Display) -> Self {
        self.target_code = Some(code.to_string());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, delay: std::time::Duration) -> Self {
        self.retry_after_ms = Some(u32::try_from(delay.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Puts `where_: ` before the message, as the failure passes upwards.
    #[must_use]
    pub fn within(mut self, place: impl std::fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// Whether it is of this kind.
    pub fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let message = error.to_string();
        match error.kind() {
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Self::forbidden(message),
            Kind::TimedOut => Self::timeout(message),
            Kind::StorageFull
            | Kind::QuotaExceeded
            | Kind::ResourceBusy
            | Kind::ConnectionRefused
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::NotConnected
            | Kind::BrokenPipe
            | Kind::UnexpectedEof => Self::unavailable(message),
            _ => Self::other(message),
        }
    }
}
