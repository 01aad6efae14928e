//! How many calls the service allows, and what of it is kept for leavers.

use std::time::Duration;

/// Whose call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Somebody has to lose access: may use the reserve.
    Leaver,
    /// Everything else.
    Normal,
}

/// So many calls in so much time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls in the short window.
    pub burst: u32,
    /// The short window.
    pub burst_window: Duration,
    /// Of the short window, for leavers only.
    pub burst_reserve: u32,
    /// Calls in the long window.
    pub day: u32,
    /// The long window.
    pub day_window: Duration,
    /// Of the long window, for leavers only.
    pub day_reserve: u32,
    /// How far the clocks of two hosts may be apart.
    pub margin: Duration,
    /// How long a call may be under way: at least the request's time-out.
    pub flight: Duration,
}

impl Limits {
    /// What Microsoft documents of bulkUpload: 40 calls in 5 seconds, 6,000 in 24 hours.
    pub fn entra() -> Self {
        Self {
            burst: 40,
            burst_window: Duration::from_secs(5),
            burst_reserve: 4,
            day: 6_000,
            day_window: Duration::from_hours(24),
            day_reserve: 600,
            margin: Duration::from_secs(1),
            flight: crate::wire::TIMEOUT,
        }
    }

    /// No limit at all: for measurements.
    pub fn none() -> Self {
        Self {
            burst: u32::MAX,
            burst_window: Duration::ZERO,
            burst_reserve: 0,
            day: u32::MAX,
            day_window: Duration::ZERO,
            day_reserve: 0,
            margin: Duration::ZERO,
            flight: Duration::ZERO,
        }
    }

    pub(super) fn burst_for(&self, priority: Priority) -> u32 {
        match priority {
            Priority::Leaver => self.burst,
            Priority::Normal => self.burst.saturating_sub(self.burst_reserve),
        }
    }

    pub(super) fn day_for(&self, priority: Priority) -> u32 {
        match priority {
            Priority::Leaver => self.day,
            Priority::Normal => self.day.saturating_sub(self.day_reserve),
        }
    }
}
