//! The record of decisions: one event each, under a target of its own, so that it can be told from the rest of the log.
//!
//! It names the credential and never holds one. What a client calls itself is written only if the app's file knows it:
//! the rest is a stranger's text.

use std::net::IpAddr;

use tracing::{info, warn};

use crate::telemetry::metrics;

/// The target of every event here.
pub const TARGET: &str = "tombolo::audit";

/// How somebody tried to show who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Not at all.
    None,
    /// A token that is none of the others.
    Bearer,
    /// An access token of this host.
    AccessToken,
    /// A token that Entra signed, at the SCIM URL.
    EntraToken,
    /// A client's secret, in the header.
    SecretInHeader,
    /// A client's secret, in the body.
    SecretInBody,
    /// A client's secret, in both.
    SecretInBoth,
    /// A signed assertion.
    Assertion,
}

impl Method {
    fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bearer => "bearer",
            Self::AccessToken => "access-token",
            Self::EntraToken => "entra-token",
            Self::SecretInHeader => "client-secret-basic",
            Self::SecretInBody => "client-secret-post",
            Self::SecretInBoth => "client-secret-both",
            Self::Assertion => "client-assertion",
        }
    }
}

/// A decision.
pub(super) struct Decision<'a> {
    pub(super) app: &'a str,
    pub(super) method: Method,
    /// The name of the credential, or the client's id; `-` if it is none that is known.
    pub(super) credential: &'a str,
    pub(super) source: IpAddr,
    /// The request's id.
    pub(super) request: &'a str,
}

impl Decision<'_> {
    pub(super) fn accepted(&self) {
        let (app, method) = (self.app, self.method.label());
        metrics::authentication(app, method, true);
        info!(
            target: TARGET,
            app,
            method,
            credential = self.credential,
            outcome = "accepted",
            source = %self.source,
            request = self.request,
            "authentication"
        );
    }

    pub(super) fn refused(&self, reason: &'static str, status: u16) {
        let (app, method) = (self.app, self.method.label());
        metrics::authentication(app, method, false);
        metrics::unauthorized(app, reason);
        warn!(
            target: TARGET,
            app,
            method,
            credential = self.credential,
            outcome = "refused",
            reason,
            status,
            source = %self.source,
            request = self.request,
            "authentication"
        );
    }
}
