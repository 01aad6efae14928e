//! The state of a provisioning job, as far as it tells what became of staged records.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::clock::after;
use crate::wire::line;

/// What a job does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It runs, cycle after cycle.
    Runs,
    /// Somebody has to start it.
    NotStarted,
    /// Somebody paused it.
    Paused,
    /// It runs once a day at most until its reason is gone.
    Quarantined(String),
    /// Nobody told us: the application may not read jobs.
    Unknown,
}

/// What is known of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobState {
    /// What it does.
    pub health: Health,
    /// When its last cycle that has ended began, and ended.
    pub last: Option<(Timestamp, Timestamp)>,
}

impl JobState {
    /// Nothing is known.
    pub const UNKNOWN: Self = Self {
        health: Health::Unknown,
        last: None,
    };

    /// What to tell whoever waits for outcomes.
    pub fn hint(&self) -> Option<String> {
        match &self.health {
            Health::Runs | Health::Unknown => None,
            Health::NotStarted => Some(
                "the provisioning job has not been started: start it in the Entra admin center"
                    .to_owned(),
            ),
            Health::Paused => Some(
                "the provisioning job is paused: start it in the Entra admin center".to_owned(),
            ),
            Health::Quarantined(why) => Some(format!(
                "the provisioning job is in quarantine and runs once a day at most: {why}; repair the cause, and check that the job has a notification e-mail address"
            )),
        }
    }
}

/// The cycles that have been seen to end. A job tells of its last one only, and where cycles come faster than the log
/// shows rows, the rows of the last one are never visible yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Cycles(Vec<(Timestamp, Timestamp)>);

impl Cycles {
    /// Adds the last one; of all, answers the newest whose rows can be seen, after which no older one matters.
    pub(super) fn visible(
        &mut self,
        last: Option<(Timestamp, Timestamp)>,
        now: Timestamp,
        lag: Duration,
    ) -> Option<(Timestamp, Timestamp)> {
        if let Some(last) = last.filter(|last| !self.0.contains(last)) {
            self.0.push(last);
        }
        let is_visible = |(_, ended): &(Timestamp, Timestamp)| after(*ended, lag) < now;
        let newest = self.0.iter().copied().filter(is_visible).max();
        self.0
            .retain(|cycle| newest.is_none_or(|newest| *cycle >= newest));
        newest
    }
}

/// A `synchronizationJob`.
pub(super) fn read(job: &Value) -> JobState {
    let status = &job["status"];
    let quarantine = &status["quarantine"];
    let health = match status["code"].as_str().unwrap_or_default() {
        code if code.eq_ignore_ascii_case("Quarantine") => {
            let why = [&quarantine["error"]["message"], &quarantine["reason"]]
                .into_iter()
                .find_map(Value::as_str)
                .map_or_else(|| "no reason given".to_owned(), line);
            Health::Quarantined(why)
        }
        code if code.eq_ignore_ascii_case("Paused") => Health::Paused,
        "NotRun" | "NotConfigured" => Health::NotStarted,
        "Active" | "InProgress" => Health::Runs,
        _ => Health::Unknown,
    };
    let last = &status["lastExecution"];
    let time = |name: &str| last[name].as_str()?.parse::<Timestamp>().ok();
    JobState {
        health,
        last: time("timeBegan").zip(time("timeEnded")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::outcomes::row::tests::any_json;

    #[test]
    fn what_keeps_a_job_from_running_is_told() {
        let job = json!({"status": {
            "code": "Quarantine",
            "quarantine": {"reason": "EncounteredBaseEscrowThreshold"},
        }});
        let hint = read(&job).hint().unwrap();
        assert!(hint.contains("EncounteredBaseEscrowThreshold"), "{hint}");
        assert!(
            read(&json!({"status": {"code": "Active"}}))
                .hint()
                .is_none()
        );
        assert!(
            read(&json!({"status": {"code": "NotRun"}}))
                .hint()
                .is_some()
        );
    }

    #[test]
    fn a_cycle_becomes_visible_although_others_follow_faster_than_the_log() {
        let at = |second: i64| Timestamp::from_second(1_790_000_000 + second).unwrap();
        let (mut cycles, lag) = (Cycles::default(), Duration::from_secs(3));
        let mut shown = None;
        for second in 0..10 {
            shown = cycles.visible(Some((at(second - 1), at(second))), at(second), lag);
        }
        assert_eq!(shown, Some((at(4), at(5))));
        assert!(cycles.0.len() <= 5, "{cycles:?}");
    }

    proptest! {
        #[test]
        fn any_json_is_a_state(job in any_json()) {
            let _ = read(&job).hint();
        }
    }
}
