//! Opens the same file over and over and closes none.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut open = Vec::new();
    for _ in 0..100_000 {
        open.push(std::fs::File::create("/data/file").map_err(|_| failure(Fault::Other, "refused"))?);
    }
    Ok(Answer::Said("opened".to_owned()))
}
