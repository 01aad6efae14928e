//! How far each app is from what Entra puts into quarantine.
//!
//! Entra stops trusting a job, and runs it once a day, when too much of it fails. From 5,000 failures on it is quarantined
//! if more than 40 % failed, or more than 40,000; references that could not be set (a manager, a member) count for neither,
//! but with them 60,000 are the end. Entra counts by cycle, which no request tells of; here it is what was asked within the
//! last day, by this host, since it was started.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

/// The window, and the steps in which it moves.
const WINDOW: Duration = Duration::from_secs(24 * 3600);
const STEP: Duration = Duration::from_secs(3600);
/// Entra's numbers.
const LOOKED_AT_FROM: u64 = 5_000;
const PERCENT: u64 = 40;
const FAILURES: u64 = 40_000;
const WITH_REFERENCES: u64 = 60_000;
/// Somebody is told when so much of it is used up, and told anew only after it has come down to the second.
const TELL: (u32, u32) = (50, 30);

/// How a request of Entra's ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Done.
    Good,
    /// Not done.
    Failed,
    /// Not done, because of what it refers to.
    Reference,
}

/// What was asked within the window, and what of it failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// All of it.
    pub operations: u64,
    /// What failed, without the next.
    pub failures: u64,
    /// What failed on account of a reference.
    pub references: u64,
}

impl Spent {
    fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.failures += other.failures;
        self.references += other.references;
    }

    /// Whether Entra would quarantine the job.
    pub fn is_over(self) -> bool {
        let proportion =
            self.failures >= LOOKED_AT_FROM && self.failures * 100 > self.operations * PERCENT;
        proportion || self.failures > FAILURES || self.failures + self.references > WITH_REFERENCES
    }

    /// How much of the budget is used up, in percent: by the rule that is nearest. Below 5,000 failures no proportion
    /// matters, however high.
    pub fn used(self) -> u32 {
        let part = |of: u64, whole: u64| of.saturating_mul(100) / whole.max(1);
        let proportion = part(self.failures * 100, self.operations * PERCENT);
        let nearest = part(self.failures, LOOKED_AT_FROM)
            .min(proportion)
            .max(part(self.failures, FAILURES))
            .max(part(self.failures + self.references, WITH_REFERENCES));
        u32::try_from(nearest).unwrap_or(u32::MAX)
    }
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} operations failed within a day, and {} more on account of what they refer to; that is {} % of what \
             Entra lets pass before it quarantines the job",
            self.failures,
            self.operations,
            self.references,
            self.used()
        )
    }
}

/// Every app's.
#[derive(Default)]
pub struct Budgets(Mutex<BTreeMap<String, Budget>>);

#[derive(Default)]
struct Budget {
    /// The newest step last.
    steps: VecDeque<(Instant, Spent)>,
    told: bool,
}

impl Budgets {
    /// A request to an app has been answered.
    pub fn count(&self, app: &str, ending: Ending) {
        let mut all = self.0.lock();
        // An app's name is one of ours, so there are not many.
        let budget = all.entry(app.to_owned()).or_default();
        budget.count(ending, Instant::now());
        if ending != Ending::Good {
            budget.tell(app);
        }
    }

    /// What an app has spent within the window.
    pub fn spent(&self, app: &str) -> Spent {
        let mut all = self.0.lock();
        let budget = all.get_mut(app);
        budget.map_or_else(Spent::default, |budget| {
            budget.forget(Instant::now());
            budget.sum()
        })
    }
}

impl Budget {
    fn count(&mut self, ending: Ending, now: Instant) {
        self.forget(now);
        let fresh = self
            .steps
            .back()
            .is_none_or(|(since, _)| now.duration_since(*since) >= STEP);
        if fresh {
            self.steps.push_back((now, Spent::default()));
        }
        if let Some((_, spent)) = self.steps.back_mut() {
            spent.add(Spent {
                operations: 1,
                failures: u64::from(ending == Ending::Failed),
                references: u64::from(ending == Ending::Reference),
            });
        }
    }

    fn forget(&mut self, now: Instant) {
        while self
            .steps
            .front()
            .is_some_and(|(since, _)| now.duration_since(*since) >= WINDOW)
        {
            self.steps.pop_front();
        }
    }

    fn sum(&self) -> Spent {
        self.steps
            .iter()
            .fold(Spent::default(), |mut sum, (_, spent)| {
                sum.add(*spent);
                sum
            })
    }

    /// Warns once when it becomes serious.
    fn tell(&mut self, app: &str) {
        let spent = self.sum();
        let used = spent.used();
        if !self.told && used >= TELL.0 {
            self.told = true;
            warn!(
                app,
                used,
                failures = spent.failures,
                operations = spent.operations,
                references = spent.references,
                "so much fails that Entra may quarantine this app's job; Entra's provisioning log and `tombolo audit list` say what"
            );
        } else if self.told && used < TELL.1 {
            self.told = false;
            info!(app, used, "less fails again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(operations: u64, failures: u64, references: u64) -> Spent {
        Spent {
            operations,
            failures,
            references,
        }
    }

    #[test]
    fn entras_own_examples() {
        // 45,000 of 145,000; 30,000 of 35,000; and neither.
        assert!(spent(145_000, 45_000, 0).is_over());
        assert!(spent(35_000, 30_000, 0).is_over());
        assert!(!spent(140_000, 40_000, 0).is_over());
        // Below the minimum everything may fail, and references alone may be many.
        assert!(!spent(4_999, 4_999, 0).is_over());
        assert!(!spent(60_000, 0, 60_000).is_over());
        assert!(spent(70_000, 1, 60_000).is_over());
        assert!(spent(12_000, 5_000, 0).is_over());
        assert!(!spent(12_500, 5_000, 0).is_over());
    }

    #[test]
    fn the_nearest_rule_says_how_much_is_used() {
        assert_eq!(spent(10, 10, 0).used(), 0, "few, though all of them");
        assert_eq!(spent(2_500, 2_500, 0).used(), 50);
        assert_eq!(spent(20_000, 4_000, 0).used(), 50, "20 of 40 %");
        assert_eq!(spent(1_000_000, 20_000, 0).used(), 50);
        assert_eq!(spent(1_000_000, 0, 30_000).used(), 50);
        assert_eq!(spent(0, 0, 0).used(), 0);
        for over in [spent(35_000, 30_000, 0), spent(70_000, 1, 60_000)] {
            assert!(over.used() >= 100, "{over}");
        }
    }

    #[test]
    fn a_day_later_it_is_forgotten() {
        let mut budget = Budget::default();
        let start = Instant::now();
        budget.count(Ending::Failed, start);
        budget.count(Ending::Good, start + STEP);
        budget.count(Ending::Reference, start + STEP * 2);
        assert_eq!(budget.sum(), spent(3, 1, 1));
        budget.count(Ending::Good, start + WINDOW);
        assert_eq!(budget.sum(), spent(3, 0, 1));
        budget.forget(start + WINDOW * 3);
        assert_eq!(budget.sum(), Spent::default());
    }

    #[test]
    fn somebody_is_told_once_on_the_way_up() {
        let mut budget = Budget::default();
        let now = Instant::now();
        for _ in 0..2_499 {
            budget.count(Ending::Failed, now);
        }
        budget.tell("hr");
        assert!(!budget.told);
        budget.count(Ending::Failed, now);
        budget.tell("hr");
        assert!(budget.told);
    }
}
