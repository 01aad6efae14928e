//! A new revision on probation: watched during its first calls, with the one before it at hand.
//!
//! Only what the connector itself spoils counts against it (it crashes, passes a limit, breaks the contract), never what
//! its target does. The revision before it is what it is measured by: where that one did as badly, going back helps nobody.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;
use tombolo_runtime::stats::Conduct;

use super::Generation;
use crate::config::upgrade::Upgrade;

/// The watch over one generation.
pub struct Probation {
    rules: Upgrade,
    /// How the revision before it had behaved.
    before: Conduct,
    /// Taken out when the watch is over, so that its code and connections can go.
    previous: Mutex<Option<Arc<Generation>>>,
    ends: Instant,
    over: AtomicBool,
}

/// What the watch has come to.
pub(super) enum Verdict {
    /// It stays.
    Proved(Conduct),
    /// It is taken back, and this one takes its place.
    Failed(Arc<Generation>, Reason),
}

/// Why a revision was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    now: Conduct,
    before: Conduct,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { now, before } = self;
        write!(
            f,
            "it spoiled {} of its first {} calls itself (crashes, limits, answers that break the contract); the revision before it {} of {}",
            now.misdeeds, now.calls, before.misdeeds, before.calls
        )
    }
}

impl Probation {
    pub(super) fn begin(previous: Arc<Generation>, rules: Upgrade) -> Self {
        Self {
            rules,
            before: previous.app.connector().stats().conduct(),
            previous: Mutex::new(Some(previous)),
            ends: Instant::now() + rules.watch,
            over: AtomicBool::new(false),
        }
    }

    /// The revision that has proved itself, while the watch lasts.
    pub(super) fn previous(&self) -> Option<Arc<Generation>> {
        self.previous.lock().clone()
    }

    /// Looks at what it has done so far. A verdict is given once.
    pub(super) fn verdict(&self, now: Conduct) -> Option<Verdict> {
        if self.over.load(Ordering::Acquire) {
            return None;
        }
        let failed = failed(&self.rules, self.before, now);
        if !failed && now.calls < self.rules.calls && Instant::now() < self.ends {
            return None;
        }
        if self.over.swap(true, Ordering::AcqRel) {
            return None;
        }
        let previous = self.previous.lock().take()?;
        Some(if failed {
            let reason = Reason {
                now,
                before: self.before,
            };
            Verdict::Failed(previous, reason)
        } else {
            Verdict::Proved(now)
        })
    }
}

/// Often enough, and clearly more often than the one before.
fn failed(rules: &Upgrade, before: Conduct, now: Conduct) -> bool {
    let wide = u128::from;
    now.misdeeds >= rules.faults
        && wide(now.misdeeds) * wide(before.calls.max(1))
            > 2 * wide(before.misdeeds) * wide(now.calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conduct(calls: u64, misdeeds: u64) -> Conduct {
        Conduct { calls, misdeeds }
    }

    #[test]
    fn a_few_faults_fail_a_revision_when_the_one_before_had_none() {
        let rules = Upgrade::default();
        assert!(!failed(&rules, conduct(1000, 0), conduct(2, 2)));
        assert!(failed(&rules, conduct(1000, 0), conduct(3, 3)));
        assert!(failed(&rules, conduct(0, 0), conduct(150, 3)));
        assert!(failed(&rules, conduct(1000, 2), conduct(150, 3)));
    }

    #[test]
    fn where_the_one_before_did_as_badly_nothing_is_gained() {
        let rules = Upgrade::default();
        assert!(!failed(&rules, conduct(10, 5), conduct(10, 6)));
        assert!(!failed(&rules, conduct(1, 1), conduct(3, 3)));
        assert!(failed(&rules, conduct(100, 10), conduct(10, 3)));
    }
}
