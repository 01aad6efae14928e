//! Never more calls than the service allows: over restarts, and over all hosts that share the budget.
//!
//! A call is written down before it is made, by compare-and-swap: a process that dies has counted too much, never too
//! little. Hosts whose clocks are further apart than [`Limits::margin`] can exceed the short window by what they are apart;
//! the service's 429, which all hosts obey, is the second line.

mod limits;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use self::limits::{Limits, Priority};
pub use self::state::{Decision, State, Why};
use crate::clock::{Clock, after, until};
use crate::shared::{Shared, SharedError, update};

/// A budget of calls. Cheap to clone.
#[derive(Clone)]
pub struct Budget {
    shared: Arc<dyn Shared>,
    clock: Arc<dyn Clock>,
    name: String,
    limits: Limits,
}

/// One call that may be made now. Hand it back with [`Budget::end`]; if it is lost, the call counts for longer.
#[derive(Debug)]
#[must_use = "a call that was counted should be made, and ended"]
pub struct Permit(u64);

/// There is no permit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPermit {
    /// Not so soon.
    #[error("{}", not_before(.until, *.why))]
    NotBefore {
        /// When there will be.
        until: Timestamp,
        /// What is in the way.
        why: Why,
    },
    /// The budget cannot be read, so nothing is sent.
    #[error(transparent)]
    Shared(#[from] SharedError),
}

fn not_before(until: &Timestamp, why: Why) -> String {
    let why = match why {
        Why::Burst => "the calls that the service allows in a few seconds are used up",
        Why::Day => {
            "the calls that the service allows in 24 hours are used up, but for the reserve that is kept for leavers"
        }
        Why::Held => "the service asked to be left alone",
    };
    format!("{why}; the next call is possible at {until}")
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("name", &self.name)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Budget {
    /// The budget of this name: all that share the place and the name share the calls.
    pub fn new(shared: Arc<dyn Shared>, clock: Arc<dyn Clock>, name: &str, limits: Limits) -> Self {
        Self {
            shared,
            clock,
            name: name.to_owned(),
            limits,
        }
    }

    /// Takes a call, waiting for it for at most `patience`.
    pub async fn take(&self, priority: Priority, patience: Duration) -> Result<Permit, NoPermit> {
        if self.limits == Limits::none() {
            return Ok(Permit(0));
        }
        let end = after(self.clock.now(), patience);
        loop {
            let now = self.clock.now();
            let decision = update(&*self.shared, &self.name, |mut state: State| {
                let decision = state.take(now, priority, &self.limits);
                let new = matches!(decision, Decision::Go(_)).then_some(state);
                (new, decision)
            })
            .await?;
            match decision {
                Decision::Go(number) => return Ok(Permit(number)),
                Decision::Wait(at, why) if at > end => {
                    return Err(NoPermit::NotBefore { until: at, why });
                }
                Decision::Wait(at, _) => self.clock.sleep(until(self.clock.now(), at)).await,
            }
        }
    }

    /// The call has been answered, or is known to have come to nothing.
    pub async fn end(&self, permit: Permit) -> Result<(), SharedError> {
        if self.limits == Limits::none() {
            return Ok(());
        }
        let now = self.clock.now();
        update(&*self.shared, &self.name, |mut state: State| {
            state.end(permit.0, now);
            (Some(state), ())
        })
        .await
    }

    /// The service asked all to wait (`Retry-After`).
    pub async fn hold(&self, time: Duration) -> Result<(), SharedError> {
        let now = self.clock.now();
        update(&*self.shared, &self.name, |mut state: State| {
            state.hold(now, after(now, time));
            (Some(state), ())
        })
        .await
    }

    /// How many calls of the long window are left to this priority.
    pub async fn left(&self, priority: Priority) -> Result<u32, SharedError> {
        let now = self.clock.now();
        update(&*self.shared, &self.name, |state: State| {
            (None, state.left(now, priority, &self.limits))
        })
        .await
    }

    /// The limits that it keeps.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}
