//! How fast a target is asked: the operator's rate, and the target's own `Retry-After`.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use super::error::Error;
use crate::app::Rate;

/// The longest that a target's wish is remembered: it may be mistaken, and an operator may have repaired it.
const LONGEST_HOLD: Duration = Duration::from_mins(5);

/// The pace of one target, over all calls of its app.
pub(super) struct Pace {
    rate: Option<Bucket>,
    held: Mutex<Option<Hold>>,
}

/// The target wants to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) until: Instant,
    /// What it said: 429 or 503.
    pub(super) status: StatusCode,
}

/// The generic cell rate algorithm: one moment says how far ahead of the rate we are.
struct Bucket {
    each: Duration,
    burst: Duration,
    ahead: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        let rate = rate.map(|rate| {
            let each = rate.per / rate.requests.max(1);
            Bucket {
                each,
                burst: rate.per.saturating_sub(each),
                ahead: Mutex::new(Instant::now()),
            }
        });
        Self {
            rate,
            held: Mutex::new(None),
        }
    }

    /// Waits for a turn if there is one early enough; answers the hold that is in the way if not.
    pub(super) async fn turn(&self, deadline: Instant) -> Result<Option<Hold>, Error> {
        while let Some(hold) = self.hold(Instant::now()) {
            if !fits(hold.until, Instant::now(), deadline) {
                return Ok(Some(hold));
            }
            sleep_until(hold.until).await;
        }
        if let Some(bucket) = &self.rate {
            let turn = bucket
                .reserve(Instant::now(), deadline)
                .ok_or(Error::Busy("its `rate` leaves no turn in time"))?;
            sleep_until(turn).await;
        }
        Ok(None)
    }

    fn hold(&self, now: Instant) -> Option<Hold> {
        let mut held = self.held.lock();
        *held = held.filter(|hold| hold.until > now);
        *held
    }

    /// What the target said of when to come back, remembered for every later request to it.
    pub(super) fn heard(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        now: Instant,
    ) -> Option<Hold> {
        if !matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        ) {
            return None;
        }
        let after = retry_after(headers.get(RETRY_AFTER)?.to_str().ok()?, SystemTime::now())?;
        let until = now + after.min(LONGEST_HOLD);
        let hold = Hold { until, status };
        *self.held.lock() = Some(hold);
        Some(hold)
    }
}

/// Does waiting until then leave as much time for the request as the wait takes?
///
/// With less, a change might be sent only to be cut off in the middle.
pub(super) fn fits(until: Instant, now: Instant, deadline: Instant) -> bool {
    until.saturating_duration_since(now) * 2 <= deadline.saturating_duration_since(now)
}

impl Bucket {
    fn reserve(&self, now: Instant, deadline: Instant) -> Option<Instant> {
        let mut ahead = self.ahead.lock();
        let base = (*ahead).max(now);
        let turn = base.checked_sub(self.burst).unwrap_or(now).max(now);
        if turn >= deadline {
            return None;
        }
        *ahead = base + self.each;
        Some(turn)
    }
}

/// RFC 9110, section 10.2.3: seconds, or a date.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let date = httpdate::fmt_http_date(now + Duration::from_secs(7));
        assert_eq!(retry_after(" 120 ", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(&date, now), Some(Duration::from_secs(7)));
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now),
            Some(Duration::ZERO)
        );
        for wrong in ["", "-1", "soon", "1.5"] {
            assert_eq!(retry_after(wrong, now), None, "{wrong}");
        }
    }

    fn wants(seconds: &'static str) -> HeaderMap {
        [(RETRY_AFTER, http::HeaderValue::from_static(seconds))]
            .into_iter()
            .collect()
    }

    #[test]
    fn a_hold_is_remembered_until_it_is_over() {
        let pace = Pace::new(None);
        let now = Instant::now();
        let busy = StatusCode::TOO_MANY_REQUESTS;
        assert_eq!(pace.heard(StatusCode::OK, &wants("10"), now), None);
        assert_eq!(pace.heard(busy, &HeaderMap::new(), now), None);
        let hold = pace.heard(busy, &wants("10"), now);
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(hold.map(|hold| hold.until), Some(after(10)));
        assert_eq!(pace.hold(after(9)), hold);
        assert_eq!(pace.hold(after(10)), None);
        assert_eq!(pace.hold(after(9)), None, "what is over is forgotten");
    }

    #[tokio::test]
    async fn who_cannot_wait_is_told_at_once() {
        let pace = Pace::new(None);
        let now = Instant::now();
        let hold = pace.heard(StatusCode::SERVICE_UNAVAILABLE, &wants("3600"), now);
        assert_eq!(hold.map(|hold| hold.until), Some(now + LONGEST_HOLD));
        let deadline = now + Duration::from_secs(30);
        assert_eq!(pace.turn(deadline).await.expect("no rate"), hold);
        assert!(fits(now + Duration::from_secs(15), now, deadline));
        assert!(!fits(now + Duration::from_secs(16), now, deadline));
    }

    #[test]
    fn the_rate_allows_a_burst_and_then_one_at_a_time() {
        let now = Instant::now();
        let pace = Pace::new(Some(Rate {
            requests: 4,
            per: Duration::from_secs(2),
        }));
        let bucket = pace.rate.expect("a rate");
        *bucket.ahead.lock() = now;
        let far = now + Duration::from_secs(100);
        for expected in [0, 0, 0, 0, 500, 1000] {
            let turn = bucket.reserve(now, far).expect("a turn");
            assert_eq!((turn - now).as_millis(), expected);
        }
        assert_eq!(bucket.reserve(now, now + Duration::from_millis(1500)), None);
        assert!(
            bucket.reserve(now, far).is_some(),
            "a refusal takes no turn"
        );
    }
}
