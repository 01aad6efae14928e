//! What came of a run: for people as text, for programs as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::case::{Case, Exchange, Finding, Level, Verdict};
use super::ledger::Leftover;
use super::play::Stage;

/// A whole run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The server's base URL.
    pub url: String,
    /// What the names of the run's objects begin with.
    pub prefix: String,
    /// How many tests came to what.
    pub counts: Counts,
    /// Was it stopped before its end?
    pub interrupted: bool,
    /// How long it took.
    pub milliseconds: u64,
    /// Every test.
    pub tests: Vec<Outcome>,
    /// What could not be deleted.
    pub leftovers: Vec<Leftover>,
}

/// How many tests came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// As it should be.
    pub passed: usize,
    /// Mandatory, and not so.
    pub failed: usize,
    /// Optional, and not so.
    pub warnings: usize,
    /// Not played; never a pass.
    pub skipped: usize,
}

/// One test of a run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The test's id.
    pub id: &'static str,
    /// What must be so.
    pub name: &'static str,
    /// Who says so.
    pub source: &'static str,
    /// How much it weighs.
    pub level: Level,
    /// What would happen in Entra.
    pub entra: &'static str,
    /// What it came to.
    pub verdict: Verdict,
    /// What is not as it should be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Why it was not played.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// How many requests it took.
    pub requests: usize,
    /// How long it took.
    pub milliseconds: u64,
}

impl Outcome {
    pub(super) fn new(
        case: &'static Case,
        verdict: Verdict,
        findings: Vec<Finding>,
        skipped: Option<String>,
        requests: usize,
        took: Duration,
    ) -> Self {
        Self {
            id: case.id,
            name: case.name,
            source: case.source,
            level: case.level,
            entra: case.entra,
            verdict,
            findings,
            skipped,
            requests,
            milliseconds: milliseconds(took),
        }
    }

    pub(super) fn skipped(case: &'static Case, why: &str) -> Self {
        let why = Some(why.to_owned());
        Self::new(case, Verdict::Skipped, Vec::new(), why, 0, Duration::ZERO)
    }

    /// Everything that is to be said of it: a paragraph a finding, then who demands it and what Entra would do.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        for (n, finding) in self.findings.iter().enumerate() {
            line(&mut text, "expected", &finding.expected);
            line(&mut text, "found", &finding.found);
            // Of several findings about one exchange, the exchange is shown once.
            let again = n > 0
                && same(
                    self.findings[n - 1].exchange.as_ref(),
                    finding.exchange.as_ref(),
                );
            if let (Some(exchange), false) = (&finding.exchange, again) {
                if let Some(write) = &finding.after {
                    line(
                        &mut text,
                        "after",
                        &format!("{} → {}", write.request(), write.status_word()),
                    );
                }
                line(&mut text, "request", &exchange.request());
                line(&mut text, "answer", &exchange.reply());
            }
        }
        if let Some(why) = &self.skipped {
            line(&mut text, "skipped", why);
        } else {
            line(&mut text, "demanded by", self.source);
            line(&mut text, "in Entra", self.entra);
        }
        text
    }
}

impl Report {
    pub(super) fn new(
        stage: &Stage<'_>,
        tests: Vec<Outcome>,
        leftovers: Vec<Leftover>,
        interrupted: bool,
        took: Duration,
    ) -> Self {
        let mut counts = Counts::default();
        for test in &tests {
            match test.verdict {
                Verdict::Passed => counts.passed += 1,
                Verdict::Failed => counts.failed += 1,
                Verdict::Warning => counts.warnings += 1,
                Verdict::Skipped => counts.skipped += 1,
            }
        }
        Self {
            url: stage.endpoint.base().to_owned(),
            prefix: stage.sampler.prefix(),
            counts,
            interrupted,
            milliseconds: milliseconds(took),
            tests,
            leftovers,
        }
    }

