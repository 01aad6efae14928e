//! What is told of a flow: of a run, and of where it stands.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::change::Change;
use super::person::{Person, Stage};

/// How many entries that could not be used are named.
const NAMED: usize = 50;
/// How many samples a plan shows of each change.
const SAMPLES: usize = 5;

/// One run, or a plan of one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Run {
    /// Its id in the host's log.
    pub id: String,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// What was read.
    pub pass: Pass,
    /// How many entries were read.
    pub read: u64,
    /// What follows from them.
    pub counts: Counts,
    /// How many entries could not be used.
    pub unusable: u64,
    /// The first of them.
    pub wrong: Vec<Unusable>,
    /// Of a plan: some of what would be sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Sample>,
    /// How it ended.
    pub end: End,
}

/// What a run reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pass {
    /// Everything.
    Scan,
    /// What has changed since the last.
    Changes,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum End {
    /// It has not yet.
    Running,
    /// Well.
    Done,
    /// What was read is not believed; nothing of it is sent.
    Held {
        /// What is strange.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// It could not be read.
    Failed {
        /// Why.
        reason: String,
    },
}

/// How many of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// New.
    pub joiners: u64,
    /// With other values.
    pub movers: u64,
    /// Gone.
    pub leavers: u64,
    /// Back.
    pub rehires: u64,
    /// As they were.
    pub unchanged: u64,
    /// Not before their time.
    pub waiting: u64,
}

/// An entry that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unusable {
    /// Its key, or else the source's own.
    pub entry: String,
    /// Why.
    pub reason: String,
}

/// What a plan shows of one change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Whose.
    pub key: String,
    /// What.
    pub change: Change,
    /// The attributes that differ, as they were last sent.
    pub before: Map<String, Value>,
    /// As they would be sent.
    pub after: Map<String, Value>,
}

/// Where a flow stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Standing {
    /// The flow.
    pub flow: String,
    /// Where it leads to.
    pub sink: String,
    /// How many it knows.
    pub people: u64,
    /// How many of them are in.
    pub present: u64,
    /// How many changes wait for the sink.
    pub queued: u64,
    /// How many of those are leavers.
    pub leavers_queued: u64,
    /// How many the sink has taken without saying what became of them.
    pub staged: u64,
    /// How many are tried again later.
    pub failing: u64,
    /// How many a person has to look at.
    pub dead: u64,
    /// How many wait for their first day.
    pub waiting: u64,
    /// Those that failed, and why.
    pub letters: Vec<Letter>,
    /// The last run.
    pub last: Option<Run>,
    /// When everything was last read.
    pub scanned: Option<Timestamp>,
    /// Why nothing goes to the sink at present.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<String>,
}

/// What became of one that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Whose.
    pub key: String,
    /// A name by which people know it.
    pub name: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it failed.
    pub reason: String,
    /// When it is tried again; none: when somebody says so.
    pub again: Option<Timestamp>,
}

impl Run {
    pub(crate) fn new(pass: Pass) -> Self {
        Self {
            id: uuid::Uuid::now_v7().to_string(),
            began: Timestamp::now(),
            ended: None,
            pass,
            read: 0,
            counts: Counts::default(),
            unusable: 0,
            wrong: Vec::new(),
            samples: Vec::new(),
            end: End::Running,
        }
    }

    pub(crate) fn unusable(&mut self, entry: &str, reason: impl Into<String>) {
        self.unusable += 1;
        if self.wrong.len() < NAMED {
            self.wrong.push(Unusable {
                entry: entry.to_owned(),
                reason: reason.into(),
            });
        }
    }

    pub(crate) fn wants_sample(&self, change: Change) -> bool {
        let of_kind = self.samples.iter().filter(|sample| sample.change == change);
        of_kind.count() < SAMPLES
    }
}

impl Counts {
    pub(crate) fn add(&mut self, change: Change) {
        match change {
            Change::Joiner => self.joiners += 1,
            Change::Mover => self.movers += 1,
            Change::Leaver => self.leavers += 1,
            Change::Rehire => self.rehires += 1,
        }
    }

    pub(crate) fn note_unchanged(&mut self, person: Option<&Person>, now: Timestamp) {
        match person {
            Some(person) if person.present && person.aim(now).is_none() => self.waiting += 1,
            _ => self.unchanged += 1,
        }
    }

    pub(crate) fn include(&mut self, other: &Self) {
        self.joiners += other.joiners;
        self.movers += other.movers;
        self.leavers += other.leavers;
        self.rehires += other.rehires;
        self.unchanged += other.unchanged;
        self.waiting += other.waiting;
    }
}

impl Standing {
    /// Counts one person in.
    pub(crate) fn count(&mut self, key: &str, person: &Person, now: Timestamp) {
        self.people += 1;
        self.present += u64::from(person.is_in);
        let (place_free, letter) = match &person.stage {
            Stage::Staged { .. } => {
                self.staged += 1;
                (false, None)
            }
            Stage::Failing { reason, .. } => {
                self.failing += 1;
                (false, Some((reason, person.due)))
            }
            Stage::Dead { reason, .. } => {
                self.dead += 1;
                (false, Some((reason, None)))
            }
            Stage::Queued(_) => (false, None),
            Stage::Idle | Stage::Done => (true, None),
        };
        self.waiting += u64::from(place_free && person.present && person.aim(now).is_none());
        if let Some((reason, again)) = letter
            && self.letters.len() < NAMED
        {
            let name = ["userName", "displayName"].iter().find_map(|name| {
                let value = person.fact.record.attributes.get(*name)?;
                value.as_str().map(str::to_owned)
            });
            self.letters.push(Letter {
                key: key.to_owned(),
                name,
                attempts: person.attempts,
                reason: reason.clone(),
                again,
            });
        }
    }
}
