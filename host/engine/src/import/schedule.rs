//! When imports run by themselves, and what is wanted of them.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::state::{Outcome, STALE, Sort, State, Wish};
use crate::app::App;
use crate::audit::By;
use crate::error::Error;
use crate::kind::Kind;

/// How often it is looked whether something is due, at least.
const LOOK: Duration = Duration::from_mins(1);
/// So long an import that failed is left alone.
const PAUSE: SignedDuration = SignedDuration::from_secs(60);
/// So few may be gone, whatever the share.
const FEW: u64 = 10;

/// What an app's owner wants of imports.
#[derive(Clone, Debug, PartialEq)]
pub struct Imports {
    /// When everything is read.
    pub full: Option<Schedule>,
    /// When what has changed is read.
    pub delta: Option<Schedule>,
    /// What is done about drift.
    pub reconcile: Reconcile,
    /// So many of a hundred objects may be gone at once.
    pub may_be_gone: u32,
    /// What a POST does for an account that is there already.
    pub on_post: OnPost,
}

impl Default for Imports {
    fn default() -> Self {
        Self {
            full: None,
            delta: None,
            reconcile: Reconcile::default(),
            may_be_gone: 50,
            on_post: OnPost::default(),
        }
    }
}

/// What is done about drift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reconcile {
    /// It is told of.
    #[default]
    Report,
    /// What was last written through the host is written again, after each import.
    Repair,
}

/// What a POST does for an account that matches by the app's own rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnPost {
    /// It is refused: 409.
    #[default]
    Refuse,
    /// The account becomes the client's, one to one.
    Adopt,
}

/// When something is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// So long after the last time.
    Every(Duration),
    /// At these moments, in UTC.
    Cron(Box<Cron>),
}

impl Schedule {
    /// By a cron expression of five fields: minute, hour, day of the month, month, day of the week.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn cron(text: &str) -> Result<Self, String> {
        match Cron::from_str(text) {
            Ok(cron) => Ok(Self::Cron(Box::new(cron))),
            Err(why) => Err(why.to_string()),
        }
    }

    /// The next time after this one; never for an expression that no day fits.
    fn next(&self, after: Timestamp) -> Timestamp {
        match self {
            Self::Every(pause) => SignedDuration::try_from(*pause)
                .ok()
                .and_then(|pause| after.checked_add(pause).ok())
                .unwrap_or(Timestamp::MAX),
            Self::Cron(cron) => cron
                .find_next_occurrence(&after.to_zoned(TimeZone::UTC), false)
                .map_or(Timestamp::MAX, |next| next.timestamp()),
        }
    }
}

impl Imports {
    /// How many of so many links may be gone at once.
    pub(crate) fn may_be_gone(&self, linked: u64) -> u64 {
        (linked.saturating_mul(u64::from(self.may_be_gone)) / 100).max(FEW)
    }

    /// What is to be done for a kind now; or when to look again.
    fn due(&self, state: &State, created: Timestamp, now: Timestamp) -> Result<Sort, Timestamp> {
        let wanted = self.full.is_some() || self.delta.is_some();
        let run = state.run.as_ref().filter(|run| {
            // What failed for a request is tried again by the next one.
            let failed = state.last.as_ref().map(|last| last.outcome) == Some(Outcome::Failed);
            !failed || wanted || run.by.operator.is_some()
        });
        if let Some(run) = run {
            let failed = state
                .last
                .as_ref()
                .filter(|last| last.outcome == Outcome::Failed)
                .map(|last| last.ended.checked_add(PAUSE).unwrap_or(Timestamp::MAX));
            return match failed {
                Some(again) if again > now => Err(again),
                _ => Ok(run.sort),
            };
        }
        let last = state.last.as_ref();
        let full = state.full.as_ref().map(|ended| ended.began);
        // One that failed or shrank is not begun again at once.
        let tried = last
            .filter(|last| last.sort == Sort::Full)
            .map(|last| last.began);
        let full = self.full.as_ref().map(|schedule| {
            let before = full.max(tried).unwrap_or(created);
            schedule.next(before)
        });
        let delta = self.delta.as_ref().map(|schedule| {
            let before = last.map_or(created, |last| last.began);
            schedule.next(before)
        });
        match (full, delta) {
            (Some(full), _) if full <= now => Ok(Sort::Full),
            (_, Some(delta)) if delta <= now => Ok(Sort::Delta),
            (full, delta) => {
                let next = full.into_iter().chain(delta).min();
                Err(next.unwrap_or(Timestamp::MAX))
            }
        }
    }
}

