//! Asks for more keys at once than anybody may have.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    use tombolo::connector::state;
    for number in 0..9 {
        let _ = state::put(&format!("list-{number}"), b"", None);
    }
    let listed = state::list("list-", None, u32::MAX).map_or(0, |keys| keys.len());
    Ok(Answer::Said(format!("listed {listed}")))
}
