//! An anchor that would be another key, another path and another line if anybody took it for one.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let anchor = "../../\0\u{1b}[2J\n{\"id\":1}%2e%2e/";
    Ok(Answer::Page(page(vec![entry(anchor, "strike", "climbed")])))
}
