//! Which rows are about which staged records, and which records were purged: pure.
//!
//! A row has no id of the request that caused it. It is about a record if it names the same person and is younger than the
//! upload. A job that is restarted while it is idle forgets what was staged, and says nothing: it shows in what did *not*
//! happen, although it should have by now.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::job::{Health, JobState};
use super::row::{Row, RowError, Status};
use super::sentence;
use crate::clock::after;

/// A staged record that waits for its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The source's key.
    pub key: String,
    /// When it was staged: [`crate::bulk_upload::Staged::at`].
    pub staged: Timestamp,
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The source's key.
    pub key: String,
    /// When.
    pub at: Timestamp,
    /// How it ended.
    pub status: Status,
    /// Entra has the record as it was sent: nothing is left to do.
    pub is_in_sync: bool,
    /// `create`, `update`, `disable`, …
    pub action: String,
    /// The person's id in Entra.
    pub target_id: Option<String>,
    /// Why it did not end well.
    pub error: Option<RowError>,
    /// All of it in one sentence.
    pub sentence: String,
    /// Whether the same record may succeed when it is sent again.
    pub may_pass: bool,
}

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long after it was written a row may stay invisible: 5 to 10 minutes.
    pub lag: Duration,
    /// After so long without any sign a record is sent again, whatever the reason.
    pub lost: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            lag: Duration::from_mins(10),
            lost: Duration::from_hours(24),
        }
    }
}

/// `Date` has whole seconds: what is closer together has no order.
const GRAIN: Duration = Duration::from_secs(1);

/// The outcomes that `rows` hold. The youngest row of a person counts: Entra tries failures again by itself.
pub(super) fn outcomes(pending: &[Pending], rows: &[Row]) -> Vec<Outcome> {
    let mut latest: HashMap<&str, &Row> = HashMap::new();
    for row in rows {
        let known = latest.entry(&row.key).or_insert(row);
        if row.at >= known.at {
            *known = row;
        }
    }
    let about = pending.iter().filter_map(|pending| {
        let row = latest.get(pending.key.as_str())?;
        (row.at >= pending.staged).then_some(*row)
    });
    about
        .map(|row| Outcome {
            key: row.key.clone(),
            at: row.at,
            status: row.status,
            is_in_sync: row.is_in_sync,
            action: row.action.clone(),
            target_id: row.target_id.clone(),
            error: row.error.clone(),
            sentence: sentence::of(row),
            may_pass: row.error.as_ref().is_some_and(sentence::may_pass),
        })
        .collect()
}

