//! Somebody else than who was looked for: believed, Entra would take one person for another.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    Ok(Answer::Page(page(vec![entry("b", "somebody.else", "not me")])))
}
