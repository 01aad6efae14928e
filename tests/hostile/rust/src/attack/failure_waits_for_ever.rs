//! A target that asks for 49 days of patience.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut wait = failure(Fault::Busy, "later");
    wait.retry_after_ms = Some(u32::MAX);
    Err(wait)
}
