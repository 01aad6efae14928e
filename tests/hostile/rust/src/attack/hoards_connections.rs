//! Asks a silent target over and over, so that every try leaves a connection behind.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    for _ in 0..1000 {
        let _ = tombolo::connector::ldap::delete("directory", "cn=x");
    }
    Ok(Answer::Said("asked".to_owned()))
}
