//! A report as JUnit XML, which build servers read.
//!
//! A warning is a check that passed and has something to say: JUnit knows no third word between good and bad.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use crate::case::Verdict;
use crate::report::{Outcome, Report};

/// The document. One suite a group of checks.
pub fn xml(report: &Report) -> Result<String, quick_junit::SerializeError> {
    let mut document =
        quick_junit::Report::new(format!("tombolo connector test: {}", report.connector));
    document.set_time(std::time::Duration::from_millis(report.milliseconds));
    let mut suites: Vec<TestSuite> = Vec::new();
    for check in &report.checks {
        let (group, _) = check.id.split_once('/').unwrap_or((check.id, ""));
        let at = suites
            .iter()
            .position(|suite| suite.name.as_str() == group)
            .unwrap_or_else(|| {
                suites.push(TestSuite::new(group));
                suites.len() - 1
            });
        suites[at].add_test_case(case(check));
    }
    document.add_test_suites(suites);
    document.to_string()
}

fn case(check: &Outcome) -> TestCase {
    let mut status = match check.verdict {
        Verdict::Passed | Verdict::Warning => TestCaseStatus::success(),
        Verdict::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Skipped => TestCaseStatus::skipped(),
    };
    match check.verdict {
        Verdict::Failed => {
            let came: Vec<_> = check
                .findings
                .iter()
                .map(|finding| finding.came.as_str())
                .collect();
            status.set_message(came.join("; "));
            status.set_type(check.contract);
            status.set_description(check.explain());
        }
        Verdict::Skipped => {
            status.set_message(check.skipped.clone().unwrap_or_default());
        }
        Verdict::Passed | Verdict::Warning => {}
    }
    let mut case = TestCase::new(check.name, status);
    case.set_classname(check.id);
    case.set_time(std::time::Duration::from_millis(check.milliseconds));
    if check.verdict == Verdict::Warning {
        case.set_system_out(format!("warning\n{}", check.explain()));
    }
    case
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn failures_skips_and_warnings_are_told_apart() {
        let xml = xml(&report()).unwrap();
        for part in [
            "tests=\"5\"",
            "failures=\"1\"",
            "classname=\"update/put\"",
            "<skipped message=\"it does not export `delta`\"",
            "<system-out>warning",
        ] {
            assert!(xml.contains(part), "{part} is not in\n{xml}");
        }
        assert!(!xml.contains('\u{1b}'), "XML has no escape character");
    }
}
