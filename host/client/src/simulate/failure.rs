//! Why an object was not provisioned, in the words of Entra's provisioning log.

use serde::{Deserialize, Serialize};

/// Entra's error codes, as far as a SCIM target can cause them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ErrorCode {
    /// 409.
    EntryConflict,
    /// 429, or 503 with `Retry-After`, and again after waiting.
    TooManyRequests,
    /// 500 and its like.
    InternalServerError,
    /// 401: the whole job stops.
    Unauthorized,
    /// 403.
    InsufficientRights,
    /// 405.
    MethodNotAllowed,
    /// 422.
    UnprocessableEntity,
    /// 400, and whatever has no code of its own.
    WebExceptionProtocolError,
    /// An object that was there is not there any more under its id.
    InvalidAnchor,
    /// 501.
    NotImplemented,
    /// No answer in time.
    Timeout,
    /// A match query with more than one hit.
    DuplicateTargetEntries,
    /// Two objects of the source that match the same object of the target.
    DuplicateSourceEntries,
    /// A reference to an object that could not be provisioned.
    ReferenceNotResolved,
    /// An answer for one object that holds several, or what was excluded.
    #[serde(rename = "SystemForCrossDomainIdentityManagementMultipleEntriesInResponse")]
    MultipleEntriesInResponse,
    /// An answer that cannot be read as SCIM.
    #[serde(rename = "SystemForCrossDomainIdentityManagementServiceIncompatible")]
    ServiceIncompatible,
}

impl ErrorCode {
    /// As the log has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::EntryConflict => "EntryConflict",
            Self::TooManyRequests => "TooManyRequests",
            Self::InternalServerError => "InternalServerError",
            Self::Unauthorized => "Unauthorized",
            Self::InsufficientRights => "InsufficientRights",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::UnprocessableEntity => "UnprocessableEntity",
            Self::WebExceptionProtocolError => "WebExceptionProtocolError",
            Self::InvalidAnchor => "InvalidAnchor",
            Self::NotImplemented => "NotImplemented",
            Self::Timeout => "Timeout",
            Self::DuplicateTargetEntries => "DuplicateTargetEntries",
            Self::DuplicateSourceEntries => "DuplicateSourceEntries",
            Self::ReferenceNotResolved => "ReferenceNotResolved",
            Self::MultipleEntriesInResponse => {
                "SystemForCrossDomainIdentityManagementMultipleEntriesInResponse"
            }
            Self::ServiceIncompatible => {
                "SystemForCrossDomainIdentityManagementServiceIncompatible"
            }
        }
    }

    /// The code for a refused request.
    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthorized,
            403 => Self::InsufficientRights,
            405 => Self::MethodNotAllowed,
            409 => Self::EntryConflict,
            422 => Self::UnprocessableEntity,
            429 => Self::TooManyRequests,
            501 => Self::NotImplemented,
            504 => Self::Timeout,
            500.. => Self::InternalServerError,
            _ => Self::WebExceptionProtocolError,
        }
    }

    /// What an administrator can do.
    pub(crate) fn recommended_action(self) -> &'static str {
        match self {
            Self::Unauthorized => {
                "Correct the application's credentials; the job is in quarantine until they work."
            }
            Self::InvalidAnchor => {
                "The object was deleted or got another id in the target: restart the job to match it again."
            }
            Self::DuplicateTargetEntries | Self::EntryConflict => {
                "Make the matching attribute unique in the target."
            }
            Self::DuplicateSourceEntries => "Make the matching attribute unique in the source.",
            Self::TooManyRequests | Self::Timeout | Self::InternalServerError => {
                "The service tries again by itself."
            }
            Self::ReferenceNotResolved => {
                "The service tries again when the referenced object is there."
            }
            Self::MultipleEntriesInResponse | Self::ServiceIncompatible => {
                "The endpoint answers with what is not SCIM: correct the endpoint."
            }
            _ => {
                "Read the reason, correct the value or the endpoint, and provision the object again."
            }
        }
    }
}

/// What a failure means for the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Weight {
    /// It counts against the job.
    Object,
    /// A reference: it counts towards the absolute limit only (entra.md 4.6).
    Reference,
    /// The job goes into quarantine at once: bad credentials, or answers that are not SCIM.
    Job,
}

/// One failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The log's `errorCode`.
    pub code: ErrorCode,
    /// The log's `reason`: what the target said.
    pub reason: String,
    /// What it means for the job.
    pub weight: Weight,
}

impl Failure {
    pub(crate) fn new(code: ErrorCode, reason: impl Into<String>) -> Self {
        let weight = match code {
            ErrorCode::Unauthorized => Weight::Job,
            ErrorCode::ReferenceNotResolved => Weight::Reference,
            _ => Weight::Object,
        };
        Self {
            code,
            reason: reason.into(),
            weight,
        }
    }

    /// The same, as a failure of the whole job.
    pub(crate) fn of_the_job(self) -> Self {
        Self {
            weight: Weight::Job,
            ..self
        }
    }

    /// The same, as a failure of a reference; what stops the job still does.
    pub(crate) fn of_a_reference(self) -> Self {
        match self.weight {
            Weight::Job => self,
            _ => Self {
                weight: Weight::Reference,
                ..self
            },
        }
    }
}
