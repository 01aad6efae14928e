//! Sources that fail to sign in too often.
//!
//! Only failures count, and only failures are answered otherwise: 429 instead of a reason. A valid credential from a
//! locked source is let in, on purpose. Entra's provisioning service sends every customer's requests from the same
//! addresses, and a proxy gives all its clients one: if a lock held up valid credentials, anybody with a tenant of his
//! own could lock out everybody else's. What is guessed at here has 256 random bits, so there is nothing to slow
//! down; what it does is to tell a client that goes on and on to stop, and to tell nobody any more what was wrong.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::pace::{Pace, Spent};

/// Twenty failures at once, and four a minute.
const PACE: Pace = Pace {
    burst: 20,
    every: Duration::from_secs(15),
};
/// More sources are not remembered at a time. Those with the fewest failures are forgotten first.
const SOURCES: usize = 4096;

/// Who failed lately, and how often.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<IpAddr, Spent>>);

impl Failures {
    /// The source has failed. Says how long it is locked, if it was locked already.
    pub(super) fn count(&self, source: IpAddr, now: Instant) -> Option<Duration> {
        let mut failures = self.0.lock();
        let source = network(source);
        if !failures.contains_key(&source) && failures.len() >= SOURCES {
            failures.retain(|_, spent| !spent.is_nothing(now));
            if failures.len() >= SOURCES
                && let Some(least) = failures
                    .iter()
                    .min_by_key(|(_, spent)| **spent)
                    .map(|(source, _)| *source)
            {
                failures.remove(&least);
            }
        }
        let spent = failures
            .entry(source)
            .or_insert_with(|| Spent::nothing(now));
        let locked = PACE.wait(*spent, now);
        *spent = PACE.spend(*spent, now);
        // Told after counting: this failure made the wait longer.
        locked.and_then(|_| PACE.wait(*spent, now))
    }
}

/// One subscriber has a whole IPv6 network of 64 bits: its addresses are one source.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(
            address.to_bits() & !u128::from(u64::MAX),
        )),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_locked_after_twenty_failures_and_another_is_not() {
        let (failures, now) = (Failures::default(), Instant::now());
        let source: IpAddr = "203.0.113.7".parse().unwrap();
        for _ in 0..20 {
            assert_eq!(failures.count(source, now), None);
        }
        assert!(failures.count(source, now).is_some());
        assert_eq!(failures.count("203.0.113.8".parse().unwrap(), now), None);
        let later = now + Duration::from_mins(10);
        assert_eq!(failures.count(source, later), None);
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source_and_mapped_ones_are_ipv4() {
        let (failures, now) = (Failures::default(), Instant::now());
        for n in 0..20 {
            failures.count(format!("2001:db8::{n:x}").parse().unwrap(), now);
            failures.count("::ffff:203.0.113.7".parse().unwrap(), now);
        }
        assert!(
            failures
                .count("2001:db8::ffff".parse().unwrap(), now)
                .is_some()
        );
        assert!(
            failures
                .count("203.0.113.7".parse().unwrap(), now)
                .is_some()
        );
        assert!(
            failures
                .count("2001:db8:0:1::1".parse().unwrap(), now)
                .is_none()
        );
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_worst_source_stays() {
        let (failures, now) = (Failures::default(), Instant::now());
        let worst: IpAddr = "198.51.100.1".parse().unwrap();
        for _ in 0..30 {
            failures.count(worst, now);
        }
        for n in 0..10_000_u32 {
            failures.count(IpAddr::V4(n.into()), now);
        }
        assert!(failures.0.lock().len() <= SOURCES);
        assert!(failures.count(worst, now).is_some());
    }
}
