//! Ends itself and calls it a success.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    std::process::exit(0)
}
