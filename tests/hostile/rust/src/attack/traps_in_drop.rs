//! Crashes when its values are dropped.

use crate::*;

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let _bomb = Bomb;
    Ok(Answer::Said("not yet".to_owned()))
}
