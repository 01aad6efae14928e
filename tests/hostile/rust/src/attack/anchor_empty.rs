//! An entry without an anchor.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    Ok(Answer::Page(page(vec![entry("", "strike", "")])))
}
