//! What came of a run: for people as text, for programs as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::case::{Case, Finding, Level, Verdict};
use crate::stage::Leftover;

/// A whole run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The connector's name.
    pub connector: String,
    /// Its own version.
    pub version: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// The kit's version.
    pub kit: &'static str,
    /// What the names of the run's objects begin with.
    pub prefix: String,
    /// How many checks came to what.
    pub counts: Counts,
    /// Whether faults were put into host calls.
    pub chaos: bool,
    /// The seed of what was random.
    pub seed: u64,
    /// Was it stopped before its end?
    pub interrupted: bool,
    /// How long it took.
    pub milliseconds: u64,
    /// Every check.
    pub checks: Vec<Outcome>,
    /// Time and memory.
    pub figures: Figures,
    /// What could not be deleted.
    pub leftovers: Vec<Leftover>,
}

/// How many checks came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// As it should be.
    pub passed: usize,
    /// Mandatory, and not so.
    pub failed: usize,
    /// Optional, and not so.
    pub warnings: usize,
    /// Not played: not offered, or nothing to play it with; never a pass.
    pub skipped: usize,
}

/// Time and memory, as measured on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Bytes of the file.
    pub size: usize,
    /// Processor time of a call on a new instance.
    pub fresh_microseconds: u128,
    /// Processor time of a call on a kept instance.
    pub warm_microseconds: u128,
    /// The most linear memory one instance held.
    pub memory_bytes: u64,
    /// Wall-clock time of the calls that succeeded, by operation.
    pub operations: BTreeMap<&'static str, Timing>,
}

/// How long calls took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// How many.
    pub calls: usize,
    /// Half of them took at most so long.
    pub median_microseconds: u128,
    /// 99 of a hundred took at most so long.
    pub p99_microseconds: u128,
}

impl Timing {
    pub(crate) fn of(times: &mut [Duration]) -> Self {
        times.sort();
        let at = |share: usize| {
            let index = (times.len() * share / 100).min(times.len().saturating_sub(1));
            times.get(index).map_or(0, Duration::as_micros)
        };
        Self {
            calls: times.len(),
            median_microseconds: at(50),
            p99_microseconds: at(99),
        }
    }
}

/// One check of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The check's id.
    pub id: &'static str,
    /// What must be so.
    pub name: &'static str,
    /// How much it weighs.
    pub level: Level,
    /// Who says so.
    pub contract: &'static str,
    /// How to put it right.
    pub mend: &'static str,
    /// What it came to.
    pub verdict: Verdict,
    /// What is not as it should be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What is worth knowing and is no fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why it was not played.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// How many calls it took.
    pub calls: usize,
    /// How long it took.
    pub milliseconds: u64,
}

impl Outcome {
    pub(crate) fn of(case: &'static Case, verdict: Verdict) -> Self {
        Self {
            id: case.id,
            name: case.name,
            level: case.level,
            contract: case.contract,
            mend: case.mend,
            verdict,
            findings: Vec::new(),
            notes: Vec::new(),
            skipped: None,
            calls: 0,
            milliseconds: 0,
        }
    }

    pub(crate) fn skipped(case: &'static Case, why: impl Into<String>) -> Self {
        Self {
            skipped: Some(why.into()),
            ..Self::of(case, Verdict::Skipped)
        }
    }

    pub(crate) fn failed(case: &'static Case, finding: Finding) -> Self {
        Self {
            findings: vec![finding],
            ..Self::of(case, Verdict::Failed)
        }
    }

    /// Everything that is to be said of it: a paragraph a finding, then who demands it and how to mend it.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            line(&mut text, "asked", &finding.asked);
            line(&mut text, "expected", &finding.expected);
            line(&mut text, "came", &finding.came);
        }
        for note in &self.notes {
            line(&mut text, "note", note);
        }
        match &self.skipped {
            Some(why) => line(&mut text, "skipped", why),
            None => {
                line(&mut text, "contract", self.contract);
                line(&mut text, "mend", self.mend);
            }
        }
        text
    }
}

