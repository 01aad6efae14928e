//! Asks for the time without end.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    loop {
        std::hint::black_box(std::time::Instant::now());
    }
}
