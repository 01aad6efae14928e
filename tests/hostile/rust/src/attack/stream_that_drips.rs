//! Reads a stream whose other side sends one letter at a time, and never ends.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let drain = || {
        let stream = tombolo::connector::net::connect("stream")?;
        stream.write(b"GET /app/drip HTTP/1.1\r\nhost: web\r\n\r\n")?;
        while !stream.read(u32::MAX)?.is_empty() {}
        Ok::<_, tombolo::connector::net::NetError>(())
    };
    Ok(Answer::Said(tried("drip", drain())))
}
