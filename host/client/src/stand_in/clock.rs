//! The time at the service: it begins now, runs faster by a factor, and can be moved on by hand.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

#[derive(Debug)]
pub(super) struct Clock {
    began: Timestamp,
    started: Instant,
    factor: f64,
    moved: Duration,
}

impl Clock {
    pub(super) fn new(factor: f64) -> Self {
        Self {
            began: Timestamp::now(),
            started: Instant::now(),
            factor,
            moved: Duration::ZERO,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        let passed = self.started.elapsed().mul_f64(self.factor) + self.moved;
        later(self.began, passed)
    }

    pub(super) fn advance(&mut self, time: Duration) {
        self.moved += time;
    }

    /// So much of the service's time, in seconds of whoever waits for it.
    pub(super) fn outside(&self, time: SignedDuration) -> u64 {
        let seconds = time.as_secs_f64().max(0.0) / self.factor;
        Duration::try_from_secs_f64(seconds.ceil()).map_or(u64::MAX, |time| time.as_secs())
    }
}

pub(super) fn later(at: Timestamp, time: Duration) -> Timestamp {
    SignedDuration::try_from(time)
        .ok()
        .and_then(|time| at.checked_add(time).ok())
        .unwrap_or(Timestamp::MAX)
}
