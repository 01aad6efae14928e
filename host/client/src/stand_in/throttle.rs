//! Calls in sliding windows, as the service counts them.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::clock::later;

/// What the service allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls in five seconds.
    pub burst: usize,
    /// Calls in 24 hours.
    pub day: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            burst: 40,
            day: 6_000,
        }
    }
}

/// The windows of one service.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    calls: VecDeque<Timestamp>,
}

const BURST: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_hours(24);

impl Throttle {
    /// Counts a call, or says from when on there is room for it.
    pub(super) fn call(&mut self, now: Timestamp, limits: Limits) -> Result<(), Timestamp> {
        while self
            .calls
            .front()
            .is_some_and(|call| later(*call, DAY) <= now)
        {
            self.calls.pop_front();
        }
        for (most, window) in [(limits.burst, BURST), (limits.day, DAY)] {
            let nth = self.calls.len().checked_sub(most);
            let oldest = nth.and_then(|nth| self.calls.get(nth));
            let free = match (nth, oldest) {
                (None, _) => now,
                (Some(_), Some(oldest)) => later(*oldest, window),
                (Some(_), None) => later(now, window),
            };
            if free > now {
                return Err(free);
            }
        }
        self.calls.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forty_first_call_in_five_seconds_is_too_many() {
        let (mut throttle, limits) = (Throttle::default(), Limits::default());
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        for n in 0..40 {
            assert_eq!(throttle.call(at(n * 10), limits), Ok(()));
        }
        assert_eq!(throttle.call(at(4_999), limits), Err(at(5_000)));
        assert_eq!(throttle.call(at(5_000), limits), Ok(()));
        assert_eq!(throttle.call(at(5_001), limits), Err(at(5_010)));
    }
}
