//! Prints a million lines.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    for number in 0..1_000_000 {
        println!("flood {number}");
    }
    Ok(Answer::Said("printed".to_owned()))
}
