//! Opens a file whose path has 1 MiB.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let path = format!("/data/{}", "d/".repeat(1 << 19));
    Ok(Answer::Said(tried("read", std::fs::read(path))))
}
