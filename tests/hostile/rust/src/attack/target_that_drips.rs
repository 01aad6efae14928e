//! Waits for a target that sends one letter of its answer at a time.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    Ok(Answer::Said(tried("drip", get("web", "/drip").ok_or(()))))
}