impl Report {
    /// Whether every check that was played and is mandatory passed, and one was.
    pub fn is_good(&self) -> bool {
        self.counts.failed == 0
            && self.counts.passed > 0
            && !self.interrupted
            && self.leftovers.is_empty()
    }

    /// One line.
    pub fn summary(&self) -> String {
        let Counts {
            passed,
            failed,
            warnings,
            skipped,
        } = self.counts;
        let mut text =
            format!("{passed} passed, {failed} failed, {warnings} warnings, {skipped} not offered");
        if self.chaos {
            text.push_str(self.chaos_word());
        }
        if self.interrupted {
            text.push_str("; interrupted");
        }
        text
    }

    fn chaos_word(&self) -> &'static str {
        let came = |verdict| {
            let mut chaos = self
                .checks
                .iter()
                .filter(|check| check.id.starts_with("chaos/"));
            chaos.any(|check| check.verdict == verdict)
        };
        if came(Verdict::Failed) {
            ", chaos failed"
        } else if came(Verdict::Passed) {
            ", chaos ok"
        } else {
            ", no chaos possible"
        }
    }

    pub(crate) fn count(&mut self) {
        let mut counts = Counts::default();
        for check in &self.checks {
            match check.verdict {
                Verdict::Passed => counts.passed += 1,
                Verdict::Failed => counts.failed += 1,
                Verdict::Warning => counts.warnings += 1,
                Verdict::Skipped => counts.skipped += 1,
            }
        }
        self.counts = counts;
    }
}

fn line(text: &mut String, head: &str, body: &str) {
    let _ = writeln!(text, "  {head:<10}{body}");
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::cases;

    pub(crate) fn report() -> Report {
        let case = |id: &str| cases().find(|case| case.id == id).unwrap();
        let finding = Finding {
            asked: "update user 7: put title=\"x\u{1b}\"".to_owned(),
            expected: "title is \"x\"".to_owned(),
            came: "title is nothing".to_owned(),
        };
        let mut report = Report {
            connector: "csv".to_owned(),
            version: "1.0.0".to_owned(),
            sha256: "ab".repeat(32),
            kit: "1.0",
            prefix: "kit-1a2b3c4d".to_owned(),
            counts: Counts::default(),
            chaos: true,
            seed: 7,
            interrupted: false,
            milliseconds: 48,
            checks: vec![
                Outcome::of(case("read/get"), Verdict::Passed),
                Outcome::failed(case("update/put"), finding.clone()),
                Outcome {
                    findings: vec![finding],
                    ..Outcome::of(case("create/missing"), Verdict::Warning)
                },
                Outcome::skipped(case("delta/now"), "it does not export `delta`"),
                Outcome::of(case("chaos/read"), Verdict::Passed),
            ],
            figures: Figures::default(),
            leftovers: Vec::new(),
        };
        report.count();
        report
    }

    #[test]
    fn a_failure_says_what_was_asked_what_came_who_wants_it_and_how_to_mend_it() {
        let text = report().checks[1].explain();
        for part in [
            "asked     update user 7",
            "expected",
            "came      title is nothing",
            "contract  wit/exports.wit",
            "mend",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn a_run_is_good_without_failures_and_leavings_and_with_a_pass() {
        let mut report = report();
        assert!(!report.is_good());
        report.counts.failed = 0;
        assert!(report.is_good());
        report.counts.passed = 0;
        assert!(!report.is_good(), "skips are no passes");
    }

    #[test]
    fn timings_are_of_all_calls() {
        let mut times: Vec<_> = (1..=100).rev().map(Duration::from_micros).collect();
        let timing = Timing::of(&mut times);
        assert_eq!(
            (
                timing.calls,
                timing.median_microseconds,
                timing.p99_microseconds
            ),
            (100, 51, 100)
        );
        assert_eq!(Timing::of(&mut []), Timing::default());
    }
}
