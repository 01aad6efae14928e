//! A listing that goes round in circles: the third page leads back to the first.

use crate::*;

pub(crate) fn attack(query: &Query) -> Result<Answer, Failure> {
    let next = match query.cursor.as_deref() {
        None | Some("three") => "one",
        Some("one") => "two",
        Some("two") => "three",
        // Only its own come back, and whole.
        Some(_) => return Err(failure(Fault::Other, "a cursor that is not mine")),
    };
    let mut round = page(vec![entry("round", "strike", "round")]);
    round.cursor = Some(next.to_owned());
    Ok(Answer::Page(round))
}
