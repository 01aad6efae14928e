//! Three thousand attributes in one entry.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut wide = entry("a", "strike", "");
    wide.attributes = (0..3000).map(|n| attribute(&format!("a{n}"), "")).collect();
    Ok(Answer::Page(page(vec![wide])))
}
