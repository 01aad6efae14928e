//! A failure that, told as 401, would put Entra's job into quarantine.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    Err(failure(Fault::Unauthenticated, "the password is wrong"))
}
