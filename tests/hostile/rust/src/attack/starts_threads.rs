//! Starts a thread.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    Ok(Answer::Said(tried("thread", std::thread::Builder::new().spawn(|| ()))))
}
