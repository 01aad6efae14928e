//! Two entries of one page have the same anchor.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let twins = vec![entry("same", "strike", "one"), entry("same", "strike", "two")];
    Ok(Answer::Page(page(twins)))
}
