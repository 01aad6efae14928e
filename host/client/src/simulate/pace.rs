//! How fast requests go out: so many a second, and not before the target wants to hear from us again.
//!
//! Both are one thing, the moment of the next request, which is why no rate limiter of a library is used.

use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// The moment of the next request. Waiting for one's turn keeps the order.
#[derive(Debug)]
pub(crate) struct Pace {
    gap: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    /// `rate` requests a second; as they come if there is none.
    pub(crate) fn new(rate: Option<f64>) -> Self {
        let gap = rate
            .filter(|rate| *rate > 0.0)
            .map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate));
        Self {
            gap,
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits for one's turn.
    pub(crate) async fn turn(&self) {
        let at = {
            let mut next = self.next.lock().await;
            let at = (*next).max(Instant::now());
            *next = at + self.gap;
            at
        };
        if at > Instant::now() {
            sleep_until(at).await;
        }
    }

    /// Nobody's turn comes before `pause` is over: `Retry-After` is about the target, not about one request.
    pub(crate) async fn hold(&self, pause: Duration) {
        let mut next = self.next.lock().await;
        *next = (*next).max(Instant::now() + pause);
    }
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_kept_and_a_hold_is_for_everybody() {
        let began = Instant::now();
        let pace = Pace::new(Some(10.0));
        for _ in 0..11 {
            pace.turn().await;
        }
        assert_eq!(began.elapsed().as_millis(), 1000);
        pace.hold(Duration::from_secs(7)).await;
        pace.turn().await;
        assert_eq!(began.elapsed().as_millis(), 8000);
        let free = Pace::new(None);
        let began = Instant::now();
        for _ in 0..1000 {
            free.turn().await;
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_mins(2)));
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:50:07 GMT", now),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after("soon", now), None);
    }
}
