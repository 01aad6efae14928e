//! A version of 1 MiB, which the host would have to remember.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut old = entry("a", "strike", "");
    old.version = Some("v".repeat(1 << 20));
    Ok(Answer::Page(page(vec![old])))
}
