//! Host calls that reach a target: counted against the call's limits, and written to the audit record.
//!
//! The record says what was asked, of which target, for how long and with what outcome. It never says with
//! which content: no path, filter, statement or value.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::info;

use super::Grants;
use crate::guest::{CurrentCall, Exceeded, Guest};
use crate::interference::{Fate, HostCall};

/// How a host call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The target did it, or answered.
    Done,
    /// The target was not granted, or the egress policy said no: nothing was sent.
    Denied,
    /// The target answered that it will not; its own code, where it has one.
    Refused(Option<String>),
    /// No answer: not reached, lost on the way, or out of time.
    Failed,
}

/// One host call in progress. Dropped before its end, it is recorded as abandoned: the
/// call's time was over, or its caller went away.
#[must_use = "say how it ended"]
pub(crate) struct Outbound {
    grants: Arc<Grants>,
    request: Arc<str>,
    capability: &'static str,
    operation: &'static str,
    target: String,
    sent: usize,
    received: usize,
    began: Instant,
    fate: Fate,
    ended: bool,
}

impl Guest {
    /// Begins a host call to a target; `sent` is the size of what the guest gave.
    ///
    /// The error is meant to be returned as it is: it ends the connector's call with a typed fault.
    pub(crate) fn outbound(
        &mut self,
        capability: &'static str,
        operation: &'static str,
        target: &str,
        sent: usize,
    ) -> wasmtime::Result<Outbound> {
        Ok(self.call.outbound(capability, operation, target, sent)?)
    }
}

impl CurrentCall {
    /// The same, for what has only this much of a guest.
    pub(crate) fn outbound(
        &self,
        capability: &'static str,
        operation: &'static str,
        target: &str,
        sent: usize,
    ) -> Result<Outbound, Exceeded> {
        self.charge_outbound(sent)?;
        let fate = self.fate(capability, operation, target);
        Ok(Outbound {
            grants: Arc::clone(&self.grants),
            request: Arc::clone(&self.request_id),
            capability,
            operation,
            // A guest chooses the name; only a granted one can be long.
            target: target.chars().take(64).collect(),
            sent,
            received: 0,
            began: Instant::now(),
            fate,
            ended: false,
        })
    }

    /// What somebody who tests the connector decides about a host call; nothing, of an app that serves.
    pub(crate) fn fate(
        &self,
        capability: &'static str,
        operation: &'static str,
        target: &str,
    ) -> Fate {
        let call = HostCall {
            capability,
            operation,
            target,
            request: &self.request_id,
        };
        Fate::of(self.grants.interference.as_ref(), &call)
    }

    fn charge_outbound(&self, sent: usize) -> Result<(), Exceeded> {
        let limits = &self.grants.limits;
        if !self.meter.request(limits.outbound_requests) {
            return Err(Exceeded {
                what: "requests to targets in one call, `limits.outbound-requests`",
                limit: limits.outbound_requests.into(),
            });
        }
        self.charge_sent(sent)
    }

    /// Counts bytes that go to a target.
    pub(crate) fn charge_sent(&self, sent: usize) -> Result<(), Exceeded> {
        let limits = &self.grants.limits;
        if !self.meter.send(sent, limits.outbound_bytes) {
            return Err(Exceeded {
                what: "bytes sent to targets in one call, `limits.outbound-bytes`",
                limit: limits.outbound_bytes as u64,
            });
        }
        Ok(())
    }
}

impl Outbound {
    /// What becomes of it: the effect on the target goes through [`Fate::around`].
    pub(crate) fn fate(&self) -> Fate {
        self.fate
    }

    /// The host call is over; `received` is the size of what came back.
    pub(crate) fn end(mut self, outcome: &Outcome, received: usize) {
        self.ended = true;
        match outcome {
            Outcome::Done => self.record("done", "", received),
            Outcome::Denied => self.record("denied", "", received),
            Outcome::Refused(code) => {
                self.record("refused", code.as_deref().unwrap_or_default(), received);
            }
            Outcome::Failed => self.record("failed", "", received),
        }
    }

    /// A connection has carried so much more.
    pub(crate) fn moved(&mut self, sent: usize, received: usize) {
        self.sent = self.sent.saturating_add(sent);
        self.received = self.received.saturating_add(received);
    }

    /// A connection is over; what it carried was counted on the way.
    pub(crate) fn close(self, outcome: &Outcome) {
        let received = self.received;
        self.end(outcome, received);
    }

    fn record(&self, outcome: &'static str, code: &str, received: usize) {
        let took = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        info!(
            target: "tombolo::audit", event = "host-call", app = %self.grants.app, connector = %self.grants.connector,
            request = %self.request, capability = self.capability, operation = self.operation, on = ?self.target, outcome, code,
            took_us = took, sent = self.sent, received,
            "a connector's call to a target"
        );
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        if !self.ended {
            self.record("abandoned", "", self.received);
        }
    }
}
