//! An attribute whose name moves the terminal's cursor.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut painted = entry("a", "strike", "");
    painted.attributes.push(attribute("\u{1b}[2J\n", "x"));
    Ok(Answer::Page(page(vec![painted])))
}
