//! One entry more than the host asked for.

use crate::*;

pub(crate) fn attack(query: &Query) -> Result<Answer, Failure> {
    let limit = query.limit;
    let entries = (0..=limit).map(|n| entry(&n.to_string(), "strike", "")).collect();
    Ok(Answer::Page(page(entries)))
}
