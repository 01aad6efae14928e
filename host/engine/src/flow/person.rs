//! What is known of one person: what the source last said, what the sink was given, how that went.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fact::Fact;
use super::form::Record;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Person {
    /// What the source last said.
    pub(crate) fact: Fact,
    /// Whether the source has the person, in scope.
    pub(crate) present: bool,
    /// The digest of what was last put into the queue; none: nothing was yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wanted: Option<String>,
    /// Whether that left the person in.
    #[serde(default)]
    pub(crate) is_in: bool,
    /// The sink's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sink: Option<String>,
    pub(crate) stage: Stage,
    /// How often the sink has refused it.
    #[serde(default)]
    pub(crate) attempts: u32,
    /// When to look at the person again although the source says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) due: Option<Timestamp>,
    /// When the sink last took something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sent: Option<Timestamp>,
    /// Keys that the record refers to and that the sink did not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lacks: Vec<String>,
}

/// How far what is wanted has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// Nothing is to be done.
    Idle,
    /// It stands in the queue.
    Queued(Place),
    /// The sink has taken it and not said what became of it.
    Staged {
        /// Since when.
        since: Timestamp,
    },
    /// The sink has it.
    Done,
    /// It is tried again when it is due.
    Failing {
        /// The place that it goes back to.
        place: Place,
        /// Why it failed.
        reason: String,
    },
    /// A person has to look at it.
    Dead {
        /// The place that it goes back to.
        place: Place,
        /// Why it failed.
        reason: String,
    },
}

/// A place in the queue: the lower rank goes first, then the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) rank: u64,
    pub(crate) number: u64,
}

/// Leavers' rank.
pub(crate) const LEAVERS: u64 = 0;

impl Person {
    /// What the sink shall have at this moment, and whether the person is in; none: nothing yet.
    pub(crate) fn aim(&self, now: Timestamp) -> Option<Aim> {
        let fact = &self.fact;
        let over = !self.present || fact.ends.is_some_and(|ends| ends <= now);
        if over {
            return Some(Aim::out(fact.record.left()));
        }
        if fact.begins.is_some_and(|begins| begins > now) {
            return None;
        }
        Some(Aim {
            is_in: fact.record.is_active(),
            record: fact.record.clone(),
        })
    }

    /// The next moment at which time alone changes what is to be done.
    pub(crate) fn next_date(&self, now: Timestamp) -> Option<Timestamp> {
        if !self.present {
            return None;
        }
        let dates = [self.fact.begins, self.fact.ends];
        dates.into_iter().flatten().filter(|at| *at > now).min()
    }
}

/// What the sink shall have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    pub(crate) record: Record,
    pub(crate) is_in: bool,
}

impl Aim {
    fn out(record: Record) -> Self {
        Self {
            record,
            is_in: false,
        }
    }

    /// By which two aims are told apart.
    pub(crate) fn digest(&self) -> String {
        let digest = self.record.digest();
        if self.is_in {
            digest
        } else {
            format!("-{digest}")
        }
    }
}
