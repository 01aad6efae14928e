//! Waits at a stream on which nothing ever comes.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let stream = tombolo::connector::net::connect("stream");
    let read = stream.and_then(|stream| stream.read(u32::MAX));
    Ok(Answer::Said(tried("read", read)))
}
