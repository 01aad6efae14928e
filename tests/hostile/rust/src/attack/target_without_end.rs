//! Reads an answer that never ends.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    Ok(Answer::Said(tried(
        "endless",
        get("web", "/endless").ok_or(()),
    )))
}
