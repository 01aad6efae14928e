//! Asks for the value of a secret that it may only hand on.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let secret = tombolo::connector::secrets::open("api-key");
    let Some(secret) = secret else {
        return Ok(Answer::Said("none".to_owned()));
    };
    let value = tombolo::connector::reveal::reveal(&secret);
    Ok(Answer::Said(String::from_utf8_lossy(&value).into_owned()))
}
