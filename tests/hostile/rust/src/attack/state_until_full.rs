//! Fills its state, and goes on.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    use tombolo::connector::state;
    let mut kept = 0;
    for number in 0..1000 {
        kept += u32::from(state::put(&format!("fill-{number}"), &[0; 1024], None).is_ok());
    }
    for number in 0..1000 {
        let _ = state::delete(&format!("fill-{number}"));
    }
    Ok(Answer::Said(format!("kept {kept}")))
}
