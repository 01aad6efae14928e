//! Taints its memory and crashes: whoever meets that instance again is told so.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    TAINTED.store(true, Ordering::Relaxed);
    panic!("tainted")
}
