//! Asks for 64 KiB of random bytes, over and over.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    loop {
        std::hint::black_box(wasip2::random::random::get_random_bytes(65536));
    }
}
