//! Waits for none of no things.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    wasip2::io::poll::poll(&[]);
    Ok(Answer::Said("polled".to_owned()))
}
