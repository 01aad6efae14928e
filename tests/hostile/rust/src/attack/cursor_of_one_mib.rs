//! A cursor of 1 MiB, which the host would have to give back.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut long = page(Vec::new());
    long.cursor = Some("c".repeat(1 << 20));
    Ok(Answer::Page(long))
}
