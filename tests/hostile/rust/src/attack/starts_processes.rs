//! Starts a program of the machine.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    Ok(Answer::Said(tried("process", std::process::Command::new("/bin/sh").output())))
}
