//! Faults put into host calls on purpose.
//!
//! For: the contract kit's chaos mode, which binds a connector with
//! [`Runtime::bind_with_interference`](crate::Runtime::bind_with_interference) and looks whether anything is doubled or
//! lost. An app that serves has no interference, and pays one branch a host call for it.
//!
//! Where it acts: at each host call to a target and to `state`. Files are WASI's, below the host's hands: there, only the
//! end of a whole call (its deadline) can interfere.

use std::sync::Arc;
use std::time::Duration;

/// One host call, before anything of it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostCall<'a> {
    /// The interface: `ldap`, `http`, `sql`, `net`, `state`.
    pub capability: &'static str,
    /// The function of it.
    pub operation: &'static str,
    /// The target's name; empty for `state`.
    pub target: &'a str,
    /// The id of the connector's call that it belongs to.
    pub request: &'a str,
}

/// What becomes of a host call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strike {
    /// Nothing unusual.
    #[default]
    None,
    /// It takes so much longer.
    Delay(Duration),
    /// The connection breaks before the target hears of it: no effect.
    Reset,
    /// The target does it, and the answer is lost.
    Lose,
    /// Fewer results come than were asked for, and a cursor for the rest; where there are no pages, nothing unusual.
    Shorten,
}

/// Decides what becomes of each host call.
pub trait Interference: Send + Sync {
    /// Called once a host call, in the order in which the guest makes them.
    fn strike(&self, call: &HostCall<'_>) -> Strike;
}

/// How a host call that was struck ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Struck {
    /// Nothing was sent.
    Before,
    /// It was done, and nobody heard.
    After,
}

/// What was decided for one host call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fate(Strike);

impl Fate {
    pub(crate) fn of(who: Option<&Arc<dyn Interference>>, call: &HostCall<'_>) -> Self {
        Self(who.map_or(Strike::None, |who| who.strike(call)))
    }

    /// Has the effect, as it was decided. `broken` says in the capability's own words that a connection was lost.
    pub(crate) async fn around<T, E>(
        self,
        effect: impl Future<Output = Result<T, E>>,
        broken: impl FnOnce(Struck) -> E,
    ) -> Result<T, E> {
        match self.0 {
            Strike::None | Strike::Shorten => effect.await,
            Strike::Delay(time) => {
                tokio::time::sleep(time).await;
                effect.await
            }
            Strike::Reset => Err(broken(Struck::Before)),
            Strike::Lose => {
                // What the target refuses was not done; its refusal is lost as well.
                drop(effect.await);
                Err(broken(Struck::After))
            }
        }
    }

    /// How many results to ask for, where the target gives them in pages.
    pub(crate) fn shortened(self, limit: u32) -> u32 {
        if self.0 == Strike::Shorten && limit > 1 {
            limit.div_ceil(3)
        } else {
            limit
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    async fn told(strike: Strike) -> (Result<u32, Struck>, u32) {
        let effects = AtomicU32::new(0);
        let effect = async {
            effects.fetch_add(1, Ordering::Relaxed);
            Ok(7)
        };
        let answer = Fate(strike).around(effect, |struck| struck).await;
        (answer, effects.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_reset_has_no_effect_and_a_lost_answer_has_one() {
        assert_eq!(told(Strike::None).await, (Ok(7), 1));
        assert_eq!(told(Strike::Delay(Duration::ZERO)).await, (Ok(7), 1));
        assert_eq!(told(Strike::Reset).await, (Err(Struck::Before), 0));
        assert_eq!(told(Strike::Lose).await, (Err(Struck::After), 1));
    }

    #[test]
    fn a_shortened_page_has_at_least_one_result() {
        assert_eq!(Fate(Strike::Shorten).shortened(100), 34);
        assert_eq!(Fate(Strike::Shorten).shortened(1), 1);
        assert_eq!(Fate(Strike::None).shortened(100), 100);
    }
}