/// Of those without an outcome, the ones that will have none: to be sent again.
pub(super) fn purged(
    pending: &[Pending],
    settled: &[Outcome],
    job: &JobState,
    now: Timestamp,
    patience: Patience,
) -> Vec<String> {
    let done: HashMap<&str, Timestamp> = settled.iter().map(|o| (o.key.as_str(), o.at)).collect();
    // Records are taken in the order in which they were staged: what was staged before somebody whose row has been visible
    // for a while should have a row too.
    let overtaken = pending
        .iter()
        .filter_map(|p| done.get(p.key.as_str()).map(|at| (p.staged, *at)))
        .filter(|(_, at)| after(*at, patience.lag) < now)
        .map(|(staged, _)| staged)
        .max();
    // A whole cycle has passed since, and its rows are visible.
    let cycle = job
        .last
        .filter(|(_, ended)| after(*ended, patience.lag) < now)
        .map(|(began, _)| began);
    let stands = matches!(
        job.health,
        Health::Paused | Health::NotStarted | Health::Quarantined(_)
    );
    pending
        .iter()
        .filter(|p| !done.contains_key(p.key.as_str()))
        .filter(|p| {
            let sure = after(p.staged, GRAIN);
            let passed_over = [overtaken, cycle].into_iter().flatten().any(|t| t > sure);
            let lost = !stands && after(p.staged, patience.lost) < now;
            passed_over || lost
        })
        .map(|p| p.key.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + minutes * 60).unwrap()
    }

    fn pending(key: &str, minutes: i64) -> Pending {
        Pending {
            key: key.into(),
            staged: at(minutes),
        }
    }

    fn row(key: &str, minutes: i64, status: Status) -> Row {
        Row {
            at: at(minutes),
            key: key.into(),
            name: None,
            target_id: None,
            action: "update".into(),
            cycle: None,
            status,
            is_in_sync: status == Status::Success,
            error: (status != Status::Success).then(RowError::default),
        }
    }

    fn purged_of(pending: &[Pending], rows: &[Row], job: &JobState, now: i64) -> Vec<String> {
        let settled = outcomes(pending, rows);
        purged(pending, &settled, job, at(now), Patience::default())
    }

    #[test]
    fn an_older_row_is_of_an_older_upload_and_the_youngest_counts() {
        let waiting = [pending("1", 10), pending("2", 10), pending("10", 10)];
        let rows = [
            row("1", 9, Status::Failure),
            row("2", 30, Status::Success),
            row("2", 20, Status::Failure),
        ];
        let outcomes = outcomes(&waiting, &rows);
        assert_eq!(outcomes.len(), 1);
        assert_eq!(outcomes[0].key, "2");
        assert_eq!(outcomes[0].status, Status::Success);
    }

    #[test]
    fn a_record_that_later_ones_have_overtaken_was_purged() {
        let waiting = [pending("1", 0), pending("2", 5)];
        let rows = [row("2", 20, Status::Success)];
        // Its own row may still be on its way.
        assert!(purged_of(&waiting, &rows, &JobState::UNKNOWN, 30).is_empty());
        assert_eq!(purged_of(&waiting, &rows, &JobState::UNKNOWN, 31), ["1"]);
    }

    #[test]
    fn a_record_that_a_whole_cycle_has_passed_over_was_purged() {
        let waiting = [pending("1", 0)];
        let mut job = JobState {
            health: Health::Runs,
            last: Some((at(-1), at(15))),
        };
        // It began before the upload.
        assert!(purged_of(&waiting, &[], &job, 60).is_empty());
        job.last = Some((at(40), at(45)));
        assert!(purged_of(&waiting, &[], &job, 55).is_empty());
        assert_eq!(purged_of(&waiting, &[], &job, 56), ["1"]);
    }

    #[test]
    fn silence_for_a_day_is_a_purge_unless_the_job_stands() {
        let waiting = [pending("1", 0)];
        let day = 24 * 60;
        assert!(purged_of(&waiting, &[], &JobState::UNKNOWN, day).is_empty());
        assert_eq!(purged_of(&waiting, &[], &JobState::UNKNOWN, day + 1), ["1"]);
        let paused = JobState {
            health: Health::Paused,
            last: None,
        };
        assert!(purged_of(&waiting, &[], &paused, day + 1).is_empty());
    }

    proptest! {
        /// Every record ends in one place at most, and none that has an outcome is sent again.
        #[test]
        fn nobody_is_both_settled_and_purged(
            waiting in prop::collection::btree_map("[a-e]", 0..200_i64, 0..5),
            rows in prop::collection::vec(("[a-g]", 0..300_i64, any::<bool>()), 0..20),
            last in prop::option::of((0..300_i64, 0..100_i64)),
            now in 0..3_000_i64,
        ) {
            let waiting: Vec<_> = waiting.iter().map(|(k, m)| pending(k, *m)).collect();
            let rows: Vec<_> = rows
                .iter()
                .map(|(k, m, good)| {
                    row(k, *m, if *good { Status::Success } else { Status::Failure })
                })
                .collect();
            let job = JobState {
                health: Health::Runs,
                last: last.map(|(began, took)| (at(began), at(began + took))),
            };
            let settled = outcomes(&waiting, &rows);
            let again = purged(&waiting, &settled, &job, at(now), Patience::default());
            for outcome in &settled {
                let staged = waiting.iter().find(|p| p.key == outcome.key).unwrap().staged;
                prop_assert!(outcome.at >= staged);
                prop_assert!(!again.contains(&outcome.key));
            }
            for key in &again {
                let staged = waiting.iter().find(|p| p.key == *key).unwrap().staged;
                prop_assert!(at(now) > after(staged, Patience::default().lag));
            }
        }
    }
}
