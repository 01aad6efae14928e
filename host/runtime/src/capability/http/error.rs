//! What can go wrong with a request, in words that name no address and no secret.
//!
//! These texts reach the guest, and through its answer the operator's log and
//! Entra's provisioning log. Addresses go to `tracing` only, where they help.

use std::time::Duration;

use wasmtime_wasi_http::Error as WasiError;

use crate::bindings::tombolo::connector::http::HttpError;
use crate::capability::outbound::Outcome;
use crate::egress::Unreached;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The app has no such target.
    #[error("no HTTP target `{0}` is granted to this app")]
    NotGranted(String),
    /// The target's `methods` do not have it, or no target may.
    #[error("the method {0} is not allowed for this target")]
    Method(String),
    /// The host keeps it.
    #[error("the header `{0}` is the host's for a target with credentials of its own")]
    Header(String),
    /// Not below the target's URL.
    #[error("the path leads out of the target's URL")]
    Escape,
    /// The request cannot be put on the wire.
    #[error("the request cannot be used: {0}")]
    Request(&'static str),
    /// No connection.
    #[error("the target is not reached: {0}")]
    Unreached(#[from] Unreached),
    /// TLS said no.
    #[error("no TLS session with the target: {0}")]
    Tls(String),
    /// The token endpoint gives nothing.
    #[error("no access token for the target: {0}")]
    Token(String),
    /// The app's own limits.
    #[error("the target is busy: {0}")]
    Busy(&'static str),
    /// Time is up.
    #[error("the target did not answer within {0:?}")]
    TimedOut(Duration),
    /// More than the app may send or take at once.
    #[error("more than {0} bytes")]
    TooLarge(usize),
    /// The connection ended before the answer.
    #[error(
        "the connection to the target was lost{}{}",
        if *.maybe_done { ": it may or may not have done what it was asked" } else { "" },
        if *.bare { "; it was a new one: if the target wants a client certificate, set `client-certificate` and `client-key`" } else { "" }
    )]
    Lost {
        /// May the target have done it?
        maybe_done: bool,
        /// Was it new, over TLS, and without a certificate of ours? A TLS 1.3 server refuses that after the client's
        /// handshake is done, and a reset may overtake its alert.
        bare: bool,
    },
    /// Nothing can be made of the answer.
    #[error("the target's answer cannot be read: {0}")]
    Malformed(&'static str),
    /// It sends us somewhere else.
    #[error(
        "the target redirects to somewhere outside of its `url`, which is never followed: point the target at where it leads"
    )]
    Redirect,
    /// It sends us round and round.
    #[error("the target redirects more than {0} times")]
    Redirects(usize),
}

impl Error {
    /// A connection that ended for no reason of ours.
    pub(super) fn lost(maybe_done: bool) -> Self {
        let bare = false;
        Self::Lost { maybe_done, bare }
    }

    /// What the audit record says.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::NotGranted(_)
            | Self::Method(_)
            | Self::Header(_)
            | Self::Escape
            | Self::Redirect
            | Self::Unreached(Unreached::Refused(_)) => Outcome::Denied,
            _ => Outcome::Failed,
        }
    }
}

impl From<Error> for HttpError {
    fn from(error: Error) -> Self {
        match error {
            Error::NotGranted(_) | Error::Method(_) | Error::Header(_) | Error::Escape => {
                Self::Denied
            }
            Error::Unreached(Unreached::TimedOut) | Error::TimedOut(_) => Self::Timeout,
            Error::Unreached(_) | Error::Token(_) | Error::Busy(_) => {
                Self::Connect(error.to_string())
            }
            Error::Tls(_) => Self::Tls(error.to_string()),
            Error::TooLarge(_) => Self::TooLarge,
            Error::Request(_)
            | Error::Lost { .. }
            | Error::Malformed(_)
            | Error::Redirect
            | Error::Redirects(_) => Self::Protocol(error.to_string()),
        }
    }
}

impl From<Error> for WasiError {
    fn from(error: Error) -> Self {
        match error {
            Error::NotGranted(_)
            | Error::Method(_)
            | Error::Header(_)
            | Error::Escape
            | Error::Redirect => Self::HttpRequestDenied,
            Error::Request(_) => Self::HttpRequestUriInvalid,
            Error::Unreached(Unreached::Refused(_)) => Self::DestinationIpProhibited,
            Error::Unreached(Unreached::Resolve) => Self::DestinationNotFound,
            Error::Unreached(Unreached::Connect(_)) => Self::ConnectionRefused,
            Error::Unreached(Unreached::TimedOut) => Self::ConnectionTimeout,
            Error::Tls(_) => Self::TlsProtocolError,
            Error::Token(_) => Self::DestinationUnavailable,
            Error::Busy(_) => Self::ConnectionLimitReached,
            Error::TimedOut(_) => Self::HttpResponseTimeout,
            Error::TooLarge(limit) => Self::HttpResponseBodySize(Some(limit as u64)),
            Error::Lost { .. } => Self::ConnectionTerminated,
            Error::Malformed(_) => Self::HttpProtocolError,
            Error::Redirects(_) => Self::LoopDetected,
        }
    }
}
