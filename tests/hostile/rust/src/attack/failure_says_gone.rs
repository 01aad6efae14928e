//! A failure that, told as 404, would make Entra believe that a person is gone.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    Err(failure(Fault::NotFound, "nobody here"))
}
