//! A listing that never ends: each page has another cursor.

use crate::*;

pub(crate) fn attack(query: &Query) -> Result<Answer, Failure> {
    let number: u64 = query.cursor.as_deref().map_or(0, |text| text.parse().unwrap_or(0));
    let mut endless = page(Vec::new());
    endless.cursor = Some((number + 1).to_string());
    Ok(Answer::Page(endless))
}
