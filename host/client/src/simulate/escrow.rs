//! Objects that failed, and when they are tried again (entra.md 4.6).
//!
//! The next cycle tries once; then 6, 12 and 24 hours after the first failure, then daily; 28 days after the first
//! failure the entry is dropped. A change of the object in the source is always tried at once.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// After so long nobody tries any more.
const GIVEN_UP: SignedDuration = SignedDuration::from_hours(28 * 24);

/// What can fail on its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "what", content = "id", rename_all = "camelCase")]
pub enum Entry {
    /// A user and its attributes.
    User(String),
    /// A user's manager.
    Manager(String),
    /// A group and its name.
    Group(String),
    /// A group's members.
    Members(String),
}

impl Entry {
    /// The object's id in the source.
    pub fn id(&self) -> &str {
        let (Self::User(id) | Self::Manager(id) | Self::Group(id) | Self::Members(id)) = self;
        id
    }

    /// One word for it, in logs and reports.
    pub fn what(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Manager(_) => "manager of user",
            Self::Group(_) => "group",
            Self::Members(_) => "members of group",
        }
    }
}

/// An entry in escrow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// What failed.
    pub entry: Entry,
    /// When it failed first.
    pub since: Timestamp,
    /// How often it failed.
    pub failures: u32,
    /// Not tried before.
    pub next: Timestamp,
    /// The last failure.
    pub last: Failure,
}

/// Everything that failed and is not given up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escrow(Vec<Case>);

impl Escrow {
    /// What is there.
    pub fn cases(&self) -> &[Case] {
        &self.0
    }

    pub(crate) fn get(&self, entry: &Entry) -> Option<&Case> {
        self.at(entry).ok().map(|at| &self.0[at])
    }

    /// Whether it is there, and its time has not come.
    pub(crate) fn waits(&self, entry: &Entry, now: Timestamp) -> bool {
        self.get(entry).is_some_and(|case| case.next > now)
    }

    /// What is to be tried again now.
    pub(crate) fn due(&self, now: Timestamp) -> impl Iterator<Item = &Entry> {
        self.0
            .iter()
            .filter(move |case| case.next <= now)
            .map(|case| &case.entry)
    }

    /// It failed, for the first time or again.
    pub(crate) fn failed(&mut self, entry: Entry, now: Timestamp, failure: Failure) {
        match self.at(&entry) {
            Ok(at) => {
                let case = &mut self.0[at];
                case.failures += 1;
                case.next = next(case.since, case.failures, now);
                case.last = failure;
            }
            Err(at) => {
                let case = Case {
                    entry,
                    since: now,
                    failures: 1,
                    next: next(now, 1, now),
                    last: failure,
                };
                self.0.insert(at, case);
            }
        }
    }

    /// It worked, or there is nothing to do any more.
    pub(crate) fn settled(&mut self, entry: &Entry) {
        if let Ok(at) = self.at(entry) {
            self.0.remove(at);
        }
    }

    /// Drops what has failed for too long, and says what.
    pub(crate) fn drop_old(&mut self, now: Timestamp) -> Vec<Case> {
        let (old, kept) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|case| now.duration_since(case.since) > GIVEN_UP);
        self.0 = kept;
        old
    }

    fn at(&self, entry: &Entry) -> Result<usize, usize> {
        self.0.binary_search_by(|case| case.entry.cmp(entry))
    }
}

/// When an entry is tried after its `failures`-th failure at `now`.
fn next(since: Timestamp, failures: u32, now: Timestamp) -> Timestamp {
    let hours = match failures {
        // Whenever the next cycle comes.
        0 | 1 => return now,
        2 => 6,
        3 => 12,
        _ => i64::from(failures - 3) * 24,
    };
    since
        .saturating_add(SignedDuration::from_hours(hours))
        .map_or(now, |at| at.max(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::failure::ErrorCode;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    fn fail(escrow: &mut Escrow, minutes: i64) {
        let failure = Failure::new(ErrorCode::InternalServerError, "no");
        escrow.failed(Entry::User("7".to_owned()), at(minutes), failure);
    }

    /// Cycles come every 40 minutes; the object always fails. In which minutes is it tried?
    fn attempts(days: i64) -> (Vec<i64>, bool) {
        let mut escrow = Escrow::default();
        let mut tried = vec![0];
        fail(&mut escrow, 0);
        let mut dropped = false;
        for cycle in 1..=(days * 36) {
            let now = cycle * 40;
            dropped |= !escrow.drop_old(at(now)).is_empty();
            if escrow.due(at(now)).next().is_some() {
                tried.push(now);
                fail(&mut escrow, now);
            }
        }
        (tried, dropped)
    }

    #[test]
    fn the_gaps_grow_to_a_day_and_after_28_days_it_is_given_up() {
        let (tried, dropped) = attempts(40);
        let hours: Vec<i64> = tried.iter().map(|minutes| minutes / 60).collect();
        assert_eq!(hours[..7], [0, 0, 6, 12, 24, 48, 72]);
        assert_eq!(tried[1], 40, "the next cycle");
        assert!(hours.windows(2).skip(4).all(|pair| pair[1] - pair[0] == 24));
        assert_eq!(hours.last(), Some(&(28 * 24)));
        assert!(dropped);
    }

    #[test]
    fn what_worked_is_forgotten_and_what_waits_is_left_alone() {
        let mut escrow = Escrow::default();
        let entry = Entry::User("7".to_owned());
        fail(&mut escrow, 0);
        fail(&mut escrow, 40);
        assert!(escrow.waits(&entry, at(80)));
        assert_eq!(escrow.due(at(80)).count(), 0);
        assert!(!escrow.waits(&entry, at(6 * 60)));
        assert_eq!(escrow.get(&entry).map(|case| case.failures), Some(2));
        escrow.settled(&entry);
        assert!(escrow.cases().is_empty());
    }
}
