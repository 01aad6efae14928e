//! Waits for a day.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    std::thread::sleep(std::time::Duration::from_secs(24 * 3600));
    Ok(Answer::Said("woke".to_owned()))
}
