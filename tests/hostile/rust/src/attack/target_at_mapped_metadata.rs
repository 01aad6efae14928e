//! Asks targets whose addresses are the metadata service's in other spellings, and this machine's where only the internet may be reached.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut said = String::new();
    for target in ["mapped", "numbers", "rebound"] {
        said.push_str(&tried(target, get(target, "/").ok_or(())));
    }
    Ok(Answer::Said(said))
}
