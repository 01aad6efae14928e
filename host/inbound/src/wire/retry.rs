//! When to ask again: as the service says, and otherwise later and later, by chance.

use std::time::{Duration, SystemTime};

use rand::RngExt as _;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// How often something is tried, and how long is waited in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Tries in all.
    pub attempts: u32,
    /// The first wait, which doubles.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// The longest `Retry-After` that is waited for; beyond it the caller is told when to come back.
    pub patience: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            attempts: 6,
            first: Duration::from_secs(1),
            longest: Duration::from_mins(1),
            patience: Duration::from_mins(2),
        }
    }
}

impl Backoff {
    /// How long to wait after this many failures: between half and the whole of what has doubled so far, so that hosts
    /// that failed together do not come back together.
    pub(crate) fn wait(&self, failures: u32) -> Duration {
        let doubled = self
            .first
            .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)))
            .min(self.longest);
        doubled.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

/// RFC 9110, section 10.2.3: seconds, or a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().unwrap());
        retry_after(&headers)
    }

    #[test]
    fn seconds_and_dates_are_understood() {
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(after("soon"), None);
        assert_eq!(after("-3"), None);
    }

    proptest! {
        #[test]
        fn a_wait_doubles_by_chance_and_has_an_end(failures in 1..100_u32) {
            let backoff = Backoff::default();
            let wait = backoff.wait(failures);
            prop_assert!(wait >= backoff.first / 2);
            prop_assert!(wait <= backoff.longest);
        }

        #[test]
        fn any_text_is_read_without_harm(text in "[ -~]{0,40}") {
            let _ = after(&text);
        }
    }
}
