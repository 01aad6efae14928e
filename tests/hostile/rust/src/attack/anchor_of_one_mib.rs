//! An anchor of 1 MiB, which would become part of a key in the store.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let anchor = "a".repeat(1 << 20);
    Ok(Answer::Page(page(vec![entry(&anchor, "strike", "")])))
}
