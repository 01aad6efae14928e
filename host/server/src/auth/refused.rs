//! Every reason to turn a request away.
//!
//! The texts go to the client: they say what is wrong, for the administrator who reads Entra's provisioning log, and
//! nothing of what would be right.

use std::time::Duration;

use http::StatusCode;

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No `Authorization: Bearer`.
    #[error("send the app's token as `Authorization: Bearer TOKEN`")]
    Missing,
    /// It is none of this app's.
    #[error("the token is not valid for this app")]
    Unknown,
    /// It was one of this app's.
    #[error(
        "the token has expired; make a new one with `tombolo token new` and enter it at the client, or ask the token endpoint again"
    )]
    Expired,
    /// It was one of this app's, and what it was given for is gone from the app's file.
    #[error("the token was revoked; ask the token endpoint for another")]
    Revoked,
    /// A client's id or secret is not right.
    #[error("the client or its secret is not known to this app")]
    Client,
    /// The client's secret has ended.
    #[error(
        "the client secret has expired; make a new one with `tombolo client new` and enter it at the client"
    )]
    SecretExpired,
    /// What should be a signed token is none.
    #[error("the signed token cannot be read")]
    Malformed,
    /// Its algorithm is not on the list.
    #[error("the signed token's algorithm is not accepted")]
    Algorithm,
    /// It was signed with a key that its issuer does not publish.
    #[error("the signed token names a key that its issuer does not publish")]
    Key,
    /// It was not signed with that key.
    #[error("the signed token's signature is wrong")]
    Signature,
    /// It is over.
    #[error("the signed token has expired")]
    Ended,
    /// It has not begun.
    #[error("the signed token is not valid yet; are the clocks right?")]
    NotYet,
    /// It lacks what it must say.
    #[error("the signed token has no `{0}`")]
    Claim(&'static str),
    /// Another issuer's.
    #[error("the signed token is another issuer's")]
    Issuer,
    /// Another tenant's.
    #[error("the signed token is from a tenant that may not call this app")]
    Tenant,
    /// Not meant for us.
    #[error(
        "the signed token's audience is not one of this app's; `tombolo auth observe` shows it, and the line to add"
    )]
    Audience,
    /// From somebody else in the tenant.
    #[error(
        "the signed token's subject may not call this app; `tombolo auth observe` shows it, and the line to add"
    )]
    Subject,
    /// It has been used.
    #[error("the assertion has been used before")]
    Used,
    /// From an address that is not allowed.
    #[error("requests from this address are not accepted; see `allow-from` in the app's file")]
    Address,
    /// Without a certificate.
    #[error("this app wants a client certificate; see `[auth.certificate]` in its file")]
    NoCertificate,
    /// With another certificate.
    #[error("the client certificate is not one of this app's")]
    Certificate,
    /// The keys to verify it with cannot be had.
    #[error("the keys of the token's issuer cannot be fetched at present")]
    Unverifiable,
    /// What must be remembered of it cannot be kept.
    #[error("the host cannot record that the assertion was used")]
    Unrecorded,
}

impl Refused {
    /// The reason as a label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Client => "client",
            Self::SecretExpired => "secret-expired",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Ended => "ended",
            Self::NotYet => "not-yet",
            Self::Claim(_) => "claim",
            Self::Issuer => "issuer",
            Self::Tenant => "tenant",
            Self::Audience => "audience",
            Self::Subject => "subject",
            Self::Used => "used",
            Self::Address => "address",
            Self::NoCertificate => "no-certificate",
            Self::Certificate => "certificate",
            Self::Unverifiable => "unverifiable",
            Self::Unrecorded => "unrecorded",
        }
    }

    /// Whether it counts against its source: it may have been a guess. What has ended was right once, and what cannot be
    /// verified is not the client's fault.
    pub(super) fn may_be_a_guess(&self) -> bool {
        !matches!(
            self,
            Self::Missing
                | Self::Expired
                | Self::Revoked
                | Self::SecretExpired
                | Self::Ended
                | Self::NotYet
                | Self::Address
                | Self::NoCertificate
                | Self::Certificate
                | Self::Unverifiable
                | Self::Unrecorded
        )
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Address | Self::NoCertificate | Self::Certificate => StatusCode::FORBIDDEN,
            // Never 401 for what is not the client's fault: a 401 stops Entra's whole job.
            Self::Unverifiable | Self::Unrecorded => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }
}

/// A request that is turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// 401, 403, 429 or 503.
    pub status: StatusCode,
    /// Why.
    pub reason: Refused,
    /// When to come back.
    pub retry_after: Option<Duration>,
}

impl Denied {
    /// With the reason's own status.
    pub(super) fn new(reason: Refused) -> Self {
        let status = reason.status();
        let retry_after =
            (status == StatusCode::SERVICE_UNAVAILABLE).then(|| Duration::from_secs(30));
        Self {
            status,
            reason,
            retry_after,
        }
    }

    /// From a source that has failed too often.
    pub(super) fn locked(reason: Refused, until: Duration) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            reason,
            retry_after: Some(until),
        }
    }

    /// What the client reads.
    pub fn detail(&self) -> String {
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            "too many failed attempts to sign in from this address; a valid credential is still accepted"
                .to_owned()
        } else {
            self.reason.to_string()
        }
    }

    /// The challenge of RFC 6750, section 3, that belongs to a 401.
    pub fn challenge(&self) -> Option<&'static str> {
        (self.status == StatusCode::UNAUTHORIZED).then_some(match self.reason {
            Refused::Missing => "Bearer realm=\"tombolo\"",
            Refused::Expired | Refused::Ended => {
                "Bearer realm=\"tombolo\", error=\"invalid_token\", error_description=\"the token has expired\""
            }
            _ => "Bearer realm=\"tombolo\", error=\"invalid_token\"",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_the_clients_fault_is_never_a_401() {
        assert_eq!(Denied::new(Refused::Unverifiable).status, 503);
        assert_eq!(Denied::new(Refused::Unrecorded).status, 503);
        assert!(Denied::new(Refused::Unverifiable).challenge().is_none());
        assert_eq!(Denied::new(Refused::Address).status, 403);
        let missing = Denied::new(Refused::Missing);
        assert_eq!(missing.challenge(), Some("Bearer realm=\"tombolo\""));
    }

    #[test]
    fn a_token_that_was_right_once_is_no_guess() {
        for known in [Refused::Expired, Refused::Revoked, Refused::Missing] {
            assert!(!known.may_be_a_guess(), "{known:?}");
        }
        for guess in [Refused::Unknown, Refused::Client, Refused::Signature] {
            assert!(guess.may_be_a_guess(), "{guess:?}");
        }
    }
}
