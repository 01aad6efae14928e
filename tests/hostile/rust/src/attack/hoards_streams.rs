//! Connects streams to a silent target and keeps them all.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let mut kept = Vec::new();
    for _ in 0..1000 {
        kept.push(tombolo::connector::net::connect("stream"));
    }
    Ok(Answer::Said("connected".to_owned()))
}
