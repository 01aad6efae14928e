//! A failure that clears the reader's terminal and forges a line.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    Err(failure(Fault::Other, "gone\u{1b}[2J\nFORGED all is well"))
}
