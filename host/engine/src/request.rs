//! A request: what comes with it, and what it has done so far.

use std::time::Duration;

use tokio::time::Instant;
use tombolo_runtime::Call;

use crate::audit::{Action, By, Tale, Told};

/// Kept from the client's deadline for the host's own part of a request.
const MARGIN: Duration = Duration::from_millis(200);

/// What comes with every request.
#[derive(Clone, Debug)]
pub struct Request {
    /// For logs, on both sides.
    pub id: String,
    /// The base URL by which the app was called: `https://host/apps/NAME/scim/v2`.
    pub base_url: String,
    /// When the client stops waiting.
    pub deadline: Instant,
    /// On whose behalf.
    pub by: By,
    tale: Tale,
    order: Order,
}

/// What an administrator ordered, beside what a client may ask for.
#[derive(Clone, Debug, Default)]
struct Order {
    /// The breaker has held it, and it is let go on.
    releases: Option<String>,
    /// It takes back what this account tells of.
    undoes: Option<String>,
    /// Its grace period has ended.
    falls_due: bool,
}

impl Request {
    /// A request of somebody.
    pub fn new(base_url: String, deadline: Instant, by: By) -> Self {
        Self {
            id: by.request.clone(),
            base_url,
            deadline,
            by,
            tale: Tale::default(),
            order: Order::default(),
        }
    }

    /// For settling what somebody has begun.
    pub(crate) fn settling(call: &Call, by: By) -> Self {
        Self {
            id: call.request_id.clone(),
            ..Self::new(String::new(), call.deadline + MARGIN, by)
        }
    }

    /// One operation of it: `/Bulk` has many.
    pub(crate) fn operation(&self) -> Self {
        Self {
            tale: Tale::default(),
            ..self.clone()
        }
    }

    /// The same on an administrator's word: the breaker lets it through.
    pub(crate) fn releasing(mut self, held: &str) -> Self {
        self.order.releases = Some(held.to_owned());
        self
    }

    /// The same to take back what an account tells of.
    pub(crate) fn undoing(mut self, account: &str) -> Self {
        self.order.undoes = Some(account.to_owned());
        self
    }

    /// A delete whose grace period has ended: it was asked for, and counted, when that began.
    pub(crate) fn falling_due(mut self) -> Self {
        self.order.falls_due = true;
        self
    }

    /// Whether its grace period has ended.
    pub(crate) fn falls_due(&self) -> bool {
        self.order.falls_due
    }

    /// Whether somebody has decided it already: then no breaker stands in the way.
    pub(crate) fn is_released(&self) -> bool {
        self.order.releases.is_some() || self.order.undoes.is_some() || self.order.falls_due
    }

    /// Whether it takes something back.
    pub(crate) fn is_undoing(&self) -> bool {
        self.order.undoes.is_some()
    }

    /// What a connector call of this request may take.
    pub(crate) fn call(&self) -> Call {
        Call {
            request_id: self.id.clone(),
            deadline: self.deadline - MARGIN,
        }
    }

    /// What it has done so far.
    pub(crate) fn tale(&self) -> &Tale {
        &self.tale
    }

    /// How a step of it is told.
    pub(crate) fn told(&self, action: Action) -> Told {
        let mut told = Told::new(action, self.by.clone(), self.tale.clone());
        told.held.clone_from(&self.order.releases);
        told.undoes.clone_from(&self.order.undoes);
        told
    }
}
