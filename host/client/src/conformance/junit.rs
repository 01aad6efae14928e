//! A report as JUnit XML, which build servers read.
//!
//! A warning is a test that passed and has something to say: JUnit knows no third word between good and bad.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use super::case::Verdict;
use super::report::{Outcome, Report};

/// The document. One suite a group of tests.
pub fn xml(report: &Report) -> Result<String, quick_junit::SerializeError> {
    let mut document = quick_junit::Report::new("tombolo conformance");
    document.set_time(std::time::Duration::from_millis(report.milliseconds));
    let mut suites: Vec<TestSuite> = Vec::new();
    for test in &report.tests {
        let (group, _) = test.id.split_once('/').unwrap_or((test.id, ""));
        let at = suites
            .iter()
            .position(|suite| suite.name.as_str() == group)
            .unwrap_or_else(|| {
                suites.push(TestSuite::new(group));
                suites.len() - 1
            });
        suites[at].add_test_case(case(test));
    }
    document.add_test_suites(suites);
    document.to_string()
}

fn case(test: &Outcome) -> TestCase {
    let mut status = match test.verdict {
        Verdict::Passed | Verdict::Warning => TestCaseStatus::success(),
        Verdict::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Skipped => TestCaseStatus::skipped(),
    };
    match test.verdict {
        Verdict::Failed => {
            let expected: Vec<_> = test
                .findings
                .iter()
                .map(|finding| finding.expected.as_str())
                .collect();
            status.set_message(expected.join("; "));
            status.set_type(test.source);
            status.set_description(test.explain());
        }
        Verdict::Skipped => {
            status.set_message(test.skipped.clone().unwrap_or_default());
        }
        Verdict::Passed | Verdict::Warning => {}
    }
    let mut case = TestCase::new(test.name, status);
    case.set_classname(test.id);
    case.set_time(std::time::Duration::from_millis(test.milliseconds));
    if test.verdict == Verdict::Warning {
        case.set_system_out(format!("warning\n{}", test.explain()));
    }
    case
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn failures_skips_and_warnings_are_told_apart() {
        let xml = xml(&report()).unwrap();
        for part in [
            "tests=\"4\"",
            "failures=\"1\"",
            "classname=\"patch/empty-clears\"",
            "`title` is absent; `nickName` is absent",
            "<skipped message=\"the server does not advertise `roles`\"",
            "<system-out>warning",
        ] {
            assert!(xml.contains(part), "{part} is not in\n{xml}");
        }
        assert!(!xml.contains('\u{1b}'), "XML has no escape character");
    }
}