impl App {
    /// Imports what is due, as long as this generation of the app lives; and goes on with what was broken off.
    pub(crate) fn import_in_background(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let app = Arc::downgrade(self);
        let created = Timestamp::now();
        runtime.spawn(async move {
            while let Some(live) = app.upgrade() {
                let mut next = Timestamp::MAX;
                for kind in &live.kinds {
                    match live.import_if_due(kind, created).await {
                        Ok(again) => next = next.min(again),
                        Err(error) => {
                            tracing::warn!(app = live.name, kind = kind.name, %error, "an import is tried again");
                        }
                    }
                }
                drop(live);
                let pause = next.duration_since(Timestamp::now());
                let pause = Duration::try_from(pause).unwrap_or_default();
                tokio::time::sleep(pause.clamp(Duration::from_millis(100), LOOK)).await;
            }
        });
    }

    /// Imports a kind if that is due; when to look again.
    async fn import_if_due(
        self: &Arc<Self>,
        kind: &Kind,
        created: Timestamp,
    ) -> Result<Timestamp, Error> {
        let (state, _) = self.import_state(kind).await?;
        self.shared.set_import(state.status(kind));
        let sort = match self.imports.due(&state, created, Timestamp::now()) {
            Ok(sort) => sort,
            Err(again) => return Ok(again),
        };
        // Somebody in this host is at it: what he leaves is looked at afterwards.
        let lock = self.shared.import_lock(&kind.name);
        if lock.try_lock().is_err() {
            return Ok(Timestamp::MAX);
        }
        let wish = Wish {
            sort,
            by: By::default(),
            accepts: false,
            oldest: STALE,
        };
        match self.import_kind(kind, &wish).await {
            Ok(_) => Ok(Timestamp::now()),
            // Another host is at it.
            Err(Error::Importing { .. }) => Ok(Timestamp::MAX),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::{Counts, Ended, Totals};
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn ended(sort: Sort, outcome: Outcome, began: &str) -> Ended {
        Ended {
            sort,
            outcome,
            began: at(began),
            ended: at(began),
            pages: 1,
            resumed: 0,
            fell_back: false,
            counts: Counts::default(),
            found: Totals::default(),
            note: None,
        }
    }

    #[test]
    fn full_and_delta_have_their_own_times() {
        let imports = Imports {
            full: Some(Schedule::cron("0 3 * * *").expect("an expression")),
            delta: Some(Schedule::Every(Duration::from_mins(5))),
            ..Imports::default()
        };
        let state = State {
            full: Some(ended(Sort::Full, Outcome::Whole, "2027-05-01T03:00:00Z")),
            last: Some(ended(Sort::Delta, Outcome::Whole, "2027-05-01T12:00:00Z")),
            ..State::default()
        };
        let created = at("2027-05-01T00:00:00Z");
        let due = |now| imports.due(&state, created, at(now));
        assert_eq!(due("2027-05-01T12:04:00Z"), Err(at("2027-05-01T12:05:00Z")));
        assert_eq!(due("2027-05-01T12:05:00Z"), Ok(Sort::Delta));
        assert_eq!(due("2027-05-02T03:00:00Z"), Ok(Sort::Full));
        // One that failed waits for its next time like one that did not.
        let failed = State {
            last: Some(ended(Sort::Full, Outcome::Shrunk, "2027-05-02T03:00:00Z")),
            ..state
        };
        assert_eq!(
            imports.due(&failed, created, at("2027-05-02T03:01:00Z")),
            Err(at("2027-05-02T03:05:00Z"))
        );
    }

    #[test]
    fn without_a_schedule_nothing_is_due_and_a_wrong_one_is_refused() {
        let now = at("2027-05-01T12:00:00Z");
        let never = Imports::default().due(&State::default(), now, now);
        assert_eq!(never, Err(Timestamp::MAX));
        assert!(Schedule::cron("every day").is_err());
        assert!(Schedule::cron("61 3 * * *").is_err());
    }

    #[test]
    fn a_few_may_always_be_gone_and_half_of_many() {
        let imports = Imports::default();
        assert_eq!(imports.may_be_gone(3), 10);
        assert_eq!(imports.may_be_gone(1000), 500);
    }
}
