//! When a job is put into quarantine (entra.md 4.6 and 4.7).
//!
//! At once for bad credentials and for answers that are not SCIM. Else by the cycle's failures: from 5,000 on, when more
//! than 40 % of what was tried failed, or when more than 40,000 did, references not counted; and at 60,000 in any case.
//! By the accidental-deletion threshold, when the operator set one. In quarantine there is one cycle a day, and after
//! four weeks the job is disabled.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::failure::{Failure, Weight};

/// From so many failures on, their share counts.
const EVALUATED_FROM: u64 = 5_000;
/// The share, in percent.
const SHARE: u64 = 40;
/// So many are too many, whatever their share.
const TOO_MANY: u64 = 40_000;
/// So many are too many, references included.
const TOO_MANY_WITH_REFERENCES: u64 = 60_000;
/// Between two cycles of a quarantined job.
pub(crate) const GAP: SignedDuration = SignedDuration::from_hours(24);
/// So long a job may stay there.
const DISABLED_AFTER: SignedDuration = SignedDuration::from_hours(28 * 24);

/// Entra's reason codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReasonCode {
    /// Credentials, answers that are not SCIM, accidental deletions.
    EncounteredQuarantineException,
    /// Too many failures.
    EncounteredEscrowProportionThreshold,
    /// On-demand provisioning met what stops a job.
    QuarantineOnDemand,
}

/// A quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantine {
    /// Entra's code.
    pub code: ReasonCode,
    /// What happened.
    pub reason: String,
    /// Since when; a job that goes from one reason to another stays since the first.
    pub since: Timestamp,
}

impl Quarantine {
    /// Whether the job is disabled by now.
    pub fn disables(&self, now: Timestamp) -> bool {
        now.duration_since(self.since) > DISABLED_AFTER
    }
}

/// One cycle's successes and failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    tried: u64,
    failed: u64,
    references: u64,
}

impl Tally {
    /// Counts one object, and says why the job has to stop, if it has to.
    pub(crate) fn add(&mut self, failure: Option<&Failure>) -> Option<(ReasonCode, String)> {
        self.tried += 1;
        match failure {
            None => return None,
            Some(failure) => match failure.weight {
                Weight::Job => {
                    let reason = format!("{}: {}", failure.code.name(), failure.reason);
                    return Some((ReasonCode::EncounteredQuarantineException, reason));
                }
                Weight::Object => self.failed += 1,
                Weight::Reference => self.references += 1,
            },
        }
        if self.failed + self.references >= TOO_MANY_WITH_REFERENCES {
            let reason = format!(
                "{} failures, references included",
                self.failed + self.references
            );
            return Some((ReasonCode::EncounteredEscrowProportionThreshold, reason));
        }
        let too_many = self.failed > TOO_MANY;
        let too_large = self.failed >= EVALUATED_FROM && self.failed * 100 > self.tried * SHARE;
        (too_many || too_large).then(|| {
            let reason = format!("{} of {} objects failed", self.failed, self.tried);
            (ReasonCode::EncounteredEscrowProportionThreshold, reason)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::failure::ErrorCode;

    fn failure(code: ErrorCode) -> Failure {
        Failure::new(code, "no")
    }

    /// How many were tried when the job stopped, of `total` in which every `nth` fails.
    fn stops_at(total: u64, nth: u64, failure: &Failure) -> Option<u64> {
        let mut tally = Tally::default();
        (1..=total).find(|n| {
            tally
                .add(n.is_multiple_of(nth).then_some(failure))
                .is_some()
        })
    }

    #[test]
    fn bad_credentials_stop_the_job_at_once() {
        let unauthorized = failure(ErrorCode::Unauthorized);
        assert_eq!(stops_at(10, 1, &unauthorized), Some(1));
        let incompatible = failure(ErrorCode::ServiceIncompatible);
        assert_eq!(stops_at(10, 1, &incompatible), None, "one object");
        assert_eq!(
            stops_at(10, 1, &incompatible.of_the_job()),
            Some(1),
            "the job"
        );
    }

    #[test]
    fn failures_count_from_five_thousand_on_and_by_their_share() {
        let error = failure(ErrorCode::InternalServerError);
        assert_eq!(stops_at(4_999, 1, &error), None);
        assert_eq!(stops_at(6_000, 1, &error), Some(5_000));
        assert_eq!(
            stops_at(20_000, 2, &error),
            Some(10_000),
            "50 % is too much"
        );
        assert_eq!(stops_at(120_000, 3, &error), None, "33 % is not");
        assert_eq!(
            stops_at(130_000, 3, &error),
            Some(3 * 40_001),
            "but 40,001 are"
        );
    }

    #[test]
    fn references_count_towards_the_absolute_limit_only() {
        let reference = failure(ErrorCode::ReferenceNotResolved);
        assert_eq!(stops_at(59_999, 1, &reference), None);
        assert_eq!(stops_at(70_000, 1, &reference), Some(60_000));
    }

    #[test]
    fn four_weeks_disable_the_job() {
        let quarantine = Quarantine {
            code: ReasonCode::EncounteredQuarantineException,
            reason: String::new(),
            since: Timestamp::UNIX_EPOCH,
        };
        let after = |days: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_hours(days * 24);
        assert!(!quarantine.disables(after(28)));
        assert!(quarantine.disables(after(29)));
    }
}
