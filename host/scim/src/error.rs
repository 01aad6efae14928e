//! The error envelope (RFC 7644, section 3.12).
//!
//! Entra shows `detail` to the administrator in its provisioning log, so every text here names what was wrong,
//! where, and what would be right. Details name attributes and the kinds of values, never the values
//! themselves: a password is a value too.

use serde_json::{Value, json};

/// The URN of the error message.
pub const ERROR_URN: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// The detail codes of RFC 7644, table 9, and RFC 9865, section 2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScimType {
    /// The filter is malformed, or its comparison is not supported.
    InvalidFilter,
    /// The filter yields more results than the server will return.
    TooMany,
    /// A value collides with one that has to be unique.
    Uniqueness,
    /// The change touches what may not be changed.
    Mutability,
    /// The body is not JSON, or not the message that belongs here.
    InvalidSyntax,
    /// A PATCH path is malformed.
    InvalidPath,
    /// A path yields nothing that could be operated on.
    NoTarget,
    /// A required value is missing, or a value does not fit its attribute.
    InvalidValue,
    /// The version of the protocol is not supported.
    InvalidVers,
    /// The request reveals what may not stand in a URI.
    Sensitive,
    /// The cursor is none of ours, or belongs to another query.
    InvalidCursor,
    /// What the cursor points at is gone.
    ExpiredCursor,
    /// The size of a page is out of bounds.
    InvalidCount,
}

impl ScimType {
    /// The code as it goes over the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }
}

/// A SCIM error: what the client is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    /// The HTTP status.
    pub status: u16,
    /// The detail code, for 400 and 409.
    pub scim_type: Option<ScimType>,
    /// What an administrator reads.
    pub detail: String,
}

impl Error {
    /// An error with any status and code.
    pub fn new(status: u16, scim_type: Option<ScimType>, detail: impl Into<String>) -> Self {
        Self {
            status,
            scim_type,
            detail: detail.into(),
        }
    }

    fn bad_request(scim_type: ScimType, detail: impl Into<String>) -> Self {
        Self::new(400, Some(scim_type), detail)
    }

    /// 400: a required value is missing or a value does not fit.
    pub fn invalid_value(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::InvalidValue, detail)
    }

    /// 400: the filter cannot be understood.
    pub fn invalid_filter(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::InvalidFilter, detail)
    }

    /// 400: the path cannot be understood.
    pub fn invalid_path(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::InvalidPath, detail)
    }

    /// 400: the body cannot be understood.
    pub fn invalid_syntax(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::InvalidSyntax, detail)
    }

    /// 400: the path leads to nothing that could be operated on.
    pub fn no_target(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::NoTarget, detail)
    }

    /// 400: the attribute may not be changed.
    pub fn mutability(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::Mutability, detail)
    }

    /// 400: more results than the server will return.
    pub fn too_many(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::TooMany, detail)
    }

    /// 400: the cursor is none of ours, or belongs to another query.
    pub fn invalid_cursor(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::InvalidCursor, detail)
    }

    /// 400: what the cursor points at is gone.
    pub fn expired_cursor(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::ExpiredCursor, detail)
    }

    /// 400: the size of a page is out of bounds.
    pub fn invalid_count(detail: impl Into<String>) -> Self {
        Self::bad_request(ScimType::InvalidCount, detail)
    }

    /// 409: somebody else has that value already.
    pub fn uniqueness(detail: impl Into<String>) -> Self {
        Self::new(409, Some(ScimType::Uniqueness), detail)
    }

    /// 404: there is no such resource.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(404, None, detail)
    }

    /// 412: the resource is no longer at the version that the client named.
    pub fn precondition(detail: impl Into<String>) -> Self {
        Self::new(412, None, detail)
    }

    /// 413: the body or the number of operations is over the limit.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(413, None, detail)
    }

    /// 409: the request contradicts itself or what is there.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(409, None, detail)
    }

    /// 501: a part of the protocol that this server does not offer.
    pub fn not_implemented(detail: impl Into<String>) -> Self {
        Self::new(501, None, detail)
    }

    /// The body of the answer; `status` is a string, as the RFC has it.
    pub fn to_json(&self) -> Value {
        let mut body = json!({"schemas": [ERROR_URN], "status": self.status.to_string()});
        if let Some(code) = self.scim_type {
            body["scimType"] = code.as_str().into();
        }
        body["detail"] = self.detail.as_str().into();
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_a_string_and_a_duplicate_says_uniqueness() {
        let body = Error::uniqueness("userName is taken").to_json();
        assert_eq!(
            body,
            json!({"schemas": [ERROR_URN], "status": "409", "scimType": "uniqueness", "detail": "userName is taken"})
        );
    }

    #[test]
    fn an_error_without_a_code_has_no_scim_type_member() {
        assert!(
            Error::not_found("no such user")
                .to_json()
                .get("scimType")
                .is_none()
        );
    }
}
