//! How often something may happen: a number at once, and then one in a while.
//!
//! The generic cell rate algorithm: all that is kept is the moment at which everything will be forgiven. `governor`
//! counts each time that it is asked; here asking must not count, because only failures do.

use std::time::{Duration, Instant};

/// So many at once, and one more after each `every`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) burst: u32,
    pub(super) every: Duration,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spent(Instant);

impl Spent {
    pub(super) fn nothing(now: Instant) -> Self {
        Self(now)
    }

    /// Whether all of it is forgiven.
    pub(super) fn is_nothing(self, now: Instant) -> bool {
        self.0 <= now
    }
}

impl Pace {
    /// How long to wait until it may happen again; none if it may now.
    pub(super) fn wait(self, spent: Spent, now: Instant) -> Option<Duration> {
        let owed = spent.0.saturating_duration_since(now);
        let excess = (owed + self.every).saturating_sub(self.every * self.burst);
        (!excess.is_zero()).then_some(excess)
    }

    /// It has happened. However often it did, all is forgiven after twice the burst's time.
    pub(super) fn spend(self, spent: Spent, now: Instant) -> Spent {
        let most = now + self.every * self.burst * 2;
        Spent((spent.0.max(now) + self.every).min(most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_one_in_a_while() {
        let pace = Pace {
            burst: 3,
            every: Duration::from_secs(10),
        };
        let start = Instant::now();
        let mut spent = Spent::nothing(start);
        for _ in 0..3 {
            assert_eq!(pace.wait(spent, start), None);
            spent = pace.spend(spent, start);
        }
        assert_eq!(pace.wait(spent, start), Some(Duration::from_secs(10)));
        let later = start + Duration::from_secs(10);
        assert_eq!(pace.wait(spent, later), None);
        spent = pace.spend(spent, later);
        assert!(pace.wait(spent, later).is_some());
    }

    #[test]
    fn however_often_it_happens_it_is_forgiven_in_the_end() {
        let pace = Pace {
            burst: 3,
            every: Duration::from_secs(10),
        };
        let start = Instant::now();
        let spent = (0..1000).fold(Spent::nothing(start), |spent, _| pace.spend(spent, start));
        assert!(!spent.is_nothing(start + Duration::from_secs(59)));
        assert!(spent.is_nothing(start + Duration::from_secs(60)));
    }
}
