//! What an operator says of a flow.

use std::time::Duration;

use jiff::tz::TimeZone;
use tombolo_mapping::{Expression, Scope};

use super::form::Form;
use super::schedule::Schedule;

/// See the module.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// The app whose target is read.
    pub source: String,
    /// Which of its objects.
    pub kind: String,
    /// Whom it is for: the attributes are the source's.
    pub scope: Scope,
    /// What the key is made of: one text that never changes and no two have.
    pub key: Expression,
    /// What the record is made of.
    pub form: Form,
    /// Whether a group's members belong to the record; they are keys of `references`.
    pub members: bool,
    /// The flow whose keys managers and members are named by; none: this one.
    pub references: Option<String>,
    /// From when a person may be sent.
    pub effective: Option<Expression>,
    /// So long before that.
    pub lead: Duration,
    /// After which day a person has left.
    pub last_day: Option<Expression>,
    /// Where days begin.
    pub time_zone: TimeZone,
    /// What it may do in the sink.
    pub actions: Actions,
    /// What becomes of leavers.
    pub leavers: Leave,
    /// When it runs.
    pub schedule: Schedule,
    /// How often everything is read although the source tells of changes.
    pub full_scan: Duration,
    /// How many may leave at a time.
    pub limit: Limit,
    /// What becomes of what the sink refuses.
    pub retry: Retry,
}

/// What a flow may do in its sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actions {
    /// Add who is not there.
    pub create: bool,
    /// Change who is there.
    pub update: bool,
    /// Disable or delete who has left.
    pub leave: bool,
}

impl Actions {
    /// Everything.
    pub const ALL: Self = Self {
        create: true,
        update: true,
        leave: true,
    };
}

/// What becomes of leavers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Leave {
    /// They are disabled; what cannot be disabled is deleted.
    #[default]
    Disable,
    /// They are deleted.
    Delete,
}

/// How many may leave within a window before somebody has to say that this is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How far back is counted.
    pub window: Duration,
    /// So many.
    pub count: Option<u64>,
    /// So many of a hundred, and at least one.
    pub percent: u32,
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            window: Duration::from_hours(1),
            count: None,
            percent: 10,
        }
    }
}

impl Limit {
    /// How many may leave where there are so many.
    pub fn allows(&self, population: u64) -> u64 {
        let share = (population.saturating_mul(u64::from(self.percent)) / 100).max(1);
        self.count.map_or(share, |count| count.min(share))
    }
}

/// How often, and how long apart, what the sink refuses is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// After so long the first time; twice as long each time after.
    pub first: Duration,
    /// At most so long.
    pub most: Duration,
    /// So often, before it is left to a person.
    pub attempts: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(60),
            most: Duration::from_hours(6),
            attempts: 10,
        }
    }
}

impl Retry {
    /// The wait after so many attempts.
    pub fn gap(&self, attempts: u32) -> Duration {
        let doubled = 2_u32.checked_pow(attempts.saturating_sub(1));
        doubled
            .and_then(|factor| self.first.checked_mul(factor))
            .unwrap_or(self.most)
            .min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_leaver_is_no_flood_and_the_stricter_word_counts() {
        let limit = Limit::default();
        assert_eq!(limit.allows(3), 1);
        assert_eq!(limit.allows(1000), 100);
        let strict = Limit {
            count: Some(5),
            ..limit
        };
        assert_eq!(strict.allows(1000), 5);
    }

    #[test]
    fn gaps_grow_up_to_the_longest() {
        let retry = Retry::default();
        let gaps: Vec<u64> = (1..=10).map(|n| retry.gap(n).as_secs()).collect();
        assert_eq!(
            gaps,
            [60, 120, 240, 480, 960, 1920, 3840, 7680, 15360, 21600]
        );
        assert_eq!(retry.gap(4000), retry.most);
    }
}
