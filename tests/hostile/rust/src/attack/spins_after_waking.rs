//! Waits a little, so that another thread wakes it, and then computes for ever.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    std::thread::sleep(std::time::Duration::from_millis(50));
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}
