//! Taints its memory and answers nonsense: a clean return, and yet no instance to keep.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    TAINTED.store(true, Ordering::Relaxed);
    Ok(Answer::Page(page(vec![entry("", "strike", "")])))
}
