//! Attributes that the description does not have, and the same one twice.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut odd = entry("a", "strike", "known");
    odd.attributes.push(attribute("isAdmin", "true"));
    odd.attributes.push(attribute("label", "twice"));
    Ok(Answer::Page(page(vec![odd])))
}
