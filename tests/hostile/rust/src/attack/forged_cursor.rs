//! A cursor that looks like a path, a query and a line: it comes back as it was, and to nobody else.

use crate::*;

const FORGED: &str = "../../other/state\0' OR 1=1 --\r\nX: y";

pub(crate) fn attack(query: &Query) -> Result<Answer, Failure> {
    let mut once = page(vec![entry("forger", "strike", "came back")]);
    match query.cursor.as_deref() {
        None => once.cursor = Some(FORGED.to_owned()),
        Some(FORGED) => {}
        Some(_) => return Err(failure(Fault::Other, "a cursor that is not mine")),
    }
    Ok(Answer::Page(once))
}
