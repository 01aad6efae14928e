//! Waits a millisecond, over and over: loops in the host call's wake-up.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    loop {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
