//! A failure with a message of 10 MiB.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    Err(failure(Fault::Invalid, &"y".repeat(10 << 20)))
}
