//! Asks for a TiB of random bytes at once.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let bytes = wasip2::random::random::get_random_bytes(1 << 40);
    Ok(Answer::Said(bytes.len().to_string()))
}
