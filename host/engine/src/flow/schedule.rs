//! When a flow runs: every so often, or by a cron expression.

use std::str::FromStr as _;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use jiff_cron::Schedule as Cron;

/// When a flow runs by itself.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// So long after the last run.
    Every(Duration),
    /// At these moments, in this time zone.
    Cron(Box<Cron>, TimeZone),
    /// Only when it is ordered.
    Ordered,
}

impl Schedule {
    /// A cron expression: minute, hour, day of month, month, day of week; a sixth field in front of them is the second.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn cron(text: &str, zone: TimeZone) -> Result<Self, String> {
        let full = match text.split_whitespace().count() {
            5 => format!("0 {text}"),
            _ => text.to_owned(),
        };
        Cron::from_str(&full)
            .map(|cron| Self::Cron(Box::new(cron), zone))
            .map_err(|why| format!("is no cron expression such as \"15 2 * * *\": {why}"))
    }

    /// When to run next, after a run that began at `last`.
    pub fn next(&self, last: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(interval) => {
                let interval = SignedDuration::try_from(*interval).ok()?;
                Some(last.map_or(now, |last| {
                    last.checked_add(interval).unwrap_or(Timestamp::MAX)
                }))
            }
            Self::Cron(cron, zone) => {
                let from = last.unwrap_or(now).to_zoned(zone.clone());
                cron.after(from).next().map(|at| at.timestamp())
            }
            Self::Ordered => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_cron_expression_is_read_in_its_time_zone() {
        let berlin = TimeZone::get("Europe/Berlin").expect("a time zone");
        let schedule = Schedule::cron("15 2 * * *", berlin).expect("a schedule");
        let next = schedule.next(Some(at("2026-06-30T12:00:00Z")), at("2026-06-30T12:00:00Z"));
        assert_eq!(next, Some(at("2026-07-01T00:15:00Z")));
        assert!(Schedule::cron("61 2 * * *", TimeZone::UTC).is_err());
        assert!(Schedule::cron("now and then", TimeZone::UTC).is_err());
    }

    #[test]
    fn an_interval_counts_from_the_last_run_and_a_first_run_is_due_at_once() {
        let schedule = Schedule::Every(Duration::from_secs(300));
        let now = at("2026-06-30T12:00:00Z");
        assert_eq!(schedule.next(None, now), Some(now));
        assert_eq!(
            schedule.next(Some(at("2026-06-30T11:58:00Z")), now),
            Some(at("2026-06-30T12:03:00Z"))
        );
        assert_eq!(Schedule::Ordered.next(None, now), None);
    }
}
