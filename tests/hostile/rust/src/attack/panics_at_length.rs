//! Panics with a message of 1 MiB.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    panic!("{}", "p".repeat(1 << 20))
}
