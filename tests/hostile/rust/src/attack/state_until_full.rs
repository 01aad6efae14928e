//! Fills its state, and goes on.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    use tombolo::connector::state;
    let mut kept = 0;
    for number in 0..9 {
        kept += u32::from(state::put(&format!("fill-{number}"), &[0; 16 << 10], None).is_ok());
    }
    for number in 0..9 {
        let _ = state::delete(&format!("fill-{number}"));
    }
    Ok(Answer::Said(format!("kept {kept}")))
}
