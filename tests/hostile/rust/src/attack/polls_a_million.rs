//! Waits for the same thing in a list of a million.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let slow = wasip2::clocks::monotonic_clock::subscribe_duration(u64::MAX);
    let list: Vec<_> = (0..1_000_000).map(|_| &slow).collect();
    wasip2::io::poll::poll(&list);
    Ok(Answer::Said("polled".to_owned()))
}