    /// Whether every test that was played and is mandatory passed, and one was.
    pub fn is_good(&self) -> bool {
        self.counts.failed == 0 && self.counts.passed > 0 && !self.interrupted
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
            format!("{passed} passed, {failed} failed, {warnings} warnings, {skipped} skipped");
        if self.interrupted {
            text.push_str("; interrupted");
        }
        text
    }
}

impl Exchange {
    /// The request in one line.
    pub fn request(&self) -> String {
        let mut text = format!("{} {}", self.method, self.path);
        if !self.sent.is_null() {
            let _ = write!(text, " {}", self.sent);
        }
        text
    }

    fn status_word(&self) -> String {
        self.status
            .map_or_else(|| "no answer".to_owned(), |status| status.to_string())
    }

    /// The answer in one line.
    pub fn reply(&self) -> String {
        match self.status {
            Some(status) => format!("{status} {}", self.answer.trim())
                .trim_end()
                .to_owned(),
            None => self.answer.clone(),
        }
    }
}

fn same(one: Option<&Exchange>, two: Option<&Exchange>) -> bool {
    match (one, two) {
        (Some(one), Some(two)) => one.request() == two.request() && one.reply() == two.reply(),
        _ => false,
    }
}

fn line(text: &mut String, head: &str, body: &str) {
    let _ = writeln!(text, "  {head:<12}{body}");
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::conformance::all;

    pub(in crate::conformance) fn report() -> Report {
        let case = |id: &str| *all().iter().find(|case| case.id == id).unwrap();
        let finding = |expected: &str| Finding {
            expected: expected.to_owned(),
            found: "it is \"Lead\"".to_owned(),
            after: None,
            exchange: Some(Exchange {
                method: "PATCH".to_owned(),
                path: "/Users/1".to_owned(),
                sent: json!({ "Operations": [] }),
                status: Some(200),
                answer: "{\"title\": \"Lead\u{1b}\"}".to_owned(),
            }),
        };
        let took = Duration::from_millis(12);
        Report {
            url: "https://scim.example.com".to_owned(),
            prefix: "tombolo-conformance-1a2b3c4d".to_owned(),
            counts: Counts {
                passed: 1,
                failed: 1,
                warnings: 1,
                skipped: 1,
            },
            interrupted: false,
            milliseconds: 48,
            tests: vec![
                Outcome::new(
                    case("query/probe"),
                    Verdict::Passed,
                    Vec::new(),
                    None,
                    2,
                    took,
                ),
                Outcome::new(
                    case("patch/empty-clears"),
                    Verdict::Failed,
                    vec![
                        finding("`title` is absent"),
                        finding("`nickName` is absent"),
                    ],
                    None,
                    4,
                    took,
                ),
                Outcome::new(
                    case("query/placeholder"),
                    Verdict::Warning,
                    vec![finding("status 200")],
                    None,
                    1,
                    took,
                ),
                Outcome::skipped(
                    case("roles/primary"),
                    "the server does not advertise `roles`",
                ),
            ],
            leftovers: Vec::new(),
        }
    }

    #[test]
    fn a_failure_says_what_was_sent_what_came_who_wants_it_and_what_entra_does() {
        let text = report().tests[1].explain();
        for part in [
            "`title` is absent",
            "PATCH /Users/1 {\"Operations\":[]}",
            "200 {\"title\"",
            "Entra gallery test 16",
            "in Entra",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert_eq!(
            text.matches("PATCH").count(),
            1,
            "one exchange, shown once:\n{text}"
        );
    }

    #[test]
    fn a_run_is_good_without_failures_and_with_a_pass() {
        let mut report = report();
        assert!(!report.is_good());
        report.counts.failed = 0;
        assert!(report.is_good());
        report.counts.passed = 0;
        assert!(!report.is_good(), "skips are no passes");
    }

    #[test]
    fn json_has_the_facts() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["tests"][1]["verdict"], "failed");
        assert_eq!(json["tests"][1]["findings"][0]["exchange"]["status"], 200);
        assert_eq!(
            json["tests"][3]["skipped"],
            "the server does not advertise `roles`"
        );
        assert_eq!(json["counts"]["warnings"], 1);
    }
}
