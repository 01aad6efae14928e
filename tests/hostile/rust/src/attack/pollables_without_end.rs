//! Makes things to wait for, and keeps them.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut kept = Vec::new();
    loop {
        kept.push(wasip2::clocks::monotonic_clock::subscribe_duration(1));
    }
}
