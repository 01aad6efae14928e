//! Asks a target that accepts connections and never says a word: a slow-loris from the other side.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    let heard = tombolo::connector::ldap::delete("directory", "cn=x");
    Ok(Answer::Said(tried("delete", heard)))
}
