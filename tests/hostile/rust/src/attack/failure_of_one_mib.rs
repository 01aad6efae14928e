//! A failure with a message of 1 MiB, for a table cell in a portal.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    Err(failure(Fault::Other, &"y".repeat(1 << 20)))
}
