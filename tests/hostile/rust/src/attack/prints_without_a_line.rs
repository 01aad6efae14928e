//! Prints 64 MiB without the end of a line.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    use std::io::Write as _;
    for _ in 0..1024 {
        let _ = std::io::stdout().write_all(&[b'x'; 65536]);
    }
    Ok(Answer::Said("printed".to_owned()))
}
