//! Keys that are empty, too long, or mean something elsewhere.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    use tombolo::connector::state;
    let long = "k".repeat(1 << 20);
    let mut said = tried("long", state::put(&long, b"v", None));
    for key in ["", "\0", "../other", "\u{10ffff}", "a/../../b", "%00"] {
        let kept = state::put(key, key.as_bytes(), None).is_ok();
        let same = state::get(key).is_ok_and(|item| item.is_some_and(|item| item.value == key.as_bytes()));
        said.push_str(if kept && same { "kept; " } else { "LOST; " });
    }
    Ok(Answer::Said(said))
}
