//! A log line with a thousand fields of half a kilobyte.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    use tombolo::connector::log;
    let field = ("f".repeat(512), "v".repeat(100));
    let fields = vec![field; 1_000];
    log::emit(log::Level::Info, "wide", &fields);
    Ok(Answer::Said("logged".to_owned()))
}
