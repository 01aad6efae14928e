//! What can go wrong with a stream, in words that name no address and no content.

use std::time::Duration;

use crate::bindings::tombolo::connector::net::NetError;
use crate::capability::outbound::Outcome;
use crate::egress::Unreached;

/// Why a step on a connection, or the connection, came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// The app has no such target.
    #[error("no such target is granted to this app")]
    NotGranted,
    /// The target's `tls` leaves nothing to upgrade.
    #[error(
        "the target's connections are not upgraded: only one with `tls = \"start-tls\"` is, and once"
    )]
    NoUpgrade,
    /// No connection.
    #[error("the target is not reached: {0}")]
    Unreached(#[from] Unreached),
    /// The call's own limit.
    #[error("this call has {0} connections open, as many as one call may")]
    Hoard(usize),
    /// The target's own limit.
    #[error(
        "all {0} connections of the target are in use: raise its `connections` if it can take more"
    )]
    Busy(usize),
    /// TLS said no.
    #[error("no TLS session with the target: {0}")]
    Tls(String),
    /// Nothing moved.
    #[error("nothing moved on the connection for {0:?}")]
    Still(Duration),
    /// The connection ended, or this host ended it.
    #[error("the connection is closed")]
    Closed,
}

impl Error {
    /// What the audit record says of a connection that ends with this.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::NotGranted | Self::NoUpgrade | Self::Unreached(Unreached::Refused(_)) => {
                Outcome::Denied
            }
            _ => Outcome::Failed,
        }
    }
}

impl From<Error> for NetError {
    fn from(error: Error) -> Self {
        match error {
            Error::NotGranted | Error::NoUpgrade => Self::Denied,
            Error::Unreached(Unreached::TimedOut) | Error::Still(_) => Self::Timeout,
            Error::Unreached(_) | Error::Hoard(_) | Error::Busy(_) => {
                Self::Connect(error.to_string())
            }
            Error::Tls(_) => Self::Tls(error.to_string()),
            Error::Closed => Self::Closed,
        }
    }
}
