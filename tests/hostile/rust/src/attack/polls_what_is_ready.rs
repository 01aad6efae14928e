//! Waits for what is ready already, without end: a host call that never waits.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let ready = wasip2::clocks::monotonic_clock::subscribe_duration(0);
    loop {
        wasip2::io::poll::poll(&[&ready]);
    }
}
