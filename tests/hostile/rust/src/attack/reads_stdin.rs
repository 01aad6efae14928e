//! Reads what the host was given to read.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut text = String::new();
    let read = std::io::Read::read_to_string(&mut std::io::stdin(), &mut text);
    Ok(Answer::Said(format!("{} bytes", read.unwrap_or(0))))
}
