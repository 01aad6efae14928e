//! Writes with versions that are stale, or never were.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    use tombolo::connector::state;
    let _ = state::delete("race");
    let first = state::put("race", b"1", Some(0)).unwrap_or(0);
    let _ = state::put("race", b"2", Some(first));
    let mut said = tried("stale", state::put("race", b"3", Some(first)));
    said.push_str(&tried("absent", state::put("race", b"3", Some(0))));
    said.push_str(&tried("never", state::put("race", b"3", Some(u64::MAX))));
    let _ = state::delete("race");
    said.push_str(&tried("returned", state::put("race", b"4", Some(first))));
    Ok(Answer::Said(said))
}
